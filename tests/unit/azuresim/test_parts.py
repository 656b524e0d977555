"""Small parts: clocks, routes, signed addresses, durations, faults."""

import random
from collections.abc import Mapping
from typing import Any

import pytest

from localdev.azuresim.clock import ManualClock, WallClock, scaled
from localdev.azuresim.durations import MEDIAN_S, Durations
from localdev.azuresim.envelope import ArmError, Request, Response
from localdev.azuresim.faults import BadFault, Fault, Faults, Moment
from localdev.azuresim.routing import Call, Route, Router
from localdev.azuresim.signing import UrlSigner


def nothing(call: Call) -> Response:
    return Response(204)


def test_scale_divides_durations_and_not_the_clock() -> None:
    clock = ManualClock(time_scale=10)
    before = clock.now()
    clock.advance(5)
    assert (clock.now() - before).total_seconds() == 5
    assert scaled(clock, 60).total_seconds() == 6


async def test_moving_the_wall_clock_wakes_a_sleeper() -> None:
    import asyncio

    clock = WallClock()
    sleeper = asyncio.create_task(clock.sleep(3600))
    await asyncio.sleep(0)
    clock.move(3600)
    async with asyncio.timeout(5):
        await sleeper


def test_time_scale_must_be_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        WallClock(0)


@pytest.fixture
def router() -> Router:
    return Router(
        (
            Route("GET", "/subscriptions/{subscription}/resourceGroups/{group}", "Groups_Get", nothing),
            Route("GET", "/subscriptions/{subscription}/providers/{namespace}", "Providers_Get", nothing),
            Route("GET", "/subscriptions/{subscription}/providers/Microsoft.Compute/skus", "Skus_List", nothing),
        )
    )


@pytest.mark.parametrize(
    "path",
    ["/subscriptions/s/resourceGroups/G", "/SUBSCRIPTIONS/s/resourcegroups/G/", "/subscriptions//s/resourceGroups/G"],
)
def test_path_is_matched_in_any_case_and_keeps_the_case_of_names(router: Router, path: str) -> None:
    found = router.match("GET", path)
    assert found is not None
    assert (found[0].operation, found[1]["group"]) == ("Groups_Get", "G")


def test_fixed_segment_wins_over_a_name_and_the_other_way_back(router: Router) -> None:
    skus = router.match("GET", "/subscriptions/s/providers/microsoft.compute/SKUs")
    provider = router.match("GET", "/subscriptions/s/providers/Microsoft.Compute")
    assert skus is not None
    assert provider is not None
    assert (skus[0].operation, provider[0].operation) == ("Skus_List", "Providers_Get")


@pytest.mark.parametrize(("method", "path"), [("POST", "/subscriptions/s/resourceGroups/g"), ("GET", "/nothing")])
def test_unknown_path_or_method_has_no_operation(router: Router, method: str, path: str) -> None:
    assert router.match(method, path) is None


def signed() -> tuple[UrlSigner, str, str]:
    signer = UrlSigner(b"secret")
    path, _, query = signer.sign("/operations/1", "api-version=1", ManualClock().now()).partition("?")
    return signer, path, query


def test_signed_address_is_accepted_as_it_was_given_out() -> None:
    signer, path, query = signed()
    signer.check(Request("GET", path, query))


@pytest.mark.parametrize("change", ["cut", "short", "other path", "parameter", "reordered"])
def test_changed_address_is_refused(change: str) -> None:
    signer, path, query = signed()
    changed: Mapping[str, tuple[str, str]] = {
        "cut": (path, query[:2000]),
        "short": (path, query[:-1]),
        "other path": (path + "2", query),
        "parameter": (path, query.replace("api-version=1", "api-version=2")),
        "reordered": (path, "&".join(sorted(query.split("&"), reverse=True))),
    }
    with pytest.raises(ArmError) as refused:
        signer.check(Request("GET", *changed[change]))
    assert refused.value.status == 400


def test_durations_spread_around_the_median_and_repeat_with_the_seed() -> None:
    drawn = sorted(Durations(random.Random(7)).draw("VirtualMachines_CreateOrUpdate") for _ in range(1))
    again = Durations(random.Random(7))
    assert drawn == [again.draw("VirtualMachines_CreateOrUpdate")]
    many = sorted(again.draw("VirtualMachines_CreateOrUpdate") for _ in range(501))
    assert many[250] == pytest.approx(MEDIAN_S["VirtualMachines_CreateOrUpdate"], rel=0.1)
    assert many[0] >= 30
    assert many[-1] <= 150


def test_exact_duration_beats_the_median_and_the_star() -> None:
    durations = Durations(random.Random(1))
    durations.set("*", 0)
    durations.set("VirtualMachines_Start", 7)
    assert (durations.draw("VirtualMachines_Start"), durations.draw("Anything")) == (7, 0)
    durations.clear()
    assert durations.draw("VirtualMachines_Start") != 7


def strike(fault: dict[str, Any], operation: str = "VirtualMachines_Start", **facts: str) -> Fault | None:
    faults = Faults()
    faults.add(Fault.parse(fault))
    return faults.strike(operation, Moment.BEGIN, facts)


def test_fault_strikes_as_often_as_it_says_and_no_more() -> None:
    faults = Faults()
    faults.add(Fault.parse({"operation": "*", "times": 2, "status": 500}))
    struck = [faults.strike("Any", Moment.BEGIN, {}) is not None for _ in range(3)]
    assert struck == [True, True, False]


@pytest.mark.parametrize(
    ("match", "facts", "hit"),
    [
        ({"name": "vm1"}, {"name": "VM1"}, True),
        ({"name": "vm*"}, {"name": "vm7"}, True),
        ({"size": "Standard_B2s"}, {"size": "Standard_D2s_v3"}, False),
        ({"location": "eastus"}, {}, False),
    ],
)
def test_fault_matches_facts_of_the_request(match: dict[str, str], facts: dict[str, str], hit: bool) -> None:
    assert (strike({"status": 409, "match": match}, **facts) is not None) is hit


def test_code_alone_means_409_with_the_usual_text() -> None:
    fault = strike({"code": "AllocationFailed", "retry_after": 7})
    assert fault is not None
    response = fault.response()
    assert response.status == 409
    assert response.json()["error"]["message"].startswith("Allocation failed. We do not have sufficient capacity")
    assert response.headers["Retry-After"] == "7"


def test_body_of_a_fault_goes_out_as_it_is() -> None:
    fault = strike({"status": 502, "body": "<html>Bad gateway</html>"})
    assert fault is not None
    assert fault.response().encoded() == b"<html>Bad gateway</html>"


@pytest.mark.parametrize("fault", [{}, {"when": "never", "status": 500}, {"status": 500, "sometimes": 1}, {"times": 3}])
def test_fault_that_makes_no_sense_is_refused(fault: dict[str, Any]) -> None:
    with pytest.raises(BadFault):
        Fault.parse(fault)
