"""Bad input: a clear problem with everything wrong at once, nothing written, nothing billed, no secret repeated."""

import base64
import json
import logging
import struct
from typing import Any

import pytest

from tests.component.api.client import Api
from tests.support.fake_chance import ed25519_pair
from tests.support.world import World


def rsa_key(bits: int) -> str:
    """The public line of an RSA key of that length (RFC 4253 section 6.6)."""
    modulus = ((1 << bits) - 1).to_bytes(bits // 8 + 1, "big")
    blob = b"".join(struct.pack(">I", len(part)) + part for part in (b"ssh-rsa", b"\x01\x00\x01", modulus))
    return f"ssh-rsa {base64.b64encode(blob).decode()} jay@laptop"


def requirements(url: str) -> dict[str, Any]:
    return {"packages": {"requirementsUrl": url}}


def packages(**lists: list[str]) -> dict[str, Any]:
    return {"packages": lists}


def schedule(**changes: Any) -> dict[str, Any]:
    return {"schedule": {"timeZone": "UTC", "stop": "19:00", **changes}}


def blocks(*times: tuple[str | None, str | None]) -> dict[str, Any]:
    return {"schedule": {"timeZone": "UTC", "blocks": [{"start": start, "stop": stop} for start, stop in times]}}


BAD_URL = {"/packages/requirementsUrl": "InvalidUrl"}
BAD_ZONE = {"/schedule/timeZone": "UnknownTimeZone"}
BAD_STOP = {"/schedule/stop": "InvalidTime"}
WORLD = "CidrTooWide"

CASES: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    ("unknown field", {"colour": "red"}, {"/colour": "UnknownField"}),
    ("unknown nested field", {"https": {"hsts": True}}, {"/https/hsts": "UnknownField"}),
    ("server-owned field", {"owner": "ada", "state": "ready"}, {"/owner": "UnknownField", "/state": "UnknownField"}),
    ("text for a number", {"people": "12"}, {"/people": "WrongType"}),
    ("true for a number", {"idleMinutes": True}, {"/idleMinutes": "WrongType"}),
    ("number for a truth", {"spot": 1}, {"/spot": "WrongType"}),
    ("fraction for whole cores", {"limits": {"cpu": 0.5}}, {"/limits/cpu": "WrongType"}),
    ("list for an object", {"https": []}, {"/https": "WrongType"}),
    ("capital in a hub name", {"name": "Demo"}, {"/name": "InvalidName"}),
    ("hub name that ends with a hyphen", {"name": "demo-"}, {"/name": "InvalidName"}),
    ("hub name too long", {"name": "a" * 31}, {"/name": "InvalidName"}),
    ("empty hub name", {"name": ""}, {"/name": "InvalidName"}),
    ("admin name reserved by Azure", {"adminUser": "admin"}, {"/adminUser": "ReservedName"}),
    ("root", {"adminUser": "root"}, {"/adminUser": "ReservedName"}),
    ("account of Ubuntu", {"adminUser": "www-data"}, {"/adminUser": "ReservedName"}),
    ("our own account", {"adminUser": "hublet"}, {"/adminUser": "ReservedName"}),
    ("TLJH's accounts", {"adminUser": "jupyter-ada"}, {"/adminUser": "ReservedName"}),
    ("admin name with capitals", {"adminUser": "JayDoe"}, {"/adminUser": "InvalidName"}),
    ("admin name that TLJH would split", {"adminUser": "jay:pw"}, {"/adminUser": "InvalidName"}),
    ("admin name of 18 characters", {"adminUser": "a" * 18}, {"/adminUser": "InvalidName"}),
    ("size that is not allowed", {"size": "Standard_M128s"}, {"/size": "SizeNotAllowed"}),
    ("region that is not allowed", {"region": "moonbase"}, {"/region": "RegionNotAllowed"}),
    ("more people than any size fits", {"people": 1000}, {"/people": "SizeOrPeople"}),
    ("nobody", {"people": 0}, {"/people": "OutOfRange"}),
    ("malformed SSH key", {"sshPublicKey": "ssh-ed25519 AAAA"}, {"/sshPublicKey": "InvalidSshPublicKey"}),
    ("weak SSH key", {"sshPublicKey": rsa_key(1024)}, {"/sshPublicKey": "InvalidSshPublicKey"}),
    ("DSA key", {"sshPublicKey": "ssh-dss AAAAB3NzaC1kc3M="}, {"/sshPublicKey": "InvalidSshPublicKey"}),
    ("http requirements", requirements("http://a.example/r"), BAD_URL),
    ("requirements with a password", requirements("https://u:p@a.example/r"), BAD_URL),
    ("requirements without a host", requirements("https:///r"), BAD_URL),
    ("requirements at an address", requirements("https://169.254.169.254/r"), BAD_URL),
    ("requirements at a number", requirements("https://2130706433/r"), BAD_URL),
    ("requirements too long", requirements("https://a.example/" + "r" * 2048), BAD_URL),
    ("apt option", packages(apt=["-oAPT::x=y"]), {"/packages/apt/0": "InvalidPackage"}),
    ("apt removal", packages(apt=["cowsay", "sudo-"]), {"/packages/apt/1": "InvalidPackage"}),
    ("shell in a package", packages(apt=["a;reboot"]), {"/packages/apt/0": "InvalidPackage"}),
    ("pip option", packages(pip=["--index-url=https://x"]), {"/packages/pip/0": "InvalidPackage"}),
    ("pip URL", packages(pip=["x@https://evil.example/x.whl"]), {"/packages/pip/0": "InvalidPackage"}),
    ("pip path", packages(pip=["../x"]), {"/packages/pip/0": "InvalidPackage"}),
    ("pip file", packages(pip=["x.whl"]), {"/packages/pip/0": "InvalidPackage"}),
    ("whole world for SSH", {"sshFrom": ["0.0.0.0/0"]}, {"/sshFrom/0": WORLD}),
    ("whole IPv6 world for SSH", {"sshFrom": ["::/0"]}, {"/sshFrom/0": WORLD}),
    ("star for SSH", {"sshFrom": ["*"]}, {"/sshFrom/0": WORLD}),
    ("the world in two halves", {"sshFrom": ["0.0.0.0/1", "128.0.0.0/1"]}, {"/sshFrom/0": WORLD, "/sshFrom/1": WORLD}),
    ("bad CIDR", {"sshFrom": ["203.0.113.300/24"]}, {"/sshFrom/0": "InvalidCidr"}),
    ("CIDR with host bits", {"sshFrom": ["203.0.113.7/24"]}, {"/sshFrom/0": "InvalidCidr"}),
    ("time of day that is none", schedule(stop="24:00"), BAD_STOP),
    ("cron instead of a time", schedule(stop="0 19 * * 1-5"), BAD_STOP),
    ("unknown time zone", schedule(timeZone="Mars/Olympus"), BAD_ZONE),
    ("time zone that is a path", schedule(timeZone="../../etc/passwd"), BAD_ZONE),
    ("day that is none", schedule(days=["montag"]), {"/schedule/days/0": "InvalidValue"}),
    ("schedule without a time", {"schedule": {"timeZone": "UTC"}}, {"/schedule": "MissingField"}),
    ("stop at the start", schedule(start="19:00"), {"/schedule/stop": "StopBeforeStart"}),
    ("stop before the start", schedule(start="20:00"), {"/schedule/stop": "StopBeforeStart"}),
    ("both forms of a schedule", schedule(blocks=[{"start": "08:00"}]), {"/schedule/blocks": "Contradiction"}),
    (
        "blocks that overlap",
        blocks(("08:00", "12:00"), ("11:59", "13:00")),
        {"/schedule/blocks/1": "OverlappingBlocks"},
    ),
    ("block without a time", blocks((None, None)), {"/schedule/blocks/0": "MissingField"}),
    ("block with a bad time", blocks(("8:00", None)), {"/schedule/blocks/0/start": "InvalidTime"}),
    ("too many blocks", blocks(*[("08:00", None)] * 15), {"/schedule/blocks": "TooLong"}),
    ("last day in the past", schedule(until="2026-03-01"), {"/schedule/until": "InThePast"}),
    ("last day that is none", schedule(until="2026-04-31"), {"/schedule/until": "InvalidTime"}),
    ("skipped day with a time", schedule(skip=["2026-12-25T00:00"]), {"/schedule/skip/0": "InvalidTime"}),
    ("skipped day twice", schedule(skip=["2026-12-25"] * 2), {"/schedule/skip/1": "Duplicate"}),
    ("too many skipped days", schedule(skip=["2026-12-25"] * 401), {"/schedule/skip": "TooLong"}),
    ("idle too soon", {"idleMinutes": 14}, {"/idleMinutes": "OutOfRange"}),
    ("schedule without a zone", {"schedule": {"stop": "19:00"}}, {"/schedule/timeZone": "MissingField"}),
    ("past end date", {"expiresAt": "2020-01-01T00:00:00Z"}, {"/expiresAt": "InThePast"}),
    ("end date without an offset", {"expiresAt": "2030-01-01T00:00:00"}, {"/expiresAt": "InvalidTime"}),
    ("end date that does not exist", {"expiresAt": "2030-02-30T00:00:00Z"}, {"/expiresAt": "InvalidTime"}),
    ("disk too small", {"osDiskGiB": 29}, {"/osDiskGiB": "OutOfRange"}),
    ("disk too large", {"osDiskGiB": 1025}, {"/osDiskGiB": "OutOfRange"}),
    ("image that TLJH cannot use", {"image": "ubuntu-26.04"}, {"/image": "InvalidValue"}),
    ("authenticator of another version", {"auth": {"type": "ldap"}}, {"/auth/type": "InvalidValue"}),
    ("e-mail that is none", {"https": {"email": "jay"}}, {"/https/email": "InvalidValue"}),
    ("domain that is an address", {"https": {"domain": "10.0.0.1"}}, {"/https/domain": "InvalidValue"}),
    ("domain without https", {"https": {"mode": "none", "domain": "a.example"}}, {"/https/domain": "Contradiction"}),
    ("memory that TLJH refuses", {"limits": {"memory": "2 GB"}}, {"/limits/memory": "InvalidValue"}),
    ("more memory than the machine has", {"limits": {"memory": "16G"}}, {"/limits/memory": "Contradiction"}),
    ("person twice", {"users": ["ada", "ada"]}, {"/users": "Duplicate"}),
    ("person that is the admin", {"adminUser": "jay", "users": ["jay"]}, {"/users/0": "Duplicate"}),
    ("person that is a number", {"users": ["12345"]}, {"/users/0": "InvalidName"}),
    ("person with a comma", {"users": ["a,b"]}, {"/users/0": "InvalidName"}),
    ("tag name that Azure refuses", {"tags": {"a<b": "x"}}, {"/tags/a<b": "InvalidTag"}),
    ("tag name that is ours", {"tags": {"hublet-hub": "x"}}, {"/tags/hublet-hub": "InvalidTag"}),
    ("tag value too long", {"tags": {"a": "x" * 257}}, {"/tags/a": "InvalidTag"}),
    ("tag names that differ in case only", {"tags": {"a": "1", "A": "2"}}, {"/tags": "Duplicate"}),
    ("too many tags", {"tags": {f"t{n}": "x" for n in range(41)}}, {"/tags": "TooLong"}),
    ("fallback size that is not allowed", {"fallback": {"sizes": ["X"]}}, {"/fallback/sizes/0": "SizeNotAllowed"}),
]


