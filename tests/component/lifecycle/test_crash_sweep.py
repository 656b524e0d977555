"""R1: the process dies before or after every effect of a whole life, once and twice; nobody notices but by waiting.

What is swept, and why it is all there is: tests/sim/crash. `pytest -s` prints the figures.
"""

import logging
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from shared.app import App
from shared.hubs import lifecycle
from shared.hubs.dispatch import due_after, work_message
from shared.hubs.model import HttpsMode, HttpsSpec, Notify
from shared.hubs.ports import Begun, DueRow, NoticeRef, VmPlan, VmView
from shared.hubs.states import HubState
from shared.hubs.visit import Visit
from tests.sim.crash import life as life_of_a_hub
from tests.sim.crash.life import Life
from tests.sim.crash.oracle import Watch, at_rest, judged
from tests.sim.crash.sweep import PairSweep, Stage, Swept, sweep_pairs, sweep_singles
from tests.support.builders import a_schedule, a_spec
from tests.support.fake_arm import FakeCompute
from tests.support.fake_storage import FakeDue, FakeHubStore
from tests.support.snapshot import PORTS
from tests.support.world import CrashPlan, World

pytestmark = pytest.mark.slow

MESSAGE_FIRST_S = 30.0
"""What a dead worker had in its hands comes back before its due row is looked at."""

DUE_ROW_FIRST_S = 200.0
"""The due row drives the hub, and the message comes back in the middle of what the owner asks for next."""


HOST_DIED_S = 600.0
"""As long as the platform's host hides a message whose worker is gone."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Some ten thousand lives log a lot."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def used() -> float:
    """Processor time of this process and of those it started and that are over."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def nothing_wrong(swept: Swept) -> None:
    assert not swept.wrong, "\n".join([f"{len(swept.wrong)} violations", *swept.wrong[:10]])


# ------------------------------------------------------------------ all pairs


@pytest.mark.parametrize("lease_s", [MESSAGE_FIRST_S, DUE_ROW_FIRST_S])
def test_two_deaths_at_any_two_points_of_a_life_are_made_good(lease_s: float):
    began, before = time.perf_counter(), used()
    swept = sweep_pairs(lease_s=lease_s)
    seconds, cpu_s = time.perf_counter() - began, used() - before
    print(  # noqa: T201 - the figure of R1
        f"\ncrash sweep, lease {lease_s:.0f} s: {swept.points} points, {swept.singles} singles, {swept.pairs} pairs, "
        f"{len(swept.wrong)} violations in {seconds:.1f} s ({cpu_s:.0f} s of processor time, two processes); "
        f"{swept.lived} lives lived through; the longest lasted {swept.longest_s - swept.usual_s:.0f} s longer than "
        f"the usual {swept.usual_s:.0f} s"
    )
    nothing_wrong(swept)
    assert swept.points > 100, "the sweep must see every effect"
    assert swept.singles == swept.points
    assert swept.pairs >= swept.points * (swept.points - 1) // 2, "after a death there is no less left to do"


# ------------------------------------------------------------------ one death


async def test_a_death_by_an_exception_at_any_call_reads_too_ends_as_one_of_the_swept_lives():
    """The list of points leaves reads out, and a swept process dies by being put away. Here nothing is left out, and it
    dies of an exception that goes through the code; what its fellow requests then still do is a point as well."""
    stage = Stage(lease_s=DUE_ROW_FIRST_S)
    usual = await stage.recording()
    swept = {end_of(stage.life)}
    for moment in usual.moments:
        await stage.verdict(moment.state)
        swept.add(end_of(stage.life))

    calls = CrashPlan()
    await lived(calls)
    assert calls.points > 400
    others = []
    for point in range(calls.points):
        plan = CrashPlan(point)
        life, wrong = await lived(plan)
        assert plan.where, "it died"
        if wrong or end_of(life) not in swept:
            others.append((point, plan.where, wrong))
    assert others == []


def end_of(life: Life) -> tuple[object, ...]:
    """All that was done, told and noted in a life, to the microsecond."""
    history = [
        (seq, event.at, event.message) for events in life.storage.hubs.history.values() for seq, event in events.items()
    ]
    told = [(notice.id, notice.at) for notice in life.told.notices]
    return life.clock.now(), tuple(history), tuple(told), tuple(life.cloud.writes)


async def lived(plan: CrashPlan) -> tuple[Life, list[str]]:
    life = Life(lease_s=DUE_ROW_FIRST_S)
    Watch(life)
    ports = {name: plan.wrap(getattr(life.app, name), name) for name in PORTS}
    life.app = replace(life.app, **ports, sinks=tuple(plan.wrap(sink, "sink") for sink in life.app.sinks))
    await life.live()
    return life, [*life.script.seen, *await at_rest(life), *judged(life)]


