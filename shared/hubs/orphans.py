"""Leftovers: what carries our deployment id although no hub has it. Found by every sweep, removed by a later one.

Three things must be true before anything is deleted: two sweeps some minutes apart listed it, a fresh read of all hub
rows knows no hub it belongs to, and the group, read by itself, carries our deployment id and that hub's tag under the
name we give to that hub's groups. A name alone, or a tag alone, is never enough. Only whole groups are deleted: a
single thing of ours in a group that is not ours got there by somebody's hand, who may use it, so it is only told.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from shared import log
from shared.errors import HubletError, RetryableError
from shared.hubs.absences import Absences
from shared.hubs.alerts import alert
from shared.hubs.inventory import Inventory, OurGroup, hub_named_by, named, tag_of
from shared.hubs.model import Hub
from shared.hubs.ports import GroupView, UnreadableRow
from shared.hubs.states import Goal
from shared.hubs.tags import DEPLOYMENT, HUB

if TYPE_CHECKING:
    from shared.app import App

KEY = "sweep-orphans"

MOST_REMOVED = 3
"""Groups one sweep may delete. Leftovers are rare: more of them at once means that we are wrong about what exists."""

LOOKS = MOST_REMOVED + 1
"""Groups read by themselves in one sweep: enough to know that there are too many."""

MOST_REMEMBERED = 200
"""Of so many nothing is removed anyway, and what is remembered stays below the 64 KiB of a table's property."""

_NAMED_IN_ALERT = 10


class Why(StrEnum):
    NO_HUB = "there is no hub of that id"
    OLD_ATTEMPT = "the hub is at a later attempt"
    NAME = "its name is not one that we give to that hub's groups"
    NO_HUB_TAG = "it names no hub"
    TAGS = "read by itself it does not carry that hub's tags"
    USED = "there is something in it without this deployment's id"
    STRAY = "it is in a resource group that is not ours"


_REMOVABLE = frozenset({Why.NO_HUB, Why.OLD_ATTEMPT})


@dataclass(frozen=True, slots=True)
class Orphan:
    """A group to remove, or something only a person can judge. `what`: the kinds of things, or their ids."""

    group: str
    why: Why
    what: tuple[str, ...] = ()
    hub_id: str = ""
    attempt: int = 0

    @property
    def removable(self) -> bool:
        return self.why in _REMOVABLE

    def __str__(self) -> str:
        holds = f" ({named(self.what)})" if self.what else ""
        return f"{self.group}{holds}: {self.why}"


def judge(inventory: Inventory, alive: Collection[str]) -> Sequence[Orphan]:
    """What looks left over in this list. `alive`: ids of the hubs the index knows, the deleted ones left out. Pure; a
    suspicion, not yet a verdict: the index may lag, and the list too."""
    latest = inventory.latest()
    found = [orphan for group in inventory.groups.values() if (orphan := _judged(group, latest, alive)) is not None]
    for group, ids in inventory.strays.items():
        if hub_named_by(group) not in alive:  # else a live hub's group has lost its tags: shown as drift
            found.append(Orphan(group, Why.STRAY, ids))
    return sorted(found, key=lambda orphan: (not orphan.removable, orphan.group))


def _judged(group: OurGroup, latest: Mapping[str, OurGroup], alive: Collection[str]) -> Orphan | None:
    what = tuple(sorted(group.kinds))
    if group.hub_id is None:
        return None if hub_named_by(group.name) in alive else Orphan(group.name, Why.NO_HUB_TAG, what)
    if group.attempt is None:
        return Orphan(group.name, Why.NAME, what, group.hub_id)
    if group.hub_id not in alive:
        return Orphan(group.name, Why.NO_HUB, what, group.hub_id, group.attempt)
    if latest[group.hub_id] is not group:
        return Orphan(group.name, Why.OLD_ATTEMPT, what, group.hub_id, group.attempt)
    return None


# ------------------------------------------------------------------ what a sweep does


@dataclass(frozen=True, slots=True)
class Tidied:
    """`found`: what looks left over now. `removed`: the groups whose deletion has begun."""

    found: tuple[Orphan, ...]
    removed: tuple[str, ...] = ()


async def tidy(app: "App", inventory: Inventory, alive: Collection[str], deployment: str) -> Tidied:
    """Notes leftovers, and begins to delete those an earlier sweep has seen as well. Twice = joins the running delete.

    Costs Azure nothing but `LOOKS` group reads and `MOST_REMOVED` lists at most, and those only when something is
    about to be deleted. Raises RetryableError when storage or Azure does not answer; then nothing more is deleted.
    """
    found = judge(inventory, alive)
    sightings = await Absences.known(app.cache, KEY)
    now = app.clock.now()
    confirmed = [one for one in found[:MOST_REMEMBERED] if sightings.confirmed(one.group.lower(), now)]
    if found:
        log.warning("leftovers_seen", count=len(found), groups=_short(found))
    removed: list[str] = []
    try:
        await _only_told(app, [one for one in confirmed if not one.removable])
        for orphan in await _doomed(app, [one for one in confirmed if one.removable], deployment):
            if await _delete(app, orphan):
                removed.append(orphan.group)
                sightings.forget(orphan.group.lower())
    finally:
        await sightings.keep(app.cache, also=())
    return Tidied(tuple(found), tuple(removed))


