"""Long-running operations as the SDKs follow them: continuation tokens, failures, errors, lost answers."""

from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity.aio import ManagedIdentityCredential
from azure.mgmt.resource.resources.aio import ResourceManagementClient

from tests.contract.azuresim.conftest import Azure, code_of
from tests.support import azure_requests as bodies
from tests.support.azure_requests import GROUP, REGION


async def status_by_token(azure: Azure, token: str) -> tuple[bool, Any]:
    """What another process sees that has nothing but the token."""
    poller = await azure.compute.virtual_machines.begin_create_or_update(GROUP, "vm1", {}, continuation_token=token)
    method = poller.polling_method()
    await method.update_status()
    return bool(method.finished()), poller


async def test_create_is_resumed_from_its_token_with_one_request_per_look(azure: Azure) -> None:
    await azure.has_network()
    azure.slow("VirtualMachines_CreateOrUpdate", 60)
    poller = await azure.compute.virtual_machines.begin_create_or_update(GROUP, "vm1", azure.vm_body())
    token = poller.continuation_token()
    await azure.sim("DELETE", "requests")
    finished, _ = await status_by_token(azure, token)
    assert not finished
    assert [r.operation for r in azure.simulator.recorder.since(None)] == ["ComputeOperations_Get"]
    await azure.sim("POST", "clock", {"advance_s": 61})
    finished, resumed = await status_by_token(azure, token)
    assert finished
    assert (await resumed.result()).provisioning_state == "Succeeded"


async def test_failed_create_raises_with_status_200_and_leaves_a_failed_machine(azure: Azure) -> None:
    await azure.has_network()
    fault = {"operation": "VirtualMachines_CreateOrUpdate", "when": "poll", "code": "AllocationFailed"}
    await azure.sim("POST", "faults", fault)
    with pytest.raises(HttpResponseError) as failed:
        await (await azure.compute.virtual_machines.begin_create_or_update(GROUP, "vm1", azure.vm_body())).result()
    assert failed.value.status_code == 200
    assert code_of(failed.value) == "AllocationFailed"
    left = await azure.compute.virtual_machines.get(GROUP, "vm1")
    assert left.provisioning_state == "Failed"
    await (await azure.compute.virtual_machines.begin_create_or_update(GROUP, "vm1", azure.vm_body())).result()
    assert (await azure.compute.virtual_machines.get(GROUP, "vm1")).provisioning_state == "Succeeded"


async def test_refusal_at_once_carries_code_and_text(azure: Azure) -> None:
    await azure.has_network()
    await azure.sim("POST", "settings", {"quotas": {"eastus/cores": 1}})
    with pytest.raises(ResourceExistsError) as refused:
        await azure.compute.virtual_machines.begin_create_or_update(GROUP, "vm1", azure.vm_body())
    assert refused.value.status_code == 409
    assert code_of(refused.value) == "OperationNotAllowed"
    assert "Current Limit: 1, Current Usage: 0, Additional Required: 2" in refused.value.message


async def test_throttled_request_says_when_to_come_back(azure: Azure) -> None:
    await azure.has_network()
    await azure.sim("POST", "faults", {"operation": "VirtualMachines_Get", "status": 429, "retry_after": 17})
    with pytest.raises(HttpResponseError) as refused:
        await azure.compute.virtual_machines.get(GROUP, "vm1")
    response: Any = refused.value.response
    assert response.headers["Retry-After"] == "17"


async def test_broken_gateway_answers_html(azure: Azure) -> None:
    await azure.sim("POST", "faults", {"operation": "*", "status": 502, "body": "<html>Bad gateway</html>"})
    with pytest.raises(HttpResponseError) as refused:
        await azure.resources.resource_groups.get(GROUP)
    assert refused.value.status_code == 502
    assert code_of(refused.value) is None


