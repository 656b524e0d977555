"""Faults of the sinks people are told through: F43 and F48 (docs/faults.md)."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from shared.errors import FatalError, HubletError, RetryableError, UserError
from shared.hubs import notify
from shared.hubs.model import Notice
from shared.hubs.states import HubState
from tests.support.world import World


class BadSink:
    """Notes every try; `behave` decides what comes of it."""

    name = "webhook"

    def __init__(self) -> None:
        self.tried: list[Notice] = []
        self.given_up: list[str] = []
        self.behave: Callable[[], None] = lambda: None
        self.hangs = False

    async def targets(self, notice: Notice) -> Sequence[str]:
        return ("w-1",)

    async def gave_up(self, notice: Notice, target: str, error: HubletError) -> None:
        self.given_up.append(notice.id)

    async def deliver(self, notice: Notice, target: str) -> None:
        self.tried.append(notice)
        if self.hangs:
            await asyncio.Event().wait()
        self.behave()


def raising(error: Exception) -> Callable[[], None]:
    def behave() -> None:
        raise error

    return behave


UNAVAILABLE = RetryableError("SinkUnavailable", "The web hook answered 503.")
GONE = UserError("SinkGone", "It was deleted (410).")


def a_world() -> tuple[World, BadSink]:
    world, bad = World(), BadSink()
    object.__setattr__(world.app, "sinks", (bad, world.told))
    return world, bad


async def stopped_and_deleted(world: World) -> timedelta:
    """A hub that is made, stopped and deleted; returns how long that took."""
    began = world.clock.now()
    hub = await world.create()
    await world.run_to_rest(HubState.READY)
    await world.stop()
    await world.run_to_rest(HubState.STOPPED)
    await world.delete(hub)
    await world.run_until_gone()
    assert world.cloud.groups == {}
    return world.clock.now() - began


def alerts(caplog: pytest.LogCaptureFixture) -> int:
    return sum("operator_alert" in record.getMessage() for record in caplog.records)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "SINK_LIMIT_S", 0.001)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "spoil",
    [
        lambda bad: setattr(bad, "hangs", True),
        lambda bad: setattr(bad, "behave", raising(UNAVAILABLE)),
        lambda bad: setattr(bad, "behave", raising(GONE)),
        lambda bad: setattr(bad, "behave", raising(FatalError("SinkRefused", "It answered 400."))),
    ],
    ids=["hangs", "503", "410", "400"],
)
async def test_f43_a_bad_sink_holds_up_neither_hubs_nor_the_other_sinks(spoil: Callable[[BadSink], None]):
    as_ever = await stopped_and_deleted(a_world()[0])
    world, bad = a_world()
    spoil(bad)
    assert await stopped_and_deleted(world) == as_ever
    await world.run(limit_s=60)
    assert bad.tried
    assert len(world.told.of("stopped")) >= 1
    assert len(world.told.of("deleted")) >= 1


@pytest.mark.slow
async def test_f43_a_target_that_takes_nothing_is_given_up_after_three_days_and_the_operator_is_told(
    caplog: pytest.LogCaptureFixture,
):
    world, bad = a_world()
    bad.behave = raising(UNAVAILABLE)
    await world.create()
    await world.run_to_rest(HubState.READY)
    await world.stop()
    await world.run_to_rest(HubState.STOPPED)
    most = 0
    for _ in range(70):
        await world.run(limit_s=3600)
        most = max(most, len(world.storage.notices.waiting))
    assert len(world.storage.outbox.rows) == 2, "they are tried for three days"
    assert most <= 4
    assert bad.given_up == []
    await world.run(limit_s=4 * 3600)
    assert world.storage.outbox.rows == {}
    assert world.storage.notices.waiting == []
    assert len(bad.given_up) == 2
    tried = len(bad.tried)
    assert tried <= 2 * 11
    assert 1 <= alerts(caplog) <= 2, "the second within the hour is not said again"
    assert sorted(notice.id for notice in world.told.notices) == sorted({notice.id for notice in bad.tried})
    await world.run(limit_s=24 * 3600)
    assert len(bad.tried) == tried


async def test_f48_a_sink_that_answers_410_is_asked_once_for_each_notice_and_notes_what_it_did_not_take():
    world, bad = a_world()
    bad.behave = raising(GONE)
    await stopped_and_deleted(world)
    await world.run(limit_s=60)
    assert len(bad.tried) == len(bad.given_up) == 3
    assert len(world.told.notices) == 3
    assert world.storage.outbox.rows == {}


@pytest.mark.slow
async def test_f43_a_sink_that_comes_back_hears_everything_of_the_time_it_was_down_and_the_others_hear_it_once():
    world, bad = a_world()
    bad.behave = raising(UNAVAILABLE)
    await world.create()
    await world.run_to_rest(HubState.READY)
    await world.stop()
    await world.run_to_rest(HubState.STOPPED)
    await world.run(limit_s=8 * 3600)
    bad.behave = lambda: None
    before = len(bad.tried)
    await world.run(limit_s=13 * 3600)  # the longest pause by then is ten hours, and a fifth
    heard = [notice.type for notice in bad.tried[before:]]
    assert sorted(heard) == ["io.hublet.hub.ready.v1", "io.hublet.hub.stopped.v1"]
    assert len(world.told.notices) == 2
    assert world.storage.outbox.rows == {}
