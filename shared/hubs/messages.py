"""The texts of messages on `hub-work`, both ways. Pure.

There are two kinds. A work message names a hub and its fences, nothing else; whoever reads it re-reads all the rest
from the hub's row. A due batch (`kind: due`) names many due rows for a worker to drive. Anything that is not exactly
one of these is `UnreadableMessage`: the trigger logs and acknowledges it, because a body that cannot be read today
cannot be read at the fifth delivery either.

A message of the next release may have more fields, which are ignored: it says nothing that the row does not say. One of
a release further ahead, or of a kind nobody knows yet, is `MessageTooNew`: the trigger puts it back as it came.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from shared.hubs import message_text as texts
from shared.hubs.message_text import MAX_COUNTER, VERSION, MessageTooNew, UnreadableMessage
from shared.hubs.model import Message
from shared.hubs.ports import DueRow

__all__ = [
    "MAX_BATCH_BYTES",
    "MAX_BYTES",
    "MAX_COUNTER",
    "DueBatch",
    "MessageTooNew",
    "UnreadableMessage",
    "decode",
    "encode",
    "encode_due",
]

MAX_BYTES = 4096
"""Work messages have about 250 bytes; whatever is larger was not written by this app."""

MAX_BATCH_BYTES = 48 * 1024
"""A queue message holds 64 KiB, or 48 KiB of it when somebody's client packs it as base64.
https://learn.microsoft.com/rest/api/storageservices/put-message"""

_FIELDS = ("v", "owner", "name", "hubId", "generation", "pass", "firstSeen")
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,28}[a-z0-9])?")
_HUB_ID = re.compile(r"[a-z][a-z0-9-]{0,29}-[a-z2-7]{6}")

_DUE = "due"
_BATCH_FIELDS = ("v", "kind", "rows")
_ROW_FIELDS = ("at", "hubId", "owner", "name", "kind", "generation", "pass")
_MAX_TEXT = 1024


@dataclass(frozen=True, slots=True)
class DueBatch:
    """Due rows that became due, as they stand in the due table since they were moved. One or more."""

    rows: tuple[DueRow, ...]


# ------------------------------------------------------------------ writing


def encode(message: Message) -> str:
    """`decode(encode(m)) == m`."""
    return texts.compact(
        {
            "v": VERSION,
            "owner": message.owner,
            "name": message.name,
            "hubId": message.hub_id,
            "generation": message.generation,
            "pass": message.pass_number,
            "firstSeen": texts.utc(message.first_seen),
        }
    )


def encode_due(rows: Sequence[DueRow]) -> Iterator[str]:
    """As few texts of at most MAX_BATCH_BYTES as hold these rows, in their order; none for no row."""
    frame = texts.compact({"v": VERSION, "kind": _DUE, "rows": []})
    head, tail = frame[:-2], frame[-2:]
    waiting: list[str] = []
    size = len(frame)
    for row in rows:
        text = texts.compact(_row_document(row))
        if waiting and size + 1 + len(text) > MAX_BATCH_BYTES:
            yield head + ",".join(waiting) + tail
            waiting, size = [], len(frame)
        waiting.append(text)
        size += len(text) + 1
    if waiting:
        yield head + ",".join(waiting) + tail


def _row_document(row: DueRow) -> dict[str, Any]:
    return {
        "at": texts.utc(row.at),
        "hubId": row.hub_id,
        "owner": row.owner,
        "name": row.name,
        "kind": row.kind,
        "generation": row.generation,
        "pass": row.pass_number,
    }


# ------------------------------------------------------------------ reading


def decode(text: str) -> Message | DueBatch:
    """Raises UnreadableMessage for anything but one well-formed message of this release or the next, and MessageTooNew
    (one of those) for what a newer one put."""
    document = texts.document_of(text, MAX_BATCH_BYTES)
    newer = texts.is_newer(document)
    if texts.of_known_kind(document, (_DUE,)) == _DUE:
        return _batch(document, newer=newer)
    texts.within(text, MAX_BYTES)
    texts.fields_of(document, _FIELDS, newer=newer)
    name = texts.matching(document, "name", _NAME)
    hub_id = texts.matching(document, "hubId", _HUB_ID)
    if hub_id.rpartition("-")[0] != name:
        raise UnreadableMessage("hubId is not an id of a hub of that name")
    return Message(
        owner=texts.owner(document),
        name=name,
        hub_id=hub_id,
        generation=texts.counter(document, "generation"),
        pass_number=texts.counter(document, "pass"),
        first_seen=texts.time(document, "firstSeen"),
    )


def _batch(document: dict[str, Any], *, newer: bool) -> DueBatch:
    texts.fields_of(document, _BATCH_FIELDS, newer=newer)
    rows = document["rows"]
    if not isinstance(rows, list) or not rows:
        raise UnreadableMessage("rows is malformed")
    return DueBatch(tuple(_row(row, newer=newer) for row in rows))


def _row(document: object, *, newer: bool) -> DueRow:
    """Names are taken as they come: one that no hub can have is not found, and its row forgotten. If it made the whole
    batch unreadable, the other rows would come back with it every 90 s, for ever."""
    if not isinstance(document, dict):
        raise UnreadableMessage("a row is no JSON object")
    texts.fields_of(document, _ROW_FIELDS, newer=newer)
    return DueRow(
        at=texts.time(document, "at"),
        hub_id=texts.short_text(document, "hubId", _MAX_TEXT),
        owner=texts.short_text(document, "owner", _MAX_TEXT),
        name=texts.short_text(document, "name", _MAX_TEXT),
        kind=texts.short_text(document, "kind", _MAX_TEXT),
        generation=texts.counter(document, "generation"),
        pass_number=texts.counter(document, "pass"),
    )
