"""What a hub costs, as callers see it (API.md, "A hub" and `/cost`)."""

from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TypedDict

from shared.api.progress import rfc3339
from shared.hubs import cost
from shared.hubs.meter import METHOD
from shared.hubs.model import Hub

CURRENCY = "USD"
_NOISE = Decimal("1e-9")
"""Three hours at 0.005 are 0.015, not the 0.01499999999999999944 that a float makes of it."""

_CENT = Decimal("0.01")
_RATE = Decimal("0.0001")
_TENTH = Decimal("0.1")


class Cost(TypedDict):
    """Retail prices, before any discount. null as a whole when the price list never had one; what depends on the
    present price is null while it has none."""

    currency: str
    soFar: float
    perHourNow: float | None
    perMonthIfLeftOn: float | None
    perMonthStopped: float | None
    asOf: str | None


class CostPart(TypedDict):
    """`perHour`: the retail price while this part bills, whether it does now or not."""

    soFar: float | None
    perHour: float | None


class CostParts(TypedDict):
    """Each is rounded by itself: their sum may be a cent off the total."""

    vm: CostPart
    disk: CostPart
    ip: CostPart


class CostDetail(TypedDict):
    """Amounts are null when the price list never had one. `thisMonth`: the calendar month in UTC. `unpricedHours`
    billed while no price was known and are in none of the amounts."""

    currency: str
    soFar: float | None
    thisMonth: float | None
    perHourNow: float | None
    perMonthIfLeftOn: float | None
    perMonthStopped: float | None
    parts: CostParts
    unpricedHours: float
    method: str
    asOf: str | None


def hub_cost(hub: Hub, now: datetime) -> Cost | None:
    """The short form that every hub shows, in lists too."""
    found = cost.cost_of(hub, now)
    if found is None:
        return None
    return Cost(
        currency=CURRENCY,
        soFar=cents(found.so_far),
        perHourNow=_maybe_rate(found.per_hour_now),
        perMonthIfLeftOn=_maybe_cents(found.per_month_running),
        perMonthStopped=_maybe_cents(found.per_month_stopped),
        asOf=rfc3339(found.as_of) if found.as_of else None,
    )


def cost_view(hub: Hub, now: datetime) -> CostDetail:
    """The body of `GET /hubs/{name}/cost`."""
    found = cost.cost_of(hub, now)
    parts = found.parts if found else None
    return CostDetail(
        currency=CURRENCY,
        soFar=_maybe_cents(found.so_far if found else None),
        thisMonth=_maybe_cents(found.this_month if found else None),
        perHourNow=_maybe_rate(found.per_hour_now if found else None),
        perMonthIfLeftOn=_maybe_cents(found.per_month_running if found else None),
        perMonthStopped=_maybe_cents(found.per_month_stopped if found else None),
        parts=CostParts(
            vm=_part(parts.vm if parts else None),
            disk=_part(parts.disk if parts else None),
            ip=_part(parts.ip if parts else None),
        ),
        unpricedHours=_rounded(cost.unpriced_hours(hub, now), _TENTH),
        method=METHOD,
        asOf=rfc3339(found.as_of) if found and found.as_of else None,
    )


def cents(dollars: float) -> float:
    """Two decimals, halves up: the whole sum is rounded, once."""
    return _rounded(dollars, _CENT)


def rate(dollars_per_hour: float) -> float:
    """Four decimals, halves up: an hour of a disk is less than a cent."""
    return _rounded(dollars_per_hour, _RATE)


def _rounded(value: float, step: Decimal) -> float:
    return float(Decimal(value).quantize(_NOISE).quantize(step, ROUND_HALF_UP))


def _maybe_cents(dollars: float | None) -> float | None:
    return None if dollars is None else cents(dollars)


def _maybe_rate(dollars_per_hour: float | None) -> float | None:
    return None if dollars_per_hour is None else rate(dollars_per_hour)


def _part(part: cost.Part | None) -> CostPart:
    if part is None:
        return CostPart(soFar=None, perHour=None)
    return CostPart(soFar=cents(part.so_far), perHour=_maybe_rate(part.per_hour))
