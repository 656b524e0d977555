"""The browser against a real JupyterHub: what a person does to find out that a hub works."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from shared.adapters.hub_http import BrowserHubHttp
from shared.adapters.reach import IdentityReach
from shared.errors import RetryableError
from shared.hubs.ports import Endpoint
from shared.steps.configure import ACCEPTANCE_SERVICE, SERVICE
from tests.support.builders import some_settings
from tests.support.fake_vm import FakeReach
from tests.support.real_hub import RealHub, running_hub
from tests.support.small_ca import SmallCa

PASSWORD = "probe-Lauf-2348"
NAME = "hub.example.org"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealHub]:
    with running_hub(tmp_path_factory.mktemp("hub")) as running:
        running.add_person("ada", PASSWORD)
        yield running


@pytest.fixture
def http() -> BrowserHubHttp:
    return BrowserHubHttp(IdentityReach(), some_settings())


async def start(http: BrowserHubHttp, url: str, user: str = "ada") -> None:
    deadline = time.monotonic() + 120
    while not await http.start_server(url, user, PASSWORD):
        assert time.monotonic() < deadline, "the server did not become ready"


async def code_of(awaitable) -> str:
    with pytest.raises(RetryableError) as caught:
        await awaitable
    return caught.value.code


async def test_the_version_of_a_hub_that_answers(hub: RealHub, http: BrowserHubHttp):
    assert await http.api_version(hub.url) == "5.5.4"


async def test_login_server_and_kernel_compute_through_the_public_url(hub: RealHub, http: BrowserHubHttp):
    await start(http, hub.url)
    printed = await http.compute_in_kernel(hub.url, "ada", PASSWORD, "1234567 * 7654321")
    assert printed.strip() == str(1234567 * 7654321)


async def test_starting_a_server_that_runs_changes_nothing(hub: RealHub, http: BrowserHubHttp):
    await start(http, hub.url)
    _, before = hub.api(SERVICE, "GET", "/users?state=ready")
    assert await http.start_server(hub.url, "ada", PASSWORD) is True
    _, after = hub.api(SERVICE, "GET", "/users?state=ready")
    assert [user["servers"][""]["started"] for user in before] == [  # type: ignore[attr-defined]
        user["servers"][""]["started"]
        for user in after  # type: ignore[attr-defined]
    ]


async def test_a_wrong_password_is_a_refused_login(hub: RealHub, http: BrowserHubHttp):
    assert await code_of(http.start_server(hub.url, "ada", "not-the-password")) == "HubLoginRefused"
    assert await code_of(http.start_server(hub.url, "nobody", PASSWORD)) == "HubLoginRefused"


async def test_code_that_fails_is_a_failed_kernel(hub: RealHub, http: BrowserHubHttp):
    await start(http, hub.url)
    assert await code_of(http.compute_in_kernel(hub.url, "ada", PASSWORD, "1 / 0")) == "HubKernelFailed"


async def test_a_kernel_without_a_server_fails(hub: RealHub, http: BrowserHubHttp):
    hub.add_person("grace", PASSWORD)
    assert await code_of(http.compute_in_kernel(hub.url, "grace", PASSWORD, "1 + 1")) == "HubServerFailed"


async def test_a_name_is_reached_where_the_look_up_says(hub: RealHub):
    port = int(hub.url.rstrip("/").rpartition(":")[2])
    reach = FakeReach({(NAME, 80): Endpoint(address="127.0.0.1", port=port, local_address="127.0.0.1")})
    http = BrowserHubHttp(reach, some_settings())
    assert await http.api_version(f"http://{NAME}:{port}/") == "5.5.4"
    await start(http, f"http://{NAME}:{port}/")


@asynccontextmanager
async def tls_in_front_of(hub: RealHub, context: ssl.SSLContext) -> AsyncIterator[int]:
    """Ends TLS and passes the bytes on, as a hub's proxy does. Yields the port."""
    host, _, port = hub.url.removeprefix("http://").rstrip("/").rpartition(":")

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_the_same_over_https_by_name_and_only_with_a_trusted_certificate(hub: RealHub, tmp_path: Path):
    ca = SmallCa(tmp_path)
    async with tls_in_front_of(hub, ca.server(NAME)) as port:
        url, reach = f"https://{NAME}:{port}/", FakeReach({(NAME, 443): Endpoint(address="127.0.0.1", port=port)})
        trusting = BrowserHubHttp(reach, some_settings(HUBLET_CA_FILE=str(ca.file)))
        assert (await trusting.tls(NAME)).ok
        await start(trusting, url)
        assert (await trusting.compute_in_kernel(url, "ada", PASSWORD, "6 * 7")).strip() == "42"
        wary = BrowserHubHttp(reach, some_settings())
        assert await code_of(wary.start_server(url, "ada", PASSWORD)) == "HubUnreachable"


async def test_the_acceptance_tokens_scopes_make_and_remove_a_person_with_a_server(hub: RealHub, http: BrowserHubHttp):
    hub.add_person("probe", PASSWORD)
    await start(http, hub.url, "probe")
    deadline = time.monotonic() + 60
    while (status := hub.api(ACCEPTANCE_SERVICE, "DELETE", "/users/probe/server")[0]) not in (204, 404):
        assert status in (202, 400)
        assert time.monotonic() < deadline
    assert hub.api(ACCEPTANCE_SERVICE, "DELETE", "/users/probe")[0] == 204
    assert hub.api(ACCEPTANCE_SERVICE, "DELETE", "/users/probe")[0] == 404


async def test_the_lasting_tokens_scopes_show_activity_and_change_nothing(hub: RealHub, http: BrowserHubHttp):
    await start(http, hub.url)
    status, users = hub.api(SERVICE, "GET", "/users?state=active")
    assert status == 200
    [ada] = [user for user in users if user["name"] == "ada"]  # type: ignore[attr-defined]
    assert set(ada) == {"kind", "name", "admin", "servers"}
    assert {"last_activity", "pending", "ready"} <= set(ada["servers"][""])
    assert hub.api(SERVICE, "GET", "/info")[0] == 403
    assert hub.api(SERVICE, "GET", "/../../user/ada/api/kernels")[0] == 403, "it must not reach a person's notebooks"
    assert hub.api(SERVICE, "POST", "/users", {"usernames": ["mallory"]})[0] == 403
    assert hub.api(SERVICE, "DELETE", "/users/ada")[0] in (403, 404)
    assert hub.api(SERVICE, "POST", "/users/ada/server")[0] in (403, 404)


async def test_nobody_there_is_not_a_hub(http: BrowserHubHttp):
    assert await http.api_version("http://127.0.0.1:1/") is None
    assert await code_of(http.start_server("http://127.0.0.1:1/", "ada", PASSWORD)) == "HubUnreachable"
