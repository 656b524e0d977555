"""The HTTP front against the real runtime library: what a function sees and what a caller gets."""

import aiohttp
import pytest

from tests.contract.host.conftest import Lab
from tests.support.hosts import RunningHost
from tests.support.wait import eventually


async def test_a_function_sees_method_headers_query_route_and_body(
    http: aiohttp.ClientSession, sample: RunningHost
) -> None:
    headers = [("X-One", "a"), ("X-One", "b"), ("X-Empty", "")]
    async with http.post("/api/echo/7?q=1&q=2&none=", data=b'{"a": 1}', headers=headers) as answer:
        assert answer.status == 201
        assert answer.headers["x-sample"] == "yes"
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers.getall("Set-Cookie") == ["a=1; Path=/", "b=2; Path=/"]
        seen = await answer.json()
    assert seen["method"] == "POST"
    assert seen["query"] == {"q": "1,2"}
    assert seen["route"] == {"id": "7"}
    assert seen["body"] == '{"a": 1}'
    assert seen["headers"]["x-one"] == "a,b"
    assert "x-empty" not in seen["headers"]
    assert f"http://{seen['host']}" == sample.url


async def test_an_optional_route_value_may_be_absent(http: aiohttp.ClientSession) -> None:
    async with http.get("/api/echo") as answer:
        assert (await answer.json())["route"] == {}


async def test_a_string_is_sent_as_text(http: aiohttp.ClientSession) -> None:
    async with http.get("/api/plain") as answer:
        assert (answer.status, await answer.text()) == (200, "plain text")


async def test_an_exception_is_an_empty_500(http: aiohttp.ClientSession) -> None:
    async with http.get("/api/broken") as answer:
        assert (answer.status, await answer.read()) == (500, b"")


async def test_not_modified_has_its_etag_and_no_body(http: aiohttp.ClientSession) -> None:
    async with http.get("/api/not-modified") as answer:
        assert (answer.status, answer.headers["ETag"], await answer.read()) == (304, 'W/"1"', b"")


async def test_a_catch_all_named_last_serves_what_nobody_else_does(http: aiohttp.ClientSession) -> None:
    async with http.get("/api/no/such%20thing") as answer:
        assert (answer.status, await answer.json(content_type=None)) == (418, {"rest": "no/such thing"})


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/api/plain"), ("HEAD", "/api/plain"), ("OPTIONS", "/api/plain"), ("GET", "/plain")],
)
async def test_a_method_nobody_lists_and_a_path_outside_the_prefix_are_an_empty_404(
    http: aiohttp.ClientSession, method: str, path: str
) -> None:
    async with http.request(method, path) as answer:
        assert (answer.status, await answer.read()) == (404, b"")


async def test_the_caller_is_let_go_at_the_limit_and_the_function_runs_on(
    http: aiohttp.ClientSession, shared_lab: Lab
) -> None:
    async with http.get("/api/slow?seconds=1.5") as answer:
        assert answer.status == 504
    await eventually(lambda: shared_lab.notes("slow") == ["done"])


async def test_admin_endpoints_answer_and_run_a_timer_by_hand(http: aiohttp.ClientSession, shared_lab: Lab) -> None:
    async with http.get("/admin/host/status") as answer:
        assert (await answer.json())["state"] == "Running"
    async with http.get("/admin/host/ping") as answer:
        assert answer.status == 200
    async with http.post("/admin/functions/tick", json={"input": ""}) as answer:
        assert answer.status == 202
    async with http.post("/admin/functions/nobody", json={}) as answer:
        assert answer.status == 404
    async with http.post("/admin/functions/tick", data=b"[]") as answer:
        assert answer.status == 400
    lines = await eventually(lambda: shared_lab.notes("tick"))
    assert [line.split(" ", 2)[2] for line in lines] == ["on time"]
