"""What a hub costs: until now, in this month, per hour now, per month if nothing changes. Pure; US dollars, unrounded.

Retail prices times time (`meter.METHOD`), not what Azure's invoice will say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.hubs import meter
from shared.hubs.meter import Billing
from shared.hubs.model import Hub, Price, Schedule
from shared.hubs.schedule import Kind, events

HOURS_A_MONTH = 730
"""Azure's own pages reckon a month so (https://azure.microsoft.com/pricing/calculator/)."""

WARN_PERCENT = 80
"""Of the monthly budget; from there on its owner is warned."""

_WEEK = timedelta(days=7)
_MODELLED = 4 * _WEEK
"""Whole weeks, so that each weekday counts as often as any other."""

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """`per_hour`: its retail price while it bills, whether it does now or not. None = no price is known now."""

    so_far: float
    per_hour: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    vm: Part
    disk: Part
    ip: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """`this_month`: the calendar month in UTC. `per_month_running`: if it is left on, 730 hours. `unpriced_hours`: time
    that billed while no price was known, in none of the amounts. `as_of`: when the price was read.

    What depends on the present price is None while there is none."""

    so_far: float
    this_month: float
    per_hour_now: float | None
    per_month_running: float | None
    per_month_stopped: float | None
    parts: Parts
    unpriced_hours: float
    as_of: datetime | None


class BudgetState(StrEnum):
    """How far the owner's month is. `over`: no creates and no starts."""

    OK = "ok"
    WARN = "warn"
    OVER = "over"


def cost_of(hub: Hub, now: datetime) -> Cost | None:
    """None when the hub has no price and never had one."""
    price = hub.price
    spent = meter.so_far(hub.meter, price, now)
    if price is None and spent.total == 0:
        return None
    return Cost(
        so_far=spent.total,
        this_month=meter.in_month(hub.meter, price, now).total,
        per_hour_now=_per_hour_now(hub.meter.billing, price) if price else None,
        per_month_running=price.per_hour_running * HOURS_A_MONTH if price else None,
        per_month_stopped=price.per_hour_stopped * HOURS_A_MONTH if price else None,
        parts=Parts(
            vm=Part(so_far=spent.vm, per_hour=price.vm if price else None),
            disk=Part(so_far=spent.disk, per_hour=price.disk if price else None),
            ip=Part(so_far=spent.ip, per_hour=price.ip if price else None),
        ),
        unpriced_hours=unpriced_hours(hub, now),
        as_of=price.as_of if price else None,
    )


def unpriced_hours(hub: Hub, now: datetime) -> float:
    """Hours that billed while no price was known."""
    return meter.so_far(hub.meter, hub.price, now).unpriced_s / 3600


def owner_month(hubs: Sequence[Hub], quota_spent: Mapping[str, float], now: datetime) -> float:
    """What all hubs of an owner cost in the calendar month (UTC) of `now`. `quota_spent`: what those that are gone have
    cost, by month (`Quota.spent`)."""
    present = sum(meter.in_month(hub.meter, hub.price, now).total for hub in hubs)
    return present + quota_spent.get(meter.month_of(now), 0.0)


def budget_state(spent: float, budget: float) -> BudgetState:
    """Both US dollars in the same month. A budget of 0 is none: never more than `ok`."""
    if budget <= 0:
        return BudgetState.OK
    if spent >= budget:
        return BudgetState.OVER
    return BudgetState.WARN if spent * 100 >= budget * WARN_PERCENT else BudgetState.OK


def per_month_by_schedule(price: Price, schedule: Schedule, now: datetime) -> float | None:
    """A model: the VM for the hours the schedule has it on, disk and IP for all 730. None = cannot be modelled."""
    hours = hours_on(schedule, now)
    return None if hours is None else hours * price.vm + HOURS_A_MONTH * price.per_hour_stopped


def hours_on(schedule: Schedule, now: datetime) -> float | None:
    """Hours that this schedule has a hub on in a month of 730 hours, as in the four weeks from `now`.

    None when it only stops or only starts then: somebody else decides how long such a hub runs. Neither the idle stop
    nor `extend` are in it, a start counts from the minute it is asked for.
    """
    # The week before tells whether it is on at `now`: each weekday has been once.
    found = list(events(schedule, now - _WEEK, now + _MODELLED))
    before = [event for event in found if event.at <= now]
    ahead = [event for event in found if event.at > now]
    if {event.kind for event in ahead} != {Kind.START, Kind.STOP}:
        return None
    on = bool(before) and before[-1].kind is Kind.START
    total, since = timedelta(), now
    for event in ahead:
        if on:
            total += event.at - since
        on, since = event.kind is Kind.START, event.at
    if on:
        total += now + _MODELLED - since
    return total / _HOUR * (HOURS_A_MONTH / (_MODELLED / _HOUR))


def _per_hour_now(billing: Billing, price: Price) -> float:
    if billing is Billing.RUNNING:
        return price.per_hour_running
    return price.per_hour_stopped if billing is Billing.STOPPED else 0.0
