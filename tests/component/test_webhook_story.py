"""A web hook from the hub that tells of itself to the receiver, through outbox, retries, the failed list and back."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from shared.adapters.notify.webhooks import WebhookSink
from shared.hubs import sinks
from shared.hubs.audit import audit
from shared.hubs.notify import deliver
from shared.hubs.ports import Answered, Pending
from tests.support.builders import a_failed_delivery, a_notice
from tests.support.fake_storage import FakeOutbox
from tests.support.notices import alerts
from tests.support.world import OWNER, World

FOUR_DAYS_S = 4 * 86_400


class Visited(FakeOutbox):
    """Whoever puts a row goes on only after a worker had time for a whole visit to it."""

    visit: Callable[[], Awaitable[None]]

    async def put(self, pending: Pending) -> bool:
        there = await super().put(pending)
        await self.visit()
        return there


@pytest.fixture
def world() -> World:
    world = World()
    hook = WebhookSink(world.storage.sink_store, world.outbound, world.clock)
    world.app = replace(world.app, sinks=(world.told, hook))
    return world


async def failed(world: World, sink_id: str) -> list[str]:
    return [one.notice.type for one in await sinks.failed_deliveries(world.app, OWNER, sink_id)]


async def test_what_was_not_taken_for_days_is_listed_and_sent_again_when_asked_for(world: World):
    record = await sinks.create_sink(world.app, OWNER, sinks.Wanted(url="https://hooks.example.org/x"))
    world.outbound.answer = lambda _: Answered(500)
    await world.create()
    await world.run_to_rest()
    await world.run(limit_s=FOUR_DAYS_S)
    assert await failed(world, record.id) == ["io.hublet.hub.ready.v1"]
    tries = len(world.outbound.posted)
    assert tries > 5
    assert len(world.told.of("ready")) == 1  # nobody else heard it again

    world.outbound.answer = lambda _: Answered(200)
    assert (await sinks.redeliver(world.app, OWNER, record.id, None)).count == 1
    await world.run(limit_s=600)
    assert len(world.outbound.posted) == tries + 1
    assert {posted.headers["webhook-id"] for posted in world.outbound.posted} == {world.told.of("ready")[0].id}
    assert await failed(world, record.id) == []


async def test_a_web_hook_that_is_gone_hears_nothing_until_it_is_wanted_again(world: World):
    record = await sinks.create_sink(world.app, OWNER, sinks.Wanted(url="https://hooks.example.org/x"))
    world.outbound.answer = lambda _: Answered(410)
    await world.create()
    await world.run_to_rest()
    await world.run(limit_s=600)
    assert (await sinks.find_sink(world.app, OWNER, record.id)).disabled_at is not None
    await world.stop()
    await world.run(limit_s=3600)
    assert len(world.outbound.posted) == 1

    world.outbound.answer = lambda _: Answered(200)
    await sinks.redeliver(world.app, OWNER, record.id, world.told.of("ready")[0].id)
    await world.run(limit_s=600)
    assert (await sinks.find_sink(world.app, OWNER, record.id)).disabled_at is None
    assert [posted.headers["webhook-id"] for posted in world.outbound.posted] == [world.told.of("ready")[0].id] * 2
    assert await failed(world, record.id) == []


@pytest.mark.parametrize(("status", "left"), [(410, ["SinkGone"]), (200, [])])
async def test_a_redelivery_that_is_answered_before_its_request_is_over_counts(
    world: World, status: int, left: list[str]
):
    record = await sinks.create_sink(world.app, OWNER, sinks.Wanted(url="https://hooks.example.org/x"))
    await world.storage.sink_store.add_failed(record.owner, a_failed_delivery(sink_id=record.id))
    world.outbound.answer = lambda _: Answered(status)
    outbox = Visited(world.storage.hubs, world.storage.tape)
    app = replace(world.app, outbox=outbox)
    outbox.visit = lambda: deliver(app, world.storage.notices.waiting[-1].ref)
    assert (await sinks.redeliver(app, OWNER, record.id, None)).count == 1
    assert [posted.headers["webhook-id"] for posted in world.outbound.posted] == [a_notice().id]
    assert [one.code for one in await sinks.failed_deliveries(app, OWNER, record.id)] == left
    assert world.storage.outbox.rows == {}


async def test_what_a_locked_web_hook_should_have_heard_is_delivered_once_when_its_key_is_given_back(world: World):
    record = await sinks.create_sink(world.app, OWNER, sinks.Wanted(url="https://hooks.example.org/x"))
    closed = world.storage.sink_store.closed
    closed[record.owner, record.id] = "SealKeyUnknown"
    await world.create()
    await world.run_to_rest()
    await world.run(limit_s=86_400)
    assert world.outbound.posted == []
    assert await failed(world, record.id) == []

    closed.clear()
    await world.run(limit_s=86_400)
    assert [posted.headers["webhook-id"] for posted in world.outbound.posted] == [world.told.of("ready")[0].id]
    assert len(world.told.of("ready")) == 1
    assert world.storage.outbox.rows == {}


async def test_f51_what_a_web_hook_should_have_heard_whose_key_never_comes_back_is_in_its_failed_list(
    world: World, caplog: pytest.LogCaptureFixture
):
    record = await sinks.create_sink(world.app, OWNER, sinks.Wanted(url="https://hooks.example.org/x"))
    world.storage.sink_store.closed[record.owner, record.id] = "SealKeyUnknown"
    await world.create()
    await world.run_to_rest()
    await audit(world.app)
    assert len(alerts(caplog, f"WebHookUnreadable/{record.id}")) == 1
    (shown,) = await sinks.list_sinks(world.app, OWNER)
    assert shown.locked
    await world.run(limit_s=FOUR_DAYS_S)
    (one,) = await sinks.failed_deliveries(world.app, OWNER, record.id)
    assert (one.notice.id, one.code) == (world.told.of("ready")[0].id, "SinkLocked")
    assert world.storage.outbox.rows == {}
    assert world.outbound.posted == []
