"""Slack's requests: signed, done once, for whom they are linked to, answered in time, told to the right people."""

import asyncio
import json
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from shared.chat.actions import Outcome, Pressed
from shared.chat.card import Card, Verb
from shared.errors import FatalError, RetryableError, UserError
from shared.hubs.model import Principal, Role
from shared.hubs.ports import Answered, IndexEntry
from tests.component.api.chat import (
    COMMAND,
    INTERACTION,
    JAY,
    PUBLIC,
    RESPONSE_URL,
    SLACK_SECRET,
    Chat,
    a_button,
    for_ever,
)
from tests.support.builders import HUB_ID, a_ready_hub

BUSY = RetryableError("StorageUnavailable", "Storage is down.")
PATHS = pytest.mark.parametrize("path", [COMMAND, INTERACTION])


@pytest.fixture
def chat() -> Chat:
    chat = Chat()
    chat.linked()
    return chat


# ------------------------------------------------------------------ who is let in


@PATHS
@pytest.mark.parametrize(
    "wrong",
    [
        {"x-slack-signature": "v0=" + "0" * 64},
        {"x-slack-signature": ""},
        {"x-slack-request-timestamp": ""},
        {"x-slack-request-timestamp": "now"},
    ],
)
async def test_what_slack_did_not_sign_is_refused_before_anything_is_read_or_stored(
    chat: Chat, path: str, wrong: dict[str, str]
):
    body = chat.form()
    answer = await chat.api.dispatch("POST", path, {**chat.slack_headers(body), **wrong}, body)
    assert (answer.status, answer.code) == (401, "BadSignature")
    assert (chat.stored, chat.does.asked, chat.world.storage.chat.sights) == ([], [], {})


@PATHS
async def test_a_body_that_is_no_form_at_all_is_refused_for_its_signature_first(chat: Chat, path: str):
    body = b"\x00\xff%zz"
    headers = chat.slack_headers(body, secret="another")
    assert (await chat.api.dispatch("POST", path, headers, body)).code == "BadSignature"


@pytest.mark.parametrize(("age_s", "status"), [(-301, 401), (-300, 200), (300, 200), (301, 401)])
async def test_an_old_request_is_refused(chat: Chat, age_s: int, status: int):
    body = chat.form()
    answer = await chat.api.dispatch("POST", COMMAND, chat.slack_headers(body, age_s=age_s), body)
    assert answer.status == status


async def test_headers_are_found_in_any_case(chat: Chat):
    body = chat.form()
    headers = {name.title(): value for name, value in chat.slack_headers(body).items()}
    assert "X-Slack-Signature" in headers
    assert (await chat.api.dispatch("POST", COMMAND, headers, body)).status == 200


@PATHS
async def test_without_a_signing_secret_there_is_no_slack(path: str):
    chat = Chat(HUBLET_SLACK_SIGNING_SECRET="")
    body = chat.form()
    answer = await chat.api.dispatch("POST", path, chat.slack_headers(body, secret=""), body)
    assert (answer.status, answer.code) == (404, "ChatNotConfigured")


async def test_a_refusal_shows_no_secret_and_logs_none(chat: Chat, caplog: pytest.LogCaptureFixture):
    body = chat.form("my own words")
    answer = await chat.api.dispatch("POST", COMMAND, chat.slack_headers(body, secret="x"), body)
    for text in (answer.body.decode(), caplog.text):
        assert SLACK_SECRET not in text
        assert "own words" not in text


