"""What an owner asks for after `ready`, one request on top of another: the newest wins, and every operation ends."""

import contextlib
import itertools
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import FatalError, RetryableError, UserError
from shared.hubs import agenda, commands, steer
from shared.hubs.commands import IdempotencyRequest
from shared.hubs.dispatch import work_message
from shared.hubs.lifecycle import advance
from shared.hubs.messages import DueBatch
from shared.hubs.meter import Billing
from shared.hubs.model import Fallback, Hub, Message, OperationStatus, StepName
from shared.hubs.states import CREATING, STABLE, Goal, HubState
from shared.steps import STEPS
from tests.component.lifecycle.lives import (
    SETTLED_S,
    Act,
    Begin,
    a_failed,
    a_ready,
    a_stopped,
    conditions,
    delete,
    due_soon,
    ended,
    extend,
    machine,
    operations,
    power_calls,
    restart,
    retry,
    start,
    stop,
    throttled,
    watch_overlaps,
)
from tests.support.builders import a_schedule, some_settings
from tests.support.rivals import Rival
from tests.support.snapshot import Plan, Snapshot
from tests.support.world import OWNER, World

pytestmark = pytest.mark.slow

S = HubState
SUPERSEDED = "Superseded"

# ------------------------------------------------------------------ one after the other


async def test_a_second_stop_is_the_first_one():
    world = await a_ready()
    first = await steer.stop_hub(world.app, world.hub, world.asking())
    await world.run(limit_s=20)
    second = await steer.stop_hub(world.app, world.hub, world.asking())
    assert second.operation.id == first.operation.id
    await world.run_to_rest(S.STOPPED)
    third = await steer.stop_hub(world.app, world.hub, world.asking())
    assert (third.operation.id, third.operation.status) == (first.operation.id, OperationStatus.SUCCEEDED)
    assert power_calls(world) == ["deallocate"]


async def test_a_second_start_is_the_first_one():
    world = await a_stopped()
    first = await steer.start_hub(world.app, world.hub, world.asking())
    await world.run(limit_s=20)
    second = await steer.start_hub(world.app, world.hub, world.asking())
    assert second.operation.id == first.operation.id
    await world.run_to_rest(S.READY)
    third = await steer.start_hub(world.app, world.hub, world.asking())
    assert (third.operation.id, third.operation.status) == (first.operation.id, OperationStatus.SUCCEEDED)
    assert power_calls(world) == ["deallocate", "start"]


@pytest.mark.parametrize("after_s", [0, 1, 6, 15, 29, 31])
async def test_a_stop_while_it_starts_wins(after_s: float):
    world = await a_stopped()
    overlaps = watch_overlaps(world)
    await start(world)
    await world.run(limit_s=after_s)
    assert world.hub.state is S.STARTING
    await stop(world)
    await world.run_to_rest(S.STOPPED)
    await world.run(limit_s=SETTLED_S)
    assert (world.hub.state, machine(world).power) == (S.STOPPED, "deallocated")
    assert ended(world)[-2:] == [("start", "Canceled"), ("stop", "Succeeded")]
    assert operations(world)[-2].error is not None
    assert operations(world)[-2].error.code == SUPERSEDED  # type: ignore[union-attr]
    assert world.hub.meter.billing is Billing.STOPPED
    assert not overlaps


@pytest.mark.parametrize("after_s", [0, 1, 6, 15, 39])
async def test_a_start_while_it_stops_wins(after_s: float):
    world = await a_ready()
    overlaps = watch_overlaps(world)
    await stop(world)
    await world.run(limit_s=after_s)
    assert world.hub.state is S.STOPPING
    await start(world)
    await world.run_to_rest(S.READY)
    await world.run(limit_s=SETTLED_S)
    assert (world.hub.state, machine(world).power) == (S.READY, "running")
    assert ended(world)[-2:] == [("stop", "Canceled"), ("start", "Succeeded")]
    assert world.hub.meter.billing is Billing.RUNNING
    assert not overlaps


async def test_a_stop_while_it_restarts_wins():
    world = await a_ready()
    await restart(world)
    await world.run(limit_s=10)
    await stop(world)
    await world.run_to_rest(S.STOPPED)
    await world.run(limit_s=SETTLED_S)
    assert machine(world).power == "deallocated"
    assert ended(world)[-2:] == [("restart", "Canceled"), ("stop", "Succeeded")]


WISHES: Mapping[str, Act] = {"stop": stop, "start": start, "restart": restart}
WISHED = {"stop": (S.STOPPED, "deallocated"), "start": (S.READY, "running"), "restart": (S.READY, "running")}


