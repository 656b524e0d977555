"""The host's own endpoints: `/admin/host/status`, `/admin/host/ping`, `POST /admin/functions/{name}`.

Shapes as in the Functions host (https://learn.microsoft.com/azure/azure-functions/functions-manually-run-non-http).
Master keys are not enforced, as with `func start`; the host listens on loopback only.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from localdev.host.functions import Function, HttpTrigger
from shared.clock import Clock

type RunByHand = Callable[[Function, str], Awaitable[None]]
"""Runs a queue or timer function with the given input text."""


class AdminApi:
    def __init__(
        self, functions: Mapping[str, Function], run_by_hand: RunByHand, host_id: str, version: str, clock: Clock
    ) -> None:
        self._functions = functions
        self._run_by_hand = run_by_hand
        self._host_id = host_id
        self._version = version
        self._clock = clock
        self._started = clock.now()
        self._running: set[asyncio.Task[None]] = set()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/", self._home),
            web.get("/admin/host/status", self._status),
            web.get("/admin/host/ping", self._ping),
            web.post("/admin/host/ping", self._ping),
            web.get("/admin/functions", self._list),
            web.post("/admin/functions/{name}", self._run),
        ]

    async def _home(self, _request: web.Request) -> web.Response:
        return web.Response(status=204)

    async def _ping(self, _request: web.Request) -> web.Response:
        return web.Response()

    async def _status(self, _request: web.Request) -> web.Response:
        uptime = self._clock.now() - self._started
        return web.json_response(
            {
                "id": self._host_id,
                "state": "Running",
                "version": self._version,
                "versionDetails": "Hublet local Functions host",
                "instanceId": f"{self._host_id}-{id(self):x}",
                "processUptime": round(uptime.total_seconds() * 1000),
                "functionAppContentEditingState": "NotAllowed",
            }
        )

    async def _list(self, _request: web.Request) -> web.Response:
        return web.json_response([{"name": name} for name in sorted(self._functions)])

    async def _run(self, request: web.Request) -> web.Response:
        """202 at once, the run goes on behind; 404 unknown function, 400 for a body that is not `{"input": "..."}`."""
        function = self._functions.get(request.match_info["name"])
        if function is None:
            return web.Response(status=404)
        body = await request.read()
        try:
            parsed = json.loads(body) if body else {}
            text = str(parsed.get("input") or "")
        except (ValueError, AttributeError):
            return web.Response(status=400)
        if isinstance(function.trigger, HttpTrigger):
            return web.Response(status=400, text="call an HTTP function by its own route")
        task = asyncio.ensure_future(self._run_by_hand(function, text))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return web.Response(status=202)
