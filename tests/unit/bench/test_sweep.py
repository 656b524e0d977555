"""P6: the sweep reads lists, however many hubs there are, and single machines only where something is wrong."""

import pytest

from localdev.bench import sweep
from shared.hubs.sweep import LOOKS

pytestmark = pytest.mark.slow
"""Thousands of hubs. The quick run counts lists and looks of one sweep in tests/component/lifecycle/test_sweep.py."""


@pytest.fixture(scope="module")
def figures() -> sweep.Figures:
    return sweep.figures()


def test_running_hubs_cost_one_read_for_each_page_of_the_lists(figures: sweep.Figures):
    assert {hubs: (cost.lists, cost.looks) for hubs, cost in figures.steady.items()} == {
        100: (3, 0),
        1_000: (8, 0),
        5_000: (40, 0),
    }


def test_hubs_that_run_are_left_alone(figures: sweep.Figures):
    assert {cost.writes for cost in figures.steady.values()} == {0}


def test_even_when_hundreds_were_turned_off_at_once_it_stays_below_twelve_reads_a_minute(figures: sweep.Figures):
    assert figures.busy.looks == LOOKS
    assert figures.busy.reads_a_minute <= 12


def test_its_report_meets_the_goal(figures: sweep.Figures):
    report = sweep.report_of(figures)
    assert report.counts_met
    assert "1,000 running hubs: reads a minute" in report.text()
