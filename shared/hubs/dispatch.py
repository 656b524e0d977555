"""Messages and due rows for a hub's next pass, and the fence that keeps stale ones from doing anything. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.hubs.model import Hub, Message
from shared.hubs.ports import DueRow

ROW_GRACE = timedelta(seconds=60)
"""How long a message may wait for its row: an accept has 15 s in all, so after this the row never comes."""

PASS = "pass"  # noqa: S105 - no password
"""The kind of a due row that is about a hub's next pass."""

LONGEST_DELAY = timedelta(days=6)
"""Storage queues hide a message for at most 7 days
(https://learn.microsoft.com/rest/api/storageservices/put-message)."""


def work_message(hub: Hub, now: datetime) -> Message:
    """The message that lets a worker look at this hub in its present pass."""
    return Message(
        owner=hub.owner,
        name=hub.name,
        hub_id=hub.id,
        generation=hub.generation,
        pass_number=hub.pass_number,
        first_seen=now,
    )


def due_after(hub: Hub, now: datetime, delay_s: float, *, redrive_s: float = 30) -> DueRow:
    """The safety net for the same pass: looked at `redrive_s` after the message should have been."""
    return DueRow(
        at=now + timedelta(seconds=delay_s + redrive_s),
        hub_id=hub.id,
        owner=hub.owner,
        name=hub.name,
        kind=PASS,
        generation=hub.generation,
        pass_number=hub.pass_number,
    )


@dataclass(frozen=True, slots=True)
class Drop:
    why: str


@dataclass(frozen=True, slots=True)
class LookAgain:
    """The row is not there yet: put the same message again."""


@dataclass(frozen=True, slots=True)
class Run:
    hub: Hub


def fence(hub: Hub | None, message: Message, now: datetime) -> Drop | LookAgain | Run:
    """Whether this message may cause anything. Pure.

    One pass ahead of the row means the row of the visit that put it was not saved: that visit is done again.
    """
    if hub is None:
        return LookAgain() if now - message.first_seen < ROW_GRACE else Drop("no such hub")
    if hub.id != message.hub_id:
        return Drop("another hub of that name")
    if hub.generation != message.generation:
        return Drop("another generation")
    if message.pass_number not in (hub.pass_number, hub.pass_number + 1):
        return Drop("another pass")
    return Run(hub)