@pytest.mark.parametrize(("size", "status"), [(32 * 1024, 200), (32 * 1024 + 1, 413)])
async def test_a_body_of_32_kib_is_the_largest(chat: Chat, size: int, status: int):
    body = chat.form("x")
    body = chat.form("x" * (size - len(body) + 1))
    assert len(body) == size
    assert (await chat.slack(body)).status == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"team_id",
        b"text=%zz",
        b"text=%ff",
        b"text=\xc3\xbc",
        b"team_id=T1&team_id=T2&user_id=U1&channel_id=C1",
        b"team_id=T1&user_id=U1",
        b"team_id=T1&channel_id=C1",
        b"team_id=../x&user_id=U1&channel_id=C1",
        b"team_id=T1&user_id=U1&channel_id=C/1",
        b"&".join(b"a%d=" % number for number in range(100)),
        b"payload={}",
    ],
)
async def test_a_bad_form_is_a_400_and_nothing_is_stored(chat: Chat, body: bytes):
    answer = await chat.slack(body)
    assert (answer.status, answer.code) == (400, "InvalidForm")
    assert chat.stored == []


@pytest.mark.parametrize(
    "more",
    [
        b"&",
        b"&x",
        b"&x=%zz",
        b"&x=%",
        b"&x=%f",
        b"&x=%ff",
        b"&x=%ed%a0%80",
        b"&x=\xc3\xbc",
        b"&x= y",
        b"\n",
        b"&text=2",
    ],
)
async def test_a_good_form_with_one_bad_place_is_a_400(chat: Chat, more: bytes):
    assert (await chat.slack(chat.form())).status == 200
    answer = await chat.slack(chat.form() + more)
    assert (answer.status, answer.code, len(chat.does.asked)) == (400, "InvalidForm", 1)


async def test_json_is_no_form(chat: Chat):
    assert (await chat.slack(b"{}", content_type="application/json")).code == "UnsupportedMediaType"


async def test_slacks_look_at_our_certificate_is_answered_and_nothing_else(chat: Chat):
    answer = await chat.slack(b"ssl_check=1&token=x")
    assert (answer.status, answer.body, chat.stored) == (200, b"", [])


# ------------------------------------------------------------------ done once


async def test_a_command_is_run_for_the_owner_its_user_is_linked_to(chat: Chat):
    answer = await chat.say("stop physics")
    (asked,) = chat.does.asked
    assert answer.json == {
        "text": "physics is ready",
        "blocks": [{"code": [], "buttons": []}],
        "response_type": "ephemeral",
    }
    assert (asked.text, asked.user, asked.confirm_by) == ("stop physics", JAY, "button")
    assert asked.principal == Principal("jaydoe", Role.USER, "Slack")
    assert re.fullmatch("[0-9a-f]{64}", asked.key)
    assert asked.request_id == answer.headers["x-request-id"]


async def test_an_admins_chat_account_is_a_user_and_no_admin(chat: Chat):
    chat.linked(owner="admin")
    await chat.say("status")
    assert chat.does.asked[0].principal == Principal("admin", Role.USER, "Slack")


async def test_what_is_for_all_is_shown_in_the_channel(chat: Chat):
    chat.does.card = Card(title="physics is being made", private=False)
    assert (await chat.say("create physics")).json["response_type"] == "in_channel"


async def test_the_same_body_a_second_later_is_done_once_and_answered_with_nothing(chat: Chat):
    body = chat.form("create physics")
    first = chat.slack_headers(body)
    await chat.api.dispatch("POST", COMMAND, first, body)
    chat.world.clock.advance(1)
    for headers in (first, chat.slack_headers(body), {**first, "x-slack-retry-num": "1"}):
        again = await chat.api.dispatch("POST", COMMAND, headers, body)
        assert (again.status, again.body) == (200, b"")
    assert len(chat.does.asked) == 1


async def test_of_many_deliveries_at_once_one_is_done(chat: Chat):
    answers = await asyncio.gather(*(chat.slack() for _ in range(10)))
    assert sorted(len(answer.body) > 0 for answer in answers) == [False] * 9 + [True]
    assert len(chat.does.asked) == 1


