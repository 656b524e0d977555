"""Sinks that hang, fail or refuse for days: who is told, who is asked again and when, who is given up."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import ConcurrentUpdate, FatalError, HubletError, RetryableError, RowTooNew
from shared.hubs import deliveries, notify
from shared.hubs.deliveries import RETRY_AFTER_S
from shared.hubs.model import Notice
from shared.hubs.notify import deliver
from shared.hubs.ports import Delivery
from tests.support.builders import HUB_ID, a_notice
from tests.support.fake_sink import FakeSink
from tests.support.notices import (
    DAY,
    ID,
    NOT_NOW,
    REFUSED,
    STORAGE_DOWN,
    Deployment,
    a_deployment,
    alerts,
    logged,
    watched,
)


class Hanging(FakeSink):
    """Never answers."""

    async def deliver(self, notice: Notice, target: str) -> None:
        await asyncio.Event().wait()


class HangingAtFirst(FakeSink):
    """Cannot say whom a notice is for."""

    async def targets(self, notice: Notice) -> list[str]:
        await asyncio.Event().wait()
        return []


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is real time, the only one here."""
    monkeypatch.setattr(notify, "SINK_LIMIT_S", 0.001)


# ---- not now


@pytest.mark.usefixtures("hasty")
async def test_a_sink_that_hangs_is_asked_again_later_and_the_others_are_told():
    here = await a_deployment(Hanging("chat"), FakeSink("console"))
    await deliver(here.app, here.ref)
    assert here.told == [[], [a_notice()]]
    assert here.pauses == [5.0]
    assert here.states["chat"].code == "SinkTimedOut"


@pytest.mark.usefixtures("hasty")
async def test_a_sink_that_cannot_say_whom_a_notice_is_for_is_asked_again_and_nobody_waits_for_it():
    here = await a_deployment(HangingAtFirst("chat"), FakeSink("console"))
    await deliver(here.app, here.ref)
    assert here.told == [[], [a_notice()]]
    assert here.states["chat:*"] == Delivery(
        tries=1, next_at=here.clock.now() + timedelta(seconds=5), code="SinkTimedOut"
    )
    mended = FakeSink("chat", targets=("a", "b"))
    here.app = here.app_with((mended, here.sinks[1]))
    await here.work()
    assert mended.told == [("a", ID), ("b", ID)]
    assert here.told[1] == [a_notice()]
    assert here.storage.outbox.rows == {}


async def test_a_sink_that_never_says_whom_a_notice_is_for_is_given_up_too(caplog: pytest.LogCaptureFixture):
    here = await a_deployment(FakeSink("chat"))
    here.sinks[0].tape.fail("sink.targets", STORAGE_DOWN, times=100)
    await deliver(here.app, here.ref)
    await here.work(5 * DAY)
    assert here.storage.outbox.rows == {}
    assert here.sinks[0].given_up == [], "there is nobody to give up"
    assert len(alerts(caplog, "NoticeGivenUp/chat")) == 1


def test_a_target_has_ten_seconds():
    assert notify.SINK_LIMIT_S == 10.0


@pytest.mark.parametrize("error", [ConcurrentUpdate("Conversation t-1"), RowTooNew("The row of the hub")])
async def test_what_says_nothing_about_the_target_is_no_refusal(error: HubletError):
    here = await a_deployment()
    here.sinks[0].tape.fail("sink.deliver", error)
    await deliver(here.app, here.ref)
    await here.work()
    assert here.told == [[a_notice()]]
    assert here.sinks[0].given_up == []