@pytest.mark.parametrize("seed", range(60))
async def test_after_any_to_and_fro_the_last_wish_is_what_is_true(seed: int):
    chance = random.Random(seed)
    world = await (a_ready if chance.random() < 0.5 else a_stopped)(through_json=False)
    vm_id = machine(world).vm_id
    busy = watch_overlaps(world)
    wishes = [chance.choice(sorted(WISHES)) for _ in range(chance.randint(3, 8))]
    for wish in wishes:
        await WISHES[wish](world)
        await world.run(limit_s=chance.choice([0, 0, 1, 3, 8, 20, 35, 60, 100]) * chance.random())
    last = world.hub.generation
    await world.run_to_rest(S.READY, S.STOPPED)
    await world.run(limit_s=SETTLED_S)
    (vm,) = world.cloud.vms()
    assert (world.hub.state, vm.power, vm.vm_id) == (*WISHED[wishes[-1]], vm_id), wishes
    assert world.hub.generation == last, "nothing but the owner changed the goal"
    *older, newest = operations(world)
    assert newest.status is OperationStatus.SUCCEEDED
    for operation in older:
        assert operation.status in (OperationStatus.SUCCEEDED, OperationStatus.CANCELED)
        assert operation.ended_at is not None
        if operation.status is OperationStatus.CANCELED:
            assert operation.error is not None
            assert operation.error.code == SUPERSEDED
    # ARM shows a machine that restarts as running: only a request on top of a restart may have to be sent twice
    assert {call.verb for call in busy} <= ({"deallocate"} if "restart" in wishes else set())
    assert not due_soon(world)


# ------------------------------------------------------------------ somebody is faster, in the middle of a visit

RIVALS = {
    "a stop against a start": (a_stopped, start, stop, S.STOPPED, "deallocated"),
    "a start against a stop": (a_ready, stop, start, S.READY, "running"),
    "a stop against a restart": (a_ready, restart, stop, S.STOPPED, "deallocated"),
}


@pytest.mark.parametrize("stall_s", [0, 45])
@pytest.mark.parametrize("case", RIVALS)
async def test_a_worker_that_is_overtaken_at_any_point_changes_nothing_any_more(case: str, stall_s: float):
    """The overtaken worker goes on after `stall_s` seconds, in which others do what the newer request wants."""
    begin, first, second, state, power = RIVALS[case]
    points = 0
    while True:
        rival = Rival(points)
        world = await begin(rival, through_json=False)
        overlaps = watch_overlaps(world)
        newer: list[int] = []

        async def overtake(world: World = world, newer: list[int] = newer) -> None:
            newer.append((await second(world)).generation)
            await world.run(limit_s=stall_s)

        rival.act = overtake
        older = (await first(world)).generation
        await world.run_to_rest(S.READY, S.STOPPED)
        if not newer:
            break
        points += 1
        await world.run(limit_s=SETTLED_S)
        where = (rival.where, points)
        if newer[0] > older:  # else the first request was saved after the second one
            assert (world.hub.state, machine(world).power) == (state, power), where
            assert world.hub.generation == newer[0], where
        statuses = {operation.status for operation in operations(world)}
        assert statuses <= {OperationStatus.SUCCEEDED, OperationStatus.CANCELED}, where
        assert case.endswith("restart") or not overlaps, where
    assert points > 25, "the sweep must see every port call"


async def a_new(plan: Plan | None = None, *, through_json: bool = True) -> World:
    return Snapshot(World(through_json=through_json)).world(plan)


async def create(world: World) -> Hub:
    return await world.create("demo")


@pytest.mark.parametrize(
    ("begin", "first", "every"),
    [(a_new, create, 5), (a_stopped, start, 1), (a_ready, stop, 1), (a_failed, retry, 9)],
)
async def test_a_delete_that_overtakes_a_worker_at_any_point_leaves_nothing(begin: Begin, first: Act, every: int):
    """In the middle of each step, too. A create and a retry have some 300 points: every fifth or ninth is taken."""
    steps: set[StepName | None] = set()
    for at in itertools.count(0, every):
        rival = Rival(at)
        world = await begin(rival, through_json=False)
        reached: list[str] = []

        async def overtake(world: World = world, reached: list[str] = reached) -> None:
            reached.append("here")
            if world.storage.hubs.hubs:
                steps.add(world.hub.next_step)
                await delete(world)
                await world.run(limit_s=20)

        rival.act = overtake
        with contextlib.suppress(UserError):  # deleted before it was saved
            await first(world)
        await world.run(lambda: not world.storage.hubs.hubs or world.hub.state in STABLE, limit_s=3600)  # noqa: B023
        if not reached:
            break
        if world.storage.hubs.hubs and world.hub.goal is not Goal.DELETED:
            assert first is create, rival.where  # there was nothing to delete yet
            continue
        await world.run_until_gone(limit_s=600)
        await world.run(limit_s=120)
        assert world.storage.hubs.hubs == {}, (rival.where, at)
        assert world.cloud.groups == {}, (rival.where, at)
        assert not due_soon(world), (rival.where, at)
    assert at > 20, "the sweep must see every port call"
    if first is create:
        assert {StepName.GROUP, StepName.MACHINE, StepName.INSTALL, StepName.ACCEPT, StepName.LOCK} <= steps


