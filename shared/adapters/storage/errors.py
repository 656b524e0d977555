"""What storage answered, in our words. The one place that reads status codes of tables and queues.

Codes: https://learn.microsoft.com/rest/api/storageservices/table-service-error-codes and
https://learn.microsoft.com/rest/api/storageservices/queue-service-error-codes
"""

from typing import TYPE_CHECKING

from shared.errors import ConcurrentUpdate, FatalError, HubletError, RetryableError

if TYPE_CHECKING:
    from azure.core.exceptions import HttpResponseError


class RowExists(HubletError):
    """An insert met a row with the same key (409 EntityAlreadyExists)."""

    def __init__(self, what: str) -> None:
        super().__init__("RowExists", f"{what} is already there.")


class RowMissing(HubletError):
    """A conditional write met no row at all (404)."""

    def __init__(self, what: str) -> None:
        super().__init__("RowMissing", f"{what} is not there.")


class TransactionRefused(HubletError):
    """One write of a transaction met a condition that does not hold, so nothing was written.

    `index` says which, `status` is 404 (row absent), 409 (row there) or 412 (row changed).
    """

    def __init__(self, what: str, index: int, status: int) -> None:
        super().__init__("TransactionRefused", f"{what}: write {index} was refused with {status}.")
        self.index = index
        self.status = status


def unavailable(what: str, *, retry_after_s: float | None = None) -> RetryableError:
    """Storage did not answer, or not in time: whether a write took effect is not known."""
    return RetryableError(
        "StorageUnavailable",
        f"The storage account did not answer as it should ({what}).",
        fix="Try again in a moment.",
        retry_after_s=retry_after_s,
    )


def translate(error: Exception, what: str) -> Exception:
    """The error to raise instead of `error`; what is none of storage's is returned as it is.

    412 -> ConcurrentUpdate; 409 and 404 on a row -> RowExists, RowMissing; both inside a transaction ->
    TransactionRefused; no answer, 408, 429, 5xx -> RetryableError `StorageUnavailable`; 401, 403 -> RetryableError
    `StorageRefused` (a new role assignment takes minutes to be known everywhere); other 4xx -> FatalError.
    """
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

    if isinstance(error, ClientAuthenticationError):
        return _refused(what)
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        return _by_status(error, error.status_code, what)
    if isinstance(error, AzureError | TimeoutError | OSError):
        return unavailable(what)
    return error


def _by_status(error: "HttpResponseError", status: int, what: str) -> Exception:
    from azure.data.tables import TableTransactionError

    if status in (401, 403):
        return _refused(what)
    if status in (408, 429) or status >= 500:
        return unavailable(what, retry_after_s=_retry_after(error))
    if isinstance(error, TableTransactionError) and status in (404, 409, 412):
        return TransactionRefused(what, error.index, status)
    if status == 412:
        return ConcurrentUpdate(what)
    if status == 409:
        if has_code(error, "EntityAlreadyExists"):
            return RowExists(what)
        return unavailable(what)  # TableBeingDeleted, QueueBeingDeleted: over in under a minute
    if status == 404:
        return RowMissing(what)
    # The body may quote what was written, so only the code is shown.
    code = str(getattr(error, "error_code", None) or status)
    return FatalError("StorageRejected", f"The storage account rejected a request ({what}): {code}.")


def _refused(what: str) -> RetryableError:
    return RetryableError(
        "StorageRefused",
        f"The storage account does not let this app in ({what}).",
        fix="Give the app's identity the roles Storage Table Data Contributor and Storage Queue Data Contributor.",
    )


def has_code(error: Exception, code: str) -> bool:
    """Whether storage named this error code: in its header, or only in the body (as table inserts do)."""
    named = getattr(error, "error_code", None)
    return getattr(named, "value", named) == code if named else code in str(error)


def container_missing(error: Exception) -> bool:
    """Whether the table or queue itself is not there yet."""
    from azure.core.exceptions import HttpResponseError

    return (
        isinstance(error, HttpResponseError)
        and error.status_code == 404
        and (has_code(error, "TableNotFound") or has_code(error, "QueueNotFound"))
    )


def _retry_after(error: "HttpResponseError") -> float | None:
    headers = getattr(error.response, "headers", None) or {}
    value = str(headers.get("Retry-After", ""))
    return float(value) if value.isascii() and value.isdecimal() else None
