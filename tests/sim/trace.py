"""What happened in a run, line by line: a digest that must repeat byte for byte, and the last lines for a person."""

import hashlib
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

LAST = 400


class Trace:
    """`echo` gets every line as it comes (`./dev sim --trace`)."""

    def __init__(self, seconds: Callable[[], float], echo: Callable[[str], None] | None = None) -> None:
        self._seconds = seconds
        self._echo = echo
        self._hash = hashlib.sha256()
        self.last: deque[str] = deque(maxlen=LAST)
        self.lines = 0

    def add(self, what: str) -> None:
        line = f"{self._seconds():12.3f} {what}"
        self._hash.update(line.encode())
        self._hash.update(b"\n")
        self.last.append(line)
        self.lines += 1
        if self._echo is not None:
            self._echo(line)

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


def brief(args: tuple[Any, ...]) -> str:
    """Which thing a call is about, in a word that is the same in every run."""
    if not args:
        return ""
    first = args[0]
    if isinstance(first, str):
        return " ".join(arg for arg in args[:2] if isinstance(arg, str))
    hub = getattr(first, "hub", None)
    if hub is not None:
        return f"{hub.id} g{hub.generation} p{hub.pass_number} {hub.state}"
    hub_id = getattr(first, "hub_id", None)
    if hub_id is not None:
        passed = getattr(first, "pass_number", getattr(first, "seq", getattr(first, "state", "")))
        return f"{hub_id} g{getattr(first, 'generation', '-')} p{passed}"
    if isinstance(first, datetime):
        return first.isoformat()
    if isinstance(first, list | tuple):
        return f"{len(first)} rows"
    return str(getattr(first, "name", type(first).__name__))
