"""`./dev chat` against running chats and an app that the test plays."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from localdev.cli import main
from tests.contract.chat.running_chat import Chat, Got

READY = {
    "response_type": "in_channel",
    "text": "demo is ready",
    "blocks": [
        {"type": "header", "text": {"type": "plain_text", "text": "demo: ready"}},
        {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Address*\nhttp://127.77.1.2"}]},
        {
            "type": "actions",
            "elements": [
                {
                    "type": "button",
                    "action_id": "stop",
                    "value": "x",
                    "text": {"type": "plain_text", "text": "Stop now"},
                }
            ],
        },
    ],
}
CARD = {
    "type": "AdaptiveCard",
    "version": "1.4",
    "body": [
        {"type": "TextBlock", "text": "demo is ready"},
        {"type": "FactSet", "facts": [{"title": "Address", "value": "http://127.77.1.2"}]},
    ],
    "actions": [{"type": "Action.OpenUrl", "title": "Stop now", "url": "http://127.0.0.1/api/x"}],
}
TEAMS = {
    "type": "message",
    "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": CARD}],
}


class Dev:
    """`./dev chat ...` in a second terminal."""

    def __init__(self, chat: Chat, folder: Path, capsys: pytest.CaptureFixture[str], api: str) -> None:
        self._folder, self._capsys = folder, capsys
        session = {"chat": chat.server.base, "api": api, "token": "the admin's", "ca": str(chat.ca)}
        (folder / "session.json").write_text(json.dumps(session))

    async def __call__(self, *words: str, code: int = 0) -> str:
        """What it printed."""
        argv = ["chat", "--state-dir", str(self._folder), *words]
        ended = await asyncio.to_thread(main, argv)
        said = self._capsys.readouterr()
        assert ended == code, said
        return said.err if code else said.out


@pytest.fixture
async def dev(chat: Chat, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Dev:
    return Dev(chat, tmp_path, capsys, chat.api)


async def test_a_command_prints_what_came_back(chat: Chat, dev: Dev) -> None:
    chat.app = lambda _: web.json_response(READY)
    said = await dev("slack", "/hub status demo")
    assert "# demo: ready" in said and "*Address*: http://127.77.1.2" in said and "[Stop now] (stop)" in said
    assert b"text=status+demo" in chat.got[0].body


async def test_an_answer_that_slack_would_not_show_is_a_failure(chat: Chat, dev: Dev) -> None:
    chat.app = lambda _: web.Response(status=500)
    assert "dispatch_failed: 500" in await dev("slack", "/hub list", code=1)


async def test_show_prints_the_channel_and_what_one_person_sees(chat: Chat, dev: Dev) -> None:
    chat.app = lambda _: web.json_response(READY)
    await dev("slack", "/hub status demo", "--user", "U2")
    chat.app = lambda _: web.json_response({"text": "for you alone"})
    await dev("slack", "/hub login demo", "--user", "U2")
    channel, person = await dev("show"), await dev("show", "U2")
    assert "/hub status demo" in channel and "# demo: ready" in channel and "for you alone" not in channel
    assert "for you alone" in person and "only for U2" in person
    assert "there are C0123456789, C1" in await dev("show", "C77", code=1)


@pytest.mark.parametrize("name", ["stop", "Stop now"])
async def test_press_takes_the_newest_button_by_name_or_label(chat: Chat, dev: Dev, name: str) -> None:
    chat.app = lambda _: web.json_response(READY)
    await dev("slack", "/hub status demo")
    await dev("slack", "/hub status demo")
    said = await dev("press", name, "--user", "U2")
    assert "pressed [Stop now]" in said
    assert "./dev chat show U2" in said, "what only the one who presses is told stands there"
    [pressed] = [got for got in chat.got if got.path.endswith("/interaction")]
    newest = (await chat.messages("slack/channels/C1"))[-1]["ts"]
    assert newest.encode() in pressed.body
    assert "no message has a button 'start'; there are: stop." in await dev("press", "start", code=1)


async def test_a_place_where_nothing_was_said_is_told_from_a_message(dev: Dev) -> None:
    assert "(nothing yet" in await dev("show")
    assert (await dev("show", "teams")).count("(nothing yet)") == 2
    assert "there is none yet" in await dev("press", "login", code=1)


async def test_a_mention_with_nothing_behind_it_can_be_typed(chat: Chat, dev: Dev) -> None:
    chat.app = lambda _: web.json_response(TEAMS)
    assert "demo is ready" in await dev("teams", "")


async def test_teams_prints_the_card_and_show_prints_the_conversation(chat: Chat, dev: Dev) -> None:
    chat.app = lambda _: web.json_response(TEAMS)
    said = await dev("teams", "status demo")
    assert "demo is ready" in said and "Address: http://127.77.1.2" in said
    assert "[Stop now] http://127.0.0.1/api/x" in said
    shown = await dev("show", "teams")
    assert "@Hublet status demo" in shown and "demo is ready" in shown and "== teams local" in shown


async def test_link_is_asked_for_as_the_administrator(chat: Chat, dev: Dev) -> None:
    asked: list[dict[str, Any]] = []

    def answer(got: Got) -> web.Response:
        assert got.headers["authorization"] == "Bearer the admin's"
        asked.append(json.loads(got.body))
        return web.json_response({}, status=201)

    chat.app = answer
    assert "U1 is linked to alice" in await dev("link", "alice")
    await dev("link", "alice", "--platform", "teams")
    assert asked[0] == {"platform": "slack", "team": "T1", "user": "U1", "owner": "alice"}
    assert (asked[1]["platform"], asked[1]["user"]) == ("teams", "jay")
    chat.app = lambda _: web.json_response({"detail": "No.", "fix": "Ask."}, status=403)
    assert "403: No. Ask." in await dev("link", "alice", code=1)
