"""Regions, VM sizes and images the simulated Azure offers: a small, honest cut of the real catalogue.

Size capabilities follow https://learn.microsoft.com/azure/virtual-machines/sizes; which size is restricted where is
made up, so that restrictions can be met.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Region:
    """An Azure region."""

    name: str
    display_name: str
    zones: tuple[str, ...] = ("1", "2", "3")


REGIONS: Mapping[str, Region] = {
    region.name: region
    for region in (
        Region("eastus", "East US"),
        Region("eastus2", "East US 2"),
        Region("westus", "West US", zones=()),
        Region("westus2", "West US 2"),
        Region("northeurope", "North Europe"),
        Region("westeurope", "West Europe"),
        Region("germanywestcentral", "Germany West Central"),
        Region("swedencentral", "Sweden Central"),
    )
}


@dataclass(frozen=True)
class Size:
    """A VM size."""

    name: str
    family: str
    family_display: str
    cores: int
    memory_gb: float
    architecture: str = "x64"
    generations: str = "V1,V2"
    premium_io: bool = True
    trusted_launch: bool = True
    max_nics: int = 2
    disk_controllers: str = "SCSI"
    regions: frozenset[str] | None = None
    """None: offered everywhere."""
    restricted_in: frozenset[str] = frozenset()
    """Listed there, but not available to this subscription (``NotAvailableForSubscription``)."""
    zones_withheld: Mapping[str, tuple[str, ...]] | None = None
    """Region to the zones this subscription may not use."""


_BS = ("standardBSFamily", "Standard BS Family")
_DS_V3 = ("standardDSv3Family", "Standard DSv3 Family")
_DS_V5 = ("standardDSv5Family", "Standard DSv5 Family")
_DAS_V5 = ("standardDASv5Family", "Standard DASv5 Family")
_ES_V3 = ("standardESv3Family", "Standard ESv3 Family")
_ES_V5 = ("standardESv5Family", "Standard ESv5 Family")
_DPS_V5 = ("standardDPSv5Family", "Standard DPSv5 Family")

SIZES: Mapping[str, Size] = {
    size.name.lower(): size
    for size in (
        Size("Standard_B1s", *_BS, 1, 1),
        Size("Standard_B2s", *_BS, 2, 4, max_nics=3),
        Size("Standard_B2ms", *_BS, 2, 8, max_nics=3),
        Size("Standard_D2s_v3", *_DS_V3, 2, 8),
        Size("Standard_D4s_v3", *_DS_V3, 4, 16),
        Size("Standard_D8s_v3", *_DS_V3, 8, 32, max_nics=4),
        Size("Standard_D2s_v5", *_DS_V5, 2, 8, disk_controllers="SCSI,NVMe"),
        Size("Standard_D4s_v5", *_DS_V5, 4, 16, disk_controllers="SCSI,NVMe"),
        Size("Standard_D8s_v5", *_DS_V5, 8, 32, max_nics=4, disk_controllers="SCSI,NVMe"),
        Size("Standard_D2as_v5", *_DAS_V5, 2, 8, zones_withheld={"westeurope": ("1",)}),
        Size("Standard_D4as_v5", *_DAS_V5, 4, 16, restricted_in=frozenset({"germanywestcentral"})),
        Size("Standard_E2s_v3", *_ES_V3, 2, 16, regions=frozenset({"eastus", "eastus2", "westeurope", "northeurope"})),
        Size("Standard_E2s_v5", *_ES_V5, 2, 16, disk_controllers="SCSI,NVMe"),
        Size("Standard_D2ps_v5", *_DPS_V5, 2, 8, architecture="Arm64", generations="V2", trusted_launch=False),
    )
}

FAMILIES: Mapping[str, str] = {size.family: size.family_display for size in SIZES.values()}


@dataclass(frozen=True)
class Image:
    """A platform image; `versions` oldest first."""

    publisher: str
    offer: str
    sku: str
    versions: tuple[str, ...]
    architecture: str = "x64"
    generation: str = "V2"
    disk_gb: int = 30


_NOBLE = ("24.04.202510020", "24.04.202511060")
_JAMMY = ("22.04.202510020", "22.04.202511060")

IMAGES: Sequence[Image] = (
    Image("Canonical", "ubuntu-24_04-lts", "server", _NOBLE),
    Image("Canonical", "ubuntu-24_04-lts", "server-gen1", _NOBLE, generation="V1"),
    Image("Canonical", "ubuntu-24_04-lts", "server-arm64", _NOBLE, architecture="Arm64"),
    Image("Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2", _JAMMY),
    Image("Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts", _JAMMY, generation="V1"),
    Image("Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-arm64", _JAMMY, architecture="Arm64"),
)


def find_size(name: str) -> Size | None:
    """The size with this name, in any case."""
    return SIZES.get(name.lower())


def offered(size: Size, region: str) -> bool:
    """Whether the size exists in the region at all."""
    return size.regions is None or region in size.regions


def find_image(publisher: str, offer: str, sku: str) -> Image | None:
    """The platform image with these names, in any case."""
    wanted = (publisher.lower(), offer.lower(), sku.lower())
    return next((i for i in IMAGES if (i.publisher.lower(), i.offer.lower(), i.sku.lower()) == wanted), None)
