"""A card as an Adaptive Card 1.4. Pure.

Every text may be hostile. `TextBlock` and facts read a part of markdown, so there are none here: all that is said
stands in `TextRun`s, in which "Markdown is not supported"
(https://learn.microsoft.com/en-us/adaptive-cards/schema-explorer/text-run). What even they expand is broken by an
invisible character: `{{DATE(...)}}` (https://learn.microsoft.com/en-us/adaptive-cards/authoring-cards/text-features),
and `<at>`, by which Teams mentions people
(https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-format).
"""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from shared.chat.card import Button, Card, Fact, Stage, Tone, Verb

MAX_BYTES = 28_000
"""Of a message with its envelope: Teams refuses what is larger than 28 KB
(https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using)."""

MAX_BUTTONS = 5
"""What a renderer shows by default (`maxActions`,
https://learn.microsoft.com/en-us/adaptive-cards/rendering-cards/host-config); Teams shows one more."""

_MAX_URL = 2048
_MAX_TITLE = 200
_MAX_LABEL = 80
_MAX_VALUE = 500
_MAX_LINE = 1000

_WORD_JOINER = "\u2060"
"""Invisible, of no width, no place to break a line."""

_REORDERING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Unicode's bidirectional controls (UAX #9): with them a text reads as another one."""

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NO_CHARACTERS = re.compile("[\ud800-\udfff\ufffe\uffff]")
"""Halves of surrogate pairs: UTF-8 has no bytes for them."""

_MENTION = re.compile(r"<(?=\s*/?\s*at\b)", re.IGNORECASE)
_MACRO = re.compile(r"\{(?=\{)")
_MARKDOWN = re.compile(r"([\\`*_\[\]()<>~|!&#+])|(?<=:)(//)|(^-|(?<=\d)\.(?= ))")

_STYLES = {Tone.INFO: "emphasis", Tone.GOOD: "good", Tone.WARNING: "warning", Tone.BAD: "attention"}
_SIGNS = {"done": ("✓", "good"), "running": ("▶", "accent"), "failed": ("✗", "attention")}
_PRESSES = {"primary": "positive", "danger": "destructive"}


def adaptive_card(card: Card, link: Callable[[Button], str | None]) -> dict[str, Any]:
    """The card's JSON, less than 28 KB with its envelope. `link`: the address of a button's action page; None = the
    button is left out. Every text is shown as it is: no markdown, mention or macro in it takes effect.

    What does not fit is left out from the end of the lines, then of the stages, then of the facts, then of the code;
    the card says how much. A single text that is too long ends with `…`.
    """
    parts = _Parts(
        lines=[_paragraph(line) for text in (*card.lines, *_not_here(card, link)) for line in _split(text)],
        stages=[_stage(stage) for stage in card.stages],
        facts=[_fact(fact) for fact in card.facts],
        code=[_code(line) for text in card.code for line in _split(text)],
    )
    frame = _frame(card, _actions(card.buttons, link))
    parts.cut(MAX_BYTES - _size(_envelope(frame)) - _ROOM_FOR_THE_REST)
    frame["body"] += parts.body()
    return frame


def message(card: Card, link: Callable[[Button], str | None]) -> dict[str, Any]:
    """The envelope that a Workflows webhook and the answer to an outgoing webhook take."""
    return _envelope(adaptive_card(card, link))


_ROOM_FOR_THE_REST = 1000
"""Bytes for the containers around the parts, and for the line that says what was left out."""


@dataclass(kw_only=True)
class _Parts:
    """The parts of a card's body that may be left out, rendered, in the order in which they are shown."""

    lines: list[dict[str, Any]]
    stages: list[dict[str, Any]]
    facts: list[dict[str, Any]]
    code: list[dict[str, Any]]
    left_out: str = ""

    def cut(self, room: int) -> None:
        """Drops from the ends, in the order lines, stages, facts, code, until the rest takes at most `room` bytes."""
        named = (("lines", self.lines), ("stages", self.stages), ("facts", self.facts), ("lines of code", self.code))
        sizes = {what: [_size(part) + len(", ") for part in parts] for what, parts in named}
        over = sum(sum(each) for each in sizes.values()) - room
        dropped = []
        for what, parts in named:
            before = len(parts)
            while over > 0 and parts:
                parts.pop()
                over -= sizes[what].pop()
            if len(parts) < before:
                dropped.append(f"{before - len(parts)} of {before} {what}")
        if dropped:
            self.left_out = f"Too much for one message; left out: {', '.join(dropped)}."

    def body(self) -> list[dict[str, Any]]:
        shown = [*self.lines]
        if self.stages:
            shown.append({"type": "Container", "spacing": "Medium", "items": self.stages})
        if self.facts:
            shown.append({"type": "Container", "spacing": "Medium", "items": self.facts})
        if self.code:
            shown.append({"type": "Container", "style": "emphasis", "spacing": "Medium", "items": self.code})
        if self.left_out:
            shown.append(_text(_run(self.left_out, isSubtle=True)))
        return shown


