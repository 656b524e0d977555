"""A hub's life as Slack shows it: one message that follows, warnings beside it, whatever fails on the way."""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.adapters.notify.slack import CLAIM, TOLD_KEPT, SlackSink
from shared.adapters.notify.slack_api import SlackRefused
from shared.chat.card import Card, Tone
from shared.errors import ConcurrentUpdate, FatalError, HubletError, RetryableError
from shared.hubs.agenda import Rules
from shared.hubs.model import Hub, Notice, Notify
from shared.hubs.ports import Answered, Gone, Thread
from shared.hubs.states import HubState
from tests.support.builders import HUB_ID, HUB_NAME, OWNER, a_hub, a_notice, a_spec, some_settings
from tests.support.clock import MONDAY_MORNING, FakeClock
from tests.support.fake_chat import FakeChatStore, FakeOutbound
from tests.support.fake_slack_server import BOT_TOKEN, FakeSlack
from tests.support.fake_storage import FakeCache, FakeHubStore
from tests.support.tape import Crash, Tape

OF_ITS_OWN = ("stopping-soon", "ending-soon", "failed")
NOT_THERE = RetryableError("StorageUnavailable", "Storage does not answer.")


def hub_card(hub: Hub, rules: Rules, now: datetime) -> Card:
    return Card(title=f"{hub.name} is {hub.state}", private=False)


def notice_card(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
    """What a deleted hub was to do is out of date."""
    kind = notice.type.removeprefix("io.hublet.hub.").removesuffix(".v1")
    told = kind in OF_ITS_OWN and hub is not None
    return Card(title=notice.message, tone=Tone.WARNING, private=False) if told else None


class SlowOutbound(FakeOutbound):
    """Lets others run while a request is on its way; `held` = until that is set."""

    held: asyncio.Event | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, limit_s: float = 8.0) -> Answered:
        held, self.held = self.held, None
        await asyncio.sleep(0)
        if held is not None:
            await held.wait()
        answered = await super().post(url, body, headers, limit_s=limit_s)
        await asyncio.sleep(0)
        return answered


@dataclass
class Desk:
    clock: FakeClock
    tape: Tape
    hubs: FakeHubStore
    chat: FakeChatStore
    slack: FakeSlack
    outbound: SlowOutbound
    cache: FakeCache
    sink: SlackSink
    notices: int = 1

    # ---- what happens ----
    def becomes(self, state: HubState, kind: str = "progress", **data: Any) -> Notice:
        """The hub moves on; the notice that tells of it, not delivered yet."""
        self.clock.advance(60)
        hub = self.hubs.only_hub()
        self.hubs.seed(replace(hub, state=state, state_since=self.clock.now()))
        return self.notice(kind, **data)

    def notice(self, kind: str = "progress", **data: Any) -> Notice:
        self.notices += 1
        message = f"{kind} {self.notices}"
        return a_notice(self.notices, type=f"io.hublet.hub.{kind}.v1", at=self.clock.now(), message=message, data=data)

    def warning(self, minutes: int = 15) -> Notice:
        return self.notice("stopping-soon", deadline=(self.clock.now() + timedelta(minutes=minutes)).isoformat())

    def is_deleted(self) -> Notice:
        hub = self.hubs.only_hub()
        del self.hubs.hubs[hub.owner, hub.name]
        gone = replace(hub, state=HubState.DELETED, state_since=self.clock.now(), etag=None)
        self.hubs.graves[hub.owner, hub.id] = Gone(hub=gone, deleted_at=self.clock.now())
        return self.notice("deleted")

    # ---- what is done ----
    async def deliver(self, notice: Notice, *, tries: int = 20) -> int:
        """As the outbox does: asked again later while it cannot be done. Returns how many tries it took."""
        for number in range(1, tries + 1):
            try:
                await self.sink.deliver(notice, "")
            except RetryableError as error:
                self.clock.advance(error.retry_after_s or 30)
            else:
                return number
        raise AssertionError(f"not delivered in {tries} tries")

    def thread(self) -> Thread:
        (thread,) = self.chat.threads.values()
        return thread

    def titles(self) -> list[str]:
        return [message.title for message in self.slack.messages]


def a_thread(**changes: Any) -> Thread:
    thread = Thread(
        id="thread-1", platform="slack", team="T1", channel="C0COURSE1", user="U-jay", created_at=MONDAY_MORNING
    )
    return replace(thread, **changes)


