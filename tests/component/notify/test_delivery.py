"""Telling people: at least once, never before the change is there, and never in the way of anything else."""

import io
import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import azure.functions as func
import pytest

from functions import notify_queue
from shared import log
from shared.adapters.notify.console import ConsoleSink
from shared.errors import FatalError, RetryableError
from shared.hubs.deliveries import RETRY_AFTER_S
from shared.hubs.notice_messages import encode
from shared.hubs.notify import deliver
from shared.hubs.ports import Delivery
from tests.support.builders import HUB_ID, a_notice
from tests.support.fake_sink import FakeSink
from tests.support.notices import NOT_NOW, Deployment, watched
from tests.support.tape import Crash


async def test_a_notice_is_told_once_and_leaves_the_outbox():
    here = Deployment()
    await here.store()
    await deliver(here.app, here.ref)
    assert here.told == [[a_notice()]]
    assert here.storage.outbox.rows == {}
    assert here.storage.notices.waiting == []


async def test_what_everybody_takes_at_once_costs_one_read_and_one_delete():
    here = Deployment(FakeSink("console"), FakeSink("webhook", targets=("a", "b")))
    await here.store()
    before = len(here.storage.tape.writes)
    await deliver(here.app, here.ref)
    assert here.storage.tape.writes[before:] == ["outbox.done"]


async def test_every_target_of_every_sink_is_told():
    here = Deployment(FakeSink("console"), FakeSink("chat", targets=("a", "b")), FakeSink("nobody", targets=()))
    await here.store()
    await deliver(here.app, here.ref)
    assert [sink.told for sink in here.sinks] == [
        [("", f"{HUB_ID}.2")],
        [("a", f"{HUB_ID}.2"), ("b", f"{HUB_ID}.2")],
        [],
    ]
    assert here.storage.outbox.rows == {}


async def test_a_notice_that_is_for_nobody_leaves_the_outbox():
    here = Deployment(FakeSink(targets=()))
    await here.store()
    await deliver(here.app, here.ref)
    assert here.storage.outbox.rows == {}
    assert here.storage.notices.waiting == []


async def test_a_message_that_is_faster_than_its_row_waits_for_it():
    here = Deployment()
    await deliver(here.app, here.ref)
    (waiting,) = here.storage.notices.waiting
    assert (waiting.ref, waiting.visible_at) == (here.ref, here.clock.now() + timedelta(seconds=5))
    await here.store()
    await here.work()
    assert here.told == [[a_notice()]]


async def test_a_message_whose_row_never_comes_ends_after_a_minute():
    here = Deployment()
    await deliver(here.app, here.ref)
    assert await here.work() == 12
    assert here.clock.now() == here.ref.first_seen + timedelta(seconds=60)
    assert here.told == [[]]


async def test_the_same_message_again_tells_nobody_twice():
    here = Deployment()
    await here.store()
    for _ in range(3):
        await deliver(here.app, here.ref)
    await here.work()
    assert here.told == [[a_notice()]]


# ------------------------------------------------------------------ again


async def test_a_target_that_does_not_take_it_is_asked_again_ever_more_seldom():
    here = Deployment()
    sink = watched(here)
    sink.tape.fail("sink.deliver", NOT_NOW, times=4)
    await here.store()
    await deliver(here.app, here.ref)
    await here.work()
    assert sink.pauses == [5, 30, 300, 1800]
    assert here.told == [[a_notice()]]
    assert here.storage.outbox.rows == {}
    assert here.storage.notices.waiting == []


@pytest.mark.parametrize(("chance", "pause"), [(0.0, 24.0), (0.5, 30.0), (0.75, 33.0)])
async def test_pauses_are_up_to_a_fifth_shorter_or_longer(chance: float, pause: float):
    here = Deployment()
    sink = watched(here)
    sink.tape.fail("sink.deliver", NOT_NOW, times=2)
    await here.store()
    here.chance.coming = [0.5, chance]
    await deliver(here.app, here.ref)
    await here.work()
    assert sink.pauses == [5, pytest.approx(pause)]


