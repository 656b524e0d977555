"""The real Azure CLI (Debian's package ``azure-cli``) against the simulator: a registered cloud, a login, lists.

Debian 12 packages azure-cli 2.45 with azure-mgmt-compute 29.0, which lacks the version its ``az vm`` asks for by
default, so the cloud is set to the profile 2020-09-01-hybrid; the client is not changed in any way.
"""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from azure.identity.aio import ManagedIdentityCredential
from azure.mgmt.compute.aio import ComputeManagementClient
from azure.mgmt.network.aio import NetworkManagementClient
from azure.mgmt.resource.resources.aio import ResourceManagementClient

from tests.support import azure_requests as bodies
from tests.support.azure_requests import GROUP, NSG, REGION, SUBNET
from tests.support.wait import eventually

_PROJECT = Path(__file__).resolve().parents[2]
_CLOUD = "HubletLocal"


@dataclass
class Simulated:
    """A simulator of its own, with its environment for managed identity."""

    ready: dict[str, str]
    work: Path

    def environment(self) -> dict[str, str]:
        """What ``az`` finds inside an Azure Functions sandbox, and where to keep its own files."""
        return {
            **os.environ,
            "AZURE_CONFIG_DIR": str(self.work / "az"),
            "AZURE_CORE_COLLECT_TELEMETRY": "no",
            "REQUESTS_CA_BUNDLE": self.ready["ca"],
            "APPSETTING_WEBSITE_SITE_NAME": "hublet",
            "MSI_ENDPOINT": self.ready["identityEndpoint"],
            "MSI_SECRET": self.ready["identityHeader"],
        }

    async def az(self, *arguments: str) -> Any:
        """Run ``az`` and return what it prints as JSON; its errors are the test's errors."""
        program = shutil.which("az")
        assert program, "the Debian package azure-cli is missing (see .ci/packages)"
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            *("--output", "json"),
            env=self.environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 120)
        assert process.returncode == 0, f"az {' '.join(arguments)}: {err.decode()}"
        return json.loads(out) if out.strip() else None


@pytest.fixture
async def simulated(tmp_path: Path) -> AsyncIterator[Simulated]:
    ready = tmp_path / "ready.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "localdev.azuresim", "--no-vms", "--time-scale", "60"),
        *("--state-dir", str(tmp_path / "state"), "--ready-file", str(ready)),
        cwd=_PROJECT,
    )
    try:
        await eventually(ready.exists, 30)
        yield Simulated(json.loads(ready.read_text()), tmp_path)
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 30)


async def make_vm(simulated: Simulated, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub's resources, made through the SDKs with the managed identity."""
    ready = simulated.ready
    monkeypatch.setenv("IDENTITY_ENDPOINT", ready["identityEndpoint"])
    monkeypatch.setenv("IDENTITY_HEADER", ready["identityHeader"])
    where: dict[str, Any] = {
        "base_url": ready["arm"],
        "connection_verify": ready["ca"],
        "credential_scopes": ["https://management.azure.com/.default"],
        "polling_interval": 1,
    }
    root = f"/subscriptions/{ready['subscriptionId']}"
    async with (
        ManagedIdentityCredential() as credential,
        ResourceManagementClient(credential, ready["subscriptionId"], **where) as resources,
        NetworkManagementClient(credential, ready["subscriptionId"], **where) as network,
        ComputeManagementClient(credential, ready["subscriptionId"], **where) as compute,
    ):
        await resources.resource_groups.create_or_update(GROUP, {"location": REGION})
        groups = network.network_security_groups
        nsg: Any = bodies.nsg_body()
        await (await groups.begin_create_or_update(GROUP, "nsg", nsg)).result()
        vnet: Any = bodies.vnet_body(root + NSG)
        await (await network.virtual_networks.begin_create_or_update(GROUP, "vnet", vnet)).result()
        body: Any = bodies.vm_body(bodies.inline_network(root + SUBNET))
        await (await compute.virtual_machines.begin_create_or_update(GROUP, "vm1", body)).result()


async def test_az_logs_in_and_lists_a_machine_made_through_the_sdks(
    simulated: Simulated, monkeypatch: pytest.MonkeyPatch
) -> None:
    await make_vm(simulated, monkeypatch)
    az = simulated.az
    await az("cloud", "register", "--name", _CLOUD, "--endpoint-resource-manager", simulated.ready["arm"])
    await az("cloud", "set", "--name", _CLOUD, "--profile", "2020-09-01-hybrid")
    account = await az("login", "--identity")
    assert [each["id"] for each in account] == [simulated.ready["subscriptionId"]]

    assert [group["name"] for group in await az("group", "list")] == [GROUP]
    vms = await az("vm", "list")
    assert [(vm["name"], vm["provisioningState"]) for vm in vms] == [("vm1", "Succeeded")]
    details = await az("vm", "list", "--show-details")
    assert details[0]["powerState"] == "VM running"
    assert details[0]["publicIps"].startswith("127.77.")
    assert details[0]["fqdns"] == "hub-a.eastus.cloudapp.azure.com"
    nics = await az("network", "nic", "list")
    assert [nic["virtualMachine"]["id"].rpartition("/")[2] for nic in nics] == ["vm1"]
    addresses = await az("network", "public-ip", "list")
    assert [address["ipAddress"] for address in addresses] == [details[0]["publicIps"]]
    assert [nsg["name"] for nsg in await az("network", "nsg", "list")] == ["nsg"]
    assert [disk["name"].startswith("vm1_OsDisk_1_") for disk in await az("disk", "list")] == [True]
    assert len(await az("resource", "list", "--resource-group", GROUP)) == 6

    await az("vm", "deallocate", "--resource-group", GROUP, "--name", "vm1")
    assert (await az("vm", "list", "--show-details"))[0]["powerState"] == "VM deallocated"
    await az("group", "delete", "--name", GROUP, "--yes")
    assert await az("group", "list") == []