async def dup_start(plan: Plan | None = None, *, through_json: bool = True) -> World:
    """A start that needs three requests: a refusal, another size, the start of that."""
    world = await a_stopped(plan, through_json=through_json, fallback=Fallback(sizes=("Standard_D2as_v5",)))
    world.cloud.no_room = {world.hub.size.lower()}
    return world


@pytest.mark.parametrize(
    ("begin", "first", "end", "most", "every"),
    [
        (dup_start, start, S.READY, {"start": 4, "resize": 2}, 1),
        (a_ready, stop, S.STOPPED, {"deallocate": 2}, 1),
        (a_ready, restart, S.READY, {"restart": 2}, 1),
        (a_failed, retry, S.READY, {"vm": 3, "deallocate": 1}, 11),
    ],
)
async def test_two_workers_with_the_same_message_end_where_one_does(
    begin: Begin, first: Act, end: HubState, most: Mapping[str, int], every: int
):
    """The first one is slow at any point (of a retry: at every eleventh), and its message was delivered again."""
    before = await begin(None, through_json=False)
    for at in itertools.count(0, every):
        rival = Rival(at)
        world = await begin(rival, through_json=False)
        taken = remember_messages(world)

        async def again(world: World = world, taken: list[Message] = taken) -> None:
            for message in taken[-1:]:
                await advance(world.app, STEPS, message)
            await world.run(limit_s=45)

        rival.act = again
        await first(world)
        await world.run_to_rest(end)
        if not rival.where:
            break
        await world.run(limit_s=SETTLED_S)
        where = (rival.where, at)
        assert world.hub.state is end, where
        assert len(world.cloud.groups) == 1, where
        assert machine(world).power == WISHED["start" if end is S.READY else "stop"][1], where
        assert all(operation.ended_at is not None for operation in operations(world)), where
        assert world.hub.generation == before.hub.generation + 1, where
        for verb, count in most.items():
            assert world.cloud.count(verb) - before.cloud.count(verb) <= count, (where, verb)
    assert at > 25, "the sweep must see every port call"


def remember_messages(world: World) -> list[Message]:
    """Those that were delivered from now on, oldest first."""
    taken: list[Message] = []
    deliver = world.deliver

    async def remembered(message: Message | DueBatch) -> None:
        if isinstance(message, Message):
            taken.append(message)
        await deliver(message)

    world.deliver = remembered  # type: ignore[method-assign]
    return taken


async def in_a_class(plan: Plan | None = None, *, through_json: bool = True) -> World:
    return await a_ready(plan, through_json=through_json, schedule=a_schedule())


async def test_an_extension_at_the_very_moment_of_the_stop_is_kept_or_refused():
    """Whoever was told that the stop was moved keeps their hub."""
    evening = await in_a_class(through_json=False)
    await evening.run(lambda: f"{evening.clock.now() + timedelta(seconds=5):%H:%M}" == "18:00", limit_s=12 * 3600)
    snapshot, outcomes = Snapshot(evening), set()
    for at in itertools.count():
        rival = Rival(at)
        world = snapshot.world(rival)
        outcome: list[str] = []

        async def ask(world: World = world, outcome: list[str] = outcome) -> None:
            try:
                await extend(world)
            except UserError as refused:
                outcome.append(refused.code)
            else:
                outcome.append("moved")
            await world.run(limit_s=20)

        rival.act = ask
        await world.run(limit_s=90)
        if not outcome:
            break
        outcomes |= set(outcome)
        await world.run(limit_s=SETTLED_S)
        moved = outcome == ["moved"]
        assert (world.hub.state, machine(world).power) == WISHED["start" if moved else "stop"], (rival.where, at)
    assert outcomes == {"moved", "HubIsStopped"}


@pytest.mark.parametrize("newer", ["another extension", "another schedule with the same stop"])
async def test_azures_own_shutdown_follows_the_newest_request_although_an_older_write_came_late(newer: str):
    """It would stop the hub before its time, with people on it."""
    points = 0
    for at in itertools.count():
        rival = Rival(at)
        world = await in_a_class(rival, through_json=False)
        assert shutdown_time(world) == "1830"

        async def overtake(world: World = world) -> None:
            if newer == "another extension":
                await extend(world, 1)
            else:
                await steer.change_hub(world.app, world.hub, world.asking(), {"schedule": a_schedule(start="08:00")})
            await world.run(limit_s=20)

        rival.act = overtake
        await extend(world, 2)
        await world.run(limit_s=100)
        if not rival.where:
            break
        points += 1
        await world.run(limit_s=SETTLED_S)
        stop_at = agenda.next_stop(world.hub, agenda.Rules.of(world.app.settings), world.clock.now())
        assert stop_at is not None
        assert shutdown_time(world) == f"{stop_at.at + agenda.SHUTDOWN_MARGIN:%H%M}", (rival.where, at)
    assert points > 15


