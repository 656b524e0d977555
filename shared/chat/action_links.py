"""Links to action pages: signed, single-use, expiring.

The token is the capability: who holds the link may press, once, whoever they are. It is bound to one verb on one hub
for one owner, and it is short-lived, because a chat message is read by a whole channel and kept for years.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.chat.card import Verb
from shared.settings import SealKey

PATH = "chat/actions"
"""Where action pages are, below `/api`."""

MAX_TOKEN = 1024

LIFE = timedelta(hours=12)
"""Of a button's link that is about no deadline: a channel's messages are read for years."""

LONGEST = timedelta(hours=24)
"""That a link was used is remembered for a day (`ChatStore.first_sight`)."""

_INFO = b"hublet action link v1"
_VERSION = 1
_MAC_BYTES = hashlib.sha256().digest_size
_TOKEN = re.compile(r"([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]{1,900})\.([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionLink:
    """What a link allows: one press of `verb` on a hub, for `owner`. `via`: where it was shown, for the history.
    `expires_at` counts in whole seconds; at most `LONGEST` ahead. Links of one `nonce` can be used once, all together.
    """

    verb: Verb
    hub_id: str
    owner: str
    deadline: str
    expires_at: datetime
    nonce: str
    via: str = "Teams"


def url(base: str, token: str) -> str:
    """The page's address. `base`: scheme and host, without a slash at the end (`Settings.links_to`)."""
    return f"{base}/api/{PATH}/{token}"


def sign(keys: Sequence[SealKey], link: ActionLink) -> str:
    """A token for a URL's path: `[A-Za-z0-9._-]`, at most 1 KB, signed with a key derived from the newest seal key.

    Raises ValueError when the parts are too long for that: hub ids, owners and nonces of ours never are.
    """
    fields = [
        _VERSION,
        str(link.verb),
        link.hub_id,
        link.owner,
        link.deadline,
        int(link.expires_at.timestamp()),
        link.nonce,
        link.via,
    ]
    payload = _encode(json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode())
    signed = f"{keys[0].id}.{payload}"
    token = f"{signed}.{_encode(_mac(keys[0], signed))}"
    if len(token) > MAX_TOKEN or _TOKEN.fullmatch(token) is None:
        raise ValueError("The parts of this link are too long.")
    return token


def read(keys: Sequence[SealKey], token: str, now: datetime) -> ActionLink | None:
    """None = not ours, changed, or expired. Never raises.

    There is one way to write each token: any other text is no token, also when it decodes to the same bytes.
    """
    found = _TOKEN.fullmatch(token) if len(token) <= MAX_TOKEN else None
    if found is None:
        return None
    payload, mac = _decode(found[2]), _decode(found[3])
    if payload is None or mac is None or len(mac) != _MAC_BYTES:
        return None
    signed = f"{found[1]}.{found[2]}"
    ours = [hmac.compare_digest(_mac(key, signed), mac) for key in keys if key.id == found[1]]
    if not any(ours):
        return None
    link = _parse(payload)
    return link if link is not None and now < link.expires_at else None


def _mac(key: SealKey, signed: str) -> bytes:
    """HMAC-SHA256 under a key of its own (HKDF, RFC 5869): the seal key itself encrypts, and a key has one use."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=_INFO).derive(key.key)
    return hmac.digest(derived, signed.encode(), "sha256")


def _parse(payload: bytes) -> ActionLink | None:
    """What we signed, of this version: a later release may sign other fields."""
    try:
        fields = json.loads(payload)
        version, verb, hub_id, owner, deadline, expires, nonce, via = fields
        texts = (hub_id, owner, deadline, nonce, via)
        if version != _VERSION or type(expires) is not int or not all(isinstance(text, str) for text in texts):
            return None
        return ActionLink(
            verb=Verb(verb),
            hub_id=hub_id,
            owner=owner,
            deadline=deadline,
            expires_at=datetime.fromtimestamp(expires, UTC),
            nonce=nonce,
            via=via,
        )
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")


def _decode(text: str) -> bytes | None:
    """Only what `_encode` writes: base64 can say the same bytes in several ways."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        return None
    return raw if _encode(raw) == text else None
