"""A whole deployment in virtual time: the real domain code over fakes with memory, driven by queue and timer."""

import inspect
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from shared.app import App
from shared.hubs import commands
from shared.hubs.lifecycle import advance, poisoned
from shared.hubs.model import Hub, HubSpec, Message, Principal, Role
from shared.hubs.states import HubState
from shared.hubs.ticks import tick
from shared.settings import Settings
from shared.steps import STEPS
from tests.support.builders import a_spec, some_settings
from tests.support.clock import FakeClock
from tests.support.fake_arm import (
    FakeCatalog,
    FakeCloud,
    FakeCompute,
    FakeGroups,
    FakeLongOperations,
    FakeNetwork,
)
from tests.support.fake_chance import FakeEntropy, FakeKeyMaker
from tests.support.fake_storage import Queued, fake_storage
from tests.support.fake_vm import FakeHubHttp, FakeOnVm, FakeReach
from tests.support.tape import Crash

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


class World:
    """One deployment. `lease_s`: how long a message stays hidden when its worker dies."""

    def __init__(
        self,
        *,
        crash: CrashPlan | None = None,
        settings: Settings | None = None,
        lease_s: float = 600,
        seed: int = 1,
        durations: dict[str, float] | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.storage = fake_storage(self.clock)
        self.cloud = FakeCloud(self.clock, **(durations or {}))
        self.on_vm = FakeOnVm(self.clock)
        self.hub_http = FakeHubHttp(self.on_vm)
        self.lease_s = lease_s
        self.crashes: list[str] = []
        self.delivered = 0
        self.on_vm.port_open = self._control_plane_may_enter
        ports: dict[str, Any] = {
            **self.storage.ports(),
            "groups": FakeGroups(self.cloud),
            "network": FakeNetwork(self.cloud),
            "compute": FakeCompute(self.cloud),
            "operations": FakeLongOperations(self.cloud),
            "catalog": FakeCatalog(self.cloud),
            "on_vm": self.on_vm,
            "hub_http": self.hub_http,
            "reach": FakeReach(),
        }
        if crash is not None:
            ports = {name: crash.wrap(port, name) for name, port in ports.items()}
        self.app = App(
            settings=settings or some_settings(HUBLET_EGRESS_CIDRS="198.51.100.7/32"),
            clock=self.clock,
            entropy=FakeEntropy(seed),
            keys=FakeKeyMaker(),
            **ports,
        )

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

    async def delete(self, hub: Hub, *, principal: Principal = OWNER) -> Hub:
        fresh = await self.app.hubs.get(hub.owner, hub.name)
        deleted, _ = await commands.delete_hub(self.app, principal, fresh or hub, request_id="r2")
        return deleted

    # ---- what the platform does
    async def deliver(self, message: Message) -> None:
        """One worker takes one message; when it dies, the message comes back after its lease."""
        self.delivered += 1
        try:
            await advance(self.app, STEPS, message)
        except Crash as crash:
            self.crashes.append(str(crash))
            visible_at = self.clock.now() + timedelta(seconds=self.lease_s)
            self.storage.queue.waiting.append(Queued(message, visible_at))

    async def run(self, until: Callable[[], bool], *, limit_s: float = 6 * 3600) -> None:
        """Delivers what is visible, ticks every minute, lets time pass; stops when `until` holds or time is up."""
        end = self.clock.now() + timedelta(seconds=limit_s)
        next_tick = self.clock.now()
        while not until() and self.clock.now() < end:
            if self.clock.now() >= next_tick:
                next_tick = self.clock.now() + timedelta(seconds=60)
                try:
                    await tick(self.app)
                except Crash as crash:
                    self.crashes.append(str(crash))
            message = self.storage.queue.take()
            if message is not None:
                await self.deliver(message)
                continue
            visible = self.storage.queue.next_visible_at()
            following = min(filter(None, (visible, next_tick)))
            self.clock.advance_to(max(following, self.clock.now() + timedelta(milliseconds=100)))

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
