"""Every five minutes: what Azure shows against what we believe, both ways, level-triggered.

Two lists, of all machines' power states and of all that is tagged as ours, cost one ARM read for each page, however
many hubs there are; only a hub whose machine is not as it should be, or that misses something, is looked at by itself.
What somebody did in the portal is taken as meant: a hub whose machine was turned off is stopped, one whose machine was
turned on is started and checked. A machine that is off but still billed is deallocated. What belongs to no hub is
removed at its second sighting (orphans.py), other changes are shown (drift.py).
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared import log
from shared.errors import ConcurrentUpdate, HubletError
from shared.hubs import after_ready, agenda, budget, drift, orphans, schedule
from shared.hubs.absences import Absences
from shared.hubs.agenda import Rules
from shared.hubs.dispatch import due_after, work_message
from shared.hubs.goals import change_goal
from shared.hubs.inventory import inventory_of
from shared.hubs.lifecycle import schedule_and_save
from shared.hubs.meter import Billing
from shared.hubs.model import Hub
from shared.hubs.ports import IndexEntry, VmPower, VmView
from shared.hubs.schedule import Kind
from shared.hubs.states import STABLE, Goal, HubEvent, HubState
from shared.hubs.tags import DEPLOYMENT
from shared.hubs.visit import Visit

if TYPE_CHECKING:
    from shared.app import App

type Do = Callable[["App", IndexEntry, Hub], Awaitable[bool]]

OUTSIDE = "azure"
"""The actor of what was done in Azure behind our back."""

LISTS_LAG = timedelta(minutes=3)
"""A list may be older than what we just did: a hub that changed within this time is left to the next sweep."""

OVERDUE = timedelta(minutes=5)
EVERY = timedelta(minutes=5)
LOOKS = 40
"""Hubs looked at by themselves in one sweep: with the list it stays at 12 ARM reads a minute."""

_ON = frozenset({"running", "starting"})
_BILLED = _ON | {"stopped", "stopping"}
_MISSING = "missing"
_VM_NAME = re.compile(r"(?P<hub>.+)-a(?P<attempt>\d+)-vm")
_EXPECTED: Mapping[HubState, frozenset[str]] = {
    HubState.READY: _ON,
    HubState.STOPPED: frozenset({"deallocated", "deallocating"}),
    HubState.FAILED: frozenset({"deallocated", "deallocating", _MISSING}),
}


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep did. `suspects`: hubs whose machine is not as it should be. `leftovers`: what looks as if it
    belonged to no hub; `removed`: of how many of them the deletion has begun."""

    hubs: int
    suspects: int
    driven: int
    leftovers: int = 0
    removed: int = 0