async def test_when_it_cannot_be_told_whether_it_was_seen_nothing_is_done_and_a_card_says_so(chat: Chat):
    chat.world.storage.tape.fail("chat.first_sight", BUSY)
    answer = await chat.say("create physics")
    assert (answer.status, chat.does.asked) == (200, [])
    assert answer.json["text"].startswith("Nothing was done")


async def test_when_the_first_look_takes_too_long_nothing_is_done(chat: Chat, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chat.world.storage.chat, "first_sight", lambda *_: for_ever(None))
    chat.does.limit_s = 0.02
    assert (await chat.say("create physics")).json["text"].startswith("Nothing was done")
    assert chat.does.asked == []


async def test_when_the_link_cannot_be_read_nothing_is_done(chat: Chat):
    chat.world.storage.tape.fail("chat.link", BUSY)
    assert (await chat.say("create physics")).json["text"].startswith("Nothing was done")
    assert chat.does.asked == []


async def test_a_command_that_takes_too_long_is_not_known_to_be_done(chat: Chat):
    chat.does.run, chat.does.limit_s = for_ever, 0.02
    answer = await chat.say("create physics")
    assert answer.status == 200
    assert answer.json["text"].startswith("It is not known whether this was done")


async def test_a_command_whose_storage_fails_is_not_known_to_be_done(chat: Chat):
    async def fails(_: object) -> Card:
        raise BUSY

    chat.does.run = fails
    assert (await chat.say("create physics")).json["text"].startswith("It is not known")


async def test_a_refusal_inside_a_command_is_a_card(chat: Chat):
    async def refuses(_: object) -> Card:
        raise UserError("HubNotFound", "There is no hub 'x'.")

    chat.does.run = refuses
    answer = await chat.say("stop x")
    assert (answer.status, answer.json["text"]) == (200, "Error HubNotFound There is no hub 'x'.")


async def test_a_bug_inside_a_command_is_a_500_without_details(chat: Chat):
    async def breaks(_: object) -> Card:
        raise KeyError("secret detail")

    chat.does.run = breaks
    answer = await chat.say("stop x")
    assert (answer.status, answer.code) == (500, "InternalError")
    assert "secret" not in answer.body.decode()


@pytest.mark.parametrize("text", ["", "status 🎈 ☃ مرحبا", "x" * 3000, "a&b=c;d%20+", "two\nlines", "<@U1> <!channel>"])
async def test_a_command_arrives_as_it_was_typed(chat: Chat, text: str):
    await chat.say(text)
    assert [asked.text for asked in chat.does.asked] == [text]


# ------------------------------------------------------------------ who is nobody here


@pytest.mark.parametrize("text", ["", "status", "create physics", "stop physics", "helpme"])
async def test_who_is_linked_to_nobody_is_shown_how_to_link(text: str):
    chat = Chat()
    answer = await chat.say(text)
    (code, api) = answer.json["blocks"][0]["code"]
    assert (api, answer.json["response_type"]) == (PUBLIC, "ephemeral")
    assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{10}", code)
    assert chat.does.asked == []


async def test_who_is_linked_to_nobody_may_ask_for_help():
    chat = Chat()
    await chat.say("Help me")
    assert [(asked.principal, asked.text) for asked in chat.does.asked] == [(None, "Help me")]


@pytest.mark.parametrize("text", ["link", " LINK "])
async def test_who_is_linked_may_link_again_and_is_told_to_whom_they_are_linked_now(chat: Chat, text: str):
    assert (await chat.say(text)).json["text"] == "Link jaydoe"
    assert len(chat.world.storage.chat.codes) == 1


async def test_the_same_user_id_in_another_team_is_somebody_else(chat: Chat):
    assert (await chat.say("status", team_id="T2")).json["text"] == "Link"


