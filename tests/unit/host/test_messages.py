"""Values that cross between storage, HTTP and the runtime library."""

import pytest

from localdev.host.http import join_values, to_response
from localdev.host.queues import decode
from localdev.host.worker import Outcome, bytes_datum, http_datum, text_datum


@pytest.mark.parametrize(
    ("content", "base64_encoded", "expected"),
    [
        ("plain", False, "plain"),
        ("cGxhaW4=", True, "plain"),
        ("not base64!", True, None),
        ("/w==", True, None),
    ],
)
def test_message_encoding(content: str, base64_encoded: bool, expected: str | None) -> None:
    assert decode(content, base64_encoded=base64_encoded) == expected


def test_values_of_one_name_are_joined_and_empty_ones_dropped() -> None:
    pairs = [("Accept", "a"), ("accept", "b"), ("X-None", "")]
    joined = join_values(pairs, lower=True)
    assert {name: datum.value for name, datum in joined.items()} == {"accept": "a,b"}


def test_a_failed_function_is_an_empty_500() -> None:
    response = to_response(Outcome(ok=False, error="secret detail"))
    assert (response.status, response.body) == (500, None)


def test_the_hosts_own_headers_are_not_the_functions_to_set() -> None:
    headers = {"Content-Length": text_datum("3"), "X-Kept": text_datum("yes")}
    answer = {"status_code": text_datum("200"), "headers": headers, "cookies": None, "body": bytes_datum(b"body")}
    response = to_response(Outcome(ok=True, value=http_datum(answer)))
    assert response.headers["X-Kept"] == "yes"
    assert "Content-Length" not in response.headers


def test_a_function_that_returns_nothing_is_204() -> None:
    assert to_response(Outcome(ok=True)).status == 204
