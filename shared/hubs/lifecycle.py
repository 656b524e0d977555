"""The worker's side of a hub: fence a message, decide purely, run one short visit, save.

Crash safety in one paragraph: every visit puts the next message and its due row *before* it saves the row, with the
row's ETag, under the next pass number. Whatever is lost in between is found again: an unsaved row by the message that
is one pass ahead, a lost message by the due row. Copies are harmless, because a row that moved on fences them.
"""

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import log
from shared.errors import ConcurrentUpdate, HubletError, RetryableError, RowTooNew
from shared.hubs import after_ready, removal
from shared.hubs.alerts import alert
from shared.hubs.course import Steps, fail, index_state, run_visit
from shared.hubs.dispatch import LONGEST_DELAY, Drop, LookAgain, Run, due_after, fence, work_message
from shared.hubs.model import Message, Reason
from shared.hubs.states import CREATING, HubState
from shared.hubs.versions import DEFERRED_S
from shared.hubs.visit import Visit

if TYPE_CHECKING:
    from shared.app import App

LOOK_AGAIN_S = 5.0
"""Longest pause before a message whose row is not there yet is looked at again; the first ones are a second."""
STORAGE_PAUSE_S = 30
"""After storage did not answer. It is nobody's bug, so it must not count towards poison and fail the hub."""

GIVE_WAY = timedelta(minutes=2)
"""After this long the due table has handed the hub's row over (`HUBLET_REDRIVE_SECONDS`, the timer's minute), and does
so every 90 s as long as nobody saves the hub."""

# ------------------------------------------------------------------ advance


async def advance(app: "App", steps: Steps, message: Message) -> None:
    """One bounded visit for one message. Twice with the same message = the second is fenced off.

    Expected conditions never raise, trouble of storage's among them; what does raise is a bug and counts towards
    poison (or a queue that takes no message either: then the host's own next delivery is all there is).
    """
    match await _fenced(app, message):
        case None:
            return
        case Drop(why):
            log.info("message_dropped", why=why, hub_id=message.hub_id, pass_number=message.pass_number)
            return
        case LookAgain():
            waited = (app.clock.now() - message.first_seen).total_seconds()
            await app.queue.put(message, delay_s=max(1.0, min(waited, LOOK_AGAIN_S)))
            return
        case Run(hub):
            pass
    visit = Visit(app, hub)
    try:
        with log.bound(hub_id=hub.id, state=str(hub.state), pass_number=hub.pass_number):
            await _visit_and_save(visit, steps)
    except ConcurrentUpdate:
        log.info("visit_lost_race", hub_id=hub.id, pass_number=hub.pass_number)
    except RetryableError as error:
        await _put_again(app, message, STORAGE_PAUSE_S, error)
    except RowTooNew as error:  # its secrets, its owner's quota: as with the hub's own row, no hub is failed for it
        await _put_again(app, message, DEFERRED_S, error)


async def _fenced(app: "App", message: Message) -> Drop | LookAgain | Run | None:
    """What the message may do, or None when its row could not be read and it was put again for later."""
    try:
        verdict = fence(await app.hubs.get(message.owner, message.name), message, app.clock.now())
        if isinstance(verdict, LookAgain) and await app.hubs.gone(message.owner, message.hub_id):
            return Drop("deleted before its first visit")
        return verdict
    except RetryableError as error:
        await _put_again(app, message, STORAGE_PAUSE_S, error)
    except HubletError as error:
        log.error("hub_row_unreadable", hub_id=message.hub_id, code=error.code)
        await _put_again(app, message, DEFERRED_S, error)
    return None


async def _put_again(app: "App", message: Message, delay_s: float, error: HubletError) -> None:
    """The same message, later: whatever the visit had done until then, a later one does again. One that was put long
    ago is let go: its due row brings a fresh copy by now, and two that repeat themselves would be four in the end."""
    if app.clock.now() - message.first_seen > GIVE_WAY:
        log.info("message_gives_way", hub_id=message.hub_id, code=error.code)
        return
    log.warning("visit_put_off", hub_id=message.hub_id, code=error.code, delay_s=delay_s)
    await app.queue.put(message, delay_s=delay_s)


async def _visit_and_save(visit: Visit, steps: Steps) -> None:
    after = await run_visit(visit, steps)
    if visit.hub.state is HubState.DELETED:
        await removal.bury(visit)
        return
    await schedule_and_save(visit, after)


async def schedule_and_save(visit: Visit, after_s: float | None) -> None:
    """Next message and due row first, then the row on its ETag. `after_s` None = settled: no message.

    Raises ConcurrentUpdate when another worker saved first; the copies it leaves behind are fenced off.
    """
    await visit.make_sure()  # a worker that lost the race must not leave a message that doubles every later pass
    app, now = visit.app, visit.now
    visit.update(pass_number=visit.hub.pass_number + 1, updated_at=now)
    if after_s is not None:
        delay = max(after_s, 1.0)  # a message must not be faster than the row it needs
        visit.update(next_look_at=now + timedelta(seconds=delay))
        await asyncio.gather(
            app.queue.put(work_message(visit.hub, now), delay_s=delay),
            app.due.put(due_after(visit.hub, now, delay, redrive_s=app.settings.redrive_s)),
        )
    elif visit.hub.next_look_at is not None:
        await _wake_up(visit, visit.hub.next_look_at)
    await visit.checkpoint()


async def _wake_up(visit: Visit, at: datetime) -> None:
    """For a settled hub: a due row for the timer, and a message that becomes visible to the second. The one that
    comes second finds the pass gone. Too far away for a message = the due row alone."""
    app, now = visit.app, visit.now
    wait_s = max((at - now).total_seconds(), 1.0)
    await app.due.put(due_after(visit.hub, now, wait_s, redrive_s=0))
    if wait_s <= LONGEST_DELAY.total_seconds():
        await app.queue.put(work_message(visit.hub, now), delay_s=wait_s)


# ------------------------------------------------------------------ poison


async def poisoned(app: "App", message: Message, cause: str) -> None:
    """Five visits failed in a row: the hub is failed with the cause (a start is, and the hub stopped), and its machine
    stops billing.

    A hub that is being deleted, or is settled, is only looked at again later: deletion is never given up. A message
    whose pass is over says nothing about the hub: another copy of it was worked on well.
    """
    found = await _fenced(app, message)
    if not isinstance(found, Run):
        return
    hub = found.hub
    visit = Visit(app, hub)
    await alert(app, "WorkerGaveUp", f"Five visits in a row failed; first seen with hub {hub.id}. {cause[:200]}")
    try:
        reason = Reason(
            code="WorkerGaveUp",
            message="The service failed several times in a row while it worked on this hub.",
            fix=f"Send this to whoever runs the service: hub {hub.id}, cause {cause[:200]}.",
        )
        if hub.state in CREATING:
            await fail(visit, reason)
        elif hub.state is HubState.STARTING:
            after_ready.start_failed(visit, reason)
            await index_state(visit)
        await schedule_and_save(visit, 60.0)
    except ConcurrentUpdate:
        log.info("visit_lost_race", hub_id=hub.id)
    except RetryableError as error:
        await _put_again(app, message, STORAGE_PAUSE_S, error)
    except RowTooNew as error:
        await _put_again(app, message, DEFERRED_S, error)
