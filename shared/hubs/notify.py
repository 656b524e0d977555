"""Delivering what people are to be told, apart from the work on hubs: trouble with a sink never holds up a hub.

At least once: a notice's row is removed after every sink has taken it. A worker that dies in between, or one sink that
cannot take it yet, makes the others hear it again, under the same id. Every notice ends: after a day it is given up,
and whoever runs the service is told.
"""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from shared import log
from shared.errors import FatalError, HubletError, RetryableError
from shared.hubs.alerts import alert
from shared.hubs.dispatch import ROW_GRACE
from shared.hubs.model import Notice
from shared.hubs.ports import NoticeRef, Sink

if TYPE_CHECKING:
    from shared.app import App

NOT_THERE_YET_S = 5.0
"""Pause before a message whose row is not there yet is looked at again."""

SINK_LIMIT_S = 10.0
"""A sink that has not answered by then is asked again later, as one that refused."""

SHORTEST_PAUSE_S = 5.0
LONGEST_PAUSE = timedelta(hours=1)
"""Pauses after a refusal double up to this. A message that has tried for so long ends: the hourly audit puts a new one
for every notice that is still in the outbox, and else their number would grow by one an hour."""

GIVEN_UP_AFTER = timedelta(days=1)
"""What nobody could be told by then is of yesterday. The hub's history keeps it."""

NOT_ASKED_AGAIN_S = 7 * 86_400.0
"""How long a sink that is gone is left alone; then it is tried once, for it may have been set up anew."""


class SinkGone(FatalError):
    """The sink answered that it does not exist any more (a web hook: 410). It is not asked again."""

    def __init__(self, message: str) -> None:
        super().__init__("SinkGone", message, fix="Set the sink up anew, or take it out of the settings.")


async def deliver(app: "App", ref: NoticeRef) -> None:
    """Hands the notice to every sink, then removes its row. Twice = the second finds no row, waits out the minute in
    which it might still come, and ends. Raises what no sink is supposed to raise: that counts towards poison."""
    age = app.clock.now() - ref.first_seen
    notice: Notice | None = None
    try:
        notice = await app.outbox.get(ref.owner, ref.hub_id, ref.seq)
        if notice is None:
            if age < ROW_GRACE:
                await app.notices.put(ref, delay_s=NOT_THERE_YET_S)
            else:
                log.info("notice_dropped", why="no such notice", hub_id=ref.hub_id, seq=ref.seq)
            return
        await _tell_all(app, notice)
        await app.outbox.done(ref.owner, ref.hub_id, ref.seq)
    except RetryableError as error:
        if notice is not None and app.clock.now() - notice.at >= GIVEN_UP_AFTER:
            await _give_up(app, ref, error)
        else:
            await _again(app, ref, age, error)
    except HubletError as error:
        log.error("notice_unreadable", hub_id=ref.hub_id, seq=ref.seq, code=error.code)  # the audit brings it again


async def _tell_all(app: "App", notice: Notice) -> None:
    """Every sink is asked, also when one before it cannot take the notice yet. Raises that one's RetryableError."""
    not_yet: RetryableError | None = None
    for sink in app.sinks:
        try:
            await _tell(app, sink, notice)
        except RetryableError as error:
            not_yet = error
        except HubletError as error:  # this sink will never take it; the others may
            log.error("notice_refused", sink=sink.name, hub_id=notice.hub_id, seq=notice.seq, code=error.code)
    if not_yet is not None:
        raise not_yet


async def _tell(app: "App", sink: Sink, notice: Notice) -> None:
    gone = f"SinkGone/{sink.name}"
    if await app.cache.get(gone, max_age_s=NOT_ASKED_AGAIN_S) is not None:
        return
    try:
        async with asyncio.timeout(SINK_LIMIT_S):
            await sink.deliver(notice)
    except TimeoutError:
        raise RetryableError("SinkTimedOut", f"The sink '{sink.name}' did not answer in time.") from None
    except SinkGone as error:
        await app.cache.put(gone, {"message": error.message})
        await alert(app, gone, f"Nobody is told through '{sink.name}' any more: {error.message} {error.fix}")


async def _give_up(app: "App", ref: NoticeRef, error: RetryableError) -> None:
    message = f"A notice could not be delivered for a day and is given up: {error.message}"
    await alert(app, "NoticeGivenUp", message, hub_id=ref.hub_id, seq=ref.seq, code=error.code)
    try:
        await app.outbox.done(ref.owner, ref.hub_id, ref.seq)
    except RetryableError as trouble:
        log.warning("notice_not_removed", hub_id=ref.hub_id, seq=ref.seq, code=trouble.code)  # the next audit's message


async def _again(app: "App", ref: NoticeRef, age: timedelta, error: RetryableError) -> None:
    """As long again as the notice has waited already, or as long as the sink wishes."""
    if age >= LONGEST_PAUSE:
        log.error("notice_not_delivered", hub_id=ref.hub_id, seq=ref.seq, code=error.code)
        return
    wished = max(SHORTEST_PAUSE_S, age.total_seconds(), error.retry_after_s or 0.0)
    delay_s = min(wished, LONGEST_PAUSE.total_seconds())
    log.warning("notice_put_off", hub_id=ref.hub_id, seq=ref.seq, code=error.code, delay_s=delay_s)
    await app.notices.put(ref, delay_s=delay_s)
