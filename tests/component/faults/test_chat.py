"""Faults of whom we tell through other people's servers: F45 to F50 (docs/faults.md)."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.notify.slack import SlackSink
from shared.adapters.notify.teams import TeamsSink
from shared.adapters.notify.webhooks import WebhookSink
from shared.errors import HubletError
from shared.hubs import commands, notify, sinks
from shared.hubs.model import HubSpec, Notice, Notify
from shared.hubs.ports import Answered, Sink, Thread
from shared.hubs.states import HubState
from tests.support.builders import a_spec, some_settings
from tests.support.fake_slack_server import BOT_TOKEN, FakeSlack
from tests.support.world import OWNER, World

HOUR_S, DAY_S = 3600, 86_400
FLOW = "https://prod-1.westus.logic.azure.com:443/workflows/aa/triggers/manual/run?sig=secret"


def a_world(sink: Callable[[World], Sink], **settings: str) -> World:
    """One more is told than in every world, where `told` hears everything."""
    world = World(settings=some_settings(**settings))
    world.app = replace(world.app, sinks=(sink(world), world.told))
    return world


def slack_sink(world: World) -> SlackSink:
    return SlackSink(
        hubs=world.app.hubs,
        chat=world.app.chat,
        outbound=world.app.outbound,
        clock=world.clock,
        settings=world.app.settings,
    )


def teams_sink(world: World) -> TeamsSink:
    return TeamsSink(
        hubs=world.app.hubs,
        chat=world.app.chat,
        outbound=world.app.outbound,
        clock=world.clock,
        settings=world.app.settings,
    )


def with_slack(world: World) -> FakeSlack:
    slack = FakeSlack(world.clock)
    slack.channel("C123")
    world.outbound.answer = slack.answer
    return slack


async def made_and_stopped(world: World, *, spec: HubSpec | None = None, thread: str | None = None) -> timedelta:
    """How long that took."""
    began = world.clock.now()
    await commands.create_hub(
        world.app, OWNER, spec or a_spec(), name="demo", idempotency=None, request_id="r1", price=None, thread=thread
    )
    await world.run_to_rest(HubState.READY)
    await world.stop()
    await world.run_to_rest(HubState.STOPPED)
    return world.clock.now() - began


def heard_once(world: World) -> bool:
    ids = [notice.id for notice in world.told.notices]
    return len(ids) == len(set(ids)) > 0


# ------------------------------------------------------------------ Slack


async def test_f45_after_a_day_without_slack_the_one_message_shows_the_hub_as_it_is_then():
    spec = a_spec(notify=Notify(slack_channel="C123"))
    as_ever = await made_and_stopped(a_world(slack_sink), spec=spec)
    world = a_world(slack_sink, HUBLET_SLACK_BOT_TOKEN=BOT_TOKEN)
    slack = with_slack(world)
    slack.down = True
    took = await made_and_stopped(world, spec=spec)
    assert abs(took - as_ever) < timedelta(seconds=5), "the hub waited for nobody, but for other jitter"
    await world.run(limit_s=DAY_S)
    assert heard_once(world)
    assert slack.messages == []
    told = len(world.told.notices)
    assert len(world.storage.outbox.rows) == told

    slack.down = False
    await world.run(lambda: not world.storage.outbox.rows, limit_s=DAY_S)
    assert world.storage.outbox.rows == {}
    assert [message.title for message in slack.following] == ["ℹ️ demo: stopped"]
    assert len(world.told.notices) == told, "nobody else heard it again"


async def test_f45_who_is_throttled_asks_as_late_as_slack_says():
    world = a_world(slack_sink, HUBLET_SLACK_BOT_TOKEN=BOT_TOKEN)
    slack = with_slack(world)
    slack.throttle_s = 1200
    await made_and_stopped(world, spec=a_spec(notify=Notify(slack_channel="C123")))
    notices, calls = len(world.told.notices), len(slack.calls)
    assert calls <= 2 * notices, "each of them once, and perhaps once more"
    slack.throttle_s = None
    await world.run(lambda: not world.storage.outbox.rows, limit_s=HOUR_S)
    assert [message.title for message in slack.following] == ["ℹ️ demo: stopped"]


@pytest.mark.parametrize(("life_s", "posts"), [(0, 0), (4 * 60, 2)])
async def test_f46_a_response_url_that_has_expired_is_tried_once_and_holds_up_nothing(life_s: int, posts: int):
    """Slack's own clock decides, whatever we noted; without a bot token there is nothing else."""
    world = a_world(slack_sink, HUBLET_SLACK_SIGNING_SECRET="secret")
    slack = with_slack(world)
    thread = Thread(
        id="slack.T1.C123.1",
        platform="slack",
        team="T1",
        channel="C123",
        user="U1",
        created_at=world.clock.now(),
        response_url=slack.response_url(timedelta(seconds=life_s)),
        response_left=5,
        response_until=world.clock.now() + timedelta(minutes=30),
    )
    await world.app.chat.create_thread(thread)
    await made_and_stopped(world, thread=thread.id)
    await world.run(limit_s=HOUR_S)
    assert len(slack.responses) == posts
    assert slack.calls.count("respond") == len(slack.responses) + 1, "the refusal is remembered"
    assert world.storage.outbox.rows == {}
    assert heard_once(world)
    stored = await world.app.chat.thread(thread.id)
    assert stored is not None
    assert stored.response_left == 0