async def a_desk(
    thread: Thread | None = None,
    hub: Hub | None = None,
    tape: Tape | None = None,
    *,
    bot: bool = True,
    signed: bool = True,
) -> Desk:
    """A hub that was just made from a channel the bot is in, with a bot token."""
    clock, tape = FakeClock(), tape or Tape()
    slack, outbound, hubs = FakeSlack(clock), SlowOutbound(tape), FakeHubStore(tape=tape)
    slack.channel("C0COURSE1")
    slack.users.add("U-jay")
    outbound.answer = slack.answer
    chat, cache = FakeChatStore(clock, tape), FakeCache(clock, tape)
    settings = some_settings(
        HUBLET_SLACK_SIGNING_SECRET="signing-secret" if signed else "",
        HUBLET_SLACK_BOT_TOKEN=BOT_TOKEN if bot else "",
    )
    sink = SlackSink(
        hubs=hubs,
        chat=chat,
        outbound=outbound,
        clock=clock,
        settings=settings,
        cache=cache,
        hub_card=hub_card,
        notice_card=notice_card,
    )
    chat._store(thread or a_thread())
    hubs.seed(hub or a_hub(thread="thread-1"))
    return Desk(clock, tape, hubs, chat, slack, outbound, cache, sink)


# ------------------------------------------------------------------ whom it is for


async def test_a_hub_steered_from_slack_is_told_of_there():
    desk = await a_desk()
    assert await desk.sink.targets(desk.notice()) == ("",)


async def test_a_hub_steered_from_slack_is_told_of_without_a_bot_token_too():
    desk = await a_desk(bot=False)
    assert await desk.sink.targets(desk.notice()) == ("",)


@pytest.mark.parametrize(
    ("hub", "thread"),
    [
        (a_hub(), a_thread()),
        (a_hub(thread="thread-1"), a_thread(platform="teams")),
        (a_hub(thread="forgotten"), a_thread()),
    ],
    ids=["no conversation", "a Teams conversation", "a forgotten conversation"],
)
async def test_a_hub_that_nobody_follows_on_slack_is_for_nobody(hub, thread):
    desk = await a_desk(thread, hub)
    assert await desk.sink.targets(desk.notice()) == ()
    await desk.sink.deliver(desk.warning(), "")  # it was followed when the outbox asked
    assert desk.slack.calls == []


async def test_without_slack_in_the_settings_nobody_is_told_and_nothing_is_read():
    desk = await a_desk(bot=False, signed=False)
    desk.tape.fail("hubs.get", NOT_THERE)
    assert await desk.sink.targets(desk.notice()) == ()


async def test_a_channel_in_the_specification_needs_a_bot_token():
    hub = a_hub(spec=a_spec(notify=Notify(slack_channel="C0COURSE1")))
    with_bot, without = await a_desk(hub=hub), await a_desk(hub=hub, bot=False)
    assert await with_bot.sink.targets(with_bot.notice()) == ("",)
    assert await without.sink.targets(without.notice()) == ()


@pytest.mark.parametrize("channel", ["U0JAY1234", "D0JAY1234", "@everybody", "#general", "general"])
async def test_a_row_of_an_older_release_has_the_bot_write_to_nobody_in_person(channel: str):
    """Requests took any text once, and nothing came of it then."""
    desk = await a_desk(hub=a_hub(spec=a_spec(notify=Notify(slack_channel=channel))))
    desk.slack.channel(channel)
    assert await desk.sink.targets(desk.notice()) == ()
    await desk.sink.deliver(desk.notice(), "")
    assert desk.slack.messages == []


async def test_a_deleted_hub_is_told_of_where_it_was_followed():
    desk = await a_desk()
    assert await desk.sink.targets(desk.is_deleted()) == ("",)


async def test_a_hub_that_is_forgotten_is_for_nobody():
    desk = await a_desk()
    notice = desk.is_deleted()
    desk.hubs.graves.clear()
    assert await desk.sink.targets(notice) == ()
    await desk.sink.deliver(notice, "")
    assert desk.slack.calls == []


async def test_another_hub_of_the_same_name_is_not_the_one_the_notice_is_about():
    desk = await a_desk()
    notice = desk.is_deleted()
    desk.hubs.seed(a_hub(id="physics-zz9zz9", thread="thread-1"))
    await desk.deliver(notice)
    assert desk.titles() == ["\u2139\ufe0f physics is deleted"]


