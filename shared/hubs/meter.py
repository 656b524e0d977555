"""What a hub has cost: the time it spent in each state of billing, times the retail price in force then. Pure.

Retail prices: https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices. How Azure itself
counts, and where this meter is coarser or finer:

- VM: billed from `starting` to `stopped`, also when only its OS is off; not while `creating`, `deallocating` or
  `deallocated` (https://learn.microsoft.com/azure/virtual-machines/states-billing). The price is per hour, used by the
  full minute
  (https://azure.microsoft.com/resources/knowledge-center/if-my-virtual-machine-ran-for-6-minutes-and-45); a newer
  answer speaks of seconds and, since June 2025, of five minutes at least
  (https://learn.microsoft.com/answers/questions/2259765/clarification-on-azure-vm-billing-for-short-runtim), which the
  documentation does not say. We count seconds and no minimum: less than a minute off a run that lasts.
- Disk: the size is rounded up to a tier, the tier's monthly price is prorated hourly until the disk is deleted
  (https://learn.microsoft.com/azure/virtual-machines/disks-types#azure-managed-disk-billing). An hour is 1/730 of the
  monthly price here, so a month of 31 days shows 744/730 of it.
- Public IP: a price per hour; a static one bills while its VM is deallocated too
  (https://azure.microsoft.com/pricing/details/ip-addresses/).
- Standard SSD operations, outgoing traffic and snapshots bill on top and are not counted.

Nothing is rounded here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.hubs.model import Price

METHOD = (
    "Azure's retail price per hour of each part, times the seconds it billed: the virtual machine by its real size "
    "until it is deallocated; the OS disk (a 730th of its tier's monthly price per hour) and the public IP address "
    "until they are deleted, also while the machine is stopped. Before discounts and tax; without disk operations, "
    "traffic and snapshots. Azure's invoice decides."
)
"""How the amounts come about, for those who read them."""

MONTHS_KEPT = 13
"""This month and the twelve before it. What was spent earlier stays as one sum: a row must not grow for ever."""

_HOUR_S = 3600.0


class Billing(StrEnum):
    """What of a hub bills: nothing, disk and public IP, or these and the VM."""

    NOTHING = "nothing"
    STOPPED = "stopped"
    RUNNING = "running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """US dollars by part. `unpriced_s`: seconds that billed while no price was known."""

    vm: float = 0.0
    disk: float = 0.0
    ip: float = 0.0
    unpriced_s: float = 0.0

    @property
    def total(self) -> float:
        return self.vm + self.disk + self.ip

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            vm=self.vm + other.vm,
            disk=self.disk + other.disk,
            ip=self.ip + other.ip,
            unpriced_s=self.unpriced_s + other.unpriced_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """`months`: what was spent in each calendar month (UTC, `2026-11`) up to `since`; the newest 13, and `earlier` in
    all months before them. `since`: everything before it is counted, `billing` holds from then on."""

    billing: Billing = Billing.NOTHING
    since: datetime | None = None
    months: Mapping[str, Spent] = field(default_factory=dict)
    earlier: Spent = Spent()


def month_of(moment: datetime) -> str:
    """The calendar month (UTC) as `months` names it: `2026-11`."""
    utc = moment.astimezone(UTC)
    return f"{utc.year:04d}-{utc.month:02d}"


def settled(meter: Meter, price: "Price | None", now: datetime) -> Meter:
    """The same meter with everything up to `now` counted. A `now` before `since` changes nothing, and neither does a
    second call."""
    if meter.billing is Billing.NOTHING or meter.since is None or now <= meter.since:
        return meter
    months = dict(meter.months)
    for month, seconds in _by_month(meter.since, now):
        months[month] = months.get(month, Spent()) + _amount(meter.billing, price, seconds)
    earlier = meter.earlier
    for month in sorted(months)[:-MONTHS_KEPT]:
        earlier += months.pop(month)
    return replace(meter, since=now, months=months, earlier=earlier)


def switched(meter: Meter, billing: Billing, price: "Price | None", now: datetime) -> Meter:
    """Everything up to `now` counted at the old billing; `billing` from then on. The same billing changes nothing.

    After a clock that stepped back the new billing begins where the old one was counted to: no second counts twice.
    """
    if billing is meter.billing:
        return meter
    counted = settled(meter, price, now)
    since = now if counted.since is None else max(now, counted.since)
    return replace(counted, billing=billing, since=since)


def so_far(meter: Meter, price: "Price | None", now: datetime) -> Spent:
    """All months together, up to `now`."""
    counted = settled(meter, price, now)
    total = counted.earlier
    for month in sorted(counted.months):
        total += counted.months[month]
    return total


def in_month(meter: Meter, price: "Price | None", now: datetime) -> Spent:
    """The calendar month (UTC) of `now`, up to `now`."""
    return settled(meter, price, now).months.get(month_of(now), Spent())


def _amount(billing: Billing, price: "Price | None", seconds: float) -> Spent:
    if price is None:
        return Spent(unpriced_s=seconds)
    hours = seconds / _HOUR_S
    vm = price.vm * hours if billing is Billing.RUNNING else 0.0
    return Spent(vm=vm, disk=price.disk * hours, ip=price.ip * hours)


def _by_month(start: datetime, end: datetime) -> Iterator[tuple[str, float]]:
    """The seconds from `start` to `end` in each calendar month (UTC) they touch, in order."""
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    while start < end:
        year, month = divmod(start.year * 12 + start.month, 12)  # of the month that follows, January = 0
        following = datetime(year, month + 1, 1, tzinfo=UTC)
        until = min(end, following)
        yield month_of(start), (until - start).total_seconds()
        start = until
