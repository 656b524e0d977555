"""The pretended Slack as Slack's own SDK sees it: the unmodified `slack_sdk` speaks to it and checks its signatures."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp import web
from slack_sdk.errors import SlackApiError
from slack_sdk.signature import Clock as SlackClock
from slack_sdk.signature import SignatureVerifier
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from localdev.chat.blocks import wrong
from tests.contract.chat.running_chat import Chat, Got

SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "demo is *ready*"}}
STOP = {
    "type": "button",
    "text": {"type": "plain_text", "text": "Stop now"},
    "action_id": "stop",
    "value": '{"hub": "h1", "deadline": ""}',
    "style": "danger",
    "confirm": {
        "title": {"type": "plain_text", "text": "Sure?"},
        "text": {"type": "plain_text", "text": "Stop demo?"},
        "confirm": {"type": "plain_text", "text": "Stop"},
        "deny": {"type": "plain_text", "text": "No"},
    },
}
ACTIONS = {"type": "actions", "elements": [STOP]}


@pytest.fixture
async def slack(chat: Chat) -> AsyncIterator[AsyncWebClient]:
    yield AsyncWebClient(chat.server.bot_token, base_url=f"{chat.server.base}/api/", ssl=chat.trust)


def answer_of(error: SlackApiError) -> AsyncSlackResponse:
    assert isinstance(error.response, AsyncSlackResponse)
    return error.response


def error_of(caught: pytest.ExceptionInfo[SlackApiError]) -> str:
    return str(answer_of(caught.value)["error"])


# ------------------------------------------------------------------ the Web API


async def test_a_message_is_posted_and_seen_by_everybody_in_the_channel(chat: Chat, slack: AsyncWebClient) -> None:
    posted = await slack.chat_postMessage(channel="C1", text="demo is ready", blocks=[SECTION])
    [seen] = await chat.messages("slack/channels/C1")
    assert posted["ok"] and posted["channel"] == "C1"
    assert (seen["ts"], seen["text"], seen["onlyFor"]) == (posted["ts"], "demo is ready", None)
    assert seen["blocks"][0]["text"] == SECTION["text"]
    assert seen["blocks"][0]["block_id"], "Slack names a block that came without a name"


async def test_an_update_keeps_the_timestamp_and_what_was_shown_before(chat: Chat, slack: AsyncWebClient) -> None:
    posted = await slack.chat_postMessage(channel="C1", text="creating")
    for text in ("installing", "ready"):
        updated = await slack.chat_update(channel="C1", ts=posted["ts"], text=text)
        assert updated["ts"] == posted["ts"]
    [seen] = await chat.messages("slack/channels/C1")
    assert seen["text"] == "ready"
    assert [edit["text"] for edit in seen["edits"]] == ["creating", "installing"]


async def test_a_reply_names_its_thread(chat: Chat, slack: AsyncWebClient) -> None:
    first = await slack.chat_postMessage(channel="C1", text="one")
    await slack.chat_postMessage(channel="C1", text="two", thread_ts=first["ts"])
    assert [each["threadTs"] for each in await chat.messages("slack/channels/C1")] == [None, first["ts"]]
    await slack.chat_postMessage(channel="C1", text="three", thread_ts=first["ts"], reply_broadcast=True)
    assert [each["broadcast"] for each in await chat.messages("slack/channels/C1")] == [False, False, True]
    with pytest.raises(SlackApiError) as caught:
        await slack.chat_postMessage(channel="C1", text="four", thread_ts="1.000001")
    assert error_of(caught) == "thread_not_found"


async def test_an_ephemeral_message_is_seen_by_one_person_only(chat: Chat, slack: AsyncWebClient) -> None:
    await slack.chat_postEphemeral(channel="C1", user="U1", text="your login")
    assert await chat.messages("slack/channels/C1") == []
    assert [each["text"] for each in await chat.messages("slack/user/U1")] == ["your login"]
    assert await chat.messages("slack/user/U2") == []


async def test_a_direct_conversation_is_opened_once_and_private(chat: Chat, slack: AsyncWebClient) -> None:
    first, second = await slack.conversations_open(users="U1"), await slack.conversations_open(users="U1")
    assert first["channel"]["id"] == second["channel"]["id"]
    assert "already_open" not in first.data and second["already_open"]
    await slack.chat_postMessage(channel=first["channel"]["id"], text="hello")
    assert [each["text"] for each in await chat.messages("slack/user/U1")] == ["hello"]


@pytest.mark.parametrize(
    ("channel", "error"),
    [("C2", "not_in_channel"), ("C3", "channel_not_found"), ("C4", "is_archived"), ("C999", "channel_not_found")],
)
async def test_a_channel_the_bot_cannot_write_to_is_refused(slack: AsyncWebClient, channel: str, error: str) -> None:
    with pytest.raises(SlackApiError) as caught:
        await slack.chat_postMessage(channel=channel, text="hello")
    assert error_of(caught) == error


async def test_what_the_app_sent_is_listed_with_how_it_ended(chat: Chat, slack: AsyncWebClient) -> None:
    await slack.chat_postMessage(channel="C1", text="hello")
    with pytest.raises(SlackApiError):
        await slack.chat_postMessage(channel="C4", text="hello")
    received = (await chat.look("received"))["received"]
    assert [(each["path"], each["status"], each["error"]) for each in received] == [
        ("/api/chat.postMessage", 200, ""),
        ("/api/chat.postMessage", 200, "is_archived"),
    ]


async def test_a_wrong_token_is_refused(chat: Chat) -> None:
    stranger = AsyncWebClient("xoxb-wrong", base_url=f"{chat.server.base}/api/", ssl=chat.trust)
    with pytest.raises(SlackApiError) as caught:
        await stranger.chat_postMessage(channel="C1", text="hello")
    assert error_of(caught) == "invalid_auth"
    assert await chat.messages("slack/channels/C1") == []


async def test_a_method_that_is_not_pretended_says_so(slack: AsyncWebClient) -> None:
    with pytest.raises(SlackApiError) as caught:
        await slack.users_list()
    assert error_of(caught) == "unknown_method"


async def test_a_message_of_somebody_else_or_of_nobody_cannot_be_updated(chat: Chat, slack: AsyncWebClient) -> None:
    chat.app = lambda _: web.json_response({"response_type": "in_channel", "text": "done"})
    await chat.drive("slack/command", {"text": "/hub list"})
    [typed, _] = await chat.messages("slack/channels/C1")
    for ts, error in ((typed["ts"], "cant_update_message"), ("1.000001", "message_not_found")):
        with pytest.raises(SlackApiError) as caught:
            await slack.chat_update(channel="C1", ts=ts, text="changed")
        assert error_of(caught) == error


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"text": "x" * 40_001}, "msg_too_long"),
        ({"text": "x", "blocks": [SECTION] * 51}, "invalid_blocks"),
        ({"text": "x", "blocks": "[not json"}, "invalid_blocks_format"),
        ({}, "no_text"),
    ],
)
async def test_what_slack_cannot_show_is_refused(slack: AsyncWebClient, content: Mapping[str, Any], error: str) -> None:
    with pytest.raises(SlackApiError) as caught:
        await slack.api_call("chat.postMessage", json={"channel": "C1", **content})
    assert error_of(caught) == error


async def test_form_bodies_and_json_without_charset_are_taken_as_slack_takes_them(chat: Chat) -> None:
    url, headers = f"{chat.server.base}/api/chat.postMessage", {"Authorization": f"Bearer {chat.server.bot_token}"}
    form = {"channel": "C1", "text": "form", "blocks": json.dumps([SECTION])}
    async with chat.session.post(url, data=form, headers=headers) as answer:
        assert (await answer.json())["ok"]
    headers["Content-Type"] = "application/json"
    async with chat.session.post(url, data=b'{"channel": "C1", "text": "json"}', headers=headers) as answer:
        assert (await answer.json())["warning"] == "missing_charset"
    assert [each["text"] for each in await chat.messages("slack/channels/C1")] == ["form", "json"]


# ------------------------------------------------------------------ limits of blocks


def button(**changed: object) -> dict[str, Any]:
    return {"type": "actions", "elements": [{**STOP, **changed}]}


def plain(length: int) -> dict[str, str]:
    return {"type": "plain_text", "text": "x" * length}


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ({"type": "section", "text": plain(3000)}, {"type": "section", "text": plain(3001)}),
        ({"type": "header", "text": plain(150)}, {"type": "header", "text": plain(151)}),
        ({"type": "header", "text": plain(1)}, {"type": "header", "text": {"type": "mrkdwn", "text": "x"}}),
        ({"type": "section", "fields": [plain(2000)] * 10}, {"type": "section", "fields": [plain(2001)]}),
        ({"type": "section", "fields": [plain(1)]}, {"type": "section", "fields": [plain(1)] * 11}),
        ({"type": "section", "text": plain(1)}, {"type": "section", "text": plain(0)}),
        ({"type": "context", "elements": [plain(1)] * 10}, {"type": "context", "elements": [plain(1)] * 11}),
        (button(value="x" * 2000), button(value="x" * 2001)),
        (button(text=plain(75)), button(text=plain(76))),
        (button(url="https://example.org"), button(url="https://example.org/" + "x" * 3000)),
        (button(style="primary"), button(style="default")),
        (button(confirm={"text": plain(300)}), button(confirm={"text": plain(301)})),
        (ACTIONS, {"type": "actions", "elements": [STOP, STOP]}),
        (ACTIONS, {"type": "actions", "elements": []}),
        ({"type": "divider"}, {"type": "carousel"}),
        ({"type": "divider", "block_id": "x" * 255}, {"type": "divider", "block_id": "x" * 256}),
    ],
)
def test_each_limit_of_block_kit(good: dict[str, Any], bad: dict[str, Any]) -> None:
    assert wrong([good]) == []
    assert wrong([bad])


def test_blocks_of_one_message_have_different_names() -> None:
    assert wrong([{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "a"}])


# ------------------------------------------------------------------ how often


async def test_one_message_a_second_and_channel_after_a_burst(chat: Chat, slack: AsyncWebClient) -> None:
    for _ in range(5):
        await slack.chat_postMessage(channel="C1", text="one of many")
    with pytest.raises(SlackApiError) as caught:
        await slack.chat_postMessage(channel="C1", text="too many")
    answer = answer_of(caught.value)
    assert (answer.status_code, answer["error"]) == (429, "ratelimited")
    assert int(answer.headers["Retry-After"]) == 1
    await slack.chat_postMessage(channel="C5", text="another channel")
    chat.clock.advance(1)
    await slack.chat_postMessage(channel="C1", text="a second later")


async def test_the_limit_can_be_switched_off(chat: Chat, slack: AsyncWebClient) -> None:
    await chat.drive("settings", {"rateLimit": False})
    for _ in range(20):
        await slack.chat_postMessage(channel="C1", text="one of many")


# ------------------------------------------------------------------ commands and response_url


async def test_a_command_is_signed_as_slacks_own_verifier_wants_it(chat: Chat) -> None:
    await chat.drive("slack/command", {"text": "/hub create demo people=5", "user": "U2", "channel": "C1"})
    [got] = chat.got
    verifier = SignatureVerifier(chat.server.signing_secret, clock=FixedClock(chat))
    assert got.path == "/api/chat/slack/command"
    assert verifier.is_valid_request(got.body, got.headers)
    assert not verifier.is_valid_request(got.body + b"&x=1", got.headers)
    form = {name: values[0] for name, values in parse_qs(got.body.decode()).items()}
    assert (form["command"], form["text"], form["user_id"]) == ("/hub", "create demo people=5", "U2")
    assert (form["team_id"], form["channel_id"], form["user_name"]) == ("T1", "C1", "ada")
    assert form["response_url"].startswith(chat.server.base) and form["trigger_id"]


class FixedClock(SlackClock):
    """By the server's clock."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat

    def now(self) -> float:
        return self._chat.clock.now().timestamp()