# ------------------------------------------------------------------ Teams


@pytest.mark.parametrize("mended", [True, False])
async def test_f47_a_workflow_that_answers_400_is_tried_for_three_days_because_somebody_may_mend_it(
    mended: bool, caplog: pytest.LogCaptureFixture
):
    world = a_world(teams_sink, HUBLET_TEAMS_WEBHOOKS=f"biology={FLOW}")
    world.outbound.answer = lambda _: Answered(400, b'{"error":{"code":"TriggerInputSchemaMismatch"}}')
    await made_and_stopped(world, spec=a_spec(notify=Notify(teams_webhook="biology")))
    await world.run(limit_s=2 * DAY_S)
    assert len(world.storage.outbox.rows) == 2, "ready, stopped"
    assert heard_once(world)
    tries = len(world.outbound.posted)
    assert tries <= 2 * 10
    if mended:
        world.outbound.answer = lambda _: Answered(202)
    await world.run(limit_s=2 * DAY_S)
    assert world.storage.outbox.rows == {}
    assert ("operator_alert" in caplog.text) is not mended
    assert (len(world.outbound.posted) == tries + 2) is mended
    assert "secret" not in caplog.text


# ------------------------------------------------------------------ web hooks


def hook_sink(world: World) -> WebhookSink:
    return WebhookSink(world.storage.sink_store, world.outbound, world.clock)


async def test_f48_a_web_hook_that_answers_410_is_asked_once_and_its_owner_can_have_all_of_it_again():
    world = a_world(hook_sink)
    record = await sinks.create_sink(world.app, OWNER, sinks.Wanted(url="https://hooks.example.org/x"))
    world.outbound.answer = lambda _: Answered(410)
    await made_and_stopped(world)
    await world.run(limit_s=DAY_S / 8)
    assert len(world.outbound.posted) == 1, "from then on it is disabled"
    assert world.storage.outbox.rows == {}
    assert heard_once(world)
    disabled = await sinks.find_sink(world.app, OWNER, record.id)
    assert "410" in disabled.disabled_why

    world.outbound.answer = lambda _: Answered(200)
    missed = {failed.notice.id for failed in await sinks.failed_deliveries(world.app, OWNER, record.id)}
    await sinks.redeliver(world.app, OWNER, record.id, None)
    await world.run(limit_s=600)
    assert {posted.headers["webhook-id"] for posted in world.outbound.posted[1:]} == missed
    assert heard_once(world)


# ------------------------------------------------------------------ any


class Slow:
    """Answers when `answers` is set; counts what it was asked."""

    name = "slow"

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.took: list[str] = []
        self.late = True
        self.bug = False

    async def targets(self, notice: Notice) -> Sequence[str]:
        return ("",)

    async def deliver(self, notice: Notice, target: str) -> None:
        self.asked.append(notice.id)
        if self.bug:
            raise ValueError("a bug in a sink")
        if self.late:
            await asyncio.Event().wait()
        self.took.append(notice.id)

    async def gave_up(self, notice: Notice, target: str, error: HubletError) -> None:
        raise AssertionError("it comes back in time")


async def test_f49_a_receiver_that_is_slower_than_its_ten_seconds_is_asked_again_and_nobody_waits_for_it(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(notify, "SINK_LIMIT_S", 0.001)
    as_ever = await made_and_stopped(a_world(lambda _: World().told))
    slow = Slow()
    world = a_world(lambda _: slow)
    assert await made_and_stopped(world) == as_ever
    assert slow.took == []
    assert heard_once(world)
    slow.late = False
    await world.run(lambda: not world.storage.outbox.rows, limit_s=4 * HOUR_S)
    assert sorted(slow.took) == sorted(notice.id for notice in world.told.notices)
    assert heard_once(world)


async def test_f50_a_bug_in_a_sink_is_that_sinks_alone_and_what_it_missed_is_told_when_it_is_mended():
    slow = Slow()
    slow.bug, slow.late = True, False
    world = a_world(lambda _: slow)
    as_ever = await made_and_stopped(a_world(lambda _: World().told))
    assert await made_and_stopped(world) == as_ever
    assert slow.asked
    assert heard_once(world)
    slow.bug = False
    await world.run(lambda: not world.storage.outbox.rows, limit_s=4 * HOUR_S)
    assert sorted(slow.took) == sorted(notice.id for notice in world.told.notices)
    assert heard_once(world)
