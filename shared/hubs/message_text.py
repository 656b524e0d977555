"""What the texts of all queue messages have in common: JSON objects of a version, read with suspicion. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

VERSION = 1

MAX_COUNTER = 2**31 - 1
"""Generation, pass and sequence number are stored as 32-bit integers in rows."""

_MAX_OWNER = 256
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?Z", re.ASCII)


class UnreadableMessage(Exception):
    """Not a message of this app's present version. The text says what is wrong, never what was in it."""


# ------------------------------------------------------------------ writing


def compact(document: Mapping[str, Any]) -> str:
    """One line of ASCII JSON, so that its length is its size in bytes."""
    return json.dumps(document, separators=(",", ":"))


def utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


# ------------------------------------------------------------------ reading


def within(text: str, max_bytes: int) -> None:
    """Raises UnreadableMessage when the text is larger."""
    if len(text) > max_bytes or len(text.encode("utf-8", "surrogatepass")) > max_bytes:
        raise UnreadableMessage("too large")


def document_of(text: str, max_bytes: int) -> dict[str, Any]:
    """The JSON object of this version. Raises UnreadableMessage."""
    within(text, max_bytes)
    try:
        document = json.loads(text, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError):
        raise UnreadableMessage("not JSON") from None
    if not isinstance(document, dict):
        raise UnreadableMessage("not a JSON object")
    if document.get("v") != VERSION or isinstance(document.get("v"), bool):
        raise UnreadableMessage("unknown version")
    return document


def exactly(document: Mapping[str, Any], fields: Iterable[str]) -> None:
    """Raises UnreadableMessage unless the document has these fields and no other."""
    if set(document) != set(fields):
        raise UnreadableMessage("unexpected or missing fields")


def owner(document: Mapping[str, Any]) -> str:
    # An owner id names a storage partition (base64 of it), so it may hold any printable text.
    value = document["owner"]
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_OWNER or not value.isprintable():
        raise UnreadableMessage("owner is malformed")
    return value


def matching(document: Mapping[str, Any], field: str, pattern: re.Pattern[str]) -> str:
    value = document[field]
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise UnreadableMessage(f"{field} is malformed")
    return value


def short_text(document: Mapping[str, Any], field: str, max_characters: int) -> str:
    value = document[field]
    if not isinstance(value, str) or len(value) > max_characters:
        raise UnreadableMessage(f"{field} is malformed")
    return value


def counter(document: Mapping[str, Any], field: str) -> int:
    value = document[field]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNTER:
        raise UnreadableMessage(f"{field} is malformed")
    return value


def time(document: Mapping[str, Any], field: str) -> datetime:
    value = document[field]
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise UnreadableMessage(f"{field} is malformed")
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise UnreadableMessage(f"{field} is malformed") from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("duplicate key")
    return document
