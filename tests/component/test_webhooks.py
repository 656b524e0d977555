"""What web hooks are sent, and what their answers mean."""

import json
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from shared.adapters.notify.webhooks import WebhookSink
from shared.errors import ConcurrentUpdate, FatalError, HubletError, RetryableError, UserError
from shared.hubs.ports import Answered, SinkRecord
from shared.hubs.sink_rules import target_of
from tests.support.builders import OWNER, a_failed_delivery, a_notice, a_sink
from tests.support.clock import FakeClock
from tests.support.fake_chat import FakeOutbound, FakeSinkStore, Posted

NEW_SECRET = "whsec_bmV3IG5ldyBuZXcgbmV3IG5ldyBuZXcgbmV3IG4="


class Here:
    """One web hook that is well. Time is the present: the receiver's library looks at the wall clock."""

    def __init__(self) -> None:
        self.clock = FakeClock(datetime.now(UTC))
        self.store = FakeSinkStore()
        self.outbound = FakeOutbound()
        self.sink = WebhookSink(self.store, self.outbound, self.clock)

    async def add(self, **changes) -> SinkRecord:
        return await self.store.create(a_sink(**changes))

    def answers(self, status: int, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.outbound.answer = lambda _: Answered(status, b"some text", named)

    async def stored(self) -> SinkRecord:
        found = await self.store.get(OWNER, a_sink().id)
        assert found is not None
        return found


@pytest.fixture
def here() -> Here:
    return Here()


async def refusal(here: Here, record: SinkRecord) -> HubletError:
    with pytest.raises(HubletError) as caught:
        await here.sink.deliver(a_notice(), target_of(record))
    assert "4711" not in f"{caught.value} {caught.value.fix}"
    return caught.value


# ---- whom


async def test_targets_are_the_web_hooks_that_hear_of_it(here: Here):
    mine = await here.add()
    await here.add(id="disabledones", disabled_at=here.clock.now())
    await here.add(id="otherkindsss", events=("ready",))
    await here.add(id="theirstheirs", owner="somebody-else")
    all_ears = await here.add(id="everybodyyyy", owner="admin", everybody=True)
    assert await here.sink.targets(a_notice()) == [target_of(all_ears), target_of(mine)]


async def test_nobody_is_no_target(here: Here):
    assert await here.sink.targets(a_notice()) == []


# ---- what


async def test_the_receiver_gets_a_signed_cloud_event(here: Here):
    record = await here.add()
    await here.sink.deliver(a_notice(), target_of(record))
    (posted,) = here.outbound.posted
    assert posted.url == record.url
    assert posted.headers["content-type"] == "application/cloudevents+json"
    assert posted.headers["webhook-id"] == a_notice().id
    event = Webhook(record.secret).verify(posted.body, dict(posted.headers))
    assert (event["id"], event["type"]) == (a_notice().id, a_notice().type)


async def test_a_second_attempt_has_the_same_id_and_its_own_time(here: Here):
    record = await here.add()
    for _ in range(2):
        await here.sink.deliver(a_notice(), target_of(record))
        here.clock.advance(60)
    first, second = here.outbound.posted
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])
    assert int(second.headers["webhook-timestamp"]) - int(first.headers["webhook-timestamp"]) == 60
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


async def test_the_secret_of_the_moment_signs_and_the_old_one_for_its_time(here: Here):
    record = await here.add()
    until = here.clock.now() + timedelta(minutes=2)
    await here.store.save(replace(record, secret=NEW_SECRET, previous_secret=record.secret, previous_until=until))
    await here.sink.deliver(a_notice(), target_of(record))
    here.clock.advance(120)
    await here.sink.deliver(a_notice(), target_of(record))
    rotating, after = here.outbound.posted
    for secret in (NEW_SECRET, record.secret):
        assert Webhook(secret).verify(rotating.body, dict(rotating.headers))
    assert Webhook(NEW_SECRET).verify(after.body, dict(after.headers))
    assert " " not in after.headers["webhook-signature"]


# ---- what answers mean


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
async def test_2xx_is_taken(here: Here, status: int):
    here.answers(status)
    record = await here.add()
    await here.sink.deliver(a_notice(), target_of(record))
    assert await here.stored() == record


@pytest.mark.parametrize("status", [100, 301, 302, 307, 308, 400, 401, 403, 404, 422, 500, 502, 504])
async def test_any_other_status_is_asked_again(here: Here, status: int):
    here.answers(status, retry_after="77")
    error = await refusal(here, await here.add())
    assert isinstance(error, RetryableError)
    assert (error.code, error.retry_after_s) == ("SinkRefused", None)
    assert error.message == f"hooks.example.org answered with status {status}."


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("header", "seconds"), [("77", 77.0), ("soon", None), ("", None)])
async def test_who_is_busy_names_the_time(here: Here, status: int, header: str, seconds: float | None):
    here.answers(status, retry_after=header)
    error = await refusal(here, await here.add())
    assert isinstance(error, RetryableError)
    assert (error.code, error.retry_after_s) == ("SinkBusy", seconds)


async def test_gone_disables_it_for_good(here: Here, caplog: pytest.LogCaptureFixture):
    here.answers(410)
    record = await here.add()
    with caplog.at_level(logging.INFO):
        error = await refusal(here, record)
    assert (error.code, isinstance(error, FatalError)) == ("SinkGone", True)
    disabled = await here.stored()
    assert (disabled.disabled_at, disabled.disabled_why) == (here.clock.now(), "hooks.example.org answered 410 (gone).")
    assert await here.sink.targets(a_notice()) == []
    assert (await refusal(here, record)).code == "SinkDisabled"
    assert len(here.outbound.posted) == 1
    assert "4711" not in caplog.text


