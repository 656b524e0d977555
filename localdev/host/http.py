"""The HTTP front: turns a request into an HTTP trigger's value and the function's answer into a response.

Copied from the Functions host: header names in lower case, several values of one name joined by a comma, entries with
an empty value dropped, route values apart from the query, an unhandled exception is an empty 500, a body over 100 MiB
is 413, no route or no matching method an empty 404. Keys are not enforced, as with `func start`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from aiohttp import hdrs, web

from localdev.host import report
from localdev.host.routes import Match, RouteTable
from localdev.host.settings import REQUEST_BODY_LIMIT_BYTES
from localdev.host.worker import Outcome, bytes_datum, http_datum, text_datum

type Invoke = Callable[[Match, Any, str], Awaitable[Outcome]]
"""Runs a matched function with the HTTP value and the `traceparent` header."""

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "content-length"})


def join_values(pairs: Iterable[tuple[str, str]], *, lower: bool) -> dict[str, Any]:
    """One Datum per name; values in order, joined by a comma; empty ones dropped."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name.lower() if lower else name, []).append(value)
    joined = {name: ",".join(parts) for name, parts in values.items()}
    return {name: text_datum(value) for name, value in joined.items() if value}


async def to_value(request: web.BaseRequest, match: Match) -> Any:
    """Raises HTTPRequestEntityTooLarge."""
    return http_datum(
        {
            "method": text_datum(request.method),
            "url": text_datum(str(request.url)),
            "headers": join_values(request.headers.items(), lower=True),
            "query": join_values(request.query.items(), lower=False),
            "params": {name: text_datum(value) for name, value in match.values.items()},
            "body": bytes_datum(await request.read()),
        }
    )


def to_response(outcome: Outcome) -> web.Response:
    """What the host makes of a function's outcome."""
    if not outcome.ok:
        return web.Response(status=500)
    value = outcome.value
    if value is None or value.type is None:
        return web.Response(status=204)
    if value.type == "string":
        return web.Response(text=value.value)
    if value.type != "http":
        return web.Response(status=500)
    answer: Mapping[str, Any] = value.value
    response = web.Response(status=int(answer["status_code"].value), body=answer["body"].value or b"")
    for name, datum in answer["headers"].items():
        if name.lower() not in _HOP_BY_HOP:
            response.headers[name] = datum.value
    for cookie in answer["cookies"] or ():
        for morsel in cookie.values():
            response.headers.add(hdrs.SET_COOKIE, morsel.OutputString())
    return response


class HttpFront:
    """Serves an app's HTTP functions. `limit_s`: when the platform's load balancer gives up on a response."""

    def __init__(self, routes: RouteTable, invoke: Invoke, limit_s: float) -> None:
        self._routes = routes
        self._invoke = invoke
        self._limit_s = limit_s
        self._orphans: set[asyncio.Task[Outcome]] = set()

    def application(self, admin: Iterable[web.RouteDef]) -> web.Application:
        """The admin routes come first; the rest belongs to the app."""
        application = web.Application(client_max_size=REQUEST_BODY_LIMIT_BYTES)
        application.add_routes(admin)
        application.router.add_route("*", "/{tail:.*}", self.handle)
        return application

    async def handle(self, request: web.Request) -> web.Response:
        match = self._routes.find(request.method, request.rel_url.raw_path)
        if match is None:
            return web.Response(status=404)
        loop = asyncio.get_running_loop()
        started = loop.time()
        value = await to_value(request, match)
        task = asyncio.ensure_future(self._run(match, value, request.headers.get("traceparent", "")))
        await asyncio.wait({task}, timeout=self._limit_s)
        if task.done():
            outcome = task.result()
            response = to_response(outcome)
        else:
            # The front end answers and forgets; the function runs on, and what it returns goes nowhere.
            self._orphans.add(task)
            task.add_done_callback(self._orphans.discard)
            outcome = Outcome(ok=False, error=f"no answer within {self._limit_s:g} s; it runs on")
            response = web.Response(status=504)
        said = str(response.status) if outcome.ok else f"{response.status} {outcome.error}"
        took = timedelta(seconds=loop.time() - started)
        report.invocation(match.function.name, f"{request.method} {request.path}", took, said)
        return response

    async def _run(self, match: Match, value: Any, trace_parent: str) -> Outcome:
        return await self._invoke(match, value, trace_parent)
