"""What Azure lists as ours, put in order: resource groups by hub and attempt, and what is outside of them. Pure.

Everything starts from the list of what carries our deployment id. Groups come with their tags in it, single resources
need not ("When you filter by a tag name and value, the tags for each resource are not returned in the results",
https://learn.microsoft.com/rest/api/resources/resources/list), so whose a resource is follows from its group.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from shared.hubs.ports import ResourceRef
from shared.hubs.tags import DEPLOYMENT, HUB

MACHINE = "microsoft.compute/virtualmachines"
DISK = "microsoft.compute/disks"
INTERFACE = "microsoft.network/networkinterfaces"
ADDRESS = "microsoft.network/publicipaddresses"
SECURITY_GROUP = "microsoft.network/networksecuritygroups"
NETWORK = "microsoft.network/virtualnetworks"
SHUTDOWN = "microsoft.devtestlab/schedules"

NAMES: Mapping[str, str] = MappingProxyType(
    {
        MACHINE: "virtual machine",
        DISK: "disk",
        INTERFACE: "network interface",
        ADDRESS: "public IP address",
        SECURITY_GROUP: "network security group",
        NETWORK: "virtual network",
        SHUTDOWN: "daily shutdown",
    }
)
"""Every kind of resource a hub has, as people know it."""

_ID = re.compile(r"/subscriptions/[^/]+/resourceGroups/(?P<group>[^/]+)(?:/providers/.+)?", re.IGNORECASE)
_NAME = re.compile(r"hublet-(?P<hub>.+)-a(?P<attempt>[1-9]\d{0,5})")
_GROUP = "microsoft.resources/resourcegroups"


@dataclass(frozen=True, slots=True)
class OurGroup:
    """A group with our deployment id. `hub_id` and `attempt`: of its tag, when its name is the one we give to that
    hub's groups; a group that has one without the other is none we made as it is now."""

    name: str
    hub_id: str | None
    attempt: int | None
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True)
class Inventory:
    """`groups` and `strays` by the group's name in lower case. `strays`: ids of things with our deployment id in
    groups without it."""

    groups: Mapping[str, OurGroup]
    strays: Mapping[str, tuple[str, ...]]

    def latest(self) -> Mapping[str, OurGroup]:
        """By hub id, the group of its highest attempt."""
        found: dict[str, OurGroup] = {}
        for group in self.groups.values():
            if group.hub_id is None or group.attempt is None:
                continue
            best = found.get(group.hub_id)
            if best is None or group.attempt > (best.attempt or 0):
                found[group.hub_id] = group
        return found


def inventory_of(listed: Sequence[ResourceRef], deployment: str) -> Inventory:
    """A group whose tag says anything but exactly our deployment id is not ours: ARM's filter may ignore the case."""
    tags: dict[str, tuple[str, Mapping[str, str]]] = {}
    kinds: defaultdict[str, set[str]] = defaultdict(set)
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for ref in listed:
        match = _ID.fullmatch(ref.id)
        if match is None:
            continue
        key = match["group"].lower()
        if ref.type.lower() == _GROUP:
            tags[key] = (match["group"], ref.tags)
        else:
            kinds[key].add(ref.type.lower())
            ids[key].append(ref.id)
    groups = {
        key: _group(name, found, frozenset(kinds[key]))
        for key, (name, found) in tags.items()
        if tag_of(found, DEPLOYMENT) == deployment
    }
    foreign = {key for key in tags if key not in groups}  # listed, but with another deployment's id
    return Inventory(groups, {key: tuple(ids[key]) for key in ids if key not in groups and key not in foreign})


def _group(name: str, tags: Mapping[str, str], kinds: frozenset[str]) -> OurGroup:
    hub_id, match = tag_of(tags, HUB), _NAME.fullmatch(name.lower())
    fits = match is not None and match["hub"] == hub_id
    return OurGroup(name, hub_id, int(match["attempt"]) if match is not None and fits else None, kinds)


def hub_named_by(group: str) -> str | None:
    """The hub whose group has this name. Only a hint: anybody may give a group any name."""
    match = _NAME.fullmatch(group.lower())
    return match["hub"] if match else None


def tag_of(tags: Mapping[str, str], name: str) -> str | None:
    """Names of tags ignore case in Azure, values do not
    (https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources)."""
    return {key.lower(): value for key, value in tags.items()}.get(name)


def named(kinds: Sequence[str] | frozenset[str]) -> str:
    """For people: `network interface, disk`."""
    return ", ".join(NAMES.get(kind, kind) for kind in sorted(kinds))