def shutdown_time(world: World) -> str | None:
    found = world.cloud.shutdown(world.hub.group_name, world.hub.vm_name)
    return found.time if found is not None and found.enabled else None


# ------------------------------------------------------------------ stale messages


async def test_messages_of_older_generations_cause_nothing():
    world = await a_stopped()
    for wish in (start, stop, start):
        await wish(world)
        await world.run_to_rest(S.READY, S.STOPPED)
    await world.run(limit_s=SETTLED_S)
    hub, writes = world.hub, (len(world.cloud.writes), len(world.storage.tape.writes))
    sent = [queued.message for queued in world.storage.queue.sent if isinstance(queued.message, Message)]
    stale = [message for message in sent if message.generation < hub.generation]
    assert len({message.generation for message in stale}) == 4
    for message in reversed(stale):
        await advance(world.app, STEPS, message)
    assert world.hub == hub
    assert (len(world.cloud.writes), len(world.storage.tape.writes)) == writes


async def test_a_poisoned_message_of_an_older_generation_changes_nothing():
    world = await a_ready()
    await stop(world)
    message = next(q.message for q in reversed(world.storage.queue.sent) if isinstance(q.message, Message))
    await start(world)
    before = world.hub
    await world.poison(message)
    assert world.hub == before


# ------------------------------------------------------------------ restart


async def test_a_restart_reboots_once_and_keeps_everything():
    world = await a_ready()
    before, vm = world.hub, machine(world)
    disk = vm.disk_id
    operation = (await steer.restart_hub(world.app, world.hub, world.asking())).operation
    assert (world.hub.state, operation.kind) == (S.STARTING, "restart")
    assert world.hub.meter.billing is Billing.RUNNING
    hub = await world.run_to_rest(S.READY)
    assert power_calls(world) == ["restart"]
    assert (hub.machine, hub.url, hub.host_public_keys) == (before.machine, before.url, before.host_public_keys)
    assert machine(world).disk_id == disk
    assert world.operation().status is OperationStatus.SUCCEEDED


async def test_a_restart_of_a_stopped_hub_is_a_start():
    world = await a_stopped()
    await restart(world)
    await world.run_to_rest(S.READY)
    assert power_calls(world) == ["deallocate", "start"]
    assert ended(world)[-1] == ("restart", "Succeeded")


async def test_a_restart_while_it_starts_is_that_start():
    world = await a_stopped()
    await start(world)
    generation = world.hub.generation
    await world.run(limit_s=10)
    await restart(world)
    assert world.hub.generation == generation
    await world.run_to_rest(S.READY)
    assert power_calls(world) == ["deallocate", "start"]


async def test_a_restart_while_it_stops_is_a_start():
    world = await a_ready()
    await stop(world)
    await world.run(limit_s=10)
    await restart(world)
    await world.run_to_rest(S.READY)
    assert power_calls(world) == ["deallocate", "start"]


async def test_a_restart_of_a_machine_that_is_off_boots_it_once():
    world = await a_ready()
    world.cloud.set_power(world.hub.group_name, world.hub.vm_name, "deallocated")
    await restart(world)
    await world.run_to_rest(S.READY)
    assert power_calls(world) == ["start"]


async def test_a_restart_again_restarts_again():
    world = await a_ready()
    for _ in range(2):
        await restart(world)
        await world.run_to_rest(S.READY)
    assert power_calls(world) == ["restart", "restart"]


async def test_a_restart_that_azure_refuses_for_now_is_tried_until_it_works():
    world = await a_ready()
    world.cloud.fail_begin("restart", throttled(7), times=2)
    world.cloud.fail_poll("restart", RetryableError("InternalExecutionError", "An internal error."), power="running")
    await restart(world)
    await world.run_to_rest(S.READY)
    assert power_calls(world) == ["restart"] * 4
    assert world.operation().status is OperationStatus.SUCCEEDED


async def test_a_restart_leaves_the_next_stop_where_it_is():
    world = await a_ready(schedule=a_schedule())
    await restart(world)
    await world.run_to_rest(S.READY)
    await world.run(lambda: world.hub.state is not S.READY, limit_s=12 * 3600)
    assert f"{world.hub.state_since:%H:%M}" == "18:00"


async def test_a_restart_leaves_an_extended_stop_where_it_is():
    world = await a_ready(schedule=a_schedule())
    await extend(world, 3)
    await world.run(limit_s=9 * 3600)  # the schedule's own stop has passed
    assert world.hub.state is S.READY
    await restart(world)
    await world.run_to_rest(S.READY)
    await world.run(lambda: world.hub.state is not S.READY, limit_s=12 * 3600)
    assert f"{world.hub.state_since:%H:%M}" == "21:00"


