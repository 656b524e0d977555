"""What exists in the simulated subscription: groups, resources, who points at whom, what was there a moment ago."""

import copy
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from localdev.azuresim.envelope import Json


class ProvisioningState(StrEnum):
    """``properties.provisioningState``."""

    CREATING = "Creating"
    UPDATING = "Updating"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    DELETING = "Deleting"


@dataclass(kw_only=True)
class Group:
    """A resource group."""

    id: str
    name: str
    location: str
    tags: dict[str, str] | None = None
    state: ProvisioningState = ProvisioningState.SUCCEEDED
    created: datetime


@dataclass(kw_only=True)
class Resource:
    """A tracked resource; subclasses add what their type knows and how it looks on the wire."""

    TYPE: ClassVar[str] = ""

    id: str
    name: str
    group: str
    location: str
    created: datetime
    tags: dict[str, str] | None = None
    state: ProvisioningState = ProvisioningState.SUCCEEDED
    operation_id: str | None = None
    """The operation at work on it, if any."""

    def render(self, store: "Store") -> Json:
        """The resource as a GET shows it."""
        raise NotImplementedError

    def references(self) -> Iterator[tuple[str, str]]:
        """(id of the part that points, id it points at), for in-use checks and back references."""
        yield from ()

    @property
    def busy(self) -> bool:
        return self.state in (ProvisioningState.CREATING, ProvisioningState.UPDATING, ProvisioningState.DELETING)


@dataclass
class _Before:
    """What readers of a stale replica still see of a resource."""

    changed: datetime
    rendered: Json | None
    """None: it did not exist."""


@dataclass
class Store:
    """Everything, keyed by lower-case resource id."""

    subscription_id: str
    _groups: dict[str, Group] = field(default_factory=dict)
    _resources: dict[str, Resource] = field(default_factory=dict)
    _by_type: dict[str, dict[str, Resource]] = field(default_factory=lambda: defaultdict(dict))
    _by_group: dict[str, dict[str, Resource]] = field(default_factory=lambda: defaultdict(dict))
    _pointing_at: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    _points: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    _gone: dict[str, datetime] = field(default_factory=dict)
    _before: dict[str, _Before] = field(default_factory=dict)
    remember_before: bool = False
    """Keep the previous look of whatever changes, for stale reads."""

    def group_id(self, group: str) -> str:
        return f"/subscriptions/{self.subscription_id}/resourceGroups/{group}"

    def resource_id(self, group: str, kind: type[Resource], name: str) -> str:
        """The id of a resource; the group in the spelling it was created with."""
        owner = self.group(group)
        return f"{self.group_id(owner.name if owner else group)}/providers/{kind.TYPE}/{name}"

    def clear(self) -> None:
        """Empty the subscription."""
        for memory in (self._groups, self._resources, self._by_type, self._by_group):
            memory.clear()
        for links in (self._pointing_at, self._points, self._gone, self._before):
            links.clear()
        self.remember_before = False

    # groups

    def group(self, name: str) -> Group | None:
        return self._groups.get(name.lower())

    def groups(self) -> list[Group]:
        return sorted(self._groups.values(), key=lambda group: group.name.lower())

    def add_group(self, group: Group) -> None:
        self._groups[group.name.lower()] = group

    def remove_group(self, name: str) -> None:
        self._groups.pop(name.lower(), None)

    # resources

    def find[R: Resource](self, kind: type[R], resource_id: str) -> R | None:
        """The resource of this type with this id, in any case; None when absent."""
        found = self._by_type[kind.TYPE].get(resource_id.lower())
        return found if isinstance(found, kind) else None

    def named[R: Resource](self, kind: type[R], group: str, name: str) -> R | None:
        return self.find(kind, self.resource_id(group, kind, name))

    def every[R: Resource](self, kind: type[R], group: str | None = None) -> list[R]:
        """All of one type, in order of creation, of one group or of the subscription."""
        pool = self._by_type[kind.TYPE] if group is None else self._by_group[group.lower()]
        return [resource for resource in pool.values() if isinstance(resource, kind)]

    def everything(self, group: str | None = None) -> list[Resource]:
        """All resources of all types, of one group or of the subscription."""
        return list((self._resources if group is None else self._by_group[group.lower()]).values())

    def touch(self, resource: Resource, now: datetime) -> None:
        """Remember how the resource looks before a write, when stale reads are asked for."""
        if self.remember_before:
            there = resource.id.lower() in self._resources
            self._before[resource.id.lower()] = _Before(now, resource.render(self) if there else None)

    def save(self, resource: Resource) -> None:
        """Put the resource in, or bring what it points at up to date."""
        key = resource.id.lower()
        self._resources[key] = resource
        self._by_type[resource.TYPE][key] = resource
        self._by_group[resource.group.lower()][key] = resource
        self._unlink(key)
        links = [(source, target.lower()) for source, target in resource.references()]
        self._points[key] = links
        for source, target in links:
            self._pointing_at[target][source.lower()] = source
        self._gone.pop(key, None)

    def remove(self, resource: Resource, now: datetime) -> None:
        """Take the resource out; doing it twice does nothing."""
        key = resource.id.lower()
        if self._resources.pop(key, None) is None:
            return
        self._by_type[resource.TYPE].pop(key, None)
        self._by_group[resource.group.lower()].pop(key, None)
        self._unlink(key)
        self._gone[key] = now

    def _unlink(self, key: str) -> None:
        for source, target in self._points.pop(key, []):
            self._pointing_at[target].pop(source.lower(), None)

    def users_of(self, resource_id: str) -> list[str]:
        """Ids of the resources (or parts of them) that point at this one."""
        return list(self._pointing_at.get(resource_id.lower(), {}).values())

    def gone_since(self, resource_id: str) -> datetime | None:
        """When the resource with this id disappeared, if it ever existed."""
        return self._gone.get(resource_id.lower())

    # looking

    def look(self, resource: Resource, now: datetime, stale_s: float) -> Json | None:
        """The resource as a reader sees it: as it was before a write less than `stale_s` old, None if it was not."""
        before = self._before.get(resource.id.lower())
        if before is not None and (now - before.changed).total_seconds() < stale_s:
            return copy.deepcopy(before.rendered)
        return resource.render(self)