async def test_a_bug_in_one_sink_is_that_sinks_alone_and_may_be_mended(caplog: pytest.LogCaptureFixture):
    here = await a_deployment(FakeSink("chat"), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", KeyError("secret text"), times=2)
    await deliver(here.app, here.ref)
    assert here.told == [[], [a_notice()]]
    assert here.states["chat"].code == "SinkFailed"
    await here.work()
    assert here.told == [[a_notice()], [a_notice()]]
    (first, _) = logged(caplog, "sink_failed")
    assert (first["sink"], first["error"]) == ("chat", "KeyError")
    assert "secret text" not in str(first)


async def test_a_target_whose_sink_is_no_longer_configured_is_done_with():
    here = await a_deployment(FakeSink("chat"), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW, times=3)
    await deliver(here.app, here.ref)
    here.app = here.app_with(here.sinks[1:])
    await here.work()
    assert here.storage.outbox.rows == {}
    assert here.told == [[], [a_notice()]]


async def test_a_sink_that_is_down_for_hours_and_back_hears_everything_once():
    here = Deployment(FakeSink("chat"), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW, times=10**6)
    for seq in range(2, 12):
        await here.store(a_notice(seq, at=here.clock.now()))
        await deliver(here.app, replace(here.ref, seq=seq, first_seen=here.clock.now()))
        await here.work(timedelta(seconds=1000))
    assert here.told[0] == []
    here.sinks[0].tape.forgive("sink.deliver")
    await here.work()
    assert sorted(notice.seq for notice in here.told[0]) == list(range(2, 12))
    assert sorted(notice.seq for notice in here.told[1]) == list(range(2, 12))
    assert here.storage.outbox.rows == {}
    assert here.storage.notices.waiting == []


async def test_without_a_sink_a_notice_leaves_the_outbox():
    here = await a_deployment()
    here.app = here.app_with(())
    await deliver(here.app, here.ref)
    assert here.storage.outbox.rows == {}
    assert here.pauses == []


class Choosing(FakeSink):
    """A notice is for the target that it names."""

    async def targets(self, notice: Notice) -> list[str]:
        return [notice.message]


async def test_a_sink_is_asked_whom_this_very_notice_is_for():
    sink = Choosing()
    here = Deployment(sink)
    await here.store(a_notice(message="somebody"))
    await deliver(here.app, here.ref)
    assert sink.told == [("somebody", ID)]


# ---- given up


async def test_a_target_that_is_dead_is_given_up_after_three_days_and_the_operator_told(
    caplog: pytest.LogCaptureFixture,
):
    here = await a_deployment()
    sink = watched(here)
    sink.tape.fail("sink.deliver", NOT_NOW, times=1000)
    await deliver(here.app, here.ref)
    await here.work(10 * DAY)
    assert sink.pauses == [float(pause) for pause in RETRY_AFTER_S]
    assert timedelta(days=2.9) < sink.asked[-1] - a_notice().at <= 3 * DAY
    assert sink.given_up == [("", ID, "SinkUnavailable")]
    assert here.storage.outbox.rows == {}
    assert here.storage.notices.waiting == []
    (said,) = alerts(caplog, "NoticeGivenUp/fake")
    assert NOT_NOW.message in str(said["message"])
    assert (said["hub_id"], said["seq"], said["code"]) == (HUB_ID, 2, "SinkUnavailable")


@pytest.mark.parametrize("chance", [0.0, 0.999])
async def test_jitter_never_makes_it_more_than_three_days(chance: float):
    here = await a_deployment()
    sink = watched(here)
    here.chance.coming = [chance] * 100
    sink.tape.fail("sink.deliver", NOT_NOW, times=1000)
    await deliver(here.app, here.ref)
    await here.work(10 * DAY)
    assert timedelta(days=2.3) < sink.asked[-1] - a_notice().at <= 3 * DAY
    assert sink.given_up == [("", ID, "SinkUnavailable")]


@pytest.mark.parametrize(("earlier_s", "given_up"), [(0.0, True), (1.0, False)])
async def test_three_days_count_from_when_the_notice_was_made(earlier_s: float, given_up: bool):
    here = await a_deployment()
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW)
    here.clock.advance(3 * DAY - timedelta(seconds=earlier_s))
    await deliver(here.app, replace(here.ref, first_seen=here.clock.now()))
    assert (here.storage.outbox.rows == {}) is given_up
    assert bool(here.sinks[0].given_up) is given_up


