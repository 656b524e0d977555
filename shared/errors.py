"""The four kinds of trouble, by what the caller must do about it.

HubletError
 +-- RetryableError    throttling, 5xx, network, a conflict with a running operation: look again later,
 |                     bounded by the step's deadline
 +-- CapacityError     quota, size not available, allocation failed: stop, say what to change
 +-- UserError         a wrong request or specification: 4xx to the caller, never retried
 +-- FatalError        our bug or an impossible state: the hub fails, the evidence is kept
 |    +-- RowTooNew    a newer release wrote it: nothing fails, it is looked at again later
 +-- ConcurrentUpdate  somebody else saved the row first: acknowledge and leave

Each carries a stable `code` and a public sentence without secrets.
"""


class HubletError(Exception):
    """Base of all errors this project raises on purpose.

    `code` is stable and documented; `message` is one public sentence; `fix` says what to do next.
    """

    def __init__(self, code: str, message: str, *, fix: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.fix = fix


class RetryableError(HubletError):
    """Not now. `retry_after_s` is in seconds when the other side named a time, else None."""

    def __init__(self, code: str, message: str, *, fix: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(code, message, fix=fix)
        self.retry_after_s = retry_after_s


class CapacityError(HubletError):
    """Azure has no room, or our quota leaves none, for this size in this region."""


class UserError(HubletError):
    """What was asked for cannot be done as asked. `pointer` is a JSON pointer into the request, or empty."""

    def __init__(self, code: str, message: str, *, fix: str = "", pointer: str = "") -> None:
        super().__init__(code, message, fix=fix)
        self.pointer = pointer


class FatalError(HubletError):
    """Cannot happen, or must not be tried again."""


class RowTooNew(FatalError):
    """A row that only a newer release than this one can read (shared/hubs/versions.py). Says nothing about the hub: no
    worker may fail one for it, whoever meets it looks again later."""

    def __init__(self, what: str) -> None:
        super().__init__("RowTooNew", f"{what} was written by a newer version of this app.")


class ConcurrentUpdate(HubletError):
    """The row changed since it was read (HTTP 412 of the table service)."""

    def __init__(self, what: str) -> None:
        super().__init__("ConcurrentUpdate", f"{what} was changed by somebody else since it was read.")