@pytest.mark.parametrize(("body", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
async def test_a_wrong_field_is_refused_and_nothing_is_written(api: Api, world: World, body: Any, expected: Any):
    answer = await api.post("/api/hubs", body)
    assert (answer.status, answer.code) == (400, "InvalidRequest")
    assert answer.pointers == expected
    assert world.storage.tape.writes == []
    assert world.cloud.writes == []


async def test_everything_wrong_is_reported_at_once(api: Api, world: World):
    body: dict[str, Any] = {}
    expected: dict[str, str] = {}
    for _, wrong, pointers in CASES:
        if not set(wrong) & set(body):
            body |= wrong
            expected |= pointers
    answer = await api.post("/api/hubs", body)
    assert answer.pointers == expected
    assert len(expected) > 15
    assert world.storage.tape.writes == []


async def test_rules_between_fields_are_told_beside_wrong_fields(api: Api):
    answer = await api.post("/api/hubs", {"size": 7, "limits": {"memory": "9T"}, "schedule": {"timeZone": "UTC"}})
    assert answer.pointers == {"/size": "WrongType", "/limits/memory": "Contradiction", "/schedule": "MissingField"}


async def test_a_problem_says_what_to_do_and_which_request_it_was(api: Api):
    problem = (await api.post("/api/hubs", {"name": "!"}, headers={"x-request-id": "r-9"})).json
    assert problem["type"] == "urn:hublet:problem:InvalidRequest"
    assert (problem["title"], problem["status"]) == ("The request has mistakes", 400)
    assert (problem["instance"], problem["requestId"]) == ("/api/hubs", "r-9")
    assert problem["retryable"] is False
    assert problem["fix"]


# ---- secrets sent by mistake

PRIVATE = ed25519_pair("owner").private
PRIVATE_BODY = PRIVATE.split("\n")[1]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"sshPublicKey": PRIVATE}, "/sshPublicKey"),
        (
            {"sshPublicKey": "PuTTY-User-Key-File-3: ssh-ed25519\nPrivate-Lines: 1\nAAAA" + PRIVATE_BODY},
            "/sshPublicKey",
        ),
        ({"adminUser": PRIVATE}, "/adminUser"),
        (packages(pip=[PRIVATE]), "/packages/pip/0"),
        ({"tags": {"key": PRIVATE}}, "/tags/key"),
    ],
    ids=["in its field", "of PuTTY", "in another field", "in a list", "in a tag"],
)
async def test_a_private_key_is_refused_never_logged_never_echoed(api: Api, world: World, caplog, body, where):
    caplog.set_level(logging.DEBUG)
    answer = await api.post("/api/hubs", body)
    assert (answer.status, answer.code) == (400, "PrivateKeySent")
    assert answer.pointers[where] == "PrivateKeySent"
    assert PRIVATE_BODY not in answer.body.decode()
    assert PRIVATE_BODY not in caplog.text
    assert "PRIVATE KEY" not in answer.body.decode()
    assert world.storage.tape.writes == []


