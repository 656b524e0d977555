"""The process dies before or after any call of a port while a hub stops, starts, restarts, is tried again or extended:
the end is the same, on one machine, with every operation ended and every notice told. The points are discovered."""

import itertools
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from shared.errors import FatalError
from shared.hubs import steer
from shared.hubs.commands import IdempotencyRequest
from shared.hubs.meter import Billing
from shared.hubs.model import Fallback, Hub, OperationStatus
from shared.hubs.states import HubState
from tests.component.lifecycle.lives import (
    SETTLED_S,
    Begin,
    a_failed,
    a_ready,
    a_stopped,
    conditions,
    machine,
    operations,
    power_calls,
    restart,
    retry,
    start,
    stop,
    watch_overlaps,
)
from tests.support.builders import a_schedule
from tests.support.snapshot import Plan, Snapshot
from tests.support.tape import Crash
from tests.support.world import CrashPlan, World

pytestmark = pytest.mark.slow

S = HubState
LEASE_S = 30
OTHER = "Standard_D2as_v5"
BILLS = {S.READY: (Billing.RUNNING, "running"), S.STOPPED: (Billing.STOPPED, "deallocated")}


async def a_crowded(plan: Plan | None = None, *, through_json: bool = True) -> World:
    """A stopped hub whose size Azure has no room for at the moment; another one is allowed."""
    world = await a_stopped(plan, through_json=through_json, fallback=Fallback(sizes=(OTHER,)))
    world.cloud.no_room = {world.hub.size.lower()}
    return world


async def a_locked(plan: Plan | None = None, *, through_json: bool = True) -> World:
    """A stopped hub that nobody may start."""
    world = await a_stopped(plan, through_json=through_json)
    world.cloud.fail_begin("start", FatalError("ScopeLocked", "The resource group is locked."), times=1000)
    return world


async def a_starting(plan: Plan | None = None, *, through_json: bool = True) -> World:
    """A hub whose machine is being started."""
    if "starting" not in _evenings:
        world = await a_stopped(through_json=through_json)
        await start(world)
        await world.run(limit_s=10)
        _evenings["starting"] = Snapshot(world)
    return _evenings["starting"].world(plan)


async def a_stopping(plan: Plan | None = None, *, through_json: bool = True) -> World:
    if "stopping" not in _evenings:
        world = await a_ready(through_json=through_json)
        await stop(world)
        await world.run(limit_s=10)
        _evenings["stopping"] = Snapshot(world)
    return _evenings["stopping"].world(plan)


_evenings: dict[str, Snapshot] = {}


async def _at(time: str, plan: Plan | None, *, through_json: bool) -> World:
    """A hub of a class (07:30 to 18:00 UTC), some seconds before that time."""
    if time not in _evenings:
        world = await a_ready(through_json=through_json, schedule=a_schedule())
        await world.run(lambda: f"{world.clock.now() + timedelta(seconds=5):%H:%M}" == time, limit_s=24 * 3600)
        assert not world.crashes
        _evenings[time] = Snapshot(world)
    return _evenings[time].world(plan)


async def before_the_stop(plan: Plan | None = None, *, through_json: bool = True) -> World:
    return await _at("18:00", plan, through_json=through_json)


async def before_the_warning(plan: Plan | None = None, *, through_json: bool = True) -> World:
    return await _at("17:30", plan, through_json=through_json)


async def before_the_start(plan: Plan | None = None, *, through_json: bool = True) -> World:
    return await _at("07:30", plan, through_json=through_json)


async def nothing(world: World) -> Hub:
    """The schedule alone."""
    return world.hub


@dataclass(frozen=True)
class Case:
    """`every`: take each so-manieth point. `most`: how often Azure may be asked for what, with one crash on the way.
    `told`: notices, each under one id however often it was delivered."""

    begin: Begin
    ask: Callable[[World], Awaitable[Hub]]
    end: HubState
    kinds: tuple[tuple[str, str], ...]
    told: tuple[str, ...] = ()
    most: dict[str, int] = field(default_factory=dict)
    every: int = 1
    shows: tuple[str, ...] = ()


