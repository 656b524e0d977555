"""Sinks that hang, are gone, or refuse for a day: who is told, what stays in the outbox, when it is tried again."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import FatalError, RetryableError
from shared.hubs import notify
from shared.hubs.notify import SinkGone, deliver
from tests.component.test_notify import NOT_NOW, Deployment
from tests.support.builders import HUB_ID, OWNER, a_notice
from tests.support.fake_sink import FakeSink

DAY = timedelta(days=1)
GONE = SinkGone("It was deleted (410).")
STORAGE_DOWN = RetryableError("StorageUnavailable", "No answer.")


class Hanging(FakeSink):
    """Never answers."""

    async def deliver(self, notice: object) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is real time, the only one here."""
    monkeypatch.setattr(notify, "SINK_LIMIT_S", 0.001)


async def a_deployment(*sinks: FakeSink) -> Deployment:
    here = Deployment(*sinks)
    await here.store()
    return here


def alerts(caplog: pytest.LogCaptureFixture, kind: str) -> list[dict[str, object]]:
    """The fields of each alert of this kind."""
    said = [record for record in caplog.records if record.getMessage() == "operator_alert"]
    fields: list[dict[str, object]] = [vars(record)["hublet_fields"] for record in said]
    return [one for one in fields if one["kind"] == kind]


def pauses(here: Deployment) -> list[float]:
    """Of the messages that wait now."""
    return [(waiting.visible_at - here.clock.now()).total_seconds() for waiting in here.storage.notices.waiting]


# ---- not now


@pytest.mark.usefixtures("hasty")
async def test_a_sink_that_hangs_is_asked_again_later_and_the_others_are_told():
    here = await a_deployment(Hanging("chat"), FakeSink("console"))
    await deliver(here.app, here.ref)
    assert here.told == [[], [a_notice()]]
    assert pauses(here) == [5.0]
    assert len(here.storage.outbox.rows) == 1


@pytest.mark.usefixtures("hasty")
async def test_of_a_sink_that_hangs_for_a_day_the_operator_learns_its_name(caplog: pytest.LogCaptureFixture):
    here = await a_deployment(Hanging("chat"))
    here.clock.advance(DAY)
    await deliver(here.app, here.ref)
    (said,) = alerts(caplog, "NoticeGivenUp")
    assert said["code"] == "SinkTimedOut"
    assert "'chat'" in str(said["message"])


def test_a_sink_has_ten_seconds():
    assert notify.SINK_LIMIT_S == 10.0


async def test_what_the_last_sink_cannot_take_stays_although_the_first_one_did():
    here = await a_deployment(FakeSink("console"), FakeSink("chat"))
    here.sinks[1].tape.fail("sink.deliver", NOT_NOW)
    await deliver(here.app, here.ref)
    assert len(here.storage.outbox.rows) == 1
    await here.work()
    assert here.told == [[a_notice(), a_notice()], [a_notice()]]


async def test_a_sink_that_is_asked_after_the_row_came_late_waits_as_long_as_it_has_waited():
    here = await a_deployment()
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW)
    here.clock.advance(300)
    await deliver(here.app, here.ref)
    assert pauses(here) == [300.0]


@pytest.mark.parametrize(("age_s", "again"), [(3599.0, [3599.0]), (3600.0, [])])
async def test_a_message_that_has_tried_for_an_hour_is_the_last(age_s: float, again: list[float]):
    here = await a_deployment()
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW)
    here.clock.advance(age_s)
    await deliver(here.app, here.ref)
    assert pauses(here) == again
    assert len(here.storage.outbox.rows) == 1


async def test_a_message_without_its_row_is_dropped_after_a_minute_and_not_before():
    here = Deployment()
    here.clock.advance(59.9)
    await deliver(here.app, here.ref)
    assert pauses(here) == [5.0]
    here = Deployment()
    here.clock.advance(60)
    await deliver(here.app, here.ref)
    assert pauses(here) == []


# ---- given up


