"""The clients: lazy, one set a loop, no retries, no sleeping, no registering."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.arm.client import ArmClients
from shared.adapters.arm.compute import ArmCompute
from shared.adapters.arm.groups import ArmResourceGroups
from shared.adapters.arm.network import ArmNetwork
from shared.errors import FatalError, RetryableError
from tests.support.arm_wire import Answer, StaticCredential, WireTransport
from tests.support.builders import some_settings
from tests.unit.arm.test_bodies import a_vm_plan
from tests.unit.arm.wire_world import Wire, accepted, refused

ROOT = Path(__file__).parents[3]
MODULES = "catalog client compute credentials errors groups ids network operations prices probe refusals shutdowns"


def test_importing_the_adapters_loads_no_sdk() -> None:
    script = (
        "import importlib, sys\n"
        f"for name in {MODULES!r}.split(): importlib.import_module('shared.adapters.arm.' + name)\n"
        "heavy = {'azure', 'aiohttp', 'pydantic', 'asyncssh', 'cryptography'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))\n"
    )

    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"


async def test_a_throttled_write_is_neither_retried_nor_slept_on() -> None:
    wire = Wire(refused(429, "TooManyRequests", headers={"Retry-After": "1"}))

    with pytest.raises(RetryableError) as throttled:
        await ArmCompute(wire.arm).begin_vm(a_vm_plan())

    assert throttled.value.retry_after_s == 1.0
    assert wire.methods == ["PUT"]


async def test_f31_a_token_that_azure_does_not_take_is_fetched_anew_once() -> None:
    body = {"name": "g", "location": "eastus", "properties": {"provisioningState": "Succeeded"}}
    wire = Wire(refused(401, "ExpiredAuthenticationToken"), Answer(200, body))

    assert await ArmResourceGroups(wire.arm).get("g") is not None
    assert wire.methods == ["GET", "GET"]


async def test_f31_a_second_401_is_trouble_of_the_identity_and_is_not_tried_again() -> None:
    wire = Wire(refused(401, "ExpiredAuthenticationToken"))

    with pytest.raises(RetryableError) as trouble:
        await ArmResourceGroups(wire.arm).get("g")

    assert trouble.value.code == "AzureIdentityUnavailable"
    assert wire.methods == ["GET", "GET"]


async def test_a_missing_resource_provider_is_not_registered_on_the_way() -> None:
    text = "The subscription is not registered to use namespace 'Microsoft.Compute'. See https://aka.ms/rps-not-found"
    wire = Wire(refused(409, "MissingSubscriptionRegistration", text))

    with pytest.raises(FatalError) as missing:
        await ArmCompute(wire.arm).begin_vm(a_vm_plan())

    assert missing.value.code == "MissingSubscriptionRegistration"
    assert wire.methods == ["PUT"]


async def test_an_unreadable_first_answer_is_retryable() -> None:
    wire = Wire(Answer(200, b"<html>", {"Content-Type": "text/html"}))

    with pytest.raises(RetryableError):
        await ArmResourceGroups(wire.arm).get("g")


async def test_a_retry_after_the_sdk_cannot_read_is_retryable() -> None:
    """compute's `Retry-After` must be a number for the SDK; the PUT is repeated and changes nothing."""
    wire = Wire(accepted({"Retry-After": "Mon, 02 Mar 2026 09:30:40 GMT"}))

    with pytest.raises(RetryableError):
        await ArmCompute(wire.arm).begin_vm(a_vm_plan())


async def test_reads_of_what_is_absent_are_none() -> None:
    wire = Wire(refused(404, "ResourceGroupNotFound"))
    nic = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/n"

    assert await ArmResourceGroups(wire.arm).get("g") is None
    assert await ArmCompute(wire.arm).vm("g", "vm") is None
    assert await ArmNetwork(wire.arm).address(nic) is None


