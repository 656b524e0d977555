"""Every hour: index and due rows are made anew from the hubs, what was lost or overlooked is found, what is old is
removed.

Reads every hub once, so its cost follows how many there are; nothing a user waits for depends on it.
"""

from collections import defaultdict
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import log
from shared.errors import ConcurrentUpdate, HubletError
from shared.hubs import budget, cost, drift, sinks, stuck, ticks
from shared.hubs.agenda import Rules
from shared.hubs.decide import Settle, decide
from shared.hubs.dispatch import due_after, work_message
from shared.hubs.model import Hub
from shared.hubs.ports import IndexEntry, NoticeRef, UnreadableRow
from shared.hubs.states import STABLE, HubState
from shared.hubs.sweep import OUTSIDE, drive_if_overdue, expected_at, look_for_missing
from shared.hubs.visit import Visit

if TYPE_CHECKING:
    from shared.app import App

AHEAD = timedelta(hours=2)
"""Due rows of the coming two hours are put again: with an audit every hour none is missing when its time comes."""

UNDELIVERED = timedelta(minutes=5)
"""A notice that should have been looked at so long ago has lost its message."""

BUDGET_NEARLY_SPENT = "BudgetNearlySpent"


@dataclass(frozen=True, slots=True)
class Audited:
    """What one audit did."""

    hubs: int
    unreadable: int
    driven: int
    forgotten: int


async def audit(app: "App") -> Audited:
    """Twice = the second finds nothing to do. Trouble with one hub does not stop the others."""
    now = app.clock.now()
    known = {entry.hub_id: entry for entry in await app.index.list()}
    seen: set[str] = set()
    watch = await _Watch.begun(app)
    by_owner: defaultdict[str, list[Hub]] = defaultdict(list)
    unreadable = driven = 0
    async for hub in app.hubs.everything():
        if isinstance(hub, UnreadableRow):
            unreadable += 1
            log.error("hub_row_unreadable", owner=hub.owner, name=hub.name, code=hub.code)
            continue
        seen.add(hub.id)
        if app.settings.monthly_budget:
            by_owner[hub.owner].append(hub)
        try:
            await _index(app, hub, known.get(hub.id))
            driven += await _timers(app, hub, now)
            driven += await look_for_missing(app, hub)
            await watch.look(hub)
        except HubletError as error:
            log.warning("audit_put_off", hub_id=hub.id, code=error.code)
        except Exception:
            log.error("audit_failed", hub_id=hub.id)  # a bug with one hub: the others go on
    await _forget_entries(app, [entry for hub_id, entry in known.items() if hub_id not in seen])
    for owner, hubs in by_owner.items():
        await _warn_of_budget(app, owner, hubs)
    await ticks.hand_over(app, await app.due.overlooked(now))
    for pending in await app.outbox.older_than(now - UNDELIVERED):
        notice = pending.notice
        await app.notices.put(NoticeRef(owner=notice.owner, hub_id=notice.hub_id, seq=notice.seq, first_seen=now))
    forgotten = await app.hubs.forget_old(now)
    forgotten += await _beside("sink_store", app.sink_store.forget_old(now)) or 0
    forgotten += await _beside("chat", app.chat.forget_old(now)) or 0
    await _beside("sink_store", sinks.tell_of_unreadable(app))
    log.info("audited", hubs=len(seen), unreadable=unreadable, driven=driven, forgotten=forgotten)
    return Audited(len(seen), unreadable, driven, forgotten)


async def _beside[T](port: str, work: Awaitable[T]) -> T | None:
    """What is looked after beside the hubs; trouble there is no hub's."""
    try:
        return await work
    except HubletError as error:
        log.warning("audit_put_off", port=port, code=error.code)
    except Exception as bug:
        log.error("audit_failed", port=port, error=type(bug).__name__)
    return None


async def _index(app: "App", hub: Hub, entry: IndexEntry | None) -> None:
    wanted = IndexEntry(hub_id=hub.id, owner=hub.owner, name=hub.name, state=str(hub.state))
    # the first pass writes the entry before any Azure call: a hub that was only accepted needs none
    if entry != wanted and (entry is not None or hub.state is not HubState.ACCEPTED):
        await app.index.put(wanted)


