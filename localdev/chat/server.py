"""The pretended Slack and Teams behind one HTTPS port of this machine."""

import asyncio
import base64
import json
import secrets
import ssl
from collections import deque
from collections.abc import Awaitable, Callable

from aiohttp import web

from localdev.chat.driver import Driver, Json
from localdev.chat.faults import Fault, Faults
from localdev.chat.people import People
from localdev.chat.sender import Sender
from localdev.chat.slack import SlackHttp
from localdev.chat.teams import LOCAL, Teams
from localdev.chat.workspace import Workspace
from shared.clock import Clock

_MAX_BODY = 4 * 1024 * 1024
_KEPT = 10_000

type _Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ChatServer:
    """Secrets are made anew with each one."""

    def __init__(self, clock: Clock) -> None:
        self.signing_secret = secrets.token_hex(16)
        self.bot_token = f"xoxb-{secrets.randbelow(10**12)}-{secrets.token_hex(12)}"
        self.security_token = base64.b64encode(secrets.token_bytes(32)).decode()
        self.base = ""
        self._clock = clock
        self._faults = Faults()
        self.workspace = Workspace(clock)
        self.teams = Teams(clock)
        self._sender = Sender(clock, self.signing_secret, self.security_token)
        self._people = People(self.workspace, self.teams, self._sender, clock)
        self._received: deque[Json] = deque(maxlen=_KEPT)
        self._runner: web.AppRunner | None = None

    async def start(self, context: ssl.SSLContext, host: str = "127.0.0.1", port: int = 0) -> None:
        """Bind (0 = any port) and serve."""
        app = web.Application(client_max_size=_MAX_BODY)
        slack = SlackHttp(self.workspace, self.bot_token)
        for verb in ("GET", "POST"):  # Slack's methods take both
            app.router.add_route(verb, "/api/{method}", self._watched("slack", slack.api))
        app.router.add_post("/hooks/{kind:commands|actions}/{id:.+}", self._watched("slack", slack.hook))
        app.router.add_post("/workflows/{name}", self._watched("teams", self.teams.workflow))
        driver = Driver(
            self.workspace, self.teams, self._people, self._sender, self._faults, self._clock, self._received
        )
        driver.add_to(app.router)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port, ssl_context=context).start()
        self.base = f"https://{host}:{self._runner.addresses[0][1]}"
        self._people.base = self.base

    async def close(self) -> None:
        """Twice does nothing."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    def facts(self) -> dict[str, str]:
        """What the app must be told."""
        return {
            "chat": self.base,
            "slackApi": f"{self.base}/api",
            "slackSigningSecret": self.signing_secret,
            "slackBotToken": self.bot_token,
            "teamsSecurityToken": self.security_token,
            "teamsWebhook": self.base + self.teams.path(LOCAL),
        }

    def _watched(self, platform: str, answer: _Handler) -> _Handler:
        """With the faults in force; every request is noted with how it ended (status 0: the connection was broken)."""

        async def handle(request: web.Request) -> web.StreamResponse:
            at = self._clock.now()
            fault = self._faults.strike(platform, at)
            response = await _with(fault, request, answer)
            status = 0 if response is None else response.status
            noted = {"at": at.isoformat(), "path": request.path, "status": status, "error": _error_in(response)}
            self._received.append(noted)
            if response is None:
                if request.transport is not None:
                    request.transport.abort()
                return web.Response(status=500)
            return response

        return handle


def _error_in(response: web.StreamResponse | None) -> str:
    """Slack's own word in an answer, which is a 200 like any other."""
    if isinstance(response, web.Response) and response.content_type == "application/json":
        error = json.loads(response.text or "{}").get("error", "")
        return str(error.get("code", "")) if isinstance(error, dict) else str(error)
    return ""


async def _with(fault: Fault | None, request: web.Request, answer: _Handler) -> web.StreamResponse | None:
    """None = the connection is to be broken."""
    if fault is None:
        return await answer(request)
    match fault.kind:
        case "down":
            return None
        case "lost":
            await answer(request)
            return None
        case "slow":
            response = await answer(request)
            await asyncio.sleep(fault.delay_s)
            return response
        case "429":
            body = {"ok": False, "error": "ratelimited"}
            return web.json_response(body, status=429, headers={"Retry-After": str(fault.retry_after)})
        case "200":
            await answer(request)
            return web.Response(status=200, text="1")
        case status:
            return web.Response(status=int(status), text="Injected fault.")
