"""Row keys: legal whatever people type, different for different things, sorting as the numbers do."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.storage import keys

LEGAL = re.compile(r"[!-~]+")
FORBIDDEN = set("/\\#?%+&")
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=400)


@given(ANY_TEXT)
def test_any_text_becomes_a_legal_part(text: str):
    part = keys.part(text)
    assert LEGAL.fullmatch(part)
    assert not FORBIDDEN & set(part)
    assert "!" not in part
    assert len(part) <= 200


@given(ANY_TEXT, ANY_TEXT)
def test_different_texts_are_different_parts(one: str, other: str):
    assert (keys.part(one) == keys.part(other)) == (one == other)


@pytest.mark.parametrize(
    ("text", "part"), [("physics-ab2cd3", "physics-ab2cd3"), ("a!b", "a=21b"), ("=21", "=3d21"), ("ü", "=c3=bc")]
)
def test_ordinary_names_stay_readable(text: str, part: str):
    assert keys.part(text) == part


@given(ANY_TEXT)
def test_any_owner_has_a_legal_partition(owner: str):
    partition = keys.owner_partition(owner)
    assert LEGAL.fullmatch(partition)
    assert not FORBIDDEN & set(partition)
    assert len(partition) <= 400


def test_an_owners_partition_is_url_safe_base64_without_padding():
    assert keys.owner_partition("jaydoe@example.com") == "amF5ZG9lQGV4YW1wbGUuY29t"
    assert keys.owner_partition("ab?>") == "YWI_Pg"


@given(ANY_TEXT)
def test_a_partition_tells_its_owner_unless_it_had_to_be_hashed(owner: str):
    partition = keys.owner_partition(owner)
    assert keys.owner_of(partition) == (partition if partition.startswith("==") else owner)


@pytest.mark.parametrize("partition", ["==e3b0", "a", "watermark", "YWI_Pg=", "ä", ""])
def test_what_is_no_owners_partition_stands_for_itself(partition: str):
    assert keys.owner_of(partition) == partition


def test_rows_are_named_as_the_design_says():
    assert keys.hub("physics") == "hub!physics"
    assert keys.operation("physics-ab2cd3", 12) == "op!physics-ab2cd3!0000000012"
    assert keys.event("physics-ab2cd3", 7) == "event!physics-ab2cd3!0000000007"
    assert keys.secret("physics-ab2cd3") == "secret!physics-ab2cd3"
    assert keys.gone("physics-ab2cd3") == "gone!physics-ab2cd3"
    assert keys.idempotency("ab12") == "idem!ab12"
    assert keys.outbox("physics-ab2cd3", 7) == "outbox!physics-ab2cd3!0000000007"


def test_a_due_row_sits_in_its_utc_hour():
    berlin = timezone(timedelta(hours=1))
    at = datetime(2026, 3, 2, 0, 5, 59, tzinfo=berlin)
    assert keys.due_partition(at) == "2026030123"
    assert keys.due_row(at, "physics-ab2cd3", "advance", 2, 31) == "0559!physics-ab2cd3!advance!0000000002.0000000031"


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)), ANY_TEXT)
def test_the_rows_of_an_hour_up_to_a_second_are_one_range(now: datetime, other: datetime, hub_id: str):
    other = now.replace(minute=other.minute, second=other.second)
    within = (other.minute, other.second) <= (now.minute, now.second)
    assert (keys.due_row(other, hub_id, "pass", 1, 1) < keys.due_rows_end(now)) == within


def test_rows_named_when_keys_told_the_minute_alone_are_in_the_range_of_their_minute():
    now = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
    assert "29!physics" < "30!physics" < keys.due_rows_end(now) < "31!physics"


@given(st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_a_prefix_range_holds_what_begins_with_the_prefix_and_nothing_else(name: str, other: str):
    prefix = keys.events(name)
    end = keys.after_prefix(prefix)
    assert prefix <= keys.event(name, 1) < keys.event(name, 2) < end
    if other != name:
        assert not prefix <= keys.event(other, 1) < end


def test_numbers_sort_as_text():
    assert keys.event("h", 9) < keys.event("h", 10)
    assert keys.log_row(9, 65_536) < keys.log_row(10, 1) < keys.log_row(10, 2)
    assert keys.log_row(99_999_999, 1) < keys.log_row(100_000_000, 1)


@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_times_compare_as_text(one: datetime, other: datetime):
    if min(one, other).year >= 1000:
        assert (keys.timestamp(one) < keys.timestamp(other)) == (one < other)
    assert len(keys.timestamp(datetime(2026, 3, 2, tzinfo=UTC))) == 27
