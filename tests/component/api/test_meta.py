"""Health, description, prices and sizes; and what every answer has in common."""

import json
import logging
from dataclasses import replace

import pytest

from shared.api.routes import ROUTES, Access
from shared.errors import CapacityError, FatalError, RetryableError
from shared.settings import SettingsError
from tests.component.api.client import Api
from tests.support.fake_arm import make_size
from tests.support.world import World

# ---- meta


@pytest.mark.parametrize(("path", "status"), [("/api/healthz", "ok"), ("/api/readyz", "ready")])
async def test_health_needs_no_token(api: Api, path: str, status: str):
    answer = await api.get(path, owner=None)
    assert (answer.status, answer.json) == (200, {"status": status})


async def test_not_ready_when_storage_does_not_answer(api: Api, world: World):
    world.storage.tape.fail("cache.get", RetryableError("StorageBusy", "Storage is busy."))
    assert (await api.get("/api/readyz", owner=None)).status == 503


async def test_wrong_settings_are_told_in_the_log_and_not_to_the_caller(world: World, caplog):
    def broken():
        raise SettingsError(["HUBLET_SEAL_KEYS is missing: AES-256 keys"])

    api = Api(world, app=broken)
    for path in ("/api/readyz", "/api/hubs"):
        answer = await api.get(path)
        assert (answer.status, answer.code) == (503, "ServiceMisconfigured")
        assert "HUBLET_SEAL_KEYS" not in answer.body.decode()
    assert (await api.get("/api/healthz")).status == 200
    fields = [record.hublet_fields for record in caplog.records if record.message == "settings_invalid"]
    assert "HUBLET_SEAL_KEYS is missing: AES-256 keys" in fields[0]["problems"]


