"""The stand-in for JupyterHub answers our own adapters as JupyterHub does: passwords, tokens and scopes, kernels."""

import asyncio
import dbm
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import bcrypt
import pytest
from aiohttp import web

from localdev.azuresim.vm.processes import here
from localdev.ports import unused_port
from shared.adapters.hub_http import BrowserHubHttp
from shared.errors import RetryableError
from shared.onvm.agent.services import snippet
from shared.steps.configure import ACCEPTANCE_SCOPES, ACCEPTANCE_SERVICE, SERVICE, SERVICE_SCOPES
from tests.support.builders import some_settings
from tests.support.fake_vm import FakeReach
from tests.support.real_hub import HUBENV

PASSWORD = "a-long-enough-password"
TOKENS = {SERVICE: "s" * 40, ACCEPTANCE_SERVICE: "a" * 40}


@dataclass
class Running:
    url: str
    session: aiohttp.ClientSession
    routes: list[str]
    http: BrowserHubHttp

    async def api(self, service: str, method: str, path: str, body: object = None) -> int:
        headers = {"Authorization": f"token {TOKENS.get(service, service)}"}
        async with self.session.request(method, f"{self.url}hub/api{path}", json=body, headers=headers) as answer:
            return answer.status


def prepare(root: Path) -> None:
    """The disk as our agent leaves it."""
    tljh = root / "opt" / "tljh"
    snippets, state = tljh / "config" / "jupyterhub_config.d", tljh / "state"
    for directory in (snippets, state):
        directory.mkdir(parents=True)
    scopes = {SERVICE: SERVICE_SCOPES, ACCEPTANCE_SERVICE: ACCEPTANCE_SCOPES}
    for name, token in TOKENS.items():
        token_file = state / f"{name}.token"
        token_file.write_text(f"{token}\n")
        written = snippet(name, list(scopes[name])).decode().splitlines()
        written[1] = f"with open({str(token_file)!r}) as token_file:"
        (snippets / f"50-{name}.py").write_text("\n".join(written) + "\n")
    with dbm.open(str(state / "passwords.dbm"), "c", 0o600) as passwords:
        passwords["ada"] = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4))


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    prepare(tmp_path)
    routes: list[str] = []

    async def proxy(request: web.Request) -> web.Response:
        routes.append((await request.json())["target"])
        return web.Response(status=201)

    application = web.Application()
    application.router.add_post("/api/routes/", proxy)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = unused_port()
    settings = {
        "root": str(tmp_path),
        "address": "127.0.0.1",
        "hubPort": port,
        "proxyApi": f"http://127.0.0.1:{runner.addresses[0][1]}",
        "proxySecret": "p" * 32,
    }
    (tmp_path / "hub.json").write_text(json.dumps(settings))
    process = await asyncio.create_subprocess_exec(
        str(HUBENV / "python"), str(here("small_hub.py")), str(tmp_path / "hub.json")
    )
    url = f"http://127.0.0.1:{port}/"
    async with aiohttp.ClientSession() as session:
        async with asyncio.timeout(20):
            while not routes:
                await asyncio.sleep(0.05)
        yield Running(url, session, routes, BrowserHubHttp(FakeReach({}), some_settings()))
    process.terminate()
    assert await process.wait() == 0
    await runner.cleanup()


async def test_it_sends_the_proxy_to_itself_and_says_its_version(running: Running) -> None:
    assert running.routes == [running.url.rstrip("/")]
    assert await running.http.api_version(running.url) == "5.0.0"


async def test_a_person_with_the_right_password_starts_a_server_and_computes(running: Running) -> None:
    assert await running.api(ACCEPTANCE_SERVICE, "POST", "/users", {"usernames": ["ada"]}) == 201
    assert await running.api(ACCEPTANCE_SERVICE, "POST", "/users", {"usernames": ["ada"]}) == 409
    assert await running.http.start_server(running.url, "ada", PASSWORD)
    assert await running.http.compute_in_kernel(running.url, "ada", PASSWORD, "6 * 7") == "42\n"
    with pytest.raises(RetryableError) as refused:
        await running.http.compute_in_kernel(running.url, "ada", PASSWORD, "6 + 7")
    assert refused.value.code == "HubKernelFailed"


async def test_a_wrong_password_and_a_person_who_is_none_are_refused(running: Running) -> None:
    with pytest.raises(RetryableError) as none:
        await running.http.start_server(running.url, "ada", PASSWORD)
    assert await running.api(ACCEPTANCE_SERVICE, "POST", "/users", {"usernames": ["ada"]}) == 201
    with pytest.raises(RetryableError) as wrong:
        await running.http.start_server(running.url, "ada", PASSWORD + "x")
    assert none.value.code == wrong.value.code == "HubLoginRefused"


async def test_a_token_may_do_what_its_scopes_say_and_nothing_else(running: Running) -> None:
    assert await running.api(SERVICE, "POST", "/users", {"usernames": ["ada"]}) == 403
    assert await running.api(SERVICE, "GET", "/users?state=active") == 200
    assert await running.api(ACCEPTANCE_SERVICE, "GET", "/users?state=active") == 403
    assert await running.api("nobody's", "GET", "/users?state=active") == 403
    assert await running.api(ACCEPTANCE_SERVICE, "DELETE", "/users/ada/server") == 404
    assert await running.api(ACCEPTANCE_SERVICE, "DELETE", "/users/ada") == 404
