"""Chat requests over the real commands, buttons, cards and signed links."""

from dataclasses import replace
from typing import Any

import pytest

from shared.api.chat_parts import Parts, real
from shared.errors import ConcurrentUpdate, FatalError, HubletError, RowTooNew
from shared.hubs.ports import IndexEntry
from shared.hubs.states import HubState
from tests.component.api.chat import ADA, PUBLIC, Chat, a_button
from tests.component.api.client import Api
from tests.support.builders import HUB_ID, a_ready_hub


@pytest.fixture
async def chat() -> Chat:
    """Jay in Slack and Ada in Teams are linked. Slack's own form of a card is not what these tests are about."""
    chat = Chat()
    doubles = chat.does.parts()

    def parts() -> Parts:
        return replace(real(), slack_message=doubles.slack_message, slack=doubles.slack)

    chat.api = Api(chat.world, chat=parts)
    chat.linked()
    chat.linked(ADA, owner="ada")
    return chat


async def a_hub_of(chat: Chat, owner: str) -> None:
    hub = chat.world.storage.hubs.seed(a_ready_hub(owner=owner))
    await chat.world.storage.index.put(IndexEntry(hub_id=hub.id, owner=owner, name=hub.name, state="ready"))


async def test_a_hub_is_made_from_slack_once_and_belongs_to_the_linked_owner(chat: Chat):
    for _ in range(2):
        await chat.say("create bio101")
    hub = chat.world.storage.hubs.only_hub()
    assert (hub.owner, hub.name, hub.state) == ("jaydoe", "bio101", HubState.ACCEPTED)
    thread = chat.world.storage.chat.threads[str(hub.thread)]
    assert (thread.channel, thread.response_left) == ("C024BE91L", 5)


async def test_a_stop_pressed_in_slack_stops_the_hub_and_all_see_it(chat: Chat):
    await a_hub_of(chat, "jaydoe")
    await chat.press(a_button("stop"))
    assert chat.world.storage.hubs.only_hub().state is HubState.STOPPING
    assert [said["replace_original"] for _, said in chat.told] == [True]


async def test_a_foreign_hub_is_not_stopped_and_only_the_presser_hears_of_it(chat: Chat):
    await a_hub_of(chat, "ada")
    await chat.press(a_button("stop"))
    assert chat.world.storage.hubs.only_hub().state is HubState.READY
    assert [said["response_type"] for _, said in chat.told] == ["ephemeral"]


async def test_the_login_link_opens_its_page(chat: Chat):
    await a_hub_of(chat, "jaydoe")
    await chat.press(a_button("login"))
    ((_, url),) = chat.told[0][1]["blocks"][0]["buttons"]
    page = await chat.api.get(url.removeprefix(PUBLIC), owner=None)
    assert (page.status, page.headers["content-type"].partition(";")[0]) == (200, "text/html")


async def test_the_buttons_of_a_card_in_teams_open_their_pages(chat: Chat):
    await a_hub_of(chat, "ada")
    answer = (await chat.teams(chat.activity("<at>Hublet</at>&nbsp;status physics"))).json
    urls = [url for url in links_of(answer) if url.startswith(f"{PUBLIC}/api/chat/actions/")]
    assert urls
    for url in urls:
        assert (await chat.api.get(url.removeprefix(PUBLIC), owner=None)).status == 200


async def test_the_code_that_slack_shows_links_the_account(chat: Chat):
    await chat.api.delete("/api/chat/links/slack.T1DC2JH3J.U2CERLKJA", owner="jaydoe")
    shown = (await chat.say("status")).json["blocks"][0]["code"]
    code = next(iter(set(chat.world.storage.chat.codes)))
    assert not any(code in line for line in shown)  # the hash is not what is shown
    assert any(f"{PUBLIC}/api/chat/links" in line for line in shown)
    typed = next(word.strip("{}\"'") for line in shown for word in line.replace(":", " ").split() if is_code(word))
    assert (await chat.api.post("/api/chat/links", {"code": typed}, owner="jaydoe")).status == 201
    await a_hub_of(chat, "jaydoe")
    assert "physics" in (await chat.say("status physics")).json["text"]
    assert chat.world.storage.hubs.only_hub().id == HUB_ID


def is_code(word: str) -> bool:
    bare = word.strip("{}\"'")
    return len(bare) == 10 and bare.isalnum() and bare.isupper()


def links_of(value: Any) -> list[str]:
    """Every address anywhere in the answer."""
    if isinstance(value, dict):
        own = [value["url"]] if isinstance(value.get("url"), str) else []
        return own + [url for inner in value.values() for url in links_of(inner)]
    return [url for inner in value for url in links_of(inner)] if isinstance(value, list) else []


INNER = "The storage account rejected a request (POST hubs): AuthorizationFailure."


@pytest.mark.parametrize(
    ("error", "said", "logged"),
    [
        (FatalError("StorageRejected", INNER), "bug", "fatal_error"),
        (RowTooNew("Hub physics-ab2cd3"), "newer version", "row_too_new"),
        (ConcurrentUpdate("Hub physics-ab2cd3"), "at this moment", ""),
    ],
)
async def test_what_only_the_operator_may_know_goes_to_the_log_and_not_to_the_chat(
    chat: Chat, caplog: pytest.LogCaptureFixture, error: HubletError, said: str, logged: str
):
    await a_hub_of(chat, "jaydoe")
    await a_hub_of(chat, "ada")
    chat.world.storage.tape.fail("hubs.get", error, times=9)
    told = [
        (await chat.say("stop physics")).body.decode(),
        (await chat.teams(chat.activity("<at>Hublet</at> status physics"))).body.decode(),
    ]
    await chat.press(a_button("stop"))
    await chat.press(a_button("login"))
    told += [str(one) for _, one in chat.told]
    assert len(told) == 4
    for answer in told:
        assert said in answer
        assert not [inner for inner in ("StorageRejected", "AuthorizationFailure", "physics-ab2cd3") if inner in answer]
    if logged:
        lines = [record for record in caplog.records if record.getMessage() == logged]
        assert len(lines) == 4
        assert {record.hublet_fields["detail"] for record in lines} == {error.message}  # type: ignore[attr-defined]
