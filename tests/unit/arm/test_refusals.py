"""The table of what Azure says no with: every row has a real body, every body finds its row."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.arm.errors import find_row, from_response, read_body
from shared.adapters.arm.refusals import REFUSALS, Kind, Refusal
from shared.errors import CapacityError, FatalError, HubletError, RetryableError, UserError

BODIES = Path(__file__).parents[2] / "data" / "arm_errors"
KINDS: Mapping[Kind, type[HubletError]] = {
    Kind.RETRYABLE: RetryableError,
    Kind.CAPACITY: CapacityError,
    Kind.USER: UserError,
    Kind.FATAL: FatalError,
}
_FILES = {path.stem: json.loads(path.read_text()) for path in sorted(BODIES.glob("*.json"))}
CASES = [pytest.param(case, id=name) for name, case in _FILES.items()]
NOT_THROTTLED = [pytest.param(case, id=name) for name, case in _FILES.items() if case["status"] != 429]
"""A status of 429 says it all, and a failed operation has none."""


@pytest.mark.parametrize("case", CASES)
def test_every_body_is_classified_as_its_file_says(case: Mapping[str, Any]) -> None:
    error = from_response(case["status"], case["headers"], json.dumps(case["body"]))

    assert type(error) is KINDS[Kind(case["expect"]["kind"])]
    assert error.code == case["expect"]["code"]


@pytest.mark.parametrize("case", NOT_THROTTLED)
def test_a_refusal_means_the_same_at_the_first_answer_and_in_the_poll(case: Mapping[str, Any]) -> None:
    """The same code and text in both envelopes: a failed operation is HTTP 200 with the error inside."""
    error = case["body"].get("error") or case["body"]["Error"]
    at_once = from_response(case["status"] if case["status"] >= 400 else 409, {}, json.dumps({"error": error}))
    in_poll = from_response(200, {}, json.dumps({"name": "op", "status": "Failed", "error": error}))

    assert type(at_once) is type(in_poll) is KINDS[Kind(case["expect"]["kind"])]
    assert at_once.code == in_poll.code == case["expect"]["code"]
    assert (at_once.message, at_once.fix) == (in_poll.message, in_poll.fix)


@pytest.mark.parametrize("case", CASES)
def test_every_body_says_where_it_is_from(case: Mapping[str, Any]) -> None:
    assert case["source"].startswith(("https://github.com/", "Azure/"))
    assert case["origin"] in {"recording", "issue"}
    assert case["where"] in {"response", "poll"}


@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: f"{row.code}-{row.text}".strip("-"))
def test_every_row_has_a_body_it_was_made_for(row: Refusal) -> None:
    found = []
    for path in BODIES.glob("*.json"):
        said = read_body(json.dumps(json.loads(path.read_text())["body"]))
        found += [find_row(part.code, part.whole_text()) for part in (said, *said.details)]

    assert row in found


@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: f"{row.code}-{row.text}".strip("-"))
def test_every_row_says_what_to_do_and_where_to_read(row: Refusal) -> None:
    assert row.message.endswith(".")
    assert row.fix.endswith(".")
    assert row.doc.startswith("https://learn.microsoft.com/")


def test_no_row_hides_behind_an_earlier_one() -> None:
    seen: list[Refusal] = []
    for row in REFUSALS:
        assert not any(other.code == row.code and other.text in row.text for other in seen), row.code
        seen.append(row)