async def test_a_private_key_as_a_fields_name_is_not_echoed(api: Api):
    answer = await api.post("/api/hubs", {PRIVATE: 1})
    assert answer.code == "PrivateKeySent"
    assert PRIVATE_BODY not in answer.body.decode()


# ---- the body as such

DEEP = b'{"a":' * 17 + b"1" + b"}" * 17
JSON_TYPE = {"content-type": "application/json"}
LATIN = {"content-type": "application/json; charset=latin-1"}


@pytest.mark.parametrize(
    ("raw", "headers", "status", "code"),
    [
        (b"{" + b" " * (32 * 1024) + b"}", JSON_TYPE, 413, "BodyTooLarge"),
        (b"not json", JSON_TYPE, 400, "InvalidJson"),
        (b'{"name": ', JSON_TYPE, 400, "InvalidJson"),
        (b"[]", JSON_TYPE, 400, "InvalidJson"),
        (b'"text"', JSON_TYPE, 400, "InvalidJson"),
        (b"null", JSON_TYPE, 400, "InvalidJson"),
        (DEEP, JSON_TYPE, 400, "InvalidJson"),
        (b"[" * 32000, JSON_TYPE, 400, "InvalidJson"),
        (b'{"name":"a","name":"b"}', JSON_TYPE, 400, "InvalidJson"),
        (b'{"https":{"mode":"auto","mode":"none"}}', JSON_TYPE, 400, "InvalidJson"),
        (b'{"people":NaN}', JSON_TYPE, 400, "InvalidJson"),
        (b'{"people":-Infinity}', JSON_TYPE, 400, "InvalidJson"),
        (b'{"memoryPerPersonGiB":1e999}', JSON_TYPE, 400, "InvalidJson"),
        (b'{"people":' + b"9" * 5000 + b"}", JSON_TYPE, 400, "InvalidJson"),
        (b'{"name":"\\ud800"}', JSON_TYPE, 400, "InvalidJson"),
        (b"\xef\xbb\xbf{}", JSON_TYPE, 400, "InvalidJson"),
        (b'{"name":"\xff"}', JSON_TYPE, 415, "UnsupportedMediaType"),
        ('{"name":"ä"}'.encode("latin-1"), LATIN, 415, "UnsupportedMediaType"),
        ("{}".encode("utf-16"), {"content-type": "application/json; charset=utf-16"}, 415, "UnsupportedMediaType"),
        (b"name=demo", {"content-type": "application/x-www-form-urlencoded"}, 415, "UnsupportedMediaType"),
        (b"{}", {"content-type": "text/plain"}, 415, "UnsupportedMediaType"),
        (b"\x1f\x8b", {**JSON_TYPE, "content-encoding": "gzip"}, 415, "UnsupportedMediaType"),
    ],
)
async def test_a_body_that_is_not_small_plain_json_is_refused(api: Api, world: World, raw, headers, status, code):
    answer = await api.post("/api/hubs", raw=raw, headers=headers)
    assert (answer.status, answer.code) == (status, code)
    assert world.storage.tape.writes == []


