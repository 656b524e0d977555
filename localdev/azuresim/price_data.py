"""Simulated prices.

Plausible US dollar figures in the shape of the retail price API; they are not Microsoft's prices and nobody should
budget with them.  East US Linux prices are the base; other regions and operating systems are factors of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

#: Linux, on demand, East US, per hour.
VM_HOURLY: Mapping[str, float] = {
    "Standard_B1s": 0.0104,
    "Standard_B2s": 0.0416,
    "Standard_B2ms": 0.0832,
    "Standard_D2s_v3": 0.096,
    "Standard_D4s_v3": 0.192,
    "Standard_D8s_v3": 0.384,
    "Standard_D2s_v5": 0.096,
    "Standard_D4s_v5": 0.192,
    "Standard_D8s_v5": 0.384,
    "Standard_D2as_v5": 0.086,
    "Standard_D4as_v5": 0.172,
    "Standard_E2s_v3": 0.126,
    "Standard_E2s_v5": 0.126,
    "Standard_D2ps_v5": 0.077,
}

PRODUCTS: Mapping[str, str] = {
    "Standard_B": "Virtual Machines BS Series",
    "Standard_D2s_v3": "Virtual Machines DSv3 Series",
    "Standard_D4s_v3": "Virtual Machines DSv3 Series",
    "Standard_D8s_v3": "Virtual Machines DSv3 Series",
    "Standard_D2s_v5": "Virtual Machines Dsv5 Series",
    "Standard_D4s_v5": "Virtual Machines Dsv5 Series",
    "Standard_D8s_v5": "Virtual Machines Dsv5 Series",
    "Standard_D2as_v5": "Virtual Machines Dasv5 Series",
    "Standard_D4as_v5": "Virtual Machines Dasv5 Series",
    "Standard_E2s_v3": "Virtual Machines ESv3 Series",
    "Standard_E2s_v5": "Virtual Machines Esv5 Series",
    "Standard_D2ps_v5": "Virtual Machines Dpsv5 Series",
}

#: Region to the factor on East US prices and the name the price list uses for it.
PLACES: Mapping[str, tuple[float, str]] = {
    "eastus": (1.0, "US East"),
    "eastus2": (1.0, "US East 2"),
    "westus": (1.22, "US West"),
    "westus2": (1.0, "US West 2"),
    "northeurope": (1.11, "EU North"),
    "westeurope": (1.25, "EU West"),
    "germanywestcentral": (1.2, "DE West Central"),
    "swedencentral": (1.12, "SE Central"),
}

#: Standard SSD managed disks, LRS, per month, by tier; the number is the size in GiB.
STANDARD_SSD: Mapping[str, tuple[int, float]] = {
    "E1": (4, 0.3),
    "E2": (8, 0.6),
    "E3": (16, 1.2),
    "E4": (32, 2.4),
    "E6": (64, 4.8),
    "E10": (128, 9.6),
    "E15": (256, 19.2),
    "E20": (512, 38.4),
    "E30": (1024, 76.8),
}
STANDARD_HDD: Mapping[str, tuple[int, float]] = {"S4": (32, 1.536), "S6": (64, 3.008), "S10": (128, 5.888)}
PREMIUM_SSD: Mapping[str, tuple[int, float]] = {"P4": (32, 5.28), "P6": (64, 10.21), "P10": (128, 19.71)}

#: A static Standard IPv4 address, per hour.
STANDARD_ADDRESS_HOURLY = 0.005

_WINDOWS = 1.958
_SPOT = 0.2
_LOW_PRIORITY = 0.4


@dataclass(frozen=True)
class Price:
    """One line of the price list, before it is dressed up as an item."""

    region: str
    service: str
    service_id: str
    family: str
    product: str
    sku: str
    meter: str
    amount: float
    unit: str
    arm_sku: str = ""


def every_price() -> Iterator[Price]:
    """The whole list, in a fixed order."""
    for region, (factor, _) in PLACES.items():
        yield from _machines(region, factor)
        yield from _disks(region, factor)
        yield Price(
            region,
            "Virtual Network",
            "DZH31BWQTQFD",
            "Networking",
            "IP Addresses",
            "Standard",
            "Standard IPv4 Static Public IP",
            STANDARD_ADDRESS_HOURLY,
            "1 Hour",
        )


def _machines(region: str, factor: float) -> Iterator[Price]:
    for size, hourly in VM_HOURLY.items():
        short = size.removeprefix("Standard_").replace("_", " ")
        product = PRODUCTS["Standard_B"] if size.startswith("Standard_B") else PRODUCTS[size]
        systems = [("", 1.0)] if "ps_" in size else [("", 1.0), (" Windows", _WINDOWS)]
        for system, system_factor in systems:
            kinds = (("", 1.0), (" Spot", _SPOT), (" Low Priority", _LOW_PRIORITY))
            for kind, kind_factor in kinds[: 1 if size.startswith("Standard_B") else 3]:
                amount = round(hourly * factor * system_factor * kind_factor, 6)
                yield Price(
                    region,
                    "Virtual Machines",
                    "DZH313Z7MMC8",
                    "Compute",
                    f"{product}{system}",
                    f"{short}{kind}",
                    f"{short}{kind}",
                    amount,
                    "1 Hour",
                    size,
                )


def _disks(region: str, factor: float) -> Iterator[Price]:
    products = (
        ("Standard SSD Managed Disks", STANDARD_SSD),
        ("Standard HDD Managed Disks", STANDARD_HDD),
        ("Premium SSD Managed Disks", PREMIUM_SSD),
    )
    for product, tiers in products:
        for tier, (_, monthly) in tiers.items():
            yield Price(
                region,
                "Storage",
                "DZH317F1HKN0",
                "Storage",
                product,
                f"{tier} LRS",
                f"{tier} LRS Disk",
                round(monthly * factor, 4),
                "1/Month",
            )
