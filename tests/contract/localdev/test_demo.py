"""`./dev up` as a caller of the public API, against a small stand-in that answers as API.md says."""

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from localdev.demo import DEMO, DEMO_REQUEST, DemoFailed, HubApi, describe, follow
from localdev.progress import LineDisplay


class StandIn:
    """A hub that walks through `states`, one per poll; busy for the first `busy` requests."""

    def __init__(self, *states: dict[str, Any], busy: int = 0) -> None:
        self.states = list(states)
        self.busy = busy
        self.created: list[dict[str, Any]] = []
        self.keys: set[str] = set()
        self.version = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.post("/api/hubs", self.create),
                web.get("/api/hubs/{name}", self.get),
                web.get("/api/hubs/{name}/log", self.log),
                web.post("/api/hubs/{name}/admin-password", self.password),
            ]
        )
        return app

    async def create(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer token"
        self.keys.add(request.headers["Idempotency-Key"])
        if self.busy:
            self.busy -= 1
            return web.json_response({"code": "Busy"}, status=503, headers={"Retry-After": "0"})
        self.created.append(await request.json())
        return web.json_response({"name": DEMO}, status=202)

    async def get(self, request: web.Request) -> web.Response:
        assert request.headers["Prefer"] == "wait=25"
        etag = f'W/"{self.version}"'
        if self.version == len(self.states) and request.headers.get("If-None-Match") == etag:
            await asyncio.sleep(0.05)
            return web.Response(status=304, headers={"ETag": etag})
        self.version = min(self.version + 1, len(self.states))
        return web.json_response(self.states[self.version - 1], headers={"ETag": f'W/"{self.version}"'})

    async def log(self, request: web.Request) -> web.Response:
        return web.Response(
            text="Granting passwordless sudo\nSetting up user environment\n", headers={"Next-Offset": "9"}
        )

    async def password(self, _request: web.Request) -> web.Response:
        return web.json_response({"adminUser": "jaydoe", "password": "secret", "url": "http://127.77.1.4/"})


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


class Server:
    def __init__(self, stand_in: StandIn) -> None:
        self._runner = web.AppRunner(stand_in.app())

    async def __aenter__(self) -> str:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/api"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


def hub(state: str, stage: str, percent: int) -> dict[str, Any]:
    return {"name": DEMO, "state": state, "reason": None, "progress": {"stage": stage, "percent": percent}}


async def test_a_hub_is_followed_until_it_is_ready(session: aiohttp.ClientSession) -> None:
    stand_in = StandIn(hub("accepted", "", 0), hub("installing", "install", 40), hub("ready", "lock", 100), busy=2)
    out = io.StringIO()
    async with Server(stand_in) as base:
        api = HubApi(session, base, "token")
        await api.create(DEMO_REQUEST)
        seen = await follow(api, DEMO, LineDisplay(out), lambda: None, 10)
        password = await api.admin_password(DEMO)
    assert stand_in.created == [DEMO_REQUEST]
    assert len(stand_in.keys) == 1
    assert seen["state"] == "ready"
    assert password is not None
    assert password["password"] == "secret"
    assert "100 %  ready" in out.getvalue()


async def test_a_failed_hub_ends_the_wait_with_its_reason(session: aiohttp.ClientSession) -> None:
    failed = {**hub("failed", "install", 40), "reason": {"code": "InstallerFailed", "message": "exit code 1"}}
    async with Server(StandIn(failed)) as base:
        seen = await follow(HubApi(session, base, "token"), DEMO, LineDisplay(io.StringIO()), lambda: None, 10)
    assert "InstallerFailed" in describe(seen)


async def test_a_hub_that_hangs_is_given_up(session: aiohttp.ClientSession) -> None:
    async with Server(StandIn(hub("provisioning", "machine", 10))) as base:
        api = HubApi(session, base, "token")
        with pytest.raises(DemoFailed, match=r"not ready within 0\.5 s.*provisioning"):
            await follow(api, DEMO, LineDisplay(io.StringIO()), lambda: None, 0.5)


async def test_a_dead_child_ends_the_wait(session: aiohttp.ClientSession) -> None:
    def check() -> None:
        raise RuntimeError("host ended")

    async with Server(StandIn(hub("provisioning", "machine", 10))) as base:
        api = HubApi(session, base, "token")
        with pytest.raises(RuntimeError, match="host ended"):
            await follow(api, DEMO, LineDisplay(io.StringIO()), check, 10)


async def test_a_refusal_is_shown_in_the_apis_own_words(session: aiohttp.ClientSession) -> None:
    async with Server(StandIn(hub("accepted", "", 0))) as base:
        with pytest.raises(DemoFailed, match="404"):
            await HubApi(session, base + "/elsewhere", "token").create(DEMO_REQUEST)
