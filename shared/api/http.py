"""What every HTTP handler has in common: identity of the request, authentication, errors, headers. No traceback leaves.

@endpoint(bp, edge, routes.HUB_GET)
async def hub_get(call: Call) -> Reply: ...
"""

import asyncio
import re
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import azure.functions as func

from shared import log
from shared.api import problems
from shared.api.prefer import Waits
from shared.api.problems import Mistake, Problem
from shared.api.routes import PREFIX, Access, Route
from shared.errors import CapacityError, ConcurrentUpdate, HubletError, RetryableError, RowTooNew, UserError
from shared.hubs.versions import DEFERRED_S

if TYPE_CHECKING:
    from shared.api.prices import PriceMemo
    from shared.app import App
    from shared.hubs.model import Principal

JSON = "application/json"

SECURITY_HEADERS: Mapping[str, str] = {
    "Cache-Control": "private, no-cache",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
}

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""W3C Trace Context, section 3.2: version 00; all-zero ids are invalid."""


def _random_hex() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True, kw_only=True)
class Edge:
    """What the HTTP functions of one process share. `app` may raise SettingsError; it is asked at the first request."""

    app: "Callable[[], App]"
    waits: Waits
    prices: "PriceMemo"
    random_hex: Callable[[], str] = _random_hex
    """32 hexadecimal digits, for request and trace ids."""

    @classmethod
    def over(cls, app: "Callable[[], App]") -> "Edge":
        """An edge with the process's real time."""
        from shared.api.prices import PriceMemo

        return cls(app=app, waits=Waits(asyncio.sleep), prices=PriceMemo())


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, authenticated. `base` is the scheme and host the caller used, without a slash at the end."""

    request: func.HttpRequest
    route: Route
    request_id: str
    traceparent: str
    base: str
    app_or_none: "App | None" = None
    principal_or_none: "Principal | None" = None

    @property
    def app(self) -> "App":
        assert self.app_or_none is not None, "anonymous routes ask the edge for the app themselves"
        return self.app_or_none

    @property
    def principal(self) -> "Principal":
        assert self.principal_or_none is not None, "an anonymous route has no principal"
        return self.principal_or_none

    @property
    def query(self) -> Mapping[str, str]:
        return dict(self.request.params)

    def header(self, name: str) -> str | None:
        value = self.request.headers.get(name)
        return None if value is None else str(value)

    def path_part(self, name: str) -> str:
        return str(self.request.route_params.get(name, ""))

    def url(self, path: str) -> str:
        """Absolute address of a path below `/api`."""
        return f"{self.base}{PREFIX}/{path}"

    def document(self) -> dict[str, Any]:
        """The JSON object of the body. Raises Problem."""
        from shared.api.body import read_object

        return read_object(self.request.get_body() or b"", self.request.headers, types=self.route.body_types)


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, status: int, document: object, headers: Mapping[str, str] | None = None) -> "Reply":
        return cls(status, problems.json_bytes(document), JSON, headers or {})


type Handler = Callable[[Call], Awaitable[Reply]]


def endpoint(bp: func.Blueprint, edge: Edge, route: Route) -> Callable[[Handler], Handler]:
    """Registers a handler as the function `route.name`. The platform's own keys are not used: `auth.py` decides."""

    def register(handler: Handler) -> Handler:
        async def function(req: func.HttpRequest) -> func.HttpResponse:
            return await serve(edge, route, handler, req)

        function.__name__ = route.name
        decorate = bp.route(route=route.path, methods=[route.method], auth_level=func.AuthLevel.ANONYMOUS)
        bp.function_name(route.name)(decorate(function))
        return handler

    return register


async def serve(edge: Edge, route: Route, handler: Handler, request: func.HttpRequest) -> func.HttpResponse:
    """Runs a handler; whatever happens, the caller gets an answer of this API."""
    request_id = _taken_or(request.headers.get("x-request-id"), _REQUEST_ID, edge.random_hex)
    made = f"00-{edge.random_hex()}-{edge.random_hex()[:16]}-01"
    traceparent = _taken_or(request.headers.get("traceparent"), _TRACEPARENT, lambda: made)
    parts = urlsplit(request.url)
    call = Call(
        request=request,
        route=route,
        request_id=request_id,
        traceparent=traceparent,
        base=f"{parts.scheme}://{parts.netloc}",
    )
    with log.bound(request_id=request_id, traceparent=traceparent, route=f"{route.method} /{route.path}"):
        try:
            async with asyncio.timeout(route.timeout_s):
                reply = await _run(edge, call, handler)
        except Exception as error:
            problem = as_problem(error)
            rendered = problems.render(problem, instance=parts.path, request_id=request_id, jitter=_jitter(edge))
            reply = Reply(rendered.status, rendered.body, problems.MEDIA_TYPE, rendered.headers)
            if route.page:
                reply = _as_page(problem, reply)
    return _response(call, reply)