async def test_the_answer_to_a_command_is_private_unless_it_says_otherwise(chat: Chat) -> None:
    chat.app = lambda _: web.json_response({"text": "for you"})
    answer = await chat.drive("slack/command", {"text": "/hub list"})
    assert (answer["outcome"], answer["message"]["onlyFor"]) == ("ok", "U1")
    chat.app = lambda _: web.json_response({"response_type": "in_channel", "text": "for all"})
    await chat.drive("slack/command", {"text": "/hub list"})
    seen = await chat.messages("slack/channels/C1")
    assert [(each["user"], each["text"]) for each in seen] == [("U1", "/hub list"), ("U0HUBLET", "for all")]


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        (web.Response(status=401), "dispatch_failed"),
        (web.Response(text="{", content_type="application/json"), "invalid_command_response"),
        (web.json_response({"text": "x", "blocks": [{"type": "carousel"}]}), "invalid_command_response"),
    ],
)
async def test_an_answer_slack_cannot_show_is_an_error_to_the_user(
    chat: Chat, response: web.Response, outcome: str
) -> None:
    chat.app = lambda _: response
    answer = await chat.drive("slack/command", {"text": "/hub list"})
    assert answer["outcome"].startswith(outcome)
    assert answer["message"] is None


async def test_an_app_that_takes_longer_than_three_seconds_is_an_operation_timeout(
    chat: Chat,
) -> None:
    assert (await chat.drive("settings", {}))["slackLimitS"] == 3
    await chat.drive("settings", {"slackLimitS": 0.05})
    server = await silent_server()
    try:
        await chat.drive("app", {"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"})
        answer = await chat.drive("slack/command", {"text": "/hub list"})
    finally:
        server.close()
    assert (answer["outcome"], answer["status"]) == ("operation_timeout", 0)


