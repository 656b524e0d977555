"""Lists in pages."""

from urllib.parse import parse_qs, urlsplit

import pytest

from localdev.azuresim.clock import ManualClock
from localdev.azuresim.envelope import ArmError, Request
from localdev.azuresim.paging import Page, page
from localdev.azuresim.routing import Call

BASE = "https://127.0.0.1:1"


def call(query: str = "api-version=1&statusOnly=true") -> Call:
    request = Request("GET", "/subscriptions/s/things", query)
    return Call(request, "Things_List", {}, request.parameters(), ManualClock().now(), None)


def pages(items: list[str], size: int) -> list[Page[str]]:
    """All pages, as a client walks through them."""
    found = [page(call(), BASE, size, items, str)]
    while (link := found[-1].next_link) is not None:
        found.append(page(call(urlsplit(link).query), BASE, size, items, str))
    return found


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [(0, 2, [[]]), (2, 2, [["a", "b"]]), (3, 2, [["a", "b"], ["c"]]), (3, 1, [["a"], ["b"], ["c"]])],
)
def test_every_row_is_on_one_page(count: int, size: int, expected: list[list[str]]) -> None:
    assert [each.items for each in pages(["c", "b", "a"][3 - count :], size)] == expected


def test_last_page_has_no_link() -> None:
    assert page(call(), BASE, 2, ["a", "b"], str).body([{"x": 1}]) == {"value": [{"x": 1}]}


def test_link_keeps_what_was_asked_for() -> None:
    link = page(call(), BASE, 1, ["a", "b"], str).next_link
    assert link is not None
    assert link.startswith(f"{BASE}/subscriptions/s/things?")
    asked = parse_qs(urlsplit(link).query)
    assert (asked["api-version"], asked["statusOnly"], set(asked)) == (
        ["1"],
        ["true"],
        {"api-version", "statusOnly", "$skiptoken"},
    )


def test_nothing_is_left_out_when_a_listed_row_goes_away() -> None:
    first = page(call(), BASE, 2, ["a", "b", "c", "d"], str)
    assert first.next_link is not None
    assert page(call(urlsplit(first.next_link).query), BASE, 2, ["c", "d"], str).items == ["c", "d"]


@pytest.mark.parametrize("token", ["?", "a", "%ff", "gA"])
def test_token_that_was_not_given_out_is_refused(token: str) -> None:
    with pytest.raises(ArmError) as refused:
        page(call(f"api-version=1&$skiptoken={token}"), BASE, 2, ["a"], str)
    assert refused.value.status == 400