async def test_a_target_that_is_down_is_asked_by_its_schedule_and_the_others_hear_it_once():
    here = Deployment(FakeSink("console"), FakeSink("webhook", targets=("down", "up")))
    here.sinks[1].tape.fail("sink.deliver:down", NOT_NOW, times=5)
    await here.store()
    await deliver(here.app, here.ref)
    assert here.states == {
        "console": Delivery(next_at=None),
        "webhook:down": Delivery(tries=1, next_at=here.clock.now() + timedelta(seconds=5), code="SinkUnavailable"),
        "webhook:up": Delivery(next_at=None),
    }
    await here.work(timedelta(days=3))
    assert here.clock.now() - here.ref.first_seen == timedelta(seconds=sum(RETRY_AFTER_S[:5]))
    assert [target for target, _ in here.sinks[1].told] == ["up", "down"]
    assert len(here.sinks[0].told) == 1
    assert here.storage.outbox.rows == {}


async def test_two_targets_that_are_down_are_asked_each_by_its_own_schedule():
    here = Deployment(FakeSink("webhook", targets=("a", "b")))
    sink = here.sinks[0]
    sink.tape.fail("sink.deliver:a", RetryableError("Slow", "Slow down.", retry_after_s=20))
    sink.tape.fail("sink.deliver:b", NOT_NOW, times=2)
    await here.store()
    begin = here.clock.now()
    await deliver(here.app, here.ref)
    await here.work()
    assert sink.told == [("a", f"{HUB_ID}.2"), ("b", f"{HUB_ID}.2")]
    assert [(sent.visible_at - begin).total_seconds() for sent in here.storage.notices.sent] == [5, 20, 35]


async def test_a_target_that_names_a_time_is_not_asked_before():
    here = Deployment()
    sink = watched(here)
    sink.tape.fail("sink.deliver", RetryableError("Slow", "Slow down.", retry_after_s=120))
    sink.tape.fail("sink.deliver", RetryableError("Slow", "Soon.", retry_after_s=1))
    await here.store()
    await deliver(here.app, here.ref)
    await here.work()
    assert sink.pauses == [120, 30], "a wish makes a pause longer, never shorter"


async def test_nobody_waits_longer_than_a_day_for_the_next_try():
    here = Deployment()
    here.sinks[0].tape.fail("sink.deliver", RetryableError("Slow", "Next week.", retry_after_s=7 * 86_400))
    await here.store()
    await deliver(here.app, here.ref)
    assert here.pauses == [86_400.0]


async def test_a_sink_that_refuses_for_good_does_not_silence_the_others():
    here = Deployment(FakeSink("chat"), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", FatalError("SinkGone", "This webhook was deleted."))
    await here.store()
    await deliver(here.app, here.ref)
    assert here.told == [[], [a_notice()]]
    assert here.sinks[0].given_up == [("", f"{HUB_ID}.2", "SinkGone")]
    assert here.storage.outbox.rows == {}


@pytest.mark.parametrize("call", ["outbox.get", "outbox.done"])
async def test_storage_that_does_not_answer_is_asked_again(call: str):
    here = Deployment()
    await here.store()
    here.storage.tape.fail(call, RetryableError("StorageUnavailable", "No answer."))
    await deliver(here.app, here.ref)
    await here.work()
    assert here.told == [[a_notice()]]
    assert here.storage.outbox.rows == {}


async def test_a_worker_that_dies_after_telling_tells_it_again_under_the_same_id():
    here = Deployment()
    await here.store()
    here.sinks[0].tape.crash_after = 1
    with pytest.raises(Crash):
        await deliver(here.app, here.ref)
    await deliver(here.app, here.ref)
    assert [notice.id for notice in here.told[0]] == [f"{HUB_ID}.2"] * 2


async def test_a_notice_that_cannot_be_read_is_left_to_a_version_that_can():
    here = Deployment()
    await here.store()
    here.storage.tape.fail("outbox.get", FatalError("RowTooNew", "Written by a newer version."))
    await deliver(here.app, here.ref)
    assert here.storage.notices.waiting == []
    assert len(here.storage.outbox.rows) == 1


# ------------------------------------------------------------------ one message for each notice


async def test_a_visit_that_finds_nothing_due_changes_nothing_and_lets_its_message_end():
    here = Deployment()
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW, times=3)
    await here.store()
    await deliver(here.app, here.ref)
    await here.work(timedelta(minutes=1))
    before, states, writes = here.pauses, here.states, list(here.storage.tape.writes)
    assert before == [300.0]
    for _ in range(5):
        await deliver(here.app, replace(here.ref, first_seen=here.clock.now()))  # copies, and audits
    assert (here.pauses, here.states, here.storage.tape.writes) == (before, states, writes)


