"""Whether a request really comes from Slack or Teams. Pure: no clock, no storage.

Both sign the raw bytes of the body with a shared secret, so a body must be verified as it came, before it is parsed.
Forms are strict: what has two spellings could be sent twice.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

WINDOW_S = 300
"""How old a request may be, or how far ahead. https://docs.slack.dev/authentication/verifying-requests-from-slack"""

_SLACK_TIMESTAMP = re.compile(r"[1-9][0-9]{0,11}")
_SLACK_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")
_TEAMS_SIGNATURE = re.compile(r"HMAC ([A-Za-z0-9+/]{43}=)")

_LEAST_KEY_BYTES = 16
"""What a shorter Teams token signs is not believed: anybody can sign with an empty key."""

_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})")


def slack_signed(secret: str, timestamp: str | None, signature: str | None, body: bytes, now: datetime) -> bool:
    """Slack's `v0` scheme over the raw body. Any rubbish is False, never an exception.

    `v0=` and the hex HMAC-SHA256 of `v0:<timestamp>:<body>`:
    https://docs.slack.dev/authentication/verifying-requests-from-slack
    """
    if not secret or timestamp is None or signature is None:
        return False
    if not _SLACK_TIMESTAMP.fullmatch(timestamp) or not _SLACK_SIGNATURE.fullmatch(signature):
        return False
    if abs(now.timestamp() - int(timestamp)) > WINDOW_S:
        return False
    text = b"v0:" + timestamp.encode("ascii") + b":" + body
    wanted = "v0=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted, signature)


def teams_signed(tokens: Sequence[str], authorization: str | None, body: bytes) -> bool:
    """The HMAC of a Teams outgoing webhook over the raw body, with any of the base64 tokens.

    `Authorization: HMAC <base64>`, whose key is the decoded token:
    https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-outgoing-webhook
    Every token is tried, also behind the one that fits: how long it takes does not tell which team asks.
    """
    match = _TEAMS_SIGNATURE.fullmatch(authorization or "")
    if match is None:
        return False
    given, signed = match[1], False
    for token in tokens:
        key = _key(token)
        # Compared as text: base64 has several spellings of the same bytes, and only the usual one is taken.
        wanted = base64.b64encode(hmac.new(key, body, hashlib.sha256).digest()).decode("ascii")
        signed |= hmac.compare_digest(wanted, given) & (len(key) >= _LEAST_KEY_BYTES)
    return signed


def teams_fresh(activity: Mapping[str, Any], now: datetime) -> bool:
    """Whether the activity's own (signed) `timestamp` is within the window. Without one: False.

    An outgoing webhook's signature holds no time: the activity's own is all there is.
    """
    text = activity.get("timestamp")
    if not isinstance(text, str) or not _MOMENT.fullmatch(text):
        return False
    try:
        return abs((now - datetime.fromisoformat(text)).total_seconds()) <= WINDOW_S
    except (ValueError, OverflowError):  # the 31st of February; an offset that leaves the calendar
        return False


def _key(token: str) -> bytes:
    """Empty for what is no base64: such a token fits nothing."""
    try:
        return base64.b64decode(token, validate=True)
    except (binascii.Error, ValueError):
        return b""