async def test_a_notice_that_nobody_took_for_a_day_is_given_up_and_the_operator_told(caplog: pytest.LogCaptureFixture):
    here = await a_deployment()
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW)
    here.clock.advance(DAY)
    await deliver(here.app, here.ref)
    assert here.storage.outbox.rows == {}
    assert here.storage.notices.waiting == []
    (said,) = alerts(caplog, "NoticeGivenUp")
    assert NOT_NOW.message in str(said["message"])
    assert (said["hub_id"], said["seq"], said["code"]) == (HUB_ID, 2, "SinkUnavailable")


async def test_a_moment_before_it_is_not(caplog: pytest.LogCaptureFixture):
    here = await a_deployment()
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW)
    here.clock.advance(DAY - timedelta(seconds=1))
    await deliver(here.app, replace(here.ref, first_seen=here.clock.now()))
    assert len(here.storage.outbox.rows) == 1
    assert pauses(here) == [5.0]
    assert alerts(caplog, "NoticeGivenUp") == []


async def test_a_notice_whose_row_cannot_be_read_is_never_given_up():
    """Its age is not known; a message a day old is older than any pause."""
    here = await a_deployment()
    here.storage.tape.fail("outbox.get", STORAGE_DOWN)
    here.clock.advance(DAY)
    await deliver(here.app, here.ref)
    assert len(here.storage.outbox.rows) == 1


async def test_storage_that_cannot_remove_it_leaves_it_to_the_next_audit():
    here = await a_deployment()
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW)
    here.storage.tape.fail("outbox.done", STORAGE_DOWN)
    here.clock.advance(DAY)
    await deliver(here.app, here.ref)
    assert len(here.storage.outbox.rows) == 1
    assert here.storage.notices.waiting == []


# ---- gone


async def test_a_sink_that_is_gone_is_asked_once_and_the_operator_told(caplog: pytest.LogCaptureFixture):
    here = await a_deployment(FakeSink("chat"), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", GONE)
    await deliver(here.app, here.ref)
    assert here.storage.outbox.rows == {}, "the others were told"
    (said,) = alerts(caplog, "SinkGone/chat")
    assert "'chat'" in str(said["message"])
    assert GONE.message in str(said["message"])
    assert GONE.fix in str(said["message"])
    await here.store(a_notice(3))
    await deliver(here.app, replace(here.ref, seq=3))
    assert here.told == [[], [a_notice(), a_notice(3)]]


@pytest.mark.parametrize(("seconds_more", "told"), [(0, 0), (1, 1)])
async def test_it_may_have_been_set_up_anew_after_a_week(seconds_more: int, told: int):
    here = await a_deployment(FakeSink("chat"), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", GONE)
    await deliver(here.app, here.ref)
    here.clock.advance(7 * DAY + timedelta(seconds=seconds_more))
    await here.store(a_notice(3))
    await deliver(here.app, replace(here.ref, seq=3))
    assert len(here.told[0]) == told


async def test_one_gone_sink_says_nothing_about_another():
    here = await a_deployment(FakeSink("chat"), FakeSink("mail"))
    here.sinks[0].tape.fail("sink.deliver", GONE)
    await deliver(here.app, here.ref)
    assert here.told == [[], [a_notice()]]


async def test_what_a_gone_sink_said_is_remembered_for_whoever_looks():
    here = await a_deployment(FakeSink("chat"))
    here.sinks[0].tape.fail("sink.deliver", GONE)
    await deliver(here.app, here.ref)
    assert await here.storage.cache.get("SinkGone/chat", max_age_s=1.0) == {"message": GONE.message}


def test_gone_is_final_and_says_what_to_do():
    assert isinstance(GONE, FatalError)
    assert (GONE.code, GONE.message) == ("SinkGone", "It was deleted (410).")
    assert GONE.fix


async def test_a_refusal_for_good_is_one_notices_and_the_sink_hears_the_next():
    here = await a_deployment()
    here.sinks[0].tape.fail("sink.deliver", FatalError("SinkRefused", "It answered 400."))
    await deliver(here.app, here.ref)
    await here.store(a_notice(3))
    await deliver(here.app, replace(here.ref, seq=3))
    assert here.told == [[a_notice(3)]]
    assert here.ref.owner == OWNER
