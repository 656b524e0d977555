"""When somebody else's server wants to be asked again."""

import pytest

from shared.hubs.ports import Answered

NOW = "Mon, 02 Mar 2026 09:30:00 GMT"
A_DAY_S = 86_400


def wish(retry_after: str, date: str = NOW) -> float | None:
    return Answered(503, b"", {"retry-after": retry_after, "date": date}).retry_after_s


def test_who_says_nothing_wishes_nothing():
    assert Answered(503).retry_after_s is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("77", 77.0),
        ("999999", 999_999.0),
        ("Mon, 02 Mar 2026 09:31:17 GMT", 77.0),
        ("Monday, 02-Mar-26 09:31:17 GMT", 77.0),
        ("Mon Mar  2 09:31:17 2026", 77.0),
    ],
)
def test_seconds_or_a_date_name_the_pause(header: str, seconds: float):
    """https://www.rfc-editor.org/rfc/rfc9110#field.retry-after allows both, dates in three spellings."""
    assert wish(header) == seconds


@pytest.mark.parametrize("header", ["1000000", "31536000", "9" * 400, "9" * 5000, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_wish_without_measure_is_a_long_one_and_no_immediate_retry(header: str):
    wished = wish(header)
    assert wished is not None
    assert A_DAY_S < wished < float("inf")


def test_a_date_that_has_passed_is_now():
    assert wish("Mon, 02 Mar 2026 09:29:00 GMT") == 0.0


@pytest.mark.parametrize("date", ["", "soon", "Mon, 99 Foo 2026 09:30:00 GMT"])
def test_a_date_is_measured_by_the_answers_own_clock_or_not_at_all(date: str):
    assert wish("Mon, 02 Mar 2026 09:31:17 GMT", date) is None


@pytest.mark.parametrize(
    "header",
    [
        "",
        "soon",
        "-5",
        "1.5",
        "+5",
        "1e9",
        "nan",
        "inf",
        "٣",
        "5 s",
        "Mon, 02 Mar 2026",
        "Mon, 02 Mar 2026 09:31:17 +" + "9" * 30,
        "1 " * 3000,
        "9" * 5000 + ":00:00",
    ],
)
def test_garbage_wishes_nothing(header: str):
    assert wish(header) is None
