"""Delivering what people are to be told, apart from the work on hubs: trouble with a sink never holds up a hub.

At least once: a notice's row is removed when each of its targets took it or was given up. Whoever took it is not asked
again because of another; only a worker that dies between telling and saving makes somebody hear it twice, under the
same id. Every notice ends: a target that did not take it for three days is given up, and whoever runs the service is
told.

One message travels for a notice: each visit that changes something puts the next one before it saves, so that no crash
can lose the chain; a visit that finds nothing due lets its message end, so that copies do not multiply. What is lost in
spite of that is put again by the hourly audit.
"""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared import log
from shared.errors import ConcurrentUpdate, HubletError, RetryableError
from shared.hubs import deliveries
from shared.hubs.alerts import alert
from shared.hubs.deliveries import UNKNOWN
from shared.hubs.dispatch import LONGEST_DELAY, ROW_GRACE
from shared.hubs.model import Notice
from shared.hubs.ports import Delivery, NoticeRef, Pending, Sink
from shared.hubs.visit import NOTICE_DELAY_S

if TYPE_CHECKING:
    from shared.app import App

NOT_THERE_YET_S = 5.0
"""Pause before a message whose row is not there yet is looked at again."""

SINK_LIMIT_S = 10.0
"""A target that has not answered by then is asked again later, as one that refused."""

SHORTEST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(hours=1)
"""Pauses of a message that storage gives no answer about double up to this. One that has tried for so long ends: the
hourly audit puts a new one for every notice that is overdue, and else their number would grow by one an hour."""

EARLY = timedelta(minutes=1)
"""A message that comes this much before its time (clocks of two workers differ) waits for it. Nothing else is on its
way then."""

SAVE_TRIES = 4
"""How often a change is made again because the row was changed at the same time."""


async def deliver(app: "App", ref: NoticeRef) -> None:
    """Asks every target that is due, side by side, then saves how far each is, or removes the row. Twice = the second
    finds nothing due, or no row: it waits out the minute in which one might still come, and ends. Raises RetryableError
    when no message can be put either: then the host brings this one again."""
    age, pending = app.clock.now() - ref.first_seen, None
    try:
        pending = await app.outbox.get(ref.owner, ref.hub_id, ref.seq)
        if pending is not None:
            await _visit(app, ref, pending)
        elif age < ROW_GRACE:
            await app.notices.put(ref, delay_s=NOT_THERE_YET_S)
        else:
            log.info("notice_dropped", why="no such notice", hub_id=ref.hub_id, seq=ref.seq)
    except RetryableError as error:
        unsaved = timedelta() if pending is None else _unsaved_for(ref, pending)
        await _again(app, ref, max(age, unsaved), error)
    except HubletError as error:  # it cannot be read, or not be saved; the audit brings it again
        log.error("notice_unreadable", hub_id=ref.hub_id, seq=ref.seq, code=error.code)


async def redeliver(app: "App", notice: Notice, target_key: str) -> None:
    """Puts a notice into the outbox again for this one target (`deliveries.key_of`), which has three days anew to take
    it. Its other targets are not asked again. Twice = it is delivered at most twice, under the same id.

    Raises RetryableError `Busy` when others change the row again and again.
    """
    now = app.clock.now()
    again = Delivery(next_at=now, since=now)
    await app.notices.put(_ref(notice, now), delay_s=NOTICE_DELAY_S)
    for _ in range(SAVE_TRIES):
        pending = await app.outbox.get(notice.owner, notice.hub_id, notice.seq)
        if pending is None:
            if await app.outbox.put(Pending(notice=notice, deliveries={target_key: again})):
                return
            continue
        known = pending.deliveries
        if known is None:
            known = _to_ask(app, pending.notice, now)
        try:
            await app.outbox.save(replace(pending, deliveries={**known, target_key: again}))
            return
        except ConcurrentUpdate:
            log.info("redelivery_lost_race", hub_id=notice.hub_id, seq=notice.seq)
    raise RetryableError("Busy", "This notice is being delivered at the moment.", fix="Try again.", retry_after_s=5)


# ------------------------------------------------------------------ one visit


async def _visit(app: "App", ref: NoticeRef, pending: Pending) -> None:
    now = app.clock.now()
    before = pending.deliveries
    if before is None:
        before = _to_ask(app, pending.notice, now)
    if deliveries.due(before, now):
        after = await _ask(app, pending.notice, before, now)
        await _save(app, pending, before, after, message_first=not _unsaved_for(ref, pending))
    else:
        await _nothing_due(app, replace(pending, deliveries=before))


