"""The Azure ports in memory: seven fakes that share one `FakeCloud` (tests/support/fake_cloud.py) and its clock."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from shared.errors import CapacityError, FatalError, HubletError, RetryableError, UserError
from shared.hubs.ports import (
    AddressView,
    Begun,
    DailyShutdown,
    GroupView,
    NsgPlan,
    Poll,
    PriceParts,
    ResourceRef,
    SizeInfo,
    VmPlan,
    VmPower,
    VmSize,
    VmView,
    VnetPlan,
)
from tests.support.fake_cloud import Call, FakeCloud, FakeGroup, FakeOperation, FakeVm, subscription_disabled

__all__ = [
    "Call",
    "FakeCatalog",
    "FakeCloud",
    "FakeCompute",
    "FakeGroup",
    "FakeGroups",
    "FakeLongOperations",
    "FakeNetwork",
    "FakeOperation",
    "FakeProbe",
    "FakeShutdowns",
    "FakeVm",
    "make_size",
]


class FakeGroups:
    """`ResourceGroups` in memory. Verbs: group_put, group_delete; reads group_get, within, tagged (one for each page of
    the groups and of the resources)."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud

    async def put(self, name: str, region: str, tags: Mapping[str, str]) -> None:
        call = self.cloud.write("group_put", name, name)
        found = self.cloud.groups.get(name.lower())
        if found is None:
            self.cloud.groups[name.lower()] = FakeGroup(name, region, dict(tags))
        else:
            self.cloud.group(name)
            if found.region.lower() != region.lower():
                raise FatalError("InvalidResourceGroupLocation", f"Resource group {name} exists in {found.region}.")
            found.tags = dict(tags)
        if self.cloud.after_write:
            self.cloud.after_write(call)

    async def get(self, name: str) -> GroupView | None:
        self.cloud.read("group_get", name, name)
        found = self.cloud.groups.get(name.lower())
        if found is None:
            return None
        return GroupView(
            name=found.name, region=found.region, tags=dict(found.tags), deleting=found.gone_at is not None
        )

    async def begin_delete(self, name: str) -> Begun:
        call = self.cloud.write("group_delete", name, name)
        found = self.cloud.groups.get(name.lower())
        if found is None:
            return Begun(handle=None)
        if found.gone_at is None and self.cloud.planted_in_poll("group_delete") is None:
            found.gone_at = self.cloud.clock.now() + timedelta(seconds=self.cloud.durations["group_delete"])
        return self.cloud.wrote(call)

    async def tagged(self, tag: str, value: str) -> Sequence[ResourceRef]:
        wanted = (tag.lower(), value.lower())

        def has_it(refs: Iterable[ResourceRef]) -> list[ResourceRef]:
            return [ref for ref in refs if wanted in {(key.lower(), text.lower()) for key, text in ref.tags.items()}]

        self.cloud.read("tagged", "", f"groups with {tag}={value}")
        everywhere = list(self.cloud.groups.values())
        groups = has_it(self._ref("Microsoft.Resources/resourceGroups", one.name, "", one.tags) for one in everywhere)
        resources = has_it(ref for group in everywhere for ref in self._contents(group))
        self.cloud.read("tagged", "", f"resources with {tag}={value}")
        for found in (groups, resources):
            for page in range(2, math.ceil(len(found) / self.cloud.page_size) + 1):
                self.cloud.read("tagged", "", f"page {page}")
        return [*groups, *resources]

    async def within(self, name: str) -> Sequence[ResourceRef]:
        self.cloud.read("within", name, name)
        found = self.cloud.groups.get(name.lower())
        return list(self._contents(found)) if found else []

    def references(self) -> list[ResourceRef]:
        """Everything there is, groups included."""
        groups = list(self.cloud.groups.values())
        named = [self._ref("Microsoft.Resources/resourceGroups", one.name, "", one.tags) for one in groups]
        return [*named, *(ref for group in groups for ref in self._contents(group))]

    def _contents(self, group: FakeGroup) -> Iterator[ResourceRef]:
        for nsg in group.nsgs.values():
            yield self._ref("Microsoft.Network/networkSecurityGroups", group.name, nsg.name, nsg.tags)
        for vnet in group.vnets.values():
            yield self._ref("Microsoft.Network/virtualNetworks", group.name, vnet.name, vnet.tags)
        for vm in group.vms.values():
            for identifier in (vm.vm_id, vm.nic_id, vm.public_ip_id, vm.disk_id):
                if identifier not in group.lost:
                    kind = "/".join(identifier.split("/")[6:8])
                    yield ResourceRef(id=identifier, type=kind, tags=dict(vm.plan.tags))
        for plan in group.shutdowns.values():
            yield self._ref(
                "microsoft.devtestlab/schedules", group.name, f"shutdown-computevm-{plan.vm_name}", plan.tags
            )
        yield from group.loose

    def _ref(self, kind: str, group: str, name: str, tags: Mapping[str, str]) -> ResourceRef:
        identifier = self.cloud.id_of(group, kind, name) if name else self.cloud.id_of(group)
        return ResourceRef(id=identifier, type=kind, tags=dict(tags))


