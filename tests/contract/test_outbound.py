"""The way out, over real sockets on loopback: to where it goes, to where it never goes, and what it bears."""

import asyncio
import gc
import ssl
import sys
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.names import LookUp, system_look_up
from shared.adapters.outbound import BODY_CAP, PER_HOST, GuardedOutbound
from shared.errors import HubletError, RetryableError, UserError
from shared.hubs.ports import Answered
from tests.support.builders import some_settings
from tests.support.small_ca import SmallCa
from tests.unit.sinks.url_tricks import PRIVATE_ANSWERS, URLS

NAME = "hooks.example.org"
PUBLIC = "93.184.215.14"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
type Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Watch:
    """Every look-up and every connection that this process began, while it is on."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[tuple[str, object]] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.on and event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
            self.seen.append((event, arguments[1] if event == "socket.connect" else arguments[0]))

    def __enter__(self) -> "Watch":
        self.on, self.seen = True, []
        return self

    def __exit__(self, *_: object) -> None:
        self.on = False


WATCH = Watch()
"""One for the process: an audit hook cannot be taken away again."""


class Names:
    """A resolver that gives the next answer each time, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append((host, port))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class Server:
    """An HTTPS server on loopback that keeps what it was sent."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[bytes] = []
        self.open = 0
        self.most_open = 0
        self.connections = 0


@asynccontextmanager
async def serving(context: ssl.SSLContext | None, answer: bytes | Talk = OK) -> AsyncIterator[Server]:
    """`answer`: bytes after each request, or all the talking after it."""
    here = Server()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here.open += 1
        here.connections += 1
        here.most_open = max(here.open, here.most_open)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0
                )
                here.requests.append(head + await reader.readexactly(length))
                if callable(answer):
                    await answer(reader, writer)
                    break
                writer.write(answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            here.open -= 1
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    here.port = server.sockets[0].getsockname()[1]
    try:
        yield here
    finally:
        server.close()


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> SmallCa:
    return SmallCa(tmp_path_factory.mktemp("ca"))


@asynccontextmanager
async def way_out(
    ca: SmallCa | None, *, listed: str = "", look_up: LookUp | None = None
) -> AsyncIterator[GuardedOutbound]:
    settings = some_settings(HUBLET_SINK_HOSTS=listed, HUBLET_CA_FILE=str(ca.file) if ca else "")
    outbound = GuardedOutbound(settings, look_up)
    try:
        yield outbound
    finally:
        await outbound.close()


async def post(outbound: GuardedOutbound, url: str, *, limit_s: float = 5.0) -> Answered:
    return await outbound.post(
        url, b'{"a":1}', {"content-type": "application/json", "webhook-id": "m"}, limit_s=limit_s
    )


async def refusal(awaitable: Awaitable[object]) -> HubletError:
    with pytest.raises(HubletError) as caught:
        await awaitable
    assert caught.value.__cause__ is None
    assert "secret" not in f"{caught.value} {caught.value.fix}"
    return caught.value


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Where connections were made to; all of them end at `elsewhere.port` on loopback, so that tests may talk of public
    addresses without anything leaving this machine."""
    import aiohappyeyeballs

    real = aiohappyeyeballs.start_connection

    class Kept(list[tuple[str, int]]):
        port = 0

    kept = Kept()

    async def start(addr_infos: Any, **more: Any) -> Any:
        kept.extend((info[4][0], info[4][1]) for info in addr_infos)
        first = addr_infos[0]
        return await real([(first[0], first[1], first[2], first[3], ("127.0.0.1", kept.port))], **more)

    monkeypatch.setattr("aiohttp.connector.aiohappyeyeballs.start_connection", start)
    return kept


# ---- where it goes


async def test_a_request_arrives_as_it_was_meant(ca: SmallCa):
    async with serving(ca.server("localhost")) as server, way_out(ca, listed="localhost") as outbound:
        path = "/a/../%2e/b//c?sig=%2Fx%2B&d=~!$'()*+,;:@"
        answered = await post(outbound, f"https://localhost:{server.port}{path}")
    assert (answered.status, answered.body, answered.headers["content-length"]) == (200, b"ok", "2")
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    assert first == f"POST {path} HTTP/1.1"
    assert body == b'{"a":1}'
    assert headers.pop("host") == f"localhost:{server.port}"
    assert headers == {
        "content-type": "application/json",
        "webhook-id": "m",
        "content-length": "7",
        "accept": "*/*",
        "accept-encoding": "identity",
        "user-agent": "hublet",
    }


