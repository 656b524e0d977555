"""The bench of notices: what was lost, doubled or left fails it; what is slow or large is only told."""

from dataclasses import replace
from typing import Any

from localdev.bench.notify import Case, Found, report_of


def found(**changes: Any) -> Found:
    """Everything as it should be: a thousand notices, three receivers, the dead one's rows kept."""
    well = Case(notices=50, seconds=1.0, arrived=100, distinct=100, left=0, delays=[0.1] * 100)
    good = Found(
        one=Case(notices=1000, seconds=5.0, arrived=1000, distinct=1000),
        floor=Case(notices=250, seconds=1.0),
        well=well,
        refusing=replace(well, left=50),
        silent=replace(well, left=50),
        memory={100: 90.0, 500: 91.0, 1000: 92.0},
    )
    return replace(good, **changes)


def test_all_is_met():
    report = report_of(found())
    assert report.counts_met
    assert "MISSED" not in report.text()
    assert "1.25" in report.text()  # 250 a second over 200


def test_a_lost_notice_fails_it():
    assert not report_of(found(one=replace(found().one, arrived=999, distinct=999))).counts_met


def test_one_that_came_twice_fails_it():
    assert not report_of(found(one=replace(found().one, arrived=1001))).counts_met


def test_a_row_that_is_left_fails_it():
    assert not report_of(found(one=replace(found().one, left=1))).counts_met


def test_what_a_dead_receiver_keeps_from_the_others_fails_it():
    assert not report_of(found(silent=replace(found().silent, arrived=99, distinct=99))).counts_met


def test_a_dead_receivers_notice_that_is_forgotten_fails_it():
    assert not report_of(found(refusing=replace(found().refusing, left=49))).counts_met


def test_growing_memory_is_told_and_does_not_fail_it():
    report = report_of(found(memory={100: 90.0, 1000: 99.0}))
    assert report.counts_met
    assert "MISSED" in report.text()


def test_a_delay_of_the_others_is_told_and_does_not_fail_it():
    report = report_of(found(silent=replace(found().silent, delays=[0.1] * 98 + [0.2] * 2)))
    assert report.counts_met
    assert "MISSED" in report.text()
