"""What a hub costs: amounts, rates, the owner's month, the budget, the model of a schedule, and how it is shown."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from shared.api import cost_view, hub_view
from shared.api.estimates import _price
from shared.api.ssh_access import SshAccessView
from shared.hubs import cost, meter
from shared.hubs.cost import BudgetState, budget_state, cost_of, hours_on, owner_month, per_month_by_schedule
from shared.hubs.meter import METHOD, Billing, Meter, Spent
from shared.hubs.model import Block, Hub, Price, Principal, Schedule
from tests.support.builders import OWNER, a_hub, a_ready_hub
from tests.support.clock import MONDAY_MORNING

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PRICE = Price(vm=0.096, disk=0.0066, ip=0.005, as_of=MONDAY_MORNING)
RUNNING = Meter(billing=Billing.RUNNING, since=MONDAY_MORNING)
WEEK = ("mon", "tue", "wed", "thu", "fri")
EVERY_DAY = (*WEEK, "sat", "sun")
LATER = MONDAY_MORNING + 10 * HOUR


def a_metered_hub(**changes: object) -> Hub:
    """On since Monday morning, at 0.1076 an hour."""
    return replace(a_ready_hub(price=PRICE, meter=RUNNING), **changes)  # type: ignore[arg-type]


def stopped_after(hours: float) -> Meter:
    return meter.switched(RUNNING, Billing.STOPPED, PRICE, MONDAY_MORNING + hours * HOUR)


# ---- one hub


def test_a_hub_costs_the_hours_it_was_on():
    found = cost_of(a_metered_hub(), LATER)
    assert found is not None
    assert found.so_far == found.this_month == pytest.approx(10 * 0.1076)
    assert found.per_hour_now == pytest.approx(0.1076)
    assert (found.unpriced_hours, found.as_of) == (0, MONDAY_MORNING)


def test_a_stopped_hub_costs_its_disk_and_address_only():
    found = cost_of(a_metered_hub(meter=stopped_after(1)), MONDAY_MORNING + 3 * HOUR)
    assert found is not None
    assert found.per_hour_now == pytest.approx(0.0116)
    assert found.so_far == pytest.approx(0.1076 + 2 * 0.0116)


def test_before_there_is_a_machine_nothing_is_charged():
    found = cost_of(a_metered_hub(meter=Meter()), LATER)
    assert found is not None
    assert (found.so_far, found.per_hour_now) == (0, 0)


def test_a_month_has_730_hours_whether_the_hub_is_on_or_not():
    for present in (RUNNING, stopped_after(1), Meter()):
        found = cost_of(a_metered_hub(meter=present), LATER)
        assert found is not None
        assert found.per_month_running == pytest.approx(730 * 0.1076)
        assert found.per_month_stopped == pytest.approx(730 * 0.0116)


def test_the_parts_add_up_and_show_the_price_of_the_machine_also_while_it_is_off():
    found = cost_of(a_metered_hub(meter=stopped_after(1)), MONDAY_MORNING + 3 * HOUR)
    assert found is not None
    parts = (found.parts.vm, found.parts.disk, found.parts.ip)
    assert [part.so_far for part in parts] == pytest.approx([0.096, 3 * 0.0066, 3 * 0.005])
    assert [part.per_hour for part in parts] == [0.096, 0.0066, 0.005]
    assert sum(part.so_far for part in parts) == pytest.approx(found.so_far)


def test_this_month_leaves_out_the_months_before():
    found = cost_of(a_metered_hub(), datetime(2026, 4, 1, 2, tzinfo=UTC))
    assert found is not None
    assert found.this_month == pytest.approx(2 * 0.1076)
    assert found.so_far > found.this_month


def test_a_hub_that_never_had_a_price_has_no_cost():
    assert cost_of(a_metered_hub(price=None), LATER) is None
    assert cost_of(a_hub(), LATER) is None


def test_a_hub_whose_price_is_no_longer_known_keeps_what_it_has_cost():
    counted = meter.settled(RUNNING, PRICE, LATER)
    found = cost_of(a_metered_hub(meter=counted, price=None), LATER + 2 * HOUR)
    assert found is not None
    assert found.so_far == pytest.approx(1.076)
    assert found.unpriced_hours == 2
    assert (found.per_hour_now, found.per_month_running, found.per_month_stopped, found.as_of) == (None,) * 4
    assert found.parts.vm == cost.Part(so_far=pytest.approx(0.96), per_hour=None)  # type: ignore[arg-type]


# ---- all hubs of an owner


def test_the_owner_s_month_is_that_of_all_hubs_those_that_are_gone_included():
    hubs = [a_metered_hub(), a_metered_hub(meter=stopped_after(1)), a_hub()]
    gone = {"2026-02": 99.0, "2026-03": 3.0}
    assert owner_month(hubs, gone, LATER) == pytest.approx(10 * 0.1076 + (0.1076 + 9 * 0.0116) + 3)


def test_the_owner_s_month_begins_anew_on_the_first():
    assert owner_month([a_metered_hub()], {"2026-03": 3.0}, datetime(2026, 4, 1, tzinfo=UTC)) == 0


def test_an_owner_without_hubs_has_spent_nothing():
    assert owner_month([], {}, LATER) == 0


@pytest.mark.parametrize(
    ("spent", "state"),
    [
        (0, BudgetState.OK),
        (27.99, BudgetState.OK),
        (28, BudgetState.WARN),
        (34.99, BudgetState.WARN),
        (35, BudgetState.OVER),
        (1000, BudgetState.OVER),
    ],
)
def test_a_budget_warns_from_80_percent_and_is_over_from_100(spent: float, state: BudgetState):
    assert budget_state(spent, 35) is state


def test_a_budget_of_zero_is_no_limit():
    assert budget_state(1e9, 0) is BudgetState.OK


# ---- a schedule


MONDAY_IN_WINTER = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
"""Four weeks and more without a change of clocks."""


def a_schedule(**changes: object) -> Schedule:
    """Weekdays from 08:30 to 16:30 in Berlin."""
    plan = Schedule(time_zone="Europe/Berlin", start="08:30", stop="16:30", days=WEEK)
    return replace(plan, **changes)  # type: ignore[arg-type]


def per_730_hours(hours_in_four_weeks: float) -> float:
    return hours_in_four_weeks * 730 / 672


def test_a_schedule_is_on_for_the_hours_it_says():
    assert hours_on(a_schedule(), MONDAY_IN_WINTER) == pytest.approx(per_730_hours(20 * 8))


def test_summer_time_does_not_change_a_working_day():
    before_the_change = datetime(2027, 3, 15, tzinfo=UTC)
    assert hours_on(a_schedule(), before_the_change) == pytest.approx(per_730_hours(20 * 8))


def test_a_night_with_the_change_to_summer_time_is_an_hour_shorter():
    nights = a_schedule(start=None, stop=None, days=(), blocks=(Block(days=("sat",), start="22:00"),))
    nights = replace(nights, blocks=(*nights.blocks, Block(days=("sun",), stop="06:00")))
    assert hours_on(nights, datetime(2027, 3, 15, tzinfo=UTC)) == pytest.approx(per_730_hours(4 * 8 - 1))


@pytest.mark.parametrize("hours", range(0, 168, 7))
def test_it_does_not_matter_when_in_the_week_one_asks(hours: int):
    asked = MONDAY_IN_WINTER + hours * HOUR + timedelta(minutes=13)
    assert hours_on(a_schedule(), asked) == pytest.approx(per_730_hours(20 * 8))


def test_a_stop_of_what_is_off_already_counts_for_nothing():
    saturday_noon = MONDAY_IN_WINTER + 5 * DAY
    twice = a_schedule(blocks=(Block(days=EVERY_DAY, stop="22:00"),))
    assert hours_on(twice, saturday_noon) == pytest.approx(per_730_hours(20 * 8))


def test_a_start_of_what_is_on_already_counts_for_nothing():
    twice = a_schedule(blocks=(Block(days=WEEK, start="10:00"),))
    assert hours_on(twice, MONDAY_IN_WINTER) == pytest.approx(per_730_hours(20 * 8))


def test_days_that_are_skipped_are_not_charged():
    with_days_off = a_schedule(skip=(date(2026, 1, 13), date(2026, 1, 14)))
    assert hours_on(with_days_off, MONDAY_IN_WINTER) == pytest.approx(per_730_hours(18 * 8))


@pytest.mark.parametrize("plan", [a_schedule(start=None), a_schedule(stop=None), a_schedule(until=date(2025, 12, 31))])
def test_a_schedule_that_only_stops_only_starts_or_is_over_cannot_be_modelled(plan: Schedule):
    assert hours_on(plan, MONDAY_IN_WINTER) is None
    assert per_month_by_schedule(PRICE, plan, MONDAY_IN_WINTER) is None


def test_a_month_by_schedule_charges_the_machine_for_its_hours_and_the_rest_for_all():
    # 160 h in 672 are 173.8095... in 730: x 0.096 = 16.6857; 730 x 0.0116 = 8.468
    assert per_month_by_schedule(PRICE, a_schedule(), MONDAY_IN_WINTER) == pytest.approx(25.1537, abs=1e-4)


# ---- as callers see it


def test_a_hub_shows_its_cost_in_short():
    assert cost_view.hub_cost(a_metered_hub(), LATER) == {
        "currency": "USD",
        "soFar": 1.08,
        "perHourNow": 0.1076,
        "perMonthIfLeftOn": 78.55,
        "perMonthStopped": 8.47,
        "asOf": "2026-03-02T09:30:00Z",
    }


def test_every_hub_in_a_list_has_it():
    hub = a_metered_hub()
    shown = hub_view.hub_view(hub, Principal(OWNER), LATER, "https://hublet.example/api", SshAccessView())
    assert shown["cost"] == cost_view.hub_cost(hub, LATER)


def test_a_hub_without_a_price_shows_no_cost():
    assert cost_view.hub_cost(a_metered_hub(price=None), LATER) is None


def test_the_cost_of_a_hub_in_full():
    shown = cost_view.cost_view(a_metered_hub(meter=stopped_after(1)), MONDAY_MORNING + 4 * HOUR)
    assert shown == {
        "currency": "USD",
        "soFar": 0.14,
        "thisMonth": 0.14,
        "perHourNow": 0.0116,
        "perMonthIfLeftOn": 78.55,
        "perMonthStopped": 8.47,
        "parts": {
            "vm": {"soFar": 0.1, "perHour": 0.096},
            "disk": {"soFar": 0.03, "perHour": 0.0066},
            "ip": {"soFar": 0.02, "perHour": 0.005},
        },
        "unpricedHours": 0.0,
        "method": METHOD,
        "asOf": "2026-03-02T09:30:00Z",
    }


def test_without_a_price_the_full_form_says_so_and_how_long_it_billed():
    shown = cost_view.cost_view(a_metered_hub(price=None), MONDAY_MORNING + timedelta(minutes=90))
    assert shown["unpricedHours"] == 1.5
    assert [shown[name] for name in ("soFar", "thisMonth", "perHourNow", "perMonthStopped", "asOf")] == [None] * 5
    assert shown["parts"]["disk"] == {"soFar": None, "perHour": None}


@pytest.mark.parametrize(
    ("round_it", "value", "shown"),
    [
        (cost_view.cents, 0.125, 0.13),
        (cost_view.cents, 0.135, 0.14),
        (cost_view.cents, 3 * 0.005, 0.02),  # as a float less than 0.015
        (cost_view.cents, sum([0.005] * 201), 1.01),  # 1.005, and noise
        (cost_view.cents, 0.1249999, 0.12),
        (cost_view.rate, 0.00125, 0.0013),
        (cost_view.rate, 0.03125, 0.0313),
        (cost_view.rate, 4.80 / 730, 0.0066),
    ],
)
def test_halves_are_rounded_up_whatever_floats_make_of_them(
    round_it: Callable[[float], float], value: float, shown: float
):
    assert round_it(value) == shown


def test_an_estimate_shows_the_month_by_its_schedule():
    shown = _price(PRICE, a_schedule(), MONDAY_IN_WINTER)
    assert shown["perMonthBySchedule"] == 25.15
    assert (shown["perMonthRunning"], shown["perMonthStopped"]) == (78.55, 8.47)
    assert (shown["perHourRunning"], shown["perHourStopped"]) == (0.1076, 0.0116)


def test_an_estimate_without_a_schedule_has_no_month_by_schedule():
    assert _price(PRICE, None, MONDAY_MORNING)["perMonthBySchedule"] is None
    assert _price(PRICE, a_schedule(start=None), MONDAY_MORNING)["perMonthBySchedule"] is None


# ---- the month (by hand in test_meter.py: 26.28)


def test_a_month_of_weekdays_is_shown_to_the_cent_and_the_model_agrees_with_it():
    berlin = ZoneInfo("Europe/Berlin")
    price = Price(vm=0.096, disk=4.80 / 730, ip=0.005, as_of=MONDAY_MORNING)
    begin, end = datetime(2027, 3, 1, tzinfo=UTC), datetime(2027, 4, 1, tzinfo=UTC)
    present = Meter(billing=Billing.STOPPED, since=begin)
    for day in (begin + n * DAY for n in range(31)):
        if day.weekday() < 5:
            for billing, at in ((Billing.RUNNING, (8, 30)), (Billing.STOPPED, (16, 30))):
                moment = datetime(day.year, day.month, day.day, *at, tzinfo=berlin).astimezone(UTC)
                present = meter.switched(present, billing, price, moment)
    hub = a_metered_hub(price=price, meter=present)
    shown = cost_view.cost_view(hub, end)
    assert shown["soFar"] == 26.28
    assert {name: part["soFar"] for name, part in shown["parts"].items()} == {"vm": 17.66, "disk": 4.89, "ip": 3.72}  # type: ignore[index]
    assert shown["thisMonth"] == 0  # April
    assert cost_view.cost_view(hub, end - timedelta(microseconds=1))["thisMonth"] == 26.28
    # 23 weekdays in 31 days are more than 20 in 28, and 744 hours more than 730
    modelled = per_month_by_schedule(price, a_schedule(), begin)
    assert modelled == pytest.approx(26.28 - 10.23 * 0.096 - 14 * (4.80 / 730 + 0.005), abs=0.02)


def test_a_meter_survives_being_stored():
    from pydantic import TypeAdapter

    stored: TypeAdapter[Meter] = TypeAdapter(Meter)
    old = replace(stopped_after(1), earlier=Spent(vm=1.5, unpriced_s=3))
    assert stored.validate_python(stored.dump_python(old, mode="json")) == old
    assert stored.validate_python({"billing": "running", "since": "2026-03-02T09:30:00Z", "months": {}}) == RUNNING
