"""The minute timer and what follows from it: due rows go to workers, and a worker puts back on the queue what was not
looked at in time.

A tick costs the same few storage requests whatever is due, because it reads no hub: it hands the rows over in one queue
message and moves them 90 s on, where they are the safety net of that message. The worker that takes it reads the hubs,
forgets the rows that are of the past and leaves the others.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from enum import Enum, auto
from typing import TYPE_CHECKING

from shared import log
from shared.errors import HubletError, RetryableError
from shared.hubs import handout
from shared.hubs.dispatch import PASS, work_message
from shared.hubs.model import Hub
from shared.hubs.ports import DueRow

if TYPE_CHECKING:
    from shared.app import App

_AT_ONCE = 16

HANDED_OVER_AGAIN = timedelta(seconds=90)
"""When a row that was handed over is due once more, should the message or its worker be lost: at the second tick from
this one, when a visit has had a minute."""

UNREADABLE_AGAIN = timedelta(minutes=10)
"""A due row whose hub cannot be read, or of a kind that only a newer release knows, moves on by this much: somebody
must act, and the log says so each time."""


# ------------------------------------------------------------------ the timer


async def tick(app: "App") -> int:
    """Hands everything due over to workers; returns how many rows. Three storage requests for up to 50 rows: one query,
    one message, one transaction that moves them (docs/performance.md, P7, says when it is more).

    A crash between any two of them loses nothing: rows that were not moved are handed over by the next tick, moved ones
    90 s later. Twice, or two at once, hands rows over twice; the fences of a visit drop the second message.
    """
    now = app.clock.now()
    rows = await app.due.due(now)
    await hand_over(app, rows)
    await app.due.advance_watermark(now)
    return len(rows)


async def hand_over(app: "App", rows: Sequence[DueRow]) -> None:
    """These rows go to workers, and stand 90 s ahead as the net of that message. No rows = no request."""
    if not rows:
        return
    later = app.clock.now() + HANDED_OVER_AGAIN
    await app.queue.put_due([replace(row, at=later) for row in rows])
    await app.due.move(rows, later)
    log.info("due_rows_handed_over", due=len(rows))


# ------------------------------------------------------------------ the worker


class _Then(Enum):
    """What became of a due row. It stays in the table unless it is FORGOTTEN or PUT_OFF."""

    DRIVEN = auto()
    TROUBLED = auto()
    FORGOTTEN = auto()
    PUT_OFF = auto()


async def drive(app: "App", rows: Sequence[DueRow]) -> int:
    """Puts a message for each hub that still waits for what its row is about; returns how many. `rows`: as they stand
    in the due table now.

    Rows of the past are forgotten, those of a driven hub stay as the safety net of its message, and so does what met
    trouble. Never raises for one hub's sake. Twice = messages once more, which the fences drop.
    """
    fates: list[_Then] = []
    for start in range(0, len(rows), _AT_ONCE):
        fates += await asyncio.gather(*(_drive(app, row) for row in rows[start : start + _AT_ONCE]))
    over = [row for row, then in zip(rows, fates, strict=True) if then is _Then.FORGOTTEN]
    put_off = [row for row, then in zip(rows, fates, strict=True) if then is _Then.PUT_OFF]
    try:
        if over:
            await app.due.forget(over)
        if put_off:
            await app.due.move(put_off, app.clock.now() + UNREADABLE_AGAIN)
    except RetryableError as error:
        log.warning("due_rows_not_forgotten", rows=len(over) + len(put_off), code=error.code)  # they come again
    log.info("due_rows_driven", rows=len(rows), forgotten=len(over), put_off=len(put_off))
    return fates.count(_Then.DRIVEN)


async def _drive(app: "App", row: DueRow) -> _Then:
    try:
        hub = await app.hubs.get(row.owner, row.name)
        if hub is None:  # it may still come when the timer's clock is ahead of this worker's
            return _Then.TROUBLED if _before_its_time(app, row) else _Then.FORGOTTEN
        if row.kind == handout.ERASE:
            return await _erase(app, hub, row)
        if row.kind != PASS:
            log.warning("due_row_of_unknown_kind", hub_id=row.hub_id, kind=row.kind)
            return _Then.PUT_OFF  # a newer release's
        if not matches(row, hub):
            return _Then.FORGOTTEN
        await app.queue.put(replace(work_message(hub, app.clock.now()), pass_number=row.pass_number))
    except RetryableError as error:
        log.warning("due_row_put_off", hub_id=row.hub_id, code=error.code)
        return _Then.TROUBLED
    except HubletError as error:
        log.error("hub_row_unreadable", hub_id=row.hub_id, code=error.code)
        return _Then.PUT_OFF
    except Exception:
        log.error("due_row_failed", hub_id=row.hub_id)  # a bug with one hub: the others of its batch go on
        return _Then.TROUBLED
    return _Then.DRIVEN


async def _erase(app: "App", hub: Hub, row: DueRow) -> _Then:
    if _before_its_time(app, row):
        return _Then.TROUBLED  # it would find nothing to erase yet
    await handout.erase_expired(app, hub)
    return _Then.FORGOTTEN


def _before_its_time(app: "App", row: DueRow) -> bool:
    """Whether this worker's clock is behind the timer's that handed the row over."""
    return app.clock.now() < row.at - HANDED_OVER_AGAIN


def matches(row: DueRow, hub: Hub) -> bool:
    """Whether the hub still waits for what the row is about (its pass, or the one the unsaved row would have)."""
    return (
        hub.id == row.hub_id
        and hub.generation == row.generation
        and row.pass_number in (hub.pass_number, hub.pass_number + 1)
    )