async def test_a_restart_just_before_an_extended_stop_leaves_people_one_warning_time():
    world = await a_ready(schedule=a_schedule())
    await extend(world, 3)
    await world.run(lambda: f"{world.clock.now():%H:%M}" == "20:50", limit_s=12 * 3600)
    await restart(world)
    ready = await world.run_to_rest(S.READY)
    await world.run(lambda: world.hub.state is not S.READY, limit_s=12 * 3600)
    warned_for = timedelta(minutes=world.app.settings.stop_warning_minutes)
    assert timedelta() <= world.hub.state_since - (ready.state_since + warned_for) < timedelta(minutes=1)


async def test_a_restart_over_budget_or_past_the_end_date_is_allowed_for_a_hub_that_runs():
    world = await a_ready()
    world.app = replace(world.app, settings=some_settings(HUBLET_MONTHLY_BUDGET="0.001"))
    await restart(world)
    assert world.hub.state is S.STARTING


# ------------------------------------------------------------------ retry


async def test_a_retry_begins_only_after_the_old_attempt_was_seen_gone():
    world = await a_failed()
    old = world.hub
    seen: list[list[str]] = []
    world.cloud.before_write = lambda call: seen.append(sorted(world.cloud.groups)) if call.group[-1] == "2" else None
    operation = (await steer.retry_hub(world.app, world.hub, world.asking())).operation
    assert (operation.kind, world.hub.state) == ("retry", S.PROVISIONING)
    assert (world.hub.reason, world.hub.failed_at) == (None, None)
    hub = await world.run_to_rest(S.READY)
    assert seen
    assert all(f"hublet-{old.id}-a1" not in groups for groups in seen), "attempt 2 began beside attempt 1"
    assert [group.name for group in world.cloud.groups.values()] == [f"hublet-{old.id}-a2"]
    vm = machine(world)
    assert (vm.plan.name, vm.plan.dns_label) == (f"{old.id}-a2-vm", f"{old.id}-a2")
    assert (hub.attempt, hub.id, hub.generation) == (2, old.id, old.generation + 1)
    assert hub.machine.fqdn is not None
    assert hub.machine.fqdn.startswith(f"{old.id}-a2.")
    assert [(attempt.number, attempt.outcome) for attempt in hub.attempts] == [(1, "failed"), (2, "ready")]
    assert ended(world) == [("create", "Failed"), ("retry", "Succeeded")]


@pytest.mark.parametrize("delete_s", [0, 5, 400])
async def test_there_are_never_two_machines_of_a_hub_that_is_retried(delete_s: float):
    world = await a_failed()
    world.cloud.durations["group_delete"] = delete_s
    most = 0

    def count(call: object) -> None:
        nonlocal most
        most = max(most, len(world.cloud.vms()))

    world.cloud.before_write = world.cloud.after_write = count
    await retry(world)
    await world.run_to_rest(S.READY)
    assert most == 1


async def test_the_log_of_another_attempt_is_not_mixed_with_the_first_ones():
    world = World()
    await world.create("demo")
    await world.run(lambda: world.hub.install.log_bytes > 200, limit_s=3600)
    await world.poison(next(q.message for q in reversed(world.storage.queue.sent) if isinstance(q.message, Message)))
    first = world.hub
    assert first.state is S.FAILED
    old = await world.app.logs.read(first.log_id, 0)
    await world.run(limit_s=300)
    await retry(world)
    hub = await world.run_to_rest(S.READY)
    assert hub.log_id != first.log_id
    assert await world.app.logs.read(first.log_id, 0) == old
    new = await world.app.logs.read(hub.log_id, 0)
    assert new.count(b"Existing TLJH installation") == 1
    assert hub.install.log_bytes == len(new)


async def test_a_retry_that_fails_can_be_retried_again():
    world = await a_failed()
    world.cloud.fail_poll("vm", FatalError("RequestDisallowedByPolicy", "No."), power="running")
    await retry(world)
    await world.run_to_rest(S.FAILED)
    assert world.hub.reason is not None
    await world.run(limit_s=300)
    assert machine(world).power == "deallocated"
    await retry(world)
    hub = await world.run_to_rest(S.READY)
    assert hub.attempt == 3
    assert [group.name for group in world.cloud.groups.values()] == [f"hublet-{hub.id}-a3"]
    assert [attempt.outcome for attempt in hub.attempts] == ["failed", "failed", "ready"]
    assert ended(world) == [("create", "Failed"), ("retry", "Failed"), ("retry", "Succeeded")]
    assert len(world.cloud.vms_created) == 3


