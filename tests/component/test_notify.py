"""Telling people: at least once, never before the change is there, and never in the way of anything else."""

import io
import json
import logging
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import azure.functions as func
import pytest

from functions import notify_queue
from shared import log
from shared.adapters.notify.console import ConsoleSink
from shared.app import App
from shared.errors import FatalError, RetryableError
from shared.hubs.model import Notice
from shared.hubs.notice_messages import encode
from shared.hubs.notify import deliver
from shared.hubs.ports import HubChange, NoticeRef
from tests.support.builders import HUB_ID, OWNER, a_hub, a_notice
from tests.support.clock import FakeClock
from tests.support.fake_sink import FakeSink
from tests.support.fake_storage import fake_storage
from tests.support.tape import Crash

NOT_NOW = RetryableError("SinkUnavailable", "The chat did not answer.")


class Deployment:
    """`ref` is what the visit that stored the notice put on the queue."""

    def __init__(self, *sinks: FakeSink) -> None:
        self.clock = FakeClock()
        self.storage = fake_storage(self.clock)
        self.sinks = sinks or (FakeSink(),)
        self.app = cast(App, SimpleNamespace(clock=self.clock, sinks=self.sinks, **self.storage.ports()))
        self.ref = NoticeRef(owner=OWNER, hub_id=HUB_ID, seq=2, first_seen=self.clock.now())

    async def store(self, notice: Notice | None = None) -> None:
        hub = self.storage.hubs.seed(a_hub())
        await self.storage.hubs.commit(HubChange(hub=hub, notices=(notice or a_notice(),)))

    async def work(self, within: timedelta = timedelta(days=1)) -> int:
        """Delivers everything that becomes visible in this time; returns how many messages that were."""
        end = self.clock.now() + within
        delivered = 0
        while (at := self.storage.notices.next_visible_at()) is not None and at <= end:
            self.clock.advance_to(at)
            ref = self.storage.notices.take()
            assert ref is not None
            await deliver(self.app, ref)
            delivered += 1
        return delivered

    @property
    def told(self) -> list[list[Notice]]:
        return [sink.delivered for sink in self.sinks]


async def test_a_notice_is_told_once_and_leaves_the_outbox():
    here = Deployment()
    await here.store()
    await deliver(here.app, here.ref)
    assert here.told == [[a_notice()]]
    assert here.storage.outbox.rows == {}
    assert here.storage.notices.waiting == []


async def test_every_sink_is_told():
    here = Deployment(FakeSink("console"), FakeSink("chat"))
    await here.store()
    await deliver(here.app, here.ref)
    assert here.told == [[a_notice()], [a_notice()]]


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


async def test_a_sink_that_cannot_take_it_is_asked_again_ever_more_seldom():
    here = Deployment(FakeSink())
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW, times=4)
    await here.store()
    begin = here.clock.now()
    await deliver(here.app, here.ref)
    await here.work()
    tries = [queued.visible_at - begin for queued in here.storage.notices.sent]
    assert [pause.total_seconds() for pause in tries] == [5, 10, 20, 40]
    assert here.told == [[a_notice()]]
    assert here.storage.outbox.rows == {}


async def test_a_sink_that_names_a_time_is_not_asked_before():
    here = Deployment()
    here.sinks[0].tape.fail("sink.deliver", RetryableError("Slow", "Slow down.", retry_after_s=120))
    await here.store()
    await deliver(here.app, here.ref)
    (waiting,) = here.storage.notices.waiting
    assert waiting.visible_at == here.clock.now() + timedelta(seconds=120)


async def test_nobody_waits_longer_than_an_hour_for_the_next_try():
    here = Deployment()
    here.sinks[0].tape.fail("sink.deliver", RetryableError("Slow", "Tomorrow.", retry_after_s=86_400))
    await here.store()
    await deliver(here.app, here.ref)
    (waiting,) = here.storage.notices.waiting
    assert waiting.visible_at == here.clock.now() + timedelta(hours=1)


async def test_the_messages_of_a_notice_nobody_takes_end_and_the_notice_stays_for_the_audit():
    here = Deployment()
    here.sinks[0].tape.fail("sink.deliver", NOT_NOW, times=1000)
    await here.store()
    await deliver(here.app, here.ref)
    assert await here.work() < 15
    assert here.clock.now() < here.ref.first_seen + timedelta(hours=3)
    assert await here.storage.outbox.older_than(here.clock.now()) == [a_notice()]
    here.sinks[0].tape = FakeSink().tape
    await here.storage.notices.put(replace(here.ref, first_seen=here.clock.now()))
    await here.work()
    assert here.told == [[a_notice()]]


async def test_one_sink_that_refuses_for_good_does_not_silence_the_others():
    here = Deployment(FakeSink("chat"), FakeSink("console"))
    here.sinks[0].tape.fail("sink.deliver", FatalError("SinkGone", "This webhook was deleted."))
    await here.store()
    await deliver(here.app, here.ref)
    assert here.told == [[], [a_notice()]]
    assert here.storage.outbox.rows == {}


@pytest.mark.parametrize("call", ["outbox.get", "outbox.done"])
async def test_storage_that_does_not_answer_is_asked_again(call: str):
    here = Deployment()
    await here.store()
    here.storage.tape.fail(call, RetryableError("StorageUnavailable", "No answer."))
    await deliver(here.app, here.ref)
    await here.work()
    assert here.told[0][0] == a_notice()
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
        await ConsoleSink().deliver(a_notice())
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
