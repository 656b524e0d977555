"""What Slack's and Teams' requests have in common: done once, for whom, in time, answered with a card."""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared import log
from shared.api.body import MAX_BYTES
from shared.api.chat_parts import Parts
from shared.api.problems import Problem
from shared.chat import links
from shared.chat.card import Card, Tone
from shared.errors import HubletError, RetryableError
from shared.hubs.ports import ChatUser, Thread

if TYPE_CHECKING:
    from shared.api.http import Call
    from shared.api.prices import PriceMemo
    from shared.app import App
    from shared.hubs.model import Principal

NOTHING_DONE = Card(
    title="Nothing was done",
    tone=Tone.WARNING,
    lines=("This service's storage did not answer in time.", "Please send it again in a moment."),
)
NOT_KNOWN = Card(
    title="It is not known whether this was done",
    tone=Tone.WARNING,
    lines=("It took longer than a chat waits.", "Ask for the status in a moment; if it was not done, send it again."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A verified command. `key`: hex SHA-256 of the raw body. `answered_alone`: the answer can be for one person; else
    the whole channel reads it."""

    user: ChatUser
    text: str
    key: str
    thread: Thread
    confirm_by: str
    answered_alone: bool


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """`principal`: for whom it was done; None = the chat user is linked to nobody, or that is not known."""

    card: Card
    principal: "Principal | None" = None


def raw_body(call: "Call", most: int = MAX_BYTES) -> bytes:
    """As it came, which is what was signed. Raises Problem `BodyTooLarge`: nobody's megabytes are hashed."""
    body = call.request.get_body() or b""
    if len(body) > most:
        raise Problem("BodyTooLarge", f"The body has {len(body)} bytes; at most {most} are taken.")
    return body


def not_signed(platform: str) -> Problem:
    """The same for every reason: a forger learns nothing from it."""
    log.warning("chat_request_not_signed", platform=platform)
    return Problem("BadSignature", headers={"WWW-Authenticate": f'{platform.capitalize()} realm="hublet"'})


def digest_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def conversation(app: "App", user: ChatUser, channel: str) -> Thread:
    """Where this user asks, as it is to be stored if a hub comes of it. Its id cannot be guessed."""
    return Thread(
        id="".join(app.entropy.hub_suffix() for _ in range(5)),
        platform=user.platform,
        team=user.team,
        channel=channel,
        user=user.user,
        created_at=app.clock.now(),
    )


def deadline(parts: Parts) -> float:
    """When the answer must be made, in the event loop's time."""
    return asyncio.get_running_loop().time() + parts.limit_s


async def is_first(app: "App", platform: str, key: str, until: float) -> bool:
    """Whether this request was never seen. Raises RetryableError when that cannot be told, or not in time: then nothing
    may be done, because it may have been done already."""
    try:
        async with asyncio.timeout_at(until):
            first = await app.chat.first_sight(f"{platform}/{key}", app.clock.now())
    except TimeoutError:
        raise RetryableError("ChatNotSeen", "Whether this request was seen before cannot be told in time.") from None
    if not first:
        log.info("chat_request_seen_before", platform=platform)
    return first


async def answer(
    call: "Call", app: "App", prices: "PriceMemo", parts: Parts, request: ChatRequest
) -> ChatAnswer | None:
    """Does what was asked, once; None = it was seen before, and nothing is done or said."""
    until = deadline(parts)
    try:
        if not await is_first(app, request.user.platform, request.key, until):
            return None
    except RetryableError as error:
        return _trouble(NOTHING_DONE, error)
    began: list[Principal] = []
    try:
        async with asyncio.timeout_at(until):
            return await _run(call, app, prices, parts, request, began)
    except (RetryableError, TimeoutError) as error:
        return _trouble(NOT_KNOWN if began else NOTHING_DONE, error)
    except HubletError as error:
        return ChatAnswer(parts.error_card(error))


async def _run(
    call: "Call", app: "App", prices: "PriceMemo", parts: Parts, request: ChatRequest, began: "list[Principal]"
) -> ChatAnswer:
    """`began` is filled when something may have been done."""
    from shared.chat.commands import Asked

    principal = await links.principal_of(app, request.user)
    words = request.text.casefold().split()
    alone = request.answered_alone
    if (words == ["link"] and alone) or (principal is None and words[:1] != ["help"]):  # a new link replaces the old
        owner = principal.owner if principal is not None else ""
        return ChatAnswer(await parts.how_to_link(app, request.user, alone=alone, owner=owner), principal)
    if principal is not None:
        began.append(principal)
    asked = Asked(
        user=request.user,
        principal=principal,
        text=request.text,
        key=request.key,
        request_id=call.request_id,
        thread=request.thread,
        confirm_by=request.confirm_by,
        alone=alone,
    )
    with log.bound(caller=principal.owner if principal else ""):
        return ChatAnswer(await parts.run(app, prices, asked), principal)


def _trouble(card: Card, error: Exception) -> ChatAnswer:
    log.warning("chat_request_unanswered", code=getattr(error, "code", "TimedOut"), said=card.title)
    return ChatAnswer(card)
