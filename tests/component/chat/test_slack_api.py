"""What Slack answers -> the kind of trouble it is; and nothing secret in any of it."""

import json
import logging

import pytest

from shared.adapters.notify.slack_api import SlackApi, SlackRefused, SlackTokenRefused
from shared.errors import FatalError, RetryableError
from shared.hubs.ports import Answered
from tests.support.builders import some_settings
from tests.support.fake_chat import FakeOutbound

TOKEN = "xoxb-123-secret-token"
URL = "https://hooks.slack.com/commands/T1/22/secret-part"


def an_api(answered: Answered | None = None, **environment: str) -> tuple[SlackApi, FakeOutbound]:
    outbound = FakeOutbound()
    if answered is not None:
        outbound.answer = lambda _: answered
    return SlackApi(outbound, some_settings(HUBLET_SLACK_BOT_TOKEN=TOKEN, **environment)), outbound


async def call(api: SlackApi) -> None:
    await api.call("chat.update", {"text": "a secret"})


async def respond(api: SlackApi) -> None:
    await api.respond(URL, {"text": "a secret"})


def no(error: object, status: int = 200) -> Answered:
    return Answered(status, json.dumps({"ok": False, "error": error}).encode())


async def test_a_method_is_posted_as_json_with_the_token_in_a_header():
    api, outbound = an_api(Answered(200, b'{"ok":true,"channel":"C1","ts":"1.2"}'))
    assert await api.call("chat.postMessage", {"channel": "C1", "text": "gr\u00fcn \U0001f600"}) == {
        "ok": True,
        "channel": "C1",
        "ts": "1.2",
    }
    (sent,) = outbound.posted
    assert sent.url == "https://slack.com/api/chat.postMessage"
    assert sent.headers == {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json; charset=utf-8"}
    assert json.loads(sent.body) == {"channel": "C1", "text": "gr\u00fcn \U0001f600"}


async def test_the_api_may_be_somewhere_else():
    api, outbound = an_api(Answered(200, b'{"ok":true}'), HUBLET_SLACK_API="https://localhost:8443/slack/api/")
    await api.call("chat.update", {})
    assert outbound.posted[0].url == "https://localhost:8443/slack/api/chat.update"


@pytest.mark.parametrize(
    "code",
    [
        "ratelimited",
        "internal_error",
        "fatal_error",
        "service_unavailable",
        "request_timeout",
        "team_added_to_org",
        "org_login_required",
        "external_channel_migrating",
        "ekm_access_denied",
    ],
)
async def test_trouble_of_slack_is_tried_again(code):
    api, _ = an_api(no(code))
    with pytest.raises(RetryableError) as raised:
        await api.call("chat.postMessage", {})
    assert raised.value.code in ("SlackThrottled", "SlackUnavailable")


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"ok"', b'{"ok":true}', b"\xff"])
async def test_an_answer_of_a_broken_server_is_tried_again(status, body):
    for ask in (call, respond):
        api, _ = an_api(Answered(status, body))
        with pytest.raises(RetryableError) as raised:
            await ask(api)
        assert raised.value.code == "SlackUnavailable"


@pytest.mark.parametrize(
    "body", [b"", b"<html>Sign in to the wifi</html>", b"[]", b'{"ok":false}', b"{" * 9000, b"\xff"]
)
async def test_an_answer_that_is_not_slacks_is_tried_again(body):
    for ask in (call, respond):
        api, _ = an_api(Answered(200, body))
        with pytest.raises(RetryableError) as raised:
            await ask(api)
        assert raised.value.code == "SlackUnavailable"


@pytest.mark.parametrize(
    ("header", "wait"), [({"retry-after": "17"}, 17.0), ({}, 30.0), ({"retry-after": "soon"}, 30.0)]
)
async def test_slack_says_how_long_to_wait(header, wait):
    for ask in (call, respond):
        api, _ = an_api(Answered(429, b"", header))
        with pytest.raises(RetryableError) as raised:
            await ask(api)
        assert (raised.value.code, raised.value.retry_after_s) == ("SlackThrottled", wait)


@pytest.mark.parametrize(
    "code",
    ["invalid_auth", "token_revoked", "account_inactive", "not_authed", "missing_scope", "team_access_not_granted"],
)
async def test_a_token_that_can_be_mended_is_tried_again_under_a_code_of_its_own(code):
    api, _ = an_api(no(code))
    with pytest.raises(SlackTokenRefused) as raised:
        await api.call("chat.postMessage", {})
    assert isinstance(raised.value, RetryableError)
    assert (raised.value.code, raised.value.error) == ("SlackTokenRefused", code)
    assert "HUBLET_SLACK_BOT_TOKEN" in raised.value.fix


@pytest.mark.parametrize(
    "code",
    [
        "channel_not_found",
        "not_in_channel",
        "is_archived",
        "message_not_found",
        "cant_update_message",
        "invalid_blocks",
        "msg_too_long",
        "something_new",
    ],
)
async def test_what_slack_will_never_take_is_refused(code):
    api, _ = an_api(no(code))
    with pytest.raises(SlackRefused) as raised:
        await api.call("chat.postMessage", {})
    assert isinstance(raised.value, FatalError)
    assert (raised.value.code, raised.value.error) == ("SlackRefused", code)


@pytest.mark.parametrize("said", ["Bad Thing: xoxb-1", "x" * 65, "", 7, None, {"a": 1}])
async def test_what_is_no_code_is_repeated_to_nobody(said):
    api, _ = an_api(no(said, status=400))
    with pytest.raises(SlackRefused) as raised:
        await api.call("chat.postMessage", {})
    assert raised.value.error == "http_400"


# ------------------------------------------------------------------ response URLs


@pytest.mark.parametrize("body", [b"ok", b'{"ok":true}', b"ok\n"])
async def test_a_response_is_posted_without_the_token(body):
    api, outbound = an_api(Answered(200, body))
    await api.respond(URL, {"text": "x"})
    (sent,) = outbound.posted
    assert sent.url == URL and json.loads(sent.body) == {"text": "x"}
    assert sent.headers == {"Content-Type": "application/json; charset=utf-8"}


@pytest.mark.parametrize(
    "answered",
    [
        Answered(404),
        Answered(410),
        Answered(404, b"used_url"),
        Answered(200, b'{"ok":false,"error":"expired_url"}'),
        Answered(500, b'{"ok":false,"error":"used_url"}'),
        Answered(400, b"expired_url"),
    ],
)
async def test_an_address_that_takes_no_more_is_expired(answered):
    api, _ = an_api(answered)
    with pytest.raises(SlackRefused) as raised:
        await api.respond(URL, {})
    assert raised.value.error == "expired_url"


async def test_a_response_that_slack_will_never_take_is_refused():
    api, _ = an_api(Answered(400, b"invalid_blocks"))
    with pytest.raises(SlackRefused) as raised:
        await api.respond(URL, {})
    assert raised.value.error == "invalid_blocks"


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/commands/T1/22/x",
        "https://hooks.slack.com.evil.example/x",
        "https://hooks.slack.com@evil.example/x",
        "https://user@hooks.slack.com/x",
        "https://evil.example/hooks.slack.com",
        "https://hooks.slack.com:8443/x",
        "https://hooks.slack.com:port/x",
        "https://[hooks.slack.com/x",
        "http://hooks.slack.com/x",
        "//hooks.slack.com/x",
        "",
    ],
)
async def test_nothing_is_sent_to_an_address_that_is_not_slacks(url):
    api, outbound = an_api()
    with pytest.raises(SlackRefused) as raised:
        await api.respond(url, {})
    assert raised.value.error == "foreign_response_url"
    assert outbound.posted == []


