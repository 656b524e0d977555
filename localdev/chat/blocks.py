"""What Slack refuses in a message: the limits of Block Kit. Pure.

https://docs.slack.dev/reference/block-kit/blocks and .../block-elements (maximum lengths, numbers of elements),
https://docs.slack.dev/reference/methods/chat.postMessage (text, errors).
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MAX_TEXT = 40_000
MAX_BLOCKS = 50
_MAX_HEADER = 150
_MAX_SECTION = 3000
_MAX_FIELDS, _MAX_FIELD = 10, 2000
_MAX_CONTEXT = 10
_MAX_ACTIONS = 25
_MAX_ID = 255
_MAX_BUTTON, _MAX_VALUE, _MAX_URL = 75, 2000, 3000
_MAX_CONFIRM = {"title": 100, "text": 300, "confirm": 30, "deny": 30}

type Json = Mapping[str, Any]


def parsed(blocks: object) -> list[Any] | None:
    """Blocks as they arrive: a list, or the JSON of one in a form. None = neither."""
    if isinstance(blocks, str):
        try:
            blocks = json.loads(blocks)
        except ValueError:
            return None
    return blocks if isinstance(blocks, list) else None


def wrong(blocks: Iterable[Any]) -> list[str]:
    """Everything that is wrong with a message's blocks; each text names the place."""
    found = list(blocks)
    problems = [] if len(found) <= MAX_BLOCKS else [f"no more than {MAX_BLOCKS} items allowed [json-pointer:/blocks]"]
    ids: set[str] = set()
    for number, block in enumerate(found):
        at = f"/blocks/{number}"
        if not isinstance(block, Mapping):
            problems.append(f"must be an object [json-pointer:{at}]")
            continue
        problems += [f"{what} [json-pointer:{at}{where}]" for where, what in _block(block)]
        block_id = block.get("block_id")
        if block_id is not None:
            problems += [f"{what} [json-pointer:{at}/block_id]" for what in _id(block_id, ids)]
    return problems


def buttons(blocks: Iterable[Json]) -> Iterator[tuple[Json, Json]]:
    """Every button with the block it is in."""
    for block in blocks:
        inside = [*block.get("elements", ()), block.get("accessory")]
        for element in inside:
            if isinstance(element, Mapping) and element.get("type") == "button":
                yield block, element


type _Problems = Iterator[tuple[str, str]]


def _block(block: Json) -> _Problems:
    match block.get("type"):
        case "header":
            yield from _text(block.get("text"), _MAX_HEADER, "/text", plain=True)
        case "section":
            yield from _section(block)
        case "context":
            yield from _elements(block, _MAX_CONTEXT, {"mrkdwn", "plain_text", "image"})
        case "actions":
            yield from _elements(block, _MAX_ACTIONS, {"button"})
        case "divider":
            pass
        case "rich_text":
            if not isinstance(block.get("elements"), list):
                yield "/elements", "must be an array"
        case "image":
            for name in ("image_url", "alt_text"):
                if not isinstance(block.get(name), str):
                    yield f"/{name}", "missing required field"
        case other:
            yield "/type", f"unsupported type: {other}"


def _section(block: Json) -> _Problems:
    fields = block.get("fields")
    if block.get("text") is None and not fields:
        yield "", "missing required field: text or fields"
    if block.get("text") is not None:
        yield from _text(block["text"], _MAX_SECTION, "/text")
    if fields is not None:
        if not isinstance(fields, list) or not 1 <= len(fields) <= _MAX_FIELDS:
            yield "/fields", f"must have 1 to {_MAX_FIELDS} items"
            return
        for number, field in enumerate(fields):
            yield from _text(field, _MAX_FIELD, f"/fields/{number}")
    if block.get("accessory") is not None:
        yield from _element(block["accessory"], {"button", "image"}, "/accessory", set())


def _elements(block: Json, most: int, allowed: set[str]) -> _Problems:
    elements = block.get("elements")
    if not isinstance(elements, list) or not 1 <= len(elements) <= most:
        yield "/elements", f"must have 1 to {most} items"
        return
    ids: set[str] = set()
    for number, element in enumerate(elements):
        yield from _element(element, allowed, f"/elements/{number}", ids)


def _element(element: object, allowed: set[str], at: str, ids: set[str]) -> _Problems:
    if not isinstance(element, Mapping) or element.get("type") not in allowed:
        yield at, f"must be one of {', '.join(sorted(allowed))}"
        return
    match element["type"]:
        case "button":
            yield from _button(element, at, ids)
        case "image":
            if not isinstance(element.get("image_url"), str) or not isinstance(element.get("alt_text"), str):
                yield at, "missing required field: image_url or alt_text"
        case _:
            yield from _text(element, _MAX_SECTION, at)


def _button(button: Json, at: str, ids: set[str]) -> _Problems:
    yield from _text(button.get("text"), _MAX_BUTTON, f"{at}/text", plain=True)
    for name, most in (("value", _MAX_VALUE), ("url", _MAX_URL)):
        value = button.get(name)
        if value is not None and (not isinstance(value, str) or not 1 <= len(value) <= most):
            yield f"{at}/{name}", f"must have 1 to {most} characters"
    if button.get("style") not in (None, "primary", "danger"):
        yield f"{at}/style", "must be primary or danger"
    if button.get("action_id") is not None:
        yield from ((f"{at}/action_id", what) for what in _id(button["action_id"], ids))
    confirm = button.get("confirm")
    if confirm is None:
        return
    if not isinstance(confirm, Mapping):
        yield f"{at}/confirm", "must be an object"
        return
    for name, most in _MAX_CONFIRM.items():
        if name in confirm or name == "text":
            yield from _text(confirm.get(name), most, f"{at}/confirm/{name}", plain=name != "text")


def _text(text: object, most: int, at: str, *, plain: bool = False) -> _Problems:
    kinds = ("plain_text",) if plain else ("plain_text", "mrkdwn")
    if not isinstance(text, Mapping) or text.get("type") not in kinds:
        yield at, f"must be a text object of type {' or '.join(kinds)}"
    elif not isinstance(text.get("text"), str) or not 1 <= len(text["text"]) <= most:
        yield f"{at}/text", f"must have 1 to {most} characters"


def _id(value: object, seen: set[str]) -> Iterator[str]:
    if not isinstance(value, str) or not 1 <= len(value) <= _MAX_ID:
        yield f"must have 1 to {_MAX_ID} characters"
    elif value in seen:
        yield f"already exists: {value}"
    else:
        seen.add(value)