async def silent_server() -> asyncio.Server:
    """Takes requests and never answers."""

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    return await asyncio.start_server(hold, "127.0.0.1", 0)


async def webhook_of(chat: Chat) -> AsyncWebhookClient:
    answer = await chat.drive("slack/command", {"text": "/hub create demo"})
    return AsyncWebhookClient(answer["responseUrl"], ssl=chat.trust)


async def test_a_response_url_takes_five_posts(chat: Chat) -> None:
    webhook = await webhook_of(chat)
    for number in range(5):
        sent = await webhook.send(text=f"post {number}", response_type="in_channel")
        assert (sent.status_code, sent.body) == (200, "ok")
    refused = await webhook.send(text="a sixth")
    assert (refused.status_code, json.loads(refused.body)["error"]) == (404, "used_url")
    assert len(await chat.messages("slack/channels/C1")) == 5


async def test_a_response_url_lives_thirty_minutes(chat: Chat) -> None:
    webhook = await webhook_of(chat)
    chat.clock.advance(timedelta(minutes=29, seconds=59))
    assert (await webhook.send(text="in time")).status_code == 200
    chat.clock.advance(timedelta(seconds=1))
    refused = await webhook.send(text="too late")
    assert (refused.status_code, json.loads(refused.body)["error"]) == (404, "expired_url")


