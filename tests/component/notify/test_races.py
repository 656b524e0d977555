"""Workers that meet at one notice, and workers that die at it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from shared.app import App
from shared.errors import ConcurrentUpdate
from shared.hubs.model import Notice
from shared.hubs.notify import SAVE_TRIES, deliver
from tests.support.fake_sink import FakeSink
from tests.support.notices import ID, NOT_NOW, REFUSED, Deployment, a_deployment, an_audit, logged
from tests.support.tape import Crash
from tests.support.world import CrashPlan


class Meeting(FakeSink):
    """Each that is asked waits until so many are."""

    def __init__(self, name: str, people: int) -> None:
        super().__init__(name)
        self._barrier = asyncio.Barrier(people)

    async def deliver(self, notice: Notice, target: str) -> None:
        await self._barrier.wait()
        await super().deliver(notice, target)


async def test_two_workers_with_the_same_message_tell_everybody_at_most_twice():
    here = await a_deployment(Meeting("chat", 2), FakeSink("console"))
    await asyncio.gather(deliver(here.app, here.ref), deliver(here.app, here.ref))
    await here.work()
    assert [len(told) for told in here.told] == [2, 2]
    assert here.storage.outbox.rows == {}


async def test_of_two_workers_one_that_was_taken_counts_and_messages_do_not_multiply():
    here = await a_deployment(Meeting("chat", 2), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW)  # the first of the two meets it
    await asyncio.gather(deliver(here.app, here.ref), deliver(here.app, here.ref))
    assert len(here.pauses) <= 1
    await here.work()
    assert [len(told) for told in here.told] == [1, 2]
    assert here.storage.outbox.rows == {}
    assert here.storage.notices.waiting == []


class Overtaken(FakeSink):
    """While it is asked, another worker has time for a whole visit."""

    meanwhile: Callable[[], Awaitable[None]]

    async def deliver(self, notice: Notice, target: str) -> None:
        await self.meanwhile()
        await super().deliver(notice, target)


async def test_a_worker_whose_row_another_has_removed_meanwhile_leaves_no_trace():
    sink, better = Overtaken("chat"), FakeSink("chat")
    sink.tape.fail("sink.deliver", NOT_NOW)
    here = await a_deployment(sink)
    sink.meanwhile = lambda: deliver(here.app_with((better,)), here.ref)
    await deliver(here.app, here.ref)
    assert here.storage.outbox.rows == {}
    await here.work()
    assert here.storage.notices.waiting == []
    assert (len(sink.delivered), len(better.delivered)) == (0, 1)


async def test_a_worker_that_loses_every_race_has_its_message_to_go_on_with(caplog: pytest.LogCaptureFixture):
    here = await a_deployment()
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW)
    here.storage.tape.fail("outbox.save", ConcurrentUpdate("Notice"), times=SAVE_TRIES)
    await deliver(here.app, here.ref)
    assert len(logged(caplog, "notice_lost_race")) == 1
    assert len(here.pauses) == 1
    await here.work()
    assert len(here.told[0]) == 1
    assert here.storage.outbox.rows == {}


async def test_two_workers_whose_targets_fail_both_go_on_with_one_state():
    here = await a_deployment(Meeting("chat", 2))
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW, times=2)
    await asyncio.gather(deliver(here.app, here.ref), deliver(here.app, here.ref))
    assert here.states["chat"].tries == 1
    assert len(here.pauses) == 2
    here.app = here.app_with((FakeSink("chat"),))
    await here.work()
    assert here.storage.outbox.rows == {}


def some_trouble() -> tuple[FakeSink, ...]:
    """One that takes it, one that is down twice, one of whose targets refuses for good."""
    sinks = (FakeSink("console"), FakeSink("chat"), FakeSink("hook", targets=("a", "b")))
    sinks[1].tape.fail("sink.deliver", NOT_NOW, times=2)
    sinks[2].tape.fail("sink.deliver:b", REFUSED, times=100)
    return sinks


def dying(here: Deployment, *plans: CrashPlan) -> App:
    """A process that dies at the planned points."""

    def wrap(port: object, name: str) -> object:
        for plan in plans:
            port = plan.wrap(port, name)
        return port

    ports = {name: wrap(getattr(here.storage, name), name) for name in ("outbox", "notices", "cache")}
    return here.app_with([wrap(sink, sink.name) for sink in here.sinks], **ports)  # type: ignore[misc]


async def lived(*plans: CrashPlan) -> tuple[Deployment, int]:
    """A whole delivery; what dies comes back after ten minutes, as the host does it. Returns how often it died."""
    here = await a_deployment(*some_trouble())
    await here.storage.notices.put(here.ref)
    here.app, deaths = dying(here, *plans), 0
    for hours in range(6):
        end = here.clock.now() + timedelta(hours=1)
        while (at := here.storage.notices.next_visible_at()) is not None and at <= end:
            here.clock.advance_to(max(at, here.clock.now()))
            ref = here.storage.notices.take()
            assert ref is not None
            try:
                await deliver(here.app, ref)
            except Crash:
                deaths += 1
                await here.storage.notices.put(ref, delay_s=600)
            assert len(here.storage.notices.waiting) <= 2 + deaths
        here.clock.advance_to(max(end, here.clock.now()))
        if hours < 5:
            await an_audit(here)
    return here, deaths


def nothing_lost(here: Deployment, deaths: int) -> None:
    told = [(sink.name, target) for sink in here.sinks for target, _ in sink.told]
    assert set(told) == {("console", ""), ("chat", ""), ("hook", "a")}
    assert max(told.count(one) for one in set(told)) <= 1 + deaths
    assert {given for sink in here.sinks for given in sink.given_up} == {("b", ID, "SinkGone")}
    assert here.storage.outbox.rows == {}
    assert here.storage.notices.waiting == []


async def test_a_death_at_any_call_of_a_delivery_loses_nothing_and_tells_nobody_more_than_once_more():
    counted = CrashPlan()
    nothing_lost(*await lived(counted))
    assert counted.points > 30
    for point in range(counted.points):
        plan = CrashPlan(point)
        here, deaths = await lived(plan)
        assert deaths == 1, plan.where
        nothing_lost(here, deaths)


@pytest.mark.parametrize(("every", "then_every"), [(11, 23), pytest.param(5, 9, marks=pytest.mark.slow)])
async def test_two_deaths_at_any_two_calls_lose_nothing_and_tell_nobody_more_than_twice_more(
    every: int, then_every: int
):
    counted = CrashPlan()
    await lived(counted)
    seen = set()
    for point in range(0, counted.points, every):
        for other in range(point + 1, counted.points + 20, then_every):
            here, deaths = await lived(CrashPlan(point), CrashPlan(other))
            seen.add(deaths)
            nothing_lost(here, deaths)
    assert 2 in seen