async def test_a_user_of_an_enterprise_organisation_is_known_in_all_its_workspaces(chat: Chat):
    chat.linked(replace(JAY, team="E9"))
    grid = {"enterprise_id": "E9", "is_enterprise_install": "true"}
    assert (await chat.say("status", team_id="T2", **grid)).json["text"] == "physics is ready"
    team = {"team": None, "enterprise": {"id": "E9"}, "is_enterprise_install": True}
    await chat.press(**team)
    assert len(chat.does.pressed) == 1


# ------------------------------------------------------------------ the conversation


async def test_a_command_brings_its_conversation_along(chat: Chat):
    await chat.say("create physics")
    thread = chat.does.asked[0].thread
    now = chat.world.clock.now()
    assert re.fullmatch("[a-z2-7]{26,}", thread.id)
    assert (thread.platform, thread.team, thread.channel, thread.user) == ("slack", JAY.team, "C024BE91L", JAY.user)
    assert (thread.response_url, thread.response_left) == (RESPONSE_URL, 5)
    assert (thread.created_at, thread.response_until) == (now, now + timedelta(minutes=30))
    await chat.say("create chemistry")
    assert chat.does.asked[1].thread.id != thread.id


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.slack.com.evil.example/x",
        "https://evil.example/hooks.slack.com",
        "https://hooks.slack.com@evil.example/x",
        "https://evil.example#@hooks.slack.com/",
        "https://evil.example\\@hooks.slack.com/",
        "https://hooks.slack.com:8443/x",
        "https://user@hooks.slack.com/x",
        "http://hooks.slack.com/x",
        "https://169.254.169.254/latest",
        "https://hooks.slack.com/x y",
        "https://hooks.slack.com/ü",
        "https://hooks.slack.com/" + "x" * 3000,
        "//hooks.slack.com/x",
        "javascript:alert(1)",
    ],
)
async def test_an_address_that_is_not_slacks_is_dropped_with_a_line_in_the_log(
    chat: Chat, url: str, caplog: pytest.LogCaptureFixture
):
    await chat.say("create physics", response_url=url)
    thread = chat.does.asked[0].thread
    assert (thread.response_url, thread.response_left, thread.response_until) == (None, 0, None)
    assert "response_url_dropped" in caplog.text
    await chat.press(response_url=url)
    assert chat.told == []


@pytest.mark.parametrize("url", ["https://slack.test:8443/commands/1", "https://HOOKS.slack.com/x"])
async def test_the_configured_slacks_own_address_is_kept(url: str):
    chat = Chat(HUBLET_SLACK_API="https://slack.test:8443/api")
    chat.linked()
    await chat.say("create physics", response_url=url)
    assert chat.does.asked[0].thread.response_url == url


# ------------------------------------------------------------------ buttons


async def test_a_press_is_done_for_who_pressed_and_replaces_the_message_for_all(chat: Chat):
    answer = await chat.press(a_button("snooze", deadline="2026-03-02T18:00:00Z"))
    (pressed,) = chat.does.pressed
    assert (answer.status, answer.body) == (200, b"")
    assert (pressed.verb, pressed.hub_id, pressed.deadline) == (Verb.SNOOZE, HUB_ID, "2026-03-02T18:00:00Z")
    assert (pressed.principal, pressed.thread) == (Principal("jaydoe", Role.USER, "Slack"), None)
    assert re.fullmatch("[0-9a-f]{64}", pressed.key)
    ((url, said),) = chat.told
    assert (url, said["text"], said["replace_original"]) == (RESPONSE_URL, "physics stops an hour later", True)
    assert "response_type" not in said
    assert chat.does.called == []


@pytest.mark.parametrize(("text", "status"), [("é" * 3000, 200), ("🎈" * 3800, 200), ("x" * 130 * 1024, 413)])
async def test_a_press_brings_its_whole_message_along(chat: Chat, text: str, status: int):
    """Slack escapes it twice, for JSON and for the form: a message of 4000 letters may take 90 KB."""
    answer = await chat.press(message={"ts": "1531420618.000200", "text": text, "blocks": []})
    assert answer.status == status
    assert len(chat.does.pressed) == (1 if status == 200 else 0)


