"""Azure in memory, shared by the five fakes of tests/support/fake_arm.py: one `FakeCloud` with an injected clock.

Nothing here is scripted: what was written is remembered, time alone finishes operations, and what belongs to a group
goes when the group goes. Every call is recorded (`cloud.writes`, `cloud.reads`), every verb can be made to fail at
its beginning (`fail_begin`) or in the poll (`fail_poll`), and a write can be followed by a crash (`after_write`).
"""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.clock import Clock
from shared.errors import HubletError, RetryableError
from shared.hubs.ports import (
    Begun,
    NsgPlan,
    SizeInfo,
    VmPlan,
    VnetPlan,
)

DURATIONS: Mapping[str, float] = {
    "group_put": 0.0,
    "group_delete": 120.0,
    "nsg": 2.0,
    "vnet": 3.0,
    "vm": 60.0,
    "deallocate": 40.0,
}
"""Seconds each operation takes; 0 = over at once, no handle."""


@dataclass(frozen=True, slots=True)
class Call:
    """One recorded call: the verb (`vm`, `nsg`, `poll`, ...), the group it went to, the name, and when."""

    verb: str
    group: str
    name: str
    at: datetime


@dataclass(slots=True)
class FakeOperation:
    verb: str
    ends_at: datetime
    failure: HubletError | None = None


@dataclass(slots=True)
class FakeVm:
    """A VM with its inline NIC, public IP and disk. `power` is what it becomes at `settles_at`."""

    plan: VmPlan
    vm_id: str
    nic_id: str
    public_ip_id: str
    disk_id: str
    ip: str
    created_at: datetime
    settles_at: datetime
    provisioning: str = "creating"
    power: str | None = None
    next_provisioning: str = "succeeded"
    next_power: str | None = "running"


@dataclass(slots=True)
class FakeGroup:
    name: str
    region: str
    tags: dict[str, str]
    nsgs: dict[str, NsgPlan] = field(default_factory=dict)
    vnets: dict[str, VnetPlan] = field(default_factory=dict)
    vms: dict[str, FakeVm] = field(default_factory=dict)
    gone_at: datetime | None = None


@dataclass(slots=True)
class _Plant:
    error: HubletError
    left: int
    power: str | None = None