OK, FAILED = "Succeeded", "Failed"
CASES = {
    "stop": Case(a_ready, stop, S.STOPPED, (("stop", OK),), ("stopped",), {"deallocate": 2}),
    "start, no room": Case(
        a_crowded, start, S.READY, (("start", OK),), ("capacity-changed", "started"), {"start": 4, "resize": 2}
    ),
    "start that is forbidden": Case(
        a_locked,
        start,
        S.STOPPED,
        (("start", FAILED), ("stop", OK)),
        ("start-failed", "stopped"),
        shows=("StartFailed",),
    ),
    "stop while it starts": Case(a_starting, stop, S.STOPPED, (("stop", OK),), ("stopped",), {"deallocate": 2}),
    "start while it stops": Case(a_stopping, start, S.READY, (("start", OK),), ("started",), {"start": 2}),
    "restart": Case(a_ready, restart, S.READY, (("restart", OK),), ("started",), {"restart": 2}),
    "retry": Case(a_failed, retry, S.READY, (("retry", OK),), most={"vm": 3}, every=9),
    "scheduled stop": Case(before_the_stop, nothing, S.STOPPED, (("stop", OK),), ("stopped",), {"deallocate": 2}),
    "scheduled start": Case(before_the_start, nothing, S.READY, (("start", OK),), ("started",), {"start": 2}),
    "warning": Case(before_the_warning, nothing, S.READY, (), ("stopping-soon",)),
}


async def lived(case: Case, plan: CrashPlan, *, again_after: int | None = None) -> World:
    """One life that dies where the plan says (and once more, so many points later). Who asked and got no answer asks
    again."""
    world = await case.begin(plan, through_json=False)
    world.lease_s = LEASE_S
    world.told.notices.clear()
    try:
        await case.ask(world)
    except Crash as crash:
        world.crashes.append(str(crash))
        await case.ask(world)
    if again_after is not None:
        await world.run(lambda: bool(world.crashes), limit_s=600)
        plan.at = plan.points + again_after
    await world.run(limit_s=SETTLED_S)
    return world


async def points_of(case: Case) -> int:
    """How many there are until the hub has rested for some minutes: what comes then are timers that find nothing."""
    plan = CrashPlan()
    world = await case.begin(plan, through_json=False)
    await case.ask(world)
    await world.run(limit_s=10)
    await world.run_to_rest(case.end)
    await world.run(limit_s=150)
    return plan.points


def check(case: Case, world: World, before: World, where: object) -> None:
    hub, vm = world.hub, machine(world)
    assert hub.state is case.end, (where, hub.state)
    assert (hub.meter.billing, vm.power) == BILLS[case.end], where
    assert len(world.cloud.groups) == 1, where
    known = len(operations(before))
    found = tuple((operation.kind, str(operation.status)) for operation in operations(world)[known:])
    assert found == case.kinds, where
    assert all(operation.ended_at is not None for operation in operations(world)), where
    assert hub.generation == before.hub.generation + len(case.kinds), (where, "somebody else changed the goal")
    assert tuple(conditions(world)) == case.shows, where
    for kind in case.told:
        ids = {notice.id for notice in world.told.of(kind)}
        assert len(ids) == 1, (where, kind, ids)
    assert world.storage.outbox.rows == {}, where


@pytest.mark.parametrize("name", CASES)
async def test_a_process_that_dies_at_any_point_changes_nothing_about_the_end(name: str):
    case = CASES[name]
    before = await case.begin(None, through_json=False)
    done, crashed = len(power_calls(before)), 0
    points = await points_of(case)
    assert points > 40, "the sweep must see every port call"
    for at in range(0, points, case.every):
        plan = CrashPlan(at)
        world = await lived(case, plan)
        where = (name, at, world.crashes)
        crashed += bool(world.crashes)
        check(case, world, before, where)
        calls = power_calls(world)[done:]
        for verb, most in case.most.items():
            assert calls.count(verb) <= most, (where, calls)
    assert crashed >= 0.9 * points / case.every


@pytest.mark.parametrize("name", ["stop", "start, no room", "restart", "scheduled stop"])
async def test_a_process_that_dies_twice_changes_nothing_either(name: str):
    """Pairs of points, drawn with a fixed seed: there are thousands."""
    case, chance = CASES[name], random.Random(7)
    before = await case.begin(None, through_json=False)
    points, twice = await points_of(case), 0
    for _ in range(60):
        first, later = chance.randrange(points), chance.randrange(60)
        plan = CrashPlan(first)
        world = await lived(case, plan, again_after=later)
        twice += len(world.crashes) == 2
        check(case, world, before, (name, first, later, world.crashes))
    assert twice > 30


