"""What a VM says, made fit to be kept and shown: it is hostile input, and it may quote secrets."""

import re
from collections.abc import Iterable

from shared import log

MASK = log.MASK

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


def plain(text: str) -> str:
    """Without terminal codes, control characters (newline and tab stay) and characters that reorder a line."""
    return _CONTROL.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n")))


def redacted(text: str, secrets: Iterable[str] = ()) -> str:
    """Every known secret, and everything that looks like one, replaced. Short values are not secrets of ours."""
    return log.redact(text, [secret for secret in secrets if len(secret) >= 8])


def one_line(text: str, limit: int = 200) -> str:
    """The text as one plain line of at most `limit` characters."""
    line = " ".join(plain(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def tail(text: str, secrets: Iterable[str] = (), *, lines: int = 20, limit: int = 2000) -> str:
    """The end of a text, plain and redacted *before* it is cut, so that no half of a secret is left over."""
    clean = [line.rstrip() for line in redacted(plain(text), secrets).splitlines() if line.strip()]
    return "\n".join(clean[-lines:])[-limit:]
