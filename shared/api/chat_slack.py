"""Slack's slash command, and what its requests have in common with pressed buttons."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared import log
from shared.api.body import MAX_BYTES
from shared.api.chat_form import read_form
from shared.api.chat_parts import Parts
from shared.api.chat_request import ChatRequest, answer, conversation, digest_of, not_signed, raw_body
from shared.api.http import Reply
from shared.api.problems import Problem
from shared.chat import response_urls
from shared.chat.card import Card
from shared.chat.links import chat_user
from shared.chat.signatures import slack_signed
from shared.hubs.ports import ChatUser, Thread

if TYPE_CHECKING:
    from shared.api.http import Call
    from shared.api.prices import PriceMemo
    from shared.app import App
    from shared.settings import Settings

EMPTY = Reply(200, b"", "text/plain")
"""Slack shows nothing."""

_CHANNEL = re.compile(r"[A-Za-z0-9]{1,64}")


def verified(call: "Call", app: "App", most: int = MAX_BYTES) -> bytes:
    """The raw body, of at most so many bytes. Raises Problem `ChatNotConfigured`, `BodyTooLarge`, `BadSignature`."""
    secret = app.settings.slack_signing_secret
    if not secret:
        raise Problem("ChatNotConfigured")
    body = raw_body(call, most)
    timestamp, signature = call.header("x-slack-request-timestamp"), call.header("x-slack-signature")
    if not slack_signed(secret, timestamp, signature, body, app.clock.now()):
        raise not_signed("slack")
    return body


async def command(call: "Call", app: "App", prices: "PriceMemo", parts: Parts) -> Reply:
    """https://docs.slack.dev/interactivity/implementing-slash-commands"""
    body = verified(call, app)
    form = read_form(body, call.header("content-type"))
    if form.get("ssl_check") == "1":
        return EMPTY  # Slack looks at our certificate now and then; nobody typed anything
    user = user_of(form.get("team_id"), form.get("user_id"), _grid(form))
    channel = form.get("channel_id", "")
    if user is None or not _CHANNEL.fullmatch(channel):
        raise Problem("InvalidForm", "The form needs `team_id`, `user_id` and `channel_id`.")
    request = ChatRequest(
        user=user,
        text=form.get("text", ""),
        key=digest_of(body),
        thread=_thread(app, user, channel, form.get("response_url")),
        confirm_by="button",
        answered_alone=True,
    )
    with log.bound(chat_user=user.id):
        answered = await answer(call, app, prices, parts, request)
    return EMPTY if answered is None else Reply.of(200, shown(parts, answered.card))


def shown(parts: Parts, card: Card) -> dict[str, Any]:
    """The answer to a command: for the one who asked, unless the card is for all."""
    return {**parts.slack_message(card), "response_type": "ephemeral" if card.private else "in_channel"}


def user_of(team: object, user: object, enterprise: object = None) -> ChatUser | None:
    """`enterprise`: of an app that an Enterprise organisation installed as a whole: its users are known by that id in
    every workspace (https://docs.slack.dev/enterprise/developing-for-enterprise-orgs). None = these are no ids."""
    team = enterprise or team
    return chat_user("slack", team, user) if isinstance(team, str) and isinstance(user, str) else None


def response_url(settings: "Settings", url: object) -> str | None:
    """The address if it is Slack's own. What is posted there is for this user, or this channel, and nobody else."""
    if not url:
        return None
    if isinstance(url, str) and response_urls.is_slacks(url, settings.slack_api):
        return url
    log.warning("response_url_dropped")
    return None


def _grid(form: dict[str, str]) -> str | None:
    return form.get("enterprise_id") if form.get("is_enterprise_install") == "true" else None


def _thread(app: "App", user: ChatUser, channel: str, url: object) -> Thread:
    """The conversation as it is to be stored if a hub comes of it."""
    thread, address = conversation(app, user, channel), response_url(app.settings, url)
    if address is None:
        return thread
    until = thread.created_at + response_urls.LIFE
    return replace(thread, response_url=address, response_left=response_urls.POSTS, response_until=until)