async def test_a_row_that_cannot_be_read_now_may_be_for_slack():
    desk = await a_desk()
    desk.hubs.unreadable[OWNER, HUB_NAME] = "RowTooNew"
    assert await desk.sink.targets(desk.notice()) == ("",)
    with pytest.raises(RetryableError):
        await desk.sink.deliver(desk.notice(), "")
    desk.hubs.unreadable[OWNER, HUB_NAME] = "RowDamaged"
    assert await desk.sink.targets(desk.notice()) == ("",)
    with pytest.raises(FatalError):
        await desk.sink.deliver(desk.notice(), "")


async def test_whom_it_is_for_is_asked_again_when_storage_does_not_answer():
    for name in ("hubs.get", "chat.thread"):
        desk = await a_desk()
        desk.tape.fail(name, NOT_THERE)
        with pytest.raises(RetryableError):
            await desk.sink.targets(desk.notice())


# ------------------------------------------------------------------ one message that follows


LIFE = (
    HubState.PROVISIONING,
    HubState.INSTALLING,
    HubState.VERIFYING,
    HubState.READY,
    HubState.STOPPING,
    HubState.STOPPED,
    HubState.STARTING,
    HubState.READY,
    HubState.DELETING,
)


async def test_the_whole_life_of_a_hub_is_one_message():
    desk = await a_desk()
    await desk.deliver(desk.notice())
    for state in LIFE:
        await desk.deliver(desk.becomes(state))
        assert desk.titles() == [f"\u2139\ufe0f physics is {state}"]
    await desk.deliver(desk.is_deleted())
    (message,) = desk.slack.messages
    assert message.title == "\u2139\ufe0f physics is deleted"
    assert message.versions == len(LIFE) + 2
    assert (desk.thread().posted_in, desk.thread().posted) == ("C0COURSE1", message.ts)


async def test_nothing_is_sent_when_nothing_is_new():
    desk = await a_desk()
    await desk.deliver(desk.notice())
    await desk.deliver(desk.notice())
    assert desk.slack.calls == ["chat.postMessage"]


async def test_nothing_in_a_message_is_looked_up_or_linked():
    desk = await a_desk()
    await desk.deliver(desk.warning())
    await desk.deliver(desk.becomes(HubState.READY))
    desk.slack.channels["C0COURSE1"].messages.clear()
    await desk.deliver(desk.warning())
    asked = [json.loads(sent.body) for sent in desk.outbound.posted]
    assert desk.slack.calls == ["chat.postMessage", "chat.postMessage", "chat.update", *["chat.postMessage"] * 2]
    for method, arguments in zip(desk.slack.calls, asked, strict=True):
        assert (arguments["link_names"], arguments["parse"]) == (False, "none")
        if method == "chat.postMessage":
            assert [arguments[name] for name in ("unfurl_links", "unfurl_media", "mrkdwn")] == [False, False, False]


async def test_notices_in_any_order_and_twice_show_the_present_state():
    desk = await a_desk()
    notices = [desk.notice(), *(desk.becomes(state) for state in LIFE[:4])]
    for notice in (notices[3], notices[0], notices[4], notices[1], notices[3], notices[2], notices[0]):
        await desk.deliver(notice)
    assert desk.titles() == ["\u2139\ufe0f physics is ready"]
    assert desk.slack.calls == ["chat.postMessage"]


async def test_a_message_that_somebody_deleted_is_posted_anew():
    desk = await a_desk()
    await desk.deliver(desk.notice())
    desk.slack.channels["C0COURSE1"].messages.clear()
    await desk.deliver(desk.becomes(HubState.READY))
    await desk.deliver(desk.becomes(HubState.STOPPED))
    (message,) = desk.slack.messages
    assert (message.title, message.versions) == ("\u2139\ufe0f physics is stopped", 2)


@pytest.mark.parametrize("code", ["cant_update_message", "message_not_found", "edit_window_closed"])
async def test_a_message_that_cannot_be_changed_is_posted_anew(code):
    desk = await a_desk()
    await desk.deliver(desk.notice())
    desk.slack.fail("chat.update", code)
    await desk.deliver(desk.becomes(HubState.READY))
    assert desk.titles() == ["\u2139\ufe0f physics is accepted", "\u2139\ufe0f physics is ready"]
    assert desk.thread().posted == desk.slack.messages[-1].ts


# ------------------------------------------------------------------ where the bot may not write


