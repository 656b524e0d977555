"""Everything of one run: storage, Azure, machines, processes, owners, and what goes wrong by itself."""

import asyncio
import random
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from shared.app import App
from shared.errors import CapacityError, RetryableError
from shared.hubs.gate import SharedGate
from shared.hubs.gated import gated
from shared.hubs.model import Hub, Notice
from shared.hubs.ports import HubChange, NoticeRef
from shared.hubs.states import STABLE, HubState
from tests.sim import following, oracles, secrecy
from tests.sim.azure import Replica, SimCompute, SimGroups, chance_of_age
from tests.sim.loop import START, SimClock, VirtualLoop
from tests.sim.machines import Machines, SimHubApi, SimHubHttp
from tests.sim.network import Network
from tests.sim.people import People, Promise
from tests.sim.plan import Plan
from tests.sim.platform import Platform, SimNoticeQueue, SimQueue
from tests.sim.process import Process
from tests.sim.receivers import LASTING, Receivers, answered_by, sinks_of
from tests.sim.trace import Trace
from tests.sim.witness import LONGEST_VISIT_S, SimOutbox, Witness
from tests.support.builders import some_settings
from tests.support.fake_arm import FakeCatalog, FakeLongOperations, FakeNetwork, FakeProbe, FakeShutdowns
from tests.support.fake_chance import FakeEntropy, FakeKeyMaker
from tests.support.fake_chat import FakeOutbound
from tests.support.fake_cloud import FakeCloud
from tests.support.fake_machine import FakeMachine, Script, failing
from tests.support.fake_slack_server import BOT_TOKEN
from tests.support.fake_storage import FakeGateRow, FakeHubStore, FakeStorage, fake_storage
from tests.support.fake_vm import FakeOnVm, FakeReach
from tests.support.world import ASK_AZURE

QUIET_LIMIT_S = 6 * 3600.0
"""Until then everything must be settled after the last fault (I1, I10): a dead host's message may come back after ten
minutes five times, power and removal look every 15 minutes at last, a start may take 30."""
NOTICES_LIMIT_S = 8 * 3600.0
"""Until then everybody must have heard everything (I9) whose trouble is over: a target that took nothing for the three
hours of the longest trouble is asked again six hours later at last."""
DAYS_LIMIT_S = 4.2 * 86400.0
"""Until then everybody else took it, or was given up: three days, and the day a target may wish for at their end."""
SHORTEST_STRIDE_S, LONGEST_STRIDE_S = 900.0, 3600.0
LEFT_OVER_S = 15 * 60.0


class SimHubStore(FakeHubStore):
    """Remembers every notice that was ever written."""

    def __init__(self, **kinds: Any) -> None:
        super().__init__(**kinds)
        self.told: dict[str, Notice] = {}

    def _store(self, change: HubChange) -> Hub:
        self.told.update({notice.id: notice for notice in change.notices})
        return super()._store(change)


