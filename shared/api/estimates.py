"""What a hub would be and cost, before anything is made; and the sizes to choose from."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from shared.api.cost_view import CURRENCY, cents, rate
from shared.api.progress import rfc3339
from shared.errors import UserError
from shared.hubs import commands, sizes
from shared.hubs.cost import HOURS_A_MONTH, per_month_by_schedule
from shared.hubs.pricing import price_of

if TYPE_CHECKING:
    from shared.api.hub_request import ParsedHub
    from shared.api.prices import PriceMemo
    from shared.app import App
    from shared.hubs.model import Price, Schedule
    from shared.hubs.ports import SizeInfo

PRICES_AT_ONCE = 4


class PriceView(TypedDict):
    """Retail price, before any discount. `perMonthRunning`: if it is left on. `perMonthBySchedule`: a model, from the
    schedule's next four weeks; null without a schedule and for one that only starts or only stops."""

    currency: str
    perHourRunning: float
    perHourStopped: float
    perMonthRunning: float
    perMonthStopped: float
    perMonthBySchedule: float | None
    parts: dict[str, float]
    asOf: str


class CandidateView(TypedDict):
    size: str
    vcpus: int | None
    memoryGiB: float | None
    chosen: bool
    why: str


class EstimateView(TypedDict):
    name: str | None
    region: str
    size: str
    neededGiB: float | None
    image: str
    adminUser: str
    osDiskGiB: int
    candidates: list[CandidateView]
    price: PriceView | None


class SizeView(TypedDict):
    """`people`: how large a class fits with 1 GiB for each, by TLJH's formula. `pricePerHour` of the machine alone."""

    name: str
    vcpus: int
    memoryGiB: float
    people: int
    pricePerHour: float | None
    currency: str
    available: bool
    restriction: str | None
    default: bool


async def estimate(app: "App", prices: "PriceMemo", parsed: "ParsedHub") -> EstimateView:
    """Raises UserError `SizeNotAvailable` when Azure does not offer the size in that region."""
    spec, choice = parsed.spec, parsed.choice
    offered = {info.name.lower(): info for info in await app.catalog.sizes(spec.region)}
    info = offered.get(spec.size.lower())
    if info is None or not info.available:
        because = (info.restriction if info else None) or "it is not offered there"
        raise UserError(
            "SizeNotAvailable",
            f"{spec.size} cannot be had in {spec.region}: {because}.",
            fix=f"GET /api/sizes?region={spec.region} shows what can.",
            pointer="/size",
        )
    price = await price_of(app, spec)
    now = app.clock.now()
    if price is not None:
        prices.put(spec, price, now)
    why = (
        f"The smallest allowed size with the {choice.needed_gib:g} GiB that {spec.people} people need."
        if choice
        else "It was asked for, or is the default."
    )
    candidates = [_candidate(spec.size, info, chosen=True, why=why)]
    for rejected in choice.rejected if choice else ():
        candidates.append(_candidate(rejected.size, offered.get(rejected.size.lower()), chosen=False, why=rejected.why))
    return EstimateView(
        name=parsed.name,
        region=spec.region,
        size=spec.size,
        neededGiB=choice.needed_gib if choice else None,
        image=spec.image,
        adminUser=spec.admin_user,
        osDiskGiB=spec.os_disk_gib,
        candidates=candidates,
        price=_price(price, spec.schedule, now) if price else None,
    )


async def check_admission(app: "App", owner: str, name: str | None) -> None:
    """What accepting would refuse: a taken name, one hub too many. One read, two when the name is taken."""
    quota, _ = await app.hubs.admission(owner, None, fresh=True)
    await commands.check_admission(app, owner, name, quota)


async def size_list(app: "App", region: str) -> list[SizeView]:
    """The allowed sizes that Azure knows in that region, smallest first; unknown ones are left out."""
    allowed = {size.lower() for size in app.settings.allowed_sizes}
    infos = [info for info in await app.catalog.sizes(region) if info.name.lower() in allowed]
    infos.sort(key=lambda info: (info.memory_gib, info.vcpus, info.name))
    gate = asyncio.Semaphore(PRICES_AT_ONCE)
    return list(await asyncio.gather(*(_size(app, info, gate) for info in infos)))


async def _size(app: "App", info: "SizeInfo", gate: asyncio.Semaphore) -> SizeView:
    async with gate:
        parts = await app.catalog.hourly_price(info.region, info.name, os_disk_gib=30, spot=False)
    return SizeView(
        name=info.name,
        vcpus=info.vcpus,
        memoryGiB=info.memory_gib,
        people=sizes.people_fit(info.memory_gib, sizes.DEFAULT_GIB_PER_PERSON),
        pricePerHour=round(parts.vm, 4) if parts else None,
        currency=parts.currency if parts else "USD",
        available=info.available,
        restriction=info.restriction,
        default=info.name.lower() == app.settings.size.lower(),
    )


def _candidate(size: str, info: "SizeInfo | None", *, chosen: bool, why: str) -> CandidateView:
    shape = sizes.shape_of(size)
    return CandidateView(
        size=size,
        vcpus=info.vcpus if info else (shape.vcpus if shape else None),
        memoryGiB=info.memory_gib if info else (shape.memory_gib if shape else None),
        chosen=chosen,
        why=why,
    )


def _price(price: "Price", schedule: "Schedule | None", now: datetime) -> PriceView:
    scheduled = per_month_by_schedule(price, schedule, now) if schedule else None
    return PriceView(
        currency=CURRENCY,
        perHourRunning=rate(price.per_hour_running),
        perHourStopped=rate(price.per_hour_stopped),
        perMonthRunning=cents(price.per_hour_running * HOURS_A_MONTH),
        perMonthStopped=cents(price.per_hour_stopped * HOURS_A_MONTH),
        perMonthBySchedule=None if scheduled is None else cents(scheduled),
        parts={"vm": price.vm, "disk": price.disk, "ip": price.ip},
        asOf=rfc3339(price.as_of),
    )


def allowed_region(text: str | None, default: str, allowed: Sequence[str]) -> str | None:
    """The region asked for, or the default; None when it is not allowed."""
    region = text or default
    return region if region in allowed else None
