"""A card as Slack's Block Kit. Pure.

Everything in a card is somebody's text. It is shown as `plain_text`, in which Slack looks for no markup at all; only
code is `mrkdwn`, inside a code block that its content cannot end. `&`, `<`, `>` are escaped in both: mentions and links
are written with them, and Slack shows the three escapes as the characters they stand for.
https://docs.slack.dev/messaging/formatting-message-text
https://docs.slack.dev/reference/block-kit/composition-objects/text-object
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from shared.chat.card import Button, Card, Fact, Stage, Tone

# Characters are counted in UTF-16 units and after escaping, which is never less than what Slack counts.
MESSAGE_BLOCKS = 50
"""https://docs.slack.dev/reference/block-kit/blocks"""
MESSAGE_TEXT = 4000
"""Recommended; cut by Slack at 40,000. https://docs.slack.dev/reference/methods/chat.postMessage"""
HEADER_TEXT = 150
"""https://docs.slack.dev/reference/block-kit/blocks/header-block"""
SECTION_TEXT = 3000
SECTION_FIELDS = 10
FIELD_TEXT = 2000
"""https://docs.slack.dev/reference/block-kit/blocks/section-block"""
ACTIONS_ELEMENTS = 25
"""https://docs.slack.dev/reference/block-kit/blocks/actions-block"""
BUTTON_TEXT = 75
BUTTON_VALUE = 2000
BUTTON_URL = 3000
"""https://docs.slack.dev/reference/block-kit/block-elements/button-element"""
CONFIRM_TITLE = 100
CONFIRM_TEXT = 300
CONFIRM_BUTTON = 30
"""https://docs.slack.dev/reference/block-kit/composition-objects/confirmation-dialog-object"""

MAX_ACTION_BLOCKS = 20
"""Buttons must leave room for what they are about."""

OPEN = "open"
"""`action_id` of buttons that are links: Slack tells us of those presses too, and nothing is to be done."""

DOTS = "..."

_TONES = {Tone.GOOD: "\u2705", Tone.WARNING: "\u26a0\ufe0f", Tone.BAD: "\u274c", Tone.INFO: "\u2139\ufe0f"}
_UNDER_WAY = "\u23f3"
_STAGES = {"done": "\u2705", "running": _UNDER_WAY, "waiting": "\u25ab\ufe0f", "failed": "\u274c"}

_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_JOINER = "\u2060"
"""Word joiner: nothing to see, and no line may break there."""

_UNSHOWABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and line feed, and those that turn the direction of text: a name could rewrite the words
around it."""
_LINE_END = re.compile(r"\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
_WEB_ADDRESS = re.compile(r"https?://[!-~]+")


def message(card: Card) -> dict[str, Any]:
    """`{"text", "blocks"}` within Slack's limits; what does not fit is cut and ends in `...`. A button's `action_id` is
    its verb, its `value` JSON `{"hub", "deadline"}`; a link's `action_id` is `open`. A button that Slack would refuse
    (no verb and no web address, an address that is too long) is left out."""
    head = [_header(card)]
    tail = _actions(card.buttons)
    body = [*_lines(card.lines), *_facts(card.facts), *_stages(card.stages), *_code(card.code)]
    room = MESSAGE_BLOCKS - len(head) - len(tail)
    if len(body) > room:
        body = [*body[: room - 1], {"type": "context", "elements": [_plain(DOTS, FIELD_TEXT)]}]
    return {"text": spoken(card.text), "blocks": [*head, *body, *tail]}


def spoken(text: str) -> str:
    """For a message's `text`, which notifications and screen readers show: one line in which nothing mentions, links or
    formats, even where Slack takes it for markup. Never empty."""
    one_line = _COLON.sub(":" + _JOINER, " ".join(_clean(text).split()))
    return _cut(one_line, MESSAGE_TEXT, _INERT) or DOTS


# ------------------------------------------------------------------ blocks


def _header(card: Card) -> dict[str, Any]:
    under_way = card.tone is Tone.INFO and any(stage.status in ("running", "waiting") for stage in card.stages)
    sign = _UNDER_WAY if under_way else _TONES[card.tone]
    return {"type": "header", "text": _plain(f"{sign} {' '.join(_clean(card.title).split())}", HEADER_TEXT)}


def _lines(lines: Sequence[str]) -> list[dict[str, Any]]:
    return [{"type": "section", "text": _plain(text, SECTION_TEXT)} for text in _packed(lines, SECTION_TEXT, _ESCAPES)]


def _facts(facts: Sequence[Fact]) -> list[dict[str, Any]]:
    """Label above value, as Slack shows fields: two in a row."""
    pairs = ((" ".join(_clean(fact.label).split()), _clean(fact.value).strip()) for fact in facts)
    fields = [_plain(f"{label}\n{value or '-'}", FIELD_TEXT) for label, value in pairs if label or value]
    parts = (fields[at : at + SECTION_FIELDS] for at in range(0, len(fields), SECTION_FIELDS))
    return [{"type": "section", "fields": part} for part in parts]


def _stages(stages: Sequence[Stage]) -> list[dict[str, Any]]:
    """One block, whatever their number: the list is read as one."""
    signs = (_STAGES.get(stage.status, _STAGES["waiting"]) for stage in stages)
    labels = (" ".join(_clean(stage.label).split()) for stage in stages)
    text = "\n".join(f"{sign} {label}" for sign, label in zip(signs, labels, strict=True))
    return [{"type": "section", "text": _plain(text, SECTION_TEXT)}] if text else []


def _code(lines: Sequence[str]) -> list[dict[str, Any]]:
    """The only markup there is: a code block of ours. `verbatim` = addresses and names in it become no links."""
    fence = "```"
    room = SECTION_TEXT - 2 * len(fence) - 2
    return [
        {"type": "section", "text": {"type": "mrkdwn", "text": f"{fence}\n{text}\n{fence}", "verbatim": True}}
        for text in (_cut(part, room, _ESCAPES) for part in _packed(map(_unfenced, lines), room, _ESCAPES))
    ]


def _actions(buttons: Sequence[Button]) -> list[dict[str, Any]]:
    """An `action_id` stands once in a block: Slack wants it so, and a list of hubs has one `stop` for each. There are
    fewer verbs than a block may hold elements."""
    groups: list[list[dict[str, Any]]] = []
    for element in filter(None, map(_button, buttons)):
        taken = {one["action_id"] for one in groups[-1]} if groups else set()
        if not groups or element["action_id"] in taken:
            groups.append([])
        groups[-1].append(element)
    return [{"type": "actions", "elements": group} for group in groups[:MAX_ACTION_BLOCKS]]


def _button(button: Button) -> dict[str, Any] | None:
    label = " ".join(_clean(button.label).split()) or (str(button.verb) if button.verb else "Open")
    element: dict[str, Any] = {"type": "button", "text": _plain(label, BUTTON_TEXT)}
    if button.url:
        if len(button.url) > BUTTON_URL or not _WEB_ADDRESS.fullmatch(button.url):
            return None
        element |= {"action_id": OPEN, "url": button.url}
    elif button.verb is not None:
        value = json.dumps({"hub": button.hub_id, "deadline": button.deadline}, separators=(",", ":"))
        if len(value) > BUTTON_VALUE:
            return None
        element |= {"action_id": str(button.verb), "value": value}
    else:
        return None
    if button.style in ("primary", "danger"):
        element["style"] = button.style
    if question := _clean(button.confirm).strip():
        element["confirm"] = {
            "title": _plain(label, CONFIRM_TITLE),
            "text": _plain(question, CONFIRM_TEXT),
            "confirm": _plain(label, CONFIRM_BUTTON),
            "deny": _plain("Cancel", CONFIRM_BUTTON),
        }
        if button.style in ("primary", "danger"):
            element["confirm"]["style"] = button.style
    return element


# ------------------------------------------------------------------ texts


def _plain(text: str, limit: int) -> dict[str, Any]:
    """`emoji: false`: a `:name:` in it stays as it is."""
    return {"type": "plain_text", "text": _cut(text, limit, _ESCAPES), "emoji": False}


def _packed(lines: Iterable[str], limit: int, escapes: dict[str, str]) -> list[str]:
    """As few texts as hold all lines. A line that is too long by itself is left to be cut; empty ones are dropped."""
    texts: list[str] = []
    used = 0
    for line in map(_clean, lines):
        if not line.strip():
            continue
        size = _size(line, escapes)
        if texts and used + 1 + size <= limit:
            texts[-1] += "\n" + line
            used += 1 + size
        else:
            texts.append(line)
            used = size
    return texts


def _clean(text: str) -> str:
    """What can be shown and sent: no control characters, no half of a surrogate pair."""
    text = _LINE_END.sub("\n", text)
    return _LONE_SURROGATE.sub("\ufffd", _UNSHOWABLE.sub(" ", text))


def _unfenced(line: str) -> str:
    """No two backticks in a row, so no three, which would end the code block."""
    return re.sub(r"`(?=`)", "`" + _JOINER, line)


_INERT = {
    **_ESCAPES,
    **{mark: f"{_JOINER}{mark}{_JOINER}" for mark in "*_~`"},
    "@": "@" + _JOINER,
    "#": "#" + _JOINER,
}
"""Where Slack may look for markup: a mark between joiners formats nothing, `@channel` is no word any more."""
_COLON = re.compile(r"(?<![0-9]):(?=\S)|:(?=[^\s0-9])")
"""`https:` is followed by no slash any more and `:name:` is no emoji; `Ready: at 19:00` stays."""


def _width(character: str, escapes: dict[str, str]) -> int:
    if character not in escapes:
        return 2 if character > "\uffff" else 1
    return sum(2 if ord(one) > 0xFFFF else 1 for one in escapes.get(character, character))


def _size(text: str, escapes: dict[str, str]) -> int:
    return sum(_width(character, escapes) for character in text)


def _cut(text: str, limit: int, escapes: dict[str, str]) -> str:
    """Escaped, at most `limit` UTF-16 units. Cut between characters of the original, so that no escape, and no
    character that takes two units, is split."""
    text = _clean(text).strip("\n")
    if _size(text, escapes) > limit:
        room = limit - len(DOTS)
        kept: list[str] = []
        for character in text:
            room -= _width(character, escapes)
            if room < 0:
                break
            kept.append(character)
        text = "".join(kept).rstrip() + DOTS
    return "".join(escapes.get(character, character) for character in text)
