"""Our cards, read and drawn by Microsoft's own library: nothing to complain of, and every text as it was written.

The library runs with markdown switched on (localdev/cards/render.cjs), so that a text which were read as markdown would
show. `test_the_peer_would_notice` proves that the peer sees what it is there to see.
"""

import json
import subprocess
from typing import Any

import pytest

from localdev import paths
from localdev.setup import NodeParts, ensure_cards_parts
from shared.chat.adaptive import adaptive_card
from shared.chat.card import Button, Card, Fact, Stage, Tone, Verb
from tests.support.hostile_texts import HOSTILE

PAGE = "https://hublet.example.org/api/chat/actions/k1.eyJ2IjoxfQ.bWFj"


@pytest.fixture(scope="module")
def node() -> NodeParts:
    return ensure_cards_parts()


def render(node: NodeParts, cards: list[dict[str, Any]]) -> list[dict[str, Any]]:
    argv = [node.node, str(paths.CARDS_RENDERER)]
    done = subprocess.run(argv, input=json.dumps(cards).encode(), capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    rendered: list[dict[str, Any]] = json.loads(done.stdout)
    return rendered


def to_page(button: Button) -> str | None:
    return PAGE


def a_full_card(text: str, tone: Tone = Tone.INFO) -> Card:
    return Card(
        title=text,
        tone=tone,
        lines=(text, "second line"),
        facts=(Fact(text, text), Fact("Costs", "$0.11 an hour")),
        stages=tuple(Stage(text, status) for status in ("done", "running", "waiting", "failed")),
        code=(text,),
        buttons=(
            Button(label=text, url="https://physics.example.org/", style="primary"),
            Button(label=text, verb=Verb.STOP, style="danger"),
        ),
    )


def visible(text: str) -> str:
    return text.replace("\u2060", "")


MARKUP = {"a", "b", "i", "em", "strong", "code", "pre", "img", "ul", "ol", "li", "table", "script", "h1", "hr", "s"}


def test_cards_of_every_shape_are_read_without_a_word(node: NodeParts) -> None:
    cards = [
        *(a_full_card("physics is ready", tone) for tone in Tone),
        Card(title="x"),
        Card(title=""),
        Card(title="x", facts=(Fact("", ""),), lines=("",), code=("", "\n")),
        Card(title="x" * 5000, lines=("y" * 5000,) * 50, facts=(Fact("z" * 5000, "z" * 5000),) * 50),
        Card(title="x", buttons=(Button(label="", url="https://a.example/"),) * 9),
    ]
    for drawn in render(node, [adaptive_card(card, to_page) for card in cards]):
        assert drawn["events"] == []


def test_hostile_texts_come_out_as_they_went_in(node: NodeParts) -> None:
    drawn = render(node, [adaptive_card(a_full_card(text), to_page) for text in HOSTILE])
    for text, one in zip(HOSTILE, drawn, strict=True):
        assert one["events"] == [], text
        assert not set(one["tags"]) & MARKUP, text
        assert {button["url"] for button in one["buttons"]} == {"https://physics.example.org/", PAGE}
        assert "<at" not in "".join(one["text"]).lower()
        if text.isprintable() and len(text) < 80:
            shown = [visible(piece) for piece in one["text"]]
            assert shown.count(text.strip()) == 9, text  # title, line, label, value, 2 stages, code, 2 buttons


def test_the_text_for_old_clients_is_no_markup_either(node: NodeParts) -> None:
    """A client of version 1.0 shows `fallbackText` alone, by a text block that reads markdown."""
    cards = [{**adaptive_card(Card(title=text), to_page), "version": "9.9", "body": []} for text in HOSTILE]
    blocks = [
        {"type": "AdaptiveCard", "version": "1.0", "body": [{"type": "TextBlock", "text": card["fallbackText"]}]}
        for card in cards
    ]
    for text, one in zip(HOSTILE, render(node, blocks), strict=True):
        bare_address = text.startswith(("www.", "ada@", "mailto:"))  # names no other text than it shows
        assert not set(one["tags"]) & (MARKUP - ({"a"} if bare_address else set())), (text, one["html"])


def test_the_peer_would_notice(node: NodeParts) -> None:
    bad = {
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {"type": "TextBlock", "text": "**bold** {{DATE(2017-02-14T06:08:39Z)}} https://evil.example/"},
            {"type": "NoSuchElement"},
        ],
        "actions": [{"type": "Action.OpenUrl", "title": "no url"}],
    }
    (one,) = render(node, [bad])
    assert {event["event"] for event in one["events"]} >= {"UnknownElementType", "PropertyCantBeNull"}
    assert {"strong", "a"} <= set(one["tags"])
    assert "{{DATE" not in "".join(one["text"])
