"""The wire itself: authentication, api-versions, unknown operations, headers, and the control surface."""

import re

import pytest

from localdev.azuresim.routing import Charge
from tests.contract.azuresim.conftest import Azure
from tests.support import azure_requests as bodies
from tests.support.azure_requests import GROUP, NSG, SCHEDULE, VM, Caller


async def test_request_without_a_token_is_challenged(call: Caller) -> None:
    answer = await call("GET", f"/resourceGroups/{GROUP}", Authorization="")
    assert (answer.status, answer.json()["error"]["code"]) == (401, "AuthenticationFailed")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")


@pytest.mark.parametrize("token", ["x", "a.b.c"])
async def test_token_from_elsewhere_is_refused(call: Caller, token: str) -> None:
    answer = await call("GET", f"/resourceGroups/{GROUP}", Authorization=f"Bearer {token}")
    assert (answer.status, answer.json()["error"]["code"]) == (401, "InvalidAuthenticationToken")


async def test_token_for_another_service_is_refused(call: Caller) -> None:
    token, _ = call.simulator.identity.issue("https://storage.azure.com/")
    answer = await call("GET", f"/resourceGroups/{GROUP}", Authorization=f"Bearer {token}")
    assert answer.json()["error"]["code"] == "InvalidAuthenticationTokenAudience"


@pytest.mark.parametrize(
    ("query", "code"), [("", "MissingApiVersionParameter"), ("api-version=latest", "InvalidApiVersionParameter")]
)
async def test_api_version_is_required(call: Caller, query: str, code: str) -> None:
    headers = {"Authorization": f"Bearer {call.token}"}
    answer = await call.simulator.handle("GET", f"{call.subscription}/resourceGroups", query, headers)
    assert (answer.status, answer.json()["error"]["code"]) == (400, code)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"{VM}/redeploy"),
        ("POST", f"{VM}/runCommand"),
        ("PUT", f"/resourceGroups/{GROUP}/providers/Microsoft.Compute/disks/d"),
        ("PUT", f"/resourceGroups/{GROUP}/providers/Microsoft.DevTestLab/labs/l"),
        ("POST", f"{SCHEDULE}/execute"),
        ("PUT", f"/resourceGroups/{GROUP}/providers/Microsoft.Resources/deployments/d"),
    ],
)
async def test_what_is_not_simulated_says_so(call: Caller, method: str, path: str) -> None:
    answer = await call(method, path, {}, version="2024-01-01")
    assert (answer.status, answer.json()["error"]["code"]) == (501, "NotSimulated")
    assert path in answer.json()["error"]["message"]


async def test_foreign_subscription_is_not_found(call: Caller) -> None:
    headers = {"Authorization": f"Bearer {call.token}"}
    answer = await call.simulator.handle(
        "GET", "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups", "api-version=2025-04-01", headers
    )
    assert (answer.status, answer.json()["error"]["code"]) == (404, "SubscriptionNotFound")


@pytest.mark.parametrize("body", [b"{", b"[]", b'"text"'])
async def test_body_that_is_no_json_object_is_refused(call: Caller, body: bytes) -> None:
    headers = {"Authorization": f"Bearer {call.token}"}
    path = f"{call.subscription}/resourceGroups/g"
    answer = await call.simulator.handle("PUT", path, "api-version=2025-04-01", headers, body)
    assert (answer.status, answer.json()["error"]["code"]) == (400, "InvalidRequestContent")


async def test_paths_and_names_are_compared_in_any_case(call: Caller) -> None:
    await call.has_network()
    answer = await call("GET", NSG.upper(), version="2026-03-01")
    assert answer.status == 200
    assert answer.json()["id"] == call.id(NSG)


