"""The simulated Azure under test: in process with virtual time, and behind HTTPS with the real SDKs in front."""

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.mgmt.compute.aio import ComputeManagementClient
from azure.mgmt.network.aio import NetworkManagementClient
from azure.mgmt.resource.resources.aio import ResourceManagementClient

from localdev.azuresim.app import Server
from localdev.azuresim.clock import WallClock
from localdev.azuresim.envelope import Json
from localdev.azuresim.identity import ManagedIdentity
from localdev.azuresim.simulator import Simulator
from localdev.azuresim.tls import CertificateAuthority
from tests.contract.azuresim.recordings import SHARED
from tests.support import azure_requests as bodies
from tests.support.azure_requests import Caller, new_caller

collect_ignore = [] if SHARED else ["test_recorded_traffic.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if SHARED is None:
        terminalreporter.write_line("azuresim: no recorded ARM traffic beside the checkout, so nothing to compare with")


@pytest.fixture
def call() -> Caller:
    """A fresh subscription in virtual time, without a socket."""
    return new_caller()


class GivenCredential:
    """A credential that asks the identity endpoint's own code, without the way over HTTP."""

    def __init__(self, identity: ManagedIdentity) -> None:
        self._identity = identity

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        token, expires = self._identity.issue(scopes[0].removesuffix("/.default"))
        return AccessToken(token, int(expires.timestamp()))

    async def close(self) -> None:
        """Nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.close()


@dataclass
class Azure:
    """A running simulator and the unmodified SDKs pointed at it."""

    simulator: Simulator
    server: Server
    compute: Any
    """Untyped, as are the other two: to the type checker every member of an SDK model may be missing."""
    network: Any
    resources: Any
    http: aiohttp.ClientSession

    def id(self, path: str) -> str:
        return f"/subscriptions/{self.simulator.services.subscription_id}{path}"

    def slow(self, operation: str, seconds: float) -> None:
        """Let an operation take this long."""
        self.simulator.services.durations.set(operation, seconds)

    async def sim(self, method: str, path: str, body: Any = None) -> aiohttp.ClientResponse:
        """A request to the control surface; the answer is read."""
        async with self.http.request(method, f"{self.server.arm_url}/_sim/{path}", json=body) as response:
            await response.read()
            return response

    async def arm(self, method: str, path: str, body: Any = None, **headers: str) -> aiohttp.ClientResponse:
        """A plain ARM request; the answer is read."""
        token, _ = self.simulator.identity.issue("https://management.azure.com")
        sent = {"Authorization": f"Bearer {token}", **headers}
        async with self.http.request(method, self.server.arm_url + path, json=body, headers=sent) as response:
            await response.read()
            return response

    def vm_body(self, **properties: Any) -> Json:
        """A VM with inline interface and address."""
        return bodies.vm_body(bodies.inline_network(self.id(bodies.SUBNET)), **properties)

    async def has_network(self) -> None:
        """A group, a security group and a network whose subnet is tied to it."""
        group = {"location": bodies.REGION, "tags": {"a": "b"}}
        await self.resources.resource_groups.create_or_update(bodies.GROUP, group)
        groups, networks = self.network.network_security_groups, self.network.virtual_networks
        await (await groups.begin_create_or_update(bodies.GROUP, "nsg", bodies.nsg_body())).result()
        body = bodies.vnet_body(self.id(bodies.NSG))
        await (await networks.begin_create_or_update(bodies.GROUP, "vnet", body)).result()

    async def has_vm(self) -> Any:
        """A running VM in that network."""
        await self.has_network()
        vms = self.compute.virtual_machines
        return await (await vms.begin_create_or_update(bodies.GROUP, "vm1", self.vm_body())).result()


def code_of(error: HttpResponseError) -> str | None:
    """Azure's code inside an SDK's exception."""
    return error.error.code if error.error else None


@pytest.fixture
async def azure(tmp_path: Path) -> AsyncIterator[Azure]:
    """Everything over HTTPS with the simulator's CA; operations are over at the first poll unless a test slows them."""
    clock = WallClock()
    authority = CertificateAuthority(clock)
    simulator = Simulator(clock=clock)
    simulator.services.durations.set("*", 0)
    server = Server(simulator, authority, tmp_path)
    await server.start()
    credential = GivenCredential(simulator.identity)
    where: dict[str, Any] = {
        "base_url": server.arm_url,
        "connection_verify": str(server.ca_file),
        "credential_scopes": ["https://management.azure.com/.default"],
        "retry_total": 0,
        "polling_interval": 0,
    }
    subscription = simulator.services.subscription_id
    trusting = aiohttp.TCPConnector(ssl=_trust(server.ca_file))
    async with (
        ComputeManagementClient(credential, subscription, **where) as compute,
        NetworkManagementClient(credential, subscription, **where) as network,
        ResourceManagementClient(credential, subscription, **where) as resources,
        aiohttp.ClientSession(connector=trusting) as http,
    ):
        yield Azure(simulator, server, compute, network, resources, http)
    await server.close()


def _trust(ca_file: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca_file))
