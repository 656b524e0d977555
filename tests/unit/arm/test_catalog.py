"""Sizes and prices: what is cached for how long, and what happens when Azure is silent."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from shared.adapters.arm.catalog import RetailCatalog, size_info
from shared.adapters.arm.prices import RetailPrices
from shared.errors import RetryableError
from tests.support.arm_wire import Answer
from tests.support.builders import some_settings
from tests.support.clock import FakeClock
from tests.support.fake_storage import FakeCache
from tests.unit.arm.test_prices import an_item
from tests.unit.arm.wire_world import Wire, refused

DAY_S = 24 * 3600


def a_sku(name: str = "Standard_D2s_v3", **changes: Any) -> dict[str, Any]:
    capabilities = {"vCPUs": "2", "MemoryGB": "8", "HyperVGenerations": "V1,V2", "CpuArchitectureType": "x64"}
    return {
        "resourceType": "virtualMachines",
        "name": name,
        "family": "standardDSv3Family",
        "locations": ["eastus"],
        "capabilities": [{"name": key, "value": value} for key, value in capabilities.items()],
        "restrictions": [],
        **changes,
    }


def with_capability(sku: dict[str, Any], name: str, value: str) -> dict[str, Any]:
    return {**sku, "capabilities": [*sku["capabilities"], {"name": name, "value": value}]}


class World:
    """A catalog over a wire and a price list whose answers a test changes."""

    def __init__(self, *skus: dict[str, Any]) -> None:
        self.clock = FakeClock()
        self.cache = FakeCache(self.clock)
        self.wire = Wire(Answer(200, {"value": list(skus or (a_sku(),))}))
        self.settings = some_settings(HUBLET_ALLOWED_SIZES="Standard_D4s_v3,Standard_D2s_v3")
        self.price_answers: Exception | None = None
        self.prices_asked = 0
        self.catalog = RetailCatalog(
            self.wire.arm, self.cache, self.settings, self.clock, prices=RetailPrices(self.settings, fetch=self._fetch)
        )

    async def _fetch(self, address: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        self.prices_asked += 1
        if self.price_answers is not None:
            raise self.price_answers
        disk = an_item(7.3, skuName="E4 LRS", meterName="E4 LRS Disk", unitOfMeasure="1/Month")
        return {"Items": [an_item(0.096), disk, an_item(0.005, meterName="Standard IPv4 Static Public IP")]}

    async def price(self) -> float | None:
        parts = await self.catalog.hourly_price("eastus", "Standard_D2s_v3", os_disk_gib=32, spot=False)
        return None if parts is None else round(parts.disk + parts.ip, 6)


async def test_only_allowed_sizes_of_the_region_are_listed_in_the_settings_order() -> None:
    world = World(
        a_sku("Standard_B1s"),
        a_sku("standard_d2s_V3"),
        a_sku("Standard_D4s_v3"),
        a_sku("Standard_D4s_v3", locations=["westus"]),
        a_sku("Standard_D4s_v3", resourceType="disks"),
    )

    assert [size.name for size in await world.catalog.sizes("eastus")] == ["Standard_D4s_v3", "standard_d2s_V3"]


async def test_the_long_list_is_asked_for_once_in_six_hours() -> None:
    world = World()
    for _ in range(3):
        await world.catalog.sizes("eastus")
    assert world.wire.methods == ["GET"]

    world.clock.advance(6 * 3600 + 1)
    await world.catalog.sizes("eastus")

    assert world.wire.methods == ["GET", "GET"]


async def test_what_is_cached_reads_like_what_was_asked() -> None:
    world = World(a_sku(restrictions=[{"type": "Location", "reasonCode": "NotAvailableForSubscription"}]))

    assert list(await world.catalog.sizes("eastus")) == list(await world.catalog.sizes("eastus"))


async def test_when_azure_is_silent_an_older_list_will_do() -> None:
    world = World()
    known = list(await world.catalog.sizes("eastus"))
    world.clock.advance(2 * DAY_S)
    world.wire.then(refused(503, "ServerTimeout"))

    assert list(await world.catalog.sizes("eastus")) == known


async def test_without_any_list_the_trouble_is_told() -> None:
    world = World()
    world.wire.then(refused(503, "ServerTimeout"))

    with pytest.raises(RetryableError):
        await world.catalog.sizes("eastus")


def in_zones(*zones: str, withheld: tuple[str, ...] = (), location: str = "eastus") -> dict[str, Any]:
    info = {"location": location, "zones": list(zones), "zoneDetails": []}
    restriction = {
        "type": "Zone",
        "values": ["eastus"],
        "restrictionInfo": {"locations": ["eastus"], "zones": list(withheld)},
        "reasonCode": "NotAvailableForSubscription",
    }
    return a_sku(locationInfo=[info], restrictions=[restriction] if withheld else [])


def test_the_zones_of_a_size_are_those_of_its_region_without_the_restricted_ones() -> None:
    assert size_info(in_zones("3", "1", "2"), "eastus").zones == ("1", "2", "3")
    assert size_info(in_zones("1", "2", "3", withheld=("1", "3")), "eastus").zones == ("2",)
    assert size_info(in_zones("1", location="westus"), "eastus").zones == ()
    assert size_info(a_sku(), "eastus").zones == ()


async def test_zones_survive_the_cache_and_a_list_of_an_older_version_has_none() -> None:
    world = World(in_zones("1", "2"))
    assert [size.zones for _ in range(2) for size in await world.catalog.sizes("eastus")] == [("1", "2")] * 2
    (key,) = (key for key in world.cache.rows if key.startswith("sizes/"))
    older = [{k: v for k, v in entry.items() if k != "zones"} for entry in json.loads(world.cache.rows[key][0])]
    await world.cache.put(key, older)
    assert [size.zones for size in await world.catalog.sizes("eastus")] == [()]
    assert world.wire.methods == ["GET"]


def test_a_location_restriction_makes_a_size_unavailable_a_zone_restriction_does_not() -> None:
    zone = {"type": "Zone", "reasonCode": "NotAvailableForSubscription", "values": ["eastus"]}
    location = {"type": "Location", "reasonCode": "QuotaId", "values": ["eastus"]}

    assert size_info(a_sku(restrictions=[zone]), "eastus").available
    restricted = size_info(a_sku(restrictions=[zone, location]), "eastus")
    assert (restricted.available, restricted.restriction) == (False, "QuotaId")


@pytest.mark.parametrize(
    ("sku", "trusted"),
    [
        (a_sku(), True),
        (with_capability(a_sku(), "TrustedLaunchDisabled", "True"), False),
        (a_sku(capabilities=[{"name": "HyperVGenerations", "value": "V1"}]), False),
        (a_sku(capabilities=[]), False),
    ],
)
def test_trusted_launch_needs_generation_2_and_no_objection(sku: dict[str, Any], trusted: bool) -> None:
    assert size_info(sku, "eastus").trusted_launch is trusted


def test_arm64_is_seen() -> None:
    sku = a_sku(capabilities=[{"name": "CpuArchitectureType", "value": "Arm64"}])

    assert size_info(sku, "eastus").arm64


@pytest.mark.parametrize(
    ("sku", "why"),
    [
        (with_capability(a_sku(), "CpuArchitectureType", "Arm64"), "Arm64NotSupported"),
        (with_capability(a_sku(), "TrustedLaunchDisabled", "True"), "NoTrustedLaunch"),
    ],
)
def test_a_size_that_our_image_cannot_start_on_is_not_available(sku: dict[str, Any], why: str) -> None:
    info = size_info(sku, "eastus")
    assert (info.available, info.restriction) == (False, why)


async def test_prices_are_asked_for_once_a_day() -> None:
    world = World()
    assert await world.price() == 0.015
    asked = world.prices_asked
    await world.price()
    assert world.prices_asked == asked == 3

    world.clock.advance(DAY_S + 1)
    await world.price()

    assert world.prices_asked == 6


async def test_a_silent_price_list_means_no_price_and_is_left_alone_for_minutes() -> None:
    world = World()
    world.price_answers = OSError("no route")
    assert await world.price() is None
    asked = world.prices_asked

    assert await world.price() is None
    assert world.prices_asked == asked

    world.price_answers = None
    world.clock.advance(301)
    assert await world.price() == 0.015


async def test_an_unknown_disk_means_no_price_and_is_believed_for_an_hour() -> None:
    world = World()

    for _ in range(2):
        assert await world.catalog.hourly_price("eastus", "Standard_D2s_v3", os_disk_gib=4000, spot=False) is None


async def test_a_broken_cache_costs_the_price_only() -> None:
    class Broken(FakeCache):
        async def get(self, key: str, *, max_age_s: float) -> object | None:
            raise RetryableError("StorageUnavailable", "no")

    world = World()
    catalog = RetailCatalog(
        world.wire.arm,
        Broken(world.clock),
        world.settings,
        world.clock,
        prices=RetailPrices(world.settings, fetch=world._fetch),
    )

    assert await catalog.hourly_price("eastus", "Standard_D2s_v3", os_disk_gib=32, spot=False) is None


@pytest.mark.parametrize("written", [[{"name": "x"}], "text", [1], {"price": "x"}])
async def test_a_row_of_another_version_is_not_believed(written: object) -> None:
    world = World()
    await world.cache.put(world.catalog._sizes_key("eastus"), written)
    await world.cache.put("price/ip/eastus", written)

    assert [size.name for size in await world.catalog.sizes("eastus")] == ["Standard_D2s_v3"]
    assert await world.price() == 0.015
