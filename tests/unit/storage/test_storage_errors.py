"""Every answer of storage has one meaning here."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ServiceRequestError,
    ServiceResponseTimeoutError,
)
from azure.data.tables import TableTransactionError

from shared.adapters.storage.errors import (
    RowExists,
    RowMissing,
    TransactionRefused,
    container_missing,
    translate,
)
from shared.errors import ConcurrentUpdate, FatalError, RetryableError


def answered(status: int, code: str | None = None, *, kind: Any = HttpResponseError, **headers: str) -> Any:
    """An SDK error as it looks after storage answered with `status` and the error code `code`."""
    response = SimpleNamespace(
        status_code=status, reason="why", headers=headers, content_type="application/json", text=lambda *_: ""
    )
    body = json.dumps({"odata.error": {"code": code}})
    error = kind(message=f"0:it failed\n{body}", response=response)
    error.error_code = code
    return error


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (412, "UpdateConditionNotSatisfied", ConcurrentUpdate),
        (409, "EntityAlreadyExists", RowExists),
        (409, "TableBeingDeleted", RetryableError),
        (404, "ResourceNotFound", RowMissing),
        (401, "NoAuthenticationInformation", RetryableError),
        (403, "AuthorizationFailure", RetryableError),
        (408, None, RetryableError),
        (429, None, RetryableError),
        (500, "InternalError", RetryableError),
        (503, "ServerBusy", RetryableError),
        (400, "PropertyValueTooLarge", FatalError),
        (413, "RequestBodyTooLarge", FatalError),
    ],
)
def test_a_status_becomes_the_kind_that_says_what_to_do(status: int, code: str | None, expected: type[Exception]):
    assert type(translate(answered(status, code), "table hubs")) is expected


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError(),
        ConnectionResetError(),
        ServiceRequestError("no route"),
        ServiceResponseTimeoutError("too late"),
        IncompleteReadError("cut short"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_answer_is_retryable(error: Exception):
    translated = translate(error, "table hubs")
    assert isinstance(translated, RetryableError)
    assert translated.code == "StorageUnavailable"


def test_a_refused_identity_is_named():
    for error in (answered(403, "AuthorizationFailure"), ClientAuthenticationError("no token")):
        translated = translate(error, "table hubs")
        assert isinstance(translated, RetryableError)
        assert translated.code == "StorageRefused"


def test_the_wish_of_a_busy_server_is_kept():
    translated = translate(answered(503, "ServerBusy", **{"Retry-After": "7"}), "table hubs")
    assert isinstance(translated, RetryableError)
    assert translated.retry_after_s == 7


@pytest.mark.parametrize("status", [404, 409, 412])
def test_a_refused_transaction_says_which_write(status: int):
    error = answered(status, "UpdateConditionNotSatisfied", kind=TableTransactionError)
    error.index = 3
    translated = translate(error, "table hubs")
    assert isinstance(translated, TransactionRefused)
    assert (translated.index, translated.status) == (3, status)


def test_a_transaction_that_met_a_busy_server_is_retryable():
    assert isinstance(translate(answered(503, "ServerBusy", kind=TableTransactionError), "t"), RetryableError)


def test_an_error_of_our_own_stays_what_it_is():
    error = ValueError("a bug")
    assert translate(error, "table hubs") is error


def test_the_text_of_a_rejection_holds_the_code_only():
    translated = translate(answered(400, "PropertyValueTooLarge"), "table hubs")
    assert "PropertyValueTooLarge" in str(translated)
    assert "it failed" not in str(translated)


def test_only_a_missing_table_or_queue_is_to_be_made():
    assert container_missing(answered(404, "TableNotFound"))
    assert container_missing(answered(404, "QueueNotFound"))
    assert not container_missing(answered(404, "ResourceNotFound"))
    assert not container_missing(answered(409, "TableNotFound"))
    without_header = answered(404, "TableNotFound")
    without_header.error_code = None
    assert container_missing(without_header)
