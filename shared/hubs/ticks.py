"""The minute timer: puts back on the queue what is due and was not looked at in time."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from shared import log
from shared.hubs.dispatch import work_message
from shared.hubs.model import Hub
from shared.hubs.ports import DueRow

if TYPE_CHECKING:
    from shared.app import App

_AT_ONCE = 16


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
    hub = await app.hubs.get(row.owner, row.name)
    if hub is None or not matches(row, hub):
        return False
    message = replace(work_message(hub, app.clock.now()), pass_number=row.pass_number)
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
