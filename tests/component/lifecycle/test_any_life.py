"""Any life after ready: owners, people, the portal, outages and losses in any order. Whenever it was quiet for a while,
what the hub says, what Azure shows and what is billed agree, and nothing that is due is left undone."""

import random
from datetime import timedelta

import pytest

from shared.errors import RetryableError, UserError
from shared.hubs import agenda, steer
from shared.hubs.agenda import Rules
from shared.hubs.model import Hub
from shared.hubs.ports import HubChange
from shared.hubs.states import Goal, HubState
from tests.component.lifecycle.days import (
    HOUR,
    MINUTE,
    Interleaved,
    a_ready_world,
    be_down,
    lose_everything,
    moves,
    replace_port,
    run_to,
    two_workers,
    utc,
)
from tests.support.builders import a_schedule
from tests.support.tape import Crash
from tests.support.world import CrashPlan, World

pytestmark = pytest.mark.slow

START = utc("2026-03-23 06:00")  # the clock changes a week later
NO_ANSWER = RetryableError("AzureUnreachable", "No answer.")


class Dying(CrashPlan):
    """Processes die before or after any call of any port, now and then, while `share` of the calls is above 0."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self.rng, self.share = rng, 0.0

    def _pass(self, where: str) -> None:
        if self.rng.random() < self.share:
            raise Crash(where)


class Life:
    """One hub and everything that can happen to it."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world, self.rng = world, rng
        self.may_fire = False
        self.story: list[str] = []
        self.troubled: set[str] = set()
        self.refused_saves = 0
        commit = world.app.hubs.commit

        async def sometimes(change: HubChange) -> Hub:
            if self.refused_saves > 0:
                self.refused_saves -= 1
                raise NO_ANSWER
            return await commit(change)

        replace_port(world, "hubs", commit=sometimes)

    @property
    def over(self) -> bool:
        """Its end date came, and it was kept for its time."""
        return not self.world.storage.hubs.hubs or self.world.hub.goal is Goal.DELETED

    async def anything(self) -> None:
        things = (
            self.owner_steers,
            self.owner_steers,
            self.owner_changes,
            self.portal,
            self.portal,
            self.outage,
            self.loss,
            self.trouble,
            self.people,
            self.people,
        )
        thing = self.rng.choice(things)
        self.story.append(f"{self.world.clock.now():%d %H:%M:%S} {thing.__name__}")
        try:
            await thing()
        except (UserError, RetryableError) as refusal:  # what a caller is answered
            self.story.append(f"  {refusal.code}")
        except Crash as crash:
            self.story.append(f"  dies {crash}")

    async def owner_steers(self) -> None:
        world, rng = self.world, self.rng
        app, hub, asking = world.app, world.hub, world.asking()
        match rng.randrange(5):
            case 0:
                await steer.stop_hub(app, hub, asking)
            case 1:
                await steer.start_hub(app, hub, asking)
            case 2:
                await steer.restart_hub(app, hub, asking)
            case 3:
                await steer.extend_hub(app, hub, asking, rng.choice((0.3, 1, 5, 14)))
            case _:
                await steer.skip_next_stop(app, hub, asking)

    async def owner_changes(self) -> None:
        rng, now = self.rng, self.world.clock.now()
        stop = f"{rng.randint(9, 23):02}:{rng.randrange(60):02}"
        changes = rng.choice(
            (
                {"schedule": a_schedule(stop=stop, start="08:59")},
                {"schedule": a_schedule(start=None, stop=stop)},
                {"schedule": a_schedule()},
                {"schedule": None},
                {"idle_minutes": rng.choice((15, 60, 240))},
                {"idle_minutes": None},
                {"expires_at": now + rng.uniform(0.1, 40) * HOUR},
                {"expires_at": None},
            )
        )
        await steer.change_hub(self.world.app, self.world.hub, self.world.asking(), changes)

    async def portal(self) -> None:
        world, hub = self.world, self.world.hub
        there = world.cloud.groups[hub.group_name.lower()].vms
        if self.rng.random() < 0.15:
            vm = there.pop(hub.vm_name.lower())
            await run_to(world, world.clock.now() + self.rng.uniform(0.1, 30) * MINUTE)
            vm.power = vm.next_power = self.rng.choice(("running", "deallocated"))
            there[hub.vm_name.lower()] = vm
            return
        vm = there[hub.vm_name.lower()]
        if vm.settles_at <= world.clock.now():
            vm.power = vm.next_power = self.rng.choice(("running", "stopped", "deallocated"))
            self.story.append(f"  {vm.power}")
            self.may_fire |= vm.power == "running"  # Azure's shutdown may come before the sweep knows of it

    async def outage(self) -> None:
        self.may_fire = True
        await be_down(self.world, self.world.clock.now() + self.rng.choice((0.2, 3, 20, 60)) * self.rng.random() * HOUR)

    async def loss(self) -> None:
        lose_everything(self.world)

    async def trouble(self) -> None:
        verb, cloud = self.rng.choice(("start", "deallocate", "restart", "shutdown")), self.world.cloud
        self.troubled.add(verb)
        cloud.fail_begin(verb, NO_ANSWER, times=self.rng.randint(1, 4))
        cloud.fail_read("vm_get", NO_ANSWER, times=self.rng.randint(1, 4))
        self.world.people.fail_next(NO_ANSWER, times=self.rng.randint(0, 4))
        self.refused_saves = self.rng.randint(0, 2)

    async def people(self) -> None:
        if self.rng.random() < 0.6 and self.world.hub.state is HubState.READY:
            self.world.people.start_server("ada", pending=self.rng.random() < 0.2)
        else:
            self.world.people.stop_all()

    def calm(self) -> None:
        """Everything answers again."""
        self.refused_saves = 0
        for verb in self.troubled:
            self.world.cloud.fail_begin(verb, NO_ANSWER, times=0)
        self.world.cloud.fail_read("vm_get", NO_ANSWER, times=0)

    def check(self) -> None:
        """All that must agree after a quiet time."""
        world, hub = self.world, self.world.hub
        (vm,) = world.cloud.vms()
        shown = f"{hub.state}, {vm.power}, {hub.meter.billing} at {world.clock.now():%d %H:%M}, {hub.conditions}"
        told = "\n".join((*self.story[-12:], *moves(world)[-8:], shown))
        assert (str(hub.state), vm.power, str(hub.meter.billing)) in (
            ("ready", "running", "running"),
            ("stopped", "deallocated", "stopped"),
        ), told
        assert hub.goal is (Goal.RUNNING if hub.state is HubState.READY else Goal.STOPPED), told
        assert hub.machine.missing_since is None, told
        assert not {one.type for one in hub.conditions} & {"Drifted", "ActionNeeded"}, told
        rules, now = Rules.of(world.app.settings), world.clock.now()
        assert hub.state is not HubState.READY or agenda.due_stop(hub, rules, now) is None, told
        assert hub.next_look_at is None or hub.next_look_at > now - 2 * MINUTE, told
        assert world.storage.index.entries[hub.id].state == hub.state, told
        assert not [one for one in world.storage.outbox.rows.values() if one.notice.at < now - 2 * MINUTE], told
        assert self.may_fire or world.cloud.fired == [], told
        assert len(world.storage.due.rows) < 30, told