async def test_a_second_retry_is_the_first_one_until_it_has_failed():
    world = await a_failed()
    first = await steer.retry_hub(world.app, world.hub, world.asking())
    await world.run(limit_s=200)
    second = await steer.retry_hub(world.app, world.hub, world.asking())
    assert second.operation.id == first.operation.id


@pytest.mark.parametrize("state", [S.READY, S.STOPPED])
async def test_only_a_hub_that_failed_can_be_retried(state: HubState):
    world = await (a_ready if state is S.READY else a_stopped)()
    before = world.hub
    with pytest.raises(UserError) as refused:
        await retry(world)
    assert refused.value.code == "HubHasNotFailed"
    assert world.hub == before


async def test_a_retry_while_the_failed_machine_is_still_being_deallocated():
    world = World()
    world.cloud.fail_poll("vm", FatalError("RequestDisallowedByPolicy", "No."), power="running")
    await world.create("demo")
    await world.run_to_rest(S.FAILED)
    await world.run(lambda: "deallocate" in power_calls(world), limit_s=60)
    assert world.hub.deallocated_at is None
    await retry(world)
    hub = await world.run_to_rest(S.READY)
    assert [group.name for group in world.cloud.groups.values()] == [f"hublet-{hub.id}-a2"]


async def test_a_retry_of_a_hub_that_never_had_a_group():
    world = World()
    world.cloud.fail_begin("group_put", FatalError("Forbidden", "No."))
    await world.create("demo")
    await world.run_to_rest(S.FAILED)
    await retry(world)
    hub = await world.run_to_rest(S.READY)
    assert hub.attempt == 2


@pytest.mark.parametrize("step", ["group", "machine", "install", "configure", "accept", "lock"])
async def test_a_retry_works_wherever_the_attempt_failed(step: str):
    """While it was locked, too: its host key was another one already."""
    world = World()
    slow = dict.fromkeys(("configure", "accept-prepare", "accept-clean", "lock-prepare", "lock-commit"), 60.0)
    world.on_vm.new_machine = lambda machine: machine.task_seconds.update(slow)
    await world.create("demo")
    failing = StepName(step)
    lock_half_done = "new-key" if failing is StepName.LOCK else None
    await world.run(
        lambda: (
            world.hub.next_step is failing and (not lock_half_done or lock_half_done in world.hub.step(failing).data)
        )
    )
    await world.poison(work_message(world.hub, world.clock.now()))
    assert world.hub.state is S.FAILED
    await retry(world)
    hub = await world.run_to_rest(S.READY, S.FAILED)
    assert (hub.state, hub.attempt, hub.reason) == (S.READY, 2, None)
    assert [group.name for group in world.cloud.groups.values()] == [f"hublet-{hub.id}-a2"]


@pytest.mark.parametrize("after_s", [0, 30, 118])
async def test_a_retry_whose_worker_fails_while_it_clears_up_can_be_tried_again(after_s: float):
    world = await a_failed()
    await retry(world)
    await world.run(limit_s=after_s)
    assert world.hub.life.clearing
    await world.poison(work_message(world.hub, world.clock.now()))
    assert world.hub.state is S.FAILED
    await world.run(limit_s=300)
    assert world.hub.deallocated_at is not None
    await retry(world)
    hub = await world.run_to_rest(S.READY)
    assert hub.attempt == 2
    assert ended(world) == [("create", "Failed"), ("retry", "Failed"), ("retry", "Succeeded")]


async def test_a_retry_does_not_touch_a_group_that_is_not_ours():
    world = await a_failed()
    for group in world.cloud.groups.values():
        group.tags.clear()
    await retry(world)
    await world.run(limit_s=1800)
    assert world.hub.state is S.PROVISIONING
    assert len(world.cloud.groups) == 1
    assert conditions(world) == ["ActionNeeded"]


async def test_what_an_attempt_cost_stays_after_its_retry():
    world = await a_failed()
    before = sum(month.total for month in world.hub.meter.months.values())
    assert before > 0
    await retry(world)
    await world.run_to_rest(S.READY)
    assert sum(month.total for month in world.hub.meter.months.values()) > before


# ------------------------------------------------------------------ delete


async def buried(world: World, hub_id: str) -> None:
    """Nothing is left in Azure, and of the hub only what is to be read for 30 days."""
    await world.run_until_gone()
    await world.run(limit_s=SETTLED_S)
    assert world.cloud.groups == {}
    assert not due_soon(world)
    assert world.storage.hubs.quotas[OWNER.owner].hubs == {}
    gone = await commands.find_hub(world.app, OWNER, hub_id)
    assert (gone.state, gone.meter.billing) == (S.DELETED, Billing.NOTHING)
    events = await world.app.hubs.events(OWNER.owner, hub_id)
    assert events[-1].to_state == "deleted" or any(event.to_state == "deleted" for event in events)
    assert [event.seq for event in events] == sorted({event.seq for event in events})
    *older, last = operations(world, hub_id)
    assert (last.kind, last.status) == ("delete", OperationStatus.SUCCEEDED)
    assert all(operation.ended_at is not None for operation in older), older
    spent = world.storage.hubs.quotas[OWNER.owner].spent
    cost = sum(month.total for month in gone.meter.months.values())
    assert sum(spent.values()) == pytest.approx(cost)
    with pytest.raises(UserError):
        await commands.find_hub(world.app, OWNER, gone.name)


