"""The retail price list and the filter grammar it shares with ARM's lists."""

from urllib.parse import urlencode, urlsplit

import pytest

from localdev.azuresim.envelope import Json, Request, Response
from localdev.azuresim.filters import BadFilter, Equals, parse_filter
from localdev.azuresim.prices import PAGE, PriceList

BASE = "https://127.0.0.1"


def ask(text: str = "", **more: str) -> Response:
    query = urlencode({"$filter": text, **more} if text else more)
    return PriceList().answer(Request("GET", "/api/retail/prices", query), BASE)


def machine(region: str = "eastus", size: str = "Standard_D2s_v3") -> str:
    return (
        f"serviceName eq 'Virtual Machines' and armRegionName eq '{region}' and armSkuName eq '{size}' "
        "and priceType eq 'Consumption'"
    )


def items(response: Response) -> list[Json]:
    assert response.status == 200, response.body
    return list(response.json()["Items"])


def test_linux_on_demand_price_of_one_size() -> None:
    found = items(ask(machine()))
    linux = [
        item
        for item in found
        if not item["productName"].endswith("Windows") and not item["skuName"].endswith((" Spot", " Low Priority"))
    ]
    assert [item["retailPrice"] for item in linux] == [0.096]
    assert linux[0]["unitOfMeasure"] == "1 Hour"


def test_windows_spot_and_low_priority_are_there_to_be_told_apart() -> None:
    found = {(item["productName"].endswith("Windows"), item["skuName"]) for item in items(ask(machine()))}
    assert len(found) == 6


def test_disk_and_address_have_prices_too() -> None:
    disk = items(ask("serviceName eq 'Storage' and armRegionName eq 'westeurope' and skuName eq 'E6 LRS'"))
    assert [item["unitOfMeasure"] for item in disk] == ["1/Month"]
    address = items(ask("serviceName eq 'Virtual Network' and armRegionName eq 'eastus'"))
    assert [item["meterName"] for item in address] == ["Standard IPv4 Static Public IP"]


@pytest.mark.parametrize("text", [machine("EastUS"), machine(size="standard_d2s_v3"), machine("atlantis")])
def test_values_are_case_sensitive_and_unknown_ones_match_nothing(text: str) -> None:
    assert items(ask(text)) == []


def test_pages_are_followed_to_the_end_without_a_double() -> None:
    seen: list[str] = []
    response = ask("serviceName eq 'Virtual Machines'")
    while True:
        body = response.json()
        assert body["Count"] == len(body["Items"]) <= PAGE
        seen += [item["meterId"] for item in body["Items"]]
        if body["NextPageLink"] is None:
            break
        following = urlsplit(body["NextPageLink"])
        response = PriceList().answer(Request("GET", following.path, following.query), BASE)
    assert len(seen) == len(set(seen)) > PAGE


def test_another_currency_changes_the_amount() -> None:
    item = items(ask(machine(), currencyCode="'EUR'"))[0]
    assert item["currencyCode"] == "EUR"
    assert item["retailPrice"] != items(ask(machine()))[0]["retailPrice"]


@pytest.mark.parametrize(
    "text", ["serviceName", "serviceName eq Storage", "contains(skuName, 'E6')", "a eq 'b' or c eq 'd'", "nope eq 'x'"]
)
def test_filter_that_cannot_be_read_is_refused(text: str) -> None:
    assert ask(text).status == 400


def test_unknown_currency_is_refused() -> None:
    assert ask(currencyCode="XXX").status == 400


def test_filter_terms() -> None:
    assert parse_filter("") == ()
    assert parse_filter("tagName eq 'a' and tagValue eq 'it''s'") == (
        Equals("tagName", "a"),
        Equals("tagValue", "it's"),
    )
    assert parse_filter("isPrimaryMeterRegion eq true") == (Equals("isPrimaryMeterRegion", "true"),)


@pytest.mark.parametrize("text", ["a eq 'b' and", "and a eq 'b'", "a ne 'b'", "a eq 'b", "a eq 'b' c eq 'd'"])
def test_malformed_filter(text: str) -> None:
    with pytest.raises(BadFilter):
        parse_filter(text)
