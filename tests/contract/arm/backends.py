"""Two Azures for one suite: the fakes that component tests use, and the adapters over the simulated Azure.

The simulated Azure runs in process with its own virtual clock; below the unmodified SDKs sits `WireTransport`, so every
request is the one that would go out.
"""

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from azure.core.credentials import AccessToken

from localdev.azuresim.catalogue import REGIONS
from localdev.azuresim.clock import ManualClock
from localdev.azuresim.simulator import Simulator
from shared.adapters.arm.catalog import RetailCatalog
from shared.adapters.arm.client import ArmClients
from shared.adapters.arm.compute import ArmCompute
from shared.adapters.arm.groups import ArmResourceGroups
from shared.adapters.arm.network import ArmNetwork
from shared.adapters.arm.operations import ArmLongOperations
from shared.adapters.arm.prices import RetailPrices
from shared.adapters.arm.shutdowns import ArmDailyShutdowns
from shared.clock import Clock
from shared.errors import CapacityError, FatalError, HubletError
from shared.hubs.ports import (
    Begun,
    Catalog,
    Compute,
    DailyShutdown,
    DailyShutdowns,
    InboundRule,
    LongOperations,
    Network,
    NsgPlan,
    ResourceGroups,
    VmPlan,
    VnetPlan,
)
from tests.support.arm_wire import Answer, Sent, StaticCredential, WireTransport
from tests.support.builders import some_settings
from tests.support.clock import FakeClock
from tests.support.fake_arm import (
    FakeCatalog,
    FakeCloud,
    FakeCompute,
    FakeGroups,
    FakeLongOperations,
    FakeNetwork,
    FakeShutdowns,
    make_size,
)
from tests.support.fake_storage import FakeCache

REGION = "eastus"
GROUP = "hublet-physics-ab2cd3-a1"
TAGS = {"hublet-hub": "physics-ab2cd3", "hublet-deployment": "d1"}
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBZ+X1qWc0Ub1xkXbCqWcQh8dW0YVv3sD0Qv0v9Pq3uN jaydoe"
_LONGEST_LOOKS = 200


class Azure(Protocol):
    """What a contract test needs: the six ports, and hands on time and trouble."""

    groups: ResourceGroups
    network: Network
    compute: Compute
    operations: LongOperations
    shutdowns: DailyShutdowns
    catalog: Catalog
    clock: Clock

    def advance(self, seconds: float) -> None: ...
    def refuse(self, verb: str, code: str) -> None:
        """The next operation of that verb (`vm`, `group_delete`) begins well and then fails with Azure's `code`."""
        ...

    def room(self, size: str, *, here: bool) -> None:
        """From now on Azure has room for that size, or none."""
        ...

    def zones(self, size: str, *zones: str) -> None:
        """The size can be had in these zones (the simulated Azure has its own catalogue, with these and more)."""
        ...

    def pages_of(self, rows: int) -> None:
        """From now on a list comes in pages of so many."""
        ...

    def writes(self) -> int:
        """How many PUT, POST, PATCH and DELETE requests were made so far."""
        ...


async def finish(azure: Azure, begun: Begun) -> HubletError | None:
    """Looks at the operation until it is over; returns its failure."""
    if begun.handle is None:
        return None
    for _ in range(_LONGEST_LOOKS):
        poll = await azure.operations.poll(begun.handle)
        if poll.done:
            return poll.failure
        azure.advance(min(poll.retry_after_s or 5.0, 15.0))
    raise AssertionError("the operation never ends")


async def has_group(azure: Azure, name: str = GROUP) -> None:
    await azure.groups.put(name, REGION, TAGS)


async def has_network(azure: Azure) -> None:
    await has_group(azure)
    assert await finish(azure, await azure.network.begin_nsg(nsg_plan())) is None
    assert await finish(azure, await azure.network.begin_vnet(vnet_plan())) is None


async def has_vm(azure: Azure) -> None:
    await has_network(azure)
    assert await finish(azure, await azure.compute.begin_vm(vm_plan())) is None


async def has_vm_that_is_off(azure: Azure) -> None:
    await has_vm(azure)
    assert await finish(azure, await azure.compute.begin_deallocate(GROUP, vm_plan().name)) is None


async def power_of(azure: Azure) -> str | None:
    """The VM's power now."""
    view = await azure.compute.vm(GROUP, vm_plan().name, with_power=True)
    assert view is not None
    return view.power


def shutdown_plan(**changes: Any) -> DailyShutdown:
    everything: dict[str, Any] = {
        "group": GROUP,
        "vm_name": vm_plan().name,
        "region": REGION,
        "tags": TAGS,
        "time": "0200",
        "enabled": True,
        **changes,
    }
    return DailyShutdown(**everything)


def nsg_plan(*rules: InboundRule) -> NsgPlan:
    ssh = InboundRule(name="ssh-hublet", priority=100, sources=("20.1.2.3/32", "20.1.2.4/32"), ports=("22",))
    return NsgPlan(group=GROUP, name="hublet-nsg", region=REGION, tags=TAGS, rules=rules or (ssh,))


def vnet_plan() -> VnetPlan:
    return VnetPlan(
        group=GROUP,
        name="hublet-vnet",
        region=REGION,
        tags=TAGS,
        address_prefix="10.0.0.0/24",
        subnet="hub",
        subnet_prefix="10.0.0.0/24",
        nsg_name="hublet-nsg",
    )