async def _timers(app: "App", hub: Hub, now: datetime) -> bool:
    """The hub is driven when nobody looked in time, or when its next look should be earlier than it was planned (a new
    edition of the time zone database moves hours); else its due row is put again."""
    if await drive_if_overdue(app, hub):
        return True
    if hub.state in STABLE and hub.state is not HubState.DELETED:
        match decide(hub, now, Rules.of(app.settings)):
            case Settle(look_at):
                late = look_at is not None and (hub.next_look_at is None or look_at < hub.next_look_at)
            case _:
                late = hub.next_look_at is None or hub.next_look_at > now
        if late:
            await app.due.put(due_after(hub, now, 0, redrive_s=app.settings.redrive_s))
            await app.queue.put(work_message(hub, now))
            return True
    at = expected_at(hub)
    if at is not None and at < now + AHEAD:
        redrive_s = 0 if hub.state in STABLE and at > now else app.settings.redrive_s
        await app.due.put(due_after(hub, now, max((at - now).total_seconds(), 0.0), redrive_s=redrive_s))
    return False


class _Watch:
    """Sizes that were changed in Azure, drift that is another one by now or over, hubs that nobody begins with."""

    def __init__(self, app: "App", sizes: drift.Sizes) -> None:
        self._app, self._sizes, self._looks = app, sizes, drift.LOOKS_OF_AN_AUDIT

    @classmethod
    async def begun(cls, app: "App") -> "_Watch":
        return cls(app, await drift.sizes(app))

    async def look(self, hub: Hub) -> None:
        await stuck.tell_of_unbegun(self._app, hub)
        if self._looks <= 0 or hub.state not in (HubState.READY, HubState.STOPPED):
            return
        if drift.other_size(hub, self._sizes):
            self._looks -= 1
            await drift.take_over_size(self._app, hub, actor=OUTSIDE)
        elif drift.shows(hub):
            self._looks -= 1
            await drift.look(self._app, hub, actor=OUTSIDE)


async def _forget_entries(app: "App", entries: list[IndexEntry]) -> None:
    """Of hubs that are gone, and whose last state is no longer kept either. One that cannot be read is not gone."""
    for entry in entries:
        try:
            hub = await app.hubs.get(entry.owner, entry.name)  # it may have come while the hubs were being read
            if (hub is None or hub.id != entry.hub_id) and await app.hubs.gone(entry.owner, entry.hub_id) is None:
                await app.index.remove(entry.hub_id)
        except HubletError as error:
            log.warning("audit_put_off", hub_id=entry.hub_id, code=error.code)


async def _warn_of_budget(app: "App", owner: str, hubs: list[Hub]) -> None:
    """Once a month, at four fifths of it: shown on every hub of the owner that bills, told once."""
    limit, now = app.settings.monthly_budget, app.clock.now()
    try:
        spent = await budget.spent(app, owner)
    except HubletError as error:
        log.warning("audit_put_off", owner=owner, code=error.code)
        return
    over = cost.budget_state(spent, limit) is not cost.BudgetState.OK
    said = f"Your hubs have cost ${spent:.2f} of ${limit:.2f} this month; at the limit nothing is started any more."
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    told = any(hub.life.warned.get("budget") == month for hub in hubs)
    for hub in hubs:
        visit = Visit(app, hub)
        if not over:
            visit.no_condition(BUDGET_NEARLY_SPENT)
        elif hub.life.warned.get("budget") != month:
            visit.condition(BUDGET_NEARLY_SPENT, said)
            visit.steer(warned={**hub.life.warned, "budget": month})
            if not told:
                visit.notify("budget-nearly-spent", said, spent=round(spent, 2), limit=limit)
        if visit.hub == hub:
            continue
        try:
            await visit.checkpoint()
            told = told or over
        except ConcurrentUpdate:
            log.info("audit_lost_race", hub_id=hub.id)  # the next audit says it
        except HubletError as error:
            log.warning("audit_put_off", hub_id=hub.id, code=error.code)
