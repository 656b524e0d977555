"""The text of a message on `hub-work`, both ways. Pure.

A message names a hub and its fences, nothing else; whoever reads it re-reads all the rest from the hub's row. Anything
that is not exactly such a message is `UnreadableMessage`: the trigger logs and acknowledges it, because a body that
cannot be read today cannot be read at the fifth delivery either.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any

from shared.hubs.model import Message

VERSION = 1
MAX_BYTES = 4096
"""Ours have about 250 bytes; whatever is larger was not written by this app."""

MAX_COUNTER = 2**31 - 1
"""Generation and pass are stored as 32-bit integers in the hub's row."""

_FIELDS = frozenset({"v", "owner", "name", "hubId", "generation", "pass", "firstSeen"})
_MAX_OWNER = 256
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,28}[a-z0-9])?")
_HUB_ID = re.compile(r"[a-z][a-z0-9-]{0,29}-[a-z2-7]{6}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?Z", re.ASCII)


class UnreadableMessage(Exception):
    """Not a message of this app's present version. The text says what is wrong, never what was in it."""


def encode(message: Message) -> str:
    """One line of ASCII JSON. `decode(encode(m)) == m`."""
    return json.dumps(
        {
            "v": VERSION,
            "owner": message.owner,
            "name": message.name,
            "hubId": message.hub_id,
            "generation": message.generation,
            "pass": message.pass_number,
            "firstSeen": message.first_seen.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        },
        separators=(",", ":"),
    )


def decode(text: str) -> Message:
    """Raises UnreadableMessage for anything but one well-formed message of this version."""
    document = _document(text)
    if document.get("v") != VERSION or isinstance(document.get("v"), bool):
        raise UnreadableMessage("unknown version")
    if set(document) != _FIELDS:
        raise UnreadableMessage("unexpected or missing fields")
    name = _matching(document, "name", _NAME)
    hub_id = _matching(document, "hubId", _HUB_ID)
    if hub_id.rpartition("-")[0] != name:
        raise UnreadableMessage("hubId is not an id of a hub of that name")
    return Message(
        owner=_owner(document["owner"]),
        name=name,
        hub_id=hub_id,
        generation=_counter(document, "generation"),
        pass_number=_counter(document, "pass"),
        first_seen=_time(document),
    )


def _document(text: str) -> dict[str, Any]:
    if len(text) > MAX_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise UnreadableMessage("too large")
    try:
        document = json.loads(text, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError):
        raise UnreadableMessage("not JSON") from None
    if not isinstance(document, dict):
        raise UnreadableMessage("not a JSON object")
    return document


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("duplicate key")
    return document


def _owner(value: object) -> str:
    # An owner id names a storage partition (base64 of it), so it may hold any printable text.
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_OWNER or not value.isprintable():
        raise UnreadableMessage("owner is malformed")
    return value


def _matching(document: dict[str, Any], field: str, pattern: re.Pattern[str]) -> str:
    value = document[field]
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise UnreadableMessage(f"{field} is malformed")
    return value


def _counter(document: dict[str, Any], field: str) -> int:
    value = document[field]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNTER:
        raise UnreadableMessage(f"{field} is malformed")
    return value


def _time(document: dict[str, Any]) -> datetime:
    value = document["firstSeen"]
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise UnreadableMessage("firstSeen is malformed")
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise UnreadableMessage("firstSeen is malformed") from None
