"""Many hubs at once on several worker processes, in virtual time: who asks Azure when.

Real: the domain, with one gate for each process over one shared row, its ETags and races; ARM's token buckets
(localdev/azuresim/throttle.py). Modelled: Azure, storage and machines are the fakes with memory of tests/support, not
the SDKs; every call takes a time of its own, so processes meet each other in the middle of things.
"""

import asyncio
import math
import random
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from localdev.azuresim.routing import Charge
from localdev.azuresim.throttle import ARM_LIMITS, TokenBucket
from localdev.bench.model.host import longest_poll
from localdev.bench.model.loop import LoopClock
from localdev.host.backoff import PollingBackoff
from shared.adapters.notify.console import ConsoleSink
from shared.app import App
from shared.errors import HubletError, RetryableError
from shared.hubs.commands import create_hub
from shared.hubs.gate import SharedGate
from shared.hubs.gated import gated
from shared.hubs.lifecycle import advance
from shared.hubs.messages import DueBatch
from shared.hubs.model import Hub, Message, Principal
from shared.hubs.states import HubState
from shared.hubs.sweep import sweep
from shared.hubs.ticks import drive, tick
from shared.steps import STEPS
from tests.support.builders import a_spec, some_settings
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
from tests.support.fake_machine import FakeMachine
from tests.support.fake_storage import FakeGateRow, fake_storage
from tests.support.fake_vm import FakeHubApi, FakeHubHttp, FakeOnVm, FakeReach
from tests.support.world import ASK_AZURE

PROCESSES = 4
AT_ONCE = 24
"""Messages a process works on: a batch of 16, and 8 more while it does (host.json's defaults)."""

STORAGE_S = (0.004, 0.015)
ARM_S = (0.15, 0.6)
UNREACHABLE_S = 10.0
"""How long a connection that does not come about is waited for (shared/adapters/arm/client.py)."""

_READS: Mapping[str, int] = {"address": 2, "tagged": 2}
_DELETES = frozenset({"begin_delete"})
_WRITES = frozenset({"put", "begin_nsg", "begin_vnet", "begin_vm", "begin_deallocate", "begin_start", "begin_resize"})
_TICK, _SWEEP = timedelta(minutes=1), timedelta(minutes=5)
_OUTAGE = RetryableError("AzureUnreachable", "Azure could not be reached, or did not answer in time.")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request to ARM: when (seconds since the model began), what, and whether it was served."""

    at: float
    verb: str
    outcome: str
    charge: Charge


class Arm:
    """ARM's front door: its buckets, its outages, and a record of who came."""

    def __init__(self, clock: LoopClock, rng: random.Random) -> None:
        self.down = False
        self.asked: list[Asked] = []
        self.lowest = {charge: limit.size for charge, limit in ARM_LIMITS.items()}
        self._clock, self._rng = clock, rng
        self._buckets = {charge: TokenBucket(limit, clock.now()) for charge, limit in ARM_LIMITS.items()}

    async def enter(self, verb: str) -> None:
        """Raises what the SDK's adapters would."""
        charge = Charge.DELETES if verb in _DELETES else Charge.WRITES if verb in _WRITES else Charge.READS
        for _ in range(_READS.get(verb, 1)):
            await self._request(verb, charge)

    async def _request(self, verb: str, charge: Charge) -> None:
        at = asyncio.get_running_loop().time()
        if self.down:
            self.asked.append(Asked(at, verb, "unreachable", charge))
            await asyncio.sleep(UNREACHABLE_S)
            raise _OUTAGE
        bucket = self._buckets[charge]
        bucket.fill(self._clock.now())
        served = bucket.take()
        self.lowest[charge] = min(self.lowest[charge], bucket.left)
        self.asked.append(Asked(at, verb, "served" if served else "throttled", charge))
        await asyncio.sleep(self._rng.uniform(*ARM_S))
        if not served:
            raise RetryableError("AzureThrottled", "Slow down.", retry_after_s=math.ceil(bucket.wait_s()))


class _Far:
    """A port whose every call takes its time: storage, or ARM through its front door."""

    def __init__(self, port: Any, rng: random.Random, arm: Arm | None = None) -> None:
        self._port, self._rng, self._arm = port, rng, arm

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._port, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            if self._arm is not None:
                await self._arm.enter(name)
            else:
                await asyncio.sleep(self._rng.uniform(*STORAGE_S))
            return await real(*args, **kwargs)

        return call


class _HubHttp(FakeHubHttp):
    """Many hubs: each URL is its own machine."""

    def __init__(self, on_vm: FakeOnVm, addresses: Mapping[str, str]) -> None:
        super().__init__(on_vm)
        self._addresses = addresses
        self._users: dict[str, str] = {}

    async def api_version(self, url: str) -> str | None:
        machine = self.on_vm.machines.get(self._addresses[str(urlsplit(url).hostname)])
        return "5.5.4" if machine is not None and machine.installed else None

    async def start_server(self, url: str, user: str, password: str) -> bool:
        self._users[user] = self._addresses[str(urlsplit(url).hostname)]
        return await super().start_server(url, user, password)

    def _log_in(self, user: str) -> FakeMachine:
        machine = self.on_vm.machines[self._users[user]]
        machine.settle()
        if user in machine.hub_users and user in machine.passwords:
            return machine
        raise RetryableError("HubLoginRefused", "The hub refused the login.")