async def _run(edge: Edge, call: Call, handler: Handler) -> Reply:
    from dataclasses import replace

    route = call.route
    if route.access is Access.ANONYMOUS:
        check_query(call)
        return await handler(call)
    from shared.api.auth import authenticate

    app = edge.app()
    principal = await authenticate(app, call.header("authorization"))
    if route.access is Access.ADMIN and not principal.is_admin:
        raise Problem("Forbidden")
    check_query(call)
    if route.secret and call.header("idempotency-key") is not None:
        raise Problem("IdempotencyKeyNotAllowed")
    with log.bound(caller=principal.owner):
        return await handler(replace(call, app_or_none=app, principal_or_none=principal))


def check_query(call: Call) -> None:
    """Unknown parameters are refused: a misspelt `validateOnly` must not create a hub. Raises Problem."""
    known = {query.name for query in call.route.query}
    unknown = sorted(str(name)[:64] for name in call.request.params if name not in known)
    if unknown:
        mistakes = [Mistake(f"?{name}", "UnknownField", "This route has no such parameter.") for name in unknown]
        raise Problem("InvalidParameter", "A parameter is not known.", errors=mistakes)


def as_problem(error: Exception) -> Problem:
    """The answer for an exception; what only we may know goes to the log instead."""
    if isinstance(error, Problem):
        return error
    from shared.settings import SettingsError

    if isinstance(error, SettingsError):
        log.error("settings_invalid", problems=error.problems)
        return Problem("ServiceMisconfigured", "This service's settings are incomplete or wrong.", retry_after_s=60)
    if isinstance(error, TimeoutError):
        log.warning("request_timed_out")
        return Problem("TimedOut", "Storage did not answer in time; whether it was done is not known.")
    if isinstance(error, HubletError):
        return _of_hublet_error(error)
    log.error("unhandled_exception", kind=type(error).__name__)
    return Problem("InternalError", "The request failed because of a bug or an impossible state.")


def _as_page(problem: Problem, reply: Reply) -> Reply:
    """The same error for a person with a browser."""
    from shared.api import action_page

    headers = {name: value for name, value in reply.headers.items() if name.lower() != "content-type"}
    body = action_page.told(problem.entry.title, problem.detail, problem.fix)
    return Reply(reply.status, body, action_page.MEDIA_TYPE, {**headers, **action_page.HEADERS})


TOO_NEW = "This was written by a newer version of the service, and an older one answered. Nothing of it is lost."
"""While a deployment is under way, or after a roll-back by more than one version."""


def _of_hublet_error(error: HubletError) -> Problem:
    if isinstance(error, UserError):
        code = error.code if error.code in problems.CODES else "InvalidRequest"
        mistakes = [Mistake(error.pointer, error.code, error.message)] if error.pointer else []
        if code != error.code and not mistakes:
            mistakes = [Mistake("", error.code, error.message)]
        return Problem(code, error.message, fix=error.fix, errors=mistakes)
    if isinstance(error, ConcurrentUpdate):
        return Problem("Busy", "Somebody else changed the same thing at this moment.", retry_after_s=1)
    if isinstance(error, RetryableError):
        log.warning("dependency_unavailable", code=error.code, detail=error.message)
        code = error.code if error.code in problems.CODES else "TemporarilyUnavailable"
        return Problem(code, error.message, fix=error.fix, retry_after_s=error.retry_after_s)
    if isinstance(error, CapacityError):
        return Problem("NoCapacity", error.message, fix=error.fix, retry_after_s=300)
    if isinstance(error, RowTooNew):
        log.error("row_too_new", detail=error.message)
        return Problem("TemporarilyUnavailable", TOO_NEW, retry_after_s=DEFERRED_S)
    log.error("fatal_error", code=error.code, detail=error.message)
    return Problem("InternalError", "The request failed because of a bug or an impossible state.")


def _jitter(edge: Edge) -> float:
    return int(edge.random_hex()[:8], 16) / 2**32


def _taken_or(value: object, pattern: re.Pattern[str], make: Callable[[], str]) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else make()


def _response(call: Call, reply: Reply) -> func.HttpResponse:
    headers = {**SECURITY_HEADERS, "x-request-id": call.request_id, "traceparent": call.traceparent}
    if call.route.secret or reply.status >= 400:
        headers["Cache-Control"] = "no-store"
    if reply.status not in (204, 304):
        headers["Content-Type"] = reply.content_type
    headers.update(reply.headers)  # also other security headers than usual, for pages
    body = b"" if call.request.method == "HEAD" else reply.body
    return func.HttpResponse(body, status_code=reply.status, headers=headers, mimetype=reply.content_type)
