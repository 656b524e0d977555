"""Reading activity from hubs that are not what they should be: only a complete, well-formed list is an answer."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.adapters import hub_api, hub_users, web
from shared.adapters.hub_api import JupyterHubApi
from shared.adapters.reach import IdentityReach
from shared.adapters.ssh.keys import generate_key_pair
from shared.errors import RetryableError
from shared.hubs.ports import Activity, HubAccess, Server
from tests.support.builders import some_settings
from tests.support.small_ca import SmallCa
from tests.support.small_hub import HOST_KEY, TOKEN, Answer, SmallHub, Way, over_tls, through_ssh

DATE = "Mon, 23 Nov 2026 10:00:00 GMT"
type Ask = Callable[[SmallHub], AbstractAsyncContextManager[Way]]


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> SmallCa:
    return SmallCa(tmp_path_factory.mktemp("ca"))


@pytest.fixture(params=["over TLS", "through SSH"])
def ask(request: pytest.FixtureRequest, ca: SmallCa) -> Ask:
    """Both ways lead to the same hub."""

    @asynccontextmanager
    async def way(hub: SmallHub) -> AsyncIterator[Way]:
        async with over_tls(hub, ca) if request.param == "over TLS" else through_ssh(hub) as found:
            yield found

    return way


def http(body: bytes, *headers: str, status: str = "200 OK", date: str | None = DATE) -> bytes:
    dated = (f"Date: {date}",) if date is not None else ()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *dated, *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def a_server(**changes: Any) -> dict[str, Any]:
    return {"name": "", "last_activity": "2026-11-23T09:50:00.000000Z", "ready": True, "pending": None, **changes}


def a_user(name: object = "ada", **changes: Any) -> dict[str, Any]:
    return {"kind": "user", "name": name, "admin": False, "servers": {"": a_server()}, **changes}


def a_list(*users: Any, **pagination: Any) -> dict[str, Any]:
    pages = {"offset": 0, "limit": 200, "total": len(users), "next": None, **pagination}
    return {"items": list(users), "_pagination": pages}


def saying(document: object, **changes: Any) -> Answer:
    return lambda target: http(json.dumps(document).encode(), **changes)


async def look(ask: Ask, answer: Answer) -> Activity:
    async with ask(SmallHub(answer)) as way:
        return await way.api.activity(way.access)


async def code_of(awaitable: Awaitable[object]) -> str:
    with pytest.raises(RetryableError) as caught:
        await awaitable
    assert TOKEN not in f"{caught.value.message} {caught.value.fix}"
    return caught.value.code


# ---- what a hub says when all is well


async def test_every_server_of_every_user_is_counted(ask: Ask):
    ada = a_user("ada", servers={"": a_server(), "gpu": a_server(last_activity=None)})
    bob = a_user("bob", servers={"": a_server(ready=False, pending="spawn", last_activity=None)})
    assert await look(ask, saying(a_list(ada, bob))) == Activity(
        servers=(
            Server(user="ada", idle_s=600.0),
            Server(user="ada", idle_s=None),
            Server(user="bob", idle_s=None, pending=True),
        )
    )


async def test_nobody_there_is_an_answer(ask: Ask):
    assert await look(ask, saying(a_list())) == Activity(servers=())


@pytest.mark.parametrize("pending", ["stop", "check", "spawn"])
async def test_a_server_that_starts_or_stops_is_a_server(ask: Ask, pending: str):
    user = a_user(servers={"": a_server(ready=False, pending=pending)})
    assert (await look(ask, saying(a_list(user)))).servers == (Server(user="ada", idle_s=600.0, pending=True),)


async def test_a_user_whose_server_the_hub_is_not_sure_of_has_one(ask: Ask):
    found = await look(ask, saying(a_list(a_user(servers={}))))
    assert found.servers == (Server(user="ada", idle_s=None, pending=True),)


@pytest.mark.parametrize(
    ("date", "last", "idle_s"),
    [
        ("Mon, 23 Nov 2026 12:00:00 GMT", "2026-11-23T11:59:30Z", 30.0),
        ("Mon, 23 Nov 2026 08:00:00 GMT", "2026-11-23T07:59:30.5Z", 29.5),
        ("Mon, 23 Nov 2026 08:00:00 GMT", "2026-11-23T09:59:30+02:00", 30.0),
        ("Mon, 23 Nov 2026 08:00:00 GMT", "2026-11-23T08:00:00.900000Z", 0.0),
        ("Mon, 23 Nov 2026 08:00:00 GMT", "2031-01-01T00:00:00Z", 0.0),
    ],
)
async def test_ages_are_by_the_hubs_own_clock(ask: Ask, date: str, last: str, idle_s: float):
    found = await look(ask, saying(a_list(a_user(servers={"": a_server(last_activity=last)})), date=date))
    assert [server.idle_s for server in found.servers] == [idle_s]


def paging(users: list[dict[str, Any]], size: int, *, total: int | None = None) -> Answer:
    def answer(target: str) -> bytes:
        offset = int(parse_qs(urlsplit(target).query)["offset"][0])
        more = {"offset": offset + size, "limit": size, "url": "http://elsewhere.example.org/"}
        following = more if offset + size < len(users) else None
        count = len(users) if total is None else total
        page = a_list(*users[offset : offset + size], offset=offset, limit=size, total=count, next=following)
        return http(json.dumps(page).encode())

    return answer


async def test_all_pages_are_read_and_all_from_this_hub(ask: Ask):
    hub = SmallHub(paging([a_user(f"user-{number}") for number in range(120)], 50))
    async with ask(hub) as way:
        found = await way.api.activity(way.access)
    assert {server.user for server in found.servers} == {f"user-{number}" for number in range(120)}
    assert [request.split(b"offset=")[1].split(b" ")[0] for request in hub.requests] == [b"0", b"50", b"100"]


async def test_the_request_is_what_jupyterhub_wants(ask: Ask):
    hub = SmallHub(saying(a_list()))
    async with ask(hub) as way:
        await way.api.activity(way.access)
    [request] = hub.requests
    lines = request.decode().split("\r\n")
    assert lines[0] == "GET /hub/api/users?state=active&limit=200&offset=0 HTTP/1.1"
    assert f"Authorization: token {TOKEN}" in lines
    assert "Accept: application/jupyterhub-pagination+json" in lines
    assert "Accept-Encoding: identity" in lines


async def test_a_tunnel_leads_to_jupyterhub_and_nowhere_else():
    hub = SmallHub(saying(a_list()))
    async with through_ssh(hub) as way:
        await way.api.activity(way.access)
    assert hub.opened == [("127.0.0.1", 15001)]


async def test_a_page_that_was_read_leaves_nothing_open_in_the_tunnel():
    class PatientHub(SmallHub):
        """Ends its own half and stays until the other half has ended too, as sshd's channels do."""

        now_open = most_open = 0

        async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            request = await reader.readuntil(b"\r\n\r\n")
            self.now_open += 1
            self.most_open = max(self.now_open, self.most_open)
            answer = self.answer(request.split(b" ")[1].decode())
            assert isinstance(answer, bytes)
            writer.write(answer)
            writer.write_eof()
            await reader.read()
            self.now_open -= 1
            writer.close()

    hub = PatientHub(paging([a_user(f"user-{number}") for number in range(120)], 50))
    async with through_ssh(hub) as way:
        await way.api.activity(way.access)
    assert (len(hub.opened), hub.most_open) == (3, 1)


