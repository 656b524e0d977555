"""Delivering what people are to be told, apart from the work on hubs: trouble with a sink never holds up a hub.

At least once: a notice's row is removed after every sink has taken it. A worker that dies in between, or one sink that
cannot take it yet, makes the others hear it again, under the same id.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

from shared import log
from shared.errors import HubletError, RetryableError
from shared.hubs.dispatch import ROW_GRACE
from shared.hubs.ports import NoticeRef

if TYPE_CHECKING:
    from shared.app import App

NOT_THERE_YET_S = 5.0
"""Pause before a message whose row is not there yet is looked at again."""

SHORTEST_PAUSE_S = 5.0
LONGEST_PAUSE = timedelta(hours=1)
"""Pauses after a refusal double up to this. A message that has tried for so long ends: the hourly audit puts a new one
for every notice that is still in the outbox, and else their number would grow by one an hour."""


async def deliver(app: "App", ref: NoticeRef) -> None:
    """Hands the notice to every sink, then removes its row. Twice = the second finds no row, waits out the minute in
    which it might still come, and ends. Raises what no sink is supposed to raise: that counts towards poison."""
    age = app.clock.now() - ref.first_seen
    try:
        notice = await app.outbox.get(ref.owner, ref.hub_id, ref.seq)
        if notice is None:
            if age < ROW_GRACE:
                await app.notices.put(ref, delay_s=NOT_THERE_YET_S)
            else:
                log.info("notice_dropped", why="no such notice", hub_id=ref.hub_id, seq=ref.seq)
            return
        for sink in app.sinks:
            try:
                await sink.deliver(notice)
            except RetryableError:
                raise
            except HubletError as error:  # this sink will never take it; the others may
                log.error("notice_refused", sink=sink.name, hub_id=ref.hub_id, seq=ref.seq, code=error.code)
        await app.outbox.done(ref.owner, ref.hub_id, ref.seq)
    except RetryableError as error:
        await _again(app, ref, age, error)
    except HubletError as error:
        log.error("notice_unreadable", hub_id=ref.hub_id, seq=ref.seq, code=error.code)  # the audit brings it again


async def _again(app: "App", ref: NoticeRef, age: timedelta, error: RetryableError) -> None:
    """As long again as the notice has waited already, or as long as the sink wishes."""
    if age >= LONGEST_PAUSE:
        log.error("notice_not_delivered", hub_id=ref.hub_id, seq=ref.seq, code=error.code)
        return
    wished = max(SHORTEST_PAUSE_S, age.total_seconds(), error.retry_after_s or 0.0)
    delay_s = min(wished, LONGEST_PAUSE.total_seconds())
    log.warning("notice_put_off", hub_id=ref.hub_id, seq=ref.seq, code=error.code, delay_s=delay_s)
    await app.notices.put(ref, delay_s=delay_s)
