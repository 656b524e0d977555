"""The fault proxy in front of a tiny server: what arrives there, and what comes back, in each kind of trouble."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from localdev.chaos.faults import FaultKind, FaultPlan
from localdev.chaos.proxy import FaultProxy, Refusal, Upstream, arm_refusal, storage_refusal
from tests.support.small_ca import SmallCa

BODY = b"x" * 5000


@dataclass
class Served:
    """`arrived`: method, path and body of each request that reached the server."""

    origin: str = ""
    arrived: list[tuple[str, str, bytes]] = field(default_factory=list)
    signatures: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.arrived.append((request.method, request.raw_path, await request.read()))
        self.signatures.append(request.headers.get("Authorization", ""))
        if request.path == "/chunks":
            stream = web.StreamResponse()
            stream.enable_chunked_encoding()
            await stream.prepare(request)
            await stream.write(BODY)
            return stream
        if request.path == "/operation":
            return web.json_response(
                {"nextLink": f"{self.origin}/page2"}, headers={"Azure-AsyncOperation": f"{self.origin}/poll?t=1"}
            )
        if request.path == "/nothing":
            return web.Response(status=204)
        return web.Response(body=BODY)


@dataclass
class Setting:
    served: Served
    proxy: FaultProxy
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return self.proxy.origin


@asynccontextmanager
async def running(
    kind: FaultKind | None = None, *, refusal: Refusal = arm_refusal, ca: SmallCa | None = None, rate: float = 1.0
) -> AsyncIterator[Setting]:
    """Every request meets `kind`; with `ca`, TLS on both sides."""
    served = Served()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", served.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ca.server("127.0.0.1") if ca else None).start()
    trust = ssl.create_default_context(cafile=str(ca.file)) if ca else None
    upstream = Upstream("127.0.0.1", int(runner.addresses[0][1]), trust)
    served.origin = upstream.origin
    rates: Mapping[FaultKind, float] = {} if kind is None else {kind: rate}
    proxy = FaultProxy(upstream, FaultPlan("1", rates), refusal, served=ca.server("127.0.0.1") if ca else None)
    await proxy.start()
    connector = aiohttp.TCPConnector(ssl=trust if trust else True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=20)) as session:
        try:
            yield Setting(served, proxy, session)
        finally:
            await proxy.close()
            await runner.cleanup()


@pytest.mark.parametrize("path", ["/plain", "/chunks", "/nothing"])
async def test_without_faults_everything_passes_unchanged(path: str) -> None:
    async with running() as setting:
        for number in range(3):
            signed = {"Authorization": f"SharedKey account:{number}"}
            async with setting.session.put(f"{setting.url}{path}?q=%26", data=b"sent", headers=signed) as answer:
                assert await answer.read() == (b"" if path == "/nothing" else BODY)
        assert setting.served.arrived == [("PUT", f"{path}?q=%26", b"sent")] * 3
        assert setting.served.signatures == [f"SharedKey account:{number}" for number in range(3)]


async def test_a_request_of_chunks_arrives_whole() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    async with running() as setting, setting.session.post(f"{setting.url}/plain", data=pieces()) as answer:
        assert answer.status == 200
        assert setting.served.arrived == [("POST", "/plain", b"onetwo")]


async def test_head_has_no_body_to_wait_for() -> None:
    async with running() as setting:
        for _ in range(2):
            async with setting.session.head(f"{setting.url}/plain") as answer:
                assert answer.status == 200


async def test_through_tls_on_both_sides_and_addresses_of_the_answer_lead_back_to_the_proxy(tmp_path: Path) -> None:
    async with running(ca=SmallCa(tmp_path)) as setting, setting.session.get(f"{setting.url}/operation") as answer:
        assert setting.url.startswith("https://")
        assert setting.url != setting.served.origin
        assert answer.headers["Azure-AsyncOperation"] == f"{setting.url}/poll?t=1"
        assert await answer.json() == {"nextLink": f"{setting.url}/page2"}


async def test_a_reset_before_the_request_means_that_it_never_happened() -> None:
    async with running(FaultKind.RESET_BEFORE) as setting:
        with pytest.raises(aiohttp.ClientError):
            await setting.session.post(f"{setting.url}/plain")
        assert setting.served.arrived == []


async def test_a_reset_after_the_request_loses_only_the_answer() -> None:
    async with running(FaultKind.RESET_AFTER) as setting:
        with pytest.raises(aiohttp.ClientError):
            await setting.session.post(f"{setting.url}/plain")
        assert len(setting.served.arrived) == 1


async def test_a_truncated_answer_ends_in_the_middle_of_what_it_promised() -> None:
    async with running(FaultKind.TRUNCATED) as setting:
        with pytest.raises(aiohttp.ClientError):
            async with setting.session.post(f"{setting.url}/plain") as answer:
                await answer.read()
        assert len(setting.served.arrived) == 1


async def test_a_delayed_request_is_answered_later_and_well() -> None:
    async with running(FaultKind.DELAY) as setting:
        began = asyncio.get_running_loop().time()
        async with setting.session.get(f"{setting.url}/plain") as answer:
            assert await answer.read() == BODY
        assert asyncio.get_running_loop().time() - began >= 0.05


@pytest.mark.parametrize(
    ("kind", "status", "says_when"),
    [(FaultKind.THROTTLED, 429, True), (FaultKind.THROTTLED_BARE, 429, False), (FaultKind.UNAVAILABLE, 503, False)],
)
async def test_an_injected_refusal_is_arm_s_and_the_connection_lives_on(
    kind: FaultKind, status: int, says_when: bool
) -> None:
    async with running(kind) as setting:
        for _ in range(2):
            async with setting.session.put(f"{setting.url}/plain", data=b"sent") as answer:
                assert answer.status == status
                assert ("Retry-After" in answer.headers) == says_when
                assert (await answer.json())["error"]["code"] in ("TooManyRequests", "ServerTimeout")
        assert setting.served.arrived == []
        assert setting.proxy.plan.struck[kind] == 2


async def test_storage_refuses_tables_in_json_and_queues_in_xml() -> None:
    async with running(FaultKind.UNAVAILABLE, refusal=storage_refusal) as setting:
        asked = {"Accept": "application/json;odata=minimalmetadata"}
        async with setting.session.get(f"{setting.url}/t", headers=asked) as answer:
            assert (await answer.json())["odata.error"]["code"] == "ServerBusy"
        async with setting.session.get(f"{setting.url}/q", headers={"Accept": "application/xml"}) as answer:
            assert "<Code>ServerBusy</Code>" in await answer.text()


async def test_a_quiet_proxy_only_hands_on() -> None:
    async with running(FaultKind.RESET_BEFORE) as setting:
        setting.proxy.plan.quiet = True
        async with setting.session.get(f"{setting.url}/plain") as answer:
            assert answer.status == 200


async def test_a_server_that_is_not_there_looks_like_a_reset() -> None:
    proxy = FaultProxy(Upstream("127.0.0.1", 1), FaultPlan("1", {}), arm_refusal)
    await proxy.start()
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(proxy.origin)
    await proxy.close()