async def test_an_answer_in_chunks_is_put_together(ask: Ask):
    body = json.dumps(a_list(a_user())).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:20], body[20:])) + b"0\r\n\r\n"
    head = f"HTTP/1.1 200 OK\r\nDate: {DATE}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
    assert len((await look(ask, lambda target: head + chunks)).servers) == 1


# ---- what is no answer


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        [a_user()],
        {},
        {"items": []},
        {"items": [], "_pagination": {}},
        {"items": {}, "_pagination": {"offset": 0, "total": 0, "next": None}},
        {"items": [], "_pagination": {"offset": "0", "total": 0, "next": None}},
        {"items": [], "_pagination": {"offset": 0, "total": 0}},
        a_list(total=1),
        a_list(a_user(), total=0),
        a_list(a_user(), a_user()),
        a_list("ada"),
        a_list(a_user(name=None)),
        a_list(a_user(name="")),
        a_list(a_user(name="x" * 300)),
        a_list({"kind": "user", "name": "ada", "admin": False}),
        a_list(a_user(servers=[])),
        a_list(a_user(servers=None)),
        a_list(a_user(servers={"": None})),
        a_list(a_user(servers={"": {}})),
        a_list(a_user(servers={"": a_server(ready="yes")})),
        a_list(a_user(servers={"": a_server(pending=True)})),
        a_list(a_user(servers={"": a_server(last_activity=7)})),
        a_list(a_user(servers={"": a_server(last_activity="yesterday")})),
        a_list(a_user(servers={"": a_server(last_activity="2026-11-23T09:50:00")})),
        a_list(a_user(servers={"": a_server(last_activity="0001-01-01T00:00:00+23:00")})),
        a_list(a_user(servers={"": {"ready": True, "pending": None}})),
        a_list(offset=50),
        a_list(next={"offset": 0}),
        a_list(a_user(), next={"url": "/"}),
    ],
)
async def test_a_list_that_is_not_complete_and_well_formed_is_no_answer(ask: Ask, document: object):
    assert await code_of(look(ask, saying(document))) == "HubAnswerUnusable"


