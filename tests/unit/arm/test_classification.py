"""What each of Azure's answers becomes: kind, code, sentence, remedy, and the time Azure named."""

import json
import logging
from typing import Any

import pytest
from azure.core.exceptions import DecodeError, HttpResponseError
from azure.core.rest import HttpRequest

from shared.adapters.arm import errors
from shared.adapters.arm.errors import (
    Said,
    classify,
    find_row,
    from_exception,
    from_response,
    read_body,
    retry_after,
    says_absent,
    translated,
)
from shared.errors import CapacityError, FatalError, RetryableError, UserError
from tests.support.arm_wire import Answer, WireResponse

GUID = "2F9D6E6C-1B2A-4C3D-8E4F-5A6B7C8D9E0F"


def an_error(status: int, body: Any = b"", **headers: str) -> HttpResponseError:
    return HttpResponseError(
        response=WireResponse(HttpRequest("GET", "https://arm.test/x"), Answer(status, body, headers))
    )


def coded(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": "m"}}


# ---- by status


@pytest.mark.parametrize("body", ["", json.dumps(coded("AuthorizationFailed"))])
def test_401_is_about_our_identity_whatever_it_says_and_is_tried_again_in_a_minute(body: str) -> None:
    error = from_response(401, {}, body)
    assert isinstance(error, RetryableError)
    assert (error.code, error.retry_after_s) == ("AzureIdentityUnavailable", 60.0)


@pytest.mark.parametrize(("code", "public"), [(None, "AzureForbidden"), ("SomethingForbidden", "SomethingForbidden")])
def test_403_keeps_azures_code_and_has_one_without(code: str | None, public: str) -> None:
    error = classify(403, code, "")
    assert isinstance(error, FatalError) and error.code == public


@pytest.mark.parametrize("status", [408, 500, 501, 503, 599])
def test_trouble_inside_azure_is_named_by_its_status_and_keeps_its_code_and_time(status: int) -> None:
    error = classify(status, None, "", 9.0)
    assert isinstance(error, RetryableError)
    assert (error.code, error.retry_after_s) == (f"AzureHttp{status}", 9.0)
    assert classify(status, "SomethingInside", "").code == "SomethingInside"


@pytest.mark.parametrize("status", [None, 200, 409, 402, 499])
def test_what_nobody_knows_is_retryable_with_azures_time(status: int | None) -> None:
    error = classify(status, None, "", 9.0)
    assert isinstance(error, RetryableError)
    assert (error.code, error.retry_after_s) == ("AzureUnknownAnswer", 9.0)


def test_the_header_names_the_time() -> None:
    error = from_response(503, {"Retry-After": "17"}, "")
    assert isinstance(error, RetryableError) and error.retry_after_s == 17.0


def test_what_nobody_knows_is_logged_under_this_module_and_not_without_end(caplog: pytest.LogCaptureFixture) -> None:
    classify(409, "BrandNewRefusal", "x" * 5000)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("shared.adapters.arm.errors", logging.WARNING)
    assert vars(record)["azure_message"] == "x" * 4000


# ---- by the table


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("Conflict", RetryableError),
        ("SkuNotAvailable", CapacityError),
        ("DnsRecordInUse", UserError),
        ("AuthorizationFailed", FatalError),
    ],
)
def test_a_row_gives_its_kind_its_sentence_and_its_remedy(code: str, kind: type[Exception]) -> None:
    row = find_row(code, "")
    assert row is not None
    error = classify(409, code, "")
    assert type(error) is kind
    assert (error.code, error.message, error.fix) == (row.code, row.message, row.fix)
    assert error.fix


@pytest.mark.parametrize(("named_s", "wait_s"), [(None, 10.0), (7.0, 7.0), (0.0, 0.0)])
def test_azures_time_counts_before_the_rows(named_s: float | None, wait_s: float) -> None:
    error = classify(409, "Conflict", "", named_s)
    assert isinstance(error, RetryableError) and error.retry_after_s == wait_s


def test_a_text_may_be_in_a_detail() -> None:
    quota = classify(409, "OperationNotAllowed", "See the details.", details=(Said(None, "Cores quota exceeded."),))
    assert quota.code == "QuotaExceeded"


