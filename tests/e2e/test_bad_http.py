"""What is no request of this API: bodies that cannot be read, no HTTP at all, no token, no such route."""

import gzip
import socket

import pytest

from tests.e2e.api import Answer, Api
from tests.e2e.environment import Environment

# ------------------------------------------------------------------ the body


def post(api: Api, body: bytes, **headers: str) -> Answer:
    sent = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    return api.call("POST", "/hubs", body=body, headers=sent)


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b'{"tags": {"a": "' + b"x" * 33_000 + b'"}}', {}, 413, "BodyTooLarge"),
        (b"{", {}, 400, "InvalidJson"),
        (b"name=bio", {}, 400, "InvalidJson"),
        (b"[]", {}, 400, "InvalidJson"),
        (b"null", {}, 400, "InvalidJson"),
        (b'{"people": NaN}', {}, 400, "InvalidJson"),
        (b'{"name": "a", "name": "b"}', {}, 400, "InvalidJson"),
        (b'{"tags": ' + b"[" * 17 + b"]" * 17 + b"}", {}, 400, "InvalidJson"),
        (b"[" * 16_000, {}, 400, "InvalidJson"),
        (b"\xef\xbb\xbf{}", {}, 400, "InvalidJson"),
        (b'{"name": "\\ud800"}', {}, 400, "InvalidJson"),
        (b'{"name": "\xff"}', {}, 415, "UnsupportedMediaType"),
        ('{"name": "bio"}'.encode("utf-16"), {}, 415, "UnsupportedMediaType"),
        (b"{}", {"Content_Type": "application/json; charset=latin-1"}, 415, "UnsupportedMediaType"),
        (b"{}", {"Content_Type": "text/plain"}, 415, "UnsupportedMediaType"),
        (b"<hub/>", {"Content_Type": "application/xml"}, 415, "UnsupportedMediaType"),
        (gzip.compress(b"{}"), {"Content_Encoding": "gzip"}, 415, "UnsupportedMediaType"),
    ],
    ids=lambda value: value[:20].decode("latin-1") if isinstance(value, bytes) else "",
)
def test_a_body_that_cannot_be_read_is_refused(
    nothing_happens: None, mallory: Api, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = post(mallory, body, **headers)
    assert (answer.status, answer.code) == (status, code)


@pytest.mark.parametrize(
    "request_text",
    [
        b"POST /api/hubs HTTP/1.1\r\nHost: x\r\nContent-Length: nine\r\n\r\n{}",
        b"POST /api/hubs HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n{}",
        b"POST /api/hubs HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST /api/hubs HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
        b"GET /api/hubs HTTP/1.1\r\nHost: x\r\nAuthorization: " + b"x" * 20_000 + b"\r\n\r\n",
        b"NONSENSE\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
    ],
)
def test_what_is_not_http_ends_the_connection_and_nothing_else(
    nothing_happens: None, mallory: Api, request_text: bytes
) -> None:
    with socket.create_connection(mallory.address, timeout=10) as connection:
        connection.sendall(request_text)
        connection.shutdown(socket.SHUT_WR)
        first = connection.recv(4096)
    assert not first or first.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4")), first
    assert mallory.call("GET", "/healthz").status == 200


# ------------------------------------------------------------------ who asks, and for what


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YWRtaW46YWRtaW4=",
        "Bearer wrong",
        "Bearer hlt_abc_" + "x" * 43,
        "Bearer " + "x" * 5000,
        "Bearer x\ty",
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/hubs"), ("POST", "/hubs"), ("POST", "/tokens")])
def test_without_a_good_token_nothing_is_said(
    nothing_happens: None, mallory: Api, method: str, path: str, authorization: str
) -> None:
    nobody = Api(mallory.base, None)
    headers = {"Authorization": authorization} if authorization else {}
    answer = nobody.call(method, path, headers=headers)
    assert (answer.status, answer.code) == (401, "Unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_revoked_token_is_no_token(environment: Environment) -> None:
    issued = environment.api.call("POST", "/tokens", {"owner": "leaver"}).json()
    leaver = Api(environment.api.base, issued["token"])
    assert environment.api.call("DELETE", f"/tokens/{issued['id']}").status == 204
    assert leaver.call("GET", "/hubs").status == 401


def test_what_is_for_admins_is_refused_to_others(nothing_happens: None, mallory: Api) -> None:
    for method, path in (("GET", "/tokens"), ("POST", "/tokens"), ("GET", "/hubs?owner=*")):
        answer = mallory.call(method, path, {"owner": "mallory"} if method == "POST" else None)
        assert (answer.status, answer.code) == (403, "Forbidden"), path


@pytest.mark.parametrize(
    "path", ["/nothing", "/hubs/x/y/z", "/hub", "/hubs/%2e%2e/tokens", "/hubs/%00", "/admin/host/status"]
)
def test_an_unknown_route_is_a_problem_too(nothing_happens: None, mallory: Api, path: str) -> None:
    answer = mallory.call("GET", path)
    assert answer.status == 404
    assert answer.code in ("RouteNotFound", "HubNotFound")


def test_a_wrong_method_names_the_right_ones(nothing_happens: None, mallory: Api) -> None:
    answer = mallory.call("DELETE", "/hubs")
    assert (answer.status, answer.code) == (405, "MethodNotAllowed")
    assert set(answer.headers["allow"].replace(" ", "").split(",")) >= {"GET", "POST"}


def test_unknown_parameters_are_refused_like_unknown_fields(nothing_happens: None, mallory: Api) -> None:
    answer = mallory.call("GET", "/hubs?colour=blue")
    assert (answer.status, answer.code) == (400, "InvalidParameter")
