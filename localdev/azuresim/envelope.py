"""Requests, answers and errors as Azure Resource Manager puts them on the wire, without any HTTP library.

Header names and the error envelope follow recorded traffic (Azure/azure-sdk-for-python, test recordings) and
https://github.com/microsoft/api-guidelines/blob/vNext/azure/Guidelines.md (error response body).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import format_datetime
from typing import Any, cast
from urllib.parse import parse_qsl

type Json = dict[str, Any]

JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Request:
    """One HTTP request; `query` is the raw string, because signed addresses are checked byte for byte."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The value of header `name`, in whatever case it was sent."""
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), None)

    def parameters(self) -> dict[str, str]:
        """Query parameters, decoded, names in lower case as ARM compares them."""
        return {key.lower(): value for key, value in parse_qsl(self.query, keep_blank_values=True)}


@dataclass(frozen=True)
class Response:
    """One HTTP answer.

    `delay_s` and `reset` come from injected faults and are carried out by whoever owns the connection: wait that long
    before answering, or break the connection without an answer.
    """

    status: int
    body: Json | bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    reset: bool = False

    def encoded(self) -> bytes:
        """The body as bytes."""
        if self.body is None:
            return b""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body, separators=(",", ":")).encode()

    def json(self) -> Json:
        """The body as JSON; empty when there is none."""
        return cast(Json, json.loads(self.body)) if isinstance(self.body, bytes) else (self.body or {})

    def with_headers(self, extra: Mapping[str, str]) -> "Response":
        """The same answer with more headers; those already there win."""
        return replace(self, headers={**extra, **self.headers})


class ArmError(Exception):
    """A refusal, answered as ``{"error": {...}}``.

    `gateway` marks what ARM itself refuses (``x-ms-failure-cause: gateway``) as opposed to a provider's own answer.
    `details` is left out of the body when it is None: compute omits it, network always sends a list.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        target: str | None = None,
        details: Sequence[Json] | None = None,
        gateway: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.target = target
        self.details = details
        self.gateway = gateway
        self.headers = dict(headers or {})

    def error(self) -> Json:
        """The inside of the envelope, as it also appears in a failed long-running operation."""
        error: Json = {"code": self.code, "message": self.message}
        if self.target is not None:
            error["target"] = self.target
        if self.details is not None:
            error["details"] = list(self.details)
        return error

    def response(self) -> Response:
        """The answer on the wire."""
        cause = {"x-ms-failure-cause": "gateway"} if self.gateway else {}
        return Response(self.status, {"error": self.error()}, {**self.headers, **cause})


def gateway_error(status: int, code: str, message: str, **extra: Any) -> ArmError:
    """An error of ARM itself, not of a resource provider."""
    return ArmError(status, code, message, gateway=True, **extra)


def timestamp(moment: datetime) -> str:
    """A moment as compute writes it, ``2025-11-18T21:17:56.273131+00:00``."""
    return moment.isoformat(timespec="microseconds")


def common_headers(now: datetime, request_id: str, client_request_id: str | None) -> dict[str, str]:
    """Headers of every ARM answer."""
    headers = {
        "Cache-Control": "no-cache",
        "Pragma": "no-cache",
        "Expires": "-1",
        "Date": format_datetime(now, usegmt=True),
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        "x-ms-request-id": request_id,
        "x-ms-correlation-request-id": request_id,
        "x-ms-routing-request-id": f"EASTUS:{now:%Y%m%dT%H%M%SZ}:{request_id}",
    }
    if client_request_id:
        headers["x-ms-client-request-id"] = client_request_id
    return headers
