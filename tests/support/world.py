"""A whole deployment in virtual time: the real domain code over fakes with memory, driven by queue and timer."""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.app import App
from shared.errors import HubletError, RetryableError
from shared.hubs import commands, steer
from shared.hubs.audit import audit
from shared.hubs.gate import SharedGate
from shared.hubs.gated import gated
from shared.hubs.lifecycle import advance, poisoned
from shared.hubs.messages import DueBatch
from shared.hubs.model import Hub, HubSpec, Message, Notice, Operation, Principal, Role
from shared.hubs.notify import deliver
from shared.hubs.states import HubState
from shared.hubs.sweep import sweep
from shared.hubs.ticks import drive, tick
from shared.settings import Settings
from shared.steps import STEPS
from tests.support.builders import a_spec, some_settings
from tests.support.clock import MONDAY_MORNING, FakeClock
from tests.support.fake_arm import (
    FakeCatalog,
    FakeCloud,
    FakeCompute,
    FakeGroups,
    FakeLongOperations,
    FakeNetwork,
    FakeProbe,
    FakeShutdowns,
)
from tests.support.fake_chance import FakeEntropy, FakeKeyMaker
from tests.support.fake_chat import FakeOutbound
from tests.support.fake_storage import FakeGateRow, Queued, fake_storage
from tests.support.fake_vm import FakeHubApi, FakeHubHttp, FakeOnVm, FakeReach
from tests.support.tape import Crash

ASK_AZURE = ("groups", "network", "compute", "operations", "shutdowns")
"""The ports that go through the gate, as `build_app` has them."""

OWNER = Principal("jaydoe")
ADMIN = Principal("admin", Role.ADMIN)


class CrashPlan:
    """Counts every call of every port; at the chosen one the process dies before or after the effect.

    Call number n has two points: 2n (before) and 2n+1 (after). `points` = how many a run had.
    """

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.points = 0
        self.where = ""

    def wrap(self, port: Any, name: str) -> Any:
        return _Watched(port, name, self)

    def _pass(self, where: str) -> None:
        point, self.points = self.points, self.points + 1
        if point == self.at:
            self.where = where
            raise Crash(where)


class _Watched:
    def __init__(self, port: Any, name: str, plan: CrashPlan) -> None:
        self._port, self._name, self._plan = port, name, plan

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._port, method)
        if not inspect.iscoroutinefunction(real):
            return real

        async def watched(*args: Any, **kwargs: Any) -> Any:
            self._plan._pass(f"before {self._name}.{method}")
            answer = await real(*args, **kwargs)
            self._plan._pass(f"after {self._name}.{method}")
            return answer

        return watched


class MemorySink:
    """A sink that keeps what it was given."""

    name = "memory"

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    async def targets(self, notice: Notice) -> Sequence[str]:
        return ("",)

    async def deliver(self, notice: Notice, target: str) -> None:
        self.notices.append(notice)

    async def gave_up(self, notice: Notice, target: str, error: HubletError) -> None:
        """Never asked: it takes everything."""

    def of(self, kind: str) -> list[Notice]:
        """Those of one type, named without prefix and version."""
        return [notice for notice in self.notices if notice.type == f"io.hublet.hub.{kind}.v1"]


@dataclass
class _Timer:
    every: timedelta
    fire: Callable[[App], Awaitable[object]]
    next_at: datetime


