"""Deletes everything of a hub and *sees* that nothing is left, in every state, also in the middle of a create."""

from dataclasses import replace
from datetime import timedelta

from shared.errors import FatalError
from shared.hubs.goals import operation_ended
from shared.hubs.long_operation import run_long
from shared.hubs.meter import Billing
from shared.hubs.model import Hub, InstallRecord, Machine, OperationStatus, SshAccess
from shared.hubs.ports import GroupView, IndexEntry
from shared.hubs.states import HubEvent
from shared.hubs.tags import DEPLOYMENT, HUB, is_ours
from shared.hubs.visit import Done, Visit, Wait

BLOCKED_RETRY_S = 3600.0
"""A lock or a foreign group needs a person; look again every hour."""

LATE_WRITES = timedelta(seconds=60)
"""How long after the delete a PUT of an older worker may still reach Azure and make the group anew (its time limits
for a token, a connection and an answer together), and how long a read may lag behind a PUT: until then "there is no
group" is not believed for a hub that may have been in the middle of its creation."""

_STILL_LISTED_S = 5.0
_DELETING_S = 10.0


async def ensure_gone(visit: Visit) -> Done | Wait:
    """Deletes the groups of all attempts if they carry our tags; Done when an empty list of our resources was seen."""
    deployment = await visit.app.identity.get()
    for number in range(1, visit.hub.attempt + 1):
        outcome = await _group_gone(visit, replace(visit.hub, attempt=number), deployment)
        if isinstance(outcome, Wait):
            return outcome
    left = [
        found
        for found in await visit.app.groups.tagged(HUB, visit.hub.id)
        if {key.lower(): value for key, value in found.tags.items()}.get(DEPLOYMENT, deployment) == deployment
    ]
    if left:  # lists lag behind deletes
        return Wait(_STILL_LISTED_S / visit.app.settings.poll_scale, f"{len(left)} resources are still listed")
    early_s = _too_early_s(visit)
    if early_s > 0:
        return Wait(early_s, "a late write could still make something")
    visit.bill(Billing.NOTHING)
    visit.move(HubEvent.GONE, "No Azure resource of this hub is left.")
    return Done()


async def ensure_attempt_gone(visit: Visit) -> Done | Wait:
    """Deletes the present attempt's group, sees that it is gone, and begins the next attempt from nothing."""
    hub = visit.hub
    outcome = await _group_gone(visit, hub, await visit.app.identity.get())
    if isinstance(outcome, Wait):
        return outcome
    visit.bill(Billing.NOTHING)
    visit.tell("attempt", f"Nothing of attempt {hub.attempt} is left in Azure; attempt {hub.attempt + 1} begins.")
    visit.steer(clearing=False)
    next_attempt(visit)
    return Done()


def next_attempt(visit: Visit) -> None:
    """From here on under the next attempt's names, from nothing. Only when the present one has no machine."""
    hub = visit.hub
    visit.update(
        attempt=hub.attempt + 1,
        place=replace(hub.place, rung=hub.place.following or hub.place.rung, following=None, label=0),
        steps={},
        operation=None,
        machine=Machine(),
        install=InstallRecord(),
        host_public_keys=(),
        ssh=SshAccess(),
        acceptance=None,
        url=None,
        conditions=(),
    )


def _too_early_s(visit: Visit) -> float:
    hub = visit.hub
    if not hub.attempts or hub.ready_at is not None:  # Azure was never asked for a group, or its creation is long over
        return 0.0
    believed_at = hub.state_since + LATE_WRITES / visit.app.settings.poll_scale
    return (believed_at - visit.now).total_seconds()


async def _group_gone(visit: Visit, attempt: Hub, deployment: str) -> Done | Wait:
    groups, kind = visit.app.groups, f"delete-{attempt.group_name}"
    if visit.hub.operation is not None and visit.hub.operation.kind == kind:
        outcome = await run_long(visit, kind, lambda: groups.begin_delete(attempt.group_name))
        if isinstance(outcome, Wait):
            return outcome
    group = await groups.get(attempt.group_name)
    if group is None:
        return Done()
    if group.deleting:
        return Wait(_DELETING_S / visit.app.settings.poll_scale, "the resource group is being deleted")
    _check_ours(group, attempt, deployment)
    visit.update(operation=None)
    outcome = await run_long(visit, kind, lambda: groups.begin_delete(attempt.group_name))
    return outcome if isinstance(outcome, Wait) else Wait(_STILL_LISTED_S / visit.app.settings.poll_scale)


def _check_ours(group: GroupView, hub: Hub, deployment: str) -> None:
    if not is_ours(group.tags, hub, deployment):
        raise FatalError(
            "ForeignResourceGroup",
            f"The resource group '{group.name}' does not carry this hub's tags, so it is not touched.",
            fix="Put the tags back or delete the group by hand; then the hub's deletion goes on by itself.",
        )


async def bury(visit: Visit) -> None:
    """The end: the row goes, `gone!` stays readable for 30 days, the operation succeeds, the quota is free again."""
    hub = visit.hub
    operation_ended(visit, OperationStatus.SUCCEEDED)
    await visit.app.index.put(IndexEntry(hub_id=hub.id, owner=hub.owner, name=hub.name, state=str(hub.state)))
    visit.update(updated_at=visit.now)
    visit.notify("deleted", f"The hub '{hub.name}' is deleted; nothing of it is left in Azure.")
    await visit.announce()
    await visit.app.hubs.bury(visit.change())
