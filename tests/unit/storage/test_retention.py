"""Keep times: what a row alone and its owner's other rows say."""

from datetime import timedelta
from typing import Any

import pytest

from shared.adapters.storage.keys import timestamp
from shared.adapters.storage.retention import OwnerFacts, over, perhaps_over
from shared.adapters.storage.table import Row
from tests.support.clock import MONDAY_MORNING

NOW = MONDAY_MORNING
OLD = timestamp(NOW - timedelta(days=400))
FACTS = OwnerFacts({"alive-ab2cd3": 4}, {"gone-ab2cd3": timestamp(NOW - timedelta(days=1))})


def goes(key: str, **columns: Any) -> bool:
    row = Row({"PartitionKey": "p", "RowKey": key, **columns}, "e")
    return perhaps_over(row, NOW) and over(row, FACTS, NOW)


@pytest.mark.parametrize(
    ("key", "column"),
    [
        ("event!alive-ab2cd3!0000000001", "at"),
        ("event!gone-ab2cd3!0000000001", "at"),
        ("gone!gone-ab2cd3", "deletedAt"),
        ("idem!abc", "createdAt"),
        ("op!alive-ab2cd3!0000000003", "createdAt"),
        ("op!gone-ab2cd3!0000000003", "createdAt"),
    ],
)
def test_a_row_of_last_year_goes(key: str, column: str):
    assert goes(key, **{column: OLD})


@pytest.mark.parametrize(
    "key",
    [
        "hub!alive",
        "quota",
        "secret!alive-ab2cd3",
        "outbox!alive-ab2cd3!0000000001",
        "op!alive-ab2cd3!0000000004",
        "op!alive-ab2cd3!next",
        "somethingnew!x",
    ],
)
def test_a_row_that_is_not_of_an_aging_kind_stays_however_old(key: str):
    assert not goes(key, at=OLD, createdAt=OLD, deletedAt=OLD)


@pytest.mark.parametrize("columns", [{}, {"at": 7}, {"updatedAt": OLD}])
def test_a_row_without_a_readable_time_stays(columns: dict[str, Any]):
    assert not goes("event!alive-ab2cd3!0000000001", **columns)


def test_an_event_of_a_hub_that_nobody_knows_any_more_goes_after_30_days():
    """Its `gone!` row went in a run that died before it came to the events."""
    key = "event!unknown-ab2cd3!0000000001"
    assert not goes(key, at=timestamp(NOW - timedelta(days=30)))
    assert goes(key, at=timestamp(NOW - timedelta(days=31)))
