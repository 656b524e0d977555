"""`Catalog`: fakes and simulated Azure alike."""

from collections.abc import Sequence

from shared.hubs.ports import SizeInfo
from tests.contract.arm.backends import REGION, Azure, SimulatedAzure


async def test_sizes_are_those_the_settings_allow(azure: Azure) -> None:
    sizes = {size.name: size for size in await azure.catalog.sizes(REGION)}

    size = sizes["Standard_D2s_v3"]
    assert (size.vcpus, size.memory_gib, size.arm64, size.trusted_launch, size.available) == (2, 8.0, False, True, True)
    assert size.region == REGION


async def test_a_price_has_its_three_parts(azure: Azure) -> None:
    price = await azure.catalog.hourly_price(REGION, "Standard_D2s_v3", os_disk_gib=32, spot=False)

    assert price is not None and price.currency == "USD"
    assert 0.05 < price.vm < 0.2
    assert 0.001 < price.disk < 0.02
    assert price.ip == 0.005
    assert price.as_of == azure.clock.now()


async def test_spot_is_cheaper(azure: Azure) -> None:
    regular = await azure.catalog.hourly_price(REGION, "Standard_D2s_v3", os_disk_gib=32, spot=False)
    spot = await azure.catalog.hourly_price(REGION, "Standard_D2s_v3", os_disk_gib=32, spot=True)

    assert regular is not None and spot is not None and spot.vm < regular.vm


async def test_what_a_region_restricts_is_listed_as_not_available(simulated: SimulatedAzure) -> None:
    sizes = {size.name: size for size in await simulated.catalog.sizes("germanywestcentral")}

    assert sizes["Standard_D4as_v5"].available is False
    assert sizes["Standard_D4as_v5"].restriction == "NotAvailableForSubscription"
    assert "Standard_E2s_v3" not in sizes  # not offered there at all
    assert "Standard_B1s" not in sizes  # not allowed by the settings


async def test_zones_are_those_the_subscription_may_use(simulated: SimulatedAzure) -> None:
    def zones(sizes: Sequence[SizeInfo]) -> dict[str, tuple[str, ...]]:
        return {size.name: size.zones for size in sizes}

    western = zones(await simulated.catalog.sizes("westeurope"))
    assert (western["Standard_D2as_v5"], western["Standard_D2s_v3"]) == (("2", "3"), ("1", "2", "3"))
    assert zones(await simulated.catalog.sizes("westus"))["Standard_D2s_v3"] == ()
    assert zones(await simulated.catalog.sizes("germanywestcentral"))["Standard_D4as_v5"] == ()


async def test_an_unknown_size_has_no_price(simulated: SimulatedAzure) -> None:
    assert await simulated.catalog.hourly_price(REGION, "Standard_X9", os_disk_gib=32, spot=False) is None


async def test_a_price_is_found_whatever_the_case_of_the_size(simulated: SimulatedAzure) -> None:
    assert await simulated.catalog.hourly_price(REGION, "standard_d2s_V3", os_disk_gib=32, spot=False) is not None
