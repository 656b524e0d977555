"""Teams' requests: signed, fresh, done once, answered without anything secret: a whole channel reads the answer."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.api.chat_teams import said
from shared.chat.card import Card, Verb
from shared.errors import RetryableError
from shared.hubs.model import Principal, Role
from tests.component.api.chat import ADA, BUTTONS, PUBLIC, TEAMS, TEAMS_TOKENS, Chat, for_ever
from tests.support.builders import HUB_ID

SILENCE = {"type": "message", "text": ""}


@pytest.fixture
def chat() -> Chat:
    chat = Chat()
    chat.linked(ADA, owner="ada")
    return chat


# ------------------------------------------------------------------ who is let in


@pytest.mark.parametrize("token", TEAMS_TOKENS)
async def test_each_teams_token_is_taken_and_the_command_is_run_for_its_owner(chat: Chat, token: str):
    answer = await chat.teams(chat.activity(), token=token)
    (asked,) = chat.does.asked
    assert (answer.status, answer.json["card"]) == (200, "physics is ready")
    assert (asked.user, asked.text, asked.confirm_by) == (ADA, "status", "text")
    assert asked.principal == Principal("ada", Role.USER, "Teams")


@pytest.mark.parametrize("wrong", ["", "HMAC", "HMAC x", "Bearer x", "HMAC " + "A" * 43 + "="])
async def test_what_teams_did_not_sign_is_refused_and_nothing_is_stored(chat: Chat, wrong: str):
    answer = await chat.teams(chat.activity(), authorization=wrong)
    assert (answer.status, answer.code) == (401, "BadSignature")
    assert (chat.stored, chat.does.asked) == ([], [])


async def test_no_json_at_all_is_refused_for_its_signature_first(chat: Chat):
    assert (await chat.teams(b"\xff{", authorization="HMAC x")).code == "BadSignature"
    assert (await chat.teams(b"\xff{")).status == 415
    assert (await chat.teams(b"{")).code == "InvalidJson"


@pytest.mark.parametrize("timestamp", ["2026-03-02T09:24:59Z", "2026-03-02T09:35:01Z", "yesterday", None, 7])
async def test_an_activity_that_is_not_of_now_is_refused(chat: Chat, timestamp: Any):
    answer = await chat.teams(chat.activity(timestamp=timestamp))
    assert (answer.status, answer.code) == (401, "BadSignature")
    assert chat.stored == []


async def test_without_a_token_there_is_no_teams():
    chat = Chat(HUBLET_TEAMS_SECURITY_TOKENS="")
    answer = await chat.teams(chat.activity())
    assert (answer.status, answer.code) == (404, "ChatNotConfigured")


@pytest.mark.parametrize(("size", "status"), [(32 * 1024, 200), (32 * 1024 + 1, 413)])
async def test_a_body_of_32_kib_is_the_largest(chat: Chat, size: int, status: int):
    activity = chat.activity(padding="")
    activity["padding"] = "x" * (size - len(json.dumps(activity)))
    assert (await chat.teams(activity)).status == status


async def test_the_same_activity_a_second_later_is_done_once_and_answered_with_nothing(chat: Chat):
    activity = chat.activity("<at>Hublet</at> create physics")
    await chat.teams(activity)
    chat.world.clock.advance(1)
    again = await chat.teams(activity)
    assert (again.status, again.json) == (200, SILENCE)
    assert len(chat.does.asked) == 1


async def test_what_is_no_message_is_answered_with_nothing(chat: Chat):
    assert (await chat.teams(chat.activity(type="conversationUpdate"))).json == SILENCE
    assert chat.does.asked == []


@pytest.mark.parametrize(
    "sender",
    [None, {}, {"id": "29:1", "name": "Ada"}, {"aadObjectId": ""}, {"aadObjectId": 7}, {"aadObjectId": "a/b"}, "Ada"],
)
async def test_who_has_no_directory_id_is_refused_politely(chat: Chat, sender: Any):
    answer = await chat.teams(chat.activity() | {"from": sender})
    assert (answer.status, chat.does.asked, chat.stored) == (200, [], [])
    assert "directory id" in answer.json["card"]


async def test_the_tenant_may_stand_in_the_channels_data(chat: Chat):
    await chat.teams(chat.activity(conversation={"id": "19:x"}))
    assert chat.does.asked[0].user == ADA


async def test_without_a_tenant_nobody_is_known(chat: Chat):
    answer = await chat.teams(chat.activity(conversation={"id": "19:x"}, channelData=None))
    assert "directory id" in answer.json["card"]


async def test_ids_are_the_same_in_any_case(chat: Chat):
    await chat.teams(chat.activity() | {"from": {"aadObjectId": ADA.user.upper()}})
    assert chat.does.asked[0].user == ADA


# ------------------------------------------------------------------ what was said


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("<at>Hublet</at> status", "status"),
        ("<at>Hublet</at>&nbsp;status", "status"),
        ("<at>Hublet</at>\xa0status\n", "status"),
        ('<at id="0">Hublet</at> stop physics', "stop physics"),
        ("<AT>Hublet</AT >status", "status"),
        ("<at>Hublet &lt;3</at> status", "status"),
        ("&lt;at&gt;Hublet&lt;/at&gt; status", "status"),
        ("<p><at>Hublet</at>&nbsp;create bio101 <br/>for 12</p>", "create bio101 for 12"),
        ("status <at>Hublet</at>", "status"),
        ("<at>Hublet</at> <at>Ada</at> status", "status"),
        ("<at>Hublet</at>status", "status"),
        ("<at></at>status", "status"),
        ("\u200bstatus\ufeff", "status"),
        ("<at>Hublet</at> a &amp; b", "a & b"),
        ("<at>Hublet</at> 🎈 ☃", "🎈 ☃"),
        ("<at>Hublet", "Hublet"),
        ("<attack>x</attack>", "<attack>x</attack>"),
        (f"status &#{'9' * 5000};", "status \ufffd"),  # Python reads no number of more than 4300 digits
        (f"status &#{'0' * 5000};", "status \ufffd"),
        (f"status &amp;#{'9' * 5000};", f"status &#{'9' * 5000};"),
        ("", ""),
    ],
)
def test_the_mention_and_the_markup_are_taken_out(text: str, meant: str):
    assert said(text) == meant


@pytest.mark.parametrize("text", ["<at" * 10_000, "<at>" * 8_000, "<at>x" * 6_000, "<at>x</at" * 3_000, "&lt;" * 8_000])
def test_a_hostile_text_costs_no_time(text: str):
    from time import process_time

    begun = process_time()
    said(text)
    assert process_time() - begun < 0.5


async def test_a_number_without_end_is_a_command_like_any_other(chat: Chat):
    for text in (f"&#{'9' * 9000}", f"&amp;#{'9' * 9000};"):
        assert (await chat.teams(chat.activity(f"<at>Hublet</at> {text}"))).status == 200


async def test_a_text_of_3_kb_arrives_whole(chat: Chat):
    await chat.teams(chat.activity("<at>Hublet</at> " + "🎈" * 700))
    assert chat.does.asked[0].text == "🎈" * 700


# ------------------------------------------------------------------ the answer


@pytest.mark.parametrize("text", ["create physics", "link", "status"])
async def test_who_is_linked_to_nobody_is_told_whom_to_ask_and_no_code_in_front_of_the_whole_channel(text: str):
    chat = Chat()
    answer = await chat.teams(chat.activity(f"<at>Hublet</at> {text}"))
    assert (answer.json["card"], answer.json["code"]) == ("Ask an admin", [ADA.id, PUBLIC])
    assert (chat.does.asked, chat.world.storage.chat.codes) == ([], {})


async def test_who_is_linked_is_shown_no_code_in_front_of_the_whole_channel(chat: Chat):
    await chat.teams(chat.activity("<at>Hublet</at> link"))
    (asked,) = chat.does.asked
    assert (asked.text, asked.alone, chat.world.storage.chat.codes) == ("link", False, {})


async def test_when_storage_is_down_nothing_is_done_and_a_card_says_so(chat: Chat):
    chat.world.storage.tape.fail("chat.first_sight", RetryableError("StorageUnavailable", "Down."))
    answer = await chat.teams(chat.activity())
    assert answer.json["card"].startswith("Nothing was done")
    assert chat.does.asked == []


async def test_a_command_that_takes_too_long_is_not_known_to_be_done(chat: Chat):
    chat.does.run, chat.does.limit_s = for_ever, 0.02
    assert (await chat.teams(chat.activity())).json["card"].startswith("It is not known")


async def test_a_command_brings_its_conversation_along_without_an_address(chat: Chat):
    await chat.teams(chat.activity())
    thread = chat.does.asked[0].thread
    assert (thread.platform, thread.team, thread.user) == ("teams", ADA.team, ADA.user)
    assert thread.channel.startswith("19:253b1f341670408fb6fe51050b6e5ceb@thread.skype")
    assert (thread.response_url, thread.response_left) == (None, 0)


async def test_every_button_but_login_and_delete_is_a_signed_link_for_the_owner(chat: Chat):
    chat.does.card = Card(title="physics", buttons=BUTTONS)
    links = (await chat.teams(chat.activity())).json["links"]
    assert (links.pop("login"), links.pop("delete")) == (None, None)  # the whole channel could follow them
    assert sorted(links) == sorted(str(verb) for verb in Verb if verb not in (Verb.LOGIN, Verb.DELETE))
    assert all(address.startswith(f"{PUBLIC}/api/chat/actions/token") for address in links.values())
    now = chat.world.clock.now()
    for link in chat.does.signed:
        assert (link.owner, link.hub_id, link.via) == ("ada", HUB_ID, "Teams")
        assert link.expires_at == now + timedelta(hours=12)
    assert len({link.nonce for link in chat.does.signed}) == len(links)


@pytest.mark.parametrize(
    ("deadline", "hours"),
    [("2026-03-02T11:30:00Z", 2), ("2026-03-03T09:30:00Z", 12), ("2026-03-02T09:00:00Z", 12), ("rubbish", 12)],
)
async def test_a_buttons_link_lives_no_longer_than_the_stop_it_is_about(chat: Chat, deadline: str, hours: int):
    chat.does.card = Card(title="physics", buttons=(replace(BUTTONS[0], deadline=deadline),))
    await chat.teams(chat.activity())
    assert chat.does.signed[0].expires_at == chat.world.clock.now() + timedelta(hours=hours)


async def test_without_an_address_of_its_own_the_service_shows_no_buttons():
    chat = Chat(HUBLET_PUBLIC_URL="")
    chat.linked(ADA, owner="ada")
    chat.does.card = Card(title="physics", buttons=BUTTONS)
    links = (await chat.teams(chat.activity())).json["links"]
    assert set(links.values()) == {None}
    assert chat.does.signed == []


async def test_a_request_of_slacks_shape_is_not_taken_for_one_of_teams(chat: Chat):
    body = chat.form()
    assert (await chat.api.dispatch("POST", TEAMS, chat.slack_headers(body), body)).code == "BadSignature"
