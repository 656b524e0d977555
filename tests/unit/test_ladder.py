"""The rungs of a hub, and what each refusal rules out: pure."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from shared.adapters.arm.refusals import REFUSALS, Kind
from shared.hubs.ladder import (
    CLOSES,
    MOST_TRIES,
    Market,
    Scope,
    asked,
    candidates,
    closing,
    needs_prices,
    open_after,
    ruled_out,
    rungs,
)
from shared.hubs.model import Attempt, Fallback, HubSpec, Reason, Rung
from tests.support.builders import a_spec
from tests.support.clock import MONDAY_MORNING
from tests.support.fake_arm import make_size

ASKED, SIBLING, LARGER = "Standard_D2s_v3", "Standard_D2as_v5", "Standard_D4s_v3"
PRICES = {ASKED: 0.10, SIBLING: 0.09, LARGER: 0.20}


def a_market(prices: Mapping[str, float | None] = MappingProxyType({}), *, zones: tuple[str, ...] = ()) -> Market:
    """All three sizes, with their prices; `prices` replaces some."""
    offers = [make_size(name, vcpus=vcpus, zones=zones) for name, vcpus in ((ASKED, 2), (SIBLING, 2), (LARGER, 4))]
    per_hour = {name.lower(): price for name, price in {**PRICES, **prices}.items()}
    return Market(offers=offers, per_hour=per_hour)


def spec(**fallback: Any) -> HubSpec:
    return a_spec(fallback=Fallback(**fallback))


def names(wanted: HubSpec, **markets: Market) -> list[str]:
    return [str(rung) for rung in rungs(wanted, markets)]


def test_zones_come_before_sizes_and_sizes_before_regions() -> None:
    market = a_market(zones=("1", "2"))
    assert names(spec(sizes=(LARGER,), regions=("westus2",)), eastus=market, westus2=a_market()) == [
        "Standard_D2s_v3 in eastus",
        "Standard_D2s_v3 in eastus, zone 1",
        "Standard_D2s_v3 in eastus, zone 2",
        "Standard_D4s_v3 in eastus",
        "Standard_D4s_v3 in eastus, zone 1",
        "Standard_D4s_v3 in eastus, zone 2",
        "Standard_D2s_v3 in westus2",
        "Standard_D4s_v3 in westus2",
    ]


def test_what_was_asked_for_is_always_the_first_rung() -> None:
    expensive = spec(max_price_per_hour=0.01)
    assert rungs(expensive, {"eastus": a_market()})[0] == asked(expensive)
    assert rungs(expensive, {})[0] == asked(expensive)


def test_sizes_as_large_and_no_dearer_stand_in_where_the_owner_named_none() -> None:
    assert names(spec(), eastus=a_market()) == [f"{ASKED} in eastus", f"{SIBLING} in eastus"]
    assert names(spec(), eastus=a_market({SIBLING: 0.11})) == [f"{ASKED} in eastus"]
    assert names(spec(), eastus=a_market({SIBLING: None})) == [f"{ASKED} in eastus"]
    assert names(spec(), eastus=a_market({ASKED: None})) == [f"{ASKED} in eastus"]
    assert names(spec(sizes=(LARGER,)), eastus=a_market()) == [f"{ASKED} in eastus", f"{LARGER} in eastus"]


def test_memory_counts_as_much_as_processors_for_being_as_large() -> None:
    offers = [make_size(ASKED), make_size(SIBLING, memory_gib=16)]
    market = Market(offers=offers, per_hour={ASKED.lower(): 0.1, SIBLING.lower(): 0.1})
    assert names(spec(), eastus=market) == [f"{ASKED} in eastus"]


def test_under_a_ceiling_an_unknown_price_is_too_much() -> None:
    under = spec(sizes=(LARGER, SIBLING), max_price_per_hour=0.15)
    assert names(under, eastus=a_market()) == [f"{ASKED} in eastus", f"{SIBLING} in eastus"]
    assert names(under, eastus=a_market({SIBLING: None})) == [f"{ASKED} in eastus"]
    exactly = spec(sizes=(LARGER,), max_price_per_hour=0.20)
    assert f"{LARGER} in eastus" in names(exactly, eastus=a_market())


def test_a_ceiling_holds_for_the_same_size_elsewhere() -> None:
    elsewhere = spec(regions=("westus2",), max_price_per_hour=0.15)
    assert names(elsewhere, eastus=a_market(), westus2=a_market({ASKED: 0.16})) == [
        f"{ASKED} in eastus",
        f"{SIBLING} in eastus",
        f"{SIBLING} in westus2",
    ]


def test_a_size_the_catalogue_restricts_is_left_out_one_it_does_not_list_is_tried_when_it_was_named() -> None:
    restricted = make_size(LARGER)
    market = Market(offers=[make_size(ASKED), restricted.__class__(**{**_fields(restricted), "available": False})])
    assert names(spec(sizes=(LARGER, "Standard_F2s_v2")), eastus=market) == [
        f"{ASKED} in eastus",
        "Standard_F2s_v2 in eastus",
    ]


def _fields(size: Any) -> dict[str, Any]:
    return {name: getattr(size, name) for name in size.__slots__}


def test_nothing_comes_twice_whatever_its_case() -> None:
    doubled = spec(sizes=(ASKED.lower(), LARGER, LARGER.upper()), regions=("EastUS",))
    assert names(doubled, eastus=a_market()) == [f"{ASKED} in eastus", f"{LARGER} in eastus"]


def test_prices_are_read_only_where_they_decide() -> None:
    assert needs_prices(spec(sizes=(LARGER,)), a_market()) == ()
    assert needs_prices(spec(), a_market()) == (ASKED, SIBLING)
    assert needs_prices(spec(sizes=(LARGER,), max_price_per_hour=1.0), a_market()) == (ASKED, LARGER)


HOME = Rung(region="eastus", size=ASKED, zone="1")
SAME_ELSEWHERE = {
    "the same": Rung(region="EastUS", size=ASKED.lower(), zone="1"),
    "another zone": Rung(region="eastus", size=ASKED, zone="2"),
    "no zone": Rung(region="eastus", size=ASKED),
    "another size": Rung(region="eastus", size=LARGER, zone="1"),
    "another region": Rung(region="westus2", size=ASKED, zone="1"),
}


@pytest.mark.parametrize(
    ("code", "closed"),
    [
        ("AllocationFailed", {"the same"}),
        ("ZonalAllocationFailed", {"the same"}),
        ("OverconstrainedZonalAllocationRequest", {"the same"}),
        ("SkuNotAvailable", {"the same", "another zone", "no zone"}),
        ("QuotaExceeded", {"the same", "another zone", "no zone"}),
        ("NobodyKnowsThis", {"the same", "another zone", "no zone"}),
        ("RegionalQuotaExceeded", set(SAME_ELSEWHERE) - {"another region"}),
        ("PublicIPCountLimitReached", set(SAME_ELSEWHERE) - {"another region"}),
    ],
)
def test_a_refusal_closes_what_it_speaks_of(code: str, closed: set[str]) -> None:
    assert {name for name, rung in SAME_ELSEWHERE.items() if ruled_out(rung, HOME, code)} == closed


def test_no_room_without_a_zone_leaves_the_zones_open() -> None:
    zoneless = Rung(region="eastus", size=ASKED)
    assert not ruled_out(HOME, zoneless, "AllocationFailed")


def test_only_refusals_close_rungs() -> None:
    """A machine that did not come up says nothing about room."""
    slow = Attempt(
        number=1,
        region="eastus",
        size=ASKED,
        started_at=MONDAY_MORNING,
        outcome="failed",
        reason=Reason(code="OSProvisioningTimedOut", message="Slow."),
    )
    first = Rung(region="eastus", size=ASKED)
    assert open_after([first], [slow]) == (first,)


def test_every_refusal_of_capacity_that_azure_is_known_for_has_its_meaning() -> None:
    codes = {row.public_code or row.code for row in REFUSALS if row.kind is Kind.CAPACITY}
    assert codes <= set(CLOSES)
    assert all(closing.because for closing in CLOSES.values())
    assert {closing.scope for closing in CLOSES.values()} == set(Scope)


def minutes(code: str) -> float:
    return closing(code).believed.total_seconds() / 60


@pytest.mark.parametrize(
    ("codes", "believed"),
    [
        (
            (
                "AllocationFailed",
                "OverconstrainedAllocationRequest",
                "ZonalAllocationFailed",
                "OverconstrainedZonalAllocationRequest",
                "NobodyKnowsThis",
                "QuotaExceeded",
                "SKUFamilyQuotaExceeded",
                "RegionalQuotaExceeded",
                "PublicIPCountLimitReached",
            ),
            10,
        ),
        (("AvailabilityZoneNotSupported", "SkuNotAvailable"), 6 * 60),
    ],
    ids=["room and quota", "what is on offer"],
)
def test_a_refusal_is_believed_no_longer_than_it_may_hold(codes: tuple[str, ...], believed: float) -> None:
    assert {code: minutes(code) for code in codes} == dict.fromkeys(codes, believed)


def test_a_create_ends_after_twenty_tries() -> None:
    assert MOST_TRIES == 20


def a_refused(zone: str | None = None, code: str = "AllocationFailed") -> Attempt:
    reason = Reason(code=code, message="No.")
    attempt = Attempt(number=1, region="eastus", size=ASKED, started_at=MONDAY_MORNING, outcome="refused")
    return replace(attempt, zone=zone, reason=reason)


def test_what_was_refused_is_not_tried_again_and_the_rest_is() -> None:
    every = [Rung(region=region, size=ASKED, zone=zone) for region in ("eastus", "westus2") for zone in (None, "1")]
    assert open_after(every, [a_refused()]) == tuple(every[1:])
    assert open_after(every, [a_refused("1")]) == (every[0], *every[2:])
    assert open_after(every, [a_refused(code="QuotaExceeded")]) == tuple(every[2:])
    assert open_after(every, []) == tuple(every)


def test_a_refusal_without_its_reason_closes_nothing() -> None:
    first = Rung(region="eastus", size=ASKED)
    assert open_after([first], [replace(a_refused(), reason=None)]) == (first,)


def test_how_large_the_asked_size_is_the_catalogue_knows_best() -> None:
    offers = [make_size(ASKED, memory_gib=16), make_size(SIBLING, memory_gib=16), make_size(LARGER, memory_gib=8)]
    assert candidates(spec(), Market(offers=offers)) == (ASKED, SIBLING)


def test_where_the_asked_size_is_not_on_offer_what_is_published_of_it_counts() -> None:
    assert candidates(spec(), Market(offers=[make_size(SIBLING), make_size(LARGER, vcpus=4)])) == (ASKED, SIBLING)


def test_of_a_size_nobody_knows_there_are_none_as_large() -> None:
    unknown = replace(spec(), size="Standard_X99")
    assert candidates(unknown, Market(offers=[make_size(SIBLING)])) == ("Standard_X99",)
    assert candidates(unknown, Market()) == ("Standard_X99",)


def test_a_market_that_was_not_read_is_none_and_not_an_empty_one() -> None:
    assert Market().offers is None


def test_a_size_as_dear_as_the_asked_one_stands_in() -> None:
    assert names(spec(), eastus=a_market({SIBLING: PRICES[ASKED]})) == [f"{ASKED} in eastus", f"{SIBLING} in eastus"]


def test_the_asked_size_is_named_everywhere_and_needs_no_price() -> None:
    elsewhere = a_market({ASKED: None, SIBLING: None})
    assert names(spec(regions=("westus2",)), eastus=a_market(), westus2=elsewhere)[-1] == f"{ASKED} in westus2"