async def test_a_refusal_for_good_is_noted_by_the_sink_and_no_alert(caplog: pytest.LogCaptureFixture):
    here = await a_deployment(FakeSink("webhook", targets=("a", "b")))
    here.sinks[0].tape.fail("sink.deliver:a", REFUSED)
    await deliver(here.app, here.ref)
    assert here.sinks[0].given_up == [("a", ID, "SinkGone")]
    assert here.sinks[0].told == [("b", ID)]
    assert here.storage.outbox.rows == {}
    assert alerts(caplog, "NoticeGivenUp/webhook") == []
    (said,) = logged(caplog, "notice_refused")
    assert (said["sink"], said["code"]) == ("webhook", "SinkGone")


async def test_a_refusal_is_about_one_notice_and_the_sink_hears_the_next():
    here = await a_deployment()
    here.sinks[0].tape.fail("sink.deliver", FatalError("SinkRefused", "It answered 400."))
    await deliver(here.app, here.ref)
    await here.store(a_notice(3))
    await deliver(here.app, replace(here.ref, seq=3))
    assert here.told == [[a_notice(3)]]


async def test_a_giving_up_that_could_not_be_noted_is_done_again_and_holds_up_nobody():
    here = await a_deployment(FakeSink("webhook", targets=("a", "b")), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver:a", REFUSED, times=2)
    here.sinks[0].tape.fail("sink.gave_up", STORAGE_DOWN)
    await deliver(here.app, here.ref)
    assert here.pauses == [1800.0]
    assert here.states["webhook:a"].code == "SinkGone"
    assert here.states["webhook:b"].next_at is None
    await here.work()
    assert here.sinks[0].given_up == [("a", ID, "SinkGone")]
    assert len(here.told[1]) == 1
    assert here.storage.outbox.rows == {}


@pytest.mark.parametrize("error", [FatalError("Broken", "It cannot be noted."), REFUSED])
async def test_a_giving_up_that_never_can_be_noted_is_over(error: HubletError):
    here = await a_deployment()
    here.sinks[0].tape.fail("sink.deliver", REFUSED)
    here.sinks[0].tape.fail("sink.gave_up", error)
    await deliver(here.app, here.ref)
    assert here.storage.outbox.rows == {}


class Broken(FakeSink):
    """Neither takes it nor notes that it did not."""

    async def deliver(self, notice: Notice, target: str) -> None:
        raise RetryableError("SinkUnavailable", "No answer.")

    async def gave_up(self, notice: Notice, target: str, error: HubletError) -> None:
        raise ValueError("a bug")


async def test_even_giving_up_ends_when_it_meets_trouble_for_days(caplog: pytest.LogCaptureFixture):
    here = await a_deployment(Broken())
    await deliver(here.app, here.ref)
    await here.work(10 * DAY)
    assert here.storage.outbox.rows == {}
    assert here.clock.now() - a_notice().at < deliveries.LET_GO_AFTER + timedelta(hours=1)
    assert len(logged(caplog, "notice_let_go")) == 1


@pytest.mark.parametrize(("sooner", "left"), [(timedelta(microseconds=1), 1), (timedelta(), 0)])
async def test_giving_up_that_cannot_be_noted_is_over_at_six_days(sooner: timedelta, left: int):
    here = await a_deployment(Broken())
    here.clock.advance_to(a_notice().at + deliveries.LET_GO_AFTER - sooner)
    await deliver(here.app, here.ref)
    assert len(here.storage.outbox.rows) == left


async def test_a_notice_whose_row_cannot_be_read_is_never_given_up():
    """Its age is not known; a message a day old is older than any pause."""
    here = await a_deployment()
    here.storage.tape.fail("outbox.get", STORAGE_DOWN)
    here.clock.advance(DAY)
    await deliver(here.app, here.ref)
    assert len(here.storage.outbox.rows) == 1
    assert here.storage.notices.waiting == []
