"""Which VM sizes can be had where, and what a hub costs: from ARM and the retail price list, cached for all."""

import asyncio
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.adapters.arm.errors import translated
from shared.adapters.arm.prices import PricesUnreachable, RetailPrices
from shared.clock import Clock
from shared.errors import RetryableError
from shared.hubs.ports import Cache, PriceParts, SizeInfo
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.adapters.arm.client import ArmClients

_log = logging.getLogger(__name__)

SIZES_FRESH_S = 6 * 3600.0
SIZES_USABLE_S = 7 * 24 * 3600.0
"""How old a list may be when ARM cannot be asked: what a size has does not change, only where it is restricted."""

PRICE_FRESH_S = 24 * 3600.0
PRICE_UNKNOWN_S = 3600.0
"""How long "not in the list" is believed."""
PRICE_UNREACHABLE_S = 300.0
"""How long the price list is left alone after it did not answer."""


class RetailCatalog:
    """`Catalog` over compute's SKU list and the retail price list."""

    def __init__(
        self,
        arm: "ArmClients",
        cache: Cache,
        settings: Settings,
        clock: Clock,
        *,
        prices: RetailPrices | None = None,
    ) -> None:
        self._arm = arm
        self._cache = cache
        self._settings = settings
        self._clock = clock
        self._prices = prices or RetailPrices(settings)

    async def sizes(self, region: str) -> Sequence[SizeInfo]:
        """The allowed sizes the region has, in the order of the setting; one it restricts has `available` False.

        One region's list is some MiB long, so it is cached for 6 h. Raises RetryableError when ARM cannot be asked
        and no list of the last week is there."""
        key = self._sizes_key(region)
        known = _sizes_from(await self._cache.get(key, max_age_s=SIZES_FRESH_S))
        if known is not None:
            return known
        try:
            found = await self._ask_sizes(region)
        except RetryableError:
            known = _sizes_from(await self._cache.get(key, max_age_s=SIZES_USABLE_S))
            if known is None:
                raise
            return known
        await self._cache.put(key, [asdict(size) for size in found])
        return found

    async def hourly_price(self, region: str, size: str, *, os_disk_gib: int, spot: bool) -> PriceParts | None:
        """Three prices of the list, each cached for a day. Never raises: a price is a courtesy, not a condition."""
        size = self._canonical(size)
        kind = "spot" if spot else "regular"
        vm, disk, ip = await asyncio.gather(
            self._price(f"vm/{region}/{size}/{kind}", lambda: self._prices.vm_hour(region, size, spot=spot)),
            self._price(f"disk/{region}/{os_disk_gib}", lambda: self._prices.disk_hour(region, os_disk_gib)),
            self._price(f"ip/{region}", lambda: self._prices.public_ip_hour(region)),
        )
        if vm is None or disk is None or ip is None:
            return None
        return PriceParts(vm=vm[0], disk=disk[0], ip=ip[0], currency="USD", as_of=min(vm[1], disk[1], ip[1]))

    async def _ask_sizes(self, region: str) -> list[SizeInfo]:
        allowed = {name.lower(): position for position, name in enumerate(self._settings.allowed_sizes)}
        found: dict[str, SizeInfo] = {}
        with translated():
            async for sku in self._arm.compute().resource_skus.list(filter=f"location eq '{region}'"):
                document = sku.as_dict()
                name = str(document.get("name", ""))
                if name.lower() in allowed and _is_offered(document, region):
                    found[name.lower()] = size_info(document, region)
        return [found[name] for name in sorted(found, key=lambda name: allowed[name])]

    def _sizes_key(self, region: str) -> str:
        """Another setting is another list."""
        allowed = ",".join(self._settings.allowed_sizes)
        return f"sizes/{region}/{hashlib.sha256(allowed.encode()).hexdigest()[:12]}"

    def _canonical(self, size: str) -> str:
        """The size as the setting writes it: the price list compares names with regard to case."""
        return next((name for name in self._settings.allowed_sizes if name.lower() == size.lower()), size)

    async def _price(self, key: str, ask: Callable[[], Awaitable[float | None]]) -> tuple[float, datetime] | None:
        """One price and when it was read, or None when it is not known."""
        key = f"price/{key}"
        try:
            known = _remembered(await self._cache.get(key, max_age_s=PRICE_FRESH_S))
            if known is not None and self._clock.now() < known[2]:
                return None if known[0] is None else (known[0], known[1])
            now = self._clock.now()
            try:
                price = await ask()
                keep_s = PRICE_UNKNOWN_S if price is None else PRICE_FRESH_S
            except PricesUnreachable:
                price, keep_s = None, PRICE_UNREACHABLE_S
            until = now + timedelta(seconds=keep_s)
            await self._cache.put(key, {"price": price, "asOf": now.isoformat(), "until": until.isoformat()})
        except Exception as error:  # the cache may fail as well; see `hourly_price`
            _log.warning("price_lookup_failed", extra={"key": key, "error": type(error).__name__})
            return None
        return None if price is None else (price, now)