async def test_every_answer_has_arm_s_headers_and_what_is_left_of_the_quota(call: Caller) -> None:
    await call.has_group()
    answer = await call("GET", f"/resourceGroups/{GROUP}", x_ms_client_request_id="mine")
    assert answer.headers["x-ms-client-request-id"] == "mine"
    assert re.fullmatch(r"[0-9a-f-]{36}", answer.headers["x-ms-request-id"])
    assert answer.headers["x-ms-ratelimit-remaining-subscription-reads"] == "249"
    assert answer.headers["Date"] == "Mon, 02 Mar 2026 08:00:00 GMT"


async def test_reads_run_dry_and_come_back_at_the_documented_rate(call: Caller) -> None:
    await call.has_group()
    statuses = [(await call("GET", f"/resourceGroups/{GROUP}")).status for _ in range(251)]
    assert statuses == [200] * 250 + [429]
    call.clock.advance(1)
    assert [(await call("GET", f"/resourceGroups/{GROUP}")).status for _ in range(26)] == [200] * 25 + [429]
    await call.sim("POST", "settings", {"throttling": False})
    assert (await call("GET", f"/resourceGroups/{GROUP}")).status == 200


def test_every_operation_has_its_own_name_and_charge(call: Caller) -> None:
    routes = call.simulator.router.routes
    assert len({route.operation for route in routes}) == len(routes)
    charges = {route.operation: route.charge for route in routes}
    assert charges["VirtualMachines_Start"] is Charge.WRITES
    assert charges["VirtualMachines_Delete"] is Charge.DELETES
    assert charges["ComputeOperations_Get"] is Charge.READS


# control surface


async def test_recorder_lists_what_was_asked_since_a_moment(call: Caller) -> None:
    await call.has_group()
    call.clock.advance(10)
    since = call.clock.now().isoformat()
    await call("GET", f"/resourceGroups/{GROUP}", x_ms_client_request_id="second")
    listed = (await call.sim("GET", "requests", query=f"since={since}")).json()["requests"]
    assert [(r["operation"], r["status"], r["clientRequestId"]) for r in listed] == [
        ("ResourceGroups_Get", 200, "second")
    ]
    assert len((await call.sim("GET", "requests")).json()["requests"]) == 2
    await call.sim("DELETE", "requests")
    assert (await call.sim("GET", "requests")).json()["requests"] == []


async def test_faults_strike_and_are_cleared(call: Caller) -> None:
    fault = {"operation": "ResourceGroups_*", "times": 5, "status": 503, "code": "ServiceUnavailable"}
    assert (await call.sim("POST", "faults", fault)).status == 201
    refused = await call("PUT", f"/resourceGroups/{GROUP}", {"location": "eastus"})
    assert (refused.status, refused.json()["error"]["code"]) == (503, "ServiceUnavailable")
    assert (await call.sim("GET", "faults")).json()["faults"][0]["times"] == 4
    await call.sim("DELETE", "faults")
    await call.has_group()


async def test_fault_for_one_size_leaves_others_alone(call: Caller) -> None:
    await call.has_network()
    fault = {"code": "SkuNotAvailable", "match": {"size": "Standard_D2s_v3", "location": "eastus"}}
    await call.sim("POST", "faults", fault)
    bigger = call.inline_vm(hardwareProfile={"vmSize": "Standard_D4s_v3"})
    assert (await call("PUT", VM, bigger)).status == 201
    assert (await call("PUT", VM.replace("vm1", "vm2"), call.inline_vm())).json()["error"]["code"] == "SkuNotAvailable"


async def test_transitions_set_durations(call: Caller) -> None:
    await call.has_network()
    await call.sim("POST", "transitions", {"VirtualMachines_CreateOrUpdate": 7, "VirtualMachines_Start": "immediate"})
    begun = await call("PUT", VM, call.inline_vm())
    call.clock.advance(6.9)
    assert (await call("GET", VM)).json()["properties"]["provisioningState"] == "Creating"
    call.clock.advance(0.1)
    assert (await call("GET", VM)).json()["properties"]["provisioningState"] == "Succeeded"
    assert begun.status == 201
    assert (await call.sim("GET", "transitions")).json()["VirtualMachines_Start"] == 0
    await call.sim("DELETE", "transitions")
    assert (await call.sim("GET", "transitions")).json() == {}