def test_a_text_may_be_in_the_code_of_a_detail() -> None:
    assert classify(409, "OperationNotAllowed", "No.", details=(Said("CoresQuota", "No."),)).code == "QuotaExceeded"


def test_azures_sentence_is_added_where_it_helps() -> None:
    said = classify(409, "SkuNotAvailable", "Not\n in   westeurope.").message
    assert said.endswith(" Azure says: Not in westeurope.")
    assert "Azure says" not in classify(409, "SkuNotAvailable", "").message
    assert "Azure says" not in classify(409, "AuthorizationFailed", "The client has no role.").message


@pytest.mark.parametrize(("length", "shown"), [(400, "x" * 400), (401, "x" * 397 + "...")])
def test_azures_sentence_is_not_endless(length: int, shown: str) -> None:
    assert classify(409, "SkuNotAvailable", "x" * length).message.endswith(f" Azure says: {shown}")


@pytest.mark.parametrize("guid", [GUID, GUID.lower()])
def test_ids_are_left_out_in_either_case(guid: str) -> None:
    assert classify(409, "SkuNotAvailable", f"In {guid}: no.").message.endswith("Azure says: In ...: no.")


# ---- what the SDK raises


def test_our_own_error_is_itself() -> None:
    ours = UserError("Mine", "Mine.")
    assert from_exception(ours) is ours


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (DecodeError("not JSON"), "AzureUnreadableAnswer"),
        (ValueError("not a number"), "AzureUnreadableAnswer"),
        (RuntimeError("?"), "AzureUnknownAnswer"),
        (OSError("reset"), "AzureUnreachable"),
        (an_error(503), "AzureHttp503"),
    ],
)
def test_each_way_to_fail_has_its_code(error: Exception, code: str) -> None:
    assert from_exception(error).code == code


def test_what_an_sdk_raises_leaves_as_our_kind_and_keeps_its_cause() -> None:
    theirs = an_error(409, coded("Conflict"))
    with pytest.raises(RetryableError) as raised, translated():
        raise theirs
    assert raised.value.code == "Conflict"
    assert raised.value.__cause__ is theirs


@pytest.mark.parametrize("code", ["ResourceGroupNotFound", "ResourceNotFound", "ParentResourceNotFound", "NotFound"])
def test_a_404_with_one_of_these_codes_means_there_is_none(code: str) -> None:
    assert says_absent(an_error(404, coded(code)))


@pytest.mark.parametrize(
    "error",
    [
        an_error(404),
        an_error(404, coded("SubscriptionNotFound")),
        an_error(403, coded("ResourceNotFound")),
        an_error(405, coded("ResourceNotFound")),
    ],
)
def test_anything_else_does_not(error: HttpResponseError) -> None:
    assert says_absent(error) is False


def test_a_404_whose_answer_is_not_there_does_not_mean_it_either() -> None:
    error = HttpResponseError("gone")
    error.status_code = 404
    assert says_absent(error) is False


# ---- bodies and headers


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("", Said(None, "")),
        ('{"code": "Bare", "message": "m"}', Said("Bare", "m")),
        ('{"error": "invalid_request", "error_description": "d"}', Said("invalid_request", "d")),
        ('{"error": "invalid_request"}', Said("invalid_request", "")),
        ('{"error": {"code": null, "message": null}}', Said(None, "")),
        ('{"error": {"code": "", "message": ""}}', Said(None, "")),
        ('{"error": {"code": 7, "message": 8}}', Said("7", "8")),
    ],
)
def test_bodies_of_other_shapes(body: str, said: Said) -> None:
    assert read_body(body) == said


def test_a_date_that_has_passed_is_now() -> None:
    past = {"Retry-After": "Mon, 02 Mar 2026 09:29:00 GMT", "Date": "Mon, 02 Mar 2026 09:30:00 GMT"}
    assert retry_after(past) == 0.0


def test_a_body_that_cannot_be_read_is_empty() -> None:
    class Broken:
        def text(self) -> str:
            raise RuntimeError("not read")

    assert errors.text_of(Broken()) == ""
