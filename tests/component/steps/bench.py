"""One step on its own: the real step over fakes with memory, visited as the lifecycle visits it, in virtual time."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.errors import RetryableError
from shared.hubs.model import PROVISION, Hub, Machine, StepName, StepRecord
from shared.hubs.states import HubState
from shared.hubs.visit import Done, Visit, Wait
from shared.settings import Settings
from shared.steps import STEPS
from tests.support.builders import a_hub, some_settings
from tests.support.clock import MONDAY_MORNING
from tests.support.fake_arm import FakeGroups
from tests.support.fake_machine import FakeMachine
from tests.support.tape import Crash
from tests.support.world import CrashPlan, World

IP = "20.1.2.3"
FQDN = "physics-ab2cd3.eastus.cloudapp.azure.com"

_STATES = {
    StepName.BOOT: HubState.PROVISIONING,
    StepName.INSTALL: HubState.INSTALLING,
    StepName.CONFIGURE: HubState.INSTALLING,
}


def settings(**environment: str) -> Settings:
    return some_settings(
        **{"HUBLET_EGRESS_CIDRS": "198.51.100.7/32", "HUBLET_HTTPS_EMAIL": "hubs@example.org", **environment}
    )


class StepBench:
    """A hub whose steps before `name` are done. `machine` is its VM; `visits` counts what would be messages."""

    def __init__(
        self, name: StepName, *, crash: CrashPlan | None = None, environment: dict[str, str] | None = None, **hub: Any
    ) -> None:
        self.world = World(crash=crash, settings=settings(**(environment or {})))
        self.world.on_vm.port_open = self._port_22_is_open
        self.step = STEPS[name]
        self.visits = 0
        self.crashes: list[str] = []
        self.troubles: list[str] = []
        before = PROVISION[: PROVISION.index(name)]
        done = {n: StepRecord(name=n, started_at=MONDAY_MORNING, finished_at=MONDAY_MORNING) for n in before}
        self.world.storage.hubs.seed(
            a_hub(
                **{
                    "state": _STATES.get(name, HubState.VERIFYING),
                    "steps": done,
                    "machine": Machine(vm_id="vm", nic_id="nic", public_ip_id="pip", ip=IP, fqdn=FQDN),
                    **hub,
                }
            )
        )

    @property
    def hub(self) -> Hub:
        return self.world.storage.hubs.only_hub()

    @property
    def machine(self) -> FakeMachine:
        return self.world.on_vm.machine(IP)

    @property
    def told(self) -> str:
        """The hub's history as one text."""
        history = self.world.storage.hubs.history[self.hub.owner, self.hub.id]
        return "\n".join(event.message for event in history.values())

    def pass_time(self, seconds: float) -> None:
        self.world.clock.advance_to(self.world.clock.now() + timedelta(seconds=seconds))

    async def look(self) -> Done | Wait:
        """One visit, saved at its end. What the step raises comes out, after it was saved as the lifecycle does."""
        self.visits += 1
        stored = await self.world.app.hubs.get(self.hub.owner, self.hub.name)
        assert stored is not None
        visit = Visit(self.world.app, stored)
        if not visit.hub.host_public_keys:
            visit.update(host_public_keys=((await visit.secrets()).host_public_key,))
        record = visit.hub.step(self.step.name)
        if record.started_at is None:
            visit.record(replace(record, started_at=visit.now))
        try:
            outcome = await self.step.ensure(visit)
        except Exception:
            await visit.checkpoint()
            raise
        await visit.checkpoint()
        return outcome

    async def to_end(self, *, limit: int = 400) -> int:
        """Visits until `Done`, with the pauses the step asks for; a crash is a worker that died. Returns the visits."""
        for _ in range(limit):
            try:
                outcome = await self.look()
            except Crash as crash:
                self.crashes.append(str(crash))
                self.pass_time(30)
                continue
            except RetryableError as error:
                self.troubles.append(error.code)
                self.pass_time(5)
                continue
            if isinstance(outcome, Done):
                return self.visits
            self.pass_time(max(1.0, outcome.after_s))
        raise AssertionError(f"not done after {limit} visits: {self.hub.step(self.step.name)}")

    async def make_group(self) -> None:
        """The hub's resource group, for steps that change its network."""
        await FakeGroups(self.world.cloud).put(self.hub.group_name, "eastus", {})

    def _port_22_is_open(self, host: str) -> bool:
        nsgs = [nsg for group in self.world.cloud.groups.values() for nsg in group.nsgs.values()]
        return not nsgs or any(rule.name == "ssh-hublet" for nsg in nsgs for rule in nsg.rules)


async def crash_points(make: Any) -> int:
    """How many places a run of `make(plan)` can die in."""
    plan = CrashPlan()
    await make(plan).to_end()
    return plan.points
