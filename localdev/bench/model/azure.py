"""The simulated Azure without a socket, under the real ARM adapters and the unmodified SDKs."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from azure.core.credentials import AccessToken

from localdev.azuresim.simulator import Simulator
from localdev.bench.model.clock import VirtualClock
from localdev.bench.model.machine import EGRESS, ModelRuntime
from localdev.bench.model.timeline import Timeline
from shared.adapters.arm.catalog import RetailCatalog
from shared.adapters.arm.client import ArmClients
from shared.adapters.arm.compute import ArmCompute
from shared.adapters.arm.groups import ArmResourceGroups
from shared.adapters.arm.network import ArmNetwork
from shared.adapters.arm.operations import ArmLongOperations
from shared.adapters.arm.prices import RetailPrices
from shared.adapters.arm.shutdowns import ArmDailyShutdowns
from shared.hubs.ports import Cache
from shared.settings import Settings
from tests.support.arm_wire import Answer, Sent, StaticCredential, WireTransport
from tests.support.builders import some_settings

HOST = "https://arm.test"

_NAMES: Mapping[str, str] = {
    "VirtualNetworks_CreateOrUpdate": "network: VNet",
    "VirtualMachines_CreateOrUpdate": "machine",
    "ResourceGroups_Delete": "group delete",
}
_NSG = "NetworkSecurityGroups_CreateOrUpdate"
_NSG_STEPS = ("network: NSG", "expose: NSG", "lock: NSG")


@dataclass(frozen=True, slots=True)
class ArmRequest:
    """One request that ARM was sent."""

    at: datetime
    method: str
    path: str

    @property
    def is_read(self) -> bool:
        return self.method in ("GET", "HEAD")

    @property
    def makes_vm(self) -> bool:
        return self.method == "PUT" and "/virtualMachines/" in self.path


class _Credential(StaticCredential):
    """A token of the simulated identity endpoint, whatever the model's clock says."""

    def __init__(self) -> None:
        super().__init__()
        self.token = ""

    async def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        return AccessToken(self.token, 4102444800)


class ModelAzure:
    """One subscription, emptied for each hub; its adapters are used again, as those of a warm worker are."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.runtime = ModelRuntime()
        self.simulator = Simulator(clock=clock, runtime=self.runtime)
        self.simulator.served_at(HOST)
        clock.happens_next = self.simulator.services.operations.next_due
        clock.happen = self.simulator.settle
        self.settings: Settings = some_settings(
            HUBLET_SUBSCRIPTION_ID=self.simulator.services.subscription_id,
            HUBLET_ARM_ENDPOINT=HOST,
            HUBLET_PRICES_ENDPOINT=f"{HOST}/api/retail/prices",
            HUBLET_EGRESS_CIDRS=f"{EGRESS}/32",
        )
        self.requests: list[ArmRequest] = []
        self.before_request: Callable[[ArmRequest], Awaitable[None]] | None = None
        """Whatever else happens in the world while a worker asks Azure."""
        self._timeline: Timeline | None = None
        self._told: set[str] = set()
        self._groups_written = 0
        self._credential = _Credential()
        self._wire = WireTransport(self._answer)
        credential: Any = self._credential
        self.arm = ArmClients(self.settings, transport=self._wire, credential=credential)

    async def begin_hub(self, seed: int, timeline: Timeline) -> None:
        """An empty subscription whose durations follow from the seed."""
        await self.simulator.reset()
        self.simulator.services.rng.seed(random.Random(seed).getrandbits(64))
        self._credential.token, _ = self.simulator.identity.issue("https://management.azure.com")
        self.requests = []
        self.before_request = None
        self._timeline, self._groups_written = timeline, 0
        self._told.clear()

    def ports(self, cache: Cache) -> dict[str, Any]:
        prices = RetailPrices(self.settings, fetch=self._fetch)
        return {
            "groups": ArmResourceGroups(self.arm),
            "network": ArmNetwork(self.arm),
            "compute": ArmCompute(self.arm),
            "operations": ArmLongOperations(self.arm),
            "shutdowns": ArmDailyShutdowns(self.arm),
            "catalog": RetailCatalog(self.arm, cache, self.settings, self.clock, prices=prices),
        }

    async def _answer(self, sent: Sent) -> Answer:
        self._wire.sent.clear()
        request = ArmRequest(self.clock.now(), sent.method, sent.path)
        self.requests.append(request)
        if self.before_request is not None:
            await self.before_request(request)
        response = await self.simulator.handle(sent.method, sent.path, sent.query, sent.headers, sent.body)
        for operation in self.simulator.services.operations.running():
            if operation.id not in self._told and self._timeline is not None:
                self._told.add(operation.id)
                self._timeline.add(self._name(operation.name), operation.started, operation.ends)
        return Answer(response.status, response.encoded(), response.headers)

    def _name(self, operation: str) -> str:
        if operation != _NSG:
            return _NAMES[operation]
        self._groups_written += 1
        place = min(self._groups_written, len(_NSG_STEPS))  # more of them: a hub that needed another attempt
        return _NSG_STEPS[place - 1]

    async def _fetch(self, address: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        """The price list is no part of ARM and needs no token. Only the first hub finds it not remembered: its lot must
        not depend on that."""
        chance = self.simulator.services.rng.getstate()
        query = urlencode(parameters) or urlsplit(address).query
        response = await self.simulator.handle("GET", urlsplit(address).path, query)
        self.simulator.services.rng.setstate(chance)
        return response.json()
