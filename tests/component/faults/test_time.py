"""Faults of time: visits, clocks, timers, daylight saving (F13, F15 to F18; docs/faults.md)."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any

import pytest

from shared.clock import Clock, OffsetClock, StorageTime
from shared.errors import FatalError
from shared.hubs import ticks
from shared.hubs.dispatch import due_after
from shared.hubs.messages import DueBatch
from shared.hubs.model import Message
from shared.hubs.states import HubState
from shared.hubs.ticks import drive, tick
from shared.hubs.vm_errors import VmUnreachable
from tests.component.lifecycle.days import MINUTE, a_ready_world, be_down, power_writes, resting, run_to, utc
from tests.support.builders import a_due_row, a_schedule
from tests.support.clock import MONDAY_MORNING, FakeClock
from tests.support.fake_machine import RECORDED, Script
from tests.support.world import World

# ---- F13


class Slow:
    """A port each of whose calls takes so many seconds; `fails` says when it then comes to nothing."""

    def __init__(self, port: Any, clock: FakeClock, seconds: float, fails: Callable[[str], bool]) -> None:
        self._port, self._clock, self._seconds, self._fails = port, clock, seconds, fails

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._port, method)

        async def slowly(*args: Any, **kwargs: Any) -> Any:
            self._clock.advance(self._seconds)
            if self._fails(method):
                raise VmUnreachable
            return await real(*args, **kwargs)

        return slowly


def timed(world: World) -> list[float]:
    """How long each visit takes, seconds."""
    took: list[float] = []
    deliver = world.deliver

    async def measured(message: Any) -> None:
        began = world.clock.now()
        await deliver(message)
        if isinstance(message, Message):
            took.append((world.clock.now() - began).total_seconds())

    world.deliver = measured  # type: ignore[method-assign]
    return took


@pytest.mark.parametrize("every_other_fails", [False, True])
async def test_f13_a_visit_to_the_slowest_peers_ends_within_a_minute(every_other_fails: bool):
    world = World()
    calls = iter(range(10**6))
    fails = lambda method: every_other_fails and method == "call" and next(calls) % 2 == 0  # noqa: E731
    object.__setattr__(world.app, "on_vm", Slow(world.on_vm, world.clock, 9.0, fails))
    object.__setattr__(world.app, "hub_http", Slow(world.hub_http, world.clock, 9.0, lambda method: False))
    lines = ((0.0, RECORDED[0][1]), *((0.1, "x" * 5000) for _ in range(100)), *RECORDED[1:])
    world.on_vm.new_machine = lambda machine: setattr(machine, "scripts", [Script(lines=lines)])
    took = timed(world)
    await world.create()
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY, hub.reason
    assert max(took) <= 60


async def test_f13_an_operation_is_in_the_row_before_it_is_waited_for():
    world = World(durations={"vm": 400.0, "vnet": 100.0, "nsg": 100.0})
    await world.create()
    seen: set[str] = set()

    def saved() -> bool:
        """Between two visits nobody knows of an operation but the row."""
        for handle, operation in world.cloud.operations.items():
            if operation.ends_at > world.clock.now():
                assert world.hub.operation is not None
                assert world.hub.operation.handle == handle
                seen.add(operation.verb)
        return world.hub.state is HubState.READY

    await world.run(saved)
    assert seen >= {"vm", "vnet", "nsg"}


# ---- F15


class Machine:
    """A worker's machine: its wall clock is wrong by so much, its monotonic clock began some time ago."""

    def __init__(self, true: FakeClock, wrong: timedelta) -> None:
        self.true, self.wrong = true, wrong
        self._began = true.now() - timedelta(days=3, seconds=0.25)
        self.time = StorageTime(wall=self.wall, monotonic=self.monotonic)

    def wall(self) -> datetime:
        return self.true.now() + self.wrong

    def monotonic(self) -> float:
        return (self.true.now() - self._began).total_seconds()

    def answered(self) -> None:
        """Storage answered a request, after 20 ms."""
        asked_at, date = self.time.mark(), format_datetime(self.true.now(), usegmt=True)
        self.true.advance(0.02)
        self.time.learn(date, asked_at)

    def off(self) -> float:
        """How far the clock is from the truth, seconds."""
        return abs((self.time.now() - self.true.now()).total_seconds())