@pytest.mark.parametrize("code", ["not_in_channel", "channel_not_found", "is_archived"])
async def test_the_user_is_told_in_a_direct_message_when_the_bot_may_not_write_in_the_channel(code):
    desk = await a_desk()
    desk.slack.channels["C0COURSE1"].refuses = code
    await desk.deliver(desk.notice())
    await desk.deliver(desk.becomes(HubState.READY))
    await desk.deliver(desk.warning())
    assert desk.titles() == ["\u2139\ufe0f physics is ready", "\u26a0\ufe0f stopping-soon 4"]
    assert {message.channel for message in desk.slack.messages} == {"D-U-jay"}
    assert desk.thread().posted_in == "D-U-jay"


async def test_a_channel_that_is_archived_later_leaves_the_direct_message():
    desk = await a_desk()
    await desk.deliver(desk.notice())
    desk.slack.channels["C0COURSE1"].refuses = "is_archived"
    await desk.deliver(desk.becomes(HubState.READY))
    assert desk.slack.messages[-1].channel == "D-U-jay"
    assert desk.thread().posted_in == "D-U-jay"


async def test_a_warning_finds_its_way_when_the_channel_was_archived_and_the_hub_shows_nothing_new():
    desk = await a_desk()
    await desk.deliver(desk.notice())
    desk.slack.channels["C0COURSE1"].refuses = "is_archived"
    await desk.deliver(desk.warning())
    assert [(m.channel, m.title) for m in desk.slack.messages][-1] == ("D-U-jay", "\u26a0\ufe0f stopping-soon 3")


async def test_nobody_can_be_told_when_there_is_neither_channel_nor_user():
    desk = await a_desk(a_thread(user=""))
    desk.slack.channels["C0COURSE1"].refuses = "is_archived"
    with pytest.raises(SlackRefused) as raised:
        await desk.sink.deliver(desk.warning(), "")
    assert raised.value.error == "is_archived"
    assert desk.thread().posted is None


async def test_a_channel_in_the_specification_gets_a_conversation_of_its_own_once():
    desk = await a_desk(hub=a_hub(spec=a_spec(notify=Notify(slack_channel="C0TEAM123"))))
    desk.chat.threads.clear()
    desk.slack.channel("C0TEAM123")
    await desk.deliver(desk.notice())
    await desk.deliver(desk.becomes(HubState.READY))
    assert [(m.channel, m.title) for m in desk.slack.messages] == [("C0TEAM123", "\u2139\ufe0f physics is ready")]
    assert list(desk.chat.threads) == [HUB_ID]


async def test_another_channel_in_the_specification_gets_a_message_of_its_own():
    desk = await a_desk(hub=a_hub(spec=a_spec(notify=Notify(slack_channel="C0COURSE1"))))
    desk.chat.threads.clear()
    desk.slack.channel("C0TEAM123")
    await desk.deliver(desk.notice())
    desk.hubs.seed(replace(desk.hubs.only_hub(), spec=a_spec(notify=Notify(slack_channel="C0TEAM123"))))
    await desk.deliver(desk.notice())
    await desk.deliver(desk.becomes(HubState.READY))
    assert [(m.channel, m.title) for m in desk.slack.messages] == [
        ("C0COURSE1", "\u2139\ufe0f physics is accepted"),
        ("C0TEAM123", "\u2139\ufe0f physics is ready"),
    ]


# ------------------------------------------------------------------ messages of their own


async def test_a_warning_is_a_reply_that_the_channel_sees_once():
    desk = await a_desk()
    warning = desk.warning()
    await desk.deliver(warning)
    await desk.deliver(warning)
    (followed,) = desk.slack.following
    (told,) = desk.slack.replies
    assert followed.title == "\u2139\ufe0f physics is accepted"
    assert told.title == "\u26a0\ufe0f stopping-soon 2"
    assert (told.body["thread_ts"], told.body["reply_broadcast"]) == (followed.ts, True)
    assert desk.thread().told == (warning.id,)


async def test_two_warnings_are_two_messages():
    desk = await a_desk()
    await desk.deliver(desk.warning())
    await desk.deliver(desk.warning())
    assert len(desk.slack.replies) == 2


async def test_a_warning_whose_deadline_has_passed_is_not_given():
    for late, expected in ((-1, 1), (0, 0), (1, 0)):
        desk = await a_desk()
        warning = desk.warning(minutes=15)
        desk.clock.advance(timedelta(minutes=15, seconds=late))
        await desk.deliver(warning)
        assert len(desk.slack.replies) == expected


async def test_a_warning_of_a_hub_that_was_deleted_meanwhile_is_not_given():
    desk = await a_desk()
    warning = desk.warning()
    desk.is_deleted()
    await desk.deliver(warning)
    assert desk.titles() == ["\u2139\ufe0f physics is deleted"]


