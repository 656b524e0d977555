"""P7: a tick costs what is due, however many hubs there are."""

import pytest

from localdev.bench import tick
from shared.adapters.storage.table import KeyRange
from tests.support.billing_table import BillingTable


@pytest.fixture(scope="module")
def figures() -> tick.Figures:
    return tick.figures()


def test_a_tick_at_100000_hubs_is_three_requests_and_few_rows(figures: tick.Figures):
    assert figures.many.due == 2 * tick.DUE
    assert figures.many.requests <= 3
    assert figures.many.rows_examined <= 50


def test_a_hundred_times_the_hubs_cost_no_more(figures: tick.Figures):
    assert figures.few.due == figures.many.due
    assert figures.ratio <= 1.2


def test_no_tick_around_a_full_hour_is_much_dearer(figures: tick.Figures):
    assert figures.dearest.requests <= 6
    assert figures.dearest.rows_examined <= 50


def test_its_report_meets_the_goal(figures: tick.Figures) -> None:
    report = tick.report_of(figures)
    assert report.counts_met
    assert "100,000 hubs: rows examined" in report.text()


# ------------------------------------------------------------------ the table that says so


@pytest.mark.parametrize(
    ("asked", "examined", "found", "requests"),
    [
        (KeyRange.within("b", first_row="r10", end_row="r20"), 10, 10, 1),
        (KeyRange.within("b", end_row="r10"), 10, 10, 1),
        (KeyRange.within("b", first_row="r90"), 10, 10, 1),
        (KeyRange.within("b"), 100, 100, 1),
        (KeyRange.within("x"), 0, 0, 1),
        (KeyRange(first_partition="b", last_partition="c"), 200, 200, 1),
        (KeyRange(first_partition="b", last_partition="c", end_row="r01"), 200, 2, 1),
        (KeyRange(first_row="r00", end_row="r01"), 1200, 12, 2),
    ],
)
async def test_a_billing_table_counts_what_it_examines_and_not_what_it_finds(
    asked: KeyRange, examined: int, found: int, requests: int
):
    table = BillingTable()
    table.fill(
        [{"PartitionKey": partition, "RowKey": f"r{row:02}"} for partition in "abcdefghijkl" for row in range(100)]
    )
    assert len(await table.query(asked)) == found
    work = table.taken()
    assert (work.rows_examined, len(work.requests)) == (examined, requests)
