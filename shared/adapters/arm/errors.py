"""Turns what Azure answers, or how it fails to answer, into one of our four kinds.

The table is `REFUSALS` (shared/adapters/arm/refusals.py). This module reads Azure's many shapes of an error: ARM's
`{"error": {...}}`, the `{"Error": {"Code": ...}}` of a failed group delete, a failed operation inside HTTP 200, HTML
from a gateway, no body at all, no connection at all.
"""

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, assert_never

from shared.adapters.arm.refusals import REFUSALS, Kind, Refusal
from shared.errors import CapacityError, FatalError, HubletError, RetryableError, UserError

_log = logging.getLogger(__name__)

IDENTITY_UNAVAILABLE = "AzureIdentityUnavailable"
THROTTLED = "AzureThrottled"
UNREACHABLE = "AzureUnreachable"
UNREADABLE = "AzureUnreadableAnswer"
UNKNOWN = "AzureUnknownAnswer"

_QUOTED_CHARS = 400
_LOGGED_CHARS = 4000
_GUID = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Said:
    """What an error body says: code and sentence, then the same of its details."""

    code: str | None = None
    message: str = ""
    details: tuple["Said", ...] = ()

    def whole_text(self) -> str:
        return " ".join([self.message, *(f"{d.code or ''} {d.whole_text()}" for d in self.details)])


def classify(
    status: int | None,
    code: str | None,
    message: str,
    retry_after_s: float | None = None,
    *,
    details: tuple[Said, ...] = (),
) -> HubletError:
    """The error to raise for what Azure said. `status` is the HTTP status (200 for a failed operation, None if there
    was none). Whatever is not in the table is retryable, keeps Azure's code and is logged with its text."""
    if status == 401:
        return identity_unavailable()
    said = Said(code, message, details)
    for candidate in (said, *details):
        row = find_row(candidate.code, candidate.whole_text())
        if row is not None and (status != 429 or row.kind is Kind.RETRYABLE):
            return _error_of(row, candidate, retry_after_s)
    if status == 429:
        return RetryableError(
            THROTTLED,
            "Azure asks this service to send fewer requests.",
            fix="Nothing to do: it is tried again by itself.",
            retry_after_s=retry_after_s,  # none named: the caller backs off by itself
        )
    if status == 403:
        return FatalError(
            code or "AzureForbidden",
            "Azure forbids this to the service.",
            fix="Operator: look at the role assignments and policies of the subscription.",
        )
    if status is not None and (status >= 500 or status == 408):
        return RetryableError(
            code or f"AzureHttp{status}", "Azure had an internal problem.", fix="", retry_after_s=retry_after_s
        )
    _log.warning(
        "azure_answer_unknown",
        extra={"status": status, "azure_code": code, "azure_message": said.whole_text()[:_LOGGED_CHARS]},
    )
    return RetryableError(
        code or UNKNOWN, "Azure answered something this service does not know.", retry_after_s=retry_after_s
    )


def find_row(code: str | None, text: str) -> Refusal | None:
    """The first row of the table that fits, or None."""
    if code is None:
        return None
    lower = text.lower()
    for row in REFUSALS:
        if row.code.lower() == code.lower() and row.text.lower() in lower:
            return row
    return None


def identity_unavailable() -> RetryableError:
    """The managed identity gives no token, or ARM does not take it: hubs wait, none fails for it."""
    return RetryableError(
        IDENTITY_UNAVAILABLE,
        "This service cannot sign in to Azure at the moment.",
        fix="Operator: check that the app's managed identity exists and is assigned.",
        retry_after_s=60.0,
    )


def from_response(status: int, headers: Mapping[str, str], body: str) -> HubletError:
    """Classifies an HTTP answer by its body."""
    said = read_body(body)
    return classify(status, said.code, said.message, retry_after(headers), details=said.details)


