"""The meter: seconds in each state of billing times the price in force then, by calendar month in UTC."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.hubs.meter import METHOD, Billing, Meter, Spent, in_month, month_of, settled, so_far, switched
from shared.hubs.model import Price

T0 = datetime(2026, 11, 10, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PRICE = Price(vm=0.096, disk=0.0066, ip=0.005, as_of=T0)
DEARER = replace(PRICE, vm=0.2)

BERLIN = ZoneInfo("Europe/Berlin")
WEEKDAYS_OF_MARCH = [day for day in range(1, 32) if datetime(2027, 3, day, tzinfo=UTC).weekday() < 5]
MONTH_PRICE = Price(vm=0.096, disk=4.80 / 730, ip=0.005, as_of=T0)


def running_since(moment: datetime = T0) -> Meter:
    return Meter(billing=Billing.RUNNING, since=moment)


# ---- what bills


def test_a_running_hub_is_charged_for_vm_disk_and_address():
    spent = so_far(running_since(), PRICE, T0 + 10 * HOUR)
    assert (spent.vm, spent.disk, spent.ip) == pytest.approx((0.96, 0.066, 0.05))
    assert spent.total == pytest.approx(1.076)
    assert spent.unpriced_s == 0


def test_a_stopped_hub_is_charged_for_disk_and_address_only():
    spent = so_far(Meter(billing=Billing.STOPPED, since=T0), PRICE, T0 + 10 * HOUR)
    assert (spent.vm, spent.disk, spent.ip) == pytest.approx((0, 0.066, 0.05))


def test_a_hub_without_anything_in_azure_is_charged_for_nothing():
    for meter in (Meter(), Meter(billing=Billing.NOTHING, since=T0)):
        assert so_far(meter, PRICE, T0 + 1000 * HOUR) == Spent()
        assert settled(meter, PRICE, T0 + 1000 * HOUR) == meter


def test_a_part_of_an_hour_is_charged_by_the_second():
    assert so_far(running_since(), PRICE, T0 + timedelta(seconds=90)).vm == pytest.approx(0.096 * 90 / 3600)


def test_from_a_switch_on_the_new_billing_holds():
    meter = switched(Meter(), Billing.RUNNING, PRICE, T0)
    meter = switched(meter, Billing.STOPPED, PRICE, T0 + 2 * HOUR)
    meter = switched(meter, Billing.RUNNING, PRICE, T0 + 5 * HOUR)
    meter = switched(meter, Billing.NOTHING, PRICE, T0 + 6 * HOUR)
    spent = so_far(meter, PRICE, T0 + 100 * HOUR)
    assert (spent.vm, spent.disk, spent.ip) == pytest.approx((3 * 0.096, 6 * 0.0066, 6 * 0.005))


def test_a_switch_to_the_same_billing_changes_nothing():
    meter = settled(running_since(), PRICE, T0 + HOUR)
    assert switched(meter, Billing.RUNNING, PRICE, T0 + 2 * HOUR) == meter
    assert switched(Meter(), Billing.NOTHING, PRICE, T0) == Meter()


def test_settling_twice_counts_once():
    once = settled(running_since(), PRICE, T0 + HOUR)
    assert settled(once, PRICE, T0 + HOUR) == once


def test_a_new_price_holds_from_when_it_came():
    meter = settled(running_since(), PRICE, T0 + 10 * HOUR)
    assert so_far(meter, DEARER, T0 + 11 * HOUR).vm == pytest.approx(10 * 0.096 + 0.2)


def test_looking_does_not_change_the_meter():
    meter = settled(running_since(), PRICE, T0 + HOUR)
    before = dict(meter.months)
    so_far(meter, PRICE, T0 + 100 * DAY)
    in_month(meter, PRICE, T0 + 100 * DAY)
    assert dict(meter.months) == before


# ---- without a price


def test_time_without_a_price_is_counted_as_such():
    spent = so_far(running_since(), None, T0 + 2 * HOUR)
    assert (spent.total, spent.unpriced_s) == (0, 7200)


def test_a_price_that_comes_later_does_not_reach_back():
    meter = settled(running_since(), None, T0 + 2 * HOUR)
    spent = so_far(meter, PRICE, T0 + 3 * HOUR)
    assert (spent.vm, spent.unpriced_s) == pytest.approx((0.096, 7200))


# ---- months


def test_time_across_the_end_of_a_month_is_split_there():
    start = datetime(2026, 11, 30, 22, tzinfo=UTC)
    meter = settled(running_since(start), PRICE, start + 5 * HOUR)
    assert {month: spent.vm for month, spent in meter.months.items()} == {
        "2026-11": pytest.approx(2 * 0.096),
        "2026-12": pytest.approx(3 * 0.096),
    }


def test_time_across_several_months_is_split_at_each_end():
    start, end = datetime(2027, 12, 31, 12, tzinfo=UTC), datetime(2028, 4, 1, 6, tzinfo=UTC)
    meter = settled(running_since(start), None, end)
    hours = {month: spent.unpriced_s / 3600 for month, spent in meter.months.items()}
    # 2028 is a leap year
    assert hours == {"2027-12": 12, "2028-01": 744, "2028-02": 696, "2028-03": 744, "2028-04": 6}


def test_a_settle_exactly_at_the_end_of_a_month_leaves_the_next_one_empty():
    meter = settled(running_since(), PRICE, datetime(2026, 12, 1, tzinfo=UTC))
    assert list(meter.months) == ["2026-11"]
    assert in_month(meter, PRICE, datetime(2026, 12, 1, tzinfo=UTC)) == Spent()


def test_months_end_in_utc_wherever_the_clock_is():
    evening_before = datetime(2027, 1, 1, 0, 30, tzinfo=BERLIN)  # 23:30 UTC on 31 December
    meter = settled(running_since(evening_before), None, evening_before + HOUR)
    assert {month: spent.unpriced_s for month, spent in meter.months.items()} == {"2026-12": 1800, "2027-01": 1800}
    assert month_of(evening_before) == "2026-12"


def test_the_month_of_now_leaves_the_months_before_out():
    start, now = datetime(2026, 11, 30, tzinfo=UTC), datetime(2026, 12, 1, 3, tzinfo=UTC)
    assert in_month(running_since(start), PRICE, now).vm == pytest.approx(3 * 0.096)
    assert so_far(running_since(start), PRICE, now).vm == pytest.approx(27 * 0.096)


def test_thirteen_months_are_kept_and_the_rest_stays_in_the_sum():
    start, now = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, 1, tzinfo=UTC)
    meter = settled(running_since(start), PRICE, now)
    assert list(meter.months) == [*(f"2025-{month:02d}" for month in range(3, 13)), "2026-01", "2026-02", "2026-03"]
    hours = (now - start) / HOUR
    assert so_far(meter, PRICE, now).total == pytest.approx(hours * PRICE.per_hour_running)
    assert meter.earlier.vm == pytest.approx((366 + 59) * 24 * 0.096)


def test_months_without_a_price_also_leave_into_what_was_earlier():
    start, now = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)
    meter = settled(running_since(start), None, now)
    assert so_far(meter, None, now).unpriced_s == (now - start).total_seconds()
    assert meter.earlier.unpriced_s > 0


# ---- a clock that steps back


def test_a_clock_that_steps_back_changes_nothing():
    meter = settled(running_since(), PRICE, T0 + 2 * HOUR)
    assert settled(meter, PRICE, T0 + HOUR) == meter
    assert so_far(meter, PRICE, T0 + HOUR) == so_far(meter, PRICE, T0 + 2 * HOUR)


def test_a_switch_after_the_clock_stepped_back_counts_no_second_twice():
    meter = settled(running_since(), PRICE, T0 + 2 * HOUR)
    meter = switched(meter, Billing.STOPPED, PRICE, T0 + HOUR)
    spent = so_far(meter, PRICE, T0 + 3 * HOUR)
    assert (spent.vm, spent.disk) == pytest.approx((2 * 0.096, 3 * 0.0066))


# ---- whatever happens


@dataclass(frozen=True)
class Stretch:
    """Some seconds with one billing at one price."""

    billing: Billing
    price: Price | None
    seconds: float


stretches = st.lists(
    st.builds(
        Stretch,
        billing=st.sampled_from(Billing),
        price=st.sampled_from([PRICE, DEARER, None]),
        seconds=st.integers(0, 70 * 86_400_000).map(lambda milliseconds: milliseconds / 1000),
    ),
    max_size=12,
)


def driven(plan: Sequence[Stretch], looks: Sequence[float] = ()) -> tuple[Meter, datetime]:
    """A meter that went through the plan, as visits drive it. `looks`: settled at these shares of each stretch too."""
    meter, now = Meter(), T0
    price: Price | None = None
    for stretch in plan:
        meter = settled(meter, price, now)
        price = stretch.price
        meter = switched(meter, stretch.billing, price, now)
        whole = timedelta(seconds=stretch.seconds)
        for share in sorted(looks):
            meter = settled(meter, price, now + whole * share)
        now += whole
    return settled(meter, price, now), now


@given(stretches, st.lists(st.floats(0, 1), max_size=6))
def test_however_often_it_is_settled_the_totals_are_the_same(plan: list[Stretch], looks: list[float]):
    (once, now), (often, _) = driven(plan), driven(plan, looks)
    for part in ("vm", "disk", "ip", "unpriced_s"):
        wanted = getattr(so_far(once, None, now), part)
        assert getattr(so_far(often, None, now), part) == pytest.approx(wanted, abs=1e-9, rel=1e-12)
    assert once.months.keys() == often.months.keys()
    for month, spent in once.months.items():
        assert often.months[month].total == pytest.approx(spent.total, abs=1e-9)
    assert len(once.months) <= 13


@given(stretches, st.lists(st.floats(0, 1), max_size=3))
def test_the_total_is_the_sum_of_hours_times_price(plan: list[Stretch], looks: list[float]):
    meter, now = driven(plan, looks)
    spent = so_far(meter, None, now)
    running = [(s.seconds / 3600, s.price) for s in plan if s.billing is Billing.RUNNING and s.price]
    existing = [(s.seconds / 3600, s.price) for s in plan if s.billing is not Billing.NOTHING and s.price]
    assert spent.vm == pytest.approx(math.fsum(hours * price.vm for hours, price in running), abs=1e-9)
    assert spent.disk == pytest.approx(math.fsum(hours * price.disk for hours, price in existing), abs=1e-9)
    assert spent.ip == pytest.approx(math.fsum(hours * price.ip for hours, price in existing), abs=1e-9)
    unpriced = [s.seconds for s in plan if s.billing is not Billing.NOTHING and s.price is None]
    assert spent.unpriced_s == pytest.approx(math.fsum(unpriced), abs=1e-3)


@given(st.lists(st.tuples(st.sampled_from(Billing), st.integers(-50, 50)), max_size=20))
def test_whatever_the_clock_does_no_amount_falls_and_no_hour_counts_twice(steps: list[tuple[Billing, int]]):
    meter = switched(Meter(), Billing.RUNNING, PRICE, T0)
    totals = [0.0]
    for billing, hours in steps:
        meter = switched(settled(meter, PRICE, T0 + hours * HOUR), billing, PRICE, T0 + hours * HOUR)
        totals.append(so_far(meter, PRICE, T0 - 100 * HOUR).total)
    assert all(after >= before for before, after in pairwise(totals))
    assert totals[-1] <= 50 * PRICE.per_hour_running + 1e-9


# ---- the month


def a_month_of_weekdays(meter: Meter) -> Meter:
    """Started at 08:30 and stopped at 16:30 in Berlin on each weekday of March 2027."""
    for day in WEEKDAYS_OF_MARCH:
        start = datetime(2027, 3, day, 8, 30, tzinfo=BERLIN).astimezone(UTC)
        stop = datetime(2027, 3, day, 16, 30, tzinfo=BERLIN).astimezone(UTC)
        meter = switched(meter, Billing.RUNNING, MONTH_PRICE, start)
        meter = switched(meter, Billing.STOPPED, MONTH_PRICE, stop)
    return meter


THE_MONTH = 26.28
"""By hand. March 2027 begins on a Monday: four weeks of five weekdays, and Monday 29 to Wednesday 31: 23 weekdays.

    VM    23 days x 8 h = 184 h x 0.096            = 17.664
    disk  31 days x 24 h = 744 h x 4.80 / 730      =  4.89205...
    IP    744 h x 0.005                            =  3.72
                                                    --------
                                                     26.27605... = 26.28

