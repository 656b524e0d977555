"""How rows are named. Pure: text in, text out.

Keys of Table Storage hold at most 1 KiB and no `/ \\ # ?` or control characters
(https://learn.microsoft.com/rest/api/storageservices/understanding-the-table-service-data-model). Callers pass what
people typed, so every part goes through `part`, which is total and keeps different texts different. Numbers are
zero-padded: rows sort as text.
"""

import base64
import hashlib
import re
from datetime import UTC, datetime

_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")
_MAX_PART = 200
"""Three parts of this length stay far below the 512 characters that a key may have."""

HUBS = "hub!"
QUOTA = "quota"
EVENTS = "event!"
OPERATIONS = "op!"
OUTBOX = "outbox!"
GRAVES = "gone!"
IDEMPOTENCIES = "idem!"

LOG_CHUNK_BYTES = 65_536
"""The most a binary property holds."""


def part(text: str) -> str:
    """`text` as one part of a key: plain ASCII as it is, all else as `=` and the hex of its UTF-8 bytes; what is
    empty or would be long becomes `==` and its SHA-256. Two different texts never give the same part."""
    if _PLAIN.fullmatch(text) and len(text) <= _MAX_PART:
        return text
    raw = text.encode("utf-8", "surrogatepass")
    if 0 < len(raw) <= _MAX_PART:
        escaped = "".join(chr(byte) if _PLAIN.fullmatch(chr(byte)) else f"={byte:02x}" for byte in raw)
        if len(escaped) <= _MAX_PART:
            return escaped
    return "==" + hashlib.sha256(raw).hexdigest()


def owner_partition(owner: str) -> str:
    """The partition of all rows of one owner: URL-safe base64 of the owner id, without padding."""
    raw = owner.encode("utf-8", "surrogatepass")
    encoded = base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")
    return encoded if 0 < len(encoded) <= 2 * _MAX_PART else part(owner)


def owner_of(partition: str) -> str:
    """The owner whose partition this is; the partition itself when it cannot be told (a long id is hashed)."""
    try:
        raw = base64.b64decode(partition + "=" * (-len(partition) % 4), altchars=b"-_", validate=True)
        owner = raw.decode("utf-8", "surrogatepass")
    except ValueError:
        return partition
    return owner if owner_partition(owner) == partition else partition


def hub(name: str) -> str:
    return f"{HUBS}{part(name)}"


def operation(hub_id: str, generation: int) -> str:
    return f"{OPERATIONS}{part(hub_id)}!{generation:010d}"


def events(hub_id: str) -> str:
    """What the keys of all events of a hub begin with."""
    return f"{EVENTS}{part(hub_id)}!"


def event(hub_id: str, seq: int) -> str:
    return f"{events(hub_id)}{seq:010d}"


def outbox(hub_id: str, seq: int) -> str:
    return f"{OUTBOX}{part(hub_id)}!{seq:010d}"


def secret(hub_id: str) -> str:
    return f"secret!{part(hub_id)}"


def gone(hub_id: str) -> str:
    return f"{GRAVES}{part(hub_id)}"


def idempotency(key: str) -> str:
    return f"{IDEMPOTENCIES}{part(key)}"


def after_prefix(prefix: str) -> str:
    """The smallest text greater than everything that begins with `prefix` (which ends with a plain ASCII character):
    the open end of a range query."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)


FIRST_DUE_PARTITION = "0"
"""Before every hour there is."""


def due_partition(at: datetime) -> str:
    """The UTC hour: `2026030209`."""
    return at.astimezone(UTC).strftime("%Y%m%d%H")


def due_rows_end(at: datetime) -> str:
    """The open end of a range: greater than the key of every row up to the end of this second, and of no later one."""
    return after_prefix(f"{at.astimezone(UTC):%M%S}!")


def due_row(at: datetime, hub_id: str, kind: str, generation: int, pass_number: int) -> str:
    """To the second, so that a range of what is due examines no row that is not (P7); rows that were written when keys
    named the minute alone (`30!...`) sort before those of its first second."""
    return f"{at.astimezone(UTC):%M%S}!{part(hub_id)}!{part(kind)}!{generation:010d}.{pass_number:010d}"


def log_row(offset: int, length: int) -> str:
    """Offset first, so that rows sort by it; the length makes a longer read of the same place another row."""
    return f"{offset:015d}.{length:05d}"


def hashed(text: str) -> str:
    """A key of fixed length for keys that were made up by other modules."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def timestamp(moment: datetime) -> str:
    """A time as a property: fixed width, so that comparing the text compares the times."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
