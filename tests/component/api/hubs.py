"""Hubs in every state, put straight into the store, and rivals who change them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.hubs.model import Hub, Life, Message, Reason
from shared.hubs.ports import DueRow, IndexEntry
from shared.hubs.states import CREATING, Goal, HubState
from tests.support.builders import a_hub, a_ready_hub, a_spec, a_stopped_hub
from tests.support.clock import MONDAY_MORNING
from tests.support.world import World

NOW = MONDAY_MORNING + timedelta(hours=2)
"""11:30 UTC, half past twelve in Berlin: the hub of the builders has been ready for some time."""


def a_hub_in(state: HubState, **changes: Any) -> Hub:
    """A hub of `jaydoe` in that state, with the goal and the operation that led there."""
    changes = {"owner": "jaydoe", "state": state, **changes}
    match state:
        case state if state in CREATING:
            return a_hub(**changes)
        case HubState.READY:
            return a_ready_hub(**changes)
        case HubState.STARTING:
            steps = {"generation": 3, "operation_kind": "start", "deallocated_at": None, "life": Life()}
            return a_stopped_hub(**{"goal": Goal.RUNNING, **steps, **changes})
        case HubState.STOPPING:
            return a_stopped_hub(**{"deallocated_at": None, **changes})
        case HubState.STOPPED:
            return a_stopped_hub(**changes)
        case HubState.FAILED:
            reason = Reason(code="InstallFailed", message="apt was locked.")
            return a_hub(**{"reason": reason, "failed_at": MONDAY_MORNING, **changes})
        case _:
            return a_ready_hub(**{"goal": Goal.DELETED, "generation": 2, "operation_kind": "delete", **changes})


def stored(world: World, state: HubState = HubState.READY, **changes: Any) -> Hub:
    """Puts such a hub there, findable by its id; the clock shows `NOW`."""
    world.clock.advance_to(NOW)
    spec = changes.pop("spec", None) or a_spec(
        **{
            name: changes.pop(name)
            for name in ("schedule", "idle_minutes", "expires_at", "ssh_from")
            if name in changes
        }
    )
    hub = world.storage.hubs.seed(a_hub_in(state, spec=spec, **changes))
    world.storage.index.entries[hub.id] = IndexEntry(hub_id=hub.id, owner=hub.owner, name=hub.name, state=str(state))
    return hub


def sent(world: World) -> list[Message]:
    """Every message to a worker about one hub that was ever put."""
    return [queued.message for queued in world.storage.queue.sent if isinstance(queued.message, Message)]


# ---- rivals


def touched(world: World, **changes: Any) -> Callable[[], None]:
    """What saves the only hub as somebody else would."""

    def save() -> None:
        world.storage.hubs.seed(replace(world.hub, **changes))

    return save


def meanwhile(world: World, happens: Callable[[], None]) -> None:
    """Lets something happen once: after a request has decided, right before it saves the hub."""
    due, left = world.storage.due, [happens]
    put = due.put

    async def put_and_more(row: DueRow) -> None:
        await put(row)
        if left:
            left.pop()()

    due.put = put_and_more  # type: ignore[method-assign]
