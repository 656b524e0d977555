"""F14: messages of newer releases, on both queues."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from azure.functions.queue import QueueMessage

from functions import notify_queue, poison_queue, work_queue
from shared.hubs import messages, notice_messages
from shared.hubs.deferred import LIFE
from shared.hubs.ports import NoticeRef
from shared.hubs.states import CREATING
from shared.hubs.versions import DEFERRED_S, NEWEST
from tests.component.api.test_triggers import function
from tests.support.builders import a_due_row, a_message
from tests.support.clock import MONDAY_MORNING
from tests.support.world import World

# ------------------------------------------------------------------ messages

REF = NoticeRef(owner="jaydoe", hub_id="demo-ab2cd3", seq=3, first_seen=MONDAY_MORNING)
BATCH = next(messages.encode_due([a_due_row()]))


def altered(text: str, **changes: Any) -> str:
    return json.dumps({**json.loads(text), **changes})


def test_f14_messages_of_the_next_release_may_say_more():
    assert messages.decode(altered(messages.encode(a_message()), v=NEWEST, hint={"a": 1})) == a_message()
    assert notice_messages.decode(altered(notice_messages.encode(REF), v=NEWEST, hint=1)) == REF
    (row,) = json.loads(BATCH)["rows"]
    batch = messages.decode(altered(BATCH, v=NEWEST, hint=1, rows=[{**row, "hint": 1}]))
    assert batch == messages.DueBatch((a_due_row(),))


@pytest.mark.parametrize(
    "changes",
    [{"v": NEWEST, "generation": "1"}, {"v": NEWEST, "name": "../x"}, {"v": NEWEST, "owner": ""}, {"v": 2, "hint": 1}],
)
def test_f14_garbage_stays_garbage_whatever_version_it_claims(changes: dict[str, Any]):
    with pytest.raises(messages.UnreadableMessage) as caught:
        messages.decode(altered(messages.encode(a_message()), **changes))
    assert not isinstance(caught.value, messages.MessageTooNew)


MESSAGE = messages.encode(a_message())
NEWER = [
    altered(MESSAGE, v=NEWEST + 1),
    altered(MESSAGE, kind="weather"),
    altered(BATCH, v=NEWEST + 1, kind="later"),
    '{"v":4}',
]


def a_delivery(text: str, expires_at: datetime | None = None) -> QueueMessage:
    made: Any = QueueMessage  # untyped
    delivery: QueueMessage = made(id="m-1", body=text, expiration_time=expires_at)
    return delivery


@pytest.mark.parametrize("text", NEWER, ids=["version", "kind", "batch", "bare"])
@pytest.mark.parametrize("module", [work_queue, poison_queue])
async def test_f14_a_message_too_new_is_put_back_as_it_came(module: Any, text: str):
    world = World()
    await world.create()
    before = world.hub
    handler, _ = function(module, world)
    await handler(a_delivery(text))
    (back,) = world.storage.queue.back
    assert back.text == text
    assert back.visible_at == world.clock.now() + timedelta(seconds=DEFERRED_S)
    assert back.expires_at == world.clock.now() + LIFE
    assert world.hub == before


async def test_f14_a_notice_message_too_new_is_put_back_as_it_came():
    world = World()
    handler, _ = function(notify_queue, world)
    text = altered(notice_messages.encode(REF), v=NEWEST + 1)
    await handler(a_delivery(text))
    (back,) = world.storage.notices.back
    assert (back.text, back.expires_at) == (text, world.clock.now() + LIFE)
    assert world.storage.queue.back == []


async def test_f14_a_message_too_new_lives_seven_days_in_all_however_often_it_is_put_back():
    world = World()
    handler, _ = function(work_queue, world)
    text, rounds = NEWER[0], 0
    expires_at: datetime | None = None
    began = world.clock.now()
    while True:
        await handler(a_delivery(text, expires_at))
        if not world.storage.queue.back:
            break
        (back,) = world.storage.queue.back
        expires_at, rounds = back.expires_at, rounds + 1
        assert expires_at == began + LIFE
        world.clock.advance_to(back.visible_at)
        assert world.storage.queue.take_text() == text
    assert rounds == LIFE.total_seconds() / DEFERRED_S - 1
    assert "alert/MessageTooNew" in world.storage.cache.rows


async def test_f14_a_time_of_expiry_without_a_zone_is_utc():
    world = World()
    handler, _ = function(work_queue, world)
    expires_at = world.clock.now() + timedelta(hours=2)
    await handler(a_delivery(NEWER[0], expires_at.replace(tzinfo=None)))
    (back,) = world.storage.queue.back
    assert back.expires_at == expires_at


async def test_f14_a_release_that_reads_it_takes_a_message_that_was_put_back():
    world = World()
    hub = await world.create()
    text = messages.encode(world.storage.queue.take_message())
    await world.storage.queue.put_back(text, delay_s=DEFERRED_S, life_s=LIFE.total_seconds())
    world.clock.advance(DEFERRED_S)
    handler, _ = function(work_queue, world)
    taken = world.storage.queue.take_text()
    assert taken == text
    await handler(a_delivery(taken))
    assert world.hub.pass_number > hub.pass_number
    assert world.hub.state in CREATING
