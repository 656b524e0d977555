"""Ranges of keys as OData: what is asked for can be read off the filter, and never holds an `or`."""

import pytest

from shared.adapters.storage.table import KeyRange


def test_rows_of_one_partition_between_two_keys():
    asked = KeyRange.within("p", first_row="a!", end_row='a"')
    assert asked.odata() == (
        "PartitionKey eq @first and RowKey ge @row and RowKey lt @end",
        {"first": "p", "row": "a!", "end": 'a"'},
    )


def test_a_whole_partition():
    assert KeyRange.within("p").odata() == ("PartitionKey eq @first", {"first": "p"})


def test_several_partitions_are_asked_for_whole():
    asked = KeyRange(first_partition="2026030207", last_partition="2026030209")
    assert asked.odata() == (
        "PartitionKey ge @first and PartitionKey le @last",
        {"first": "2026030207", "last": "2026030209"},
    )
    assert asked.bounded


def test_rows_of_every_partition_are_a_scan():
    asked = KeyRange(first_row="hub!", end_row='hub"')
    assert asked.odata() == ("RowKey ge @row and RowKey lt @end", {"row": "hub!", "end": 'hub"'})
    assert not asked.bounded


def test_a_range_without_any_bound_is_refused():
    with pytest.raises(ValueError, match="bound"):
        KeyRange().odata()