GOOD = json.dumps(a_list(a_user())).encode()


@pytest.mark.parametrize(
    "answer",
    [
        http(GOOD, date=None),
        http(GOOD, date=""),
        http(GOOD, date="today"),
        http(GOOD, date="Mon, 99 Nov 2026 10:00:00 GMT"),
        http(GOOD, date="2026-11-23T10:00:00Z"),
        http(b"<html>the proxy's own page</html>", "Content-Type: text/html"),
        http(GOOD[:-10]),
        http(b"[" * 100_000),
        http(b'{"items": ' + b"9" * 5000 + b"}"),
        http(b""),
        http(gzip.compress(b"0" * 10_000_000), "Content-Encoding: gzip"),
        http(b"x" * (web.PAGE_CAP + 100_000)),
        http(b"", "Location: https://elsewhere.example.org/hub/api/users", status="302 Found"),
        http(b"no such page", status="404 Not Found"),
        http(b"", status="204 No Content"),
    ],
)
async def test_what_is_no_list_of_users_is_no_answer(ask: Ask, answer: bytes):
    assert await code_of(look(ask, lambda target: answer)) == "HubAnswerUnusable"


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500,
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        f"HTTP/1.1 200 OK\r\nDate: {DATE}\r\nContent-Length: {len(GOOD) + 5}\r\n\r\n".encode() + GOOD,
        f"HTTP/1.1 200 OK\r\nDate: {DATE}\r\nTransfer-Encoding: chunked\r\n\r\n{len(GOOD):x}\r\n".encode() + GOOD,
        f"HTTP/1.1 200 OK\r\nDate: {DATE}\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".encode() + GOOD,
    ],
)
async def test_what_is_not_http_or_cut_off_is_no_answer(ask: Ask, answer: bytes):
    assert await code_of(look(ask, lambda target: answer)) in ("HubAnswerUnusable", "HubUnreachable")


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
async def test_a_token_that_is_refused_is_named(ask: Ask, status: str):
    assert await code_of(look(ask, saying({"status": 403}, status=status))) == "HubRefusesToken"


@pytest.mark.parametrize("status", ["500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable"])
async def test_a_hub_that_is_not_there_behind_its_proxy_is_not_reachable(ask: Ask, status: str):
    assert await code_of(look(ask, saying({}, status=status))) == "HubUnreachable"


async def test_pages_in_a_circle_end(ask: Ask):
    circle = a_list(a_user(), total=2, next={"offset": 0, "limit": 1})
    assert await code_of(look(ask, saying(circle))) == "HubAnswerUnusable"


async def test_pages_without_end_are_left(ask: Ask, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hub_users, "PAGES", 5)
    hub = SmallHub(paging([a_user(f"user-{number}") for number in range(50)], 1))
    async with ask(hub) as way:
        assert await code_of(way.api.activity(way.access)) == "HubAnswerUnusable"
    assert len(hub.requests) == 5


