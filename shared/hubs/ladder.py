"""The capacity ladder: what may be tried for a machine, in which order, and what a refusal of Azure rules out. Pure.

Order: for each region (the one asked for, then the owner's own list; never another one: people's data stays where the
owner allows it), for each size (the one asked for, then the owner's list), for each zone (none first, so that Azure
chooses among all; then each zone by itself, because "no zone" is refused when the one Azure picked is full).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import assert_never

from shared.hubs import sizes
from shared.hubs.model import Attempt, HubSpec, Rung
from shared.hubs.ports import SizeInfo

REFUSED = "refused"
"""Outcome of a try that Azure had no room or no quota for."""

MOST_TRIES = 20
"""Of one create. A refusal that leaves something behind takes three to four minutes (a create until it fails, a group
delete), so a create ends within some 80 minutes, whatever its owner lists."""


# ------------------------------------------------------------------ what a refusal means


class Scope(StrEnum):
    """What a refusal rules out."""

    RUNG = "rung"  # this size in this zone; or, without a zone, only the try that names none
    SIZE = "size"  # this size everywhere in the region
    REGION = "region"


@dataclass(frozen=True, slots=True)
class Closing:
    """What one kind of refusal rules out, for how long all hubs believe it, and why."""

    scope: Scope
    believed: timedelta
    because: str


_ROOM = timedelta(minutes=10)
_QUOTA = timedelta(minutes=10)
_SKU = timedelta(hours=6)

_FULL = "room comes and goes within minutes; other zones have hardware of their own"
_QUOTA_WHY = "an operator may raise it, a deleted hub frees some: believed no longer than a person waits for either"

CLOSES: Mapping[str, Closing] = {
    "AllocationFailed": Closing(Scope.RUNG, _ROOM, _FULL),
    "OverconstrainedAllocationRequest": Closing(Scope.RUNG, _ROOM, _FULL),
    "ZonalAllocationFailed": Closing(Scope.RUNG, _ROOM, _FULL),
    "OverconstrainedZonalAllocationRequest": Closing(Scope.RUNG, _ROOM, _FULL),
    "AvailabilityZoneNotSupported": Closing(Scope.RUNG, _SKU, "zones of a size change as seldom as its regions"),
    "SkuNotAvailable": Closing(
        Scope.SIZE, _SKU, "a restriction of the subscription or region: as old as the catalogue's list may be"
    ),
    "QuotaExceeded": Closing(Scope.SIZE, _QUOTA, f"the family's cores in this region; {_QUOTA_WHY}"),
    "SKUFamilyQuotaExceeded": Closing(Scope.SIZE, _QUOTA, f"the same by another name; {_QUOTA_WHY}"),
    "RegionalQuotaExceeded": Closing(Scope.REGION, _QUOTA, f"the cores of all sizes together; {_QUOTA_WHY}"),
    "PublicIPCountLimitReached": Closing(Scope.REGION, _QUOTA, f"every hub needs an address; {_QUOTA_WHY}"),
}
"""By our public code (shared/adapters/arm/refusals.py). What Azure's sentences speak of, and its advice for each:
https://learn.microsoft.com/troubleshoot/azure/virtual-machines/windows/allocation-failure ,
https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-resource-quota ,
https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-sku-not-available"""

_UNKNOWN = Closing(Scope.SIZE, _ROOM, "a refusal this table does not know: another size may do; soon forgotten")


def closing(code: str) -> Closing:
    """What the refusal with this public code rules out."""
    return CLOSES.get(code, _UNKNOWN)


def ruled_out(rung: Rung, refused: Rung, code: str) -> bool:
    """Whether the refusal of `refused` speaks of `rung` as well. Names are compared as Azure does."""
    if rung.region.lower() != refused.region.lower():
        return False
    scope = closing(code).scope
    match scope:
        case Scope.REGION:
            return True
        case Scope.SIZE:
            return rung.size.lower() == refused.size.lower()
        case Scope.RUNG:
            return rung.size.lower() == refused.size.lower() and rung.zone == refused.zone
    assert_never(scope)


def open_after(rungs: Iterable[Rung], tries: Iterable[Attempt]) -> tuple[Rung, ...]:
    """The rungs that no refusal of these tries rules out."""
    refusals = [(rung_of(one), one.reason.code) for one in tries if one.outcome == REFUSED and one.reason]
    return tuple(rung for rung in rungs if not any(ruled_out(rung, *refusal) for refusal in refusals))


def rung_of(attempt: Attempt) -> Rung:
    return Rung(region=attempt.region, size=attempt.size, zone=attempt.zone)


# ------------------------------------------------------------------ the rungs


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """What is known of one region: its list of allowed sizes (None = it could not be read), and prices per running
    hour, US dollars, by size in lower case (None or absent = not known)."""

    offers: Sequence[SizeInfo] | None = None
    per_hour: Mapping[str, float | None] = field(default_factory=dict)

    def offer(self, size: str) -> SizeInfo | None:
        return next((info for info in self.offers or () if info.name.lower() == size.lower()), None)


def asked(spec: HubSpec) -> Rung:
    """The first rung: what was asked for, in whichever zone Azure likes."""
    return Rung(region=spec.region, size=spec.size)


def regions(spec: HubSpec) -> tuple[str, ...]:
    return _once((spec.region, *spec.fallback.regions))


def candidates(spec: HubSpec, market: Market) -> tuple[str, ...]:
    """The sizes of one region in order, before their prices are looked at.

    Without a list of the owner's: the allowed sizes as large as the one asked for (same vCPU, same memory).
    """
    named = (spec.size, *spec.fallback.sizes)
    return _once(named if spec.fallback.sizes else (*named, *_siblings(spec, market)))


def _siblings(spec: HubSpec, market: Market) -> Iterator[str]:
    here, known = market.offer(spec.size), sizes.shape_of(spec.size)
    shape = (here.vcpus, here.memory_gib) if here else (known.vcpus, known.memory_gib) if known else None
    for info in market.offers or ():
        if (info.vcpus, info.memory_gib) == shape:
            yield info.name


def rungs(spec: HubSpec, markets: Mapping[str, Market]) -> tuple[Rung, ...]:
    """Every rung of a hub, the one asked for first. `markets`: what is known, by region."""
    found: list[Rung] = []
    limit = _sibling_limit(spec, markets)
    for region in regions(spec):
        market = markets.get(region, Market())
        for size in candidates(spec, market):
            if _may_be_tried(spec, region, size, market, limit):
                offer = market.offer(size)
                zones = offer.zones if offer else ()
                found += [Rung(region=region, size=size, zone=zone) for zone in (None, *zones)]
    return tuple(found)


def _may_be_tried(spec: HubSpec, region: str, size: str, market: Market, sibling_limit: float | None) -> bool:
    """What was asked for may always be tried. A size the list does not show is tried when its owner named it: Azure's
    answer is quick."""
    if region.lower() == spec.region.lower() and size.lower() == spec.size.lower():
        return True
    offer, price = market.offer(size), market.per_hour.get(size.lower())
    if offer is not None and not offer.available:
        return False
    ceiling = spec.fallback.max_price_per_hour
    if ceiling is not None and (price is None or price > ceiling):
        return False
    if size.lower() in _named(spec):
        return True
    return price is not None and sibling_limit is not None and price <= sibling_limit


def _sibling_limit(spec: HubSpec, markets: Mapping[str, Market]) -> float | None:
    """Nobody agreed to pay more than what was asked for costs where it was asked for."""
    market = markets.get(spec.region)
    return market.per_hour.get(spec.size.lower()) if market else None


def needs_prices(spec: HubSpec, market: Market) -> tuple[str, ...]:
    """The sizes of a region whose prices decide: all of them under a ceiling, else the siblings and what they are
    compared with."""
    if spec.fallback.max_price_per_hour is None and spec.fallback.sizes:
        return ()
    return candidates(spec, market)


def _named(spec: HubSpec) -> Collection[str]:
    return {spec.size.lower(), *(size.lower() for size in spec.fallback.sizes)}


def _once(names: Iterable[str]) -> tuple[str, ...]:
    """Without repetitions, whatever their case."""
    seen: dict[str, str] = {}
    for name in names:
        seen.setdefault(name.lower(), name)
    return tuple(seen.values())
