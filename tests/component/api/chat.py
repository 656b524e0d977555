"""Chat requests as the platforms send and sign them, and doubles for what they are answered with."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from shared.adapters.notify.slack_api import SlackApi
from shared.api.chat_parts import Parts
from shared.api.prices import PriceMemo
from shared.api.progress import rfc3339
from shared.app import App
from shared.chat.action_links import ActionLink
from shared.chat.actions import Outcome, Pressed
from shared.chat.card import Button, Card, Verb
from shared.chat.commands import Asked
from shared.chat.links import new_code
from shared.errors import HubletError
from shared.hubs.ports import ChatLink, ChatUser
from shared.settings import Settings
from tests.component.api.client import ADMIN_TOKEN, Answer, Api
from tests.support.builders import HUB_ID, some_settings
from tests.support.world import World

SLACK_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
TEAMS_TOKENS = tuple(base64.b64encode(letter * 32).decode() for letter in (b"a", b"b"))
PUBLIC = "https://hublet.example.org"
JAY = ChatUser("slack", "T1DC2JH3J", "U2CERLKJA")
ADA = ChatUser("teams", "66666666-7777-4888-8999-000000000000", "11111111-2222-4333-8444-555555555555")
RESPONSE_URL = "https://hooks.slack.com/commands/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXaIFfN"
FORM = "application/x-www-form-urlencoded"
READY = Card(title="physics is ready")
SNOOZED = Outcome(True, Card(title="physics stops an hour later"))
COMMAND, INTERACTION, TEAMS = "/api/chat/slack/command", "/api/chat/slack/interaction", "/api/chat/teams"


def chat_settings(**environment: str) -> Settings:
    return some_settings(
        **{
            "HUBLET_ADMIN_TOKEN": ADMIN_TOKEN,
            "HUBLET_PUBLIC_URL": PUBLIC,
            "HUBLET_SLACK_SIGNING_SECRET": SLACK_SECRET,
            "HUBLET_SLACK_BOT_TOKEN": "xoxb-not-a-token-of-anybody",
            "HUBLET_TEAMS_SECURITY_TOKENS": ",".join(TEAMS_TOKENS),
            **environment,
        }
    )


@dataclass
class Doubles:
    """Commands and buttons that do what a test says and remember what they were asked."""

    asked: list[Asked] = field(default_factory=list)
    pressed: list[Pressed] = field(default_factory=list)
    signed: list[ActionLink] = field(default_factory=list)
    called: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    run: Callable[[Asked], Awaitable[Card]] | None = None
    press: Callable[[Pressed], Awaitable[Outcome]] | None = None
    card: Card = READY
    outcome: Outcome = SNOOZED
    slack_error: HubletError | None = None
    limit_s: float = 5.0
    tell_limit_s: float = 5.0

    def parts(self) -> Parts:
        return Parts(
            run=self._run,
            press=self._press,
            how_to_link=self._how_to_link,
            error_card=lambda error: Card(title="Error", lines=(error.code, error.message)),
            slack_message=lambda card: {"text": card.text, "blocks": [as_block(card)]},
            teams_message=teams_message,
            sign=self._sign,
            slack=lambda app: _Slack(self, app),
            limit_s=self.limit_s,
            tell_limit_s=self.tell_limit_s,
        )

    async def _run(self, app: App, prices: PriceMemo, asked: Asked) -> Card:
        self.asked.append(asked)
        return await self.run(asked) if self.run else self.card

    async def _how_to_link(self, app: App, user: ChatUser, *, alone: bool, owner: str = "") -> Card:
        if not alone:
            return Card(title="Ask an admin", code=(user.id, app.settings.links_to))
        return Card(title=f"Link {owner}".rstrip(), code=(await new_code(app, user), app.settings.links_to))

    async def _press(self, app: App, pressed: Pressed) -> Outcome:
        self.pressed.append(pressed)
        return await self.press(pressed) if self.press else self.outcome

    def _sign(self, settings: Settings, link: ActionLink) -> str:
        self.signed.append(link)
        return f"token{len(self.signed)}"


class _Slack(SlackApi):
    """Posts to response URLs as the real one; what is called by name is remembered."""

    def __init__(self, does: Doubles, app: App) -> None:
        super().__init__(app.outbound, app.settings)
        self._does = does

    async def call(self, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        self._does.called.append((method, dict(arguments)))
        if self._does.slack_error is not None:
            raise self._does.slack_error
        return {"ok": True}


def as_block(card: Card) -> dict[str, Any]:
    return {"code": list(card.code), "buttons": [[button.label, button.url] for button in card.buttons]}


def teams_message(card: Card, link: Callable[[Button], str | None]) -> dict[str, Any]:
    links = {button.label: link(button) for button in card.buttons}
    return {"type": "message", "card": card.text, "code": list(card.code), "links": links}


async def for_ever(_: Any) -> Any:
    await asyncio.Event().wait()


class Chat:
    """One world with chat set up, its API, and requests to it. `send` signs as the platform does."""

    def __init__(self, **environment: str) -> None:
        self.world = World(settings=chat_settings(**environment))
        self.does = Doubles()
        self.api = Api(self.world, chat=lambda: self.does.parts())

    @property
    def stored(self) -> list[str]:
        return self.world.storage.tape.writes

    def linked(self, user: ChatUser = JAY, owner: str = "jaydoe") -> None:
        link = ChatLink(user=user, owner=owner, created_at=self.world.clock.now(), created_by="admin")
        self.world.storage.chat.rows_of_links[user.id] = link

    # ---- Slack
    def form(self, text: str = "status", **changes: str | None) -> bytes:
        fields: dict[str, str | None] = {
            "token": "xyzz0WbapA4vBCDEFasx0q6G",
            "team_id": JAY.team,
            "team_domain": "testteamnow",
            "channel_id": "C024BE91L",
            "channel_name": "foobar",
            "user_id": JAY.user,
            "user_name": "roadrunner",
            "command": "/hub",
            "text": text,
            "response_url": RESPONSE_URL,
            "trigger_id": "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c",
            **changes,
        }
        return urlencode({name: value for name, value in fields.items() if value is not None}).encode()

    def payload(self, *actions: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
        return {
            "type": "block_actions",
            "team": {"id": JAY.team, "domain": "testteamnow"},
            "enterprise": None,
            "is_enterprise_install": False,
            "user": {"id": JAY.user, "username": "roadrunner", "team_id": JAY.team},
            "container": {
                "type": "message",
                "message_ts": "1531420618.000200",
                "channel_id": "C024BE91L",
                "is_ephemeral": False,
            },
            "channel": {"id": "C024BE91L", "name": "foobar"},
            "message": {"ts": "1531420618.000200", "text": "physics"},
            "response_url": RESPONSE_URL,
            "actions": list(actions or (a_button(),)),
            **changes,
        }

    def slack_headers(self, body: bytes, *, age_s: int = 0, secret: str = SLACK_SECRET) -> dict[str, str]:
        stamp = str(int(self.world.clock.now().timestamp()) - age_s)
        text = b"v0:" + stamp.encode() + b":" + body
        signature = "v0=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
        return {"content-type": FORM, "x-slack-request-timestamp": stamp, "x-slack-signature": signature}

    async def slack(self, body: bytes | None = None, path: str = COMMAND, **headers: str) -> Answer:
        body = self.form() if body is None else body
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.api.dispatch("POST", path, {**self.slack_headers(body), **more}, body)

    async def say(self, text: str, **changes: str | None) -> Answer:
        return await self.slack(self.form(text, **changes))

    async def press(self, *actions: Mapping[str, Any], **changes: Any) -> Answer:
        body = urlencode({"payload": json.dumps(self.payload(*actions, **changes))}).encode()
        return await self.slack(body, INTERACTION)

    @property
    def told(self) -> list[tuple[str, dict[str, Any]]]:
        """What was posted to response URLs."""
        return [(sent.url, json.loads(sent.body)) for sent in self.world.outbound.posted]

    # ---- Teams
    def activity(self, text: str = "<at>Hublet</at> status", **changes: Any) -> dict[str, Any]:
        activity = {
            "type": "message",
            "id": "1772443800000",
            "timestamp": rfc3339(self.world.clock.now()),
            "serviceUrl": "https://smba.trafficmanager.net/emea/",
            "channelId": "msteams",
            "from": {"id": "29:1abc", "name": "Ada", "aadObjectId": ADA.user},
            "conversation": {
                "isGroup": True,
                "id": "19:253b1f341670408fb6fe51050b6e5ceb@thread.skype;messageid=1485983194839",
                "tenantId": ADA.team,
            },
            "channelData": {"tenant": {"id": ADA.team}},
            "text": text,
            "textFormat": "plain",
            **changes,
        }
        return {name: value for name, value in activity.items() if value is not None}

    async def teams(self, activity: Mapping[str, Any] | bytes, *, token: str = TEAMS_TOKENS[0], **more: str) -> Answer:
        body = activity if isinstance(activity, bytes) else json.dumps(activity).encode()
        signed = base64.b64encode(hmac.new(base64.b64decode(token), body, hashlib.sha256).digest()).decode()
        headers = {"content-type": "application/json; charset=utf-8", "authorization": f"HMAC {signed}", **more}
        return await self.api.dispatch("POST", TEAMS, headers, body)


def a_button(verb: str = "snooze", hub: str = HUB_ID, deadline: str = "", **changes: Any) -> dict[str, Any]:
    value = json.dumps({"hub": hub, "deadline": deadline})
    return {"type": "button", "action_id": verb, "block_id": "b1", "value": value, "action_ts": "1.2", **changes}


BUTTONS = tuple(Button(label=str(verb), verb=verb, hub_id=HUB_ID) for verb in Verb)
