"""Entity tags, preferences, pages, log pieces, problems: each a few lines with edges."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.api import etags, paging, prefer, problems
from shared.api.log_text import log_text
from shared.api.prices import KEEP, PriceMemo
from shared.api.problems import CODES, MISTAKES, Mistake, Problem
from tests.support.builders import a_hub, a_ready_hub, a_spec
from tests.support.clock import MONDAY_MORNING

# ---- entity tags


def test_a_tag_changes_with_the_stored_row_only():
    hub = a_hub(etag='W/"1"')
    assert etags.of_hub(hub) == etags.of_hub(a_hub(etag='W/"1"', request_id="other"))
    assert etags.of_hub(hub) != etags.of_hub(a_hub(etag='W/"2"'))
    assert etags.of_hub(hub) != etags.of_hub(a_hub(etag='W/"1"', id="physics-zz2zz3"))


@pytest.mark.parametrize(
    ("header", "expected"),
    [(None, False), ("*", True), ('W/"a"', True), ('"a"', True), ('"x", W/"a"', True), ('"b"', False), ("a", False)],
)
def test_tags_are_compared_weakly(header: str | None, expected: bool):
    assert etags.matches(header, 'W/"a"') is expected


# ---- preferences


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("wait=10", 10),
        ("Wait = 10", 10),
        ('wait="10"', 10),
        ("respond-async, wait=10", 10),
        ("wait=10; x=y", 10),
        ("wait=10, wait=20", 10),
        ("wait=26", 25),
        ("wait=999999999", 25),
        ("wait=-1", 0),
        ("wait=x", 0),
        ("wait", 0),
        ("waiting=3", 0),
        ("return=minimal", 0),
    ],
)
def test_the_wait_that_is_wished_for(header: str | None, seconds: int):
    assert prefer.wait_seconds(header) == seconds


# ---- pages


@given(st.lists(st.integers(0, 50), unique=True), st.integers(1, 10))
def test_pages_together_are_the_whole_list(numbers: list[int], top: int):
    items = sorted(f"{number:03d}" for number in numbers)
    seen: list[str] = []
    query = {"top": str(top)}
    for _ in range(60):
        shown, link = paging.page(items, query, lambda item: [item], "https://a.example/x")
        seen += shown
        if link is None:
            break
        token = dict(part.split("=") for part in link.partition("?")[2].split("&"))["skipToken"]
        query = {"top": str(top), "skipToken": token}
    assert seen == items


@pytest.mark.parametrize("token", ["x", "!!!", "e30", "W10", "WzFd", "a" * 2000, "ü", "W1tdXQ=="])
def test_a_forged_page_token_is_refused(token: str):
    with pytest.raises(Problem) as caught:
        paging.page(["a"], {"skipToken": token}, lambda item: [item], "https://a.example/x")
    assert caught.value.code == "InvalidParameter"


# ---- log pieces


@given(st.text(st.characters(exclude_categories=("Cs", "Cc", "Cf")), max_size=60), st.data())
def test_pieces_of_a_log_join_to_the_whole_wherever_they_are_cut(text: str, data: st.DataObject):
    whole = text.encode()
    cut = data.draw(st.integers(0, len(whole)))
    first = log_text(whole[:cut], 0)
    if first.next_offset == 0 or "\ufffd" in first.text:
        return  # nothing but a broken character: there is no better cut
    second = log_text(whole[first.next_offset :], first.next_offset)
    plain = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    assert first.text + second.text == plain
    assert second.next_offset == len(whole)


@given(st.binary(max_size=100))
def test_any_bytes_make_text_that_cannot_act_and_always_get_on(data: bytes):
    piece = log_text(data, 7)
    assert not set(piece.text) & {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))} - {"\n", "\t"}
    assert 7 < piece.next_offset <= 7 + len(data) or not data


# ---- problems


def test_every_code_is_complete_and_says_what_to_do():
    for name, code in CODES.items():
        assert name.isidentifier() and name[0].isupper()
        assert 400 <= code.status < 600
        assert code.title and code.fix.endswith((".", "`"))
        assert code.retryable or code.status != 503
    assert all(sentence.endswith(".") for sentence in MISTAKES.values())


@pytest.mark.parametrize("code", CODES)
def test_every_code_renders_as_rfc_9457(code: str):
    rendered = problems.render(
        Problem(code, errors=[Mistake("/a", "WrongType", "x")]), instance="/api/x", request_id="r", jitter=0.5
    )
    document = json.loads(rendered.body)
    assert {"type", "title", "status", "detail", "instance", "code", "requestId", "retryable", "fix"} <= set(document)
    assert document["status"] == rendered.status == CODES[code].status
    assert ("Retry-After" in rendered.headers) == CODES[code].retryable


def test_an_unlisted_code_cannot_be_raised():
    with pytest.raises(KeyError):
        Problem("Whatever")


@given(st.floats(0.01, 10_000), st.floats(0, 0.999))
def test_retry_after_is_whole_seconds_at_least_one_and_a_quarter_later_at_most(seconds: float, jitter: float):
    value = int(problems.retry_after(seconds, jitter))
    assert max(1, round(seconds) - 1) <= value <= max(1, seconds * 1.25 + 1)


# ---- prices


def test_a_price_is_remembered_for_its_exact_specification_and_a_day():
    memo, price = PriceMemo(), a_ready_hub().price
    assert price is not None
    memo.put(a_spec(), price, MONDAY_MORNING)
    assert memo.get(a_spec(), MONDAY_MORNING + KEEP) == price
    assert memo.get(a_spec(), MONDAY_MORNING + KEEP + timedelta(seconds=1)) is None
    assert memo.get(a_spec(os_disk_gib=64), MONDAY_MORNING) is None
    assert memo.get(a_spec(spot=True), MONDAY_MORNING) is None