def _unsaved_for(ref: NoticeRef, pending: Pending) -> timedelta:
    """A message is about the time that is saved after it was put. When the row still names an earlier one, that save
    failed, so long ago; or the message is the audit's, for one that is overdue."""
    late = timedelta() if pending.next_at is None else ref.first_seen - pending.next_at
    return max(late, timedelta())


def _to_ask(app: "App", notice: Notice, now: datetime) -> dict[str, Delivery]:
    """Nobody looked yet: every sink is to say whom the notice is for."""
    return {deliveries.key_of(sink.name, UNKNOWN): deliveries.fresh(notice, now) for sink in app.sinks}


async def _nothing_due(app: "App", pending: Pending) -> None:
    """A copy of a message, or one of the audit's. It ends: the one that was put with the row's last save is on its way.
    But for a row that is done with, and a message that is a little early: then it is that one."""
    if pending.next_at is None:
        with suppress(ConcurrentUpdate):  # somebody has put it in again
            await _removed(app, pending)
    elif pending.next_at - app.clock.now() <= EARLY:
        await _put_next(app, pending.notice, pending.next_at)


async def _save(
    app: "App",
    pending: Pending,
    before: Mapping[str, Delivery],
    after: Mapping[str, Delivery],
    *,
    message_first: bool,
) -> None:
    """The next message, then the row. But the row first where saving has failed before: without that, every message
    would bring the next while storage takes no writes, and everybody would hear it again every few seconds. And the row
    all the same when storage takes no message: then the message is tried once more.

    Raises RetryableError when there is no message and no saved row.
    """
    notice, sent = pending.notice, False
    next_at = replace(pending, deliveries=after).next_at
    if message_first and next_at is not None:
        with suppress(RetryableError):
            await _put_next(app, notice, next_at)
            sent = True
    try:
        kept = await _kept(app, pending, before, after)
    except RetryableError as error:
        if not sent:
            raise
        log.warning("notice_not_saved", hub_id=notice.hub_id, seq=notice.seq, code=error.code)  # its message comes
        return
    if not sent and kept is not None:
        await _put_next(app, notice, kept)


async def _kept(
    app: "App", pending: Pending, before: Mapping[str, Delivery], after: Mapping[str, Delivery]
) -> datetime | None:
    """Saves it, or removes the row when all is done. Returns when somebody is to be asked next, None = nobody, or
    another worker looks after it."""
    notice = pending.notice
    for _ in range(SAVE_TRIES):
        pending = replace(pending, deliveries=after)
        try:
            await _twice(app, pending)
            return pending.next_at
        except ConcurrentUpdate:
            stored = await app.outbox.get(notice.owner, notice.hub_id, notice.seq)
        if stored is None:
            return None
        after = deliveries.merged(before, after, stored.deliveries)
        if after == stored.deliveries:
            return None
        pending = stored
    log.warning("notice_lost_race", hub_id=notice.hub_id, seq=notice.seq)
    return None


async def _twice(app: "App", pending: Pending) -> None:
    """Saved, or removed when all is done. An answer that was lost is asked for once more at once: what is not saved is
    told again. (A first try that did take effect makes the second a ConcurrentUpdate.)"""
    try:
        await _once(app, pending)
    except RetryableError:
        await _once(app, pending)


async def _once(app: "App", pending: Pending) -> None:
    if pending.next_at is None:
        await _removed(app, pending)
    else:
        await app.outbox.save(pending)


async def _removed(app: "App", pending: Pending) -> None:
    """Raises ConcurrentUpdate: then there is something to be done again."""
    notice = pending.notice
    await app.outbox.done(notice.owner, notice.hub_id, notice.seq, etag=pending.etag)


async def _put_next(app: "App", notice: Notice, next_at: datetime) -> None:
    """A message about this time, and visible not before it."""
    ahead = max(next_at - app.clock.now(), SHORTEST_PAUSE)
    await app.notices.put(_ref(notice, next_at), delay_s=min(ahead, LONGEST_DELAY).total_seconds())


def _ref(notice: Notice, first_seen: datetime) -> NoticeRef:
    return NoticeRef(owner=notice.owner, hub_id=notice.hub_id, seq=notice.seq, first_seen=first_seen)


async def _again(app: "App", ref: NoticeRef, age: timedelta, error: RetryableError) -> None:
    """Storage gave no answer: as long again as it has failed already."""
    if age >= LONGEST_PAUSE:
        log.error("notice_not_delivered", hub_id=ref.hub_id, seq=ref.seq, code=error.code)
        return
    wished = max(SHORTEST_PAUSE.total_seconds(), age.total_seconds(), error.retry_after_s or 0.0)
    delay_s = min(wished, LONGEST_PAUSE.total_seconds())
    log.warning("notice_put_off", hub_id=ref.hub_id, seq=ref.seq, code=error.code, delay_s=delay_s)
    await app.notices.put(ref, delay_s=delay_s)