@pytest.mark.parametrize(("early_s", "again"), [(60.0, [60.0]), (61.0, []), (3.0, [5.0])])
async def test_a_message_that_is_early_waits_for_its_time_as_the_only_one(early_s: float, again: list[float]):
    here = Deployment()
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW, times=3)
    await here.store()
    await deliver(here.app, here.ref)
    await here.work(timedelta(minutes=1))
    here.clock.advance(300.0 - early_s)
    ref = here.storage.notices.waiting.pop().ref
    await deliver(here.app, ref)  # another worker's clock is ahead
    assert here.pauses == again


async def test_the_next_message_is_put_before_the_row_is_saved():
    here = Deployment()
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW)
    await here.store()
    await deliver(here.app, here.ref)
    assert here.storage.tape.writes[-2:] == ["notices.put", "outbox.save"]


async def test_a_row_whose_targets_are_all_done_is_removed_by_whoever_meets_it():
    here = Deployment()
    await here.store()
    (pending,) = here.storage.outbox.rows.values()
    await here.storage.outbox.save(replace(pending, deliveries={"fake": Delivery()}))
    await deliver(here.app, here.ref)
    assert here.told == [[]]
    assert here.storage.outbox.rows == {}


# ------------------------------------------------------------------ the trigger


def trigger(here: Deployment) -> tuple[Any, dict[str, Any]]:
    app = func.FunctionApp()
    app.register_functions(notify_queue.blueprint(lambda: here.app))
    (only,) = app.get_functions()
    return only.get_user_function(), json.loads(only.get_raw_bindings()[0])


async def test_a_message_on_the_notice_queue_is_delivered():
    here = Deployment()
    await here.store()
    handler, binding = trigger(here)
    assert (binding["queueName"], binding["connection"]) == ("hub-notify", "AzureWebJobsStorage")
    await handler(func.QueueMessage(id="m-1", body=encode(here.ref).encode()))
    assert here.told == [[a_notice()]]


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"not json", b"[]", b"{}", b'{"v":2}', b"[" * 4000, b"x" * 70_000],
    ids=["empty", "bytes", "text", "list", "nothing", "version", "deep", "large"],
)
async def test_a_bad_message_is_acknowledged_and_tells_nobody(body: bytes):
    here = Deployment()
    await here.store()
    handler, _ = trigger(here)
    await handler(func.QueueMessage(id="m-1", body=body))
    assert here.told == [[]]
    assert here.storage.notices.waiting == []


# ------------------------------------------------------------------ the console


async def test_the_console_sink_writes_one_line_that_says_what_hub_and_why():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log.RedactingFormatter())
    logger = logging.getLogger(log.LOGGER)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        await ConsoleSink().deliver(a_notice(), "")
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    line = json.loads(stream.getvalue())
    assert (line["event"], line["type"], line["hub"], line["hub_id"], line["message"]) == (
        "notice",
        "io.hublet.hub.stopping-soon.v1",
        "physics",
        HUB_ID,
        "The hub stops in 15 minutes.",
    )