async def test_what_was_not_done_is_told_to_the_presser_alone(chat: Chat):
    chat.does.outcome = Outcome(False, Card(title="It has stopped already"))
    await chat.press()
    ((_, said),) = chat.told
    assert (said["replace_original"], said["response_type"]) == (False, "ephemeral")


async def test_a_press_that_is_delivered_again_is_done_and_told_once(chat: Chat):
    body = urlencode({"payload": json.dumps(chat.payload())}).encode()
    for _ in range(3):
        answer = await chat.slack(body, INTERACTION, x_slack_retry_num="1", x_slack_retry_reason="http_timeout")
        assert (answer.status, answer.body) == (200, b"")
        chat.world.clock.advance(1)
    assert (len(chat.does.pressed), len(chat.told)) == (1, 1)


async def test_two_people_who_press_at_once_both_get_a_true_answer(chat: Chat):
    chat.linked(replace(JAY, user="U2"), owner="ada")
    both = asyncio.Barrier(2)

    async def each(pressed: Pressed) -> Outcome:
        await both.wait()  # both are under way before either ends
        done = pressed.principal.owner == "jaydoe"
        return Outcome(done, Card(title=f"{pressed.verb} {'done' if done else 'too late'}"))

    chat.does.press = each
    theirs = "https://hooks.slack.com/actions/T1DC2JH3J/2/ada"
    await asyncio.gather(
        chat.press(a_button("keep")),
        chat.press(a_button("stop"), user={"id": "U2"}, response_url=theirs),
    )
    said = dict(chat.told)
    assert (said[RESPONSE_URL]["text"], said[RESPONSE_URL]["replace_original"]) == ("keep done", True)
    assert (said[theirs]["text"], said[theirs]["response_type"]) == ("stop too late", "ephemeral")
    assert len({pressed.key for pressed in chat.does.pressed}) == 2


async def test_two_actions_of_one_payload_have_keys_of_their_own(chat: Chat):
    await chat.press(a_button("keep"), a_button("stop"))
    assert len({pressed.key for pressed in chat.does.pressed}) == 2


@pytest.mark.parametrize(
    "payload",
    [
        {"type": "view_submission"},
        {"type": "shortcut"},
        {"type": None},
        {"actions": None},
        {"actions": "x"},
        {"actions": ["x", None, 1]},
        {"actions": [a_button("explode")]},
        {"actions": [a_button("snooze", value=None)]},
        {"actions": [a_button("snooze", value="{")]},
        {"actions": [a_button("snooze", value="[]")]},
        {"actions": [a_button("snooze", value='{"hub":1}')]},
        {"actions": [a_button("snooze", value='{"hub":["x"]}')]},
        {"actions": [a_button("snooze", hub="../x")]},
        {"actions": [a_button("snooze", deadline="x" * 65)]},
        {"actions": [{"action_id": ["snooze"], "value": a_button()["value"]}]},
        {"actions": []},
    ],
)
async def test_what_is_no_button_of_ours_is_acknowledged_and_nothing_is_done(chat: Chat, payload: dict[str, Any]):
    answer = await chat.press(**payload)
    assert (answer.status, answer.body) == (200, b"")
    assert (chat.does.pressed, chat.told, chat.stored) == ([], [], [])


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"x": "y"}, "InvalidForm"),
        ({"payload": "{"}, "InvalidJson"),
        ({"payload": '{"a":1,"a":2}'}, "InvalidJson"),
        ({"payload": "[]"}, "InvalidJson"),
        ({"payload": "{}"}, "InvalidForm"),
        ({"payload": '{"team":"T1","user":{"id":7}}'}, "InvalidForm"),
    ],
)
async def test_a_payload_that_cannot_be_read_is_a_400(chat: Chat, form: dict[str, str], code: str):
    answer = await chat.slack(urlencode(form).encode(), INTERACTION)
    assert (answer.status, answer.code, chat.stored) == (400, code, [])