@dataclass
class World:
    """Everything of one run."""

    plan: Plan
    loop: VirtualLoop
    trace: Trace
    logged: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        plan, seed = self.plan, self.plan.seed
        self.rng = random.Random(f"world-{seed}")
        self.clock = SimClock(self.loop)
        self.storage = self._storage()
        self.cloud = FakeCloud(self.clock, **self._durations())
        self.network = Network(plan, random.Random(f"network-{seed}"), self.trace)
        stale = plan.rate("azure-stale")
        pick = chance_of_age(random.Random(f"stale-{seed}"), stale, lambda: self.network.troubled) if stale else None
        self.replica = Replica(self.cloud, self.loop.time, pick, bent=plan.perturbation)
        self.on_vm = FakeOnVm(self.clock)
        self.on_vm.new_machine = self._new_machine
        self.machines = Machines(self.cloud, self.on_vm)
        self.receivers = Receivers(plan, self.network, self.clock)
        assert isinstance(self.storage.outbox, SimOutbox)
        self.witness = Witness(self.clock, self.storage.outbox, self.receivers.refused)
        self.entropy = FakeEntropy(seed)
        self.settings = some_settings(
            HUBLET_EGRESS_CIDRS="198.51.100.7/32", HUBLET_FAILED_KEEP_HOURS="240", HUBLET_SLACK_BOT_TOKEN=BOT_TOKEN
        )
        self.ports: dict[str, Any] = {
            **self.storage.ports(),
            "groups": SimGroups(self.cloud, self.replica),
            "network": FakeNetwork(self.cloud),
            "compute": SimCompute(self.cloud, self.replica),
            "operations": FakeLongOperations(self.cloud),
            "shutdowns": FakeShutdowns(self.cloud),
            "catalog": FakeCatalog(self.cloud),
            "on_vm": self.on_vm,
            "hub_api": SimHubApi(self.on_vm, self.machines),
            "hub_http": SimHubHttp(self.on_vm, self.machines),
            "reach": FakeReach(),
            "outbound": answered_by(FakeOutbound(self.storage.tape), self.receivers),
            "gate_row": FakeGateRow(self.storage.tape),
            "probe": FakeProbe(self.cloud),
        }
        self.platform = Platform(
            self.loop, plan, random.Random(f"platform-{seed}"), self.network, self.trace, self.app, self.witness
        )
        for queue in (self.storage.queue, self.storage.notices):
            assert isinstance(queue, SimQueue | SimNoticeQueue)
            queue.offer = self.platform.offer
        self.people = People(
            plan, random.Random(f"people-{seed}"), self.platform, self.network, self.storage.hubs, self.trace
        )
        self.lasting: list[tuple[str, int, int]] = []
        self.judged: tuple[str, ...] = ()
        self.watch = oracles.Watch(self.cloud, self.storage)
        self.network.heard = self.watch.heard
        self.network.sends = self.watch.sends

    def _storage(self) -> FakeStorage:
        made = fake_storage(self.clock, through_json=self.plan.through_json)
        hubs = SimHubStore(secrets=made.secrets, tape=made.tape, through_json=self.plan.through_json)
        return replace(
            made,
            hubs=hubs,
            outbox=SimOutbox(hubs, made.tape),
            queue=SimQueue(self.clock, made.tape),
            notices=SimNoticeQueue(self.clock, made.tape),
        )

    def _durations(self) -> dict[str, float]:
        rng = self.rng
        return {
            "group_delete": rng.uniform(20.0, 400.0),
            "nsg": rng.uniform(1.0, 8.0),
            "vnet": rng.uniform(2.0, 10.0),
            "vm": rng.uniform(15.0, 1800.0 if self.plan.rate("azure-slow") else 150.0),
            "deallocate": rng.uniform(15.0, 120.0),
            "start": rng.uniform(15.0, 90.0),
        }

    def app(self, process: Process) -> App:
        """The composition root of one process."""
        ports = {name: self.network.port(process, name, real) for name, real in self.ports.items()}
        row, probe = ports.pop("gate_row"), ports.pop("probe")
        gate = SharedGate(row, probe, process.clock, self.entropy, ports["cache"])
        ports |= {name: gated(ports[name], gate) for name in ASK_AZURE}
        app = App(
            settings=self.settings,
            clock=process.clock,
            gate=gate,
            entropy=self.entropy,
            keys=FakeKeyMaker(),
            sinks=(),
            **ports,
        )
        return replace(app, sinks=sinks_of(app, process, self.receivers, self.network, self.witness))

    def _new_machine(self, machine: FakeMachine) -> None:
        machine.boot_s = self.rng.uniform(0.0, 60.0)
        if not self.network.troubled:
            return
        if self.rng.random() < self.plan.rate("installer-fails"):
            machine.scripts = [failing(self.rng.randint(3, 12), exit_code=1), Script()]
        if self.rng.random() < self.plan.rate("installer-hangs"):
            machine.scripts = [Script(hangs=True)]
        if self.rng.random() < self.plan.rate("machine-dead"):
            machine.boot_s = 10.0**7

    # ------------------------------------------------------------------ trouble

    async def nemesis(self) -> None:
        """What goes wrong by itself, as long as it may."""
        plan, rng = self.plan, random.Random(f"nemesis-{self.plan.seed}")
        while True:
            await asyncio.sleep(rng.uniform(10.0, 240.0))
            if not self.network.troubled:
                return
            self._azure_trouble(rng)
            if plan.rate("outage") and rng.random() < 0.02:
                down_s = rng.choice((120.0, 1800.0, 3 * 3600.0)) * rng.random()
                self.trace.add(f"the app is down for {down_s:.0f} s")
                self.platform.kill_all(down_s)
            if rng.random() < plan.rate("portal") * 0.3:
                self._portal(rng)
            if rng.random() < plan.rate("portal-deletes") * 0.1:
                self._portal_deletes(rng)

    def _azure_trouble(self, rng: random.Random) -> None:
        plan, cloud = self.plan, self.cloud
        if rng.random() < plan.rate("azure-fails") * 3:
            verb = rng.choice(("nsg", "vnet", "vm", "deallocate", "start", "group_delete"))
            error = RetryableError("InternalExecutionError", "Azure had an internal problem.")
            cloud.fail_poll(verb, error, times=1, power=rng.choice((None, "running")) if verb == "vm" else None)
            self.trace.add(f"azure: the next {verb} will fail")
        if plan.rate("azure-outage") and rng.random() < 0.03:
            self._away_for(rng.uniform(60.0, 2400.0), RetryableError("AzureUnreachable", "Azure could not be reached."))
        if plan.rate("azure-unpaid") and rng.random() < 0.02:
            self.trace.add("azure: the subscription is disabled")
            cloud.disabled = True
            self.loop.call_later(rng.uniform(300.0, 5400.0), self._paid)
        if rng.random() < plan.rate("azure-handles"):
            cloud.forget_operations()
            self.trace.add("azure: forgets its operations")
        if rng.random() < plan.rate("azure-full") * 0.5:
            full = CapacityError("AllocationFailed", "Azure has no room.")
            (cloud.fail_begin if rng.random() < 0.5 else cloud.fail_poll)("vm", full, times=1)
            self.trace.add("azure: the next machine finds no room")

    def _away_for(self, seconds: float, error: RetryableError) -> None:
        self.trace.add(f"azure: answers nobody for {seconds:.0f} s")
        self.cloud.outage = error
        self.loop.call_later(seconds, self._here_again)

    def _here_again(self) -> None:
        self.cloud.outage = None

    def _paid(self) -> None:
        self.cloud.disabled = False

    def _portal_deletes(self, rng: random.Random) -> None:
        """The machine goes, and with it what Azure deletes along."""
        vms = [vm for vm in self.cloud.vms() if vm.provisioning == "succeeded"]
        if vms:
            plan = rng.choice(vms).plan
            self.trace.add(f"portal: {plan.name} is deleted")
            self.watch.lost_in_portal.add(self.cloud.vm(plan.group, plan.name).vm_id)
            self.cloud.lose_vm(plan.group, plan.name)
            self.replica.remember()

    def _portal(self, rng: random.Random) -> None:
        vms = [vm for vm in self.cloud.vms() if vm.settles_at <= self.clock.now() and vm.provisioning == "succeeded"]
        if vms:
            vm = rng.choice(vms)
            power = rng.choice(("running", "stopped", "deallocated"))
            self.trace.add(f"portal: {vm.plan.name} is {power}")
            vm.power = vm.next_power = power
            self.replica.remember()

    def quiet(self) -> None:
        """Everything answers from now on; what was planted is taken back."""
        self.network.troubled = False
        self._here_again()
        self._paid()
        for verb in ("nsg", "vnet", "vm", "deallocate", "start", "group_delete", "restart", "resize"):
            fine = RetryableError("Planted", "taken back")
            self.cloud.fail_begin(verb, fine, times=0)
            self.cloud.fail_poll(verb, fine, times=0)
        for machine in self.on_vm.machines.values():
            machine.down_until = None
        self.platform.all_up()
        self.trace.add("quiet")

    async def until_begun(self) -> float:
        """Until no hub is only accepted any more."""
        began = self.loop.time()
        hubs = self.storage.hubs.hubs
        while any(hub.state is HubState.ACCEPTED for hub in hubs.values()) and self.loop.time() < began + QUIET_LIMIT_S:
            await asyncio.sleep(5.0)
        return self.loop.time() - began

    def begun_after_s(self) -> tuple[float, ...]:
        """For each accepted hub: seconds from the 202, or from the last fault, until a worker had begun (infinite =
        none has)."""
        waits = []
        for promise in self.people.promises.values():
            history = next(
                (told for (_, hub_id), told in self.storage.hubs.history.items() if hub_id == promise.hub_id)
            )
            begun = [event.at for event in history.values() if event.from_state == HubState.ACCEPTED]
            said = START + timedelta(seconds=promise.said_at_s)
            since = max(said, START + timedelta(seconds=self.plan.trouble_s))
            waits.append(max(0.0, (min(begun) - since).total_seconds()) if begun else float("inf"))
        return tuple(sorted(waits))

    async def once_more(self, after_s: float) -> None:
        """Every message there ever was arrives again, days later."""
        sent = [queued.message for queued in self.storage.queue.sent]
        self.loop.virtual += after_s
        self.trace.add(f"{len(sent)} messages arrive again")
        self.platform.again(sent, within_s=600.0)
        await asyncio.sleep(2 * LEFT_OVER_S)

    async def look_at_due_rows(self) -> None:
        """Rows that are due and that no hub waits for must be gone ten minutes later."""
        before = oracles.in_vain(self.storage, self.clock.now() + timedelta(seconds=120))
        await asyncio.sleep(600.0)
        self.lasting = sorted(before & oracles.in_vain(self.storage, self.clock.now() + timedelta(days=9)))

    # ------------------------------------------------------------------ the end

    def unsettled(self) -> str:
        """Why it is not over yet; empty when it is."""
        now = self.loop.time()
        for hub in self.storage.hubs.hubs.values():
            if hub.state not in STABLE or (hub.failed_at is not None and hub.deallocated_at is None):
                return f"{hub.id} is {hub.state}"
        soon = [item for item, at in self.platform.waiting.values() if at <= now + LEFT_OVER_S]
        settled = {hub.id: hub for hub in self.storage.hubs.hubs.values()}
        if any(getattr(item, "hub_id", "") in settled for item in soon):
            return f"{len(soon)} messages are on their way"
        soon_at = self.clock.now() + timedelta(seconds=LEFT_OVER_S)
        if any(one.next_at is None or one.next_at <= soon_at for one in self.storage.outbox.rows.values()):
            return "notices are not delivered"
        return ""

    def untold(self) -> bool:
        """Whether somebody is to be told something, be it hours from now; but for who may be in trouble for days."""
        return any(
            pending.deliveries is None
            or any(one.next_at is not None and key not in LASTING for key, one in pending.deliveries.items())
            for pending in self.storage.outbox.rows.values()
        )

    async def days_later(self) -> None:
        """Until nothing that was told so far waits in the outbox. Time goes in strides, and the timers call once an
        hour: what the hubs do meanwhile is not what is judged."""
        told, end = set(self._told()), self.loop.time() + DAYS_LIMIT_S
        self.platform.least_pause_s = LONGEST_STRIDE_S
        while self.loop.time() < end and any(one.notice.id in told for one in self.storage.outbox.rows.values()):
            now = self.loop.time()
            waiting = self.platform.waiting.values()
            if all(at > now for _, at in waiting):
                coming = min(
                    (at - now for item, at in waiting if isinstance(item, NoticeRef)), default=LONGEST_STRIDE_S
                )
                self.loop.virtual += min(LONGEST_STRIDE_S, max(SHORTEST_STRIDE_S, coming))
            await asyncio.sleep(LONGEST_VISIT_S / 3)
        self.judged = tuple(sorted(told))

    def lost(self) -> tuple[str, ...]:
        """I1 alone: what was answered with 202 and is not there."""
        there = {hub.id for hub in self.storage.hubs.hubs.values()}
        return tuple(f"I1: {hub_id} was accepted and is lost" for hub_id in self.people.promises if hub_id not in there)

    def at_rest(self) -> tuple[str, ...]:
        """What is wrong when all is quiet, however long somebody is in trouble who should be told."""
        storage = self.storage
        now = self.clock.now()
        return (
            *oracles.judge_hubs(self.cloud, storage, now),
            *oracles.judge_history(storage),
            *oracles.judge_rows(storage),
            *(f"I10: the due row of {hub_id} (generation, pass: {rest}) never goes" for hub_id, *rest in self.lasting),
            *self._broken_promises(),
            *(following.judge(storage, self.receivers.slack, self.settings, now) if self.plan.slack else ()),
        )

    def in_the_end(self) -> tuple[str, ...]:
        """What was seen to go wrong at any time, and what is wrong with the notices of the time up to `days_later`."""
        told = self._told()
        return (
            *self.watch.broken,
            *self.witness.broken,
            *oracles.judge_notices(self.storage, [told[one] for one in self.judged], self.receivers, self.witness),
            *secrecy.judge(self.storage, self.cloud, self.logged),
            *(f"I7: a function raised {bug}" for bug in self.platform.bugs),
            *(f"API: {bug}" for bug in self.people.bugs),
        )

    def _meddled(self) -> bool:
        """Whether somebody may have done in the portal what no owner asked for."""
        return self.plan.rate("portal") > 0 or self.plan.rate("portal-deletes") > 0

    def _told(self) -> dict[str, Notice]:
        assert isinstance(self.storage.hubs, SimHubStore)
        return self.storage.hubs.told

    def _broken_promises(self) -> list[str]:
        """I1, I4: what was answered with 202 has come true, or there is a cause that an owner can read."""
        hubs = {hub.id: hub for hub in self.storage.hubs.hubs.values()}
        gone = {hub_id for _, hub_id in self.storage.hubs.graves}
        return [
            why
            for promise in self.people.promises.values()
            if (why := _broken(promise, hubs.get(promise.hub_id), gone, portal=self._meddled()))
        ]


def _broken(promise: Promise, hub: Hub | None, gone: set[str], *, portal: bool) -> str:
    if hub is None:
        if promise.hub_id not in gone:
            return f"I1: {promise.hub_id} was accepted and is neither there nor buried"
        return "" if promise.wish in (None, "deleted") else f"I1: {promise.hub_id} is deleted, nobody asked for that"
    if promise.wish == "deleted":
        return f"I4: {promise.hub_id} should be deleted and is {hub.state}"
    if portal or promise.wish is None or hub.state == "failed":
        return ""
    explained = any(condition.type == "StartFailed" for condition in hub.conditions)
    if promise.wish == "running" and hub.state == "stopped" and not explained:
        return f"I4: {promise.hub_id} should run and is stopped, nobody says why"
    if promise.wish == "stopped" and hub.state == "ready":
        return f"I4: {promise.hub_id} should be stopped and runs"
    return ""