async def test_a_charset_of_utf_8_is_taken(api: Api):
    headers = {"content-type": 'application/json; charset="UTF-8"'}
    assert (await api.post("/api/hubs", raw=b'{"name":"demo"}', headers=headers)).status == 202


# ---- who asks, and for what


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Bearer",
        "Bearer ",
        "Basic YWRtaW46YWRtaW4=",
        "Bearer hlt_jaydoe_wrongwrongwrongwrong",
        "Bearer hlt_nobody_ssssssssssssssssssssssssssssssssssssssssssss",
        "Bearer an-admin-token-of-more-than-32-character",
        "Bearer a,b",
        "Bearer " + "x" * 5000,
        "hlt_jaydoe_" + "s" * 43,
    ],
)
async def test_no_or_a_bad_token_is_401_and_says_how(api: Api, world: World, authorization: str | None):
    api.token("jaydoe")
    headers = {"authorization": authorization} if authorization is not None else {}
    answer = await api.post("/api/hubs", {"name": "demo"}, owner=None, headers=headers)
    assert (answer.status, answer.code) == (401, "Unauthorized")
    assert answer.headers["www-authenticate"].startswith('Bearer realm="hublet"')
    assert "hlt_" not in json.dumps(answer.json["detail"])
    assert world.storage.tape.writes == []


