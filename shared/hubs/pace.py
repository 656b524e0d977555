"""A hub's turn to write to Azure, and the time in which it could not ask: what the gate says, remembered on the hub.

A create reserves its writes at the entrance, before its first one, and gets a slot. Coming back it has its turn and
does not queue anew. A slot that is not used in time, or was given before Azure throttled us or was away, is void.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.hubs.gate_state import AzurePaused
from shared.hubs.model import Hub, WriteSlot
from shared.hubs.states import HubState
from shared.hubs.visit import Visit, Wait
from shared.hubs.write_budget import Lane

GROUP = "group"
"""The kind of a create's first write, which is no long operation."""

_STILL_TO_COME: Mapping[str, int] = {GROUP: 4, "nsg-network": 3, "vnet": 2, "machine": 1}
"""Writes from this one on until the machine is asked for."""

VALID_FOR = timedelta(minutes=2)
"""Group to machine take some 15 s; tokens that are not used when they flow in are lost to the bucket."""

SHOWN_FROM_S = 30.0
CONDITION = "WaitingForAzure"


@dataclass(frozen=True, slots=True)
class Blocked(Wait):
    """A wait that is not the hub's own: no deadline counts it."""


async def turn(visit: Visit, kind: str) -> Blocked | None:
    """Asked before every write: None = it is this hub's turn. Twice for one write takes it twice."""
    lane = _lane(visit.hub, kind)
    slot = visit.hub.slot
    if slot is None or not _holds(visit, slot, lane):
        writes = _STILL_TO_COME.get(kind, 1) if lane is Lane.LINE else 1
        slot = WriteSlot(lane=lane, at=await visit.app.gate.reserve(lane, writes), left=writes)
    wait_s = (slot.at - visit.now).total_seconds()
    if wait_s > 0:
        visit.update(slot=slot)
        return _blocked(visit, wait_s, f"Azure takes so many writes a second: this hub's turn is in {wait_s:.0f} s.")
    visit.update(slot=replace(slot, left=slot.left - 1) if slot.left > 1 else None)
    return None


async def back(visit: Visit) -> Blocked | None:
    """Asked once, at the first visit after an outage that this hub waited for: None = it is its turn to come back."""
    since = visit.hub.blocked_since
    if since is None or not visit.app.gate.back_since(since):
        return None
    slot = visit.hub.slot
    if slot is None or not _holds(visit, slot, Lane.RETURN):
        slot = WriteSlot(lane=Lane.RETURN, at=await visit.app.gate.reserve(Lane.RETURN, 1), left=1)
    wait_s = (slot.at - visit.now).total_seconds()
    if wait_s > 0:
        visit.update(slot=slot)
        return _blocked(visit, wait_s, "Azure answers again; the hubs that waited come back one after the other.")
    visit.update(slot=None)
    asked(visit)
    return None


def paused(visit: Visit, error: AzurePaused) -> Blocked:
    """Azure was not asked: the hub waits, and nothing is held against it."""
    return _blocked(visit, error.retry_after_s or 0.0, error.message)


def asked(visit: Visit) -> None:
    """Azure could be asked again, or need not be: the time until now is excused."""
    since = visit.hub.blocked_since
    if since is None:
        return
    visit.update(blocked_since=None)
    visit.no_condition(CONDITION)
    hub, step = visit.hub, visit.hub.next_step
    if hub.state is HubState.STARTING:
        visit.steer(excused_s=hub.life.excused_s + _seconds(since, hub.goal_since, visit.now))
    elif step is not None and (record := hub.step(step)).started_at is not None:
        seconds = _seconds(since, record.started_at, visit.now)
        visit.record(replace(record, excused_s=record.excused_s + seconds))


def _seconds(since: datetime, started: datetime | None, now: datetime) -> float:
    return max(0.0, (now - max(since, started or since)).total_seconds())


def _blocked(visit: Visit, wait_s: float, why: str) -> Blocked:
    if visit.hub.blocked_since is None:
        visit.update(blocked_since=visit.now)
    if wait_s >= SHOWN_FROM_S / visit.app.settings.poll_scale and not _shown(visit.hub):
        visit.condition(CONDITION, why)
    return Blocked(wait_s, why)


def _shown(hub: Hub) -> bool:
    return any(condition.type == CONDITION for condition in hub.conditions)


def _lane(hub: Hub, kind: str) -> Lane:
    if kind.startswith("delete-"):
        return Lane.DELETE
    return Lane.LINE if hub.state is HubState.PROVISIONING else Lane.CHANGE


def _holds(visit: Visit, slot: WriteSlot, lane: Lane) -> bool:
    return slot.lane == lane and visit.now < slot.at + VALID_FOR and not visit.app.gate.void(slot.at)
