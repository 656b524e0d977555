"""Buttons pressed in Slack. https://docs.slack.dev/reference/interaction-payloads/block_actions-payload

Slack gets an empty answer: what came of it is posted to the payload's `response_url`, or, when that takes no more,
through the Web API. Everybody who presses hears what came of their own press.
"""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared import log
from shared.api import names
from shared.api.body import object_at, read_object
from shared.api.chat_form import read_form
from shared.api.chat_parts import Parts
from shared.api.chat_request import NOT_KNOWN, NOTHING_DONE, deadline, digest_of, is_first
from shared.api.chat_slack import EMPTY, response_url, user_of, verified
from shared.api.http import Reply
from shared.api.problems import Problem
from shared.chat import action_links, links
from shared.chat.actions import NOT_YOURS, Outcome, Pressed
from shared.chat.card import Button, Card, Tone, Verb
from shared.errors import HubletError, RetryableError
from shared.hubs.ports import ChatUser

if TYPE_CHECKING:
    from shared.api.http import Call
    from shared.app import App
    from shared.hubs.model import Principal

LOGIN_LIFE = timedelta(minutes=10)

MAX_PRESS = 128 * 1024
"""Bytes of a press. It holds the whole message with the button, escaped for JSON and once more for the form: eight
bytes for each UTF-16 unit that is not ASCII, in up to 4000 of text and as many again in blocks."""

MAX_ACTIONS = 5
"""Of one payload. Slack sends one for a button."""


@dataclass(frozen=True, slots=True)
class Action:
    verb: Verb
    hub_id: str
    deadline: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Clicked:
    """`ts`: the message with the button; None when it cannot be changed later (only one person sees it)."""

    user: ChatUser
    actions: tuple[Action, ...]
    channel: str | None = None
    ts: str | None = None
    url: str | None = field(default=None, repr=False)


async def interaction(call: "Call", app: "App", parts: Parts) -> Reply:
    body = verified(call, app, MAX_PRESS)
    form = read_form(body, call.header("content-type"))
    if "payload" not in form:
        raise Problem("InvalidForm", "The form needs `payload`.")
    clicked = read_payload(app, read_object(form["payload"].encode(), {}, most=MAX_PRESS))
    if not clicked.actions:
        return EMPTY
    with log.bound(chat_user=clicked.user.id):
        await _press_all(call, app, parts, clicked, digest_of(body))
    return EMPTY


# ------------------------------------------------------------------ what was pressed


def read_payload(app: "App", payload: Mapping[str, Any]) -> Clicked:
    """Without actions when it holds nothing that is ours. Raises Problem `InvalidForm` when it says of nobody."""
    team, enterprise = object_at(payload, "team"), object_at(payload, "enterprise")
    grid = enterprise.get("id") if payload.get("is_enterprise_install") is True or not team else None
    presser = object_at(payload, "user")
    abroad = _abroad(presser.get("team_id"), team, enterprise)
    user = user_of(abroad or team.get("id"), presser.get("id"), None if abroad else grid)
    if user is None:
        raise Problem("InvalidForm", "The payload needs the ids of team and user.")
    container, message = object_at(payload, "container"), object_at(payload, "message")
    ts = container.get("message_ts") or message.get("ts")
    if container.get("is_ephemeral") is True or message.get("is_ephemeral") is True:
        ts = None
    return Clicked(
        user=user,
        actions=_actions(payload),
        channel=_text(container.get("channel_id") or object_at(payload, "channel").get("id")),
        ts=_text(ts),
        url=response_url(app.settings, payload.get("response_url")),
    )


def _abroad(home: object, team: Mapping[str, Any], enterprise: Mapping[str, Any]) -> str | None:
    """The team of somebody who presses in a channel shared with another company. `team` is the app's then, and user
    ids are unique only within a team. In an Enterprise organisation `home` is its id, or one of its workspaces'.
    https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
    https://docs.slack.dev/apis/slack-connect"""
    organisation = enterprise.get("id") or team.get("enterprise_id")
    if not isinstance(home, str) or not home or home in (team.get("id"), organisation):
        return None
    return None if organisation and home.startswith("T") else home


def _actions(payload: Mapping[str, Any]) -> tuple[Action, ...]:
    kind, actions = payload.get("type"), payload.get("actions")
    if kind != "block_actions" or not isinstance(actions, list):
        log.info("chat_interaction_ignored", kind=str(kind)[:64])
        return ()
    read = [_action(action) for action in actions[:MAX_ACTIONS]]
    return tuple(action for action in read if action is not None)


def _action(action: object) -> Action | None:
    """None = not one of ours: a link that was opened, a button of an older release."""
    if not isinstance(action, dict):
        return None
    verb, value = action.get("action_id"), action.get("value")
    try:
        document = read_object(value.encode(), {}) if isinstance(value, str) else {}
        hub_id, stop = document.get("hub"), document.get("deadline", "")
        if names.HUB_ID.fullmatch(hub_id or "") and isinstance(stop, str) and len(stop) <= 64:
            return Action(Verb(str(verb)), str(hub_id), stop)
    except (Problem, ValueError, TypeError):
        pass
    log.info("chat_action_ignored", action=str(verb)[:64])
    return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= 64 else None


# ------------------------------------------------------------------ what comes of it


