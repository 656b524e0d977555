"""The minute timer: puts back on the queue what is due and was not looked at in time."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from shared import log
from shared.errors import HubletError, RetryableError
from shared.hubs import handout
from shared.hubs.dispatch import work_message
from shared.hubs.model import Hub
from shared.hubs.ports import DueRow

if TYPE_CHECKING:
    from shared.app import App

_AT_ONCE = 16
NO_ANSWER_AGAIN = timedelta(minutes=1)
REDRIVEN_AGAIN = timedelta(seconds=90)
"""Over a minute, so that the row's key is another one than that of the row it follows."""
UNREADABLE_AGAIN = timedelta(minutes=10)
"""A due row whose hub could not be read moves on by this much: one broken hub must not stop the clock of the others."""


async def tick(app: "App") -> int:
    """Queues what is due and forgets every due row it looked at. Cost follows what is due, not how many hubs exist.

    Twice = the second finds nothing. A row whose hub moved on is a no-op. Returns how many hubs were queued.
    """
    now = app.clock.now()
    rows = list(await app.due.due(now))
    queued = 0
    for start in range(0, len(rows), _AT_ONCE):
        queued += sum(await asyncio.gather(*(_drive(app, row) for row in rows[start : start + _AT_ONCE])))
    await _forget(app, rows)
    await app.due.advance_watermark(now)
    if queued:
        log.info("tick_requeued", due=len(rows), queued=queued)
    return queued


async def _drive(app: "App", row: DueRow) -> bool:
    try:
        hub = await app.hubs.get(row.owner, row.name)
    except RetryableError as error:
        log.warning("due_row_put_off", hub_id=row.hub_id, code=error.code)
        await app.due.put(replace(row, at=app.clock.now() + NO_ANSWER_AGAIN))
        return False
    except HubletError as error:
        log.error("hub_row_unreadable", hub_id=row.hub_id, code=error.code)
        await app.due.put(replace(row, at=app.clock.now() + UNREADABLE_AGAIN))
        return False
    if hub is None:
        return False
    if row.kind == handout.ERASE:
        await handout.erase_expired(app, hub)
        return False
    if not matches(row, hub):
        return False
    now = app.clock.now()
    message = replace(work_message(hub, now), pass_number=row.pass_number)
    # The message may be lost as well: its own due row is there before the old one is forgotten.
    await app.due.put(replace(row, at=now + REDRIVEN_AGAIN))
    await app.queue.put(message)
    return True


def matches(row: DueRow, hub: Hub) -> bool:
    """Whether the hub still waits for what the row is about (its pass, or the one the unsaved row would have)."""
    return (
        hub.id == row.hub_id
        and hub.generation == row.generation
        and row.pass_number in (hub.pass_number, hub.pass_number + 1)
    )


async def _forget(app: "App", rows: Sequence[DueRow]) -> None:
    if rows:
        await app.due.forget(rows)
