"""A Teams outgoing webhook: a mention in a channel, answered at once.

https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-outgoing-webhook
"""

import html
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import log
from shared.api import names
from shared.api.body import object_at
from shared.api.chat_parts import Parts
from shared.api.chat_request import ChatRequest, answer, conversation, digest_of, not_signed, raw_body
from shared.api.http import Reply
from shared.api.problems import Problem
from shared.chat import action_links
from shared.chat.card import Button, Card, Tone, Verb
from shared.chat.links import chat_user
from shared.chat.signatures import teams_fresh, teams_signed

if TYPE_CHECKING:
    from shared.api.http import Call
    from shared.api.prices import PriceMemo
    from shared.app import App
    from shared.hubs.model import Principal

NEVER_IN_A_CHANNEL = (Verb.LOGIN, Verb.DELETE)

NOBODY = Card(
    title="This account cannot be told from others",
    tone=Tone.WARNING,
    lines=("Teams sent no directory id for you; guests and apps may have none.", "Please use the API instead."),
)
SILENCE: Mapping[str, Any] = {"type": "message", "text": ""}

_MENTION = re.compile(r"<at\b[^<>]*>[^<]*</at\s*>", re.IGNORECASE)
_TAG = re.compile(r"</?(?:p|div|br|span|at)\b[^<>]*>", re.IGNORECASE)
_NO_CHARACTER = re.compile(r"&#[0-9]{8,};?")
"""Unicode needs no more than seven digits; `html.unescape` raises when there are thousands."""
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff"))


async def mention(call: "Call", app: "App", prices: "PriceMemo", parts: Parts) -> Reply:
    tokens = app.settings.teams_security_tokens
    if not tokens:
        raise Problem("ChatNotConfigured")
    body = raw_body(call)
    if not teams_signed(tokens, call.header("authorization"), body):
        raise not_signed("teams")
    activity = call.document()
    if not teams_fresh(activity, app.clock.now()):
        raise not_signed("teams")
    if activity.get("type") != "message":
        log.info("chat_activity_ignored", kind=str(activity.get("type"))[:64])
        return Reply.of(200, SILENCE)
    user = chat_user("teams", _tenant(activity), _text(object_at(activity, "from"), "aadObjectId"))
    if user is None:
        return Reply.of(200, parts.teams_message(NOBODY, lambda _: None))
    request = ChatRequest(
        user=user,
        text=said(_text(activity, "text")),
        key=digest_of(body),
        thread=conversation(app, user, _text(object_at(activity, "conversation"), "id")[:256]),
        confirm_by="text",
        answered_alone=False,
    )
    with log.bound(chat_user=user.id):
        answered = await answer(call, app, prices, parts, request)
    if answered is None:
        return Reply.of(200, SILENCE)
    return Reply.of(200, parts.teams_message(answered.card, linker(app, parts, answered.principal)))


def said(text: str) -> str:
    """What was typed, without the mention that called us and without Teams' markup, on one line.

    Looked at twice: a name in a mention may hold entities, and some clients send the mention itself as entities."""
    text = _MENTION.sub(" ", text)
    text = _TAG.sub(" ", _MENTION.sub(" ", html.unescape(_NO_CHARACTER.sub("\ufffd", text))))
    return " ".join(text.translate(_INVISIBLE).split())  # `split` takes the non-breaking space as a space


def linker(app: "App", parts: Parts, principal: "Principal | None") -> Callable[[Button], str | None]:
    """The address behind a button: cards of an outgoing webhook can only open pages. None = the button is left out, as
    are login and deletion always: a whole channel reads the answer, and who holds a link may press it."""
    base = app.settings.links_to

    def link(button: Button) -> str | None:
        if button.verb is None:
            return button.url or None
        if principal is None or not base or button.verb in NEVER_IN_A_CHANNEL:
            return None
        signed = action_links.ActionLink(
            verb=button.verb,
            hub_id=button.hub_id,
            owner=principal.owner,
            deadline=button.deadline,
            expires_at=_expiry(app.clock.now(), button.deadline),
            nonce=app.entropy.secret(128),
        )
        return action_links.url(base, parts.sign(app.settings, signed))

    return link


def _expiry(now: datetime, deadline: str) -> datetime:
    """The stop that the button is about, if that is near."""
    stop, end = names.timestamp(deadline) if deadline else None, now + action_links.LIFE
    return min(end, stop) if stop is not None and stop > now else end


def _tenant(activity: Mapping[str, Any]) -> str:
    channel = object_at(object_at(activity, "channelData"), "tenant")
    return _text(object_at(activity, "conversation"), "tenantId") or _text(channel, "id")


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    return value if isinstance(value, str) else ""