@pytest.mark.parametrize("header", ["x-ms-client-principal", "x-ms-client-principal-id", "x-functions-key"])
async def test_platform_headers_are_no_identity(api: Api, header: str):
    assert (await api.get("/api/hubs", owner=None, headers={header: "eyJhdXRoX3R5cCI6ImFhZCJ9"})).status == 401


@pytest.mark.parametrize(
    "path", ["/api/nothing", "/api/", "/api/hubs/demo/nothing", "/api/hubs/demo/events/1", "/api/admin"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PATCH"])
async def test_an_unknown_route_is_404(api: Api, path: str, method: str):
    answer = await api.send(method, path)
    assert (answer.status, answer.code) == (404, "RouteNotFound")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/api/hubs", "GET, POST"),
        ("PUT", "/api/hubs/demo", "DELETE, GET, PATCH"),
        ("GET", "/api/hubs/demo/stop", "POST"),
        ("POST", "/api/hubs/demo/cost", "GET"),
        ("GET", "/api/hubs/demo/ssh-key", "POST"),
        ("GET", "/api/hubs/demo/admin-password", "POST"),
        ("POST", "/api/operations/x", "GET"),
        ("OPTIONS", "/api/hubs", "GET, POST"),
        ("HEAD", "/api/tokens/x", "DELETE"),
        ("POST", "/api/openapi.json", "GET"),
    ],
)
async def test_a_wrong_method_is_405_with_the_right_ones(api: Api, method: str, path: str, allowed: str):
    answer = await api.send(method, path)
    assert answer.status == 405
    assert answer.headers["allow"] == allowed
    assert answer.headers["x-ms-error-code"] == "MethodNotAllowed"
    assert (answer.body == b"") == (method == "HEAD")
