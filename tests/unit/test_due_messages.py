"""Batches of due rows and references to notices as text: what we write we can read, the rest is refused."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.hubs import notice_messages
from shared.hubs.message_text import UnreadableMessage
from shared.hubs.messages import MAX_BATCH_BYTES, MAX_BYTES, DueBatch, decode, encode, encode_due
from shared.hubs.ports import DueRow, NoticeRef
from tests.support.builders import HUB_ID, OWNER, a_due_row, a_message
from tests.support.clock import MONDAY_MORNING

TEXT = st.text(max_size=40)
NUMBERS = st.integers(0, 2**31 - 1)
TIMES = st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
ROWS = st.builds(
    DueRow,
    at=TIMES,
    hub_id=TEXT,
    owner=TEXT,
    name=TEXT,
    kind=TEXT,
    generation=NUMBERS,
    pass_number=NUMBERS,
)


def batches(rows: list[DueRow]) -> list[DueBatch]:
    read = [decode(text) for text in encode_due(rows)]
    assert all(isinstance(batch, DueBatch) for batch in read)
    return [batch for batch in read if isinstance(batch, DueBatch)]


@given(st.lists(ROWS, max_size=20))
def test_what_is_written_is_read_in_its_order(rows: list[DueRow]):
    assert [row for batch in batches(rows) for row in batch.rows] == rows


@pytest.mark.parametrize("owner", ["jaydoe@example.com", "\U0001f680" * 250], ids=["short", "long"])
def test_many_rows_are_as_few_messages_as_their_size_needs(owner: str):
    rows = [a_due_row(owner=owner, hub_id=f"h{number}-ab2cd3") for number in range(1000)]
    texts = list(encode_due(rows))
    assert all(text.isascii() and len(text) <= MAX_BATCH_BYTES for text in texts)
    assert [row for batch in batches(rows) for row in batch.rows] == rows
    total = sum(len(text) for text in texts)
    assert len(texts) <= total / (MAX_BATCH_BYTES - 4096) + 1


def test_no_row_is_no_message():
    assert list(encode_due([])) == []


def altered(**changes: Any) -> str:
    (text,) = encode_due([a_due_row()])
    return json.dumps({**json.loads(text), **changes})


def with_row(**changes: Any) -> str:
    (text,) = encode_due([a_due_row()])
    (row,) = json.loads(text)["rows"]
    return altered(rows=[{**row, **changes}])


@pytest.mark.parametrize(
    "text",
    [
        altered(v=0),
        altered(v=True),
        altered(kind=""),
        altered(kind=7),
        altered(extra=1),
        altered(rows=[]),
        altered(rows={}),
        altered(rows=[1]),
        altered(rows=[{}]),
        with_row(at="soon"),
        with_row(at=None),
        with_row(name=7),
        with_row(owner="x" * 2000),
        with_row(generation=-1),
        with_row(**{"pass": "1"}),
        with_row(extra=1),
        altered() + " " * MAX_BATCH_BYTES,
        json.dumps({**json.loads(encode(a_message())), "kind": "due"}),
        encode(a_message()) + " " * MAX_BYTES,
    ],
)
def test_whatever_is_not_exactly_a_batch_is_unreadable(text: str):
    with pytest.raises(UnreadableMessage):
        decode(text)


def test_a_row_whose_names_no_hub_can_have_does_not_spoil_its_batch():
    odd = a_due_row(name="../x", hub_id="?", owner="", kind="")
    assert batches([a_due_row(), odd]) == [DueBatch((a_due_row(), odd))]


# ------------------------------------------------------------------ notices

REF = NoticeRef(owner=OWNER, hub_id=HUB_ID, seq=12, first_seen=MONDAY_MORNING)


@given(TIMES, NUMBERS, st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=100))
def test_a_reference_that_is_written_is_read(at: datetime, seq: int, owner: str):
    ref = NoticeRef(owner=owner, hub_id=HUB_ID, seq=seq, first_seen=at)
    assert notice_messages.decode(notice_messages.encode(ref)) == ref


@pytest.mark.parametrize(
    "changes",
    [
        {"v": 0},
        {"owner": ""},
        {"owner": "a\nb"},
        {"hubId": 7},
        {"hubId": "x" * 100},
        {"seq": -1},
        {"seq": True},
        {"firstSeen": "now"},
        {"extra": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_whatever_is_not_exactly_a_reference_is_unreadable(changes: dict[str, Any]):
    with pytest.raises(UnreadableMessage):
        notice_messages.decode(json.dumps({**json.loads(notice_messages.encode(REF)), **changes}))


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str):
    with pytest.raises(UnreadableMessage):
        notice_messages.decode(text)