def vm_plan(**changes: Any) -> VmPlan:
    everything: dict[str, Any] = {
        "group": GROUP,
        "name": "physics-ab2cd3-a1-vm",
        "region": REGION,
        "size": "Standard_D2s_v3",
        "tags": TAGS,
        "image": "ubuntu-24.04",
        "os_disk_gib": 32,
        "admin_username": "jaydoe",
        "ssh_public_keys": (ED25519,),
        "custom_data": b"#cloud-config\n{}\n",
        "vnet_name": "hublet-vnet",
        "subnet": "hub",
        "nsg_name": "hublet-nsg",
        "dns_label": "physics-ab2cd3",
        **changes,
    }
    return VmPlan(**everything)


class FakeAzure(Azure):
    """The fakes of the component tests."""

    _ERRORS: Mapping[str, HubletError] = {
        "AllocationFailed": CapacityError("AllocationFailed", "No capacity."),
        "OSProvisioningTimedOut": FatalError("OSProvisioningTimedOut", "Too slow."),
    }

    def __init__(self) -> None:
        self.clock = self._time = FakeClock()
        self.cloud = FakeCloud(self.clock)
        self.groups = FakeGroups(self.cloud)
        self.network = FakeNetwork(self.cloud)
        self.compute = FakeCompute(self.cloud)
        self.operations = FakeLongOperations(self.cloud)
        self.shutdowns = FakeShutdowns(self.cloud)
        self.catalog = FakeCatalog(self.cloud)

    def advance(self, seconds: float) -> None:
        self._time.advance(seconds)

    def refuse(self, verb: str, code: str) -> None:
        self.cloud.fail_poll(verb, self._ERRORS[code])

    def room(self, size: str, *, here: bool) -> None:
        self.cloud.no_room.discard(size.lower())
        if not here:
            self.cloud.no_room.add(size.lower())

    def zones(self, size: str, *zones: str) -> None:
        self.cloud.sizes[size] = make_size(size, zones=zones)

    def pages_of(self, rows: int) -> None:
        self.cloud.page_size = rows

    def writes(self) -> int:
        return len(self.cloud.writes)


class _FreshTokens(StaticCredential):
    """A new token for each request: they last a day, and virtual time leaps over many."""

    def __init__(self, simulator: Simulator) -> None:
        super().__init__()
        self._simulator = simulator

    async def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        token, _ = self._simulator.identity.issue("https://management.azure.com")
        return AccessToken(token, 0)


class SimulatedAzure(Azure):
    """The adapters and the SDKs over the simulated Azure, in process."""

    _OPERATIONS: Mapping[str, str] = {
        "vm": "VirtualMachines_CreateOrUpdate",
        "deallocate": "VirtualMachines_Deallocate",
        "start": "VirtualMachines_Start",
        "restart": "VirtualMachines_Restart",
        "resize": "VirtualMachines_Update",
        "group_delete": "ResourceGroups_Delete",
        "nsg": "NetworkSecurityGroups_CreateOrUpdate",
    }

    def __init__(self) -> None:
        self.clock = self._time = ManualClock()
        self.simulator = Simulator(clock=self._time, seed=7)
        self.simulator.served_at("https://arm.test")
        settings = some_settings(
            HUBLET_SUBSCRIPTION_ID=self.simulator.services.subscription_id,
            HUBLET_ARM_ENDPOINT="https://arm.test",
            HUBLET_PRICES_ENDPOINT="https://arm.test/api/retail/prices",
        )
        self.wire = WireTransport(self._answer)
        credential: Any = _FreshTokens(self.simulator)
        self.arm = ArmClients(settings, transport=self.wire, credential=credential)
        self.groups = ArmResourceGroups(self.arm)
        self.network = ArmNetwork(self.arm)
        self.compute = ArmCompute(self.arm)
        self.operations = ArmLongOperations(self.arm)
        self.shutdowns = ArmDailyShutdowns(self.arm)
        self.catalog = RetailCatalog(
            self.arm, FakeCache(self.clock), settings, self.clock, prices=RetailPrices(settings, fetch=self._fetch)
        )

    def advance(self, seconds: float) -> None:
        self._time.advance(seconds)

    def refuse(self, verb: str, code: str) -> None:
        from localdev.azuresim.faults import Fault

        self.simulator.services.faults.add(
            Fault.parse({"operation": self._OPERATIONS[verb], "when": "poll", "code": code})
        )

    def room(self, size: str, *, here: bool) -> None:
        full = self.simulator.services.settings.out_of_capacity
        full.discard(f"{REGION}/{size}".lower())
        if not here:
            full.add(f"{REGION}/{size}".lower())

    def zones(self, size: str, *zones: str) -> None:
        known = next(each for each in REGIONS.values() if each.name == REGION)
        assert set(zones) <= set(known.zones), size

    def pages_of(self, rows: int) -> None:
        self.simulator.services.settings.page_size = rows

    def writes(self) -> int:
        return sum(1 for sent in self.wire.sent if sent.method != "GET")

    async def _answer(self, sent: Sent) -> Answer:
        response = await self.simulator.handle(sent.method, sent.path, sent.query, sent.headers, sent.body)
        return Answer(response.status, response.encoded(), response.headers)

    async def _fetch(self, address: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        from urllib.parse import urlencode

        query = urlencode(parameters) or urlsplit(address).query
        response = await self.simulator.handle("GET", urlsplit(address).path, query)
        assert response.status == 200, response.json()
        return response.json()