class World:
    """One deployment. `lease_s`: how long a message stays hidden when its worker dies. `start`: when time begins.

    `down` stops workers and timers, as if the app were not there; Azure and people go on.
    """

    def __init__(
        self,
        *,
        crash: CrashPlan | None = None,
        settings: Settings | None = None,
        lease_s: float = 600,
        seed: int = 1,
        durations: dict[str, float] | None = None,
        start: datetime = MONDAY_MORNING,
        through_json: bool = True,
    ) -> None:
        self.clock = FakeClock(start)
        self.storage = fake_storage(self.clock, through_json=through_json)
        self.gate_row = FakeGateRow(self.storage.tape)
        self.cloud = FakeCloud(self.clock, **(durations or {}))
        self.on_vm = FakeOnVm(self.clock)
        self.hub_http = FakeHubHttp(self.on_vm)
        self.hub_http.reachable = self._machine_runs
        self.people = FakeHubApi(self.on_vm)
        self.people.reachable = self._machine_runs
        self.told = MemorySink()
        self.outbound = FakeOutbound(self.storage.tape)
        self.lease_s = lease_s
        self.crashes: list[str] = []
        self.delivered = 0
        self.down = False
        self.on_vm.port_open = self._control_plane_may_enter
        ports: dict[str, Any] = {
            **self.storage.ports(),
            "groups": FakeGroups(self.cloud),
            "network": FakeNetwork(self.cloud),
            "compute": FakeCompute(self.cloud),
            "operations": FakeLongOperations(self.cloud),
            "shutdowns": FakeShutdowns(self.cloud),
            "catalog": FakeCatalog(self.cloud),
            "on_vm": self.on_vm,
            "hub_api": self.people,
            "hub_http": self.hub_http,
            "reach": FakeReach(),
            "outbound": self.outbound,
            "row": self.gate_row,
            "probe": FakeProbe(self.cloud),
        }
        if crash is not None:
            ports = {name: crash.wrap(port, name) for name, port in ports.items()}
        settings = settings or some_settings(HUBLET_EGRESS_CIDRS="198.51.100.7/32")
        entropy = FakeEntropy(seed)
        row, probe = ports.pop("row"), ports.pop("probe")

        def a_gate() -> SharedGate:
            # chance of its own: what waits must not change what a seed means for hubs that do not
            own = FakeEntropy(seed)
            return SharedGate(row, probe, self.clock, own, ports["cache"], poll_scale=settings.poll_scale)

        self._a_gate = a_gate
        self._gate = gate = a_gate()
        ports |= {name: gated(ports[name], gate) for name in ASK_AZURE}
        self.app = App(
            settings=settings,
            clock=self.clock,
            entropy=entropy,
            gate=gate,
            keys=FakeKeyMaker(),
            sinks=(self.told,),
            **ports,
        )
        self.timers = [
            _Timer(timedelta(minutes=1), tick, start),
            _Timer(timedelta(minutes=5), sweep, start + timedelta(seconds=30)),
            _Timer(timedelta(hours=1), audit, start + timedelta(minutes=7)),
        ]

    def new_process(self) -> None:
        """From here on the app knows nothing but what stands outside of it."""
        vars(self._gate).update(vars(self._a_gate()))

    def _machine_runs(self) -> bool:
        vms = self.cloud.vms()  # none: a test of a step that needs no Azure
        return not vms or any(vm.power == "running" for vm in vms)

    def _control_plane_may_enter(self, host: str) -> bool:
        """Port 22 as the control plane sees it: open while a rule of the hub's security group lets it in."""
        for vm in self.cloud.vms():
            nsg = self.cloud.nsg(vm.plan.group, vm.plan.nsg_name)
            if nsg is not None:
                return any(rule.name == "ssh-hublet" for rule in nsg.rules)
        return False

    # ---- what people do
    async def create(self, name: str | None = "demo", *, principal: Principal = OWNER, **changes: Any) -> Hub:
        spec: HubSpec = a_spec(**changes)
        created = await commands.create_hub(
            self.app, principal, spec, name=name, idempotency=None, request_id="r1", price=None
        )
        return created.hub

    def asking(self, principal: Principal = OWNER) -> steer.Request:
        return steer.Request(principal=principal, request_id="r2")

    async def delete(self, hub: Hub, *, principal: Principal = OWNER) -> Hub:
        fresh = await self.app.hubs.get(hub.owner, hub.name)
        return (await steer.delete_hub(self.app, fresh or hub, self.asking(principal))).hub

    async def stop(self) -> Hub:
        """The owner asks for the only hub to be stopped."""
        return (await steer.stop_hub(self.app, self.hub, self.asking())).hub

    async def start(self) -> Hub:
        return (await steer.start_hub(self.app, self.hub, self.asking())).hub

    @property
    def hub(self) -> Hub:
        """The only hub, as it is stored now."""
        return self.storage.hubs.only_hub()

    def operation(self) -> Operation:
        """The operation of the only hub's present generation."""
        hub = self.hub
        return self.storage.hubs.operations[hub.owner, hub.id, hub.generation]

    def said(self, kind: str) -> list[str]:
        """The messages of one kind of event of the only hub, oldest first."""
        history = self.storage.hubs.history[self.hub.owner, self.hub.id]
        return [history[seq].message for seq in sorted(history) if history[seq].kind == kind]

    # ---- what the platform does
    async def deliver(self, message: Message | DueBatch) -> None:
        """One worker takes one message; when it dies, the message comes back after its lease."""
        self.delivered += 1
        try:
            if isinstance(message, DueBatch):
                await drive(self.app, message.rows)
            else:
                await advance(self.app, STEPS, message)
        except Crash as crash:
            self.crashes.append(str(crash))
            visible_at = self.clock.now() + timedelta(seconds=self.lease_s)
            self.storage.queue.waiting.append(Queued(message, visible_at))

    async def run(self, until: Callable[[], bool] = lambda: False, *, limit_s: float = 6 * 3600) -> None:
        """Delivers what is visible, fires the timers, lets time pass; stops when `until` holds or time is up."""
        end = self.clock.now() + timedelta(seconds=limit_s)
        while not until() and self.clock.now() < end:
            if self.down:
                self.clock.advance_to(min(end, self.clock.now() + timedelta(minutes=1)))
                self.cloud.settle()
                continue
            for timer in self.timers:
                await self._fire(timer)
            if await self._work():
                continue
            visible = (self.storage.queue.next_visible_at(), self.storage.notices.next_visible_at())
            following = min(moment for moment in (*visible, *(timer.next_at for timer in self.timers)) if moment)
            self.clock.advance_to(min(end, max(following, self.clock.now() + timedelta(milliseconds=100))))

    async def tick(self) -> int:
        """The minute timer, and the worker that takes what it hands over; returns how many hubs were queued."""
        await tick(self.app)
        batches = [one for one in self.storage.queue.waiting if isinstance(one.message, DueBatch)]
        queued = 0
        for one in batches:
            self.storage.queue.waiting.remove(one)
            assert isinstance(one.message, DueBatch)
            queued += await drive(self.app, one.message.rows)
        return queued

    async def _fire(self, timer: _Timer) -> None:
        """Late is once: what was missed while the app was down is not made up for."""
        now = self.clock.now()
        if now < timer.next_at:
            return
        while timer.next_at <= now:
            timer.next_at += timer.every
        try:
            await timer.fire(self.app)
        except Crash as crash:
            self.crashes.append(str(crash))
        except RetryableError:
            pass  # the host logs it, and the timer fires again

    async def _work(self) -> bool:
        message = self.storage.queue.take()
        if message is not None:
            await self.deliver(message)
            return True
        ref = self.storage.notices.take()
        if ref is None:
            return False
        try:
            await deliver(self.app, ref)
        except Crash as crash:
            self.crashes.append(str(crash))
            await self.storage.notices.put(ref, delay_s=self.lease_s)
        return True

    async def run_to_rest(self, *states: HubState, limit_s: float = 6 * 3600) -> Hub:
        """Runs until the only hub is in one of `states`; returns it."""
        wanted = states or (HubState.READY, HubState.FAILED)
        await self.run(lambda: self.storage.hubs.only_hub().state in wanted, limit_s=limit_s)
        hub = self.storage.hubs.only_hub()
        assert hub.state in wanted, f"{hub.state}: {hub.next_step} {hub.step(hub.next_step) if hub.next_step else ''}"
        return hub

    async def run_until_gone(self, *, limit_s: float = 6 * 3600) -> None:
        await self.run(lambda: not self.storage.hubs.hubs, limit_s=limit_s)

    async def poison(self, message: Message) -> None:
        await poisoned(self.app, message, "ValueError: planted")