@pytest.mark.parametrize("name", ["stop", "start, no room"])
async def test_a_request_nobody_repeats_is_done_to_its_end_or_not_at_all(name: str):
    case = CASES[name]
    before = await case.begin(None, through_json=False)
    ends = set()
    for at in itertools.count():
        plan = CrashPlan(at)
        world = await case.begin(plan, through_json=False)
        try:
            await case.ask(world)
        except Crash:
            await world.run(limit_s=SETTLED_S)
        else:
            break
        began = world.hub.generation > before.hub.generation
        assert world.hub.state is (case.end if began else before.hub.state), (at, plan.where)
        assert (world.hub.meter.billing, machine(world).power) == BILLS[world.hub.state], (at, plan.where)
        assert all(operation.ended_at is not None for operation in operations(world)), (at, plan.where)
        ends.add(began)
    assert ends == {False, True}


async def test_no_two_changes_of_a_machine_are_sent_at_once_although_a_process_died():
    for name in ("stop", "start, no room"):
        case = CASES[name]
        for at in range(0, 120, 2):
            plan = CrashPlan(at)
            world = await case.begin(plan, through_json=False)
            world.lease_s = LEASE_S
            overlaps = watch_overlaps(world)
            try:
                await case.ask(world)
            except Crash:
                await case.ask(world)
            await world.run(limit_s=SETTLED_S)
            assert not overlaps, (name, at, plan.where)


# ------------------------------------------------------------------ delete


@pytest.mark.parametrize("begin", [a_ready, a_starting])
async def test_a_delete_whose_process_dies_at_any_point_leaves_nothing_and_counts_once(begin: Begin):
    for at in itertools.count():
        plan = CrashPlan(at)
        world = await begin(plan, through_json=False)
        world.lease_s = LEASE_S
        hub = world.hub
        try:
            await world.delete(hub)
        except Crash:
            await world.delete(hub)
        await world.run_until_gone(limit_s=1800)
        if not plan.where:
            break
        await world.run(limit_s=SETTLED_S)
        assert (world.cloud.groups, world.storage.hubs.hubs) == ({}, {}), (at, plan.where)
        gone = await world.app.hubs.gone(hub.owner, hub.id)
        assert gone is not None, (at, plan.where)
        quota = world.storage.hubs.quotas[hub.owner]
        assert quota.hubs == {}, (at, plan.where)
        cost = sum(month.total for month in gone.hub.meter.months.values())
        assert sum(quota.spent.values()) == pytest.approx(cost), (at, plan.where)
        assert all(operation.ended_at is not None for operation in operations(world, hub.id)), (at, plan.where)
        assert len({notice.id for notice in world.told.of("deleted")}) == 1, (at, plan.where)
    assert at > 40, "the sweep must see every port call"


# ------------------------------------------------------------------ extend


def a_request(world: World) -> steer.Request:
    return replace(world.asking(), idempotency=IdempotencyRequest(key_sha256="1" * 64, body_sha256="b" * 64))


async def test_an_extension_whose_process_dies_at_any_point_is_done_once():
    """Who got no answer sends it again with the same Idempotency-Key."""
    crashed = 0
    for at in itertools.count():
        plan = CrashPlan(at)
        world = await a_ready(plan, through_json=False, schedule=a_schedule())
        world.lease_s = LEASE_S
        try:
            await steer.extend_hub(world.app, world.hub, a_request(world), 2)
        except Crash as crash:
            world.crashes.append(str(crash))
            await steer.extend_hub(world.app, world.hub, a_request(world), 2)
        await world.run(limit_s=120)
        if not plan.where:
            break
        crashed += 1
        hub, where = world.hub, (at, world.crashes)
        assert hub.life.keep_until is not None, where
        assert f"{hub.life.keep_until:%H:%M}" == "20:00", where
        assert len(world.storage.hubs.idempotencies) == 1, where
        assert len(world.said("changed")) == 1, where
        if at % 4 == 0:  # and the stop comes when it was moved to
            await world.run_to_rest(S.STOPPED, limit_s=12 * 3600)
            stopped = next(operation for operation in operations(world) if operation.kind == "stop")
            assert f"{stopped.created_at:%H:%M:%S}" == "20:00:00", where
            assert stopped.status is OperationStatus.SUCCEEDED, where
    assert crashed > 20
