"""The text of a message on `hub-notify`, both ways. Pure.

It names a row of the outbox and when it was first put, nothing else: what is told is in the row.
"""

from shared.hubs import message_text as texts
from shared.hubs.ports import NoticeRef

MAX_BYTES = 4096
"""Ours have about 150 bytes."""

_FIELDS = ("v", "owner", "hubId", "seq", "firstSeen")
_MAX_HUB_ID = 64


def encode(ref: NoticeRef) -> str:
    """`decode(encode(r)) == r`."""
    return texts.compact(
        {
            "v": texts.VERSION,
            "owner": ref.owner,
            "hubId": ref.hub_id,
            "seq": ref.seq,
            "firstSeen": texts.utc(ref.first_seen),
        }
    )


def decode(text: str) -> NoticeRef:
    """Raises UnreadableMessage, MessageTooNew (shared/hubs/message_text.py)."""
    document = texts.document_of(text, MAX_BYTES)
    texts.of_known_kind(document, ())
    texts.fields_of(document, _FIELDS, newer=texts.is_newer(document))
    return NoticeRef(
        owner=texts.owner(document),
        hub_id=texts.short_text(document, "hubId", _MAX_HUB_ID),
        seq=texts.counter(document, "seq"),
        first_seen=texts.time(document, "firstSeen"),
    )