async def test_the_addresses_that_were_checked_are_the_ones_connected_to(ca: SmallCa, elsewhere: Any):
    names = Names([PUBLIC])
    async with serving(ca.server(NAME)) as server, way_out(ca, look_up=names) as outbound:
        elsewhere.port = server.port
        assert (await post(outbound, f"https://{NAME}/x")).status == 200
    assert names.asked == [(NAME, 443)]
    assert elsewhere == [(PUBLIC, 443)]
    assert b"Host: hooks.example.org\r\n" in server.requests[0]


async def test_a_name_that_turns_private_is_asked_once_for_each_connection_and_then_refused(
    ca: SmallCa, elsewhere: Any
):
    names = Names([PUBLIC], ["127.0.0.1"])
    async with (
        serving(ca.server(NAME), b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n") as server,
        way_out(ca, look_up=names) as outbound,
    ):
        elsewhere.port = server.port
        assert (await post(outbound, f"https://{NAME}/x")).status == 200
        assert len(names.asked) == 1
        assert (await refusal(post(outbound, f"https://{NAME}/secret"))).code == "AddressNotAllowed"
        assert len(names.asked) == 2
    assert elsewhere == [(PUBLIC, 443)]
    assert len(server.requests) == 1


async def test_an_idle_connection_is_used_again(ca: SmallCa):
    async with serving(ca.server("localhost")) as server, way_out(ca, listed="localhost") as outbound:
        for _ in range(5):
            await post(outbound, f"https://localhost:{server.port}/")
    assert (len(server.requests), server.connections) == (5, 1)


# ---- where it never goes


async def test_no_trick_opens_a_socket_or_asks_for_a_name(ca: SmallCa):
    async with way_out(ca) as outbound:
        with WATCH as watch:
            for url in URLS:
                for tried in (outbound.check, lambda url: post(outbound, url)):
                    with pytest.raises(UserError, match="AddressNotAllowed"):
                        done = tried(url)
                        if done is not None:
                            await done
        assert watch.seen == []


async def test_no_private_answer_opens_a_socket(ca: SmallCa):
    names = Names(())
    async with way_out(ca, look_up=names) as outbound:
        for answers in PRIVATE_ANSWERS:
            names.answers = [answers]
            with WATCH as watch:
                refused = await refusal(post(outbound, f"https://{NAME}/secret"))
            assert (refused.code, watch.seen) == ("AddressNotAllowed", [])
    assert len(names.asked) == len(PRIVATE_ANSWERS)


async def test_the_watch_sees_what_the_system_resolver_and_a_connection_do(ca: SmallCa):
    async with serving(ca.server("localhost")) as server, way_out(ca, listed="localhost") as outbound:
        with WATCH as watch:
            await post(outbound, f"https://localhost:{server.port}/")
    assert {event for event, _ in watch.seen} == {"socket.getaddrinfo", "socket.connect"}


async def test_the_system_resolver_is_checked_too(ca: SmallCa):
    """Any public-looking name may stand in the machine's own hosts file; localhost is one that everybody has."""
    async with serving(ca.server(NAME)) as server, way_out(ca) as outbound:
        assert await system_look_up(1)("localhost", server.port)
        with pytest.raises(UserError):
            await post(outbound, f"https://localhost:{server.port}/")
    assert server.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_an_answer_and_not_followed(ca: SmallCa, status: int):
    async with serving(None) as inner:
        moved = f"HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:{inner.port}/admin\r\nContent-Length: 0\r\n\r\n"
        async with (
            serving(ca.server("localhost"), moved.encode()) as server,
            way_out(ca, listed="localhost") as outbound,
        ):
            assert (await post(outbound, f"https://localhost:{server.port}/")).status == status
    assert inner.connections == 0


async def test_proxies_of_the_environment_are_not_used(ca: SmallCa, monkeypatch: pytest.MonkeyPatch):
    async with serving(None) as proxy, serving(ca.server("localhost")) as server:
        for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "HTTP_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with way_out(ca, listed="localhost") as outbound:
            await post(outbound, f"https://localhost:{server.port}/")
    assert (proxy.connections, len(server.requests)) == (0, 1)


async def test_no_cookie_and_no_password_file_is_sent(ca: SmallCa, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    answer = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"
    async with serving(ca.server("localhost"), answer) as server, way_out(ca, listed="localhost") as outbound:
        for _ in range(2):
            await post(outbound, f"https://localhost:{server.port}/")
    assert not [
        request for request in server.requests if b"cookie" in request.lower() or b"authoriz" in request.lower()
    ]


# ---- what it bears


async def test_a_slow_server_is_given_up_after_the_limit(ca: SmallCa):
    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def a_byte_at_a_time(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async def headers_without_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"x: y\r\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    for talk in (nothing, a_byte_at_a_time, headers_without_end):
        async with serving(ca.server("localhost"), talk) as server, way_out(ca, listed="localhost") as outbound:
            began = time.monotonic()
            error = await refusal(post(outbound, f"https://localhost:{server.port}/secret", limit_s=0.3))
            assert (error.code, time.monotonic() - began < 3) == ("TimedOut", True), talk
            assert isinstance(error, RetryableError)


async def test_a_slow_resolver_is_given_up_after_the_limit(ca: SmallCa):
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return ()

    async with way_out(ca, look_up=never) as outbound:
        assert (await refusal(post(outbound, f"https://{NAME}/secret", limit_s=0.1))).code == "TimedOut"


async def test_of_an_endless_body_its_beginning_is_read(ca: SmallCa):
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 500 Oops\r\n\r\n")
        while True:
            writer.write(b"x" * 16_384)
            await writer.drain()
            sent += 16_384
            await asyncio.sleep(0)  # drain may not give way, and then nobody hears that the connection is lost

    async with serving(ca.server("localhost"), endless) as server, way_out(ca, listed="localhost") as outbound:
        answered = await post(outbound, f"https://localhost:{server.port}/")
        assert (answered.status, len(answered.body)) == (500, BODY_CAP)
        await asyncio.sleep(0.1)
        assert server.open == 0
    assert sent < 32 << 20  # what the buffers of both sides hold, then it stands still


async def test_a_small_answer_does_not_become_a_large_one(ca: SmallCa):
    import gzip

    packed = gzip.compress(b"x" * 10_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    async with serving(ca.server("localhost"), head + packed) as server, way_out(ca, listed="localhost") as outbound:
        assert (await post(outbound, f"https://localhost:{server.port}/")).body == packed


@pytest.mark.parametrize("piece", [b"x: y\r\n", b"x" * 1000, b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_headers_without_end_take_neither_memory_nor_time(ca: SmallCa, piece: bytes):
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"" if piece.startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(piece * 1000)
            await writer.drain()
            sent += len(piece) * 1000
            await asyncio.sleep(0)  # drain may not give way, and then nobody hears that the connection is lost

    async with serving(ca.server("localhost"), endless) as server, way_out(ca, listed="localhost") as outbound:
        error = await refusal(post(outbound, f"https://localhost:{server.port}/secret", limit_s=2))
    assert error.code in ("Unreachable", "TimedOut")
    assert sent < 64 << 20


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_speaks_no_http_is_unreachable(ca: SmallCa, answer: bytes):
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()

    async with serving(ca.server("localhost"), talk) as server, way_out(ca, listed="localhost") as outbound:
        error = await refusal(post(outbound, f"https://localhost:{server.port}/secret"))
    assert (error.code, isinstance(error, RetryableError)) == ("Unreachable", True)


async def test_a_certificate_that_is_not_right_is_refused_before_anything_is_sent(ca: SmallCa, tmp_path: Path):
    yesterday = datetime.now(UTC) - timedelta(days=1)
    (tmp_path / "other").mkdir()
    other = SmallCa(tmp_path / "other")
    for context in (
        ca.server("other.example.org"),
        ca.server("localhost", until=yesterday),
        other.server("localhost"),
    ):
        async with serving(context) as server, way_out(ca, listed="localhost") as outbound:
            error = await refusal(post(outbound, f"https://localhost:{server.port}/secret"))
        assert (error.code, server.requests) == ("Unreachable", [])
        assert "certificate" in error.message
    async with serving(ca.server("localhost")) as server, way_out(None, listed="localhost") as outbound:
        assert (await refusal(post(outbound, f"https://localhost:{server.port}/secret"))).code == "Unreachable"


async def test_a_server_without_tls_and_a_port_without_a_server_are_unreachable(ca: SmallCa):
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OK)
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    url = f"https://localhost:{server.sockets[0].getsockname()[1]}/secret"
    async with way_out(ca, listed="localhost") as outbound:
        assert (await refusal(post(outbound, url))).code == "Unreachable"
        server.close()
        assert (await refusal(post(outbound, url))).code == "Unreachable"


async def test_a_name_without_an_address_is_unreachable(ca: SmallCa):
    async def none(host: str, port: int) -> Sequence[str]:
        raise OSError("no such name")

    for look_up in (none, Names([])):
        async with way_out(ca, look_up=look_up) as outbound:
            assert (await refusal(post(outbound, f"https://{NAME}/secret"))).code == "Unreachable"


async def test_no_more_connections_than_the_limit_are_open_at_one_host(ca: SmallCa):
    async with serving(ca.server("localhost")) as server, way_out(ca, listed="localhost") as outbound:
        url = f"https://localhost:{server.port}/"
        done = await asyncio.gather(*(post(outbound, url, limit_s=60) for _ in range(200)))
    assert ({one.status for one in done}, len(server.requests)) == ({200}, 200)
    assert server.connections <= PER_HOST


async def test_one_owners_dead_web_hooks_leave_room_for_everybody_else(ca: SmallCa):
    """As many as an owner may have, each on a host of its own, and told of as many notices as a process works on."""

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    hooks = some_settings().max_sinks_per_owner
    async with AsyncExitStack() as stack:
        dead = [await stack.enter_async_context(serving(ca.server("localhost"), never)) for _ in range(hooks)]
        alive = await stack.enter_async_context(serving(ca.server("localhost")))
        outbound = await stack.enter_async_context(way_out(ca, listed="localhost"))

        def asked(server: Server, limit_s: float) -> asyncio.Task[Answered]:
            return asyncio.create_task(post(outbound, f"https://localhost:{server.port}/", limit_s=limit_s))

        waiting = [asked(server, 60) for server in dead for _ in range(PER_HOST)]
        try:
            assert (await asked(alive, 20)).status == 200
        finally:
            for one in waiting:
                one.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)


def test_each_event_loop_has_its_session_and_takes_it_along(ca: SmallCa):
    outbound = GuardedOutbound(some_settings(HUBLET_SINK_HOSTS="localhost", HUBLET_CA_FILE=str(ca.file)))

    async def once() -> int:
        async with serving(ca.server("localhost")) as server:
            await post(outbound, f"https://localhost:{server.port}/")
            await post(outbound, f"https://localhost:{server.port}/")
            await outbound.close()
            await post(outbound, f"https://localhost:{server.port}/")
            kept = len(outbound._sessions)
            await outbound.close()
            await outbound.close()
            return kept

    assert [asyncio.run(once()) for _ in range(3)] == [1, 1, 1]
    assert outbound._sessions == {}


def test_sessions_of_loops_that_are_gone_do_not_pile_up(ca: SmallCa):
    outbound = GuardedOutbound(some_settings(HUBLET_SINK_HOSTS="localhost", HUBLET_CA_FILE=str(ca.file)))

    async def once() -> int:
        async with serving(ca.server("localhost")) as server:
            await post(outbound, f"https://localhost:{server.port}/")
        return len(outbound._sessions)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        assert [asyncio.run(once()) for _ in range(3)] == [1, 1, 1]
        gc.collect()