async def test_gone_keeps_what_was_changed_meanwhile(here: Here):
    record = await here.add()

    def rotated_meanwhile(posted: Posted) -> Answered:
        present = here.store.records[OWNER, record.id]
        here.store.records[OWNER, record.id] = replace(present, secret=NEW_SECRET, etag="another")
        return Answered(410)

    here.outbound.answer = rotated_meanwhile
    assert (await refusal(here, record)).code == "SinkGone"
    stored = await here.stored()
    assert (stored.secret, stored.disabled_at) == (NEW_SECRET, here.clock.now())


async def test_gone_is_asked_again_while_others_change_it_all_the_time(here: Here):
    here.answers(410)
    record = await here.add()
    here.store.tape.fail("sinks.save", ConcurrentUpdate("Sink"), times=9)
    error = await refusal(here, record)
    assert (error.code, isinstance(error, RetryableError)) == ("SinkBusy", True)


async def test_gone_and_removed_meanwhile_is_gone(here: Here):
    record = await here.add()

    def removed_meanwhile(posted: Posted) -> Answered:
        del here.store.records[OWNER, record.id]
        return Answered(410)

    here.outbound.answer = removed_meanwhile
    assert (await refusal(here, record)).code == "SinkGone"
    assert here.store.records == {}


async def test_what_was_removed_is_done_with(here: Here):
    record = await here.add()
    await here.store.remove(OWNER, record.id)
    await here.sink.deliver(a_notice(), target_of(record))
    assert here.outbound.posted == []


@pytest.mark.parametrize(
    "trouble",
    [RetryableError("TimedOut", "x"), RetryableError("Unreachable", "x"), UserError("AddressNotAllowed", "x")],
)
async def test_trouble_on_the_way_out_is_passed_on(here: Here, trouble: HubletError):
    def fails(posted: Posted) -> Answered:
        raise trouble

    here.outbound.answer = fails
    assert await refusal(here, await here.add()) is trouble


async def test_without_its_key_it_is_a_target_still_and_asked_again_later(here: Here):
    record = await here.add(events=("stopping-soon",))
    await here.add(id="otherkindsss", events=("ready",))
    here.store.closed = dict.fromkeys(here.store.records, "SealKeyUnknown")
    assert await here.sink.targets(a_notice()) == [target_of(record)]
    error = await refusal(here, record)
    assert (error.code, isinstance(error, RetryableError)) == ("SinkLocked", True)
    assert here.outbound.posted == []
    here.store.closed.clear()
    await here.sink.deliver(a_notice(), target_of(record))
    assert len(here.outbound.posted) == 1


async def test_one_that_is_disabled_too_does_not_wait_for_its_key(here: Here):
    record = await here.add(disabled_at=here.clock.now(), disabled_why="It answered 410.")
    here.store.closed[OWNER, record.id] = "SealKeyUnknown"
    assert (await refusal(here, record)).code == "SinkDisabled"


# ---- giving up


async def test_what_was_given_up_is_in_the_list_of_its_web_hook(here: Here):
    record = await here.add()
    error = RetryableError("SinkRefused", "hooks.example.org answered with status 500.")
    for _ in range(2):
        await here.sink.gave_up(a_notice(), target_of(record), error)
    assert await here.store.failed(OWNER, record.id) == [a_failed_delivery(failed_at=here.clock.now())]


async def test_the_list_belongs_to_the_web_hooks_owner(here: Here):
    all_ears = await here.add(owner="admin", everybody=True)
    await here.sink.gave_up(a_notice(), target_of(all_ears), FatalError("SinkGone", "Gone."))
    assert len(await here.store.failed("admin", all_ears.id)) == 1
    assert await here.store.failed(OWNER, all_ears.id) == []


async def test_a_removed_web_hook_has_no_list(here: Here):
    await here.sink.gave_up(a_notice(), target_of(a_sink()), FatalError("SinkGone", "Gone."))
    assert here.store.failures == {}


async def test_one_whose_row_cannot_be_read_has_a_list_all_the_same(here: Here):
    record = await here.add()
    for code in ("SealKeyUnknown", "SealBroken", "RowUnreadable"):
        here.store.closed[OWNER, record.id] = code
        here.store.failures.clear()
        await here.sink.gave_up(a_notice(), target_of(record), FatalError(code, "x"))
        assert len(here.store.failures) == 1


def test_a_record_does_not_show_its_url_and_secrets():
    shown = repr(a_sink(previous_secret=NEW_SECRET))
    assert "4711" not in shown
    assert "whsec_" not in shown
    assert json.dumps(a_sink().id) in shown.replace("'", '"')


# ---- silence


async def test_a_receiver_that_does_not_answer_holds_up_one_notice_at_a_time(here: Here):
    record = await here.add()
    here.outbound.tape.fail("outbound.post", RetryableError("TimedOut", "No answer."))
    assert (await refusal(here, record)).code == "TimedOut"
    assert (await refusal(here, record)).code == "SinkSilent"
    assert here.outbound.posted == []
    here.clock.advance(30)
    await here.sink.deliver(a_notice(), target_of(record))
    await here.sink.deliver(a_notice(), target_of(record))
    assert len(here.outbound.posted) == 2


async def test_a_receiver_that_cannot_be_reached_is_tried_by_every_notice(here: Here):
    record = await here.add()
    here.outbound.tape.fail("outbound.post", RetryableError("Unreachable", "No such host."), times=2)
    assert [(await refusal(here, record)).code for _ in range(2)] == ["Unreachable", "Unreachable"]