def a_world_on(wrong: timedelta) -> tuple[World, Machine]:
    """A deployment whose workers and timers all have a wrong clock, and ask storage as the adapters do."""
    world = World()
    machine = Machine(world.clock, wrong)
    begin = world.storage.tape.begin

    def asked(name: str) -> None:
        machine.answered()
        begin(name)

    world.storage.tape.begin = asked  # type: ignore[method-assign]
    clock = SimpleNamespace(now=machine.time.now, sleep=world.clock.sleep)
    object.__setattr__(world.app, "clock", clock)
    return world, machine


TEN = timedelta(minutes=10)


@pytest.mark.parametrize("wrong", [TEN, -TEN, timedelta(hours=9)])
def test_f15_after_the_first_answer_the_clock_is_storages_whatever_the_machines_says(wrong: timedelta):
    machine = Machine(FakeClock(), wrong)
    machine.answered()
    assert machine.off() <= 1.1
    for _ in range(50):
        machine.true.advance(7.3)
        machine.answered()
    assert machine.off() <= 0.1, "it gets better with every answer"


def test_f15_a_clock_that_steps_back_moves_nothing():
    machine = Machine(FakeClock(), timedelta())
    machine.answered()
    before = machine.time.now()
    machine.wrong = -TEN
    machine.true.advance(5)
    assert timedelta(seconds=5) <= machine.time.now() - before <= timedelta(seconds=5.001)


def test_f15_a_right_clock_is_left_alone_and_never_runs_backwards():
    machine = Machine(FakeClock(), timedelta())
    last = machine.time.now()
    for _ in range(200):
        machine.answered()
        assert machine.off() == pytest.approx(0, abs=1e-5)
        assert machine.time.now() >= last
        last = machine.time.now()
        machine.true.advance(0.13)


@pytest.mark.parametrize(
    "date", [None, "", "yesterday", "Mon, 99 Foo 2026 25:00:00 GMT", "Mon, 02 Mar 999999 1:1:1 GMT"]
)
def test_f15_what_is_no_date_changes_nothing(date: str | None):
    machine = Machine(FakeClock(), timedelta())
    machine.answered()
    machine.time.learn(date, machine.time.mark())
    assert machine.off() == pytest.approx(0, abs=1e-5)


async def test_f15_local_tests_move_storages_time_by_their_file(tmp_path):
    machine = Machine(FakeClock(), TEN)
    machine.answered()
    (tmp_path / "offset").write_text("3600")
    clock: Clock = OffsetClock(tmp_path / "offset", machine.time)
    assert clock.now() - machine.time.now() == timedelta(hours=1)


@pytest.mark.parametrize("wrong", [TEN, -TEN])
async def test_f15_nothing_is_deleted_early_by_a_worker_whose_clock_is_wrong(wrong: timedelta):
    world, _ = a_world_on(wrong)
    world.cloud.fail_begin("vm", FatalError("Forbidden", "No."))
    await world.create()
    failed_at = (await world.run_to_rest()).failed_at
    assert failed_at is not None
    assert abs(failed_at - world.clock.now()) <= timedelta(seconds=60)
    kept = timedelta(hours=world.app.settings.failed_keep_hours)
    await world.run(lambda: world.hub.state is not HubState.FAILED, limit_s=25 * 3600)
    assert timedelta(seconds=-2) <= world.clock.now() - failed_at - kept <= timedelta(minutes=3)


@pytest.mark.parametrize("wrong", [TEN, -TEN])
async def test_f15_no_step_is_failed_early_and_a_hub_gets_ready_as_ever(wrong: timedelta):
    world, _ = a_world_on(wrong)
    world.cloud.durations["vnet"] = 14 * 60.0  # of the 15 minutes of its step
    await world.create()
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY, hub.reason
    assert abs((hub.ready_at or hub.created_at) - world.clock.now()) <= timedelta(seconds=5)


