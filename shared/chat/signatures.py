"""Whether a request really comes from Slack or Teams. Pure: no clock, no storage."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

WINDOW_S = 300
"""How old a request may be, or how far ahead."""


def slack_signed(secret: str, timestamp: str | None, signature: str | None, body: bytes, now: datetime) -> bool:
    """Slack's `v0` scheme over the raw body. Any rubbish is False, never an exception."""
    raise NotImplementedError


def teams_signed(tokens: Sequence[str], authorization: str | None, body: bytes) -> bool:
    """The HMAC of a Teams outgoing webhook over the raw body, with any of the base64 tokens."""
    raise NotImplementedError


def teams_fresh(activity: Mapping[str, Any], now: datetime) -> bool:
    """Whether the activity's own (signed) `timestamp` is within the window. Without one: False."""
    raise NotImplementedError