@pytest.mark.parametrize("deadline", ["soon", 7, None, "2026-03-02T09:00:00"])
async def test_a_deadline_that_cannot_be_read_hides_no_warning(deadline):
    desk = await a_desk()
    await desk.deliver(desk.notice("stopping-soon", deadline=deadline))
    assert len(desk.slack.replies) == 1


async def test_what_was_told_is_remembered_for_the_last_fifty():
    desk = await a_desk()
    warnings = [desk.warning() for _ in range(TOLD_KEPT + 1)]
    for warning in warnings:
        await desk.deliver(warning)
    assert desk.thread().told == tuple(warning.id for warning in warnings[1:])


async def test_a_warning_is_no_reply_when_the_message_that_follows_was_deleted():
    desk = await a_desk()
    await desk.deliver(desk.notice())
    desk.slack.channels["C0COURSE1"].messages.clear()
    await desk.deliver(desk.warning())
    assert [(m.title, m.is_reply) for m in desk.slack.messages] == [("\u26a0\ufe0f stopping-soon 3", False)]


async def test_a_warning_gets_through_when_the_message_that_follows_does_not():
    desk = await a_desk()
    await desk.deliver(desk.notice())
    desk.slack.fail("chat.update", "msg_too_long")
    warning = desk.becomes(HubState.READY, "failed")
    with pytest.raises(SlackRefused) as raised:
        await desk.sink.deliver(warning, "")
    assert raised.value.error == "msg_too_long"
    assert [message.title for message in desk.slack.replies] == ["\u26a0\ufe0f failed 3"]
    assert desk.thread().told == (warning.id,)


async def test_a_warning_gets_through_when_the_first_message_is_refused():
    desk = await a_desk()
    desk.slack.fail("chat.postMessage", "msg_too_long")
    with pytest.raises(SlackRefused):
        await desk.sink.deliver(desk.warning(), "")
    assert desk.titles() == ["\u26a0\ufe0f stopping-soon 2"]
    assert desk.thread().posted is None
    await desk.deliver(desk.notice())
    assert desk.titles()[-1] == "\u2139\ufe0f physics is accepted"


# ------------------------------------------------------------------ Slack fails


async def test_after_a_day_without_slack_the_present_state_is_shown_once_and_old_warnings_are_dropped():
    desk = await a_desk()
    await desk.deliver(desk.notice())
    desk.slack.down = True
    waiting = [*(desk.becomes(state) for state in LIFE[:4]), desk.warning(), desk.becomes(HubState.STOPPED)]
    for hour in range(24):
        for notice in waiting:
            with pytest.raises(RetryableError):
                await desk.sink.deliver(notice, "")
        desk.clock.advance(timedelta(hours=1))
        assert desk.titles() == ["\u2139\ufe0f physics is accepted"], hour
    desk.slack.down = False
    soon = desk.warning()
    for notice in (*waiting, soon):
        await desk.deliver(notice)
    (followed,) = desk.slack.following
    assert (followed.title, followed.versions) == ("\u2139\ufe0f physics is stopped", 2)
    assert [message.title for message in desk.slack.replies] == [f"\u26a0\ufe0f {soon.message}"]


async def test_too_many_messages_wait_as_long_as_slack_says():
    desk = await a_desk()
    desk.slack.throttle_s = 40
    with pytest.raises(RetryableError) as raised:
        await desk.sink.deliver(desk.notice(), "")
    assert raised.value.retry_after_s == 40
    desk.slack.throttle_s = None
    assert await desk.deliver(desk.notice()) == 1, "nothing is left of the attempt that would make it wait longer"
    assert len(desk.slack.messages) == 1


async def test_too_many_warnings_wait_too_and_the_hub_is_not_shown_again():
    desk = await a_desk()
    await desk.deliver(desk.notice())
    desk.slack.fail("chat.postMessage", "ratelimited", "ratelimited")
    assert await desk.deliver(desk.warning()) == 3
    assert [message.versions for message in desk.slack.messages] == [1, 1]


async def test_a_lost_answer_to_a_change_changes_nothing():
    desk = await a_desk()
    await desk.deliver(desk.notice())
    desk.slack.lose_answers = 1
    assert await desk.deliver(desk.becomes(HubState.READY)) == 2
    assert desk.titles() == ["\u2139\ufe0f physics is ready"]