async def test_f15_a_timer_that_is_ahead_does_not_forget_the_due_row_of_a_hub_that_is_just_being_accepted():
    """Its first tick in a process comes before any answer of storage."""
    world = World()
    row = a_due_row(at=world.clock.now() + timedelta(seconds=30), kind="pass")
    await world.app.due.put(row)
    world.clock.advance(TEN)
    await tick(world.app)
    batch = world.storage.queue.take()
    assert isinstance(batch, DueBatch)
    world.clock.advance(-TEN)
    assert await drive(world.app, batch.rows) == 0
    assert len(world.storage.due.rows) == 1, "it drives the hub when it is due"
    world.clock.advance(TEN + ticks.HANDED_OVER_AGAIN + MINUTE)
    await world.tick()
    assert world.storage.due.rows == {}, "by then the hub is there, or never comes"


# ---- F16


@pytest.mark.parametrize(
    ("back", "then"),
    [("2026-03-02 19:30", ["02 19:30 stopping"]), ("2026-03-03 09:30", [])],
    ids=["a stop was missed", "a stop and a start were missed"],
)
async def test_f16_after_three_hours_and_more_without_timers_only_what_is_wanted_now_is_done(
    back: str, then: list[str]
):
    """On Monday at 18:00 UTC the class's hub stops, on Tuesday at 07:30 it starts."""
    world = await a_ready_world(utc("2026-03-02 06:00"), schedule=a_schedule())
    await run_to(world, "2026-03-02 16:30")
    for group in world.cloud.groups.values():
        group.shutdowns.clear()  # Azure's own shutdown is another story
    world.storage.queue.waiting.clear()
    await be_down(world, back)
    since = world.clock.now()
    await run_to(world, since + timedelta(minutes=20))
    assert resting(world, since) == then
    assert power_writes(world, since) == ["deallocate"] * len(then)


# ---- F17


async def test_f17_a_timer_that_fires_twice_at_once_has_one_effect():
    world = await a_ready_world(utc("2026-03-02 06:00"), schedule=a_schedule())
    since = world.clock.now()
    for timer in world.timers:
        fire = timer.fire

        async def twice(app: Any, fire: Any = fire) -> None:
            await asyncio.gather(fire(app), fire(app))

        timer.fire = twice
    await run_to(world, "2026-03-03 12:00")
    assert resting(world, since + MINUTE) == ["02 18:00 stopping", "03 07:30 ready"]
    assert power_writes(world, since) == ["deallocate", "start"]
    assert len(world.told.of("stopped")) == 1


# ---- F18


@pytest.mark.parametrize(
    ("begin", "days"),
    [
        ("2027-03-26 12:00", ["27 01:30", "28 01:00", "29 00:30"]),
        ("2027-10-29 12:00", ["30 00:30", "31 00:30", "01 01:30"]),
    ],
    ids=["02:30 is left out on the 28th", "02:30 comes twice on the 31st"],
)
async def test_f18_a_stop_in_a_gap_or_an_overlap_happens_exactly_once(begin: str, days: list[str]):
    every = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    plan = a_schedule(start=None, stop="02:30", days=every)
    world = await a_ready_world(utc(begin), schedule=plan)
    since = world.clock.now()
    for _ in range(3):
        await world.run(lambda: world.hub.state is HubState.STOPPED, limit_s=30 * 3600)
        await world.start()
        await world.run_to_rest(HubState.READY)
    await world.run(limit_s=3 * 3600)
    stops = [move[:8] for move in resting(world, since) if move.endswith("stopping")]
    assert stops == days


async def test_f15_a_row_that_a_clock_ahead_made_the_ticks_pass_by_is_handed_over_by_the_audit():
    """A tick before its process's first answer of storage may move the watermark into the next hour."""
    world = World(start=MONDAY_MORNING.replace(minute=52))
    await world.create()
    await world.run_to_rest()
    await world.run(limit_s=600)  # an audit has been there
    row = replace(due_after(world.hub, world.clock.now(), 0), kind="erase")
    await world.app.due.advance_watermark(world.clock.now() + timedelta(minutes=10))
    await world.app.due.put(replace(row, at=world.clock.now() - timedelta(hours=1)))
    await world.run(limit_s=600)
    assert "erase" in {row.kind for row in world.storage.due.rows.values()}, "ticks do not see it"
    await world.run(limit_s=3600)
    assert "erase" not in {row.kind for row in world.storage.due.rows.values()}
