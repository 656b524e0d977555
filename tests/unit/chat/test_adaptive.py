"""Cards as Teams gets them: golden, with hostile texts, and never too large."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.chat.adaptive import MAX_BUTTONS, MAX_BYTES, adaptive_card, message
from shared.chat.card import Button, Card, Fact, Stage, Tone, Verb
from tests.support.hostile_texts import HOSTILE

PAGE = "https://hublet.example.org/api/chat/actions/k1.x.y"


def to_page(button: Button) -> str | None:
    return PAGE


def nowhere(button: Button) -> str | None:
    return None


def size(document: object) -> int:
    return len(json.dumps(document, ensure_ascii=False).encode())


def elements(node: Any) -> Iterator[dict[str, Any]]:
    """Every JSON object in a card, itself too."""
    if isinstance(node, dict):
        yield node
        for inner in node.values():
            yield from elements(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from elements(inner)


def texts(card: dict[str, Any]) -> list[str]:
    return [one["text"] for one in elements(card["body"]) if one.get("type") == "TextRun"]


def visible(text: str) -> str:
    return text.replace("\u2060", "")


def test_who_may_not_press_admin_login_in_a_channel_reads_where_the_password_is() -> None:
    button = Button(label="Admin login", verb=Verb.LOGIN, hub_id="physics-ab2cd3")
    card = Card(title="physics: ready", buttons=(button,))
    said = "POST /api/hubs/physics-ab2cd3/admin-password"
    assert any(said in text for text in texts(adaptive_card(card, nowhere)))
    assert not any(said in text for text in texts(adaptive_card(card, to_page)))


def test_a_card_as_teams_gets_it() -> None:
    card = Card(
        title="physics is being made",
        tone=Tone.GOOD,
        lines=("About 6 minutes to go.",),
        facts=(Fact("Size", "Standard_D2s_v3"),),
        stages=(Stage("Azure", "done"), Stage("JupyterHub", "running"), Stage("Test", "waiting"), Stage("X", "failed")),
        code=("@Hublet stop physics",),
        buttons=(
            Button(label="Open", url="https://physics.example.org/", style="primary"),
            Button(label="Stop now", verb=Verb.STOP, hub_id="physics-ab2cd3", style="danger"),
        ),
    )
    assert message(card, to_page) == {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "fallbackText": "physics is being made",
                    "msteams": {"width": "Full"},
                    "body": [
                        {
                            "type": "Container",
                            "style": "good",
                            "bleed": True,
                            "items": [block("physics is being made", weight="Bolder", size="Medium")],
                        },
                        block("About 6 minutes to go."),
                        {
                            "type": "Container",
                            "spacing": "Medium",
                            "items": [
                                stage("✓ ", "good", "Azure"),
                                stage("▶ ", "accent", "JupyterHub (running)"),
                                stage("○ ", "default", "Test", isSubtle=True),
                                stage("✗ ", "attention", "X (failed)"),
                            ],
                        },
                        {
                            "type": "Container",
                            "spacing": "Medium",
                            "items": [
                                {
                                    "type": "ColumnSet",
                                    "spacing": "Small",
                                    "columns": [
                                        {"type": "Column", "width": 2, "items": [block("Size", weight="Bolder")]},
                                        {"type": "Column", "width": 5, "items": [block("Standard_D2s_v3")]},
                                    ],
                                }
                            ],
                        },
                        {
                            "type": "Container",
                            "style": "emphasis",
                            "spacing": "Medium",
                            "items": [{**block("@Hublet stop physics", fontType="Monospace"), "spacing": "Small"}],
                        },
                    ],
                    "actions": [
                        {
                            "type": "Action.OpenUrl",
                            "title": "Open",
                            "url": "https://physics.example.org/",
                            "style": "positive",
                        },
                        {"type": "Action.OpenUrl", "title": "Stop now", "url": PAGE, "style": "destructive"},
                    ],
                },
            }
        ],
    }


def block(text: str, **style: object) -> dict[str, Any]:
    return {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": text, **style}]}


def stage(sign: str, colour: str, label: str, **style: object) -> dict[str, Any]:
    runs = [{"type": "TextRun", "text": sign, "color": colour}, {"type": "TextRun", "text": label, **style}]
    return {"type": "RichTextBlock", "spacing": "Small", "inlines": runs}


@pytest.mark.parametrize(
    ("tone", "style"),
    [(Tone.INFO, "emphasis"), (Tone.GOOD, "good"), (Tone.WARNING, "warning"), (Tone.BAD, "attention")],
)
def test_the_tone_colours_the_title(tone: Tone, style: str) -> None:
    assert adaptive_card(Card(title="x", tone=tone), nowhere)["body"][0]["style"] == style


def test_a_bare_card_has_a_title_and_nothing_else() -> None:
    card = adaptive_card(Card(title="x"), nowhere)
    assert len(card["body"]) == 1
    assert "actions" not in card


def test_empty_texts_are_shown_as_a_dash_because_an_empty_run_is_no_element() -> None:
    assert texts(adaptive_card(Card(title=" ", facts=(Fact("", "\n"),)), nowhere)) == ["–", "–", "–"]


# ---- buttons


def test_a_button_without_a_page_is_left_out() -> None:
    card = Card(
        title="x", buttons=(Button(label="Stop", verb=Verb.STOP), Button(label="Open", url="https://a.example"))
    )
    assert [action["title"] for action in adaptive_card(card, nowhere)["actions"]] == ["Open"]


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "msteams:/l/chat",
        "file:///etc/passwd",
        "//evil.example/",
        "https://",
        "https:// x/",
        "https://[bad/",
        "https://a.example/" + "x" * 2048,
        "https://ä.example/",
        "https://a.example/\n",
    ],
)
def test_only_addresses_of_the_web_become_links(url: str) -> None:
    card = Card(title="x", buttons=(Button(label="Open", url=url),))
    assert "actions" not in adaptive_card(card, nowhere)


def test_no_more_buttons_than_teams_shows() -> None:
    buttons = tuple(Button(label=str(number), url="https://a.example/") for number in range(9))
    assert len(adaptive_card(Card(title="x", buttons=buttons), nowhere)["actions"]) == MAX_BUTTONS


def test_nothing_is_asked_of_teams_but_to_open_a_page() -> None:
    kinds = {one["type"] for one in elements(adaptive_card(full(*["x"] * 7), to_page)) if "type" in one}
    assert kinds == {
        *("AdaptiveCard", "Container", "RichTextBlock", "TextRun", "ColumnSet", "Column"),
        "Action.OpenUrl",
    }


# ---- hostile texts


def full(title: str, line: str, label: str, value: str, stage: str, code: str, button: str) -> Card:
    """A card with one of everything."""
    return Card(
        title=title,
        lines=(line,),
        facts=(Fact(label, value),),
        stages=(Stage(stage, "running"),),
        code=(code,),
        buttons=(Button(label=button, verb=Verb.STOP),),
    )


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_a_hostile_text_stays_a_text_wherever_it_stands(text: str) -> None:
    card = adaptive_card(full(*[text] * 7), to_page)
    written = json.dumps(card, ensure_ascii=False)
    written.encode()  # raises for half a pair
    assert not re.search(r"<\s*/?\s*at\b", written, re.IGNORECASE)
    assert "{{" not in written
    assert not re.search("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]", written)
    for one in [*texts(card), card["actions"][0]["title"], card["fallbackText"]]:
        assert not re.search(r"[\x00-\x1f\x7f\u2028\u2029]", one)
    assert {one["type"] for one in elements(card) if "type" in one} <= {
        *("AdaptiveCard", "Container", "RichTextBlock", "TextRun", "ColumnSet", "Column", "Action.OpenUrl"),
    }
    if text.isprintable() and len(text) < 80:
        assert visible(texts(card)[1]) == text.strip()  # the reader sees what was written
        assert card["actions"][0]["url"] == PAGE


def test_there_are_enough_hostile_texts() -> None:
    assert len(set(HOSTILE)) >= 50


def test_lines_of_one_text_become_lines_of_the_card() -> None:
    assert texts(adaptive_card(Card(title="x", lines=("a\nb\r\n\r\nc",)), nowhere)) == ["x", "a", "b", "c"]


@pytest.mark.parametrize(
    ("title", "fallback"),
    [
        ("physics-2 is ready. Done!", "physics-2 is ready. Done\\!"),
        ("**a** [b](https://c.example)", "\\*\\*a\\*\\* \\[b\\]\\(https:\u2060//c.example\\)"),
        ("<at>x</at>", "\\<\u2060at\\>x\\<\u2060/at\\>"),
        ("- a", "\\- a"),
        ("1. a", "1\\. a"),
    ],
)
def test_the_text_for_old_clients_escapes_markdown(title: str, fallback: str) -> None:
    assert adaptive_card(Card(title=title), nowhere)["fallbackText"] == fallback


# ---- size


def said_to_be_left_out(card: dict[str, Any]) -> str:
    return next((text for text in texts(card) if text.startswith("Too much for one message")), "")


@pytest.mark.parametrize("letter", ["x", "é", "日", "🎓", '"', "\\"])
def test_the_largest_card_fits_and_says_what_was_left_out(letter: str) -> None:
    long = letter * 5000
    card = Card(
        title=long,
        lines=(long,) * 50,
        facts=(Fact(long, long),) * 50,
        stages=(Stage(long, "running"),) * 50,
        code=(long,) * 50,
        buttons=(Button(label=long, url="https://a.example/" + "x" * 2000),) * 9,
    )
    sent = message(card, to_page)
    assert size(sent) < MAX_BYTES
    assert "50 of 50 lines" in said_to_be_left_out(sent["attachments"][0]["content"])


def test_lines_go_first_then_stages_then_facts_then_code() -> None:
    def shown(**parts: Any) -> str:
        return said_to_be_left_out(adaptive_card(Card(title="x", **parts), nowhere))

    line, fact = "x" * 1000, Fact("Label", "x" * 400)
    assert shown(lines=(line,) * 20) == ""
    assert re.fullmatch(r".*left out: \d of 26 lines\.", shown(lines=(line,) * 26))
    stages = (Stage("x" * 80, "done"),) * 10
    assert re.fullmatch(
        r".*left out: 20 of 20 lines, \d of 10 stages\.", shown(lines=(line,) * 20, stages=stages, facts=(fact,) * 35)
    )
    with_facts = shown(lines=(line,), stages=stages, facts=(fact,) * 60, code=("x",))
    assert re.fullmatch(r".*left out: 1 of 1 lines, 10 of 10 stages, \d\d of 60 facts\.", with_facts)


def test_one_byte_more_than_fits_leaves_out_one_line_only() -> None:
    fits = 0
    for length in range(1, 1000):
        card = adaptive_card(Card(title="x", lines=("x" * 1000,) * 24 + ("y" * length,)), nowhere)
        fits += not said_to_be_left_out(card)
        assert said_to_be_left_out(card) in ("", "Too much for one message; left out: 1 of 25 lines.")
    assert 0 < fits < 999


def test_a_text_that_is_too_long_ends_with_an_ellipsis() -> None:
    (_, line) = texts(adaptive_card(Card(title="x", lines=("y" * 1001,)), nowhere))
    assert line == "y" * 999 + "…"


@given(
    st.lists(st.text(max_size=3000), max_size=40),
    st.lists(st.tuples(st.text(max_size=900), st.text(max_size=900)), max_size=40),
    st.text(max_size=400),
)
def test_whatever_the_texts_the_message_is_utf8_and_fits(
    lines: list[str], facts: list[tuple[str, str]], title: str
) -> None:
    card = Card(
        title=title,
        lines=tuple(lines),
        facts=tuple(Fact(*fact) for fact in facts),
        stages=tuple(Stage(line, "waiting") for line in lines),
        code=tuple(lines),
        buttons=tuple(Button(label=line, verb=Verb.STOP) for line in lines),
    )
    assert size(message(card, to_page)) < MAX_BYTES
