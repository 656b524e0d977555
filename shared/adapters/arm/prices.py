"""Azure's public retail price list.

https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices: no sign-in, US dollars, filter
values are case-sensitive in 2023-01-01-preview, pages of 1000 with `NextPageLink`.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from shared.adapters.arm.client import trusted
from shared.settings import Settings

_log = logging.getLogger(__name__)

API_VERSION = "2023-01-01-preview"
TIMEOUT_S = 5.0
MAX_PAGES = 5
HOURS_PER_MONTH = 730
"""Azure's own pricing calculator counts a month as 730 hours."""

DISK_TIERS: Sequence[tuple[int, str]] = (
    (32, "E4"),
    (64, "E6"),
    (128, "E10"),
    (256, "E15"),
    (512, "E20"),
    (1024, "E30"),
)
"""Standard SSD: a disk is billed as the smallest tier (GiB) it fits in.
https://learn.microsoft.com/azure/virtual-machines/disks-types#standard-ssds"""

PUBLIC_IP_METER = "Standard IPv4 Static Public IP"

type Item = Mapping[str, Any]
type Fetch = Callable[[str, Mapping[str, str]], Awaitable[Mapping[str, Any]]]
"""GETs an address with query parameters and returns the JSON document. Raises when there is none."""


class PricesUnreachable(Exception):
    """The price list did not answer, or not with what it promises."""


class RetailPrices:
    """Looks prices up in the list, uncached. `fetch` replaces HTTP."""

    def __init__(self, settings: Settings, *, fetch: Fetch | None = None) -> None:
        self._settings = settings
        self._fetch = fetch or self._get

    async def vm_hour(self, region: str, size: str, *, spot: bool) -> float | None:
        """Linux, pay as you go or Spot. `size` exactly as Azure writes it. None = not in the list.

        Raises PricesUnreachable."""
        items = await self._items(
            f"serviceName eq 'Virtual Machines' and armRegionName eq '{region}' and armSkuName eq '{size}'"
        )
        return _price([item for item in items if _is_linux(item) and _is_spot(item) == spot], "1 Hour")

    async def disk_hour(self, region: str, gib: int) -> float | None:
        """Standard SSD, locally redundant. Operations and mounts have meters of their own and are not counted."""
        tier = next((name for limit, name in DISK_TIERS if gib <= limit), None)
        if tier is None:
            return None
        items = await self._items(
            f"serviceName eq 'Storage' and armRegionName eq '{region}' and productName eq 'Standard SSD Managed Disks'"
            f" and skuName eq '{tier} LRS'"
        )
        month = _price([item for item in items if item.get("meterName") == f"{tier} LRS Disk"], "1/Month")
        return None if month is None else month / HOURS_PER_MONTH

    async def public_ip_hour(self, region: str) -> float | None:
        items = await self._items(
            f"serviceName eq 'Virtual Network' and armRegionName eq '{region}' and productName eq 'IP Addresses'"
        )
        return _price([item for item in items if item.get("meterName") == PUBLIC_IP_METER], "1 Hour")

    async def _items(self, condition: str) -> list[Item]:
        """Every item of every page. Raises PricesUnreachable."""
        address = self._settings.prices_endpoint
        parameters: Mapping[str, str] = {"api-version": API_VERSION, "$filter": condition}
        found: list[Item] = []
        for _ in range(MAX_PAGES):
            try:
                page = await self._fetch(address, parameters)
                found.extend(item for item in page["Items"] if isinstance(item, dict))
                following = page.get("NextPageLink")
            except Exception as error:  # a price is never worth an exception further up
                _log.info("prices_unreachable", extra={"error": type(error).__name__})
                raise PricesUnreachable from error
            if not following:
                break
            address, parameters = str(following), {}
        return found

    async def _get(self, address: str, parameters: Mapping[str, str]) -> Mapping[str, Any]:
        import aiohttp

        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=trusted(self._settings)),
            timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            trust_env=not self._settings.ca_file,
            raise_for_status=True,
        )
        # a NextPageLink carries its own query: no empty one must replace it
        async with session, session.get(address, params=parameters or None) as response:
            document: Mapping[str, Any] = await response.json()
            return document


def _is_linux(item: Item) -> bool:
    """Not Windows, not the retired Low Priority offer (which is not Spot), not another product on the same hardware."""
    names = f"{item.get('skuName', '')} {item.get('meterName', '')}"
    product = str(item.get("productName", ""))
    return "Windows" not in product and "CloudServices" not in product.replace(" ", "") and "Low Priority" not in names


def _is_spot(item: Item) -> bool:
    return str(item.get("skuName", "")).endswith("Spot") or str(item.get("meterName", "")).endswith("Spot")


def _price(items: Sequence[Item], unit: str) -> float | None:
    """The price of the one meter that is left; of several, the primary meter's first tier that came last into force."""
    usable = [
        item
        for item in items
        if item.get("unitOfMeasure") == unit
        and item.get("type") == "Consumption"  # not Reservation, not DevTestConsumption
        and isinstance(item.get("retailPrice"), int | float)
        and item["retailPrice"] > 0
    ]
    if not usable:
        return None
    newest_first = sorted(usable, key=_since, reverse=True)
    best = min(newest_first, key=lambda item: (not item.get("isPrimaryMeterRegion"), item.get("tierMinimumUnits") or 0))
    return float(best["retailPrice"])


def _since(item: Item) -> datetime:
    try:
        return datetime.fromisoformat(str(item.get("effectiveStartDate")))
    except ValueError:
        return datetime.fromisoformat("1970-01-01T00:00:00+00:00")