async def test_a_presser_who_is_linked_to_nobody_is_shown_alone_how_to_link():
    chat = Chat()
    await chat.press()
    ((_, said),) = chat.told
    assert (said["text"], said["response_type"], said["replace_original"]) == ("Link", "ephemeral", False)
    assert chat.does.pressed == []


@pytest.mark.parametrize("call", ["chat.first_sight", "chat.link"])
async def test_a_press_while_storage_is_down_does_nothing_and_says_so(chat: Chat, call: str):
    chat.world.storage.tape.fail(call, BUSY)
    answer = await chat.press()
    ((_, said),) = chat.told
    assert (answer.status, chat.does.pressed, said["response_type"]) == (200, [], "ephemeral")
    assert said["text"].startswith("Nothing was done")


async def test_a_press_that_takes_too_long_is_not_known_to_be_done(chat: Chat):
    chat.does.press, chat.does.limit_s = for_ever, 0.02
    await chat.press()
    ((_, said),) = chat.told
    assert said["text"].startswith("It is not known")
    assert said["response_type"] == "ephemeral"


async def test_a_refused_press_is_told_to_the_presser(chat: Chat):
    async def refuses(_: object) -> Outcome:
        raise UserError("HubHasExpired", "Its end date has come.")

    chat.does.press = refuses
    await chat.press()
    assert chat.told[0][1]["text"] == "Error HubHasExpired Its end date has come."


# ------------------------------------------------------------------ telling when the address takes no more


GONE = [
    Answered(404, b"expired_url"),
    Answered(410),
    Answered(200, b"used_url"),
    Answered(200, b'{"ok":false,"error":"expired_url"}'),
    Answered(500, b"x"),
]


@pytest.mark.parametrize("answered", GONE)
@pytest.mark.parametrize("done", [True, False])
async def test_an_address_that_takes_no_more_is_replaced_by_the_web_api(chat: Chat, answered: Answered, done: bool):
    chat.world.outbound.answer = lambda _: answered
    chat.does.outcome = Outcome(done, Card(title="said"))
    await chat.press()
    ((method, arguments),) = chat.does.called
    where = {"channel": "C024BE91L", "text": "said", "blocks": [{"code": [], "buttons": []}]}
    if done:
        assert (method, arguments) == ("chat.update", {**where, "ts": "1531420618.000200"})
    else:
        assert (method, arguments) == ("chat.postEphemeral", {**where, "user": JAY.user})


@pytest.mark.parametrize("error", [BUSY, UserError("AddressNotAllowed", "No."), FatalError("X", "x")])
async def test_an_address_that_cannot_be_reached_is_replaced_too(chat: Chat, error: Exception):
    chat.world.storage.tape.fail("outbound.post", error)
    await chat.press()
    assert [method for method, _ in chat.does.called] == ["chat.update"]


async def test_slack_that_does_not_answer_is_not_waited_for(chat: Chat, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chat.world.outbound, "post", lambda *_, **__: for_ever(None))
    chat.does.tell_limit_s = 0.02
    assert (await chat.press()).status == 200
    assert [method for method, _ in chat.does.called] == ["chat.update"]


async def test_a_message_that_only_one_person_sees_is_not_updated(chat: Chat):
    chat.world.outbound.answer = lambda _: Answered(404)
    container = {"type": "message", "message_ts": "1.2", "channel_id": "C024BE91L", "is_ephemeral": True}
    await chat.press(container=container)
    assert [method for method, _ in chat.does.called] == ["chat.postEphemeral"]


async def test_without_a_bot_token_an_expired_address_is_a_line_in_the_log(caplog: pytest.LogCaptureFixture):
    chat = Chat(HUBLET_SLACK_BOT_TOKEN="")
    chat.linked()
    chat.world.outbound.answer = lambda _: Answered(404)
    assert (await chat.press()).status == 200
    assert chat.does.called == []
    assert "chat_outcome_untold" in caplog.text


