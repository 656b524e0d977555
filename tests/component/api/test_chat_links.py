"""Links between chat accounts and owners: by the code a chat showed, or by an admin."""

import hashlib
from typing import Any

import pytest

from shared.chat.links import CODE_LIFE
from shared.errors import RetryableError
from shared.hubs.ports import LinkCode
from tests.component.api.chat import ADA, JAY, Chat

LINKS = "/api/chat/links"
FULL = {"platform": "slack", "team": JAY.team, "user": JAY.user, "owner": "jaydoe"}


@pytest.fixture
def chat() -> Chat:
    return Chat()


async def shown_code(chat: Chat) -> str:
    return str((await chat.say("link")).json["blocks"][0]["code"][0])


async def test_who_sends_the_code_is_who_the_chat_user_acts_for(chat: Chat):
    code = await shown_code(chat)
    answer = await chat.api.post(LINKS, {"code": code}, owner="jaydoe")
    assert answer.status == 201
    assert answer.json == {
        "id": JAY.id,
        "platform": "slack",
        "team": JAY.team,
        "user": JAY.user,
        "owner": "jaydoe",
        "createdAt": "2026-03-02T09:30:00Z",
        "createdBy": "jaydoe",
    }
    assert answer.headers["location"].endswith(f"/api/chat/links/{JAY.id}")
    await chat.say("status")
    assert [asked.principal.owner for asked in chat.does.asked if asked.principal] == ["jaydoe"]


TYPED = ["01ABC6789Z", "01abc6789z", " 01ABC-6789Z ", "O1ABC6789Z", "oiabc6789z", "0Labc6789z"]


@pytest.mark.parametrize("typed", TYPED)
async def test_a_code_is_taken_however_it_is_typed(chat: Chat, typed: str):
    digest = hashlib.sha256(b"01ABC6789Z").hexdigest()
    code = LinkCode(user=JAY, expires_at=chat.world.clock.now() + CODE_LIFE)
    await chat.world.storage.chat.put_code(digest, code)
    assert (await chat.api.post(LINKS, {"code": typed})).status == 201


async def test_a_code_works_once(chat: Chat):
    code = await shown_code(chat)
    assert (await chat.api.post(LINKS, {"code": code}, owner="jaydoe")).status == 201
    again = await chat.api.post(LINKS, {"code": code}, owner="mallory")
    assert (again.status, again.code) == (404, "LinkCodeUnknown")
    assert chat.world.storage.chat.rows_of_links[JAY.id].owner == "jaydoe"


@pytest.mark.parametrize(("seconds", "status"), [(899, 201), (900, 404)])
async def test_a_code_is_good_for_15_minutes(chat: Chat, seconds: int, status: int):
    code = await shown_code(chat)
    chat.world.clock.advance(seconds)
    assert (await chat.api.post(LINKS, {"code": code})).status == status


@pytest.mark.parametrize("code", ["0000000000", "x", "🎈", "\x00", "a" * 64])
async def test_a_code_that_was_never_shown_is_unknown(chat: Chat, code: str):
    await shown_code(chat)
    answer = await chat.api.post(LINKS, {"code": code})
    assert (answer.status, answer.code, chat.world.storage.chat.rows_of_links) == (404, "LinkCodeUnknown", {})


async def test_a_code_is_kept_as_a_hash_and_codes_differ(chat: Chat):
    codes = {await shown_code(chat)}
    chat.world.clock.advance(1)
    body = chat.form("link", trigger_id="2")
    codes.add((await chat.slack(body)).json["blocks"][0]["code"][0])
    assert len(codes) == 2
    assert len(chat.world.storage.chat.codes) == 2
    assert not codes & set(chat.world.storage.chat.codes)


async def test_an_admin_links_anybody(chat: Chat):
    answer = await chat.api.post(LINKS, FULL, owner="admin")
    assert (answer.status, answer.json["owner"], answer.json["createdBy"]) == (201, "jaydoe", "admin")


async def test_an_admin_may_write_ids_in_any_case(chat: Chat):
    teams = {"platform": "teams", "team": ADA.team.upper(), "user": ADA.user.upper(), "owner": "ada"}
    assert (await chat.api.post(LINKS, teams, owner="admin")).json["id"] == ADA.id
    lower = {**FULL, "team": JAY.team.lower(), "user": JAY.user.lower()}
    assert (await chat.api.post(LINKS, lower, owner="admin")).json["id"] == JAY.id


