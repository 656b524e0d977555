"""The browser against hubs that are not what they should be: each ends soon, with a named reason and nothing else."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.adapters import hub_http, web
from shared.adapters.hub_http import BrowserHubHttp
from shared.adapters.reach import IdentityReach
from shared.errors import RetryableError
from shared.hubs.ports import Endpoint
from tests.support.builders import some_settings
from tests.support.fake_vm import FakeReach
from tests.support.small_ca import SmallCa

NAME = "hub.example.org"
type Serve = Callable[[bytes], bytes | Awaitable[bytes]]


@asynccontextmanager
async def serving(
    answer: Serve, context: ssl.SSLContext | None = None, ends_with: bytes = b"\r\n\r\n"
) -> AsyncIterator[int]:
    """A server that gives `answer(request)` to everybody and hangs up. Yields its port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(ends_with)
            found = answer(request)
            writer.write(found if isinstance(found, bytes) else await found)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def page(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def browser() -> BrowserHubHttp:
    return BrowserHubHttp(IdentityReach(), some_settings())


async def code_of(awaitable: Awaitable[object]) -> str:
    with pytest.raises(RetryableError) as caught:
        await awaitable
    return caught.value.code


@pytest.mark.parametrize(
    "answer",
    [
        page(b"not json"),
        page(b"[]"),
        page(b'{"version": 5}'),
        page(b'{"version": "<script>"}'),
        page(b'{"version": "5.5.4"}', status="500 Oops"),
        page(b"", "Location: http://other.example.org/hub/api", status="302 Found"),
        page(b"[" * 100_000),
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"",
    ],
)
async def test_what_is_not_a_hub_has_no_version(answer: bytes):
    async with serving(lambda request: answer) as port:
        assert await browser().api_version(f"http://127.0.0.1:{port}/") is None


@pytest.mark.parametrize(
    "location",
    [
        "http://other.example.org/",
        "https://127.0.0.1/",
        "//other.example.org/",
        "/\\other.example.org",
        "javascript:alert(1)",
        "http://[",
        "",
        "hub/login",
        "file:///etc/passwd",
    ],
)
async def test_a_redirect_to_somewhere_else_is_not_followed(location: str):
    async with serving(lambda request: page(b"", f"Location: {location}", status="302 Found")) as port:
        assert await code_of(browser().start_server(f"http://127.0.0.1:{port}/", "a", "b")) == "HubAnswerUnusable"


async def test_redirects_in_a_circle_end():
    asked: list[bytes] = []

    def answer(request: bytes) -> bytes:
        asked.append(request)
        return page(b"", "Location: /hub/login?again", status="302 Found")

    async with serving(answer) as port:
        assert await code_of(browser().start_server(f"http://127.0.0.1:{port}/", "a", "b")) == "HubAnswerUnusable"
    assert len(asked) == web.REDIRECTS + 1


async def test_a_page_without_end_is_left():
    async def flood() -> bytes:
        return page(b"x" * (web.PAGE_CAP + 100_000))

    async with serving(lambda request: flood()) as port:
        assert await code_of(browser().start_server(f"http://127.0.0.1:{port}/", "a", "b")) == "HubAnswerUnusable"


async def test_a_compressed_answer_is_never_unpacked():
    bomb = gzip.compress(b"0" * 10_000_000)
    async with serving(lambda request: page(bomb, "Content-Encoding: gzip")) as port:
        assert await browser().api_version(f"http://127.0.0.1:{port}/") is None


async def test_a_hub_that_never_answers_costs_little_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hub_http, "LOOK_LIMIT_S", 0.3)

    async def never() -> bytes:
        await asyncio.sleep(30)
        return b""

    async with serving(lambda request: never()) as port:
        async with asyncio.timeout(5):
            assert await browser().api_version(f"http://127.0.0.1:{port}/") is None


