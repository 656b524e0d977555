"""Notices in Teams: which channel, which card, and what becomes of a Workflow's answer."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.adapters.notify.teams import TeamsSink
from shared.chat.action_links import ActionLink, read
from shared.chat.adaptive import MAX_BYTES
from shared.chat.card import Button, Card, Verb
from shared.errors import RetryableError
from shared.hubs.agenda import Rules
from shared.hubs.model import Hub, Notice, Notify
from shared.hubs.ports import Answered, Gone, Thread
from tests.support.builders import OWNER, a_notice, a_ready_hub, a_spec, some_settings
from tests.support.fake_chat import Posted
from tests.support.world import World

FIRST = "https://prod-1.westus.logic.azure.com:443/workflows/aa/triggers/manual/run?sig=first-secret"
SECOND = "https://prod-2.westus.logic.azure.com:443/workflows/bb/triggers/manual/run?sig=second-secret"
PUBLIC = "https://hublet.example.org"


@pytest.fixture
def world() -> World:
    return World(
        settings=some_settings(HUBLET_TEAMS_WEBHOOKS=f"biology={FIRST} physics={SECOND}", HUBLET_PUBLIC_URL=PUBLIC)
    )


class Cards:
    """What the cards of `shared/chat/cards.py` would be, and what they were made of."""

    def __init__(self) -> None:
        self.notice: Card | None = Card(
            title="physics stops at 18:00",
            buttons=(
                Button(
                    label="1 hour later", verb=Verb.SNOOZE, hub_id="physics-ab2cd3", deadline="2026-03-02T10:00:00Z"
                ),
                Button(label="Delete", verb=Verb.DELETE, hub_id="physics-ab2cd3"),
                Button(label="Login", verb=Verb.LOGIN, hub_id="physics-ab2cd3"),
                Button(label="Start", verb=Verb.START, hub_id="physics-ab2cd3"),
            ),
        )
        self.hubs: list[Hub | None] = []

    def hub_card(self, hub: Hub, rules: Rules, now: datetime) -> Card:
        self.hubs.append(hub)
        return Card(title=f"{hub.name} is {hub.state}")

    def notice_card(self, notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
        self.hubs.append(hub)
        return self.notice


@pytest.fixture
def cards() -> Cards:
    return Cards()


def a_sink(world: World, cards: Cards, **settings: str) -> TeamsSink:
    return TeamsSink(
        hubs=world.app.hubs,
        chat=world.app.chat,
        outbound=world.app.outbound,
        clock=world.clock,
        settings=some_settings(**settings) if settings else world.app.settings,
        hub_card=cards.hub_card,
        notice_card=cards.notice_card,
    )


@pytest.fixture
def sink(world: World, cards: Cards) -> TeamsSink:
    world.outbound.answer = lambda _: Answered(202)
    return a_sink(world, cards)


def a_told_hub(webhook: str | None = "physics", **changes: Any) -> Hub:
    return a_ready_hub(spec=a_spec(notify=Notify(teams_webhook=webhook)), **changes)


def a_kind(kind: str, **changes: Any) -> Notice:
    return a_notice(type=f"io.hublet.hub.{kind}.v1", **changes)


def a_thread(world: World, platform: str) -> str:
    thread = Thread(id="t1", platform=platform, team="t", channel="c", user="u", created_at=world.clock.now())
    world.storage.chat.threads["t1"] = thread
    return "t1"


# ---- targets


async def test_a_hub_is_told_of_where_it_says(world: World, sink: TeamsSink) -> None:
    world.storage.hubs.seed(a_told_hub("physics"))
    assert await sink.targets(a_notice()) == ("physics",)


async def test_a_hub_made_from_teams_is_told_of_in_the_first_channel(world: World, sink: TeamsSink) -> None:
    world.storage.hubs.seed(a_told_hub(None, thread=a_thread(world, "teams")))
    assert await sink.targets(a_notice()) == ("biology",)


async def test_a_webhook_that_nobody_configured_is_none(world: World, sink: TeamsSink) -> None:
    world.storage.hubs.seed(a_told_hub("chemistry"))
    assert await sink.targets(a_notice()) == ()
    world.storage.hubs.seed(a_told_hub("chemistry", thread=a_thread(world, "teams")))
    assert await sink.targets(a_notice()) == ("biology",)


async def test_a_hub_of_slack_or_of_the_api_is_not_told_of_in_teams(world: World, sink: TeamsSink) -> None:
    for thread in (None, "unknown", a_thread(world, "slack")):
        world.storage.hubs.seed(a_told_hub(None, thread=thread))
        assert await sink.targets(a_notice()) == ()


async def test_progress_is_not_told_because_a_message_cannot_be_changed(world: World, sink: TeamsSink) -> None:
    world.storage.hubs.seed(a_told_hub())
    assert await sink.targets(a_kind("progress")) == ()


async def test_that_a_hub_is_deleted_is_told_after_its_row_is_gone(world: World, sink: TeamsSink) -> None:
    hub = a_told_hub()
    world.storage.hubs.graves[OWNER, hub.id] = Gone(hub=hub, deleted_at=world.clock.now())
    assert await sink.targets(a_kind("deleted")) == ("physics",)
    world.storage.hubs.seed(a_told_hub("biology", id="physics-zzzzzz"))  # its name's next owner is another hub
    assert await sink.targets(a_kind("deleted")) == ("physics",)


async def test_a_hub_that_nobody_knows_has_no_target(sink: TeamsSink) -> None:
    assert await sink.targets(a_notice()) == ()


async def test_without_webhooks_nothing_is_looked_up(world: World, cards: Cards) -> None:
    world.storage.tape.fail("hubs.get", RetryableError("StorageBusy", "Storage is busy."))
    assert await a_sink(world, cards, HUBLET_PUBLIC_URL=PUBLIC).targets(a_notice()) == ()


# ---- delivering


def sent(world: World) -> dict[str, Any]:
    (posted,) = world.outbound.posted
    content: dict[str, Any] = json.loads(posted.body)["attachments"][0]["content"]
    return content


async def test_a_notice_is_posted_as_a_card_to_the_target(world: World, sink: TeamsSink, cards: Cards) -> None:
    hub = world.storage.hubs.seed(a_told_hub())
    await sink.deliver(a_notice(), "physics")
    (posted,) = world.outbound.posted
    assert posted.url == SECOND
    assert posted.headers["Content-Type"] == "application/json; charset=utf-8"
    assert sent(world)["fallbackText"] == "physics stops at 18:00"
    assert cards.hubs == [hub]


async def test_ready_shows_the_hub_as_it_is_now(world: World, sink: TeamsSink) -> None:
    world.storage.hubs.seed(a_told_hub())
    await sink.deliver(a_kind("ready"), "physics")
    assert sent(world)["fallbackText"] == "physics is ready"


async def test_ready_of_a_hub_that_is_gone_is_not_told(world: World, sink: TeamsSink) -> None:
    world.storage.hubs.seed(a_told_hub(id="physics-zzzzzz"))
    await sink.deliver(a_kind("ready"), "physics")
    assert world.outbound.posted == []


async def test_a_notice_about_a_hub_that_is_gone_is_told_without_it(
    world: World, sink: TeamsSink, cards: Cards
) -> None:
    await sink.deliver(a_kind("deleted"), "physics")
    assert (len(world.outbound.posted), cards.hubs) == (1, [None])


async def test_what_is_out_of_date_is_not_told(world: World, sink: TeamsSink, cards: Cards) -> None:
    world.storage.hubs.seed(a_told_hub())
    cards.notice = None
    await sink.deliver(a_notice(), "physics")
    assert world.outbound.posted == []


@pytest.mark.parametrize(("ahead_s", "told"), [(-1, 0), (0, 0), (1, 1)])
async def test_a_warning_past_its_deadline_is_dropped(world: World, sink: TeamsSink, ahead_s: int, told: int) -> None:
    world.storage.hubs.seed(a_told_hub())
    deadline = world.clock.now() + timedelta(seconds=ahead_s)
    await sink.deliver(a_notice(data={"deadline": deadline.isoformat()}), "physics")
    assert len(world.outbound.posted) == told


@pytest.mark.parametrize("deadline", ["soon", "2026-03-02", 5, None, "2026-03-02T09:00:00"])
async def test_a_deadline_that_is_no_time_drops_nothing(world: World, sink: TeamsSink, deadline: object) -> None:
    world.storage.hubs.seed(a_told_hub())
    await sink.deliver(a_notice(data={"deadline": deadline}), "physics")
    assert len(world.outbound.posted) == 1


async def test_a_webhook_taken_out_of_the_settings_since_ends_its_notices(world: World, sink: TeamsSink) -> None:
    world.storage.hubs.seed(a_told_hub())
    await sink.deliver(a_notice(), "chemistry")
    assert world.outbound.posted == []


async def test_the_largest_card_is_small_enough(world: World, sink: TeamsSink, cards: Cards) -> None:
    world.storage.hubs.seed(a_told_hub())
    cards.notice = replace(cards.notice or Card(title=""), lines=("日" * 2000,) * 100)
    await sink.deliver(a_notice(), "physics")
    assert len(world.outbound.posted[0].body) < MAX_BYTES


# ---- links


def links(world: World) -> dict[str, ActionLink]:
    found = {}
    for action in sent(world).get("actions", []):
        base, _, token = action["url"].rpartition("/")
        assert base == f"{PUBLIC}/api/chat/actions"
        link = read(world.app.settings.seal_keys, token, world.clock.now())
        assert link is not None
        found[action["title"]] = link
    return found


async def test_buttons_open_action_pages_for_the_hubs_owner(world: World, sink: TeamsSink) -> None:
    world.storage.hubs.seed(a_told_hub())
    await sink.deliver(a_notice(), "physics")
    found = links(world)
    assert set(found) == {"1 hour later", "Start"}  # a whole channel reads it: no login, no delete
    snooze, start = found["1 hour later"], found["Start"]
    assert (snooze.verb, snooze.hub_id, snooze.owner, snooze.via) == (Verb.SNOOZE, "physics-ab2cd3", OWNER, "Teams")
    assert snooze.deadline == "2026-03-02T10:00:00Z"
    assert snooze.expires_at == datetime.fromisoformat("2026-03-02T10:00:00Z")
    assert start.expires_at == world.clock.now() + timedelta(hours=12)
    assert snooze.nonce != start.nonce


async def test_a_notice_delivered_twice_has_the_same_links_and_another_notice_others(
    world: World, sink: TeamsSink
) -> None:
    world.storage.hubs.seed(a_told_hub())
    seen = []
    for notice in (a_notice(), a_notice(), a_notice(seq=3)):
        world.outbound.posted.clear()
        await sink.deliver(notice, "physics")
        seen.append(links(world)["Start"].nonce)
        world.clock.advance(60)
    assert seen[0] == seen[1] != seen[2]


async def test_no_link_lives_longer_than_its_use_is_remembered(world: World, sink: TeamsSink, cards: Cards) -> None:
    world.storage.hubs.seed(a_told_hub())
    far = (world.clock.now() + timedelta(days=3)).isoformat()
    button = Button(label="Keep", verb=Verb.KEEP, hub_id="physics-ab2cd3", deadline=far)
    cards.notice = Card(title="x", buttons=(button,))
    await sink.deliver(a_notice(), "physics")
    assert links(world)["Keep"].expires_at == world.clock.now() + timedelta(hours=24)


async def test_a_button_about_a_stop_that_has_passed_is_left_out(world: World, sink: TeamsSink) -> None:
    world.storage.hubs.seed(a_told_hub())
    world.clock.advance_to(datetime.fromisoformat("2026-03-02T10:00:00Z"))
    await sink.deliver(a_notice(), "physics")
    assert set(links(world)) == {"Start"}


async def test_without_an_address_of_our_own_there_are_no_buttons(world: World, cards: Cards) -> None:
    world.storage.hubs.seed(a_told_hub())
    await a_sink(world, cards, HUBLET_TEAMS_WEBHOOKS=f"physics={SECOND}").deliver(a_notice(), "physics")
    assert "actions" not in sent(world)


# ---- answers


class Workflow:
    """Plays the flow: its answers, one after the other; the last one again and again."""

    def __init__(self, *answers: Answered | Exception) -> None:
        self._answers = list(answers)

    def __call__(self, posted: Posted) -> Answered:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize("status", [200, 202, 204])
async def test_a_flow_that_took_the_message_is_done(world: World, sink: TeamsSink, status: int) -> None:
    world.storage.hubs.seed(a_told_hub())
    world.outbound.answer = Workflow(Answered(status))
    await sink.deliver(a_notice(), "physics")


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_busy_flow_is_asked_again_when_it_says(world: World, sink: TeamsSink, status: int) -> None:
    world.storage.hubs.seed(a_told_hub())
    world.outbound.answer = Workflow(Answered(status, headers={"retry-after": "17"}), Answered(202))
    with pytest.raises(RetryableError) as raised:
        await sink.deliver(a_notice(), "physics")
    assert (raised.value.code, raised.value.retry_after_s) == ("WorkflowBusy", 17)
    await sink.deliver(a_notice(), "physics")


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410, 413])
async def test_a_flow_that_refuses_is_asked_again_and_said_once_in_the_log(
    world: World, sink: TeamsSink, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    world.storage.hubs.seed(a_told_hub())
    world.outbound.answer = Workflow(Answered(status, b"The workflow is disabled."))
    for _ in range(3):
        with pytest.raises(RetryableError) as raised:
            await sink.deliver(a_notice(), "physics")
        assert raised.value.code == "WorkflowRefused"
    assert said(caplog) == ["teams_webhook_refuses"]
    world.outbound.answer = Workflow(Answered(202), Answered(status))
    await sink.deliver(a_notice(), "physics")
    with pytest.raises(RetryableError):
        await sink.deliver(a_notice(), "physics")
    assert said(caplog) == ["teams_webhook_refuses"] * 2  # it worked in between


async def test_a_flow_that_does_not_answer_is_asked_again(world: World, sink: TeamsSink) -> None:
    world.storage.hubs.seed(a_told_hub())
    world.outbound.answer = Workflow(RetryableError("TimedOut", "prod-2.westus.logic.azure.com did not answer."))
    with pytest.raises(RetryableError, match="TimedOut"):
        await sink.deliver(a_notice(), "physics")


async def test_storage_that_is_down_is_asked_again_and_nothing_is_posted(world: World, sink: TeamsSink) -> None:
    world.storage.hubs.seed(a_told_hub())
    world.storage.tape.fail("hubs.get", RetryableError("StorageBusy", "Storage is busy."))
    with pytest.raises(RetryableError):
        await sink.deliver(a_notice(), "physics")
    assert world.outbound.posted == []


async def test_giving_up_is_said_in_the_log(sink: TeamsSink, caplog: pytest.LogCaptureFixture) -> None:
    await sink.gave_up(a_notice(), "physics", RetryableError("WorkflowRefused", "It answered 404."))
    assert said(caplog) == ["teams_gave_up"]


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelname == "ERROR"]


@pytest.mark.parametrize("status", [400, 503])
async def test_the_webhooks_address_stands_in_no_error_and_no_log(
    world: World, sink: TeamsSink, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level("DEBUG")
    world.storage.hubs.seed(a_told_hub())
    world.outbound.answer = Workflow(Answered(status, FIRST.encode()))
    with pytest.raises(RetryableError) as raised:
        await sink.deliver(a_notice(), "physics")
    await sink.gave_up(a_notice(), "physics", raised.value)
    written = "".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    for text in (written, str(raised.value), raised.value.fix, repr(sink)):
        assert "secret" not in text
        assert "logic.azure.com" not in text