async def test_nobody_else_links_by_ids_not_even_for_themselves(chat: Chat):
    answer = await chat.api.post(LINKS, FULL, owner="jaydoe")
    assert (answer.status, answer.code, chat.stored) == (403, "Forbidden", [])


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, {"/code": "MissingField"}),
        ({"code": None}, {"/code": "MissingField"}),
        ({"code": ""}, {"/code": "InvalidValue"}),
        ({"code": "x" * 65}, {"/code": "TooLong"}),
        ({"code": 7}, {"/code": "WrongType"}),
        ({"code": "x", "owner": "ada"}, {"/owner": "Contradiction"}),
        ({"colour": "red", "code": "x"}, {"/colour": "UnknownField"}),
        ({"platform": "slack"}, {"/team": "MissingField", "/user": "MissingField", "/owner": "MissingField"}),
        ({**FULL, "platform": "irc"}, {"/platform": "InvalidValue"}),
        ({**FULL, "team": "T/1"}, {"/team": "InvalidValue"}),
        ({**FULL, "user": "x" * 65}, {"/user": "InvalidValue"}),
        ({**FULL, "owner": "No Owner"}, {"/owner": "InvalidName"}),
    ],
)
async def test_a_wrong_request_gets_all_its_mistakes(chat: Chat, body: dict[str, Any], pointers: dict[str, str]):
    answer = await chat.api.post(LINKS, body, owner="admin")
    assert (answer.status, answer.code, answer.pointers) == (400, "InvalidRequest", pointers)
    assert chat.stored == []


async def test_everybody_sees_their_own_links_and_admins_see_all(chat: Chat):
    chat.linked(JAY, "jaydoe")
    chat.linked(ADA, "ada")
    seen = {}
    for owner in ("jaydoe", "ada", "mallory", "admin"):
        seen[owner] = [link["id"] for link in (await chat.api.get(LINKS, owner=owner)).json["value"]]
    assert seen == {"jaydoe": [JAY.id], "ada": [ADA.id], "mallory": [], "admin": [JAY.id, ADA.id]}


async def test_links_come_in_pages(chat: Chat):
    chat.linked(JAY, "jaydoe")
    chat.linked(ADA, "jaydoe")
    first = (await chat.api.get(f"{LINKS}?top=1")).json
    assert [link["id"] for link in first["value"]] == [JAY.id]
    second = (await chat.api.get("/api" + first["nextLink"].partition("/api")[2])).json
    assert ([link["id"] for link in second["value"]], second["nextLink"]) == ([ADA.id], None)


@pytest.mark.parametrize("owner", ["jaydoe", "admin"])
async def test_owner_and_admin_unlink_and_then_the_user_is_nobody(chat: Chat, owner: str):
    chat.linked(JAY, "jaydoe")
    assert (await chat.api.delete(f"{LINKS}/{JAY.id}", owner=owner)).status == 204
    assert (await chat.say("status")).json["text"] == "Link"
    assert (await chat.api.delete(f"{LINKS}/{JAY.id}", owner=owner)).code == "LinkNotFound"


@pytest.mark.parametrize("link_id", [JAY.id, "slack.T9.U9", "nonsense", "%2e%2e"])
async def test_somebody_elses_link_answers_like_none(chat: Chat, link_id: str):
    chat.linked(JAY, "jaydoe")
    answer = await chat.api.delete(f"{LINKS}/{link_id}", owner="mallory")
    assert (answer.status, answer.code) == (404, "LinkNotFound")
    assert JAY.id in chat.world.storage.chat.rows_of_links


@pytest.mark.parametrize(("method", "path"), [("POST", LINKS), ("GET", LINKS), ("DELETE", f"{LINKS}/{JAY.id}")])
async def test_links_need_a_token(chat: Chat, method: str, path: str):
    assert (await chat.api.send(method, path, owner=None)).status == 401


async def test_when_storage_is_down_a_link_is_a_503(chat: Chat):
    chat.world.storage.tape.fail("chat.take_code", RetryableError("StorageUnavailable", "Down."))
    assert (await chat.api.post(LINKS, {"code": "x"})).status == 503