class FakeCloud:
    """What the fakes share. Change `durations`, `address_delay_s` (how late the IP shows) or `capacity` at any time."""

    subscription = "00000000-0000-0000-0000-00000000c10d"

    def __init__(self, clock: Clock, **durations: float) -> None:
        self.clock = clock
        self.durations: dict[str, float] = {**DURATIONS, **durations}
        self.address_delay_s = 0.0
        self.retry_after_s: float | None = 10.0
        self.groups: dict[str, FakeGroup] = {}
        self.operations: dict[str, FakeOperation] = {}
        self.writes: list[Call] = []
        self.reads: list[Call] = []
        self.vms_created: list[str] = []
        self.before_write: Callable[[Call], None] | None = None
        self.after_write: Callable[[Call], None] | None = None
        self.prices: dict[tuple[str, bool], float] = {}
        self.sizes: dict[str, SizeInfo] = {}
        self.taken_labels: set[tuple[str, str]] = set()
        self._begin: dict[str, _Plant] = {}
        self._poll: dict[str, _Plant] = {}
        self._read: dict[str, _Plant] = {}
        self._numbers = itertools.count(1)

    # -- what a test does to it

    def fail_begin(self, verb: str, error: HubletError, *, times: int = 1) -> None:
        """The next `times` calls of that write raise `error` and change nothing."""
        self._begin[verb] = _Plant(error, times)

    def fail_poll(self, verb: str, error: HubletError, *, times: int = 1, power: str | None = None) -> None:
        """The next `times` operations of that verb begin well and fail in the poll. A VM then exists in state
        `failed` with that `power` (an OS timeout leaves it `running`, an allocation failure leaves None)."""
        self._poll[verb] = _Plant(error, times, power)

    def fail_read(self, verb: str, error: HubletError, *, times: int = 1) -> None:
        """The next `times` reads of that verb (`vm_get`, `address`, `poll`, `group_get`, `tagged`) raise `error`."""
        self._read[verb] = _Plant(error, times)

    def forget_operations(self) -> None:
        """Azure no longer knows any operation: every handle polls as done."""
        self.operations.clear()

    def take_label(self, region: str, label: str) -> None:
        """Somebody else's public IP has that DNS label."""
        self.taken_labels.add((region, label))

    def count(self, verb: str) -> int:
        """How many writes of that verb were accepted or refused so far."""
        return Counter(call.verb for call in self.writes)[verb]

    def vms(self) -> list[FakeVm]:
        """Every VM that exists now."""
        self.settle()
        return [vm for group in self.groups.values() for vm in group.vms.values()]

    def nsg(self, group: str, name: str) -> NsgPlan | None:
        """The rule set in force."""
        self.settle()
        found = self.groups.get(group.lower())
        return found.nsgs.get(name.lower()) if found else None

    def set_power(self, group: str, name: str, power: str) -> None:
        """Somebody stopped, started or evicted the VM behind our back."""
        self.vm(group, name).power = self.vm(group, name).next_power = power

    def lose_vm(self, group: str, name: str) -> None:
        """Somebody deleted the VM (and with it NIC, IP and disk) behind our back."""
        del self.groups[group.lower()].vms[name.lower()]

    # -- machinery

    def vm(self, group: str, name: str) -> FakeVm:
        self.settle()
        return self.groups[group.lower()].vms[name.lower()]

    def settle(self) -> None:
        """Lets everything happen that is due by now."""
        now = self.clock.now()
        for key, group in list(self.groups.items()):
            if group.gone_at is not None and group.gone_at <= now:
                del self.groups[key]
                continue
            for vm in group.vms.values():
                if vm.settles_at <= now:
                    vm.provisioning, vm.power = vm.next_provisioning, vm.next_power

    def id_of(self, group: str, kind: str = "", name: str = "") -> str:
        base = f"/subscriptions/{self.subscription}/resourceGroups/{group}"
        return f"{base}/providers/{kind}/{name}" if kind else base

    def read(self, verb: str, group: str, name: str) -> None:
        self.reads.append(Call(verb, group, name, self.clock.now()))
        self._raise(self._read, verb)
        self.settle()

    def write(self, verb: str, group: str, name: str) -> Call:
        call = Call(verb, group, name, self.clock.now())
        if self.before_write:
            self.before_write(call)
        self.writes.append(call)
        self._raise(self._begin, verb)
        self.settle()
        return call

    def wrote(self, call: Call) -> Begun:
        """The operation that finishes this write."""
        plant = self._take(self._poll, call.verb)
        duration = self.durations[call.verb]
        if self.after_write:
            self.after_write(call)
        if duration <= 0 and plant is None:
            return Begun(handle=None)
        handle = f"op-{next(self._numbers)}"
        ends_at = self.clock.now() + timedelta(seconds=duration)
        self.operations[handle] = FakeOperation(call.verb, ends_at, plant.error if plant else None)
        return Begun(handle=handle, retry_after_s=self.retry_after_s)

    def planted_in_poll(self, verb: str) -> _Plant | None:
        """The failure the operation that is about to begin will end with."""
        plant = self._poll.get(verb)
        return plant if plant and plant.left > 0 else None

    def number(self) -> int:
        return next(self._numbers)

    def group(self, name: str) -> FakeGroup:
        """The group to write into. Raises what ARM says when it is absent or being deleted."""
        found = self.groups.get(name.lower())
        if found is None:
            raise RetryableError("ResourceGroupNotFound", f"Resource group {name} could not be found.")
        if found.gone_at is not None:
            raise RetryableError("ResourceGroupBeingDeleted", f"Resource group {name} is being deleted.")
        return found

    @staticmethod
    def _take(plants: dict[str, _Plant], verb: str) -> _Plant | None:
        plant = plants.get(verb)
        if plant is None or plant.left <= 0:
            return None
        plant.left -= 1
        return plant

    def _raise(self, plants: dict[str, _Plant], verb: str) -> None:
        plant = self._take(plants, verb)
        if plant is not None:
            raise plant.error
