"""The pretended Slack and Teams in this process, a driver for them, and an app that a test plays."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from localdev.chat.server import ChatServer
from tests.support.clock import FakeClock
from tests.support.small_ca import SmallCa

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Got:
    """A request to the played app. Header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


type Played = Callable[[Got], web.Response]


@dataclass
class Chat:
    """`app`: what the played app answers; `api`: where it is."""

    server: ChatServer
    clock: FakeClock
    trust: ssl.SSLContext
    ca: Path
    session: aiohttp.ClientSession
    api: str = ""
    app: Played = lambda _: web.Response()
    got: list[Got] = field(default_factory=list)

    async def drive(self, path: str, document: dict[str, Any], expect: int = 200) -> dict[str, Any]:
        async with self.session.post(f"{self.server.base}/_chat/{path}", json=document) as answer:
            assert answer.status == expect, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    async def look(self, path: str) -> dict[str, Any]:
        async with self.session.get(f"{self.server.base}/_chat/{path}") as answer:
            assert answer.status == 200, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    async def messages(self, path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.look(path))["messages"]
        return found


@asynccontextmanager
async def running_chat(folder: Path) -> AsyncIterator[Chat]:
    authority = SmallCa(folder)
    clock = FakeClock(NOW)
    server = ChatServer(clock)
    await server.start(authority.server("127.0.0.1", "localhost"))
    trust = ssl.create_default_context(cafile=authority.file)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session:
        chat = Chat(server, clock, trust, authority.file, session)

        async def play(request: web.Request) -> web.Response:
            headers = {name.lower(): value for name, value in request.headers.items()}
            got = Got(request.path, headers, await request.read())
            chat.got.append(got)
            return chat.app(got)

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", play)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        chat.api = f"http://127.0.0.1:{runner.addresses[0][1]}/api"
        await chat.drive("app", {"url": chat.api})
        try:
            yield chat
        finally:
            await runner.cleanup()
            await server.close()