@pytest.mark.parametrize("before", [S.READY, S.STOPPING, S.STOPPED, S.STARTING, S.FAILED])
async def test_a_delete_in_any_state_after_the_create_leaves_nothing(before: HubState):
    begin, wish = {
        S.READY: (a_ready, None),
        S.STOPPING: (a_ready, stop),
        S.STOPPED: (a_stopped, None),
        S.STARTING: (a_stopped, start),
        S.FAILED: (a_failed, None),
    }[before]
    world = await begin()
    if wish is not None:
        await wish(world)
        await world.run(limit_s=12)
    hub = world.hub
    assert hub.state is before
    await delete(world)
    await buried(world, hub.id)
    canceled = [operation.kind for operation in operations(world, hub.id) if str(operation.status) == "Canceled"]
    assert canceled == ([] if wish is None else [wish.__name__])


@pytest.mark.parametrize("after_s", [0, 1, 60, 119, 130, 180, 250, 330])
async def test_a_delete_during_a_retry_leaves_nothing(after_s: float):
    world = await a_failed()
    await retry(world)
    await world.run(limit_s=after_s)
    hub = world.hub
    assert hub.state in CREATING
    await delete(world)
    await buried(world, hub.id)
    assert ended(world, hub.id) == [("create", "Failed"), ("retry", "Canceled"), ("delete", "Succeeded")]


async def test_after_a_delete_nothing_else_can_be_asked():
    world = await a_ready()
    await delete(world)
    before = world.hub
    for wish in (stop, start, restart, retry, extend):
        with pytest.raises(UserError) as refused:
            await wish(world)
        assert refused.value.code == "HubIsBeingDeleted"
    first = world.operation()
    again = await steer.delete_hub(world.app, world.hub, world.asking())
    assert (again.operation.id, world.hub) == (first.id, before)


async def test_what_two_hubs_have_cost_is_added_up_when_they_are_gone():
    world = await a_ready()
    hub = world.hub
    await delete(world)
    await world.run_until_gone()
    once = sum(world.storage.hubs.quotas[OWNER.owner].spent.values())
    assert once > 0
    await world.create("demo")
    assert world.hub.id != hub.id
    await world.run_to_rest(S.READY)
    await delete(world)
    await world.run_until_gone()
    assert sum(world.storage.hubs.quotas[OWNER.owner].spent.values()) > once * 1.2


# ------------------------------------------------------------------ money


def with_budget(world: World, amount: float) -> World:
    world.app = replace(world.app, settings=some_settings(HUBLET_MONTHLY_BUDGET=str(amount)))
    return world


def spend(world: World, amount: float) -> None:
    """Hubs that are gone have cost so much this month."""
    quota = world.storage.hubs.quotas[OWNER.owner]
    world.storage.hubs.quotas[OWNER.owner] = replace(quota, spent={f"{world.clock.now():%Y-%m}": amount})


async def test_at_the_limit_nothing_more_is_started_made_or_tried_again():
    world = with_budget(await a_stopped(), 10)
    spend(world, 10)
    before = world.hub
    for wish in (start, restart):
        with pytest.raises(UserError) as refused:
            await wish(world)
        assert refused.value.code == "BudgetExceeded"
    with pytest.raises(UserError) as refused:
        await world.create("another")
    assert refused.value.code == "BudgetExceeded"
    assert world.hub == before
    failed = with_budget(await a_failed(), 10)
    spend(failed, 10)
    with pytest.raises(UserError) as refused:
        await retry(failed)
    assert refused.value.code == "BudgetExceeded"


async def test_below_the_limit_everything_is_as_ever():
    world = with_budget(await a_stopped(), 10)
    spend(world, 9)
    await start(world)
    await world.run_to_rest(S.READY)


async def test_what_the_hub_itself_has_cost_counts():
    world = await a_ready()
    await world.run(limit_s=24 * 3600)  # some 2.6 dollars
    await stop(world)
    await world.run_to_rest(S.STOPPED)
    with_budget(world, 2)
    with pytest.raises(UserError):
        await start(world)


async def test_at_the_limit_a_hub_can_still_be_stopped_and_deleted():
    world = with_budget(await a_ready(), 10)
    spend(world, 20)
    await stop(world)
    await world.run_to_rest(S.STOPPED)
    hub = world.hub
    await delete(world)
    await buried_with(world, hub.id)


