"""The pretended Slack's memory: one workspace with its channels, people, messages and `response_url`s.

https://docs.slack.dev/reference/methods (errors of each method),
https://docs.slack.dev/interactivity/handling-user-interaction#message_responses (`response_url`).
"""

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from localdev.chat import blocks as block_kit
from localdev.chat.buckets import Buckets
from shared.clock import Clock

TEAM = "T1"
TEAM_DOMAIN = "hublet-local"
APP = "A1"
BOT = "B1"
BOT_USER = "U0HUBLET"
RESPONSE_POSTS = 5
RESPONSE_LIFE = timedelta(minutes=30)
COMMAND = "command"


class Refused(Exception):
    """Slack's `{"ok": false, "error": ...}`. `retry_after`: a 429 with that header."""

    def __init__(self, error: str, messages: Iterable[str] = (), *, retry_after: int | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.messages = list(messages)
        self.retry_after = retry_after


@dataclass
class Channel:
    """`bot`: whether the app's bot is a member."""

    id: str
    name: str
    private: bool = False
    bot: bool = True
    archived: bool = False


@dataclass
class Message:
    """`only_for`: the one user who sees it (ephemeral). `edits`: what it showed before, oldest first. `of`: the id of
    the `response_url` it came of, for `replace_original`. `broadcast`: a reply that the channel sees as well."""

    ts: str
    channel: str
    user: str
    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    thread_ts: str | None = None
    broadcast: bool = False
    only_for: str | None = None
    kind: str = "message"
    edits: list[dict[str, Any]] = field(default_factory=list)
    deleted: bool = False
    of: str = ""

    def describe(self) -> dict[str, Any]:
        return {
            "ts": self.ts,
            "channel": self.channel,
            "user": self.user,
            "text": self.text,
            "blocks": self.blocks,
            "threadTs": self.thread_ts,
            "broadcast": self.broadcast,
            "onlyFor": self.only_for,
            "kind": self.kind,
            "edits": self.edits,
            "deleted": self.deleted,
        }

    def for_slack(self) -> dict[str, Any]:
        """As Slack shows it to apps."""
        shown: dict[str, Any] = {
            "type": "message",
            "subtype": "bot_message",
            "ts": self.ts,
            "user": self.user,
            "text": self.text,
        }
        shown |= {"bot_id": BOT, "app_id": APP, "team": TEAM, "blocks": self.blocks}
        return shown | ({"thread_ts": self.thread_ts} if self.thread_ts else {})


@dataclass
class ResponseUrl:
    """One secret address. `original`: the message whose button was pressed; None for a slash command."""

    id: str
    channel: str
    user: str
    until: datetime
    original: Message | None = None
    left: int = RESPONSE_POSTS


class Workspace:
    """Everything is kept until the process ends."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_ts = 0
        self.channels: dict[str, Channel] = {}
        self.users: dict[str, str] = {}
        self.messages: list[Message] = []
        self.response_urls: dict[str, ResponseUrl] = {}
        self.limited = True
        self._posts = Buckets(burst=5, per_s=1)
        self._updates = Buckets(burst=50, per_s=50 / 60)  # tier 3: "50+ per minute"
        for channel in (
            Channel("C1", "bio101"),
            Channel("C2", "no-bot-here", bot=False),
            Channel("C3", "private-no-bot", private=True, bot=False),
            Channel("C4", "last-year", archived=True),
            Channel("C5", "private", private=True),
            Channel("C0123456789", "courses"),  # with an id as real ones are: the API takes no shorter one
        ):
            self.channels[channel.id] = channel
        for user, name in (("U1", "jay"), ("U2", "ada"), (BOT_USER, "hublet")):
            self.users[user] = name

    # ---- the Web API

    def post(self, wanted: Mapping[str, Any]) -> Message:
        """chat.postMessage. Raises Refused."""
        channel = self._writable(wanted)
        text, blocks = self._content(wanted)
        self._rate(self._posts, channel.id)
        thread_ts = _text(wanted, "thread_ts") or None
        if thread_ts is not None and self.find(channel.id, thread_ts) is None:
            raise Refused("thread_not_found")
        broadcast = thread_ts is not None and _flag(wanted, "reply_broadcast")
        return self._add(channel.id, text, blocks, thread_ts=thread_ts, broadcast=broadcast)

    def post_ephemeral(self, wanted: Mapping[str, Any]) -> Message:
        """chat.postEphemeral. Raises Refused."""
        channel = self._writable(wanted)
        user = _text(wanted, "user")
        if user not in self.users:
            raise Refused("user_not_in_channel")
        text, blocks = self._content(wanted)
        self._rate(self._posts, channel.id)
        thread_ts = _text(wanted, "thread_ts") or None
        return self._add(channel.id, text, blocks, thread_ts=thread_ts, only_for=user)

    def update(self, wanted: Mapping[str, Any]) -> Message:
        """chat.update: the same `ts`; what it showed before is kept. Raises Refused."""
        channel, ts = self._channel(wanted), _text(wanted, "ts")
        message = self.find(channel.id, ts)
        if message is None or message.only_for or message.deleted:
            raise Refused("message_not_found")
        if message.user != BOT_USER:
            raise Refused("cant_update_message")
        if channel.archived:
            raise Refused("is_archived")
        text, blocks = self._content(wanted)
        self._rate(self._updates, "all")
        self.change(message, text, blocks)
        return message

    def open(self, wanted: Mapping[str, Any]) -> tuple[Channel, bool]:
        """conversations.open with one user; whether it was open before. Raises Refused."""
        user = _text(wanted, "users")
        if not user:
            raise Refused("users_list_not_supplied")
        if user not in self.users:
            raise Refused("user_not_found")
        return self.direct(user)

    # ---- response_url

    def new_response_url(self, channel: str, user: str, original: Message | None = None) -> ResponseUrl:
        until = self._clock.now() + RESPONSE_LIFE
        made = ResponseUrl(f"{secrets.randbelow(10**12)}/{secrets.token_hex(12)}", channel, user, until, original)
        self.response_urls[made.id] = made
        return made

    def respond(self, url_id: str, wanted: Mapping[str, Any]) -> Message | None:
        """A post to a `response_url`; None when it deleted. A post that is refused for its content counts too. Raises
        Refused (`expired_url`, `used_url`, ...)."""
        url = self.response_urls.get(url_id)
        if url is None:
            raise Refused("no_such_hook")
        if self._clock.now() >= url.until:
            raise Refused("expired_url")
        if url.left <= 0:
            raise Refused("used_url")
        url.left -= 1
        original = url.original or self._newest_of(url.id)
        if _flag(wanted, "delete_original"):
            if original is None or original.deleted:
                raise Refused("message_not_found")
            original.deleted = True
            return None
        text, blocks = self._content(wanted)
        if _flag(wanted, "replace_original") and original is not None and not original.deleted:
            self.change(original, text, blocks)
            return original
        everybody = wanted.get("response_type") == "in_channel"
        thread_ts = _text(wanted, "thread_ts") or None
        only_for = None if everybody else url.user
        return self._add(url.channel, text, blocks, only_for=only_for, of=url.id, thread_ts=thread_ts)

    def answer(self, url: ResponseUrl, wanted: Mapping[str, Any]) -> Message:
        """What a slash command was answered with. Raises Refused when Slack could not show it."""
        text, blocks = self._content(wanted)
        only_for = None if wanted.get("response_type") == "in_channel" else url.user
        return self._add(url.channel, text, blocks, only_for=only_for, of=url.id)

    # ---- what is there

    def find(self, channel: str, ts: str) -> Message | None:
        return next((each for each in self.messages if (each.channel, each.ts) == (channel, ts)), None)

    def seen_in(self, channel: str) -> list[Message]:
        """What everybody in the channel sees, oldest first."""
        return [each for each in self.messages if each.channel == channel and each.only_for is None]

    def seen_by(self, user: str) -> list[Message]:
        """What only this user sees: direct messages and ephemeral ones, oldest first."""
        direct = _direct_id(user)
        return [each for each in self.messages if each.only_for == user or each.channel == direct]

    def typed(self, channel: str, user: str, text: str) -> Message:
        """A line that a person wrote."""
        return self._add(channel, text, [], user=user, kind=COMMAND)

    def direct(self, user: str) -> tuple[Channel, bool]:
        """The bot's conversation with a user, and whether it was open before."""
        name = _direct_id(user)
        before = name in self.channels
        return self.channels.setdefault(name, Channel(name, "directmessage", private=True)), before

    def knows(self, user: str) -> str:
        """The user's name; whoever types something is a member."""
        return self.users.setdefault(user, user.lower())

    def change(self, message: Message, text: str, blocks: list[dict[str, Any]]) -> None:
        at = f"{self._clock.now():%Y-%m-%dT%H:%M:%S.%fZ}"
        message.edits.append({"text": message.text, "blocks": message.blocks, "until": at})
        message.text, message.blocks = text, blocks

    # ---- inside

    def _newest_of(self, url_id: str) -> Message | None:
        return next((each for each in reversed(self.messages) if each.of == url_id and not each.deleted), None)

    def _channel(self, wanted: Mapping[str, Any]) -> Channel:
        """A channel the bot may look at; a user's id stands for the direct conversation."""
        name = _text(wanted, "channel")
        if name in self.users and name != BOT_USER:
            return self.direct(name)[0]
        channel = self.channels.get(name)
        if channel is None or (channel.private and not channel.bot):
            raise Refused("channel_not_found")
        return channel

    def _writable(self, wanted: Mapping[str, Any]) -> Channel:
        channel = self._channel(wanted)
        if channel.archived:
            raise Refused("is_archived")
        if not channel.bot:
            raise Refused("not_in_channel")
        return channel

    def _content(self, wanted: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
        text, given = wanted.get("text") or "", wanted.get("blocks")
        if not isinstance(text, str):
            raise Refused("invalid_arguments", ["text must be a string"])
        if len(text) > block_kit.MAX_TEXT:
            raise Refused("msg_too_long")
        found = [] if given in (None, "", []) else block_kit.parsed(given)
        if found is None:
            raise Refused("invalid_blocks_format")
        problems = block_kit.wrong(found)
        if problems:
            raise Refused("invalid_blocks", [f"[ERROR] {problem}" for problem in problems])
        if not text and not found:
            raise Refused("no_text")
        return text, [self._with_ids(number, block) for number, block in enumerate(found)]

    def _with_ids(self, number: int, block: dict[str, Any]) -> dict[str, Any]:
        """Slack names blocks and buttons that came without a name."""
        named = {**block, "block_id": block.get("block_id") or f"b{number}{secrets.token_hex(2)}"}
        if isinstance(block.get("elements"), list) and block.get("type") == "actions":
            named["elements"] = [{"action_id": f"a{index}", **each} for index, each in enumerate(block["elements"])]
        return named

    def _rate(self, buckets: Buckets, key: str) -> None:
        wait_s = buckets.take(key, self._clock.now()) if self.limited else 0
        if wait_s:
            raise Refused("ratelimited", retry_after=wait_s)

    def _add(
        self,
        channel: str,
        text: str,
        blocks: list[dict[str, Any]],
        *,
        user: str = BOT_USER,
        thread_ts: str | None = None,
        broadcast: bool = False,
        only_for: str | None = None,
        kind: str = "message",
        of: str = "",
    ) -> Message:
        micros = max(self._last_ts + 1, int(self._clock.now().timestamp() * 1_000_000))
        self._last_ts = micros
        ts = f"{micros // 1_000_000}.{micros % 1_000_000:06}"
        message = Message(ts, channel, user, text, blocks, thread_ts, broadcast, only_for, kind, of=of)
        self.messages.append(message)
        return message


def _direct_id(user: str) -> str:
    return f"D{user}"


def _text(wanted: Mapping[str, Any], name: str) -> str:
    value = wanted.get(name)
    return value if isinstance(value, str) else ""


def _flag(wanted: Mapping[str, Any], name: str) -> bool:
    return wanted.get(name) in (True, "true", "1")