async def test_a_response_url_replaces_and_deletes_what_the_command_was_answered_with(chat: Chat) -> None:
    chat.app = lambda _: web.json_response({"response_type": "in_channel", "text": "creating"})
    webhook = await webhook_of(chat)
    await webhook.send(text="ready", blocks=[SECTION], replace_original=True)
    [_, seen] = await chat.messages("slack/channels/C1")
    assert (seen["text"], [edit["text"] for edit in seen["edits"]]) == ("ready", ["creating"])
    await webhook.send(delete_original=True)
    [_, seen] = await chat.messages("slack/channels/C1")
    assert seen["deleted"]


async def test_what_a_response_url_cannot_show_is_refused_and_counts(chat: Chat) -> None:
    webhook = await webhook_of(chat)
    for _ in range(5):
        refused = await webhook.send(text="x", blocks=[{"type": "carousel"}])
        assert (refused.status_code, json.loads(refused.body)["error"]) == (400, "invalid_blocks")
    assert (await webhook.send(text="good")).status_code == 404


# ------------------------------------------------------------------ buttons


async def test_a_pressed_button_is_sent_with_its_message(chat: Chat, slack: AsyncWebClient) -> None:
    posted = await slack.chat_postMessage(channel="C1", text="demo stops soon", blocks=[SECTION, ACTIONS])
    press = {"channel": "C1", "ts": posted["ts"], "action_id": "stop", "user": "U2"}
    answer = await chat.drive("slack/press", press)
    [got] = chat.got
    assert (answer["outcome"], got.path) == ("ok", "/api/chat/slack/interaction")
    verifier = SignatureVerifier(chat.server.signing_secret, clock=FixedClock(chat))
    assert verifier.is_valid_request(got.body, got.headers)
    payload = json.loads(parse_qs(got.body.decode())["payload"][0])
    [action] = payload["actions"]
    assert (payload["type"], payload["user"]["id"], payload["team"]["id"]) == ("block_actions", "U2", "T1")
    assert (action["action_id"], action["value"], action["type"]) == ("stop", STOP["value"], "button")
    assert (payload["channel"]["id"], payload["message"]["ts"]) == ("C1", posted["ts"])
    webhook = AsyncWebhookClient(payload["response_url"], ssl=chat.trust)
    await webhook.send(text="U2 stopped it", replace_original=True)
    [seen] = await chat.messages("slack/channels/C1")
    assert seen["text"] == "U2 stopped it"