async def test_a_lost_answer_to_the_first_message_costs_one_double_and_no_more():
    """Slack has no idempotency key: the message may be there or not."""
    desk = await a_desk()
    desk.slack.lose_answers = 1
    await desk.deliver(desk.notice())
    for state in LIFE:
        await desk.deliver(desk.becomes(state))
    assert desk.titles() == ["\u2139\ufe0f physics is accepted", "\u2139\ufe0f physics is deleting"]


async def test_a_token_that_slack_does_not_take_is_told_to_the_operator_once(caplog):
    caplog.set_level(logging.ERROR, logger="hublet")
    desk = await a_desk()
    desk.slack.token = "another"
    for _ in range(3):
        with pytest.raises(RetryableError) as raised:
            await desk.sink.deliver(desk.notice(), "")
        assert raised.value.code == "SlackTokenRefused"
    (alert,) = [record for record in caplog.records if record.getMessage() == "operator_alert"]
    fields = getattr(alert, "hublet_fields", {})
    assert fields["kind"] == "SlackTokenRefused" and "HUBLET_SLACK_BOT_TOKEN" in fields["message"]
    desk.slack.token = BOT_TOKEN
    await desk.deliver(desk.notice())
    assert len(desk.slack.messages) == 1


async def test_giving_up_is_a_line_in_the_log_without_a_secret(caplog):
    caplog.set_level(logging.INFO, logger="hublet")
    desk = await a_desk(a_thread(response_url="https://hooks.slack.com/secret"))
    await desk.sink.gave_up(desk.warning(), "", SlackRefused("is_archived"))
    (record,) = caplog.records
    assert record.getMessage() == "slack_gave_up"
    assert "hooks.slack.com" not in repr(desk.thread())


# ------------------------------------------------------------------ two at once


async def test_two_first_deliveries_at_once_post_one_message():
    desk = await a_desk()
    ended = await asyncio.gather(
        desk.sink.deliver(desk.notice(), ""), desk.sink.deliver(desk.notice(), ""), return_exceptions=True
    )
    assert [type(end) for end in ended] == [type(None), RetryableError]
    await desk.deliver(desk.notice())
    assert len(desk.slack.messages) == 1


async def test_who_waits_for_another_that_posts_waits_no_longer_than_the_claim_lasts():
    desk = await a_desk()
    desk.outbound.held = held = asyncio.Event()
    dead = asyncio.create_task(desk.sink.deliver(desk.notice(), ""))
    await asyncio.sleep(0)
    desk.clock.advance(20)
    with pytest.raises(RetryableError) as raised:
        await desk.sink.deliver(desk.notice(), "")
    assert raised.value.retry_after_s == CLAIM.total_seconds() - 20
    dead.cancel()
    held.set()
    desk.clock.advance(CLAIM.total_seconds() - 20)
    assert await desk.deliver(desk.notice()) == 1
    assert len(desk.slack.messages) == 1


async def test_who_fails_after_another_took_over_takes_nothing_away():
    desk = await a_desk()
    desk.outbound.held = held = asyncio.Event()
    late = asyncio.create_task(desk.sink.deliver(desk.notice(), ""))
    await asyncio.sleep(0)
    desk.clock.advance(CLAIM)
    await desk.deliver(desk.notice())
    desk.slack.fail("chat.postMessage", "internal_error")
    held.set()
    with pytest.raises(RetryableError):
        await late
    await desk.deliver(desk.becomes(HubState.READY))
    assert desk.titles() == ["\u2139\ufe0f physics is ready"]


async def test_a_claim_from_the_future_is_nobodys():
    """A clock that was set back must not hold the conversation for as long as it was wrong."""
    desk = await a_desk(a_thread(posted=f"?{(MONDAY_MORNING + timedelta(days=1)).isoformat()}"))
    assert await desk.deliver(desk.notice()) == 1


async def test_a_late_change_does_not_stay_above_a_newer_one():
    desk = await a_desk()
    await desk.deliver(desk.notice())
    old = desk.becomes(HubState.PROVISIONING)
    desk.outbound.held = held = asyncio.Event()
    late = asyncio.create_task(desk.sink.deliver(old, ""))
    await asyncio.sleep(0)
    await desk.deliver(desk.becomes(HubState.READY))
    held.set()
    with pytest.raises(RetryableError):
        await late
    assert desk.titles() == ["\u2139\ufe0f physics is provisioning"], "the late one covered the newer one"
    await desk.deliver(old)
    assert desk.titles() == ["\u2139\ufe0f physics is ready"]


