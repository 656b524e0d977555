"""Slack: one message that follows a hub, and messages of their own for what somebody must notice.

With a bot token the conversation a hub was steered from (or the channel its owner named) holds one message that shows
the hub as it *is*, whatever the notice at hand says: late, repeated and re-ordered notices change nothing there. What
must be noticed is said beside it, as a reply that the whole channel sees.

Slack knows no idempotency key for chat.postMessage, so what was posted is remembered right after. Two rare doubles are
left. A worker that dies, or loses sight of Slack, between posting and remembering makes the next one post again, a
minute later at the earliest: until then the conversation is claimed. And a message of its own is posted again when it
could not be remembered, or when the same notice is delivered twice at the same moment: a warning that is said twice is
better than one that is lost.

Without a bot token there is only the response URL of the command that steered the hub: a few posts within half an hour.
They go to the states the hub passes through, and the last one is kept for the state it ends in.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from shared import log
from shared.adapters.notify import subject
from shared.adapters.notify.slack_api import EXPIRED, SlackApi, SlackRefused, SlackTokenRefused
from shared.api.names import SLACK_CHANNEL
from shared.chat import blocks, cards, notice_cards
from shared.chat.card import Card
from shared.clock import Clock
from shared.errors import ConcurrentUpdate, FatalError, HubletError, RetryableError, RowTooNew
from shared.hubs.agenda import Rules
from shared.hubs.alerts import alert
from shared.hubs.model import Hub, Notice
from shared.hubs.ports import Cache, ChatStore, HubStore, Outbound, Thread
from shared.hubs.states import STABLE
from shared.settings import Settings

TOLD_KEPT = 50
"""Notices of one conversation that are remembered as told."""

CLAIM = timedelta(seconds=60)
"""For so long nobody else posts the message that follows the hub; longer than any delivery may take."""

RECORD_TRIES = 5

NO_PLACE = frozenset(
    {
        "channel_not_found",
        "channel_type_not_supported",
        "is_archived",
        "is_inactive",
        "method_not_supported_for_channel_type",
        "not_in_channel",
        "restricted_action",
        "restricted_action_read_only_channel",
        "restricted_action_thread_only_channel",
    }
)
"""The bot may not write there: its user is told in a direct message instead."""

LOST = frozenset({"message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found"})
"""The message that follows the hub was deleted, or may not be changed any more: another one takes its place."""

NO_REPLY = frozenset(
    {
        "cannot_reply_to_message",
        "message_not_found",
        "restricted_action_non_threadable_channel",
        "restricted_action_thread_locked",
        "thread_not_found",
    }
)
"""It cannot be a reply, and is a message like any other."""

_CLAIMED = "?"
"""`Thread.posted` begins so while somebody posts; then comes when they began. Slack's timestamps are digits."""

_AS_IT_IS = {"link_names": False, "parse": "none"}
_QUIETLY = {**_AS_IT_IS, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}
"""Nothing in a text is looked up, linked or shown in part."""


@dataclass(frozen=True, slots=True)
class _Memory:
    cache: Cache