async def test_a_public_ip_without_its_late_fields_is_no_address_yet() -> None:
    public_ip = "/subscriptions/s/resourceGroups/G/providers/Microsoft.Network/publicIPAddresses/ip"
    configuration = {"properties": {"primary": True, "publicIPAddress": {"id": public_ip}}}
    nic = Answer(200, {"id": "n", "properties": {"ipConfigurations": [configuration]}})
    named = {"dnsSettings": {"fqdn": "x.eastus.cloudapp.azure.com"}}
    nic_id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/n"
    wire = Wire(nic, Answer(200, {"id": public_ip, "properties": named}))

    assert await ArmNetwork(wire.arm).address(nic_id) is None

    wire.then(nic, Answer(200, {"id": public_ip, "properties": {**named, "ipAddress": "20.1.2.3"}}))
    address = await ArmNetwork(wire.arm).address(nic_id)
    assert address is not None and (address.ip, address.public_ip_id) == ("20.1.2.3", public_ip)


async def test_tagged_compares_names_and_values_in_any_case_and_trusts_no_filter() -> None:
    groups = {"value": [{"id": "/subscriptions/s/resourceGroups/A", "tags": {"HUBLET-HUB": "Physics"}}]}
    resources = {
        "value": [
            {
                "id": "/subscriptions/s/resourceGroups/A/providers/x/y/1",
                "type": "x/y",
                "tags": {"hublet-hub": "physics"},
            },
            {"id": "/subscriptions/s/resourceGroups/A/providers/x/y/2", "type": "x/y", "tags": {"hublet-hub": "other"}},
            {"id": "/subscriptions/s/resourceGroups/A/providers/x/y/3", "type": "x/y"},
        ]
    }
    wire = Wire(Answer(200, groups), Answer(200, resources))

    found = await ArmResourceGroups(wire.arm).tagged("hublet-hub", "physics")

    assert [(ref.type, ref.id.rsplit("/", 1)[-1]) for ref in found] == [
        ("Microsoft.Resources/resourceGroups", "A"),
        ("x/y", "1"),
        ("x/y", "3"),  # ARM filters by name and value, and then leaves the tags out: it is one of ours
    ]


@pytest.mark.parametrize(
    "answer",
    [refused(404, "SubscriptionNotFound", "The subscription 's' could not be found."), Answer(404, b"<html>no</html>")],
)
async def test_only_a_404_that_speaks_of_the_resource_means_absence(answer: Answer) -> None:
    """Otherwise a subscription we lost sight of would make every hub look deleted and every machine look stopped."""
    wire = Wire(answer)
    with pytest.raises(RetryableError):
        await ArmResourceGroups(wire.arm).get("g")
    with pytest.raises(RetryableError):
        await ArmResourceGroups(wire.arm).begin_delete("g")
    with pytest.raises(RetryableError):
        await ArmCompute(wire.arm).vm("g", "vm")
    with pytest.raises(RetryableError):
        await ArmCompute(wire.arm).begin_deallocate("g", "vm")


async def test_the_observer_sees_what_goes_out() -> None:
    seen: list[tuple[str, str]] = []

    async def answer(_: Any) -> Answer:
        return Answer(200, {"name": "g", "location": "eastus", "properties": {"provisioningState": "Succeeded"}})

    credential: Any = StaticCredential()
    arm = ArmClients(
        some_settings(HUBLET_ARM_ENDPOINT="https://arm.test"),
        transport=WireTransport(answer),
        credential=credential,
        observer=lambda method, url: seen.append((method, url)),
    )

    await ArmResourceGroups(arm).put("g", "eastus", {})

    ((method, url),) = seen
    assert method == "PUT" and url.startswith("https://arm.test/subscriptions/")


def test_every_event_loop_has_clients_of_its_own() -> None:
    arm = Wire(accepted()).arm

    async def clients() -> tuple[object, object]:
        return arm.compute(), arm.compute()

    first, again = asyncio.run(clients())
    other, _ = asyncio.run(clients())

    assert first is again
    assert first is not other


async def test_closing_twice_is_closing_once_and_opens_anew() -> None:
    arm = ArmClients(some_settings())
    before = arm.compute()

    await arm.close()
    await arm.close()

    assert arm.compute() is not before
    await arm.close()