# ------------------------------------------------------------------ asking


async def _ask(app: "App", notice: Notice, known: Mapping[str, Delivery], now: datetime) -> dict[str, Delivery]:
    """Everybody who is due, side by side; returns all there is to know then. A sink that can say by now whom the notice
    is for has its targets in its place."""
    asked = deliveries.due(known, now)
    sinks = {sink.name: sink for sink in app.sinks}
    answers = await asyncio.gather(*(_ask_one(app, sinks, notice, known, key) for key in asked))
    rest = {key: one for key, one in known.items() if key not in asked}
    return {**rest, **{key: one for answer in answers for key, one in answer.items()}}


async def _ask_one(
    app: "App", sinks: Mapping[str, Sink], notice: Notice, known: Mapping[str, Delivery], key: str
) -> dict[str, Delivery]:
    name, target = deliveries.parts_of(key)
    if (sink := sinks.get(name)) is None:
        log.warning("notice_sink_gone", sink=name, hub_id=notice.hub_id, seq=notice.seq)
        return {key: replace(known[key], next_at=None, code="SinkNotConfigured")}
    try_ = _Try(app, sink, notice)
    if target != UNKNOWN:
        return {key: await try_.of(target, known[key])}
    try:
        targets = await try_.targets()
    except HubletError as error:
        return {key: await try_.refused(UNKNOWN, known[key], error)}
    at = {deliveries.key_of(name, one): one for one in targets}
    new = [key for key in at if key not in known]
    states = await asyncio.gather(*(try_.of(at[key], Delivery(next_at=app.clock.now())) for key in new))
    return dict(zip(new, states, strict=True))


@dataclass(frozen=True, slots=True)
class _Try:
    """One visit's try to tell the targets of one sink. Raises nothing: trouble is a state of the target it meets."""

    app: "App"
    sink: Sink
    notice: Notice

    async def targets(self) -> Sequence[str]:
        """Raises HubletError."""
        return await self._limited(self.sink.targets(self.notice))

    async def of(self, target: str, one: Delivery) -> Delivery:
        try:
            await self._limited(self.sink.deliver(self.notice, target))
        except HubletError as error:
            return await self.refused(target, one, error)
        return deliveries.told(one)

    async def refused(self, target: str, one: Delivery, error: HubletError) -> Delivery:
        """Put off or given up."""
        app, notice, now = self.app, self.notice, self.app.clock.now()
        facts = {"sink": self.sink.name, "hub_id": notice.hub_id, "seq": notice.seq, "code": error.code}
        if deliveries.passes(error):
            later = deliveries.after_refusal(notice, one, error, now, app.entropy.jitter())
            if later is not None:
                log.warning("notice_put_off", **facts, tries=later.tries, next_at=later.next_at)
                return later
        if not await self._noted(target, error):
            if deliveries.age(notice, one, now) < deliveries.LET_GO_AFTER:
                return replace(one, next_at=now + timedelta(seconds=deliveries.LOOK_AGAIN_S), code=error.code)
            log.error("notice_let_go", **facts)
        if deliveries.passes(error):
            message = f"A notice could not be delivered through '{self.sink.name}' for three days and is given up: "
            await alert(app, f"NoticeGivenUp/{self.sink.name}", message + error.message, **facts)
        else:
            log.error("notice_refused", **facts)
        return deliveries.given_up(one, error)

    async def _noted(self, target: str, error: HubletError) -> bool:
        """The sink notes that this target will not hear of it. False = it could not: then the target stays."""
        if target == UNKNOWN:
            return True
        try:
            await self._limited(self.sink.gave_up(self.notice, target, error))
        except HubletError as trouble:
            log.warning("notice_not_given_up", sink=self.sink.name, hub_id=self.notice.hub_id, code=trouble.code)
            return not deliveries.passes(trouble)
        return True

    async def _limited[T](self, call: Coroutine[Any, Any, T]) -> T:
        """Raises HubletError and nothing else: a bug in a sink is that sink's, and may be mended within three days."""
        try:
            async with asyncio.timeout(SINK_LIMIT_S):
                return await call
        except HubletError:
            raise
        except TimeoutError:
            raise RetryableError("SinkTimedOut", f"The sink '{self.sink.name}' did not answer in time.") from None
        except Exception as bug:
            kind = type(bug).__name__
            log.error("sink_failed", sink=self.sink.name, hub_id=self.notice.hub_id, seq=self.notice.seq, error=kind)
            raise RetryableError("SinkFailed", f"The sink '{self.sink.name}' failed ({kind}).") from bug