class SlackSink:
    """`Sink`. One target for each hub: the conversation it was last steered from, else its `notify.slackChannel`."""

    name = "slack"

    def __init__(
        self,
        *,
        hubs: HubStore,
        chat: ChatStore,
        outbound: Outbound,
        clock: Clock,
        settings: Settings,
        cache: Cache | None = None,
        hub_card: Callable[[Hub, Rules, datetime], Card] = cards.hub_card,
        notice_card: Callable[[Notice, Hub | None, Rules, datetime], Card | None] = notice_cards.notice_card,
    ) -> None:
        """`cache` remembers whether an alert about the bot token was given; without one it is given at each try."""
        self._hubs, self._chat, self._clock, self._cache = hubs, chat, clock, cache
        self._api = SlackApi(outbound, settings)
        self._rules = Rules.of(settings)
        self._has_bot = bool(settings.slack_bot_token)
        self._configured = self._has_bot or bool(settings.slack_signing_secret)
        self._hub_card, self._notice_card = hub_card, notice_card

    # ------------------------------------------------------------------ the port

    async def targets(self, notice: Notice) -> Sequence[str]:
        """Raises RetryableError when storage does not answer. A row that cannot be read now may be when the notice is
        delivered: that decides then."""
        if not self._configured:
            return ()
        try:
            hub, _ = await self._subject(notice)
            return ("",) if hub is not None and await self._has_place(hub) else ()
        except FatalError as error:
            log.warning("slack_target_unknown", hub_id=notice.hub_id, notice_id=notice.id, code=error.code)
            return ("",)

    async def deliver(self, notice: Notice, target: str) -> None:
        """Twice changes nothing (but see above). Returns also when nobody can be told: the hub or its conversation is
        forgotten, or there is no bot token and the response URL takes no more. Raises RetryableError, SlackRefused."""
        try:
            hub, gone = await self._subject(notice)
            thread = await self._thread(hub) if hub is not None and self._configured else None
            if hub is None or thread is None:
                self._dropped(notice, "nobody follows this hub on Slack")
                return
            if self._has_bot:
                await self._by_bot(thread, notice, hub, gone=gone)
            else:
                await self._by_response(thread, notice, hub)
        except ConcurrentUpdate:
            raise _look_again() from None
        except RowTooNew as error:
            raise RetryableError(error.code, error.message) from None
        except SlackTokenRefused as error:
            await self._alert(error)
            raise

    async def gave_up(self, notice: Notice, target: str, error: HubletError) -> None:
        """The hub's history and the next change of its state still tell."""
        log.warning("slack_gave_up", hub_id=notice.hub_id, notice_id=notice.id, type=notice.type, code=error.code)

    # ------------------------------------------------------------------ about what, and where

    async def _subject(self, notice: Notice) -> tuple[Hub | None, bool]:
        """The hub as it is; True = as it was when it was deleted."""
        hub = await subject.present(self._hubs, notice)
        return (hub, False) if hub is not None else (await subject.buried(self._hubs, notice), True)

    async def _slack_thread(self, hub: Hub) -> Thread | None:
        thread = await self._chat.thread(hub.thread) if hub.thread else None
        return thread if thread is not None and thread.platform == "slack" else None

    async def _has_place(self, hub: Hub) -> bool:
        return (self._has_bot and _named_channel(hub) is not None) or await self._slack_thread(hub) is not None

    async def _thread(self, hub: Hub) -> Thread | None:
        """The conversation, else one of its own (the hub's id is its id) for the channel that the owner named."""
        if (thread := await self._slack_thread(hub)) is not None:
            return thread
        channel = _named_channel(hub)
        if channel is None or not self._has_bot:
            return None
        fresh = Thread(id=hub.id, platform="slack", team="", channel=channel, user="", created_at=self._clock.now())
        kept = await self._chat.create_thread(fresh)
        if kept.channel != channel:  # the owner named another since
            kept = replace(kept, channel=channel, posted_in=None, posted=None, shown=None)
        return kept

    # ------------------------------------------------------------------ with a bot token

    async def _by_bot(self, thread: Thread, notice: Notice, hub: Hub, *, gone: bool) -> None:
        now = self._clock.now()
        own = None if _too_late(notice, now) else self._notice_card(notice, None if gone else hub, self._rules, now)
        refused: SlackRefused | None = None
        try:
            thread = await self._follow(thread, blocks.message(self._hub_card(hub, self._rules, now)), now)
        except SlackRefused as error:  # what must be noticed may still get through
            refused = error
        if own is not None and notice.id not in thread.told:
            await self._tell(thread, notice, blocks.message(own))
        if refused is not None:
            raise refused

    async def _follow(self, thread: Thread, message: Mapping[str, Any], now: datetime) -> Thread:
        """The one message shows this: changed when it is there, else posted."""
        shown = _digest(message)
        if _is_claimed(thread):
            left = _claimed_until(thread) - now
            if timedelta() < left <= CLAIM:
                raise RetryableError(
                    "SlackPostUnderWay", "Somebody else posts to Slack.", retry_after_s=left.total_seconds()
                )
        elif thread.posted is not None:
            if thread.shown == shown:
                return thread
            if await self._update(thread, message):
                return await self._has_shown(thread, shown)
        claim = f"{_CLAIMED}{now.isoformat()}"
        thread = await self._chat.save_thread(replace(thread, posted_in=None, posted=claim, shown=None))
        try:
            channel, posted = await self._post(thread, message)
        except HubletError:
            await self._let_go(thread, claim)
            raise
        return await self._record(thread, lambda kept: replace(kept, posted_in=channel, posted=posted, shown=shown))

    async def _update(self, thread: Thread, message: Mapping[str, Any]) -> bool:
        """False = it is not there any more, or cannot be changed."""
        where = {"channel": thread.posted_in or thread.channel, "ts": thread.posted}
        try:
            await self._api.call("chat.update", {**message, **_AS_IT_IS, **where})
        except SlackRefused as error:
            if error.error not in NO_PLACE | LOST:
                raise
            log.info("slack_message_lost", thread=thread.id, error=error.error)
            return False
        return True

    async def _has_shown(self, thread: Thread, shown: str) -> Thread:
        """Somebody who changed the conversation meanwhile may have shown something newer, which is now covered: then
        nothing is known of what it shows, and it is shown again."""
        try:
            return await self._chat.save_thread(replace(thread, shown=shown))
        except ConcurrentUpdate:
            await self._record(thread, lambda kept: replace(kept, shown=None))
            raise

    async def _let_go(self, thread: Thread, claim: str) -> None:
        """Nothing was posted under this claim. When that cannot be saved, the claim runs out by itself."""
        try:
            await self._record(thread, lambda kept: replace(kept, posted=None) if kept.posted == claim else kept)
        except HubletError as error:
            log.warning("slack_claim_not_let_go", thread=thread.id, code=error.code)

    async def _tell(self, thread: Thread, notice: Notice, message: Mapping[str, Any]) -> None:
        """In the same place, as a reply to the message that follows the hub which everybody there sees."""
        if thread.posted is not None and thread.posted_in is not None and not _is_claimed(thread):
            await self._reply(thread, thread.posted_in, thread.posted, message)
        else:
            await self._post(thread, message)
        await self._record(thread, lambda kept: replace(kept, told=(*kept.told, notice.id)[-TOLD_KEPT:]))

    async def _reply(self, thread: Thread, channel: str, posted: str, message: Mapping[str, Any]) -> None:
        arguments = {**message, **_QUIETLY, "channel": channel}
        try:
            await self._api.call("chat.postMessage", {**arguments, "thread_ts": posted, "reply_broadcast": True})
        except SlackRefused as error:
            if error.error in NO_REPLY:
                await self._api.call("chat.postMessage", arguments)
            elif error.error in NO_PLACE:
                await self._post(thread, message)
            else:
                raise

    async def _post(self, thread: Thread, message: Mapping[str, Any]) -> tuple[str, str]:
        """Channel and timestamp of a new message: in the conversation's channel, else to its user. A user's id as
        channel opens a direct message. https://docs.slack.dev/reference/methods/chat.postMessage#channels"""
        arguments = {**message, **_QUIETLY}
        try:
            answer = await self._api.call("chat.postMessage", {**arguments, "channel": thread.channel})
        except SlackRefused as error:
            if error.error not in NO_PLACE or not thread.user:
                raise
            log.info("slack_direct_message", thread=thread.id, error=error.error)
            answer = await self._api.call("chat.postMessage", {**arguments, "channel": thread.user})
        channel, posted = answer.get("channel"), answer.get("ts")
        if not isinstance(channel, str) or not isinstance(posted, str):
            raise FatalError("SlackAnswerUnreadable", "Slack did not say where the message is.")
        return channel, posted

    # ------------------------------------------------------------------ without one

    async def _by_response(self, thread: Thread, notice: Notice, hub: Hub) -> None:
        """`shown` is the state that was told. The count goes down before the post: Slack takes five, and a worker that
        dies in between must not make it six."""
        now = self._clock.now()
        url, until = thread.response_url, thread.response_until
        if not url or until is None or now >= until or thread.response_left < 1:
            self._dropped(notice, "there is no bot token, and the command's response URL takes no more")
            return
        state = hashlib.sha256(f"{hub.state} {hub.state_since.isoformat()}".encode()).hexdigest()
        if thread.shown == state:
            return
        if hub.state not in STABLE and thread.response_left == 1:
            self._dropped(notice, "the last post is kept for the state the hub ends in")
            return
        card = self._hub_card(hub, self._rules, now)
        kind = {"response_type": "ephemeral" if card.private else "in_channel", "replace_original": False}
        thread = await self._chat.save_thread(replace(thread, response_left=thread.response_left - 1))
        try:
            await self._api.respond(url, {**blocks.message(card), **kind})
        except SlackRefused as error:
            if error.error != EXPIRED:
                raise
            await self._record(thread, lambda kept: replace(kept, response_left=0))
            self._dropped(notice, "the command's response URL takes no more")
            return
        except RetryableError as error:
            if error.code != "TimedOut":  # it did not count: Slack said no, or did not hear it
                await self._record(thread, lambda kept: replace(kept, response_left=kept.response_left + 1))
            raise
        await self._record(thread, lambda kept: replace(kept, shown=state))

    # ------------------------------------------------------------------ remembering

    async def _record(self, thread: Thread, change: Callable[[Thread], Thread]) -> Thread:
        """Stores something that has happened, into whatever the row says by now. Raises RetryableError."""
        for left in reversed(range(RECORD_TRIES)):
            try:
                return await self._chat.save_thread(change(thread))
            except ConcurrentUpdate:
                fresh = await self._chat.thread(thread.id)
                if fresh is None:
                    break
                thread = fresh
            except RetryableError:
                if not left:
                    raise
        raise _look_again()

    def _dropped(self, notice: Notice, why: str) -> None:
        log.info("slack_not_told", hub_id=notice.hub_id, notice_id=notice.id, type=notice.type, why=why)

    async def _alert(self, error: SlackTokenRefused) -> None:
        message = f"Nobody is told of their hubs on Slack: {error.message} {error.fix}"
        if self._cache is not None:
            await alert(_Memory(self._cache), error.code, message, error=error.error)
        else:
            log.error("operator_alert", kind=error.code, message=message, error=error.error)


def _named_channel(hub: Hub) -> str | None:
    """Of the specification, if it is a channel's id: a row of an older release may hold any text, and Slack would take
    a person for a channel."""
    channel = hub.spec.notify.slack_channel
    return channel if channel is not None and SLACK_CHANNEL.fullmatch(channel) else None


def _look_again() -> RetryableError:
    return RetryableError("SlackThreadChanged", "Somebody else wrote to the same conversation.", retry_after_s=2)


def _digest(message: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(message, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()


def _is_claimed(thread: Thread) -> bool:
    return thread.posted is not None and thread.posted.startswith(_CLAIMED)


def _claimed_until(thread: Thread) -> datetime:
    return datetime.fromisoformat((thread.posted or "").removeprefix(_CLAIMED)) + CLAIM


def _too_late(notice: Notice, now: datetime) -> bool:
    """A warning of something that has happened, or was put off, by now."""
    deadline = notice_cards.deadline_of(notice)
    return deadline is not None and deadline <= now
