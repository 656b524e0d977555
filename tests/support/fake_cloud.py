"""Azure in memory, shared by the seven fakes of tests/support/fake_arm.py: one `FakeCloud` with an injected clock.

Nothing here is scripted: what was written is remembered, time alone finishes operations and lets daily shutdowns fire,
and what belongs to a group goes when the group goes. Every call is recorded (`cloud.writes`, `cloud.reads`), every verb
can be made to fail at its beginning (`fail_begin`) or in the poll (`fail_poll`), and a write can be followed by a crash
(`after_write`).
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta

from shared.clock import Clock
from shared.errors import HubletError, RetryableError
from shared.hubs.ports import (
    Begun,
    DailyShutdown,
    NsgPlan,
    ResourceRef,
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
    "start": 30.0,
    "restart": 30.0,
    "resize": 5.0,
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
    """A VM with its inline NIC, public IP and disk. At `settles_at` it becomes what the `next_...` say."""

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
    next_size: str | None = None

    def settle(self, now: datetime) -> None:
        """Ends the operation under way, when it is over by now."""
        if self.settles_at > now:
            return
        self.provisioning, self.power = self.next_provisioning, self.next_power
        if self.next_size is not None:
            self.plan, self.next_size = replace(self.plan, size=self.next_size), None

    def change(
        self, power: str | None, *, until: datetime, then: str | None, size: str | None = None, failed: bool = False
    ) -> None:
        """An operation began: `power` while it goes on, `then` (and another `size`) afterwards."""
        self.provisioning, self.power, self.settles_at = "updating", power, until
        self.next_provisioning, self.next_power = "failed" if failed else "succeeded", then
        self.next_size = None if failed else size


@dataclass(slots=True)
class FakeGroup:
    name: str
    region: str
    tags: dict[str, str]
    nsgs: dict[str, NsgPlan] = field(default_factory=dict)
    vnets: dict[str, VnetPlan] = field(default_factory=dict)
    vms: dict[str, FakeVm] = field(default_factory=dict)
    shutdowns: dict[str, DailyShutdown] = field(default_factory=dict)
    loose: list[ResourceRef] = field(default_factory=list)
    """Things that belong to no VM: left behind, or somebody else's."""
    lost: set[str] = field(default_factory=set)
    """Ids of a VM's interface, address or disk that somebody deleted in the portal."""
    gone_at: datetime | None = None


@dataclass(slots=True)
class _Plant:
    error: HubletError
    left: int
    power: str | None = None