async def test_the_host_of_the_api_in_the_settings_may_be_responded_to_at_its_port_only():
    api, outbound = an_api(Answered(200, b"ok"), HUBLET_SLACK_API="https://localhost:8443/api")
    await api.respond("https://localhost:8443/respond/1", {})
    await api.respond("https://HOOKS.slack.com:443/x", {})
    with pytest.raises(SlackRefused):
        await api.respond("https://localhost/respond/1", {})
    assert len(outbound.posted) == 2


# ------------------------------------------------------------------ secrets


async def test_no_secret_stands_in_an_error_or_in_the_log(caplog):
    caplog.set_level(logging.DEBUG)
    bodies = (b"", f"{TOKEN} {URL}".encode(), json.dumps({"ok": False, "error": TOKEN}).encode(), b'{"ok":false}')
    said = []
    for status in (200, 302, 400, 403, 404, 429, 500):
        for body in bodies:
            for ask in (call, respond):
                api, _ = an_api(Answered(status, body))
                with pytest.raises((RetryableError, SlackRefused)) as raised:
                    await ask(api)
                said.append(f"{raised.value!r} {raised.value} {raised.value.fix}")
    for text in (*said, caplog.text):
        assert TOKEN not in text and "secret" not in text.replace("HUBLET_SLACK", "")
