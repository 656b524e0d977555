"""Codes that confirm a deletion where no button can be shown. Pure; nothing is stored.

A code is an HMAC over the chat user, the hub's id and the minute it was shown in. It is worth one deletion and no more:
a deletion is final, and no other hub ever gets the same id.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from shared.hubs.ports import ChatUser
from shared.settings import SealKey

LIFE_MINUTES = 10

_PURPOSE = b"hublet chat: confirm a deletion"
_TYPED = str.maketrans("01", "OI")
"""The code's alphabet (RFC 4648, base32) has neither digit."""


def code_for(keys: Sequence[SealKey], user: ChatUser, hub_id: str, now: datetime) -> str:
    """Four letters or digits, good for ten minutes (to the end of the tenth)."""
    return _code(keys[0], user, hub_id, _minute(now))


def is_right(keys: Sequence[SealKey], user: ChatUser, hub_id: str, code: str, now: datetime) -> bool:
    """Whether this user was shown this code for this hub within the last ten minutes, also by an older key."""
    typed, minute = code.upper().translate(_TYPED), _minute(now)
    good = [_code(key, user, hub_id, minute - age) for key in keys for age in range(LIFE_MINUTES)]
    return any(hmac.compare_digest(typed.encode(), one.encode()) for one in good)


def _code(key: SealKey, user: ChatUser, hub_id: str, minute: int) -> str:
    derived = hmac.digest(key.key, _PURPOSE, hashlib.sha256)
    said = "\0".join((user.id, hub_id, str(minute))).encode()
    return base64.b32encode(hmac.digest(derived, said, hashlib.sha256))[:4].decode()


def _minute(now: datetime) -> int:
    return int(now.timestamp() // 60)