async def test_two_warnings_at_once_are_both_remembered():
    desk = await a_desk()
    await desk.deliver(desk.notice())
    one, two = desk.warning(), desk.warning()
    await asyncio.gather(desk.sink.deliver(one, ""), desk.sink.deliver(two, ""))
    assert set(desk.thread().told) == {one.id, two.id}
    await desk.deliver(one)
    await desk.deliver(two)
    assert len(desk.slack.replies) == 2


# ------------------------------------------------------------------ without a bot token


async def a_desk_without_bot(**changes: Any) -> Desk:
    """The command's own answer was the first of five posts."""
    desk = await a_desk(bot=False)
    thread = a_thread(
        response_url=desk.slack.response_url(),
        response_left=4,
        response_until=desk.clock.now() + timedelta(minutes=30),
        **changes,
    )
    desk.chat.threads.clear()
    desk.chat._store(thread)
    return desk


def said(desk: Desk) -> list[str]:
    return [response["blocks"][0]["text"]["text"] for response in desk.slack.responses]


async def test_without_a_bot_token_each_state_up_to_ready_is_said_once():
    desk = await a_desk_without_bot()
    for state in LIFE[:4]:
        await desk.deliver(desk.becomes(state))
        await desk.deliver(desk.notice())
    assert said(desk) == [f"\u2139\ufe0f physics is {state}" for state in LIFE[:4]]
    assert desk.thread().response_left == 0
    assert {(r["response_type"], r["replace_original"]) for r in desk.slack.responses} == {("in_channel", False)}


async def test_without_a_bot_token_a_private_card_is_for_the_one_who_asked():
    desk = await a_desk_without_bot()
    sink = SlackSink(
        hubs=desk.hubs,
        chat=desk.chat,
        outbound=desk.outbound,
        clock=desk.clock,
        settings=some_settings(HUBLET_SLACK_SIGNING_SECRET="signing-secret"),
        hub_card=lambda hub, rules, now: Card(title="x", private=True),
        notice_card=notice_card,
    )
    await sink.deliver(desk.notice(), "")
    assert [response["response_type"] for response in desk.slack.responses] == ["ephemeral"]


async def test_without_a_bot_token_the_last_post_is_kept_for_the_end():
    desk = await a_desk_without_bot()
    await desk.deliver(desk.notice())
    for state in LIFE[:4]:
        await desk.deliver(desk.becomes(state))
    assert said(desk) == [
        f"\u2139\ufe0f physics is {state}" for state in ("accepted", "provisioning", "installing", "ready")
    ]


async def test_without_a_bot_token_nothing_more_is_tried_when_the_posts_are_used_up():
    desk = await a_desk_without_bot()
    desk.chat._store(replace(desk.thread(), response_left=0))
    await desk.sink.deliver(desk.becomes(HubState.READY), "")
    assert desk.slack.calls == []


async def test_without_a_bot_token_nothing_is_tried_after_half_an_hour():
    for late, expected in ((-1, 1), (0, 0)):
        desk = await a_desk_without_bot()
        notice = desk.becomes(HubState.READY)
        desk.clock.advance_to(MONDAY_MORNING + timedelta(minutes=30, seconds=late))
        await desk.sink.deliver(notice, "")
        assert len(desk.slack.calls) == expected


async def test_a_response_url_that_slack_says_is_used_up_is_not_tried_again():
    desk = await a_desk_without_bot()
    desk.chat._store(replace(desk.thread(), response_until=desk.clock.now() + timedelta(days=1)))
    desk.clock.advance(timedelta(minutes=31))
    await desk.sink.deliver(desk.becomes(HubState.INSTALLING), "")
    await desk.sink.deliver(desk.becomes(HubState.READY), "")
    assert desk.slack.calls == ["respond"]
    assert desk.thread().response_left == 0


async def test_an_expired_response_url_does_not_matter_with_a_bot_token():
    thread = a_thread(response_url="https://hooks.slack.com/old", response_left=4, response_until=MONDAY_MORNING)
    desk = await a_desk(thread)
    await desk.deliver(desk.becomes(HubState.READY))
    assert desk.slack.calls == ["chat.postMessage"]


async def test_tries_that_slack_did_not_take_do_not_count():
    desk = await a_desk_without_bot()
    desk.slack.down = True
    for _ in range(10):
        with pytest.raises(RetryableError):
            await desk.sink.deliver(desk.notice(), "")
    desk.slack.down = False
    assert desk.thread().response_left == 4
    await desk.deliver(desk.becomes(HubState.READY))
    assert said(desk) == ["\u2139\ufe0f physics is ready"]


