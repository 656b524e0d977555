"""How a chat steers a hub: what commands and buttons have in common."""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.errors import FatalError
from shared.hubs import steer
from shared.hubs.commands import IdempotencyRequest, not_found
from shared.hubs.model import Hub, Principal
from shared.hubs.ports import Thread
from shared.hubs.states import HubState

if TYPE_CHECKING:
    from shared.app import App

type Verb = Callable[["App", Hub, steer.Request], Awaitable[steer.Answered]]
"""`steer.stop_hub` and its like."""

type Check = Callable[[Hub], None]
"""May refuse the hub as it is now, by raising; asked again after every race."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steered:
    """`changed`: this request, or an earlier delivery of it (`replayed`), changed the hub. `hub`: as it is now."""

    hub: Hub
    changed: bool
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Who wants what. `key`: the same at every delivery; `said`: the same for the same key. `thread`: where it was
    asked; it is stored before the hub names it."""

    principal: Principal
    request_id: str
    key: str
    said: str
    thread: Thread | None = None


def idempotency(key: str, said: str) -> IdempotencyRequest:
    return IdempotencyRequest(key, hashlib.sha256(said.encode()).hexdigest())


async def ask(app: "App", hub: Hub, verb: Verb, order: Order, *, check: Check | None = None) -> Steered:
    """Once for each key. Raises what the verb and `check` raise; UserError `HubNotFound` for a hub that is gone."""
    if hub.state is HubState.DELETED:
        raise not_found(hub.name)
    before = hub

    async def look(present: Hub) -> None:
        nonlocal before
        before = present
        if check is not None:
            check(present)

    thread = None if order.thread is None else await _conversation(app, hub, order.thread)
    request = steer.Request(
        principal=order.principal,
        request_id=order.request_id,
        idempotency=idempotency(order.key, order.said),
        check=look,
        thread=thread.id if thread else None,
    )
    answered = await verb(app, hub, request)
    after = answered.hub
    # whatever is changed is a new generation or, for the next stop, a change of the hub's life
    changed = answered.replayed or (after.generation, after.life) != (before.generation, before.life)
    return Steered(hub=after, changed=changed, replayed=answered.replayed)


async def _conversation(app: "App", hub: Hub, typed: Thread) -> Thread:
    """Where the hub is talked about from now on. In a place in which a message follows it already, that one stays:
    another one would leave it behind, saying for ever what is no longer true. Without a bot token there is no such
    message, and each command brings a response URL of its own."""
    if typed.platform == "slack" and app.settings.slack_bot_token and hub.thread is not None:
        try:
            kept = await app.chat.thread(hub.thread)
        except FatalError:  # of a newer release, or broken: another one is made
            kept = None
        if kept is not None and _same_place(kept, typed):
            return kept
    return await app.chat.create_thread(typed)


def _same_place(kept: Thread, typed: Thread) -> bool:
    """Where a message had to go to one person, it is that person's own."""
    if (kept.platform, kept.team, kept.channel) != (typed.platform, typed.team, typed.channel):
        return False
    return kept.user == typed.user or kept.posted_in == kept.channel
