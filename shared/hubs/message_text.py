"""What the texts of all queue messages have in common: JSON objects of a version, read with suspicion. Pure."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.hubs import versions

VERSION = versions.WRITTEN

MAX_COUNTER = 2**31 - 1
"""Generation, pass and sequence number are stored as 32-bit integers in rows."""

_MAX_OWNER = 256
_KIND = re.compile(r"[a-zA-Z][a-zA-Z0-9.-]{0,39}", re.ASCII)
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?Z", re.ASCII)


class UnreadableMessage(Exception):
    """Not a message that this release can read. The text says what is wrong, never what was in it."""


class MessageTooNew(UnreadableMessage):
    """A newer release put it: it is put back for one, not dropped (`deferred.put_back`)."""


@dataclass(frozen=True, slots=True)
class TooNew:
    """What a trigger found instead of a message it can read: the text as it came."""

    text: str = field(repr=False)


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
    """The JSON object, of a version this release reads. Raises UnreadableMessage, MessageTooNew."""
    within(text, max_bytes)
    try:
        document = json.loads(text, object_pairs_hook=_no_duplicates)
    except (ValueError, RecursionError):
        raise UnreadableMessage("not JSON") from None
    if not isinstance(document, dict):
        raise UnreadableMessage("not a JSON object")
    version = document.get("v")
    if not versions.is_version(version):
        raise UnreadableMessage("unknown version")
    if versions.too_new(version):
        raise MessageTooNew("a newer version")
    return document


def of_known_kind(document: Mapping[str, Any], kinds: Iterable[str]) -> str | None:
    """The kind, None when it names none. Raises MessageTooNew for one that a newer release must have added."""
    if "kind" not in document:
        return None
    kind = document["kind"]
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise UnreadableMessage("kind is malformed")
    if kind not in kinds:
        raise MessageTooNew("an unknown kind")
    return kind


def is_newer(document: Mapping[str, Any]) -> bool:
    """Whether the next release put it: then it may have fields that this one does not know."""
    return bool(document["v"] > VERSION)


def fields_of(document: Mapping[str, Any], fields: Iterable[str], *, newer: bool) -> None:
    """Raises UnreadableMessage unless the document has these fields, and no other if it is not a newer release's."""
    expected = set(fields)
    if not expected <= set(document) or (not newer and set(document) != expected):
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
