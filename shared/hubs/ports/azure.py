"""Azure Resource Manager and the price list: what the domain asks of Azure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared.errors import HubletError
from shared.hubs.write_budget import Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A long operation was begun. `retry_after_s` is Azure's wish for the first look. `handle` None = already over."""

    handle: str | None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """One look at a long operation. `failure` (one of the four kinds) when it is over and did not succeed."""

    done: bool
    retry_after_s: float | None = None
    failure: HubletError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    name: str
    region: str
    tags: Mapping[str, str]
    deleting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRef:
    id: str
    type: str
    tags: Mapping[str, str]


class ResourceGroups(Protocol):
    async def put(self, name: str, region: str, tags: Mapping[str, str]) -> None: ...
    async def get(self, name: str) -> GroupView | None: ...
    async def begin_delete(self, name: str) -> Begun:
        """Absent = `Begun(handle=None)`. The caller has checked the tags."""
        ...

    async def tagged(self, tag: str, value: str) -> Sequence[ResourceRef]:
        """All resources of the subscription with that tag (groups included): one read for each page of the groups and
        of the resources. Groups come with their tags, resources need not."""
        ...

    async def within(self, name: str) -> Sequence[ResourceRef]:
        """Everything in the group, whoever made it, with its tags: one read for each page. No such group = nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundRule:
    """Allow TCP from `sources` (CIDRs or service tags; `*` only for the web ports) to `ports`."""

    name: str
    priority: int
    sources: tuple[str, ...]
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NsgPlan:
    group: str
    name: str
    region: str
    tags: Mapping[str, str]
    rules: tuple[InboundRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VnetPlan:
    group: str
    name: str
    region: str
    tags: Mapping[str, str]
    address_prefix: str
    subnet: str
    subnet_prefix: str
    nsg_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressView:
    nic_id: str
    public_ip_id: str
    ip: str
    fqdn: str


class Network(Protocol):
    async def begin_nsg(self, plan: NsgPlan) -> Begun: ...
    async def begin_vnet(self, plan: VnetPlan) -> Begun: ...
    async def address(self, nic_id: str) -> AddressView | None:
        """NIC -> public IP, two reads. None while a field that comes late is not there yet."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VmPlan:
    group: str
    name: str
    region: str
    size: str
    tags: Mapping[str, str]
    image: str
    os_disk_gib: int
    admin_username: str
    ssh_public_keys: tuple[str, ...]
    custom_data: bytes = field(repr=False)
    vnet_name: str
    subnet: str
    nsg_name: str
    dns_label: str
    spot: bool = False
    zone: str | None = None
    """The availability zone; None = Azure chooses, and pins the VM to none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VmView:
    """`provisioning`: creating updating succeeded failed deleting; `power`: running starting stopping stopped
    deallocating deallocated, or None when Azure does not say. `stopped` still bills; only `deallocated` does not."""

    vm_id: str
    size: str
    provisioning: str
    power: str | None
    nic_ids: tuple[str, ...]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class VmPower:
    """One VM of the subscription as the list of all shows it. Ids in lower case; `power` as in `VmView`."""

    group: str
    name: str
    power: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class VmSize:
    """One VM of the subscription as the list of all shows it. Group and name in lower case."""

    group: str
    name: str
    size: str


class Compute(Protocol):
    async def begin_vm(self, plan: VmPlan) -> Begun: ...
    async def vm(self, group: str, name: str, *, with_power: bool = False) -> VmView | None: ...
    async def powers(self) -> Sequence[VmPower]:
        """Every VM of the subscription with its power state: one read for each page, however many there are."""
        ...

    async def sizes(self) -> Sequence[VmSize]:
        """Every VM of the subscription with its size: one read for each page, however many there are."""
        ...

    async def begin_deallocate(self, group: str, name: str) -> Begun: ...
    async def begin_start(self, group: str, name: str) -> Begun:
        """Allocates hardware and boots. Running already = over. CapacityError here or in the poll when there is no
        room; absent = FatalError `VmNotFound`."""
        ...

    async def begin_restart(self, group: str, name: str) -> Begun:
        """Reboots; the hardware is kept. Absent = FatalError `VmNotFound`."""
        ...

    async def begin_resize(self, group: str, name: str, size: str) -> Begun:
        """Another size for a deallocated VM; nothing else of it changes. CapacityError when it cannot be had."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyShutdown:
    """Azure's own daily shutdown of one VM. `time`: `HHMM` in UTC."""

    group: str
    vm_name: str
    region: str
    tags: Mapping[str, str]
    time: str
    enabled: bool


class DailyShutdowns(Protocol):
    """`Microsoft.DevTestLab/schedules` of type ComputeVmShutdownTask: stops a VM although this app is down."""

    async def put(self, plan: DailyShutdown) -> None:
        """Makes or changes it; the same again changes nothing. UserError or FatalError when the subscription does not
        have the resource provider or a policy is against it."""
        ...


class LongOperations(Protocol):
    async def poll(self, handle: str) -> Poll:
        """Exactly one GET. A handle that Azure no longer knows (or that cannot be read) is `done`: the caller looks
        at the resource itself. An operation that failed is `done` with its classified `failure`; what is raised is
        trouble with the look itself (RetryableError), and says nothing about the operation."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeInfo:
    name: str
    region: str
    vcpus: int
    memory_gib: float
    family: str
    arm64: bool
    trusted_launch: bool
    available: bool
    restriction: str | None = None
    zones: tuple[str, ...] = ()
    """The availability zones of the region in which this subscription may have the size."""


class Catalog(Protocol):
    """Sizes and retail prices, cached."""

    async def sizes(self, region: str) -> Sequence[SizeInfo]: ...
    async def hourly_price(self, region: str, size: str, *, os_disk_gib: int, spot: bool) -> "PriceParts | None":
        """Retail price; None when the price list does not know the combination or cannot be reached."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceParts:
    vm: float
    disk: float
    ip: float
    currency: str
    as_of: datetime


class AzureProbe(Protocol):
    """Whether Azure can be asked at all: one small read that belongs to no hub."""

    async def ask(self) -> None:
        """Returns when Azure answers and the subscription may be written to. Raises RetryableError with the code that
        any other call would meet (`AzureUnreachable`, `AzureIdentityUnavailable`, `ReadOnlyDisabledSubscription`)."""
        ...


class AzureGate(Protocol):
    """What all processes know together about asking Azure: how many writes it takes, and whether it answers.

    Trouble with the row behind it never stops a hub: then everything is let through, and said in the log.
    """

    async def reserve(self, lane: Lane, writes: int) -> datetime:
        """From when on that many writes may be sent: now, or a slot in the future that is the caller's for sure. Asked
        again, it is another slot at the end of the line: remember it."""
        ...

    def void(self, slot: datetime) -> bool:
        """Whether a slot counts no more: Azure throttled us, or was away, since it was given."""
        ...

    def back_since(self, moment: datetime) -> bool:
        """Whether Azure was away and answers again since then, as far as this process knows."""
        ...

    async def admit(self) -> None:
        """Before every call. Raises AzurePaused while Azure is known not to answer. Now and then the caller is the one
        who finds out whether it does again, which takes one small read."""
        ...

    def answered(self) -> None:
        """After a call that Azure answered."""
        ...

    async def failed(self, error: HubletError, whose: str) -> HubletError:
        """After a call that failed; `whose` = what it was about (a resource group). Returns the error to raise:
        AzurePaused when it is clear that it is nobody's failure."""
        ...

    async def refusal(self) -> HubletError | None:
        """Why nothing that needs Azure is accepted at present, or None: from what this process read at most a minute
        ago."""
        ...