class Crowd:
    """One deployment in virtual time. Make and run it inside a virtual loop (localdev/bench/model/loop.py)."""

    def __init__(self, seed: int, *, processes: int = PROCESSES) -> None:
        self.clock = LoopClock()
        self._rng = random.Random(seed)
        self.arm = Arm(self.clock, self._rng)
        self.storage = fake_storage(self.clock, through_json=False)
        self.row = FakeGateRow(self.storage.tape)
        self.cloud = FakeCloud(self.clock)
        self.vm_puts: list[float] = []
        self._addresses: dict[str, str] = {}
        self._doors: dict[str, tuple[str, str]] = {}
        self._on_vm = FakeOnVm(self.clock)
        self._on_vm.port_open = self._port_open
        self._settings = some_settings(HUBLET_EGRESS_CIDRS="198.51.100.7/32")
        self.apps = [self._process(seed * 1000 + number) for number in range(processes)]
        self._running: list[asyncio.Task[None]] = []

    def _process(self, seed: int) -> App:
        """One worker process: what it remembers is its own, everything else is shared."""
        entropy = FakeEntropy(seed)
        ports: dict[str, Any] = {name: _Far(port, self._rng) for name, port in self.storage.ports().items()}
        ports["identity"] = self.storage.identity
        azure: dict[str, Any] = {
            "groups": FakeGroups(self.cloud),
            "network": FakeNetwork(self.cloud),
            "compute": FakeCompute(self.cloud),
            "operations": FakeLongOperations(self.cloud),
            "shutdowns": FakeShutdowns(self.cloud),
        }
        row: Any = _Far(self.row, self._rng)
        probe: Any = _Far(FakeProbe(self.cloud), self._rng, self.arm)
        gate = SharedGate(row, probe, self.clock, entropy, ports["cache"])
        assert set(azure) == set(ASK_AZURE)
        for name, port in azure.items():
            far: Any = _Far(port, self._rng, self.arm)
            ports[name] = gated(far, gate)
        return App(
            settings=self._settings,
            clock=self.clock,
            entropy=entropy,
            keys=FakeKeyMaker(),
            gate=gate,
            catalog=FakeCatalog(self.cloud),
            on_vm=self._on_vm,
            hub_api=FakeHubApi(self._on_vm),
            hub_http=_HubHttp(self._on_vm, self._addresses),
            reach=FakeReach(),
            outbound=FakeOutbound(),
            sinks=(ConsoleSink(),),
            **ports,
        )

    # ---- the machines

    def _port_open(self, host: str) -> bool:
        door = self._doors.get(host)
        nsg = self.cloud.groups[door[0]].nsgs.get(door[1]) if door and door[0] in self.cloud.groups else None
        return nsg is not None and any(rule.name == "ssh-hublet" for rule in nsg.rules)

    def _vm_made(self, group: str) -> None:
        for vm in self.cloud.groups[group.lower()].vms.values():
            self._doors[vm.ip] = (group.lower(), vm.plan.nsg_name.lower())
            self._addresses[f"{vm.plan.dns_label}.{vm.plan.region}.cloudapp.azure.com"] = vm.ip

    # ---- running it

    def open(self) -> None:
        """Workers begin to look at the queue, timers to fire."""
        began = self.clock.now()

        def wrote(call: Any) -> None:
            if call.verb == "vm":
                self.vm_puts.append((self.clock.now() - began).total_seconds())
                self._vm_made(call.group)

        self.cloud.after_write = wrote
        self._running = [asyncio.create_task(self._work(app)) for app in self.apps]
        self._running.append(asyncio.create_task(self._fire(_TICK, tick)))
        self._running.append(asyncio.create_task(self._fire(_SWEEP, sweep)))

    async def close(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def accept(self, hubs: int) -> None:
        """So many creates at the same moment, each of another owner."""
        await asyncio.gather(*(self._accept(number) for number in range(hubs)))

    async def _accept(self, number: int) -> None:
        app, owner = self.apps[number % len(self.apps)], Principal(f"owner{number}")
        await create_hub(app, owner, a_spec(), name=f"hub{number}", idempotency=None, request_id="bench")

    async def until_ready(self, limit_s: float = 7200) -> None:
        """Raises AssertionError when hubs fail or do not get ready in time."""
        loop = asyncio.get_running_loop()
        end = loop.time() + limit_s
        while (states := self.states()).keys() != {HubState.READY}:
            assert HubState.FAILED not in states, [hub.reason for hub in self.hubs() if hub.reason][:3]
            assert loop.time() < end, f"not done after {limit_s:g} s: {states}"
            await asyncio.sleep(1.0)

    def hubs(self) -> list[Hub]:
        return list(self.storage.hubs.hubs.values())

    def states(self) -> Counter[HubState]:
        return Counter(hub.state for hub in self.hubs())

    async def _work(self, app: App) -> None:
        """One process's queue listener."""
        backoff = PollingBackoff(longest_poll(), self._rng)
        room = asyncio.Semaphore(AT_ONCE)
        await asyncio.sleep(self._rng.uniform(0, 2))
        async with asyncio.TaskGroup() as visits:
            while True:
                await room.acquire()
                await asyncio.sleep(self._rng.uniform(*STORAGE_S))
                message = self.storage.queue.take()
                if message is None:
                    room.release()
                    await asyncio.sleep(backoff.next_delay(found_messages=False).total_seconds())
                    continue
                backoff.next_delay(found_messages=True)
                visits.create_task(self._visit(app, message, room))

    async def _visit(self, app: App, message: Message | DueBatch, room: asyncio.Semaphore) -> None:
        try:
            if isinstance(message, DueBatch):
                await drive(app, message.rows)
            else:
                await advance(app, STEPS, message)
        finally:
            room.release()

    async def _fire(self, every: timedelta, timer: Any) -> None:
        while True:
            await asyncio.sleep(every.total_seconds())
            with suppress(HubletError):  # the next one comes; Azure may be away
                await timer(self.apps[0])
