"""Reading Azure's many shapes of trouble."""

import json
import logging
from typing import Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ResourceExistsError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.rest import HttpRequest
from azure.identity import CredentialUnavailableError

from shared.adapters.arm.errors import classify, from_exception, from_response, read_body, retry_after, translated
from shared.errors import CapacityError, FatalError, RetryableError
from tests.support.arm_wire import Answer, WireResponse

QUOTA = "Operation could not be completed as it results in exceeding approved standardDSv3Family Cores quota."


def an_answer(status: int, body: Any = b"", **headers: str) -> WireResponse:
    return WireResponse(HttpRequest("PUT", "https://arm.test/x"), Answer(status, body, headers))


def test_the_code_decides_not_the_class_of_the_exception() -> None:
    body = {"error": {"code": "OperationNotAllowed", "message": QUOTA}}

    error = from_exception(ResourceExistsError(response=an_answer(409, body)))

    assert isinstance(error, CapacityError) and error.code == "QuotaExceeded"


def test_computes_throttling_is_not_a_quota() -> None:
    """Its code is the quota's; even a text that speaks of a quota changes nothing at status 429."""
    error = classify(429, "OperationNotAllowed", QUOTA, 6.0)

    assert isinstance(error, RetryableError)
    assert (error.code, error.retry_after_s) == ("AzureThrottled", 6.0)


@pytest.mark.parametrize("body", ["", '{"error": {"code": "TooManyRequests", "message": "slow down"}}'])
def test_f20_throttling_without_retry_after_names_no_time_so_that_the_caller_backs_off(body: str) -> None:
    error = from_response(429, {}, body)

    assert isinstance(error, RetryableError)
    assert (error.code, error.retry_after_s) == ("AzureThrottled", None)


def test_a_failed_operation_is_read_from_its_body_though_the_status_is_200() -> None:
    body = {"status": "Failed", "error": {"code": "AllocationFailed", "message": "Allocation failed."}}

    assert isinstance(from_exception(HttpResponseError(response=an_answer(200, body))), CapacityError)


def test_the_code_of_a_detail_counts_when_the_outer_one_says_nothing() -> None:
    inner = {"code": "SkuNotAvailable", "message": "not there"}
    body = {"error": {"code": "DeploymentFailed", "message": "See details.", "details": [inner]}}

    error = from_response(400, {}, json.dumps(body))

    assert isinstance(error, CapacityError) and error.code == "SkuNotAvailable"


@pytest.mark.parametrize(
    "body",
    ["", "<html><body>502 Bad Gateway</body></html>", "null", "[]", '"text"', "{}", '{"error":null}', '{"error":[]}'],
)
def test_a_body_without_a_code_is_retryable(body: str) -> None:
    assert isinstance(from_response(502, {}, body), RetryableError)
    assert isinstance(from_response(400, {}, body), RetryableError)


def test_an_unknown_code_is_kept_and_logged_with_its_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        error = classify(409, "BrandNewRefusal", "Never seen before.")

    assert isinstance(error, RetryableError) and error.code == "BrandNewRefusal"
    assert "Never seen before." not in error.message
    assert getattr(caplog.records[0], "azure_message", "").startswith("Never seen before.")


def test_an_unknown_refusal_of_permission_is_for_the_operator() -> None:
    assert isinstance(classify(403, "SomethingForbidden", ""), FatalError)


@pytest.mark.parametrize(
    "error",
    [
        ClientAuthenticationError("no token"),
        CredentialUnavailableError("no identity"),
        ClientAuthenticationError(response=an_answer(401, {"error": {"code": "ExpiredAuthenticationToken"}})),
    ],
)
def test_trouble_with_our_identity_fails_no_hub(error: ClientAuthenticationError) -> None:
    classified = from_exception(error)

    assert isinstance(classified, RetryableError) and classified.code == "AzureIdentityUnavailable"


@pytest.mark.parametrize("error", [ServiceRequestError("refused"), ServiceResponseError("reset"), TimeoutError()])
def test_no_answer_at_all_is_retryable(error: Exception) -> None:
    classified = from_exception(error)

    assert isinstance(classified, RetryableError) and classified.code == "AzureUnreachable"


@pytest.mark.parametrize("error", [DecodeError("not JSON"), ValueError("not a number"), RuntimeError("?")])
def test_an_answer_the_sdk_cannot_read_is_retryable(error: Exception) -> None:
    assert isinstance(from_exception(error), RetryableError)


def test_our_own_errors_pass_through_unchanged() -> None:
    ours = FatalError("Mine", "Mine.")

    with pytest.raises(FatalError) as raised, translated():
        raise ours
    assert raised.value is ours


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": ""}, None),
        ({"Retry-After": "17"}, 17.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"Retry-After": "-3"}, 0.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "Mon, 02 Mar 2026 09:30:40 GMT", "Date": "Mon, 02 Mar 2026 09:30:00 GMT"}, 40.0),
        ({"Retry-After": "Mon, 02 Mar 2026 09:30:40 GMT"}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_ids_of_the_subscription_are_not_shown_to_people() -> None:
    text = "The policy of subscription 2f9d6e6c-1b2a-4c3d-8e4f-5a6b7c8d9e0f\nsays no. " + "x" * 1000

    error = classify(403, "RequestDisallowedByPolicy", text)

    assert "2f9d6e6c" not in error.message
    assert "\n" not in error.message
    assert len(error.message) < 600


def test_the_keys_of_an_error_may_begin_with_capitals() -> None:
    said = read_body('{"Error":{"Code":"ScopeLocked","Message":"m","Details":[{"Code":null,"Message":"d"}]}}')

    assert (said.code, said.message, said.details[0].message) == ("ScopeLocked", "m", "d")