async def test_lost_answer_breaks_the_connection_although_the_work_was_done(azure: Azure) -> None:
    # Twice: aiohttp by itself repeats a PUT whose kept-alive connection broke.
    fault = {"operation": "ResourceGroups_CreateOrUpdate", "when": "after", "reset_connection": True, "times": 2}
    await azure.sim("POST", "faults", fault)
    with pytest.raises((ServiceRequestError, ServiceResponseError)):
        await azure.resources.resource_groups.create_or_update(GROUP, {"location": REGION})
    assert await azure.resources.resource_groups.check_existence(GROUP)


async def test_delayed_answer_comes_when_the_clock_has_moved(azure: Azure) -> None:
    await azure.sim("POST", "faults", {"operation": "ResourceGroups_CreateOrUpdate", "delay_s": 0.2})
    clock = azure.simulator.clock
    before = clock.now()
    await azure.resources.resource_groups.create_or_update(GROUP, {"location": REGION})
    assert (clock.now() - before).total_seconds() >= 0.2


async def test_truncated_operation_address_is_refused(azure: Azure) -> None:
    await azure.resources.resource_groups.create_or_update(GROUP, {"location": REGION})
    path = azure.id(f"/resourceGroups/{GROUP}/providers/Microsoft.Network/networkSecurityGroups/nsg")
    answer = await azure.arm("PUT", f"{path}?api-version=2026-03-01", bodies.nsg_body())
    address = answer.headers["Azure-AsyncOperation"].removeprefix(azure.server.arm_url)
    assert (await azure.arm("GET", address)).status == 200
    assert (await azure.arm("GET", address[:2048])).status == 400


async def test_operations_end_without_anybody_polling(azure: Azure) -> None:
    await azure.has_vm()
    azure.slow("VirtualMachines_Deallocate", 0.05)
    await azure.arm(
        "POST",
        azure.id(f"/resourceGroups/{GROUP}/providers/Microsoft.Compute/virtualMachines/vm1/deallocate")
        + "?api-version=2026-04-01",
    )
    clock = azure.simulator.clock
    while azure.simulator.services.operations.running():
        await clock.sleep(0.02)


async def test_managed_identity_of_azure_identity_gets_a_token_arm_accepts(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", azure.server.identity_url)
    monkeypatch.setenv("IDENTITY_HEADER", azure.simulator.identity_secret)
    async with (
        ManagedIdentityCredential() as credential,
        ResourceManagementClient(
            credential,
            azure.simulator.services.subscription_id,
            base_url=azure.server.arm_url,
            connection_verify=str(azure.server.ca_file),
            credential_scopes=["https://management.azure.com/.default"],
        ) as client,
    ):
        assert not await client.resource_groups.check_existence(GROUP)


async def test_identity_endpoint_refuses_a_wrong_secret_and_a_question_without_resource(azure: Azure) -> None:
    good = {"X-IDENTITY-HEADER": azure.simulator.identity_secret}
    asked = f"{azure.server.identity_url}?api-version=2019-08-01"
    async with azure.http.get(asked + "&resource=x", headers={"X-IDENTITY-HEADER": "no"}) as response:
        assert response.status == 401
    async with azure.http.get(asked, headers=good) as response:
        assert response.status == 400
    async with azure.http.get(asked + "&resource=https://vault.azure.net", headers=good) as response:
        body = await response.json()
    assert body["token_type"] == "Bearer"
    assert body["access_token"].count(".") == 2


async def test_expired_token_is_refused_with_a_challenge(azure: Azure) -> None:
    token, _ = azure.simulator.identity.issue("https://management.azure.com", timedelta(seconds=-1))
    address = f"{azure.server.arm_url}/subscriptions?api-version=2022-12-01"
    async with azure.http.get(address, headers={"Authorization": f"Bearer {token}"}) as response:
        body = await response.json()
    assert (response.status, body["error"]["code"]) == (401, "ExpiredAuthenticationToken")
    assert response.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")
