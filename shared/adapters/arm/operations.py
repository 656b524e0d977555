"""Long-running ARM operations across processes: begun here, looked at anywhere, one GET a look.

A handle is JSON `{"v", "op", "args", "token"}`; `token` is the SDK's continuation token (base64 JSON with the first
answer's body and its operation addresses). Recorded addresses are up to 3.5 kB each, so a handle may be 15 kB long.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shared.adapters.arm.errors import UNREADABLE, from_response, read_body, retry_after, text_of, translated
from shared.errors import HubletError, RetryableError
from shared.hubs.ports import Begun, Poll

if TYPE_CHECKING:
    from azure.core.polling import AsyncLROPoller
    from azure.mgmt.core.polling.async_arm_polling import AsyncARMPolling

    from shared.adapters.arm.client import ArmClients

_HANDLE_VERSION = 1
_GONE = frozenset({404, 410})
_LOOK_FAILED = frozenset({401, 403, 408, 429})


def one_look_polling() -> "AsyncARMPolling":
    """A polling method to hand to `begin_*` as `polling=`: it reads the first answer and sends nothing by itself."""
    from azure.mgmt.core.polling.async_arm_polling import AsyncARMPolling

    return AsyncARMPolling(0)


def begun(operation: str, args: Sequence[str], poller: "AsyncLROPoller[Any]", polling: "AsyncARMPolling") -> Begun:
    """What the first answer promised. No handle when there is nothing to wait for: no operation address, and the body
    says Succeeded. Raises one of the four kinds when the first answer says already that it failed."""
    response = _last_response(polling)
    if polling.finished():
        if polling.status().lower() == "succeeded":
            return Begun(handle=None)
        raise from_response(response.status_code, response.headers, text_of(response))
    handle = {
        "v": _HANDLE_VERSION,
        "op": operation,
        "args": list(args),
        "token": poller.continuation_token(),
    }
    return Begun(handle=json.dumps(handle, separators=(",", ":")), retry_after_s=retry_after(response.headers))


class ArmLongOperations:
    """`LongOperations` over the SDK's own polling algorithm (`AsyncARMPolling`), one step at a time.

    The algorithm reads `Azure-AsyncOperation`, else `Location`, else `provisioningState`; the GET it would send for
    the finished resource is left out, because callers look at the resource anyway.
    """

    def __init__(self, arm: "ArmClients") -> None:
        self._arm = arm

    async def poll(self, handle: str) -> Poll:
        from azure.core.polling.base_polling import BadResponse, BadStatus

        polling = self._restore(handle)
        if polling is None or polling.finished():
            return Poll(done=True)
        try:
            with translated():
                await polling.update_status()
        except BadStatus:
            return self._judge_status(polling)
        except BadResponse as error:
            raise RetryableError(UNREADABLE, "Azure's answer about an operation could not be read.") from error
        response = _last_response(polling)
        if not polling.finished():
            return Poll(done=False, retry_after_s=retry_after(response.headers))
        if polling.status().lower() == "succeeded":
            return Poll(done=True)
        return Poll(done=True, failure=_failure(polling.status(), response))

    def _restore(self, handle: str) -> "AsyncARMPolling | None":
        """The operation as it was when it was begun, or None when the handle cannot be read (any more)."""
        from azure.core.exceptions import AzureError
        from azure.core.polling import AsyncLROPoller

        polling = one_look_polling()
        try:
            document = json.loads(handle)
            if document["v"] != _HANDLE_VERSION:
                return None
            AsyncLROPoller.from_continuation_token(
                polling, document["token"], client=self._arm.bare(), deserialization_callback=lambda _: None
            )
        except (ValueError, KeyError, TypeError, AttributeError, AzureError):
            return None
        return polling

    def _judge_status(self, polling: "AsyncARMPolling") -> Poll:
        """A look that was not answered with 2xx: Azure forgot the operation, or it failed (a group delete ends in 409),
        or the look itself went wrong and says nothing about the operation."""
        response = _last_response(polling)
        status: int = response.status_code
        if status in _GONE:
            return Poll(done=True)
        error = from_response(status, response.headers, text_of(response))
        if status >= 500 or status in _LOOK_FAILED:
            if isinstance(error, RetryableError):
                raise error
            raise RetryableError(error.code, error.message, fix=error.fix)
        return Poll(done=True, failure=error)


def _failure(status: str, response: Any) -> HubletError:
    """Why the operation ended badly. Only the body of the poll says it; its HTTP status is 200."""
    body = text_of(response)
    if read_body(body).code is None:
        return RetryableError(f"AzureOperation{status.capitalize()}", f"Azure ended an operation as {status.lower()}.")
    return from_response(response.status_code, {}, body)


def _last_response(polling: "AsyncARMPolling") -> Any:
    """The answer the polling method looked at last. The SDK has no public way to it, and it alone holds the error."""
    return polling._pipeline_response.http_response