class FakeCloud:
    """What the fakes share. Change at any time: `durations`, `address_delay_s` (how late the IP shows), `no_room`
    (what there is no hardware for: the operation of a create, a start or a resize fails), `refused` (what is refused at
    the first answer of a create: quotas, restrictions), `page_size` (VMs on a page of `powers`), `outage` (what every
    call fails with, nothing happens), `disabled` (the subscription takes no writes). The first two name places in lower
    case: `size`, `region`, `region/size`, or one zone of a size: `size@2`, `region/size@2`, `size@none`.

    `fired`: the daily shutdowns that were carried out, by VM and time."""

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
        self.labels_checked_late = False
        self.no_room: set[str] = set()
        self.refused: dict[str, HubletError] = {}
        self.page_size = 1000
        self.outage: HubletError | None = None
        self.disabled = False
        self.fired: list[Call] = []
        self._settled_at = clock.now()
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
        `failed` with that `power` (an OS timeout leaves it `running`, an allocation failure leaves None); after a
        start, a restart or a resize None means: the power it had before. A failed `deallocate` changes nothing."""
        self._poll[verb] = _Plant(error, times, power)

    def fail_read(self, verb: str, error: HubletError, *, times: int = 1) -> None:
        """The next `times` reads of that verb raise `error`: `vm_get`, `powers`, `sizes_list`, `address`, `poll`,
        `group_get`, `tagged`, `within`."""
        self._read[verb] = _Plant(error, times)

    def forget_operations(self) -> None:
        """Azure no longer knows any operation: every handle polls as done."""
        self.operations.clear()

    def take_label(self, region: str, label: str) -> None:
        """Somebody else's public IP has that DNS label. With `labels_checked_late` that is said in the poll only, and a
        failed VM is left, as the simulated Azure does it."""
        self.taken_labels.add((region, label))

    def is_full(self, region: str, size: str, zone: str | None) -> bool:
        return any(name in self.no_room for name in _names(region, size, zone))

    def refusal(self, region: str, size: str, zone: str | None) -> HubletError | None:
        return next((self.refused[name] for name in _names(region, size, zone) if name in self.refused), None)

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

    def shutdown(self, group: str, vm_name: str) -> DailyShutdown | None:
        """The VM's daily shutdown as it is in force (or switched off)."""
        self.settle()
        found = self.groups.get(group.lower())
        return found.shutdowns.get(vm_name.lower()) if found else None

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
        """Lets everything happen that is due by now, in its order: the end of operations, daily shutdowns."""
        now, since = self.clock.now(), self._settled_at
        self._settled_at = max(since, now)
        for key, group in list(self.groups.items()):
            if group.gone_at is not None and group.gone_at <= now:
                del self.groups[key]
                continue
            for name, vm in group.vms.items():
                for moment in _moments(group.shutdowns.get(name), since, now):
                    vm.settle(moment)
                    self._shut_down(group, vm, moment)
                vm.settle(now)

    def _shut_down(self, group: FakeGroup, vm: FakeVm, moment: datetime) -> None:
        """Carried out for a VM that runs; one that is being changed refuses it, and it comes again a day later."""
        if vm.power == "running" and vm.settles_at <= moment:
            self.fired.append(Call("deallocate", group.name, vm.plan.name, moment))
            until = moment + timedelta(seconds=self.durations["deallocate"])
            vm.change("deallocating", until=until, then="deallocated")

    def id_of(self, group: str, kind: str = "", name: str = "") -> str:
        base = f"/subscriptions/{self.subscription}/resourceGroups/{group}"
        return f"{base}/providers/{kind}/{name}" if kind else base

    def read(self, verb: str, group: str, name: str) -> None:
        self.reads.append(Call(verb, group, name, self.clock.now()))
        if self.outage is not None and verb != "price":  # the price list is no part of ARM
            raise self.outage
        self._raise(self._read, verb)
        self.settle()

    def write(self, verb: str, group: str, name: str) -> Call:
        call = Call(verb, group, name, self.clock.now())
        if self.before_write:
            self.before_write(call)
        self.writes.append(call)
        if self.outage is not None or self.disabled:
            raise self.outage or subscription_disabled()
        self._raise(self._begin, verb)
        self.settle()
        return call

    def wrote(self, call: Call, failure: HubletError | None = None) -> Begun:
        """The operation that finishes this write; it ends in `failure`, unless another one was planted."""
        plant = self._take(self._poll, call.verb)
        duration = self.durations[call.verb]
        if self.after_write:
            self.after_write(call)
        failure = plant.error if plant else failure
        if duration <= 0 and failure is None:
            return Begun(handle=None)
        handle = f"op-{next(self._numbers)}"
        ends_at = self.clock.now() + timedelta(seconds=duration)
        self.operations[handle] = FakeOperation(call.verb, ends_at, failure)
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


def _names(region: str, size: str, zone: str | None) -> tuple[str, ...]:
    """Every name `no_room` and `refused` may have for a place."""
    region, size = region.lower(), size.lower()
    zonal = f"{size}@{zone or 'none'}"
    return (size, region, f"{region}/{size}", zonal, f"{region}/{zonal}")


def subscription_disabled() -> RetryableError:
    """As the adapter classifies it (shared/adapters/arm/refusals.py)."""
    return RetryableError("ReadOnlyDisabledSubscription", "The Azure subscription is disabled.", retry_after_s=300)


def _moments(plan: DailyShutdown | None, since: datetime, until: datetime) -> Iterator[datetime]:
    """When a daily shutdown comes due after `since`, up to and with `until`."""
    if plan is None or not plan.enabled:
        return
    daily = time(int(plan.time[:2]), int(plan.time[2:]), tzinfo=UTC)
    moment = datetime.combine(since.astimezone(UTC).date(), daily)
    while moment <= until:
        if moment > since:
            yield moment
        moment += timedelta(days=1)