def size_info(sku: Mapping[str, Any], region: str) -> SizeInfo:
    """One entry of https://learn.microsoft.com/rest/api/compute/resource-skus/list. Capability values are strings.

    `zones` are those of `locationInfo` without the restricted ones; a size without any may still be had by a VM that
    names none."""
    capabilities = {c.get("name"): str(c.get("value", "")) for c in sku.get("capabilities") or []}
    restriction = next((r for r in sku.get("restrictions") or [] if str(r.get("type", "")).lower() == "location"), None)
    generations = capabilities.get("HyperVGenerations", "V1").upper().split(",")
    arm64 = capabilities.get("CpuArchitectureType", "x64").lower() == "arm64"
    trusted_launch = "V2" in generations and capabilities.get("TrustedLaunchDisabled", "").lower() != "true"
    refused = str(restriction.get("reasonCode") or "Restricted") if restriction else None
    if arm64:
        refused = refused or "Arm64NotSupported"  # our images are x64
    elif not trusted_launch:
        refused = refused or "NoTrustedLaunch"  # every hub is made with it
    return SizeInfo(
        name=sku["name"],
        region=region,
        vcpus=int(float(capabilities.get("vCPUs") or 0)),
        memory_gib=float(capabilities.get("MemoryGB") or 0),
        family=str(sku.get("family", "")),
        arm64=arm64,
        trusted_launch=trusted_launch,
        available=refused is None,
        restriction=refused,
        zones=_zones(sku, region) if refused is None else (),
    )


def _zones(sku: Mapping[str, Any], region: str) -> tuple[str, ...]:
    """In the order of their numbers, so that every process tries them alike."""
    here = [i for i in sku.get("locationInfo") or [] if str(i.get("location", "")).lower() == region.lower()]
    listed = {str(zone) for info in here for zone in info.get("zones") or []}
    for restriction in sku.get("restrictions") or []:
        if str(restriction.get("type", "")).lower() == "zone":
            listed -= {str(zone) for zone in (restriction.get("restrictionInfo") or {}).get("zones") or []}
    return tuple(sorted(listed))


def _is_offered(sku: Mapping[str, Any], region: str) -> bool:
    """The filter is only a hint to ARM: the answer is checked."""
    locations = [str(location).lower() for location in sku.get("locations") or []]
    return str(sku.get("resourceType", "")).lower() == "virtualmachines" and region.lower() in locations


def _sizes_from(cached: object) -> list[SizeInfo] | None:
    """A cached list; None when there is none or it was written by another version."""
    if not isinstance(cached, list):
        return None
    try:
        return [SizeInfo(**{**entry, "zones": tuple(entry.get("zones", ()))}) for entry in cached]
    except (AttributeError, TypeError):
        return None


def _remembered(cached: object) -> tuple[float | None, datetime, datetime] | None:
    """Price, when it was read, until when that is believed."""
    if not isinstance(cached, dict):
        return None
    try:
        price = cached["price"]
        return (
            None if price is None else float(price),
            datetime.fromisoformat(cached["asOf"]),
            datetime.fromisoformat(cached["until"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