@pytest.mark.parametrize("lease_s", [MESSAGE_FIRST_S, DUE_ROW_FIRST_S, HOST_DIED_S])
async def test_one_death_at_any_moment_is_made_good_however_long_the_dead_hold_their_message(lease_s: float):
    """Here rows go through their JSON, which takes twice as long."""
    nothing_wrong(await sweep_singles(lease_s=lease_s, every_moment=True, through_json=True))


async def test_one_death_is_made_good_for_a_hub_with_a_schedule_an_idle_rule_and_https():
    """Its messages and due rows are planned hours ahead, and Azure has a daily shutdown for it."""
    spec = a_spec(schedule=a_schedule(), idle_minutes=60, https=HttpsSpec(mode=HttpsMode.AUTO))
    swept = await sweep_singles(lease_s=DUE_ROW_FIRST_S, spec=spec)
    nothing_wrong(swept)
    assert swept.points > 100


@pytest.mark.parametrize("lease_s", [MESSAGE_FIRST_S, DUE_ROW_FIRST_S])
async def test_one_death_is_made_good_for_a_hub_that_is_followed_by_two_of_whom_one_takes_nothing_at_once(
    lease_s: float,
):
    """Every step is told, and every notice has two visits: points that the least life does not have."""
    spec = a_spec(notify=Notify(slack_channel="C123"))
    nothing_wrong(await sweep_singles(lease_s=lease_s, spec=spec, hesitant=True))
    stage = Stage(lease_s=lease_s, spec=spec, hesitant=True)
    seen = [point.where for point in (await stage.recording()).points]
    for effect in ("notices.put", "outbox.save", "outbox.done", "sink memory.deliver"):
        assert seen.count(f"after {effect}") > 10, effect


async def test_a_create_that_nobody_repeats_makes_a_whole_hub_or_nothing_at_all():
    swept = await sweep_singles(lease_s=DUE_ROW_FIRST_S, repeats=False)
    nothing_wrong(swept)
    stage = Stage(lease_s=DUE_ROW_FIRST_S, repeats=False)
    ends = set()
    for point in (await stage.recording()).points:
        await stage.verdict(point.state)
        ends.add(stage.life.script.gave_up)
    assert ends == {True, False}


@pytest.mark.parametrize("fraction", [0.1, 0.3, 0.5, 0.7, 0.9])
async def test_a_delete_in_the_middle_of_a_create_leaves_nothing(fraction: float):
    baseline = World()
    await baseline.create("demo")
    await baseline.run_to_rest()
    total = (baseline.clock.now() - World().clock.now()).total_seconds()

    world = World()
    hub = await world.create("demo")
    await world.run(lambda: False, limit_s=total * fraction)
    await world.delete(hub)
    await world.run_until_gone()
    await world.run(lambda: False, limit_s=900)  # late copies of messages must not make anything again
    assert world.cloud.groups == {}
    assert not world.storage.queue.waiting
    grave = await world.app.hubs.gone(hub.owner, hub.id)
    assert grave is not None
    assert grave.hub.state is HubState.DELETED


# ------------------------------------------------------------------ the moments themselves


async def test_what_is_outside_is_put_back_as_it_was_taken():
    stage = Stage(lease_s=DUE_ROW_FIRST_S)
    states = [moment.state for moment in (await stage.recording()).moments]
    for state in (states[50], states[-1], states[3], states[50]):
        stage.outside.put_back(state)
        assert stage.outside.taken() == state
        await stage.life.run(limit_s=90)
        assert stage.outside.taken() != state
    assert all(one != other for one, other in pairwise(states)), "equal moments are one"


async def test_a_sweep_sees_every_kind_of_effect_and_requests_side_by_side_in_either_order():
    seen = {point.where for point in (await Stage(lease_s=MESSAGE_FIRST_S).recording()).points}
    for effect in (
        *("hubs.create", "hubs.commit", "hubs.bury", "queue.put", "due.put", "due.move", "due.forget", "index.put"),
        *("secrets.create", "notices.put", "outbox.done", "sink memory.deliver", "groups.put", "groups.begin_delete"),
        *("network.begin_nsg", "network.begin_vnet", "compute.begin_vm", "compute.begin_deallocate"),
        *("compute.begin_start", "on_vm.call", "hub_http.start_server"),
    ):
        assert f"after {effect}" in seen, effect
    assert "alone due.put" in seen, "its message was not there yet"


# ------------------------------------------------------------------ planted bugs


async def saved_before_it_is_planned(visit: Visit, after_s: float | None) -> None:
    """The row first, then its message and its due row: nobody knows of the pass in between."""
    app, now = visit.app, visit.now
    visit.update(pass_number=visit.hub.pass_number + 1, updated_at=now)
    delay = max(after_s or 0.0, 1.0)
    visit.update(next_look_at=None if after_s is None else visit.now + timedelta(seconds=delay))
    await visit.checkpoint()
    if after_s is not None:
        await app.queue.put(work_message(visit.hub, now), delay_s=delay)
        await app.due.put(due_after(visit.hub, now, delay, redrive_s=app.settings.redrive_s))