async def test_trouble_with_both_ways_is_no_trouble_for_the_answer(chat: Chat):
    chat.world.outbound.answer = lambda _: Answered(404)
    chat.does.slack_error = FatalError("SlackRefused", "channel_not_found")
    assert (await chat.press()).status == 200
    assert len(chat.does.pressed) == 1


# ------------------------------------------------------------------ the admin login


async def a_hub_of(chat: Chat, owner: str) -> None:
    hub = chat.world.storage.hubs.seed(a_ready_hub(owner=owner))
    await chat.world.storage.index.put(IndexEntry(hub_id=hub.id, owner=owner, name=hub.name, state="ready"))


async def test_the_owner_gets_a_link_to_the_admin_login_alone_and_for_ten_minutes(chat: Chat):
    await a_hub_of(chat, "jaydoe")
    await chat.press(a_button("login"))
    (link,) = chat.does.signed
    assert (link.verb, link.hub_id, link.owner, link.via) == (Verb.LOGIN, HUB_ID, "jaydoe", "Slack")
    assert link.expires_at == chat.world.clock.now() + timedelta(minutes=10)
    assert len(link.nonce) >= 22
    ((_, said),) = chat.told
    assert (said["response_type"], said["replace_original"]) == ("ephemeral", False)
    assert said["blocks"][0]["buttons"] == [["Show the login", f"{PUBLIC}/api/chat/actions/token1"]]
    assert chat.does.pressed == []


async def test_the_login_link_never_reaches_the_channel_also_when_the_address_is_over(chat: Chat):
    await a_hub_of(chat, "jaydoe")
    chat.world.outbound.answer = lambda _: Answered(404)
    await chat.press(a_button("login"))
    assert [method for method, _ in chat.does.called] == ["chat.postEphemeral"]


async def test_a_hub_that_has_the_buttons_id_for_its_name_has_another_login(chat: Chat):
    chat.world.storage.hubs.seed(a_ready_hub(owner="jaydoe", name=HUB_ID, id="x-ab2cd3"))
    await chat.press(a_button("login"))
    assert chat.does.signed == []
    assert chat.told[0][1]["text"].startswith("This button is not for you")


@pytest.mark.parametrize("owner", ["ada", None])
async def test_somebody_elses_hub_has_no_login_and_looks_like_none(chat: Chat, owner: str | None):
    if owner:
        await a_hub_of(chat, owner)
    await chat.press(a_button("login"))
    assert chat.does.signed == []
    assert chat.told[0][1]["text"].startswith("This button is not for you")


async def test_a_login_pressed_by_nobody_here_is_no_login():
    chat = Chat()
    await a_hub_of(chat, "jaydoe")
    await chat.press(a_button("login"))
    assert (chat.does.signed, chat.told[0][1]["text"]) == ([], "Link")


async def test_without_an_address_of_its_own_the_service_names_the_api():
    chat = Chat(HUBLET_PUBLIC_URL="")
    chat.linked()
    await a_hub_of(chat, "jaydoe")
    await chat.press(a_button("login"))
    assert chat.does.signed == []
    assert chat.told[0][1]["blocks"][0]["code"] == ["POST /api/hubs/physics/admin-password"]


async def test_login_links_differ(chat: Chat):
    await a_hub_of(chat, "jaydoe")
    await chat.press(a_button("login"))
    await chat.press(a_button("login", action_ts="9.9"))
    assert len({link.nonce for link in chat.does.signed}) == 2


async def test_nothing_but_slack_is_posted_to(chat: Chat):
    await chat.press()
    (sent,) = chat.world.outbound.posted
    assert sent.url == RESPONSE_URL
    assert sent.headers == {"Content-Type": "application/json; charset=utf-8"}