async def buried_with(world: World, hub_id: str) -> None:
    await world.run_until_gone()
    assert world.cloud.groups == {}
    assert (await commands.find_hub(world.app, OWNER, hub_id)).state is S.DELETED


async def test_a_scheduled_start_over_budget_is_called_off_and_shown_until_the_hub_runs_again():
    world = with_budget(await a_ready(schedule=a_schedule()), 500)
    spend(world, 600)
    await world.run(limit_s=23 * 3600)  # stopped at 18:00, should have started at 07:30
    assert (world.hub.state, machine(world).power) == (S.STOPPED, "deallocated")
    (called_off,) = (condition for condition in world.hub.conditions if condition.type == "BudgetSpent")
    assert "may cost $500.00" in called_off.message
    said = len(world.said("condition"))
    await world.run(limit_s=3600)
    assert len(world.said("condition")) == said, "said once for each start"
    spend(world, 0)
    await start(world)
    await world.run_to_rest(S.READY)
    assert "BudgetSpent" not in conditions(world)


async def test_the_scheduled_start_comes_back_with_the_next_month():
    world = with_budget(await a_ready(schedule=a_schedule()), 500)
    await world.run(limit_s=9 * 3600)
    spend(world, 600)
    left = 29 * 24 * 3600 + 14 * 3600  # until the morning of Wednesday, 1 April
    await world.run(limit_s=left)
    assert f"{world.clock.now():%m-%d}" == "04-01"
    assert world.hub.state is S.READY


# ------------------------------------------------------------------ the same request twice


def a_request(world: World, key: str = "1") -> steer.Request:
    return replace(world.asking(), idempotency=IdempotencyRequest(key_sha256=key * 64, body_sha256="b" * 64))


async def test_an_extension_with_the_same_key_is_done_once():
    world = await a_ready(schedule=a_schedule())
    first = await steer.extend_hub(world.app, world.hub, a_request(world), 2)
    again = await steer.extend_hub(world.app, world.hub, a_request(world), 2)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.hub.life.keep_until == first.hub.life.keep_until
    other = await steer.extend_hub(world.app, world.hub, a_request(world, "2"), 2)
    assert other.hub.life.keep_until is not None
    assert first.hub.life.keep_until is not None
    assert other.hub.life.keep_until - first.hub.life.keep_until == timedelta(hours=2)


async def test_the_key_is_stored_with_the_change_or_not_at_all():
    world = await a_ready(schedule=a_schedule())
    world.storage.tape.fail("hubs.commit", RetryableError("StorageUnavailable", "no"))
    with pytest.raises(RetryableError):
        await steer.extend_hub(world.app, world.hub, a_request(world), 2)
    assert world.storage.hubs.idempotencies == {}
    assert world.hub.life.keep_until is None
    answer = await steer.extend_hub(world.app, world.hub, a_request(world), 2)
    assert not answer.replayed
    (remembered,) = world.storage.hubs.idempotencies.values()
    assert (remembered.hub_id, remembered.generation) == (world.hub.id, world.hub.generation)


async def test_an_answer_that_got_lost_is_given_again():
    world = await a_ready(schedule=a_schedule())
    world.storage.tape.lose_answer("hubs.commit", RetryableError("StorageUnavailable", "no"))
    with pytest.raises(RetryableError):
        await steer.extend_hub(world.app, world.hub, a_request(world), 2)
    extended = world.hub.life.keep_until
    again = await steer.extend_hub(world.app, world.hub, a_request(world), 2)
    assert again.replayed
    assert world.hub.life.keep_until == extended is not None


async def test_two_with_the_same_key_at_once_extend_once():
    rivals = 0
    for at in range(20):
        rival = Rival(at)
        world = await a_ready(rival, through_json=False, schedule=a_schedule())
        stop_at = world.hub

        async def overtake(world: World = world) -> None:
            await steer.extend_hub(world.app, world.hub, a_request(world), 2)

        rival.act = overtake
        await steer.extend_hub(world.app, stop_at, a_request(world), 2)
        if not rival.where:
            break
        rivals += 1
        assert world.hub.life.keep_until is not None
        assert f"{world.hub.life.keep_until:%H:%M}" == "20:00", rival.where
        assert len(world.storage.hubs.idempotencies) == 1
    assert rivals >= 4


async def test_a_stop_of_a_stopped_hub_is_remembered_too():
    """The answer got lost, somebody started the hub, the client repeats its request: that is not a new stop."""
    world = await a_stopped()
    await steer.stop_hub(world.app, world.hub, a_request(world))
    await start(world)
    await world.run_to_rest(S.READY)
    again = await steer.stop_hub(world.app, world.hub, a_request(world))
    assert again.replayed
    assert world.hub.state is S.READY