async def test_a_try_whose_answer_was_lost_counts():
    desk = await a_desk_without_bot()
    desk.slack.lose_answers = 1
    with pytest.raises(RetryableError):
        await desk.sink.deliver(desk.notice(), "")
    assert desk.thread().response_left == 3


async def test_a_post_is_counted_before_it_is_made():
    desk = await a_desk_without_bot()
    desk.tape.fail("chat.save_thread", NOT_THERE)
    with pytest.raises(RetryableError):
        await desk.sink.deliver(desk.notice(), "")
    assert desk.slack.calls == []


async def test_a_response_that_slack_refuses_is_refused():
    desk = await a_desk_without_bot()
    desk.outbound.answer = lambda _: Answered(400, b"invalid_blocks")
    with pytest.raises(SlackRefused):
        await desk.sink.deliver(desk.notice(), "")


# ------------------------------------------------------------------ storage fails


class SieveTape(Tape):
    """`before` = the call of storage that raises before anything happened; `after` = the write whose answer is lost.
    1 = the first since it was armed, 0 = none."""

    def __init__(self, error: HubletError, *, before: int = 0, after: int = 0) -> None:
        super().__init__()
        self.armed = False
        self.calls = self.answers = 0
        self._error, self._before, self._after = error, before, after

    def begin(self, name: str) -> None:
        if self.armed and name != "outbound.post":
            self.calls += 1
            if self.calls == self._before:
                raise self._error
        super().begin(name)

    def wrote(self, name: str) -> None:
        super().wrote(name)
        if self.armed and name != "outbound.post":
            self.answers += 1
            if self.answers == self._after:
                raise self._error


async def lived(tape: SieveTape) -> Desk:
    desk = await a_desk(tape=tape)
    tape.armed = True
    await desk.deliver(desk.notice())
    await desk.deliver(desk.becomes(HubState.READY))
    await desk.deliver(desk.warning())
    await desk.deliver(desk.is_deleted())
    return desk


CALLS, ANSWERS = 14, 5
"""Of the life above when nothing fails."""


async def test_the_sweeps_below_know_how_long_that_life_is():
    tape = SieveTape(NOT_THERE)
    await lived(tape)
    assert (tape.calls, tape.answers) == (CALLS, ANSWERS)


@pytest.mark.parametrize("number", range(1, CALLS + 1))
async def test_whatever_call_of_storage_fails_the_end_is_shown(number):
    desk = await lived(SieveTape(NOT_THERE, before=number))
    assert [message.title for message in desk.slack.following] == ["\u2139\ufe0f physics is deleted"]
    assert len(desk.slack.replies) == 1


@pytest.mark.parametrize("error", [NOT_THERE, ConcurrentUpdate("Thread")], ids=["unknown", "somebody else was first"])
@pytest.mark.parametrize("number", range(1, ANSWERS + 1))
async def test_whatever_answer_of_storage_is_lost_the_end_is_shown(number, error):
    desk = await lived(SieveTape(error, after=number))
    assert [message.title for message in desk.slack.following] == ["\u2139\ufe0f physics is deleted"]
    assert len(desk.slack.replies) == 1


@pytest.mark.parametrize("write", range(1, 12))
async def test_whenever_the_worker_dies_there_are_two_messages_at_most_and_the_newest_shows_the_end(write):
    desk = await a_desk()
    desk.tape.crash_after = len(desk.tape.writes) + write
    crashed = ""
    notices: list[Callable[[], Notice]] = [
        desk.notice,
        lambda: desk.becomes(HubState.READY),
        desk.warning,
        desk.is_deleted,
    ]
    for make in notices:
        notice = make()
        try:
            await desk.deliver(notice)
        except Crash:
            crashed = desk.tape.writes[-1]
            await desk.deliver(notice)
    assert desk.slack.following[-1].title == "\u2139\ufe0f physics is deleted"
    doubles = len(desk.slack.messages) - 2
    assert doubles == 0 or (doubles == 1 and crashed == "outbound.post")


async def test_a_conversation_that_is_forgotten_meanwhile_ends_quietly():
    desk = await a_desk()
    desk.outbound.held = held = asyncio.Event()
    delivery = asyncio.create_task(desk.sink.deliver(desk.notice(), ""))
    await asyncio.sleep(0)
    desk.chat.threads.clear()
    held.set()
    with pytest.raises(RetryableError):
        await delivery
    await desk.sink.deliver(desk.notice(), "")
    assert len(desk.slack.messages) == 1