class FakeNetwork:
    """`Network` in memory. Verbs: nsg, vnet; read address."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud

    async def begin_nsg(self, plan: NsgPlan) -> Begun:
        call = self.cloud.write("nsg", plan.group, plan.name)
        self.cloud.group(plan.group).nsgs[plan.name.lower()] = plan
        return self.cloud.wrote(call)

    async def begin_vnet(self, plan: VnetPlan) -> Begun:
        call = self.cloud.write("vnet", plan.group, plan.name)
        group = self.cloud.group(plan.group)
        if plan.nsg_name.lower() not in group.nsgs:
            raise RetryableError("InvalidResourceReference", f"{plan.nsg_name} was not found.")
        group.vnets[plan.name.lower()] = plan
        return self.cloud.wrote(call)

    async def address(self, nic_id: str) -> AddressView | None:
        self.cloud.read("address", "", nic_id)
        for vm in self.cloud.vms():
            if vm.nic_id.lower() == nic_id.lower():
                late = vm.created_at + timedelta(seconds=self.cloud.durations["vm"] + self.cloud.address_delay_s)
                if self.cloud.clock.now() < late:
                    return None
                fqdn = f"{vm.plan.dns_label}.{vm.plan.region}.cloudapp.azure.com"
                return AddressView(nic_id=vm.nic_id, public_ip_id=vm.public_ip_id, ip=vm.ip, fqdn=fqdn)
        return None


class FakeCompute:
    """`Compute` in memory. Verbs: vm, deallocate, start, restart, resize; reads vm_get, and powers and sizes_list (one
    for each page).

    One operation on a VM at a time: a power verb or a resize on top of another one is refused as ARM does it.
    """

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud

    async def begin_vm(self, plan: VmPlan) -> Begun:
        cloud = self.cloud
        call = cloud.write("vm", plan.group, plan.name)
        group = cloud.group(plan.group)
        vnet = group.vnets.get(plan.vnet_name.lower())
        if vnet is None or vnet.subnet != plan.subnet or plan.nsg_name.lower() not in group.nsgs:
            raise RetryableError("InvalidResourceReference", f"{plan.vnet_name} was not found.")
        settles_at = cloud.clock.now() + timedelta(seconds=cloud.durations["vm"])
        planted, failure = cloud.planted_in_poll("vm"), self._no_room(plan)
        vm = group.vms.get(plan.name.lower())
        if vm is None:
            refusal = cloud.refusal(plan.region, plan.size, plan.zone) or self._no_such_zone(plan)
            if refusal is not None:
                raise refusal
            if plan.dns_label in self._labels(plan.region):
                taken = UserError("DnsRecordInUse", f"The DNS label {plan.dns_label} is taken in {plan.region}.")
                if not cloud.labels_checked_late:
                    raise taken
                failure = taken
            vm = group.vms[plan.name.lower()] = self._new_vm(plan, settles_at)
            cloud.vms_created.append(vm.vm_id)
        else:
            fixed = [(each.custom_data, each.admin_username, each.zone) for each in (vm.plan, plan)]
            if fixed[0] != fixed[1]:
                raise FatalError("PropertyChangeNotAllowed", "Changing this of an existing VM is not allowed.")
            vm.plan, vm.provisioning, vm.settles_at = plan, "updating", settles_at
        failed = planted is not None or failure is not None
        vm.next_provisioning = "failed" if failed else "succeeded"
        vm.next_power = (planted.power if planted else None) if failed else "running"
        return cloud.wrote(call, failure)

    def _no_room(self, plan: VmPlan) -> HubletError | None:
        """What the operation of a create ends with where there is no hardware."""
        if not self.cloud.is_full(plan.region, plan.size, plan.zone):
            return None
        where = f"zone {plan.zone}" if plan.zone else plan.region
        code = "ZonalAllocationFailed" if plan.zone else "AllocationFailed"
        return CapacityError(code, f"Azure has no capacity for {plan.size} in {where} at the moment.")

    def _no_such_zone(self, plan: VmPlan) -> HubletError | None:
        known = [size for size in self.cloud.sizes.values() if size.name.lower() == plan.size.lower()]
        if plan.zone is None or any(plan.zone in size.zones for size in known):
            return None
        return CapacityError("AvailabilityZoneNotSupported", f"{plan.size} cannot be had in zone {plan.zone}.")

    async def vm(self, group: str, name: str, *, with_power: bool = False) -> VmView | None:
        self.cloud.read("vm_get", group, name)
        found = self.cloud.groups.get(group.lower())
        vm = found.vms.get(name.lower()) if found else None
        if vm is None:
            return None
        return VmView(
            vm_id=vm.vm_id,
            size=vm.plan.size,
            provisioning=vm.provisioning,
            power=vm.power if with_power else None,
            nic_ids=(vm.nic_id,),
            tags=dict(vm.plan.tags),
        )

    async def powers(self) -> Sequence[VmPower]:
        self.cloud.read("powers", "", "page 1")
        vms = self.cloud.vms()
        for page in range(2, math.ceil(len(vms) / self.cloud.page_size) + 1):
            self.cloud.read("powers", "", f"page {page}")
        return [VmPower(group=vm.plan.group.lower(), name=vm.plan.name.lower(), power=vm.power) for vm in vms]

    async def sizes(self) -> Sequence[VmSize]:
        self.cloud.read("sizes_list", "", "page 1")
        vms = self.cloud.vms()
        for page in range(2, math.ceil(len(vms) / self.cloud.page_size) + 1):
            self.cloud.read("sizes_list", "", f"page {page}")
        return [VmSize(group=vm.plan.group.lower(), name=vm.plan.name.lower(), size=vm.plan.size) for vm in vms]

    async def begin_deallocate(self, group: str, name: str) -> Begun:
        call = self.cloud.write("deallocate", group, name)
        vm = self._find(group, name)
        if vm is None:
            return Begun(handle=None)
        self._be_idle(vm)
        if self.cloud.planted_in_poll("deallocate") is None:
            vm.change("deallocating", until=self._end_of(call), then="deallocated")
        return self.cloud.wrote(call)

    async def begin_start(self, group: str, name: str) -> Begun:
        call = self.cloud.write("start", group, name)
        vm = self._idle(group, name)
        if vm.power == "running":
            return Begun(handle=None)
        if vm.power is None:
            raise RetryableError("OperationNotAllowed", "The VM never had any hardware.")
        needed = vm.plan.size if vm.power == "deallocated" else None  # a stopped one has kept its hardware
        return self._change(call, vm, "starting", "running", hardware=needed)

    async def begin_restart(self, group: str, name: str) -> Begun:
        call = self.cloud.write("restart", group, name)
        vm = self._idle(group, name)
        if vm.power != "running":
            raise RetryableError("OperationNotAllowed", "The VM is not in the power state this needs.")
        return self._change(call, vm, "running", "running")

    async def begin_resize(self, group: str, name: str, size: str) -> Begun:
        call = self.cloud.write("resize", group, name)
        vm = self._idle(group, name)
        return self._change(call, vm, vm.power, vm.power, hardware=size, size=size)

    def _change(
        self,
        call: Call,
        vm: FakeVm,
        power: str | None,
        then: str | None,
        *,
        hardware: str | None = None,
        size: str | None = None,
    ) -> Begun:
        """Begins an operation on the VM. `hardware`: the size it needs room for, when it needs any."""
        failure: HubletError | None = None
        if hardware is not None and self.cloud.is_full(vm.plan.region, hardware, vm.plan.zone):
            failure = CapacityError("AllocationFailed", f"Azure has no capacity for {hardware} at the moment.")
        plant = self.cloud.planted_in_poll(call.verb)
        failed = plant is not None or failure is not None
        if failed:
            then = (plant.power if plant else None) or vm.power
        vm.change(power, until=self._end_of(call), then=then, size=size, failed=failed)
        return self.cloud.wrote(call, failure)

    def _find(self, group: str, name: str) -> FakeVm | None:
        found = self.cloud.groups.get(group.lower())
        return found.vms.get(name.lower()) if found else None

    def _idle(self, group: str, name: str) -> FakeVm:
        vm = self._find(group, name)
        if vm is None:
            raise FatalError("VmNotFound", "The virtual machine is not in Azure.")
        self.cloud.group(group)  # one that is being deleted takes no more requests
        self._be_idle(vm)
        return vm

    def _be_idle(self, vm: FakeVm) -> None:
        if vm.provisioning in ("creating", "updating"):
            raise RetryableError("Conflict", "Azure is still working on an earlier change of the same resource.")

    def _end_of(self, call: Call) -> datetime:
        return call.at + timedelta(seconds=self.cloud.durations[call.verb])

    def _labels(self, region: str) -> set[str]:
        others = {label for where, label in self.cloud.taken_labels if where == region}
        return others | {vm.plan.dns_label for vm in self.cloud.vms() if vm.plan.region == region}

    def _new_vm(self, plan: VmPlan, settles_at: datetime) -> FakeVm:
        number = self.cloud.number()

        def made_by_arm(kind: str, stem: str) -> str:  # ARM picks these names: nothing can compute them
            return self.cloud.id_of(plan.group, kind, f"{stem}-{number * 7919:08x}")

        return FakeVm(
            plan=plan,
            vm_id=self.cloud.id_of(plan.group, "Microsoft.Compute/virtualMachines", plan.name),
            nic_id=made_by_arm("Microsoft.Network/networkInterfaces", "nic"),
            public_ip_id=made_by_arm("Microsoft.Network/publicIPAddresses", "ip"),
            disk_id=made_by_arm("Microsoft.Compute/disks", f"{plan.name}_OsDisk_1"),
            ip=f"20.{number // 65536 % 256}.{number // 256 % 256}.{number % 256}",
            created_at=self.cloud.clock.now(),
            settles_at=settles_at,
        )


class FakeShutdowns:
    """`DailyShutdowns` in memory; the cloud carries them out in virtual time. Verb: shutdown."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud

    async def put(self, plan: DailyShutdown) -> None:
        call = self.cloud.write("shutdown", plan.group, plan.vm_name)
        if re.fullmatch(r"([01]\d|2[0-3])[0-5]\d", plan.time) is None:
            raise FatalError("IncorrectRequiredProperties", f"{plan.time} is no time of day.")
        group = self.cloud.group(plan.group)
        if plan.vm_name.lower() not in group.vms:  # whether ARM looks is not known
            raise RetryableError("ResourceNotFound", f"{plan.vm_name} was not found.")
        group.shutdowns[plan.vm_name.lower()] = plan
        if self.cloud.after_write:
            self.cloud.after_write(call)


