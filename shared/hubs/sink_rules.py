"""Whom a web hook hears of, by what name it is found, what its secret looks like. Pure."""

import base64

from shared.errors import FatalError
from shared.hubs.model import Notice
from shared.hubs.notice_kinds import PROGRESS, kind_of
from shared.hubs.ports import SinkRecord

SINK = "webhook"
"""The name of the `Sink` that delivers to web hooks."""

SECRET_PREFIX = "whsec_"  # noqa: S105  # no secret: what one begins with
MIN_KEY_BYTES = 24
MAX_KEY_BYTES = 64
"""https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md, "Signature scheme"."""


LOCKED = "Its URL and secret cannot be opened with the keys that this service is given."
LOCKED_FIX = (
    "Ask whoever runs this service to give the right key back: what waits is delivered then, for three days. Or look "
    "through what it did not take, delete it and make it again."
)
"""For its owner."""


def target_of(record: SinkRecord) -> str:
    """`<base64url of the owner>.<id>`: finds the web hook by one point read; neither half holds a dot or a colon."""
    owner = base64.urlsafe_b64encode(record.owner.encode("utf-8", "surrogatepass")).decode("ascii").rstrip("=")
    return f"{owner}.{record.id}"


def owner_and_id(target: str) -> tuple[str, str]:
    """The other way round. Raises FatalError `SinkUnknown` for what `target_of` did not make."""
    encoded, _, sink_id = target.partition(".")
    try:
        raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        return raw.decode("utf-8", "surrogatepass"), sink_id
    except ValueError:
        raise FatalError("SinkUnknown", "This is no target of a web hook.") from None


def key_of(secret: str) -> bytes:
    """The signing key in `whsec_<base64>`. Raises ValueError when it has another form or length."""
    if not secret.startswith(SECRET_PREFIX):
        raise ValueError("a secret begins with whsec_")
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:  # of which binascii.Error is one
        raise ValueError("a secret is base64 after whsec_") from None
    if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise ValueError("a secret has 24 to 64 bytes")
    return key


def hears(record: SinkRecord, notice: Notice) -> bool:
    """Whether this enabled web hook is to be told. Who chose no kinds hears all but progress."""
    if record.disabled_at is not None or (record.owner != notice.owner and not record.everybody):
        return False
    kind = kind_of(notice.type)
    return kind in record.events if record.events else kind != PROGRESS


def secret_of(random_text: str) -> str:
    """A secret from what `Entropy.secret` gives: URL-safe base64 without padding."""
    raw = base64.urlsafe_b64decode(random_text + "=" * (-len(random_text) % 4))
    return SECRET_PREFIX + base64.b64encode(raw).decode("ascii")
