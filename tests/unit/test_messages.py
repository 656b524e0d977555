"""The text of a queue message: what we write we can read, and whatever else arrives is refused without a crash."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.hubs.messages import MAX_BYTES, UnreadableMessage, decode, encode
from shared.hubs.model import Message
from tests.support.builders import a_message

NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?", fullmatch=True)
MESSAGES = st.builds(
    lambda owner, name, suffix, generation, pass_number, at: Message(
        owner=owner,
        name=name,
        hub_id=f"{name}-{suffix}",
        generation=generation,
        pass_number=pass_number,
        first_seen=at,
    ),
    st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=100),
    NAMES,
    st.from_regex(r"[a-z2-7]{6}", fullmatch=True),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**31 - 1),
    st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)


@given(MESSAGES)
def test_what_is_written_is_read(message: Message):
    text = encode(message)
    assert decode(text) == message
    assert text.isascii()
    assert "\n" not in text


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str):
    with pytest.raises(UnreadableMessage):
        decode(text)


FIELDS = st.sampled_from(["v", "owner", "name", "hubId", "generation", "pass", "firstSeen", "x"])
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(FIELDS, inner),
    max_leaves=12,
)


@given(DOCUMENTS)
def test_any_json_is_refused(document: object):
    with pytest.raises(UnreadableMessage):
        decode(json.dumps(document))


def altered(**changes: object) -> str:
    return json.dumps({**json.loads(encode(a_message())), **changes})


@pytest.mark.parametrize(
    "text",
    [
        altered(v=0),
        altered(v=-1),
        altered(v=10_001),
        altered(v=1.0),
        altered(v=True),
        altered(v="1"),
        altered(extra=1),
        altered(generation=-1),
        altered(generation=True),
        altered(generation=1.0),
        altered(generation=2**31),
        altered(**{"pass": "1"}),
        altered(name="../secret"),
        altered(hubId="other-ab2cd3"),
        altered(hubId="physics-AB2CD3"),
        altered(hubId="physics-ab2cd3\n"),
        altered(owner=""),
        altered(owner="a\nb"),
        altered(owner=7),
        altered(firstSeen="2026-03-02T09:30:00+00:00"),
        altered(firstSeen="2026-13-02T09:30:00Z"),
        altered(firstSeen=None),
        encode(a_message()).replace('{"v":', '{"v":1,"v":'),
        encode(a_message()) + " " * MAX_BYTES,
        "[" * 4000,
        '{"v":1' + "0" * 4050 + "}",
        "\ud800",
    ],
)
def test_whatever_is_not_exactly_a_message_is_unreadable(text: str):
    with pytest.raises(UnreadableMessage):
        decode(text)


def test_the_reason_never_quotes_the_message():
    with pytest.raises(UnreadableMessage) as caught:
        decode(altered(owner="hlt_secret\n"))
    assert "hlt_" not in str(caught.value)


def test_times_are_written_in_utc():
    at = datetime(2026, 3, 2, 10, 30, tzinfo=timezone(timedelta(hours=1)))
    assert json.loads(encode(a_message(first_seen=at)))["firstSeen"] == "2026-03-02T09:30:00Z"