def from_exception(error: BaseException) -> HubletError:
    """Classifies what an SDK raised. Branches on the answer's own code, never on the exception's class: every 409 is
    a `ResourceExistsError`, and a failed operation is an `HttpResponseError` with status 200."""
    from azure.core.exceptions import (
        ClientAuthenticationError,
        DecodeError,
        HttpResponseError,
        ServiceRequestError,
        ServiceResponseError,
    )

    if isinstance(error, HubletError):
        return error
    if isinstance(error, ClientAuthenticationError):  # CredentialUnavailableError is one too
        return identity_unavailable()
    if isinstance(error, DecodeError):
        return RetryableError(UNREADABLE, "Azure's answer could not be read.")
    if isinstance(error, HttpResponseError) and error.response is not None:
        response: Any = error.response
        return from_response(response.status_code, response.headers, text_of(response))
    if isinstance(error, ServiceRequestError | ServiceResponseError | TimeoutError | OSError):
        return RetryableError(UNREACHABLE, "Azure could not be reached, or did not answer in time.")
    if isinstance(error, ValueError):  # the SDK could not make sense of a header (a date as Retry-After) or a body
        _log.warning("azure_answer_unreadable", exc_info=error)
        return RetryableError(UNREADABLE, "Azure's answer could not be read.")
    _log.warning("azure_call_failed", extra={"error": type(error).__name__}, exc_info=error)
    return RetryableError(UNKNOWN, "A call to Azure failed in an unknown way.")


_ABSENT = frozenset({"resourcegroupnotfound", "resourcenotfound", "parentresourcenotfound", "notfound"})


def says_absent(error: Any) -> bool:
    """Whether an SDK's `HttpResponseError` means "there is no such resource". The status alone does not: a subscription
    we lost sight of is a 404 too, and so is a gateway's page."""
    if error.status_code != 404 or error.response is None:
        return False
    return (read_body(text_of(error.response)).code or "").lower() in _ABSENT


@contextmanager
def translated() -> Iterator[None]:
    """Everything an SDK raises inside leaves as one of our kinds."""
    from azure.core.exceptions import AzureError

    try:
        yield
    except (AzureError, TimeoutError, ValueError) as error:
        raise from_exception(error) from error


def text_of(response: Any) -> str:
    """A response's body as text; empty when it was never read or cannot be decoded."""
    try:
        return str(response.text())
    except Exception:  # each transport has its own error for a body that is not there
        return ""


def read_body(body: str) -> Said:
    """Code, message and details out of any of Azure's shapes of an error body."""
    try:
        document = json.loads(body)
    except ValueError:
        return Said()
    if not isinstance(document, dict):
        return Said()
    document = _lower_keys(document)
    error = document.get("error", document)
    if isinstance(error, str):  # OAuth's shape, as the identity endpoint answers
        return Said(error, str(document.get("error_description") or ""))
    return _said(error)


def _said(error: object) -> Said:
    if not isinstance(error, dict):
        return Said()
    error = _lower_keys(error)
    code, message, details = error.get("code"), error.get("message"), error.get("details")
    return Said(
        str(code) if code else None,
        str(message) if message else "",
        tuple(_said(detail) for detail in details) if isinstance(details, list) else (),
    )


def _lower_keys(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key.lower(): value for key, value in document.items()}


def retry_after(headers: Mapping[str, str]) -> float | None:
    """`Retry-After` in seconds. A date is compared with the answer's own `Date`, so no clock of ours is asked."""
    found = {key.lower(): value for key, value in headers.items()}
    value = found.get("retry-after", "").strip()
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    until, now = _http_date(value), _http_date(found.get("date", ""))
    return max(0.0, (until - now).total_seconds()) if until and now else None


def _http_date(value: str) -> datetime | None:
    try:
        return parsedate_to_datetime(value)
    except ValueError:
        return None


def _error_of(row: Refusal, said: Said, retry_after_s: float | None) -> HubletError:
    code = row.public_code or row.code
    message = f"{row.message} Azure says: {_quoted(said)}" if row.quote and said.message else row.message
    match row.kind:
        case Kind.RETRYABLE:
            wait = row.retry_after_s if retry_after_s is None else retry_after_s
            return RetryableError(code, message, fix=row.fix, retry_after_s=wait)
        case Kind.CAPACITY:
            return CapacityError(code, message, fix=row.fix)
        case Kind.USER:
            return UserError(code, message, fix=row.fix)
        case Kind.FATAL:
            return FatalError(code, message, fix=row.fix)
        case unreachable:
            assert_never(unreachable)


def _quoted(said: Said) -> str:
    """Azure's sentence for people: one line, no ids of the subscription, its tenants or principals, not endless."""
    text = _GUID.sub("...", " ".join(said.message.split()))
    return text if len(text) <= _QUOTED_CHARS else text[: _QUOTED_CHARS - 3] + "..."
