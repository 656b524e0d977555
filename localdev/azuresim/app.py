"""The simulator behind HTTPS, and its identity endpoint behind plain HTTP, as in an Azure Functions sandbox."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from localdev.azuresim.envelope import JSON_TYPE, Request, Response
from localdev.azuresim.simulator import Simulator
from localdev.azuresim.tls import CertificateAuthority

#: The longest ARM request is a VM PUT with 64 KiB of custom data in Base64.
_MAX_BODY = 4 * 1024 * 1024

#: Without anything due, look again this often: the clock may be moved from elsewhere.
_IDLE_S = 1.0

type _Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Serves one :class:`Simulator` on loopback until closed.

    Args:
        simulator: what answers.
        authority: signs the server's certificate for `host`, 127.0.0.1 and localhost.
        state_dir: takes ``ca.pem`` and the server's key.
    """

    def __init__(self, simulator: Simulator, authority: CertificateAuthority, state_dir: Path) -> None:
        self._simulator = simulator
        self._authority = authority
        self._state_dir = state_dir
        self._runners: list[web.AppRunner] = []
        self._pump: asyncio.Task[None] | None = None
        self._asked = asyncio.Event()
        self.arm_url = ""
        self.identity_url = ""
        self.ca_file = state_dir / "ca.pem"

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Bind both ports (0 = chosen by the system) and begin to serve."""
        names = sorted({host, "127.0.0.1", "localhost"})
        self.ca_file, certificate, key = self._authority.write_server_files(self._state_dir, names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        arm_port = await self._serve(self._arm, host, port, context)
        identity_port = await self._serve(self._identity, host, 0, None)
        self.arm_url = f"https://{host}:{arm_port}"
        self.identity_url = f"http://{host}:{identity_port}/msi/token"
        self._simulator.served_at(self.arm_url)
        self._pump = asyncio.create_task(self._keep_settling())

    async def close(self) -> None:
        """Stop serving and stop every virtual machine; doing it twice does nothing."""
        if self._pump is not None:
            self._pump.cancel()
            with suppress(asyncio.CancelledError):
                await self._pump
            self._pump = None
        for runner in self._runners:
            await runner.cleanup()
        self._runners.clear()
        await self._simulator.close()

    async def _serve(self, handler: _Handler, host: str, port: int, context: ssl.SSLContext | None) -> int:
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, host, port, ssl_context=context).start()
        address = runner.addresses[0]
        return int(address[1])

    async def _keep_settling(self) -> None:
        # Operations end and machines boot at their time, also when nobody polls.
        while True:
            await self._simulator.settle()
            due = self._simulator.services.operations.next_due()
            wait_s = _IDLE_S if due is None else (due - self._simulator.clock.now()).total_seconds()
            self._asked.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(_IDLE_S, max(0.01, wait_s))):
                    await self._asked.wait()

    async def _arm(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        # The raw path and query: signed addresses are compared byte for byte.
        path, _, query = request.raw_path.partition("?")
        response = await self._simulator.handle(request.method, path, query, dict(request.headers), body)
        self._asked.set()  # it may have begun something that is due sooner than what was waited for
        if response.delay_s:
            await self._simulator.clock.sleep(response.delay_s)
        if response.reset and request.transport is not None:
            request.transport.abort()
        return _answer(response, request.method)

    async def _identity(self, request: web.Request) -> web.StreamResponse:
        if request.method != "GET" or request.path.rstrip("/") != "/msi/token":
            return web.Response(status=404)
        asked = Request("GET", request.path, request.rel_url.raw_query_string, dict(request.headers))
        return _answer(self._simulator.identity.answer(asked), "GET")


def _answer(response: Response, method: str) -> web.Response:
    body = b"" if method == "HEAD" else response.encoded()
    headers = dict(response.headers)
    if response.body is not None:
        headers.setdefault("Content-Type", JSON_TYPE)
    return web.Response(status=response.status or 500, body=body, headers=headers)