async def _press_all(call: "Call", app: "App", parts: Parts, clicked: Clicked, key: str) -> None:
    until = deadline(parts)
    try:
        if not await is_first(app, "slack", key, until):
            return
    except RetryableError as error:
        await _tell(app, parts, clicked, _trouble(NOTHING_DONE, error))
        return
    try:
        async with asyncio.timeout_at(until):
            principal = await links.principal_of(app, clicked.user)
            unknown = None if principal else Outcome(False, await parts.how_to_link(app, clicked.user, alone=True))
    except (RetryableError, TimeoutError) as error:
        principal, unknown = None, _trouble(NOTHING_DONE, error)
    if principal is None:
        if unknown is not None:
            await _tell(app, parts, clicked, unknown)
        return
    for number, action in enumerate(clicked.actions):
        own = hashlib.sha256(f"{key}/{number}".encode()).hexdigest()
        with log.bound(caller=principal.owner, hub_id=action.hub_id):
            outcome = await _outcome(call, app, parts, principal, action, own, until)
            await _tell(app, parts, clicked, outcome)


async def _outcome(
    call: "Call", app: "App", parts: Parts, principal: "Principal", action: Action, key: str, until: float
) -> Outcome:
    pressed = Pressed(
        verb=action.verb,
        hub_id=action.hub_id,
        deadline=action.deadline,
        principal=principal,
        key=key,
        request_id=call.request_id,
    )
    try:
        async with asyncio.timeout_at(until):
            if action.verb is Verb.LOGIN:
                return Outcome(False, await login_card(app, parts, principal, action.hub_id))
            return await parts.press(app, pressed)
    except (RetryableError, TimeoutError) as error:
        return _trouble(NOTHING_DONE if action.verb is Verb.LOGIN else NOT_KNOWN, error)
    except HubletError as error:
        return Outcome(False, NOT_YOURS if error.code == "HubNotFound" else parts.error_card(error))


async def login_card(app: "App", parts: Parts, principal: "Principal", hub_id: str) -> Card:
    """A link that shows the admin login once, for its owner alone. The login itself never passes through a chat.

    Raises UserError `HubNotFound`, for a foreign hub too."""
    from shared.hubs.commands import find_hub, not_found

    hub = await find_hub(app, principal, hub_id)
    if hub.id != hub_id:  # another one, that has this id for its name
        raise not_found(hub_id)
    base = app.settings.links_to
    if not base:
        return Card(
            title=f"The admin login of {hub.name} cannot be shown from here",
            tone=Tone.WARNING,
            lines=("This service does not know its own address (HUBLET_PUBLIC_URL). Its API hands the login out:",),
            code=(f"POST /api/hubs/{hub.name}/admin-password",),
        )
    link = action_links.ActionLink(
        verb=Verb.LOGIN,
        hub_id=hub.id,
        owner=principal.owner,
        deadline="",
        expires_at=app.clock.now() + LOGIN_LIFE,
        nonce=app.entropy.secret(128),
        via=principal.via,
    )
    url = action_links.url(base, parts.sign(app.settings, link))
    minutes = int(LOGIN_LIFE.total_seconds() // 60)
    return Card(
        title=f"Admin login of {hub.name}",
        lines=(f"The link works once, within {minutes} minutes. Whoever has it sees the login: keep it to yourself.",),
        buttons=(Button(label="Show the login", url=url, style="primary"),),
    )


def _trouble(card: Card, error: Exception) -> Outcome:
    log.warning("chat_press_unanswered", code=getattr(error, "code", "TimedOut"), said=card.title)
    return Outcome(False, card)


# ------------------------------------------------------------------ telling Slack


async def _tell(app: "App", parts: Parts, clicked: Clicked, outcome: Outcome) -> None:
    """Never raises for trouble on the way: what was done is done, and the hub's own message will show it."""
    message = parts.slack_message(outcome.card)
    if await _respond(app, parts, clicked, outcome, message):
        return
    channel = clicked.channel
    if not app.settings.slack_bot_token or channel is None:
        log.warning("chat_outcome_untold", done=outcome.done)
        return
    method, arguments = "chat.postEphemeral", {"channel": channel, "user": clicked.user.user, **message}
    if outcome.done and clicked.ts is not None:
        method, arguments = "chat.update", {"channel": channel, "ts": clicked.ts, **message}
    try:
        async with asyncio.timeout(parts.tell_limit_s):
            await parts.slack(app).call(method, arguments)
    except (HubletError, TimeoutError) as error:
        log.warning("chat_outcome_untold", done=outcome.done, code=getattr(error, "code", "TimedOut"))


async def _respond(app: "App", parts: Parts, clicked: Clicked, outcome: Outcome, message: dict[str, Any]) -> bool:
    """Whether the `response_url` took it. What is done replaces the message for all; all else is for the presser."""
    if clicked.url is None:
        return False
    how = {"replace_original": True} if outcome.done else {"replace_original": False, "response_type": "ephemeral"}
    try:
        async with asyncio.timeout(parts.tell_limit_s):
            await parts.slack(app).respond(clicked.url, {**message, **how}, limit_s=parts.tell_limit_s)
    except (HubletError, TimeoutError) as error:
        said = str(error) if isinstance(error, HubletError) else ""
        log.info("response_url_failed", code=getattr(error, "code", "TimedOut"), error=said)
        return False
    return True