async def sweep(app: "App") -> Swept:
    """Twice = the second finds what the first has not settled yet. Trouble with one hub does not stop the others; when
    Azure does not answer, it raises RetryableError after what needs no Azure is done."""
    entries = [entry for entry in await app.index.list() if entry.state != HubState.DELETED]
    driven = 0
    for entry in entries:
        if entry.state not in STABLE:
            driven += await _safely(app, entry, _drive_overdue)
    powers = _by_hub(await app.compute.powers())
    suspects = [entry for entry in entries if _is_suspect(entry, powers.get(entry.hub_id, _MISSING))]
    absences = await Absences.known(app.cache)

    async def compare(app: "App", entry: IndexEntry, hub: Hub) -> bool:
        return await _compare(app, entry, hub, absences)

    looked_at = _in_turn(suspects, app.clock.now())
    for entry in looked_at:
        await _safely(app, entry, compare)
    unseen = {entry.hub_id for entry in suspects if powers.get(entry.hub_id) is None}
    await absences.keep(app.cache, also=unseen - {entry.hub_id for entry in looked_at})

    deployment = await app.identity.get()
    inventory = inventory_of(await app.groups.tagged(DEPLOYMENT, deployment), deployment)
    await _show_drift(app, drift.suspects(inventory, entries, powers), entries, looks=(LOOKS - len(looked_at)) // 2)
    tidied = await orphans.tidy(app, inventory, {entry.hub_id for entry in entries}, deployment)
    log.info("swept", hubs=len(entries), suspects=len(suspects), driven=driven, leftovers=len(tidied.found))
    return Swept(len(entries), len(suspects), driven, len(tidied.found), len(tidied.removed))


def _by_hub(vms: Sequence[VmPower]) -> Mapping[str, str]:
    """Power state by hub id, of the latest attempt. Names are compared in lower case, and the group's, too: a copy of a
    machine may have its name in another group."""
    found: dict[str, tuple[int, str]] = {}
    for vm in vms:
        match = _VM_NAME.fullmatch(vm.name.lower())
        if match is None or vm.group.lower() != f"hublet-{match['hub']}-a{match['attempt']}":
            continue
        if int(match["attempt"]) >= found.get(match["hub"], (0, ""))[0]:
            found[match["hub"]] = (int(match["attempt"]), vm.power or "")
    return {hub_id: power for hub_id, (_, power) in found.items()}


def _in_turn(suspects: Sequence[IndexEntry], now: datetime) -> Sequence[IndexEntry]:
    """Those that are looked at by this sweep. Others of them by the next one: what stays suspicious must not keep the
    rest from being looked at."""
    if len(suspects) <= LOOKS:
        return suspects
    first = int(now.timestamp() // EVERY.total_seconds()) * LOOKS % len(suspects)
    return [*suspects[first:], *suspects[:first]][:LOOKS]


def _is_suspect(entry: IndexEntry, power: str) -> bool:
    """A machine of which Azure does not say the power state is not judged."""
    expected = _EXPECTED.get(HubState(entry.state)) if entry.state in set(HubState) else None
    return expected is not None and power != "" and power not in expected


async def _safely(app: "App", entry: IndexEntry, do: Do) -> bool:
    try:
        hub = await app.hubs.get(entry.owner, entry.name)
        return hub is not None and hub.id == entry.hub_id and await do(app, entry, hub)
    except ConcurrentUpdate:
        log.info("sweep_lost_race", hub_id=entry.hub_id)
    except HubletError as error:
        log.warning("sweep_put_off", hub_id=entry.hub_id, code=error.code)
    except Exception:
        log.error("sweep_failed", hub_id=entry.hub_id)  # a bug with one hub: the others go on
    return False


# ------------------------------------------------------------------ the machine


async def _compare(app: "App", entry: IndexEntry, hub: Hub, absences: Absences) -> bool:
    if hub.state != entry.state:
        await app.index.put(replace(entry, state=str(hub.state)))
        return False
    now = app.clock.now()
    if now - hub.state_since < LISTS_LAG or (hub.machine.vm_id is None and hub.state is not HubState.FAILED):
        return False
    view = await app.compute.vm(hub.group_name, hub.vm_name, with_power=True)
    visit = Visit(app, hub, actor=OUTSIDE)
    if view is not None:
        await _is_there(visit, view)
    elif hub.state is not HubState.FAILED and hub.machine.missing_since is None and absences.confirmed(hub.id, now):
        _gone(visit)
    return await _saved(visit, hub)


async def look_for_missing(app: "App", hub: Hub) -> bool:
    """Whether a machine that was believed to be gone is there again; then its hub is as before, or adopted. One ARM
    read for a hub that misses its machine, none for any other."""
    if hub.state not in STABLE or not _misses_its_machine(hub):
        return False
    view = await app.compute.vm(hub.group_name, hub.vm_name, with_power=True)
    if view is None:
        return False
    visit = Visit(app, hub, actor=OUTSIDE)
    await _is_there(visit, view)
    return await _saved(visit, hub)


def _misses_its_machine(hub: Hub) -> bool:
    """Found missing by a sweep or a start, or by a stop, which only says that nothing bills any more."""
    stopped_without = hub.state is HubState.STOPPED and hub.meter.billing is Billing.NOTHING
    return hub.machine.missing_since is not None or stopped_without


async def _saved(visit: Visit, before: Hub) -> bool:
    """Saves and wakes a worker, if anything changed."""
    if visit.hub == before:
        return False
    await schedule_and_save(visit, 0.0)
    return True


async def _is_there(visit: Visit, view: VmView) -> None:
    if _misses_its_machine(visit.hub):
        visit.update(machine=replace(visit.hub.machine, missing_since=None))
        visit.no_condition("Drifted")
        visit.bill(Billing.STOPPED)  # disk and address are there again
    if view.power in _BILLED:
        visit.bill(Billing.RUNNING)
    await _other_power(visit, view)


def _gone(visit: Visit) -> None:
    if visit.hub.state is HubState.READY:
        _found_off(visit, "The virtual machine is no longer in Azure.")
    visit.bill(Billing.NOTHING)  # disk and address were deleted with it
    after_ready.missing(visit)


async def _other_power(visit: Visit, view: VmView) -> None:
    hub, power = visit.hub, view.power
    match hub.state:
        case HubState.READY if power is not None and power not in _ON:
            _found_off(visit, f"Azure shows the machine as {power}.")
        case HubState.STOPPED if power in _ON:
            await _found_on(visit)
        case HubState.STOPPED | HubState.FAILED if power in _BILLED:
            _still_billed(visit, str(power))
        case _:
            pass


def _found_off(visit: Visit, seen: str) -> None:
    due = agenda.due_stop(visit.hub, Rules.of(visit.app.settings), visit.now)
    if due is not None:  # this app was down then, and Azure's own shutdown has done it
        after_ready.stop(visit, due, detail=seen)
        return
    cursor, owed = visit.hub.life.cursor, _start_is_owed(visit.hub, visit.now)
    then = "The schedule wants it to run by now." if owed else "That was not done here, and is taken as meant."
    change_goal(visit, Goal.STOPPED, HubEvent.FOUND_OFF, "stop", f"{seen} {then}")
    after_ready.stopping(visit, "turned off outside of Hublet")
    if owed:
        visit.steer(cursor=cursor)


def _start_is_owed(hub: Hub, now: datetime) -> bool:
    """Whether the schedule stopped and started the hub while nobody was there to do it (this app was down). Then
    Azure's own shutdown has done the stop, and the start is still to come."""
    plan, life = hub.spec.schedule, hub.life
    if plan is None:
        return False
    since = life.cursor or hub.created_at
    last = schedule.last_event(plan, now, ignoring=life.skipped_stop)
    if last is None or last.kind is Kind.STOP or last.at <= since:
        return False
    if life.keep_until is not None and life.keep_until >= last.at:
        return False  # the hub ran through on purpose
    stop = schedule.next_event(plan, since, kind=Kind.STOP, ignoring=life.skipped_stop)
    return stop is not None and stop.at < last.at


async def _found_on(visit: Visit) -> None:
    """Whoever turned it on wants to work, unless the hub may not run any more."""
    hub = visit.hub
    expired = hub.spec.expires_at is not None and hub.spec.expires_at <= visit.now
    if expired or await budget.refusal(visit.app, hub.owner) is not None:
        _still_billed(visit, "running")
        return
    change_goal(visit, Goal.RUNNING, HubEvent.FOUND_ON, "start", "The machine was turned on outside of Hublet.")
    after_ready.starting(visit)


def _still_billed(visit: Visit, power: str) -> None:
    seen = f"Azure shows the machine as {power}, so it bills; it is deallocated."
    if visit.hub.state is HubState.FAILED:
        if visit.hub.deallocated_at is not None:  # else a worker is at it already
            visit.update(deallocated_at=None)
            visit.tell("power", seen)
        return
    change_goal(visit, Goal.STOPPED, HubEvent.STOP, "stop", seen)
    after_ready.stopping(visit, "turned on although it may not run")


# ------------------------------------------------------------------ the rest of a hub


async def _show_drift(app: "App", found: Sequence[IndexEntry], entries: Sequence[IndexEntry], *, looks: int) -> None:
    """Shows what two sweeps have found, and looks once more where nothing is found any more: `looks` hubs at most, two
    reads each. Who has to wait is looked at later, at the latest by the hourly audit."""
    sightings = await Absences.known(app.cache, drift.KEY)
    now = app.clock.now()
    confirmed = [entry for entry in found if sightings.confirmed(entry.hub_id, now)]
    over = [entry for entry in entries if entry.hub_id in sightings.over]
    left = looks

    async def look(app: "App", entry: IndexEntry, hub: Hub) -> bool:
        nonlocal left
        news = drift.shows(hub) == (entry in over)  # shown already: the audit sees whether it has become another drift
        if not news or left <= 0 or hub.state != entry.state or now - hub.state_since < LISTS_LAG:
            return False
        left -= 1
        return await drift.look(app, hub, actor=OUTSIDE)

    for entry in (*confirmed, *over):
        await _safely(app, entry, look)
    await sightings.keep(app.cache, also=())


# ------------------------------------------------------------------ hubs nobody drives


async def _drive_overdue(app: "App", entry: IndexEntry, hub: Hub) -> bool:
    """A hub that is being changed but was not looked at in time: its message and its due row must be lost."""
    return await drive_if_overdue(app, hub)


async def drive_if_overdue(app: "App", hub: Hub) -> bool:
    """Puts the hub's present pass on the queue again. Twice is harmless: the second message finds the pass gone."""
    now, at = app.clock.now(), expected_at(hub)
    if at is None or now - at < OVERDUE:
        return False
    await app.due.put(due_after(hub, now, 0, redrive_s=app.settings.redrive_s))
    await app.queue.put(work_message(hub, now))
    log.warning("hub_overdue", hub_id=hub.id, state=str(hub.state))
    return True


def expected_at(hub: Hub) -> datetime | None:
    """When a worker should look at the hub. A request wakes one at once: until its first visit is saved, what was
    planned before the request says nothing."""
    if hub.state not in STABLE and hub.pass_number == 1:
        return hub.goal_since or hub.created_at
    return hub.next_look_at