async def test_the_description_lists_exactly_the_routes_there_are(api: Api):
    answer = await api.get("/api/openapi.json", owner=None)
    document = answer.json
    assert document["openapi"] == "3.1.0"
    described = {(m.upper(), p) for p, methods in document["paths"].items() for m in methods}
    assert described == {(route.method, f"/api/{route.path}") for route in ROUTES}
    again = await api.get("/api/openapi.json", owner=None, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_every_route_is_served_and_all_but_the_public_ones_need_a_token(api: Api, world: World, route):
    path = "/api/" + route.path.replace("{name}", "demo").replace("{id}", "demo-abcdef.1")
    anonymous = await api.send(route.method, path, owner=None)
    assert (anonymous.status == 401) == (route.access is not Access.ANONYMOUS)
    user = await api.send(route.method, path, {} if route.body else None)
    assert (user.status == 403) == (route.access is Access.ADMIN)
    assert user.status != 405
    assert user.status < 500


@pytest.mark.parametrize("path", ["/api/healthz", "/api/hubs", "/api/nothing"])
async def test_every_answer_has_ids_and_security_headers(api: Api, path: str):
    answer = await api.get(path)
    assert answer.headers["x-request-id"]
    assert answer.headers["traceparent"].startswith("00-")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "max-age" in answer.headers["strict-transport-security"]


@pytest.mark.parametrize(
    "path", ["/api/healthz", "/api/hubs", "/api/hubs/nothing", "/api/openapi.json", "/api/nothing"]
)
async def test_json_ends_with_a_newline_so_that_answers_on_a_terminal_stay_apart(api: Api, path: str):
    answer = await api.get(path)
    assert answer.body.endswith(b"}\n")


# ---- errors nobody planned


@pytest.mark.parametrize(
    "error",
    [ValueError("secret detail /usr/lib"), KeyError("x"), FatalError("Impossible", "secret detail")],
    ids=["bug", "another bug", "fatal"],
)
async def test_a_bug_is_a_500_without_details_and_an_error_in_the_log(api: Api, world: World, caplog, error):
    world.storage.tape.fail("hubs.list", error)
    answer = await api.get("/api/hubs")
    assert (answer.status, answer.code) == (500, "InternalError")
    assert "secret" not in answer.body.decode()
    assert "Traceback" not in answer.body.decode()
    assert any(record.levelno == logging.ERROR for record in caplog.records)


async def test_a_wrong_request_leaves_no_traceback_in_the_log(api: Api, caplog):
    await api.post("/api/hubs", {"name": "!"})
    await api.get("/api/hubs/nothing")
    assert not [record for record in caplog.records if record.exc_info]


# ---- prices and sizes


async def test_an_estimate_names_price_size_and_the_candidates_not_taken(api: Api, world: World):
    for name, vcpus, memory in (("Standard_E2s_v3", 2, 16.0), ("Standard_D2s_v3", 2, 8.0)):
        world.cloud.sizes[name] = make_size(name, vcpus=vcpus, memory_gib=memory)
    world.cloud.prices["Standard_E2s_v3", False] = 0.126
    answer = await api.post("/api/estimates", {"people": 12})
    estimate = answer.json
    assert answer.status == 200
    assert (estimate["size"], estimate["neededGiB"]) == ("Standard_E2s_v3", 8.128)
    chosen = [candidate for candidate in estimate["candidates"] if candidate["chosen"]]
    assert [candidate["size"] for candidate in chosen] == ["Standard_E2s_v3"]
    assert len(estimate["candidates"]) == len(world.app.settings.allowed_sizes)
    assert all(candidate["why"] for candidate in estimate["candidates"])
    assert estimate["price"]["parts"]["vm"] == 0.126
    assert estimate["price"]["perMonthRunning"] == pytest.approx(estimate["price"]["perHourRunning"] * 730, abs=0.1)
    assert world.storage.tape.writes == []


async def test_a_size_that_azure_does_not_offer_is_refused(api: Api, world: World):
    sold_out = replace(make_size("Standard_D2s_v3"), available=False, restriction="NotAvailableForSubscription")
    world.cloud.sizes["Standard_D2s_v3"] = sold_out
    answer = await api.post("/api/estimates")
    assert (answer.status, answer.code) == (409, "SizeNotAvailable")
    assert answer.pointers == {"/size": "SizeNotAvailable"}
    unknown = await api.post("/api/hubs?validateOnly=true", {"size": "Standard_D4s_v3"})
    assert unknown.code == "SizeNotAvailable"


async def test_an_estimate_without_a_price_list_is_still_an_estimate(api: Api, world: World, monkeypatch):
    async def unknown(*_: object, **__: object) -> None:
        return None

    monkeypatch.setattr(world.app.catalog, "hourly_price", unknown)
    answer = await api.post("/api/estimates")
    assert (answer.status, answer.json["price"]) == (200, None)


async def test_sizes_show_people_price_and_availability_smallest_first(api: Api, world: World):
    world.cloud.sizes["a"] = make_size("Standard_E2s_v3", memory_gib=16.0)
    world.cloud.sizes["b"] = make_size("Standard_D2s_v3")
    world.cloud.sizes["c"] = make_size("Standard_M128s", memory_gib=2048.0)
    answer = await api.get("/api/sizes?region=eastus")
    assert [size["name"] for size in answer.json["value"]] == ["Standard_D2s_v3", "Standard_E2s_v3"]
    first = answer.json["value"][0]
    assert (first["people"], first["default"], first["available"]) == (11, True, True)
    assert first["pricePerHour"] == 0.096


async def test_sizes_of_a_region_that_is_not_allowed_are_refused(api: Api):
    answer = await api.get("/api/sizes?region=moonbase")
    assert (answer.code, answer.pointers) == ("InvalidParameter", {"?region": "InvalidValue"})


async def test_sizes_when_azure_refuses(api: Api, world: World, monkeypatch):
    async def refuses(region: str) -> None:
        raise CapacityError("QuotaExceeded", "No cores are left.")

    monkeypatch.setattr(world.app.catalog, "sizes", refuses)
    assert (await api.get("/api/sizes")).code == "NoCapacity"


def test_the_description_is_json_and_resolves():
    from shared.api.openapi import document_bytes

    document = json.loads(document_bytes())
    names = set(document["components"]["schemas"])

    def references(value: object) -> set[str]:
        if isinstance(value, dict):
            own = {str(value["$ref"]).rpartition("/")[2]} if "$ref" in value else set()
            return own.union(*(references(inner) for inner in value.values()), set())
        if isinstance(value, list):
            return set().union(*(references(inner) for inner in value), set())
        return set()

    assert references(document) <= names
