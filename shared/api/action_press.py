"""What an action page does: shows the press, and does it, once.

A press is marked as used after it was done, or refused for good. What steers a hub carries the link's own key besides,
so that it happens once also when the mark was not made: a crash, two presses at once. The admin login is the other way
round: it is shown only by the one who made the mark, because a page that was shown cannot be called back.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from shared import log
from shared.api import action_page, problems
from shared.api.http import Reply
from shared.chat import action_links
from shared.chat.action_links import ActionLink
from shared.chat.actions import Outcome, Pressed
from shared.chat.card import Card, Tone, Verb
from shared.errors import CapacityError, ConcurrentUpdate, RetryableError, UserError
from shared.hubs.model import Hub, Principal
from shared.hubs.states import HubState

if TYPE_CHECKING:
    from shared.app import App

type Press = Callable[["App", Pressed], Awaitable[Outcome]]

_AGAIN = "It is not known whether it was done, because something we need does not answer. Press again: it happens once."
_AGAIN_LATER_S = 5.0


async def show(app: "App", token: str) -> Reply:
    """What a press will do. Changes nothing, however often it is asked. Raises RetryableError."""
    link = action_links.read(app.settings.seal_keys, token, app.clock.now())
    if link is None:
        return _not_valid()
    if await app.chat.seen(_sight(link)):
        return _used()
    hub = await _hub(app, link)
    return _not_valid() if hub is None else _reply(200, _ask(app, link, hub))


async def press(app: "App", token: str, *, request_id: str, do: Press) -> Reply:
    """Does it, and says what happened. Twice is once: the second is told that the link was used.

    When storage does not answer, the page has the button again: pressing it again is safe.
    """
    link = action_links.read(app.settings.seal_keys, token, app.clock.now())
    if link is None:
        return _not_valid()
    hub: Hub | None = None
    try:
        if await app.chat.seen(_sight(link)):
            return _used()
        hub = await _hub(app, link)
        if hub is None:
            return _not_valid()
        if link.verb is Verb.LOGIN:
            return await _login(app, link, hub)
        outcome = await do(app, _pressed(link, request_id))
        if outcome.again:
            return _again(409, _ask(app, link, hub, trouble=outcome.card.text), None)
    except UserError as error:
        return await _refused(app, link, hub, error)
    except CapacityError as error:
        return await _refused(app, link, hub, UserError("NoCapacity", error.message, fix=error.fix))
    except (RetryableError, ConcurrentUpdate) as error:
        log.warning("action_not_done_yet", verb=link.verb, hub_id=link.hub_id, code=error.code)
        wait_s = error.retry_after_s if isinstance(error, RetryableError) else None
        name = hub.name if hub is not None else link.hub_id
        return _again(503, _ask(app, link, name, trouble=_AGAIN), wait_s)
    await _mark(app, link)
    log.info("action_pressed", verb=link.verb, hub_id=link.hub_id, owner=link.owner, via=link.via, done=outcome.done)
    return _reply(200 if outcome.done else 409, action_page.result(outcome.card))


async def _login(app: "App", link: ActionLink, hub: Hub) -> Reply:
    from shared.hubs.handout import hand_out

    handed = await hand_out(app, _principal(link), hub, "admin-password")
    if not await app.chat.first_sight(_sight(link), app.clock.now()):
        return _used()
    log.info("action_pressed", verb=link.verb, hub_id=link.hub_id, owner=link.owner, via=link.via, done=True)
    return _reply(200, action_page.login(hub.name, handed.user, handed.value, hub.url))


async def _refused(app: "App", link: ActionLink, hub: Hub | None, error: UserError) -> Reply:
    """A refusal that may pass leaves the button there; any other one uses the link up."""
    entry = problems.CODES.get(error.code)
    if hub is not None and entry is not None and entry.retryable:
        said = " ".join(part for part in (error.message, error.fix) if part)
        return _again(entry.status, _ask(app, link, hub, trouble=said), None)
    await _mark(app, link)
    log.info("action_refused", verb=link.verb, hub_id=link.hub_id, owner=link.owner, via=link.via, code=error.code)
    lines = tuple(line for line in (error.message, error.fix) if line)
    page = action_page.result(Card(title="It was not done", tone=Tone.BAD, lines=lines))
    return _reply(entry.status if entry is not None else 409, page)


async def _mark(app: "App", link: ActionLink) -> None:
    """What was done stays done, whether or not it can be marked: the link's key keeps it from happening again."""
    try:
        await app.chat.first_sight(_sight(link), app.clock.now())
    except RetryableError as error:
        log.warning("action_not_marked", verb=link.verb, hub_id=link.hub_id, code=error.code)


async def _hub(app: "App", link: ActionLink) -> Hub | None:
    """The link's own hub: not another one that has this id for its name, none that is gone."""
    from shared.hubs.commands import find_hub

    try:
        hub = await find_hub(app, _principal(link), link.hub_id)
    except UserError:
        return None
    return hub if hub.id == link.hub_id and hub.state is not HubState.DELETED else None


def _principal(link: ActionLink) -> Principal:
    return Principal(link.owner, via=link.via)


def _pressed(link: ActionLink, request_id: str) -> Pressed:
    return Pressed(
        verb=link.verb,
        hub_id=link.hub_id,
        deadline=link.deadline,
        principal=_principal(link),
        key=hashlib.sha256(link.nonce.encode()).hexdigest(),
        request_id=request_id,
    )


def _sight(link: ActionLink) -> str:
    return f"action/{link.nonce}"


# ------------------------------------------------------------------ pages


def _ask(app: "App", link: ActionLink, hub: Hub | str, *, trouble: str = "") -> bytes:
    name = hub if isinstance(hub, str) else hub.name
    return action_page.ask(link.verb, name, link.expires_at, ZoneInfo(app.settings.time_zone), trouble=trouble)


def _reply(status: int, page: bytes) -> Reply:
    return Reply(status, page, action_page.MEDIA_TYPE, action_page.HEADERS)


def _again(status: int, page: bytes, wait_s: float | None) -> Reply:
    headers = {**action_page.HEADERS, "Retry-After": str(max(1, round(wait_s or _AGAIN_LATER_S)))}
    return Reply(status, page, action_page.MEDIA_TYPE, headers)


def _not_valid() -> Reply:
    return _reply(404, action_page.not_valid())


def _used() -> Reply:
    return _reply(410, action_page.used())
