"""The pretended Teams: webhooks that keep cards, and an outgoing webhook that is signed as Teams signs."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from aiohttp import web

from tests.contract.chat.running_chat import Chat

WEBHOOK = "teamsWebhook"


def card(**changed: Any) -> dict[str, Any]:
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [{"type": "TextBlock", "text": "demo is ready", "wrap": True}],
        "actions": [{"type": "Action.OpenUrl", "title": "Open", "url": "https://hub.example.org"}],
    }
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None}
    return {"type": "message", "attachments": [{**attachment, "content": {**content, **changed}}]}


async def push(chat: Chat, message: object, url: str = "") -> int:
    async with chat.session.post(url or chat.server.facts()[WEBHOOK], json=message) as answer:
        return answer.status


async def test_a_card_is_accepted_and_kept(chat: Chat) -> None:
    assert await push(chat, card()) == 202
    [told] = await chat.messages("teams/local")
    assert (told["message"], told["refused"]) == (card(), [])


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (card(actions=[{"type": "Action.Submit", "title": "Stop"}]), "Action.Submit"),
        (card(body=[{"type": "TextBlock", "text": "x" * 28 * 1024}]), "bytes"),
        (card(version="1.6"), "version"),
        (card(body=[]), "without a body"),
        ({"type": "message"}, "neither text"),
    ],
)
async def test_a_card_that_nobody_would_see_is_accepted_and_said_to_be_refused(
    chat: Chat, message: dict[str, Any], why: str
) -> None:
    assert await push(chat, message) == 202, "the real one answers before its flow runs"
    [told] = await chat.messages("teams/local")
    assert why in " ".join(told["refused"])


async def test_the_address_is_the_secret(chat: Chat) -> None:
    url = chat.server.facts()[WEBHOOK]
    assert await push(chat, card(), url.rpartition("sig=")[0] + "sig=wrong") == 401
    assert await push(chat, card(), url.replace("/local?", "/other?")) == 404
    assert await chat.messages("teams/local") == []


async def test_another_webhook_is_separate(chat: Chat) -> None:
    made = await chat.drive("teams/webhooks", {"name": "lab"})
    assert await push(chat, card(), made["url"]) == 202
    assert await chat.messages("teams/local") == []
    assert len(await chat.messages("teams/lab")) == 1


@pytest.mark.parametrize(("fault", "status"), [("429", 429), ("400", 400), ("200", 200)])
async def test_it_answers_as_it_was_told_to(chat: Chat, fault: str, status: int) -> None:
    await chat.drive("faults", {"teams": fault, "times": 1})
    assert await push(chat, card()) == status
    assert await push(chat, card()) == 202


async def test_a_mention_is_signed_over_its_bytes(chat: Chat) -> None:
    await chat.drive("teams/mention", {"text": "create demo & co", "user": "u-1", "tenant": "t-1"})
    [got] = chat.got
    key = base64.b64decode(chat.server.security_token)
    signed = base64.b64encode(hmac.new(key, got.body, hashlib.sha256).digest()).decode()
    assert (got.path, got.headers["authorization"]) == ("/api/chat/teams", f"HMAC {signed}")
    activity = json.loads(got.body)
    assert (activity["type"], activity["from"]["aadObjectId"]) == ("message", "u-1")
    assert activity["conversation"]["tenantId"] == activity["channelData"]["tenant"]["id"] == "t-1"
    assert activity["text"] == "<at>Hublet</at>\u00a0create demo &amp; co\n"
    assert activity["timestamp"] == "2026-03-02T08:00:00.000Z"


async def test_the_answer_to_a_mention_is_kept_in_the_conversation(chat: Chat) -> None:
    chat.app = lambda _: web.json_response(card())
    answer = await chat.drive("teams/mention", {"text": "list"})
    assert (answer["outcome"], answer["answer"]) == ("ok", card())
    question, told = await chat.messages("teams/conversation")
    assert (question["message"]["text"], told["message"]) == ("@Hublet list", card())


async def test_an_answer_with_more_than_links_is_not_shown(chat: Chat) -> None:
    chat.app = lambda _: web.json_response(card(actions=[{"type": "Action.Execute", "title": "Stop"}]))
    answer = await chat.drive("teams/mention", {"text": "list"})
    assert "Action.Execute cannot be used" in answer["outcome"]


async def test_a_refused_mention_says_so(chat: Chat) -> None:
    chat.app = lambda _: web.Response(status=401)
    answer = await chat.drive("teams/mention", {"text": "list"})
    assert (answer["outcome"], answer["answer"]) == ("failed with 401", None)
