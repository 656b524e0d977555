"""Reading bodies: any bytes are an object or a problem, and equal JSON has one canonical form."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.api.body import MAX_DEPTH, canonical, read_object
from shared.api.problems import Problem

DOCUMENTS = st.dictionaries(
    st.text(max_size=8),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_a_problem(body: bytes):
    try:
        assert isinstance(read_object(body, {}), dict)
    except Problem as problem:
        assert problem.code in ("InvalidJson", "UnsupportedMediaType")


@given(DOCUMENTS)
def test_what_is_sent_is_read_whatever_its_spacing(document: dict[str, Any]):
    for indent in (None, 2):
        assert read_object(json.dumps(document, indent=indent).encode(), {}) == document


@given(DOCUMENTS)
def test_the_order_of_names_does_not_change_the_canonical_form(document: dict[str, Any]):
    assert canonical(dict(reversed(document.items()))) == canonical(document)


def test_no_body_is_an_empty_object():
    assert read_object(b"", {"content-type": "text/plain"}) == {}
    assert read_object(b" \n", {}) == {}


def nested(levels: int) -> bytes:
    return b'{"a":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def test_depth_is_counted_in_levels_and_brackets_in_texts_do_not_count():
    assert read_object(nested(MAX_DEPTH), {})
    with pytest.raises(Problem):
        read_object(nested(MAX_DEPTH + 1), {})
    assert read_object(json.dumps({"a": '[[[{\\"' * 30}).encode(), {})


def test_the_size_limit_is_exact():
    padding = b" " * (32 * 1024 - 2)
    assert read_object(b"{" + padding + b"}", {}) == {}
    with pytest.raises(Problem):
        read_object(b"{" + padding + b" }", {})