async def test_moving_the_clock_finishes_what_became_due(call: Caller) -> None:
    await call.has_group()
    await call("PUT", NSG, bodies.nsg_body())
    moved = await call.sim("POST", "clock", {"advance_s": 600})
    assert moved.json()["now"] == call.clock.now().isoformat()
    assert (await call("GET", NSG)).json()["properties"]["provisioningState"] == "Succeeded"


async def test_reset_empties_everything(call: Caller) -> None:
    await call.has_vm()
    changes = {"throttling": False, "quotas": {"cores": 1}, "outOfCapacity": ["a/b"], "pageSize": 1}
    await call.sim("POST", "settings", changes)
    await call.sim("POST", "faults", {"status": 500})
    await call.sim("POST", "reset")
    settings = (await call.sim("GET", "settings")).json()
    assert settings == {
        "throttling": True,
        "staleReadsS": 0.0,
        "quotas": {},
        "unregistered": [],
        "outOfCapacity": [],
        "pageSize": 1000,
    }
    assert (await call("GET", "/resourceGroups")).json() == {"value": []}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "nothing", None, 404),
        ("PUT", "faults", {}, 405),
        ("POST", "faults", {"nonsense": 1}, 400),
        ("POST", "transitions", {"X": -1}, 400),
        ("POST", "transitions", {"X": True}, 400),
        ("POST", "clock", {"advance_s": -1}, 400),
        ("POST", "settings", {"unknown": 1}, 400),
        ("POST", "settings", {"pageSize": 0}, 400),
        ("GET", "reach", None, 400),
        ("POST", "vmfaults", {"kind": "apt-lock"}, 400),
        ("GET", "bootstrap.py", None, 404),
    ],
)
async def test_control_request_that_makes_no_sense(
    call: Caller, method: str, path: str, body: dict[str, object] | None, status: int
) -> None:
    answer = await call.sim(method, path, body)
    assert answer.status == status
    assert answer.json()["error"]


async def test_control_surface_is_for_loopback_hosts_only(azure: Azure) -> None:
    address = f"{azure.server.arm_url}/_sim/clock"
    async with azure.http.get(address, headers={"Host": "evil.example:443"}) as response:
        assert response.status == 403
    async with azure.http.get(address, headers={"Host": "localhost:1"}) as response:
        assert response.status == 200


async def test_prices_are_served_without_a_token(azure: Azure) -> None:
    address = f"{azure.server.arm_url}/api/retail/prices"
    query = {"$filter": "serviceName eq 'Virtual Machines' and armSkuName eq 'Standard_B2s'"}
    async with azure.http.get(address, params=query) as response:
        assert response.status == 200
        assert (await response.json())["Count"] > 0


@pytest.mark.parametrize(("version", "member"), [("2015-01-01", "galleryEndpoint"), ("2022-09-01", "resourceManager")])
async def test_cloud_metadata_is_served_without_a_token(azure: Azure, version: str, member: str) -> None:
    address = f"{azure.server.arm_url}/metadata/endpoints?api-version={version}"
    async with azure.http.get(address) as response:
        body = await response.json()
    assert member in body
    assert body["authentication"]["audiences"]


async def test_issued_certificate_is_good_for_each_of_its_names(azure: Azure) -> None:
    from cryptography import x509

    authority = azure.server._authority
    long_name = "physics-ab2cd3-with-a-label-as-long-as-they-get-xxxxxxxxxxxxxxx.germanywestcentral.cloudapp.azure.com"
    issued = authority.issue([long_name, "hub.example.org", "127.77.1.1"])
    leaf, ca = x509.load_pem_x509_certificates(issued.cert_pem)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [long_name, "hub.example.org"]
    leaf.verify_directly_issued_by(ca)
