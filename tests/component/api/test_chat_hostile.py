"""Anything at all inside a signed request: an answer of ours, and nothing done that was not asked for."""

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.hubs.ports import ChatUser, IndexEntry
from shared.hubs.states import HubState
from tests.component.api.chat import ADA, COMMAND, INTERACTION, JAY, Chat, a_button
from tests.component.api.client import Answer, Api
from tests.support.builders import a_ready_hub

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40)
ANY_JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
TEXTS = st.text(max_size=200) | st.sampled_from(
    [
        "\x00",
        "\ud7ff\uffff",
        "🎈" * 700,
        "<!channel> stop physics",
        "stop " + "p" * 3000,
        "＠channel",
        "\u202estop physics",
    ]
)


async def a_chat(owner: str = "ada") -> Chat:
    """The real commands, linked people, and a hub that is not theirs."""
    chat = Chat()
    chat.api = Api(chat.world)
    chat.linked()
    chat.linked(ADA)
    hub = chat.world.storage.hubs.seed(a_ready_hub(owner=owner))
    await chat.world.storage.index.put(IndexEntry(hub_id=hub.id, owner=owner, name=hub.name, state="ready"))
    return chat


def untouched(chat: Chat) -> bool:
    return chat.world.storage.hubs.hubs["ada", "physics"].state is HubState.READY


async def ours(chat: Chat, answer: Answer) -> None:
    assert answer.status in (200, 400, 415), answer.body
    assert untouched(chat)


PLACES = [
    "type",
    "team",
    "enterprise",
    "is_enterprise_install",
    "user",
    "container",
    "channel",
    "message",
    "response_url",
    "actions",
    "team.id",
    "user.id",
    "container.message_ts",
    "container.channel_id",
    "container.is_ephemeral",
    "enterprise.id",
    "actions.0",
    "actions.0.action_id",
    "actions.0.value",
]


FIELDS = [
    "type",
    "from",
    "from.aadObjectId",
    "conversation",
    "conversation.id",
    "conversation.tenantId",
    "channelData",
    "channelData.tenant",
    "channelData.tenant.id",
    "text",
    "timestamp",
    "id",
]


def put(document: Any, place: str, value: Any) -> None:
    first, _, rest = place.partition(".")
    key: Any = int(first) if first.isdecimal() else first
    if not rest:
        document[key] = value
    else:
        if not isinstance(document[key], dict | list):
            document[key] = {}
        put(document[key], rest, value)


@settings(max_examples=100)
@given(st.sampled_from(PLACES), ANY_JSON, st.sampled_from(["stop", "delete", "login", "snooze"]))
def test_a_payload_with_anything_anywhere_is_answered(place: str, value: Any, verb: str):
    async def run() -> None:
        chat = await a_chat()
        payload = chat.payload(a_button(verb))
        put(payload, place, value)
        body = urlencode({"payload": json.dumps(payload)}).encode()
        await ours(chat, await chat.slack(body, INTERACTION))

    asyncio.run(run())


@settings(max_examples=100)
@given(st.sampled_from(FIELDS), ANY_JSON)
def test_an_activity_with_anything_anywhere_is_answered(place: str, value: Any):
    async def run() -> None:
        chat = await a_chat()
        activity = chat.activity("<at>Hublet</at> stop physics")
        put(activity, place, value)
        answer = await chat.teams(activity)
        assert answer.status in (200, 400, 401), answer.body
        assert untouched(chat)

    asyncio.run(run())


@settings(max_examples=100)
@given(TEXTS)
def test_any_text_is_a_command_that_is_answered(text: str):
    async def run() -> None:
        chat = await a_chat()
        await ours(chat, await chat.say(text))
        await ours(chat, await chat.teams(chat.activity(f"<at>Hublet</at> {text}")))

    asyncio.run(run())


@settings(max_examples=100)
@given(st.sampled_from(["team_id", "user_id", "channel_id", "response_url", "enterprise_id", "user_name", "x"]), TEXTS)
def test_a_form_with_anything_anywhere_is_answered(name: str, value: str):
    async def run() -> None:
        chat = await a_chat()
        await ours(chat, await chat.slack(chat.form("stop physics", **{name: value}), COMMAND))

    asyncio.run(run())


SPELLINGS = ["U2CERLKJA ", "u2cerlkja\n", "Ｕ2CERLKJA", "U2CERLKJA\u200b", "U2CERLKJА", "U2CERLKJA.T1", "../U2CERLKJA"]


@pytest.mark.parametrize("user", SPELLINGS)
async def test_an_id_that_only_looks_like_anothers_is_nobodys(user: str):
    chat = await a_chat(owner="ada")
    chat.linked(JAY, owner="ada")
    answer = await chat.say("stop physics", user_id=user)
    assert answer.status == 400
    assert untouched(chat)


async def test_a_user_of_another_workspace_with_the_same_id_is_nobody():
    chat = await a_chat(owner="ada")
    chat.linked(JAY, owner="ada")
    for changes in (
        {"team_id": "T0OTHER"},
        {"enterprise_id": JAY.team, "team_id": "T0OTHER"},  # no install for the whole organisation
        {"enterprise_id": "E0OTHER", "is_enterprise_install": "true"},
    ):
        answer = await chat.say("stop physics", **changes)
        assert "not linked" in answer.json["text"]
    assert untouched(chat)
    assert ChatUser("slack", "T0OTHER", JAY.user).id not in chat.world.storage.chat.rows_of_links


async def test_somebody_of_another_workspace_who_presses_in_a_shared_channel_is_not_one_of_ours():
    """Slack Connect: `team` is the app's workspace whoever presses; user ids are unique only within a team."""
    chat = await a_chat(owner="ada")
    chat.linked(JAY, owner="ada")
    stranger = {"id": JAY.user, "username": "roadrunner"}
    for changes in (
        {"user": {**stranger, "team_id": "T0OTHER"}},
        {"user": {**stranger, "team_id": "E0OTHER"}},
        {"user": {**stranger, "team_id": "E0OTHER"}, "enterprise": {"id": "E0OURS"}},
        {
            "user": {**stranger, "team_id": "E0OTHER"},
            "team": None,
            "enterprise": {"id": JAY.team},
            "is_enterprise_install": True,
        },
    ):
        await chat.press(a_button("stop"), **changes)
        assert "not linked" in chat.world.outbound.posted[-1].body.decode()
    assert untouched(chat)


async def test_a_colleague_of_the_same_organisation_is_known_however_slack_names_their_team():
    chat = await a_chat(owner="jaydoe")
    for home in ("E0OURS", "T0ALSO", JAY.team, None):
        await chat.press(user={"id": JAY.user, "team_id": home}, enterprise={"id": "E0OURS"})
        await chat.press(user={"id": JAY.user, "team_id": home}, team={"id": JAY.team, "enterprise_id": "E0OURS"})
    assert not [sent for sent in chat.world.outbound.posted if b"not linked" in sent.body]