async def test_a_page_that_fails_fails_the_whole_look(ask: Ask):
    pages = paging([a_user(f"user-{number}") for number in range(3)], 1)
    answer = lambda target: http(b"", status="500 Oops") if "offset=2" in target else pages(target)  # noqa: E731
    assert await code_of(look(ask, answer)) == "HubUnreachable"


async def test_somebody_who_came_between_two_pages_spoils_the_look(ask: Ask):
    users = [a_user(f"user-{number}") for number in range(4)]

    def answer(target: str) -> bytes | Awaitable[bytes]:
        there = users if "offset=0" in target else [a_user("eve"), *users]
        return paging(there, 2)(target)

    assert await code_of(look(ask, answer)) == "HubAnswerUnusable"


async def test_somebody_who_came_for_somebody_who_left_spoils_the_look_too(ask: Ask):
    users = [a_user(f"user-{number}") for number in range(4)]

    def answer(target: str) -> bytes | Awaitable[bytes]:
        there = users if "offset=0" in target else [a_user("eve"), *users[:3]]
        return paging(there, 2)(target)

    assert await code_of(look(ask, answer)) == "HubAnswerUnusable"


async def test_a_hub_that_never_answers_costs_little_time(ask: Ask, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hub_api, "LOOK_LIMIT_S", 1.0)

    async def never() -> bytes:
        await asyncio.sleep(30)
        return b""

    async with asyncio.timeout(8):
        assert await code_of(look(ask, lambda target: never())) == "HubUnreachable"


# ---- where the token goes


@pytest.mark.parametrize("url", ["http://hub.example.org/", "http://127.0.0.1:1/", "ftp://127.0.0.1/", "", "https//x"])
async def test_without_tls_and_tunnel_nothing_is_sent(url: str):
    api = JupyterHubApi(IdentityReach(), some_settings())
    assert await code_of(api.activity(HubAccess(url=url, token=TOKEN))) == "NoSafeWay"


async def test_a_certificate_that_does_not_verify_gets_nothing(ca: SmallCa):
    hub = SmallHub(saying(a_list()))
    async with over_tls(hub, ca) as way:
        stranger = JupyterHubApi(way.reach, some_settings())
        assert await code_of(stranger.activity(way.access)) == "HubUnreachable"
    assert hub.requests == []


async def test_a_host_key_that_is_not_pinned_gets_nothing():
    hub = SmallHub(saying(a_list()))
    async with through_ssh(hub) as way:
        assert way.access.tunnel is not None
        other = replace(way.access.tunnel, host_public_keys=(generate_key_pair("other").public,))
        assert await code_of(way.api.activity(replace(way.access, tunnel=other))) == "UntrustedHostKey"
    assert hub.requests == []


@pytest.mark.parametrize("change", [{"host_public_keys": ()}, {"private_key": "none"}, {"host_public_keys": ("none",)}])
async def test_a_tunnel_without_keys_is_not_opened(change: dict[str, Any]):
    async with through_ssh(SmallHub(saying(a_list()))) as way:
        assert way.access.tunnel is not None
        tunnel = replace(way.access.tunnel, **change)
        assert await code_of(way.api.activity(replace(way.access, tunnel=tunnel))) == "NoSafeWay"


async def test_a_key_that_the_machine_does_not_know_does_not_get_through():
    async with through_ssh(SmallHub(saying(a_list()))) as way:
        assert way.access.tunnel is not None
        tunnel = replace(way.access.tunnel, private_key=HOST_KEY.private)
        assert await code_of(way.api.activity(replace(way.access, tunnel=tunnel))) == "HubUnreachable"


async def test_a_machine_without_a_hub_is_not_reachable():
    async with through_ssh(SmallHub(saying(a_list())), listening=False) as way:
        assert await code_of(way.api.activity(way.access)) == "HubUnreachable"


async def test_a_token_with_a_line_break_is_never_sent(ask: Ask):
    hub = SmallHub(saying(a_list()))
    async with ask(hub) as way:
        access = replace(way.access, token="x\r\nX-Evil: 1")
        assert await code_of(way.api.activity(access)) in ("NoSafeWay", "HubUnreachable")
    assert hub.requests == []
