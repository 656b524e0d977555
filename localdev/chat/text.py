"""Messages as plain text, for a terminal. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from localdev.chat import cards
from localdev.chat.blocks import buttons

type Json = Mapping[str, Any]


def slack_lines(message: Json) -> Iterator[str]:
    """`describe()` of a message. Buttons as `[label] (action_id)`. Slack's three escapes are undone:
    https://docs.slack.dev/messaging/formatting-message-text#escaping"""
    for line in _slack_lines(message):
        yield line.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _slack_lines(message: Json) -> Iterator[str]:
    if message.get("deleted"):
        yield "(deleted)"
        return
    blocks = message.get("blocks") or []
    if not blocks:
        yield from str(message.get("text", "")).splitlines()
        return
    for block in blocks:
        yield from _block(block)


def _block(block: Json) -> Iterator[str]:
    match block.get("type"):
        case "divider":
            yield "---"
        case "header":
            yield f"# {_words(block['text'])}"
        case "context":
            yield " ".join(filter(None, map(_words, block.get("elements", ()))))
        case "rich_text":
            yield from "".join(_rich(block.get("elements", ()))).splitlines()
        case _:
            if block.get("text"):
                yield from _words(block["text"]).splitlines()
            for field in block.get("fields") or ():
                yield "  " + ": ".join(_words(field).splitlines())
    shown = [_button(button) for _, button in buttons([block])]
    if shown:
        yield "  ".join(shown)


def _button(button: Json) -> str:
    label = f"[{_words(button.get('text') or {})}]"
    return f"{label} {button['url']}" if button.get("url") else f"{label} ({button.get('action_id', '')})"


def _words(text: object) -> str:
    return str(text.get("text", "")) if isinstance(text, Mapping) else ""


def _rich(elements: object) -> Iterator[str]:
    for element in elements if isinstance(elements, list) else ():
        if not isinstance(element, Mapping):
            continue
        if isinstance(element.get("text"), str):
            yield element["text"]
        elif element.get("type") == "link":
            yield str(element.get("url", ""))
        yield from _rich(element.get("elements"))
        if str(element.get("type", "")).startswith("rich_text_"):
            yield "\n"


def teams_lines(message: Json) -> Iterator[str]:
    """A Teams message: its text, and its cards."""
    if isinstance(message.get("text"), str):
        yield from message["text"].splitlines()
    for card in cards.cards(message):
        yield from _element(card.get("body"))
        for action in cards.actions(card):
            if action.get("type") == "Action.OpenUrl":
                yield f"[{action.get('title', '')}] {action.get('url', '')}"


def _element(node: object) -> Iterator[str]:
    if isinstance(node, list):
        for each in node:
            yield from _element(each)
    elif isinstance(node, Mapping):
        match node.get("type"):
            case "TextBlock" | "TextRun":
                yield from str(node.get("text", "")).splitlines()
            case "FactSet":
                for fact in node.get("facts", ()):
                    yield f"  {fact.get('title', '')}: {fact.get('value', '')}"
            case "RichTextBlock":
                runs = node.get("inlines", ())
                yield "".join(run if isinstance(run, str) else str(run.get("text", "")) for run in runs)
            case _:
                for name in ("items", "columns", "body", "rows", "cells"):
                    yield from _element(node.get(name))
