"""Which of the price list's many meters is the one."""

from collections.abc import Mapping
from typing import Any

import pytest

from shared.adapters.arm.prices import PricesUnreachable, RetailPrices
from tests.support.builders import some_settings


def an_item(price: float, **changes: Any) -> dict[str, Any]:
    return {
        "retailPrice": price,
        "skuName": "D2s v3",
        "meterName": "D2s v3",
        "productName": "Virtual Machines DSv3 Series",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "tierMinimumUnits": 0.0,
        "effectiveStartDate": "2024-01-01T00:00:00Z",
        **changes,
    }


class PriceList:
    """Pages of items; remembers what was asked."""

    def __init__(self, *pages: list[dict[str, Any]]) -> None:
        self._pages = pages
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    async def fetch(self, address: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        self.asked.append((address, parameters))
        number = len(self.asked)
        following = f"https://prices.test/list?page={number + 1}" if number < len(self._pages) else None
        return {"Items": self._pages[number - 1], "NextPageLink": following, "Count": 1}

    def prices(self) -> RetailPrices:
        return RetailPrices(some_settings(HUBLET_PRICES_ENDPOINT="https://prices.test/list"), fetch=self.fetch)


OTHERS = [
    an_item(9.1, productName="Virtual Machines DSv3 Series Windows"),
    an_item(9.2, skuName="D2s v3 Low Priority", meterName="D2s v3 Low Priority"),
    an_item(9.3, type="Reservation", unitOfMeasure="1 Hour"),
    an_item(9.4, type="DevTestConsumption"),
    an_item(9.5, productName="DSv3 Series Cloud Services"),
    an_item(0.0),
]
SPOT = an_item(0.02, skuName="D2s v3 Spot", meterName="D2s v3 Spot")


async def test_the_regular_linux_meter_is_chosen() -> None:
    prices = PriceList([*OTHERS, SPOT, an_item(0.096)]).prices()

    assert await prices.vm_hour("eastus", "Standard_D2s_v3", spot=False) == 0.096


async def test_the_linux_spot_meter_is_chosen() -> None:
    windows = an_item(9.6, skuName="D2s v3 Spot", productName="Virtual Machines DSv3 Series Windows")
    prices = PriceList([*OTHERS, windows, an_item(0.096), SPOT]).prices()

    assert await prices.vm_hour("eastus", "Standard_D2s_v3", spot=True) == 0.02


async def test_of_several_the_primary_first_tier_that_is_newest_is_chosen() -> None:
    items = [
        an_item(1.0, isPrimaryMeterRegion=False),
        an_item(2.0, tierMinimumUnits=100.0),
        an_item(3.0, effectiveStartDate="2020-01-01T00:00:00Z"),
        an_item(4.0),
        an_item(5.0, effectiveStartDate="nonsense+00:00"),
    ]

    assert await PriceList(items).prices().vm_hour("eastus", "Standard_D2s_v3", spot=False) == 4.0


async def test_every_page_is_read_by_the_address_it_names() -> None:
    price_list = PriceList(OTHERS, [an_item(0.096)])

    assert await price_list.prices().vm_hour("eastus", "Standard_D2s_v3", spot=False) == 0.096
    (_, first), (address, second) = price_list.asked
    assert "armRegionName eq 'eastus' and armSkuName eq 'Standard_D2s_v3'" in first["$filter"]
    assert (address, second) == ("https://prices.test/list?page=2", {})


async def test_a_combination_that_is_not_listed_has_no_price() -> None:
    assert await PriceList([]).prices().vm_hour("eastus", "Standard_X1", spot=False) is None


@pytest.mark.parametrize(
    ("gib", "tier"), [(30, "E4"), (32, "E4"), (33, "E6"), (64, "E6"), (128, "E10"), (200, "E15"), (1024, "E30")]
)
async def test_a_disk_costs_what_the_tier_it_fits_in_costs(gib: int, tier: str) -> None:
    month = an_item(7.3, skuName=f"{tier} LRS", meterName=f"{tier} LRS Disk", unitOfMeasure="1/Month")
    mount = an_item(9.9, skuName=f"{tier} LRS", meterName=f"{tier} LRS Disk Mount", unitOfMeasure="1/Month")
    operations = an_item(9.9, skuName=f"{tier} LRS", meterName=f"{tier} LRS Disk Operations", unitOfMeasure="10K")
    price_list = PriceList([mount, operations, month])

    assert await price_list.prices().disk_hour("eastus", gib) == pytest.approx(0.01)
    assert f"skuName eq '{tier} LRS'" in price_list.asked[0][1]["$filter"]


async def test_a_disk_larger_than_every_tier_we_know_has_no_price() -> None:
    assert await PriceList([]).prices().disk_hour("eastus", 2048) is None


async def test_the_address_is_the_static_standard_one() -> None:
    items = [
        an_item(0.004, meterName="Basic IPv4 Dynamic Public IP"),
        an_item(0.01, meterName="Global IPv4 Static Public IP"),
        an_item(0.005, meterName="Standard IPv4 Static Public IP"),
    ]

    assert await PriceList(items).prices().public_ip_hour("eastus") == 0.005


@pytest.mark.parametrize("document", [{}, {"Items": None}, [], "text"])
async def test_an_answer_that_is_no_price_list_counts_as_unreachable(document: Any) -> None:
    async def fetch(address: str, parameters: Mapping[str, str]) -> Any:
        return document

    with pytest.raises(PricesUnreachable):
        await RetailPrices(some_settings(), fetch=fetch).public_ip_hour("eastus")
