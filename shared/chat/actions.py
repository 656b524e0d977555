"""What a button does: on Slack, and on an action page."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.chat.card import Card, Verb
from shared.hubs.model import Principal
from shared.hubs.ports import Thread

if TYPE_CHECKING:
    from shared.app import App


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """One press. `key`: the same at every delivery of this press (hex SHA-256): it happens once. `deadline`: the stop
    the button was about (RFC 3339), or empty. `thread`: as in `commands.Asked`, None = the hub's conversation stays."""

    verb: Verb
    hub_id: str
    deadline: str
    principal: Principal
    key: str
    request_id: str
    thread: Thread | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """`done`: whether it was done (now, or by the same press before). `card`: what happened, or why it did not: for all
    who saw the button when `done`, for the presser alone when not."""

    done: bool
    card: Card


async def press(app: "App", pressed: Pressed) -> Outcome:
    """SNOOZE = the next stop an hour later; KEEP = no stop tonight (the scheduled stop is called off; without one: 12
    hours later); STOP, START, DELETE. LOGIN is not pressed here: see `action_links`. A foreign hub answers like a
    missing one. Raises RetryableError."""
    raise NotImplementedError