async def forgotten_before_it_is_told(app: App, ref: NoticeRef) -> None:
    pending = await app.outbox.get(ref.owner, ref.hub_id, ref.seq)
    if pending is not None:
        await app.outbox.done(ref.owner, ref.hub_id, ref.seq)
        for sink in app.sinks:
            await sink.deliver(pending.notice, "")


async def not_put(due: FakeDue, row: object) -> None:
    """No safety net for messages."""


async def told_before_it_is_queued(visit: Visit) -> None:
    """As `checkpoint`, but the message for a notice comes after its row."""
    notices = tuple(visit.notices)
    visit.update(updated_at=visit.now)
    visit.hub = await visit.app.hubs.commit(visit.change())
    visit.events.clear()
    visit.operations.clear()
    visit.notices.clear()
    visit.idempotency = None
    visit.saved = visit.hub
    for notice in notices:
        ref = NoticeRef(owner=notice.owner, hub_id=notice.hub_id, seq=notice.seq, first_seen=visit.now)
        await visit.app.notices.put(ref, delay_s=2.0)


async def machine_shows_late(compute: FakeCompute, group: str, name: str, *, with_power: bool = False) -> VmView | None:
    """F25: a read lags behind a PUT. That is allowed."""
    view = await read_vm(compute, group, name, with_power=with_power)
    return None if view is not None and view.provisioning == "creating" else view


async def a_machine_each_time(compute: FakeCompute, plan: VmPlan) -> Begun:
    """A PUT that is repeated makes another machine, as one under a name of its own would."""
    group = compute.cloud.group(plan.group)
    if plan.name.lower() in group.vms:
        group.vms[f"{plan.name.lower()}-again"] = group.vms.pop(plan.name.lower())
        for vm in group.vms.values():
            vm.plan = replace(vm.plan, dns_label="another")
    return await begin_vm(compute, plan)


async def nothing_is_remembered(store: FakeHubStore, owner: str, key: str | None, *, fresh: bool = False) -> Any:
    quota, _ = await admission(store, owner, key, fresh=fresh)
    return quota, None


begin_vm, read_vm, admission = FakeCompute.begin_vm, FakeCompute.vm, FakeHubStore.admission
PLANTED: dict[str, tuple[object, str, object, str]] = {
    "the row is saved before its message": (lifecycle, "schedule_and_save", saved_before_it_is_planned, "longer than"),
    "no due rows": (FakeDue, "put", not_put, "longer than"),
    "a notice is removed before it is told": (life_of_a_hub, "deliver", forgotten_before_it_is_told, "under 0 ids"),
    "a notice's message comes after its row": (Visit, "checkpoint", told_before_it_is_queued, "left in the outbox"),
    "a PUT is not idempotent": (FakeCompute, "begin_vm", a_machine_each_time, "2 machines were created"),
    "Idempotency-Keys are forgotten": (FakeHubStore, "admission", nothing_is_remembered, "HubAlreadyExists"),
}


async def test_a_machine_that_shows_late_is_no_other_one(monkeypatch: pytest.MonkeyPatch):
    """Whoever takes over sends the same PUT again."""
    monkeypatch.setattr(FakeCompute, "vm", machine_shows_late)
    nothing_wrong(await sweep_singles(lease_s=MESSAGE_FIRST_S))


@pytest.mark.parametrize("bug", PLANTED)
async def test_a_planted_bug_is_seen(bug: str, monkeypatch: pytest.MonkeyPatch):
    owner, name, planted, sentence = PLANTED[bug]
    monkeypatch.setattr(FakeCompute, "vm", machine_shows_late)
    monkeypatch.setattr(owner, name, planted)
    wrong: list[str] = []
    for lease_s in (MESSAGE_FIRST_S, DUE_ROW_FIRST_S):
        assert (await Stage(lease_s=lease_s).recording()).verdict.wrong == (), "it must be one that only a death shows"
        wrong += (await sweep_singles(lease_s=lease_s)).wrong
    assert any(sentence in line for line in wrong), wrong[:10]


async def test_a_bug_that_needs_two_deaths_is_seen_by_pairs_alone(monkeypatch: pytest.MonkeyPatch):
    """The minute's tick hands a due row over and forgets it: the safety net holds one fall, not two."""

    async def forgotten(due: FakeDue, rows: Sequence[DueRow], at: datetime) -> None:
        await due.forget(rows)

    monkeypatch.setattr(FakeDue, "move", forgotten)
    nothing_wrong(await sweep_singles(lease_s=HOST_DIED_S))
    swept = await PairSweep(HOST_DIED_S).share(14, 20)
    assert any("longer than" in wrong for wrong in swept.wrong)
    assert all(", then " in wrong for wrong in swept.wrong)