async def live(seed: int, *, days: int = 10, plan: CrashPlan | None = None) -> None:
    rng = random.Random(seed)
    world = World(start=START, crash=plan)
    world = await a_ready_world(START, world=world, schedule=a_schedule(), idle_minutes=rng.choice((None, 60)))
    if isinstance(plan, Interleaved):
        two_workers(world)
    life = Life(world, rng)
    while world.clock.now() < START + timedelta(days=days):
        if isinstance(plan, Dying):
            plan.share = 0.01
        for _ in range(rng.randint(1, 5)):
            if not life.over:
                await life.anything()
            await run_to(world, world.clock.now() + rng.choice((0.1, 2, 40, 300)) * rng.random() * MINUTE)
        life.calm()
        if isinstance(plan, Dying):
            plan.share = 0.0
        # Quiet: no event of its own lies in the last quarter of an hour, and an audit has been there.
        await run_to(world, world.clock.now() + 100 * MINUTE)
        limit = world.clock.now() + timedelta(days=1)
        while not life.over and world.hub.state_since > world.clock.now() - 15 * MINUTE < limit:
            await run_to(world, world.clock.now() + 5 * MINUTE)
        if life.over:
            return
        life.check()


@pytest.mark.parametrize("seed", range(4))
async def test_after_a_quiet_time_everything_agrees(seed: int):
    await live(seed)


@pytest.mark.parametrize("seed", range(100, 102))
async def test_after_a_quiet_time_everything_agrees_with_two_workers_for_every_message(seed: int):
    await live(seed, plan=Interleaved())


@pytest.mark.parametrize("seed", range(200, 202))
async def test_after_a_quiet_time_everything_agrees_although_workers_and_timers_died(seed: int):
    await live(seed, plan=Dying(random.Random(seed)))
