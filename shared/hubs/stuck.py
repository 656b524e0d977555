"""What lasts longer than it may, and what only a person can get out of the way: shown, told to the owner once, alerted.

A stop and a deletion are never given up, so nothing here ends them; it says why they do not end.
"""

from datetime import datetime
from typing import TYPE_CHECKING

from shared.errors import HubletError
from shared.hubs.alerts import alert
from shared.hubs.conditions import ACTION_NEEDED, DELETION_STUCK, STOP_STUCK
from shared.hubs.deadlines import STATE_LIMITS
from shared.hubs.model import Condition, Hub
from shared.hubs.removal import BLOCKED_RETRY_S
from shared.hubs.states import Goal, HubState
from shared.hubs.visit import Visit

if TYPE_CHECKING:
    from shared.app import App

LOCKED_RETRY_S = 24 * 3600.0
"""Somebody put a lock on purpose, and nothing of a hub that is being deleted becomes dearer by waiting for them. A
machine that must be turned off does: that is tried each hour."""


def blocked(visit: Visit, error: HubletError) -> float:
    """Something stands in the way that waiting does not move. Shown; told the owner when it is new. Returns after how
    many seconds it is tried again."""
    deletion = visit.hub.goal is Goal.DELETED
    message = f"{error.message} {error.fix}".strip()
    if not _shown(visit.hub, ACTION_NEEDED):
        what = "deleted" if deletion else "turned off"
        visit.notify(
            "action-needed", f"The hub '{visit.hub.name}' cannot be {what}: {message}", code=error.code, fix=error.fix
        )
    visit.condition(ACTION_NEEDED, message)
    return LOCKED_RETRY_S if deletion and error.code == "ScopeLocked" else BLOCKED_RETRY_S


async def tell(visit: Visit, note: str) -> None:
    """For a visit that has to wait with a stop or a deletion: nothing before its time is up; then the condition with
    the cause as it is now, and at its first time the owner's notice and an alert."""
    late = _late(visit.hub)
    if late is None:
        return
    kind, state, since = late
    limit = STATE_LIMITS[state].limit
    if visit.now <= since + limit:
        return
    hours = limit.total_seconds() / 3600
    what = "turned off" if kind == STOP_STUCK else "deleted"
    message = f"It could not be {what} within {hours:g} h, and is tried on. The last answer was: {note or 'none'}."
    if _shown(visit.hub, kind):  # the cause may change at every visit: shown, but no line of history each time
        visit.update(
            conditions=visit.hub.with_condition(Condition(type=kind, message=message, since=visit.now)).conditions
        )
    else:
        visit.condition(kind, message)
        told = {STOP_STUCK: "stop-stuck", DELETION_STUCK: "deletion-stuck"}[kind]
        visit.notify(told, f"The hub '{visit.hub.name}': {message}", since=since.isoformat())
        await alert(visit.app, kind, f"Hub {visit.hub.id}: {message}")


def over(visit: Visit) -> None:
    """It is done."""
    for kind in (ACTION_NEEDED, STOP_STUCK, DELETION_STUCK):
        visit.no_condition(kind)


async def tell_of_unbegun(app: "App", hub: Hub) -> None:
    """Somebody was promised this hub, and no worker has begun with it although it was driven again and again."""
    if hub.state is HubState.ACCEPTED and app.clock.now() > hub.state_since + STATE_LIMITS[HubState.ACCEPTED].limit:
        await alert(app, "HubsNotBegun", f"Hub {hub.id} was accepted at {hub.state_since:%H:%M} UTC; nobody began it.")


def _late(hub: Hub) -> tuple[str, HubState, datetime] | None:
    """What would be late, measured as which state, and since when it lasts."""
    if hub.state is HubState.DELETING or hub.life.clearing:
        return DELETION_STUCK, HubState.DELETING, hub.state_since
    if hub.state is HubState.STOPPING:
        return STOP_STUCK, HubState.STOPPING, hub.state_since
    if hub.state is HubState.FAILED:
        return STOP_STUCK, HubState.STOPPING, hub.failed_at or hub.state_since
    return None


def _shown(hub: Hub, kind: str) -> bool:
    return any(condition.type == kind for condition in hub.conditions)
