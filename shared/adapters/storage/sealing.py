"""Secrets at rest: AES-256-GCM, so that who reads the tables learns nothing and who writes them is found out.

A sealed text reads `v1:<key id>:<base64url of nonce and ciphertext>`. Hub id and field name are associated data: a
value that was moved to another hub or field does not open. Keys rotate: sealing uses the first key, opening the named
one.
"""

import base64
import binascii
import json
import os
from collections.abc import Callable, Sequence

from shared.errors import FatalError
from shared.settings import SealKey

_VERSION = "v1"
_NONCE_BYTES = 12
"""NIST SP 800-38D, 8.2.2: 96 random bits are safe for 2^32 values under one key."""


class Sealer:
    """Seals and opens short texts. `random_bytes` gives nonces; only tests replace it."""

    def __init__(self, keys: Sequence[SealKey], random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        if not keys:
            raise FatalError("NoSealKey", "There is no key to seal secrets with.")
        self._newest = keys[0]
        self._keys = {key.id: key.key for key in keys}
        self._random_bytes = random_bytes

    def seal(self, text: str, *, hub_id: str, field: str) -> str:
        """Another text each time, even for the same input."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = self._random_bytes(_NONCE_BYTES)
        bound = _associated(self._newest.id, hub_id, field)
        sealed = AESGCM(self._newest.key).encrypt(nonce, text.encode("utf-8"), bound)
        return f"{_VERSION}:{self._newest.id}:{base64.urlsafe_b64encode(nonce + sealed).decode('ascii')}"

    def open(self, sealed: str, *, hub_id: str, field: str) -> str:
        """Raises FatalError `SealKeyUnknown` when its key is no longer listed, `SealBroken` when it was changed, cut
        short, moved to another hub or field, or never was a sealed text."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        version, _, rest = sealed.partition(":")
        key_id, _, encoded = rest.partition(":")
        if version != _VERSION:
            raise _broken(field)
        key = self._keys.get(key_id)
        if key is None:
            raise FatalError(
                "SealKeyUnknown",
                "A secret was sealed with a key that HUBLET_SEAL_KEYS does not list.",
                fix="Add the older key again, after the newest one.",
            )
        try:
            raw = base64.b64decode(encoded.encode("ascii"), altchars=b"-_", validate=True)
            opened = AESGCM(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _associated(key_id, hub_id, field))
        except (InvalidTag, binascii.Error, ValueError):
            raise _broken(field) from None
        return opened.decode("utf-8")


def _associated(key_id: str, hub_id: str, field: str) -> bytes:
    """A JSON list, because gluing the parts together would make ("ab", "c") and ("a", "bc") the same."""
    return json.dumps([_VERSION, key_id, hub_id, field]).encode("ascii")


def _broken(field: str) -> FatalError:
    return FatalError("SealBroken", f"The sealed field '{field}' was changed or does not belong to this hub.")