async def test_the_password_is_sent_in_the_form_only_and_to_this_hub_only():
    asked: list[bytes] = []

    def answer(request: bytes) -> bytes:
        asked.append(request)
        return page(b"<html>", "Set-Cookie: _xsrf=2%7Cabc; Path=/hub/")

    async with serving(answer) as port:
        assert (
            await code_of(browser().start_server(f"http://127.0.0.1:{port}/", "ada", "geheim-1")) == "HubLoginRefused"
        )
    assert b"GET /hub/login" in asked[0]
    assert all(b"geheim-1" not in request.split(b"\r\n\r\n")[0] for request in asked)


@pytest.mark.parametrize("url", ["", "ftp://127.0.0.1/", "http:///x", "not a url", "http://127.0.0.1:99999/"])
async def test_a_url_that_is_none_is_not_opened(url: str):
    assert await browser().api_version(url) is None


# ---- certificates


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> SmallCa:
    return SmallCa(tmp_path_factory.mktemp("ca"))


def looking(port: int, ca_file: Path | None) -> BrowserHubHttp:
    reach = FakeReach({(NAME, 443): Endpoint(address="127.0.0.1", port=port, local_address="127.0.0.1")})
    return BrowserHubHttp(reach, some_settings(HUBLET_CA_FILE=str(ca_file or "")))


async def test_a_chain_that_verifies_for_the_name_is_fine(ca: SmallCa):
    async with serving(lambda request: b"", ca.server(NAME)) as port:
        check = await looking(port, ca.file).tls(NAME)
        assert check.ok
        assert check.reason == ""


async def test_a_hub_with_a_good_certificate_is_reached_by_its_name_only(ca: SmallCa):
    async with serving(lambda request: page(b'{"version": "5.5.4"}'), ca.server(NAME)) as port:
        assert await looking(port, ca.file).api_version(f"https://{NAME}:{port}/") == "5.5.4"
        assert await looking(port, ca.file).api_version(f"https://127.0.0.1:{port}/") is None
        assert await looking(port, None).api_version(f"https://{NAME}:{port}/") is None


@pytest.mark.parametrize(
    ("names", "days", "words"),
    [
        (("other.example.org",), 30, "a certificate for 'CN=other.example.org'"),
        ((NAME,), -1, "expired"),
        (("TRAEFIK DEFAULT CERT",), 30, "the proxy's own default certificate"),
    ],
)
async def test_what_is_served_instead_is_said(ca: SmallCa, names: tuple[str, ...], days: int, words: str):
    until = datetime.now(UTC) + timedelta(days=days)
    async with serving(lambda request: b"", ca.server(*names, until=until)) as port:
        check = await looking(port, ca.file).tls(NAME)
    assert not check.ok
    assert words in check.reason


async def test_an_unknown_authority_is_named_harmlessly(ca: SmallCa):
    async with serving(lambda request: b"", ca.server(NAME)) as port:
        check = await looking(port, None).tls(NAME)
    assert not check.ok
    assert "from 'CN=A small CA ??script??'" in check.reason


async def test_a_port_without_tls_and_a_port_without_anything(ca: SmallCa):
    async with serving(lambda request: b"HTTP/1.1 400 Bad Request\r\n\r\n", ends_with=b"\x16") as port:
        assert (
            "443" in (await looking(port, ca.file).tls(NAME)).reason or not (await looking(port, ca.file).tls(NAME)).ok
        )
    check = await looking(1, ca.file).tls(NAME)
    assert not check.ok
    assert "port 443 does not answer" in check.reason


async def test_a_name_that_cannot_be_reached_is_a_reason_not_an_error():
    class Nowhere:
        async def endpoint(self, host: str, port: int) -> Endpoint:
            raise RetryableError("MachineNotReachable", "Nothing can be reached at hub.example.org port 443 yet.")

    check = await BrowserHubHttp(Nowhere(), some_settings()).tls(NAME)
    assert not check.ok
    assert "Nothing can be reached" in check.reason
