"""Slack as seen from a bot: channels, direct messages, response URLs, with a memory of every message.

    slack = FakeSlack(clock)
    outbound.answer = slack.answer

Answers have the shapes of https://docs.slack.dev/reference/methods/chat.postMessage and chat.update. Blocks are checked
by Slack's own SDK.
"""

import json
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

from shared.clock import Clock
from shared.errors import RetryableError
from shared.hubs.ports import Answered
from tests.support.fake_chat import Posted

BOT_TOKEN = "xoxb-1-test-bot-token"
API = "https://slack.com/api"


@dataclass
class SlackMessage:
    """A message as it stands. `versions`: how often it was written."""

    channel: str
    ts: str
    body: Mapping[str, Any]
    versions: int = 1

    @property
    def title(self) -> str:
        return str(self.body["blocks"][0]["text"]["text"])

    @property
    def is_reply(self) -> bool:
        return "thread_ts" in self.body


@dataclass
class SlackChannel:
    """`refuses`: what a bot that wants to write there is told; empty = it may."""

    refuses: str = ""
    messages: dict[str, SlackMessage] = field(default_factory=dict)


@dataclass
class _ResponseUrl:
    until: datetime
    left: int = 5


class FakeSlack:
    """`down`: every request is answered 503. `throttle_s`: every request is answered 429 with that `Retry-After`.
    `fail(method, code, ...)`: the next calls of that method are refused so. `lose_answers` = how many answers get lost
    after the request took effect."""

    def __init__(self, clock: Clock, token: str = BOT_TOKEN) -> None:
        self._clock = clock
        self.token = token
        self.channels: dict[str, SlackChannel] = {}
        self.users: set[str] = set()
        self.responses: list[Mapping[str, Any]] = []
        self.calls: list[str] = []
        self.down = False
        self.throttle_s: int | None = None
        self.lose_answers = 0
        self._failures: defaultdict[str, deque[str]] = defaultdict(deque)
        self._urls: dict[str, _ResponseUrl] = {}
        self._number = 0

    # ---- what tests do and ask ----
    def channel(self, name: str, refuses: str = "") -> SlackChannel:
        return self.channels.setdefault(name, SlackChannel(refuses))

    def fail(self, method: str, *codes: str) -> None:
        self._failures[method].extend(codes)

    def response_url(self, life: timedelta = timedelta(minutes=30)) -> str:
        url = f"https://hooks.slack.com/commands/T1/{len(self._urls) + 1}/secret-part"
        self._urls[url] = _ResponseUrl(self._clock.now() + life)
        return url

    @property
    def messages(self) -> list[SlackMessage]:
        """Of all channels, in the order they were posted."""
        return sorted((m for c in self.channels.values() for m in c.messages.values()), key=lambda m: m.ts)

    @property
    def following(self) -> list[SlackMessage]:
        return [message for message in self.messages if not message.is_reply]

    @property
    def replies(self) -> list[SlackMessage]:
        return [message for message in self.messages if message.is_reply]

    # ---- the server ----
    def answer(self, sent: Posted) -> Answered:
        method = sent.url.removeprefix(f"{API}/")
        self.calls.append("respond" if sent.url in self._urls else method)
        if self.down:
            return Answered(503, b"<html>upstream connect error</html>")
        if self.throttle_s is not None:
            return Answered(429, b'{"ok":false,"error":"ratelimited"}', {"retry-after": str(self.throttle_s)})
        answered = self._respond(sent) if sent.url in self._urls else self._call(method, sent)
        if self.lose_answers:
            self.lose_answers -= 1
            raise RetryableError("TimedOut", "slack.com did not answer in time.")
        return answered

    def _call(self, method: str, sent: Posted) -> Answered:
        assert sent.headers["Content-Type"] == "application/json; charset=utf-8"
        if self._failures[method]:
            return _refused(self._failures[method].popleft())
        if sent.headers.get("Authorization") != f"Bearer {self.token}":
            return _refused("invalid_auth")
        arguments = json.loads(sent.body)
        if error := _wrong_blocks(arguments):
            return _refused(error)
        if method == "chat.postMessage":
            return self._post_message(arguments)
        if method == "chat.update":
            return self._update(arguments)
        return _refused("unknown_method")

    def _post_message(self, arguments: dict[str, Any]) -> Answered:
        name = arguments["channel"]
        if name in self.users:
            name = f"D-{name}"
            self.channel(name)
        channel = self.channels.get(name)
        if channel is None or channel.refuses:
            return _refused(channel.refuses if channel else "channel_not_found")
        if (thread_ts := arguments.get("thread_ts")) is not None and thread_ts not in channel.messages:
            return _refused("thread_not_found")
        self._number += 1
        ts = f"{int(self._clock.now().timestamp())}.{self._number:06}"
        channel.messages[ts] = SlackMessage(name, ts, arguments)
        return Answered(200, json.dumps({"ok": True, "channel": name, "ts": ts}).encode())

    def _update(self, arguments: dict[str, Any]) -> Answered:
        channel = self.channels.get(arguments["channel"])
        if channel is None or channel.refuses:
            return _refused(channel.refuses if channel else "channel_not_found")
        message = channel.messages.get(arguments["ts"])
        if message is None:
            return _refused("message_not_found")
        message.body, message.versions = arguments, message.versions + 1
        return Answered(200, json.dumps({"ok": True, "channel": message.channel, "ts": message.ts}).encode())

    def _respond(self, sent: Posted) -> Answered:
        assert "Authorization" not in sent.headers, "the address is the secret"
        known = self._urls[sent.url]
        if self._clock.now() >= known.until:
            return Answered(404, b"expired_url")
        if known.left < 1:
            return Answered(404, b"used_url")
        arguments = json.loads(sent.body)
        if error := _wrong_blocks(arguments):
            return Answered(400, error.encode())
        known.left -= 1
        self.responses.append(arguments)
        return Answered(200, b"ok")


def _refused(code: str) -> Answered:
    return Answered(200, json.dumps({"ok": False, "error": code}).encode())


def _wrong_blocks(arguments: dict[str, Any]) -> str:
    try:
        for block in Block.parse_all(arguments["blocks"]):
            block.validate_json()
    except (SlackObjectFormationError, KeyError, TypeError):
        return "invalid_blocks"
    return "" if arguments.get("text") else "no_text"