async def _doomed(app: "App", confirmed: Sequence[Orphan], deployment: str) -> Sequence[Orphan]:
    """Those that are left over for certain; none when there are more than a sweep may delete."""
    if not confirmed:
        return ()
    orphans = await _without_hub(app, confirmed)
    if len(orphans) > LOOKS:
        return await _too_many(app, orphans)
    there: list[Orphan] = []
    for orphan in orphans:
        group = await app.groups.get(orphan.group)
        if group is None or group.deleting:  # the list lags
            continue
        if not _carries_our_tags(group, orphan, deployment):
            await _only_told(app, [replace(orphan, why=Why.TAGS)])
            continue
        there.append(orphan)
    if len(there) > MOST_REMOVED:
        return await _too_many(app, there)
    return [orphan for orphan in there if not await _others_use_it(app, orphan, deployment)]


async def _without_hub(app: "App", confirmed: Sequence[Orphan]) -> Sequence[Orphan]:
    """Reads every hub row: the index may have lost one, and a hub whose row cannot be read is not gone."""
    wanted = {orphan.hub_id for orphan in confirmed}
    hubs: dict[str, Hub] = {}
    unreadable: set[str] = set()
    rows = 0
    async for row in app.hubs.everything():
        rows += 1
        if isinstance(row, UnreadableRow):
            unreadable.add(row.name)
        elif row.id in wanted:
            hubs[row.id] = row
    if not rows:
        await alert(
            app,
            "NoHubsFound",
            "Storage shows no hub at all, but Azure has resources of this deployment. Nothing is removed: look whether "
            f"the app has its right storage account, then delete by hand what is left: {_short(confirmed)}",
        )
        return ()
    return [orphan for orphan in confirmed if _is_over(orphan, hubs.get(orphan.hub_id), unreadable)]


def _is_over(orphan: Orphan, hub: Hub | None, unreadable: Collection[str]) -> bool:
    if hub is not None:  # one that is being deleted removes the groups of all its attempts itself
        return orphan.attempt < hub.attempt and hub.goal is not Goal.DELETED
    return orphan.why is Why.NO_HUB and orphan.hub_id.rpartition("-")[0] not in unreadable


def _carries_our_tags(group: GroupView, orphan: Orphan, deployment: str) -> bool:
    return tag_of(group.tags, DEPLOYMENT) == deployment and tag_of(group.tags, HUB) == orphan.hub_id


async def _others_use_it(app: "App", orphan: Orphan, deployment: str) -> bool:
    """Whether the group holds anything without our deployment id, which would go with it. All we make has it; only what
    is part of something else, as a machine's extensions are, need not. (An OS disk gets its machine's tags when it is
    made: https://github.com/hashicorp/terraform-provider-azurerm/issues/8162.)"""
    within = await app.groups.within(orphan.group)
    foreign = [ref for ref in within if ref.type.count("/") == 1 and tag_of(ref.tags, DEPLOYMENT) != deployment]
    if foreign:
        await _only_told(app, [replace(orphan, why=Why.USED, what=tuple(ref.id for ref in foreign))])
    return bool(foreign)


async def _delete(app: "App", orphan: Orphan) -> bool:
    try:
        await app.groups.begin_delete(orphan.group)
    except RetryableError:
        raise
    except HubletError as error:
        log.error("leftover_not_removed", group=orphan.group, code=error.code)
        await alert(app, "LeftoverNotRemoved", f"Azure refuses to delete {orphan}. {error.message}", code=error.code)
        return False
    log.warning("leftover_removed", group=orphan.group, hub_id=orphan.hub_id, why=str(orphan.why))
    await alert(app, "LeftoverRemoved", f"A resource group that belongs to no hub is being deleted: {orphan}.")
    return True


async def _too_many(app: "App", orphans: Sequence[Orphan]) -> Sequence[Orphan]:
    await alert(
        app,
        "TooManyLeftovers",
        f"{len(orphans)} resource groups look left over, more than the {MOST_REMOVED} a sweep may remove, so none is. "
        f"Look whether storage has lost hubs, then delete by hand what is left: {_short(orphans)}",
    )
    return ()


async def _only_told(app: "App", orphans: Sequence[Orphan]) -> None:
    if orphans:
        await alert(
            app,
            "LeftoverNeedsAPerson",
            f"These carry this deployment's id, but are not deleted, because somebody may use them: {_short(orphans)}",
        )


def _short(orphans: Sequence[Orphan]) -> str:
    more = f"; and {len(orphans) - _NAMED_IN_ALERT} more" if len(orphans) > _NAMED_IN_ALERT else ""
    return "; ".join(str(one) for one in orphans[:_NAMED_IN_ALERT]) + more