Summer time begins on Sunday 28 March: from Monday 29 on the hub starts an hour earlier in UTC and still runs 8 hours;
the month in UTC has 744 hours whatever Berlin's clocks do."""


def test_a_month_of_weekdays_costs_what_it_does_by_hand_to_the_cent():
    begin, end = datetime(2027, 3, 1, tzinfo=UTC), datetime(2027, 4, 1, tzinfo=UTC)
    meter = a_month_of_weekdays(Meter(billing=Billing.STOPPED, since=begin))
    spent = so_far(meter, MONTH_PRICE, end)
    assert round(spent.total, 2) == THE_MONTH
    assert spent.vm == pytest.approx(17.664, abs=1e-9)
    assert spent.disk == pytest.approx(744 * 4.80 / 730, abs=1e-9)
    assert spent.ip == pytest.approx(3.72, abs=1e-9)


def test_a_month_costs_the_same_for_a_hub_that_is_older_and_lives_on():
    meter = a_month_of_weekdays(Meter(billing=Billing.STOPPED, since=datetime(2027, 1, 17, 5, tzinfo=UTC)))
    meter = settled(meter, MONTH_PRICE, datetime(2027, 5, 20, tzinfo=UTC))
    assert round(meter.months["2027-03"].total, 2) == THE_MONTH
    assert meter.months["2027-02"].vm == meter.months["2027-04"].vm == 0


def test_one_hour_less_on_one_day_would_show():
    begin, end = datetime(2027, 3, 1, tzinfo=UTC), datetime(2027, 4, 1, tzinfo=UTC)
    meter = a_month_of_weekdays(Meter(billing=Billing.STOPPED, since=begin))
    cheaper = replace(meter, months={**meter.months, "2027-03": meter.months["2027-03"] + Spent(vm=-0.096)})
    assert round(so_far(cheaper, MONTH_PRICE, end).total, 2) != THE_MONTH


def test_the_method_says_what_is_counted_and_what_is_not():
    for words in ("retail price", "seconds", "discounts", "disk operations", "traffic", "snapshots", "730"):
        assert words in METHOD
