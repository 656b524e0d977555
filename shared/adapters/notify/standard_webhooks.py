"""Signatures by which a receiver knows that a web hook comes from us. Pure.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md (1.0.0): what is signed is
`<id>.<seconds>.<body>` with HMAC-SHA256. Ids of notices hold a dot, but nobody can choose what follows it: it is a
number, so no other id, time and body read the same.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

from shared.hubs.ports import SinkRecord
from shared.hubs.sink_rules import key_of


def signature(secret: str, message_id: str, at: datetime, body: bytes) -> str:
    """`v1,<base64>`. Raises ValueError when the secret is none."""
    signed = f"{message_id}.{int(at.timestamp())}.".encode() + body
    digest = hmac.new(key_of(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode('ascii')}"


def headers(record: SinkRecord, message_id: str, at: datetime, body: bytes) -> Mapping[str, str]:
    """`at`: of this attempt, not of the event: receivers refuse what is older than minutes. While a secret is being
    rotated both sign, the new one first."""
    secrets = [record.secret]
    if record.previous_secret is not None and record.previous_until is not None and at < record.previous_until:
        secrets.append(record.previous_secret)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signature(secret, message_id, at, body) for secret in secrets),
    }