async def test_who_presses_from_another_workspace_presses_in_the_apps(chat: Chat, slack: AsyncWebClient) -> None:
    """Slack Connect: `team` is the app's, and only `user.team_id` says from where somebody is."""
    posted = await slack.chat_postMessage(channel="C1", text="demo stops soon", blocks=[SECTION, ACTIONS])
    press = {"channel": "C1", "ts": posted["ts"], "action_id": "stop", "user": "U2", "team": "T2"}
    await chat.drive("slack/press", press)
    payload = json.loads(parse_qs(chat.got[-1].body.decode())["payload"][0])
    assert (payload["team"]["id"], payload["user"]["team_id"]) == ("T1", "T2")


async def test_of_an_ephemeral_message_slack_sends_no_copy_and_only_its_reader_can_press(
    chat: Chat, slack: AsyncWebClient
) -> None:
    posted = await slack.chat_postEphemeral(channel="C1", user="U1", text="sure?", blocks=[ACTIONS])
    press = {"channel": "C1", "ts": posted["message_ts"], "action_id": "stop"}
    refused = await chat.drive("slack/press", {**press, "user": "U2"}, expect=400)
    assert "sees no message" in refused["error"]
    await chat.drive("slack/press", {**press, "user": "U1"})
    payload = json.loads(parse_qs(chat.got[-1].body.decode())["payload"][0])
    assert "message" not in payload
    assert payload["container"]["is_ephemeral"]


async def test_a_button_that_is_not_there_cannot_be_pressed(chat: Chat, slack: AsyncWebClient) -> None:
    posted = await slack.chat_postMessage(channel="C1", text="demo", blocks=[ACTIONS])
    press = {"channel": "C1", "ts": posted["ts"], "action_id": "start"}
    refused = await chat.drive("slack/press", press, expect=400)
    assert "stop (Stop now)" in refused["error"]
    assert chat.got == []


# ------------------------------------------------------------------ trouble


async def test_slack_is_down_for_a_while(chat: Chat) -> None:
    webhook = await webhook_of(chat)
    await chat.drive("faults", {"slack": "500", "seconds": 10})
    assert (await webhook.send(text="lost")).status_code == 500
    chat.clock.advance(10)
    assert (await webhook.send(text="through")).status_code == 200


async def test_a_broken_connection_does_nothing_and_a_lost_answer_did_it(chat: Chat) -> None:
    url, headers = f"{chat.server.base}/api/chat.postMessage", {"Authorization": f"Bearer {chat.server.bot_token}"}
    for fault, done in (("down", 0), ("lost", 1)):
        await chat.drive("faults", {"slack": fault, "times": 1})
        with pytest.raises(aiohttp.ClientError):
            await chat.session.post(url, json={"channel": "C1", "text": fault}, headers=headers)
        assert len(await chat.messages("slack/channels/C1")) == done
    received = (await chat.look("received"))["received"]
    assert [each["status"] for each in received] == [0, 0]


async def test_a_told_429_says_when_to_come_back(chat: Chat, slack: AsyncWebClient) -> None:
    await chat.drive("faults", {"slack": "429", "times": 1, "retry_after": 7})
    with pytest.raises(SlackApiError) as caught:
        await slack.chat_postMessage(channel="C1", text="hello")
    assert answer_of(caught.value).headers["Retry-After"] == "7"
    await slack.chat_postMessage(channel="C1", text="hello")


@pytest.mark.parametrize("wanted", [{}, {"slack": "on fire"}, {"slack": "down", "times": "x"}, {"slak": "down"}])
async def test_a_fault_that_makes_no_sense_is_refused(chat: Chat, wanted: dict[str, str]) -> None:
    await chat.drive("faults", wanted, expect=400)
    assert (await chat.look("faults"))["faults"] == []


async def test_a_replay_is_the_same_request_byte_for_byte(chat: Chat) -> None:
    first = await chat.drive("slack/command", {"text": "/hub stop demo"})
    chat.clock.advance(60)
    await chat.drive("replay", {"n": first["n"]})
    one, again = chat.got
    assert (one.body, _signed(one)) == (again.body, _signed(again))
    await chat.drive("replay", {"n": 7}, expect=400)
    await chat.drive("replay", {"n": -1}, expect=400)


def _signed(got: Got) -> tuple[str, str]:
    return got.headers["x-slack-request-timestamp"], got.headers["x-slack-signature"]


async def test_the_driver_answers_no_foreign_host(chat: Chat) -> None:
    headers = {"Host": "evil.example:443"}
    async with chat.session.get(f"{chat.server.base}/_chat/everything", headers=headers) as answer:
        assert answer.status == 403