def _envelope(content: dict[str, Any]) -> dict[str, Any]:
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": content}]}


def _frame(card: Card, actions: list[dict[str, Any]]) -> dict[str, Any]:
    title = _run(_cut(_plain(card.title), _MAX_TITLE), weight="Bolder", size="Medium")
    frame: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": _without_markdown(_cut(_plain(card.title), _MAX_TITLE)),
        "msteams": {"width": "Full"},
        "body": [{"type": "Container", "style": _STYLES[card.tone], "bleed": True, "items": [_text(title)]}],
    }
    if actions:
        frame["actions"] = actions
    return frame


def _actions(buttons: Sequence[Button], link: Callable[[Button], str | None]) -> list[dict[str, Any]]:
    actions = []
    for button in buttons:
        url = button.url or link(button)
        if not url or not _is_web(url):
            continue
        action = {"type": "Action.OpenUrl", "title": _shown(button.label, _MAX_LABEL), "url": url}
        if button.style in _PRESSES:
            action["style"] = _PRESSES[button.style]
        actions.append(action)
    return actions[:MAX_BUTTONS]


def _not_here(card: Card, link: Callable[[Button], str | None]) -> Iterable[str]:
    """Where the admin login is, if this card may have no button for it: everybody in a channel could press that."""
    hubs = [button.hub_id for button in card.buttons if button.verb is Verb.LOGIN and not link(button)]
    return (
        f"The administrator's password is not for a channel; the API gives it: POST /api/hubs/{hub}/admin-password"
        for hub in hubs
    )


def _is_web(url: str) -> bool:
    """Whether it is an address of the web in plain characters: never `javascript:`, `msteams:` or the like."""
    if len(url) > _MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname)


# ------------------------------------------------------------------ parts


def _paragraph(line: str) -> dict[str, Any]:
    return _text(_run(_cut(line, _MAX_LINE)))


def _stage(stage: Stage) -> dict[str, Any]:
    """The sign alone would tell nothing to who cannot see it."""
    sign, colour = _SIGNS.get(stage.status, ("○", "default"))
    label = _cut(_plain(stage.label), _MAX_LABEL)
    said = f" ({stage.status})" if stage.status in ("running", "failed") else ""
    faint = stage.status not in _SIGNS
    return _text(_run(f"{sign} ", color=colour), _run(f"{label}{said}", isSubtle=faint), spacing="Small")


def _fact(fact: Fact) -> dict[str, Any]:
    """Two columns, of the same width in every fact. `FactSet` would read markdown."""
    label = _text(_run(_cut(_plain(fact.label), _MAX_LABEL), weight="Bolder"))
    value = _text(_run(_cut(_plain(fact.value), _MAX_VALUE)))
    columns = [
        {"type": "Column", "width": 2, "items": [label]},
        {"type": "Column", "width": 5, "items": [value]},
    ]
    return {"type": "ColumnSet", "spacing": "Small", "columns": columns}


def _code(line: str) -> dict[str, Any]:
    return _text(_run(_cut(line, _MAX_LINE), fontType="Monospace"), spacing="Small")


def _text(*runs: dict[str, Any], **style: object) -> dict[str, Any]:
    return {"type": "RichTextBlock", **style, "inlines": list(runs)}


def _run(text: str, **style: object) -> dict[str, Any]:
    """`text` is cleaned already; nothing at all would be an invalid element."""
    return {"type": "TextRun", "text": _harmless(text) or "–", **{name: how for name, how in style.items() if how}}


# ------------------------------------------------------------------ texts


def _split(text: str) -> Iterable[str]:
    """Its lines, which a `TextRun` would join; empty ones are left out."""
    return [line for line in (_plain(part) for part in re.split(r"[\r\n\u2028\u2029]+", text)) if line]


def _plain(text: str) -> str:
    """One line of text that reads in the order in which it is written."""
    return _CONTROLS.sub(" ", _NO_CHARACTERS.sub("\ufffd", _REORDERING.sub("", text))).strip()


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _shown(text: str, most: int) -> str:
    return _harmless(_cut(_plain(text), most)) or "–"


def _harmless(text: str) -> str:
    return _MENTION.sub("<" + _WORD_JOINER, _MACRO.sub("{" + _WORD_JOINER, text))


def _without_markdown(text: str) -> str:
    """For the one text that a renderer shows by a `TextBlock` of its own: `fallbackText`."""

    def escaped(found: re.Match[str]) -> str:
        return _WORD_JOINER + found[0] if found[2] else "\\" + found[0]

    return _MARKDOWN.sub(escaped, _harmless(text)) or "–"


def _size(document: object) -> int:
    return len(json.dumps(document, ensure_ascii=False).encode())
