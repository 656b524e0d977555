"""People in the pretended Slack and Teams of an environment, and in a browser that follows a link from there."""

import json
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import Request, urlopen

from localdev.chat.blocks import buttons
from localdev.chat.cards import actions, cards
from localdev.chat.people import TENANT
from localdev.chat.text import slack_lines, teams_lines
from localdev.chat.workspace import BOT_USER, TEAM
from localdev.stack import Stack

type Json = dict[str, Any]

__all__ = [
    "BOT_USER",
    "TEAM",
    "TENANT",
    "Browser",
    "Chat",
    "Page",
    "action_pages",
    "links_in",
    "shown",
    "shown_in_teams",
    "slack_button",
    "until",
]


class Chat:
    """The driver surface. `latencies_ms`: of everything that was typed and pressed."""

    def __init__(self, stack: Stack) -> None:
        assert stack.chat, "an environment without chat"
        self._base = stack.chat
        self._trust = ssl.create_default_context(cafile=stack.ca)
        self.latencies_ms: list[float] = []

    # ---- Slack

    def slack(self, text: str, *, user: str = "U1", channel: str = "C1") -> Json:
        """Types a command; what came back. The app must have answered in time, in a form Slack can show."""
        return self._ok(self.drive("slack/command", {"text": text, "user": user, "channel": channel}))

    def press(self, message: Json, button: Json, *, user: str = "U1") -> Json:
        where = {"channel": message["channel"], "ts": message["ts"], "user": user}
        what = {"action_id": button["action_id"], "value": button.get("value", ""), "label": button["text"]["text"]}
        return self._ok(self.drive("slack/press", {**where, **what}))

    def channel(self, name: str = "C1") -> list[Json]:
        """What everybody there sees of the app, oldest first, without what was deleted."""
        found = self.look(f"slack/channels/{name}")["messages"]
        return [each for each in found if each["user"] == BOT_USER and not each["deleted"]]

    def private(self, user: str) -> list[Json]:
        found: list[Json] = self.look(f"slack/user/{user}")["messages"]
        return found

    # ---- Teams

    def teams(self, text: str, *, user: str) -> Json:
        """Mentions the outgoing webhook; the message that came back."""
        answer: Json = self._ok(self.drive("teams/mention", {"text": text, "user": user}))["answer"]
        return answer

    def pushed(self, name: str = "local") -> list[Json]:
        """What the Workflows webhook was sent: the messages."""
        return [each["message"] for each in self.look(f"teams/{name}")["messages"]]

    # ---- the driver

    def drive(self, path: str, document: Json) -> Json:
        return self._call(path, json.dumps(document).encode())

    def look(self, path: str) -> Json:
        return self._call(path, None)

    def _call(self, path: str, body: bytes | None) -> Json:
        request = Request(f"{self._base}/_chat/{path}", body, {"Content-Type": "application/json"})
        try:
            with urlopen(request, timeout=30, context=self._trust) as answer:
                found: Json = json.load(answer)
                return found
        except HTTPError as error:
            raise AssertionError(f"{path}: {error.code} {error.read().decode()}") from None

    def _ok(self, answer: Json) -> Json:
        assert answer["outcome"] == "ok", answer
        self.latencies_ms.append(answer["ms"])
        return answer


def shown(message: Json) -> str:
    """A Slack message as one reads it."""
    return "\n".join(slack_lines(message))


def shown_in_teams(message: Json) -> str:
    return "\n".join(teams_lines(message))


def slack_button(message: Json, action_id: str) -> Json | None:
    """The message's button of that name."""
    return next((dict(each) for _, each in buttons(message["blocks"]) if each.get("action_id") == action_id), None)


def links_in(message: Json) -> dict[str, str]:
    """Addresses behind the buttons of a Slack message or a Teams card, by label in lower case."""
    found = {str(each["text"]["text"]): each.get("url") for _, each in buttons(message.get("blocks") or ())}
    for card in cards(message):
        found |= {str(each.get("title", "")): each.get("url") for each in actions(card)}
    return {label.lower(): str(url) for label, url in found.items() if url}


def action_pages(message: Json) -> list[str]:
    """Addresses of action pages anywhere in what a message shows or ever showed."""
    found = re.findall(r'https?://[^\s"<>|\\]+/api/chat/actions/[^\s"<>|\\]+', json.dumps(message))
    return sorted(set(found))


def until[T](look: Callable[[], T | None], what: str, limit_s: float = 60.0) -> T:
    """The first answer that is something."""
    deadline = time.monotonic() + limit_s
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"never seen: {what}"
        time.sleep(0.3)
    return found


@dataclass
class Page(HTMLParser):
    """What a browser shows: `texts` in their order, and the one form."""

    status: int
    url: str
    source: str = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    texts: list[str] = field(default_factory=list)
    action: str | None = None
    fields: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()
        self._hidden = 0
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag in ("style", "script", "title"):
            self._hidden += 1
        elif tag == "form" and found.get("method", "").lower() == "post":
            self.action = urljoin(self.url, found.get("action", ""))
        elif tag in ("input", "button") and found.get("name"):
            self.fields[found["name"]] = found.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("style", "script", "title"):
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.texts.append(data.strip())

    @property
    def text(self) -> str:
        return "\n".join(self.texts)

    def after(self, label: str) -> str:
        """What stands behind a label, as a password behind `Password`."""
        assert label in self.texts, (self.status, self.texts)
        return self.texts[self.texts.index(label) + 1]


class Browser:
    """Follows links and presses the button of a page, as a person does."""

    def open(self, url: str) -> Page:
        return self._ask(Request(url, headers={"Accept": "text/html"}))

    def submit(self, page: Page) -> Page:
        assert page.action, (page.status, page.text)
        parts = urlsplit(page.url)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Origin": f"{parts.scheme}://{parts.netloc}",
            "Sec-Fetch-Site": "same-origin",
            "Accept": "text/html",
        }
        return self._ask(Request(page.action, urlencode(page.fields).encode(), headers, method="POST"))

    def _ask(self, request: Request) -> Page:
        try:
            answer = urlopen(request, timeout=30)
        except HTTPError as error:
            answer = error
        with answer:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Page(answer.status, request.full_url, answer.read().decode(), headers)
