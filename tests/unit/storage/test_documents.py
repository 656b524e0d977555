"""Long texts in several properties."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.storage import documents


def utf16_units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@given(st.text(max_size=50), st.integers(min_value=0, max_value=4000), st.sampled_from(["", "x", "ä", "\U0001f680"]))
def test_a_split_text_comes_back_and_no_part_is_too_long(text: str, times: int, padding: str):
    whole = text + padding * times * 25
    parts = documents.split(whole)
    assert documents.join(parts) == whole
    assert list(parts) == [f"doc{number}" for number in range(len(parts))]
    assert all(utf16_units(part) <= documents.MAX_UNITS for part in parts.values())


@pytest.mark.parametrize(
    ("text", "lengths"),
    [
        ("", [0]),
        ("x" * 30_000, [30_000]),
        ("x" * 30_001, [30_000, 1]),
        ("\U0001f680" * 15_000, [15_000]),
        ("x" + "\U0001f680" * 15_000, [15_000, 1]),
        ("ü" * 60_000, [30_000, 30_000]),
    ],
)
def test_a_text_is_split_where_it_must_be_and_not_before(text: str, lengths: list[int]):
    assert [len(part) for part in documents.split(text).values()] == lengths


def test_no_text_is_not_an_empty_text():
    assert documents.join({"other": "x", "doc1": "y"}) is None
    assert documents.join(documents.split("")) == ""


def test_half_characters_are_replaced_because_storage_cannot_hold_them():
    assert json.loads(documents.to_text({"a": "x\ud83dy", "b": "\U0001f680"})) == {"a": "x\ufffdy", "b": "\U0001f680"}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_know_are_refused(value: float):
    with pytest.raises(ValueError, match="not JSON compliant"):
        documents.to_text({"a": value})
