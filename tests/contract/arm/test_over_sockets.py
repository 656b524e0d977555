"""The same adapters through real sockets: TLS with a CA of its own, and a managed identity endpoint."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from localdev.azuresim.app import Server
from localdev.azuresim.clock import ManualClock
from localdev.azuresim.simulator import Simulator
from localdev.azuresim.tls import CertificateAuthority
from shared.adapters.arm.catalog import RetailCatalog
from shared.adapters.arm.client import ArmClients
from shared.adapters.arm.compute import ArmCompute
from shared.adapters.arm.groups import ArmResourceGroups
from shared.adapters.arm.network import ArmNetwork
from shared.adapters.arm.operations import ArmLongOperations
from shared.clock import SystemClock
from shared.errors import RetryableError
from shared.settings import Settings
from tests.contract.arm.backends import GROUP, REGION, TAGS, nsg_plan, vm_plan, vnet_plan
from tests.support.builders import some_settings
from tests.support.fake_storage import FakeCache


@dataclass
class Listening:
    simulator: Simulator
    server: Server
    clock: ManualClock

    def settings(self, **changes: str) -> Settings:
        return some_settings(
            **{
                "HUBLET_SUBSCRIPTION_ID": self.simulator.services.subscription_id,
                "HUBLET_ARM_ENDPOINT": self.server.arm_url,
                "HUBLET_PRICES_ENDPOINT": f"{self.server.arm_url}/api/retail/prices",
                "HUBLET_CA_FILE": str(self.server.ca_file),
                **changes,
            }
        )


@pytest.fixture
async def listening(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listening]:
    clock = ManualClock(start=SystemClock().now())  # tokens and certificates are checked against the real time
    simulator = Simulator(clock=clock, seed=7)
    server = Server(simulator, CertificateAuthority(clock), tmp_path)
    await server.start()
    monkeypatch.setenv("IDENTITY_ENDPOINT", server.identity_url)
    monkeypatch.setenv("IDENTITY_HEADER", simulator.identity_secret)
    try:
        yield Listening(simulator, server, clock)
    finally:
        await server.close()


async def test_a_vm_is_made_and_its_group_deleted(listening: Listening) -> None:
    seen: list[str] = []
    arm = ArmClients(listening.settings(), observer=lambda method, url: seen.append(method))
    operations = ArmLongOperations(arm)

    async def wait_for(handle: str | None) -> None:
        assert handle is not None
        while not (poll := await operations.poll(handle)).done:
            listening.clock.advance(15)
        assert poll.failure is None

    try:
        await ArmResourceGroups(arm).put(GROUP, REGION, TAGS)
        await wait_for((await ArmNetwork(arm).begin_nsg(nsg_plan())).handle)
        await wait_for((await ArmNetwork(arm).begin_vnet(vnet_plan())).handle)
        await wait_for((await ArmCompute(arm).begin_vm(vm_plan())).handle)
        view = await ArmCompute(arm).vm(GROUP, vm_plan().name, with_power=True)
        assert view is not None and view.power == "running"
        await wait_for((await ArmResourceGroups(arm).begin_delete(GROUP)).handle)
        assert await ArmResourceGroups(arm).get(GROUP) is None
    finally:
        await arm.close()

    assert seen.count("PUT") == 4 and seen.count("DELETE") == 1


async def test_prices_and_sizes_come_over_the_same_trust(listening: Listening) -> None:
    arm = ArmClients(listening.settings())
    catalog = RetailCatalog(arm, FakeCache(listening.clock), listening.settings(), listening.clock)
    try:
        assert await catalog.hourly_price(REGION, "Standard_D2s_v3", os_disk_gib=32, spot=False) is not None
        assert any(size.name == "Standard_D2s_v3" for size in await catalog.sizes(REGION))
    finally:
        await arm.close()


async def test_an_identity_endpoint_that_is_down_fails_no_hub(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:9/msi/token")  # nothing listens on discard
    arm = ArmClients(listening.settings())
    try:
        with pytest.raises(RetryableError) as trouble:
            await ArmResourceGroups(arm).get(GROUP)
    finally:
        await arm.close()

    assert trouble.value.code == "AzureIdentityUnavailable"


async def test_a_wrong_identity_secret_fails_no_hub(listening: Listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    arm = ArmClients(listening.settings())
    try:
        with pytest.raises(RetryableError) as trouble:
            await ArmResourceGroups(arm).get(GROUP)
    finally:
        await arm.close()

    assert trouble.value.code == "AzureIdentityUnavailable"


async def test_a_server_nobody_vouches_for_gets_no_token(listening: Listening) -> None:
    arm = ArmClients(listening.settings(HUBLET_CA_FILE=""))
    try:
        with pytest.raises(RetryableError) as trouble:
            await ArmResourceGroups(arm).get(GROUP)
    finally:
        await arm.close()

    assert trouble.value.code == "AzureUnreachable"
    assert not any(record.method == "GET" for record in listening.simulator.recorder.since(None))


async def test_an_azure_that_is_away_is_retryable(listening: Listening) -> None:
    arm = ArmClients(listening.settings(HUBLET_ARM_ENDPOINT="https://127.0.0.1:9"))
    try:
        with pytest.raises(RetryableError) as trouble:
            await ArmResourceGroups(arm).get(GROUP)
    finally:
        await arm.close()

    assert trouble.value.code == "AzureUnreachable"