class FakeLongOperations:
    """`LongOperations` in memory: time alone finishes an operation. Read: poll."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud

    async def poll(self, handle: str) -> Poll:
        self.cloud.read("poll", "", handle)
        operation = self.cloud.operations.get(handle)
        if operation is None:
            return Poll(done=True)
        if self.cloud.clock.now() < operation.ends_at:
            return Poll(done=False, retry_after_s=self.cloud.retry_after_s)
        return Poll(done=True, failure=operation.failure)


class FakeProbe:
    """`AzureProbe` in memory. Read: probe."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud

    async def ask(self) -> None:
        self.cloud.read("probe", "", "")
        if self.cloud.disabled:
            raise subscription_disabled()


class FakeCatalog:
    """`Catalog` in memory: any size of `cloud.sizes`, in every region alike; prices of `cloud.prices[(size, spot)]`,
    else a default."""

    def __init__(self, cloud: FakeCloud) -> None:
        self.cloud = cloud

    async def sizes(self, region: str) -> Sequence[SizeInfo]:
        self.cloud.read("sizes", "", region)
        return list(self.cloud.sizes.values()) or [make_size("Standard_D2s_v3", region)]

    async def hourly_price(self, region: str, size: str, *, os_disk_gib: int, spot: bool) -> PriceParts | None:
        self.cloud.read("price", "", f"{region}/{size}")
        vm = self.cloud.prices.get((size, spot), 0.03 if spot else 0.096)
        now = self.cloud.clock.now()
        return PriceParts(vm=vm, disk=4.8 / 730, ip=0.005, currency="USD", as_of=now)


def make_size(
    name: str, region: str = "eastus", *, vcpus: int = 2, memory_gib: float = 8.0, zones: tuple[str, ...] = ()
) -> SizeInfo:
    """An available x64 size that can do Trusted Launch; without zones, as in many regions."""
    return SizeInfo(
        name=name,
        region=region,
        vcpus=vcpus,
        memory_gib=memory_gib,
        family="standardDSv3Family",
        arm64=False,
        trusted_launch=True,
        available=True,
        zones=zones,
    )
