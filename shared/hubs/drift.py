"""Drift: what somebody changed in Azure about a hub that lives. Shown as condition `Drifted`, never put right here.

The sweep's list of what is tagged tells, without a read for any hub, where something is missing; a hub that looks so
at two sweeps is looked at by itself (its group, and what is in it). The condition goes when nothing of it is true any
more. A size that was changed in the portal is taken over, and its price: the hourly audit sees it in the list of all
machines. A machine that is gone is the sweep's own matter (sweep.py), with the same condition.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shared import log
from shared.errors import HubletError
from shared.hubs.after_ready import DRIFTED
from shared.hubs.inventory import (
    ADDRESS,
    DISK,
    INTERFACE,
    MACHINE,
    NAMES,
    NETWORK,
    SECURITY_GROUP,
    Inventory,
    OurGroup,
    named,
    tag_of,
)
from shared.hubs.model import Hub, StepName
from shared.hubs.ports import IndexEntry, ResourceRef
from shared.hubs.pricing import price_of
from shared.hubs.states import HubState
from shared.hubs.tags import DEPLOYMENT, HUB, is_ours
from shared.hubs.visit import Visit

if TYPE_CHECKING:
    from shared.app import App

KEY = "sweep-drift"

LOOKS_OF_AN_AUDIT = 40
"""Drifted hubs looked at again in one audit, two or three reads each."""

_NEEDED = frozenset({MACHINE, DISK, INTERFACE, ADDRESS, SECURITY_GROUP, NETWORK})
_SETTLED = frozenset({HubState.READY, HubState.STOPPED})
_OUTSIDE_SIZE = "size-set-outside"

type Sizes = Mapping[tuple[str, str], str]
"""Size by group and name of the machine, both in lower case."""


def suspects(inventory: Inventory, entries: Iterable[IndexEntry], with_machine: Mapping[str, str]) -> list[IndexEntry]:
    """Settled hubs whose group, or something a hub needs, is not in the list. Pure. `with_machine`: hubs whose machine
    Azure shows: what went with a machine that is gone is no news."""
    latest = inventory.latest()
    return [
        entry
        for entry in entries
        if entry.state in _SETTLED and entry.hub_id in with_machine and not _is_whole(latest.get(entry.hub_id))
    ]


def _is_whole(group: OurGroup | None) -> bool:
    return group is not None and group.kinds >= _NEEDED


def shows(hub: Hub) -> bool:
    """Whether the hub shows drift of this module's kind."""
    return hub.machine.missing_since is None and any(condition.type == DRIFTED for condition in hub.conditions)


# ------------------------------------------------------------------ one hub


@dataclass(frozen=True, slots=True)
class Changed:
    """What one look at a hub found: `missing` and `untagged` kinds of things, and the group's own trouble."""

    missing: frozenset[str] = frozenset()
    untagged: frozenset[str] = frozenset()
    group: str = ""

    def sentences(self, hub: Hub) -> Sequence[str]:
        said = [self.group] if self.group else []
        if self.missing:
            said.append(f"Missing in its resource group: {named(self.missing)}.")
        if self.untagged:
            said.append(f"The tags of this service were removed from: {named(self.untagged)}.")
        outside = hub.step(StepName.MACHINE).data.get(_OUTSIDE_SIZE)
        made_as = hub.place.rung.size if hub.place.rung else hub.spec.size
        if outside is not None and outside == hub.size and hub.size != made_as:
            said.append(f"The machine has the size {hub.size} instead of {made_as}; its price follows.")
        return said


async def look(app: "App", hub: Hub, *, actor: str) -> bool:
    """Two reads of Azure, then the condition says what is true now. Returns whether the row was saved; twice = the
    second saves nothing. A hub whose machine is gone shows that, and nothing else. Raises ConcurrentUpdate when a
    worker was faster."""
    if hub.machine.missing_since is not None:
        return False
    visit = Visit(app, hub, actor=actor)
    _show(visit, await _changed(app, hub))
    if visit.hub == hub:
        return False
    await visit.checkpoint()
    return True


def _show(visit: Visit, changed: Changed) -> None:
    said = changed.sentences(visit.hub)
    if not said:
        visit.no_condition(DRIFTED)
        return
    visit.condition(DRIFTED, f"Changed in Azure outside of this service, and not put right by itself. {' '.join(said)}")


async def _changed(app: "App", hub: Hub) -> Changed:
    deployment = await app.identity.get()
    group = await app.groups.get(hub.group_name)
    if group is None:
        return Changed(group=f"The resource group '{hub.group_name}' is not in Azure.")
    trouble = ""
    if not is_ours(group.tags, hub, deployment):
        trouble = (
            f"The tags {HUB} and {DEPLOYMENT} of the resource group '{hub.group_name}' are not as they were: until "
            "they are back, the hub cannot be deleted."
        )
    within = await app.groups.within(hub.group_name)
    return replace(_compare(within, hub, deployment), group=trouble)


def _compare(within: Sequence[ResourceRef], hub: Hub, deployment: str) -> Changed:
    present = {ref.type.lower() for ref in within}
    ours = {ref.type.lower() for ref in within if tag_of(ref.tags, DEPLOYMENT) == deployment}
    missing = _NEEDED - present
    if MACHINE in missing:  # what else is missing went with it, and the sweep tells of it
        missing = frozenset()
    return Changed(missing=missing, untagged=frozenset(present & NAMES.keys()) - ours)


# ------------------------------------------------------------------ sizes


async def sizes(app: "App") -> Sizes:
    """Of all machines: one read for each page. Empty when Azure does not answer: then no size is judged."""
    try:
        return {(vm.group, vm.name): vm.size for vm in await app.compute.sizes()}
    except HubletError as error:
        log.warning("sizes_unreadable", code=error.code)
        return {}


def other_size(hub: Hub, listed: Sizes) -> bool:
    """Whether the list shows another size than the hub's, which is running. Pure."""
    size = listed.get((hub.group_name.lower(), hub.vm_name.lower()))
    return hub.state is HubState.READY and size is not None and size.lower() != hub.size.lower()


async def take_over_size(app: "App", hub: Hub, *, actor: str) -> bool:
    """The machine itself is asked; the hub then has that size and its price, and says who did not change it. Returns
    whether it did. A machine that is being changed is left for the next time."""
    view = await app.compute.vm(hub.group_name, hub.vm_name, with_power=True)
    if view is None or view.provisioning != "succeeded" or view.size.lower() == hub.size.lower():
        return False
    visit = Visit(app, hub, actor=actor)
    before = hub.size
    visit.update(machine=replace(hub.machine, size=view.size))
    visit.remember(StepName.MACHINE, **{_OUTSIDE_SIZE: view.size})
    visit.reprice(await price_of(app, hub.spec, size=view.size))  # None: better no price than a wrong one
    message = f"The machine has the size {view.size} now (before: {before}): it was changed in Azure."
    visit.tell("capacity", message)
    visit.notify("capacity-changed", message, size=view.size, before=before)
    _show(visit, await _changed(app, visit.hub))
    await visit.checkpoint()
    return True
