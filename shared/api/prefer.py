"""Long polls: `Prefer: wait=N` (RFC 7240) answers when something changed, or after N seconds."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

from shared.clock import Clock

MAX_WAIT_S = 25
"""Below the 30 s after which proxies and clients commonly give up, far below the platform's 230 s."""

MAX_WAITS = 8
"""Waiting requests per process; beyond that an immediate answer, so that waiting never starves working."""

_WAIT = re.compile(r'\s*wait\s*=\s*"?(\d{1,9})"?\s*(?:;.*)?', re.IGNORECASE)

type Sleep = Callable[[float], Awaitable[None]]


def wait_seconds(header: str | None) -> int:
    """The first `wait` preference, at most `MAX_WAIT_S`; 0 when there is none or it is malformed (it is a wish)."""
    for part in (header or "").split(","):
        if part.strip().lower().startswith("wait"):
            match = _WAIT.fullmatch(part)
            return min(int(match[1]), MAX_WAIT_S) if match else 0
    return 0


class Waits:
    """All long polls of this process. `sleep` is asyncio's, or virtual in tests."""

    def __init__(self, sleep: Sleep, *, limit: int = MAX_WAITS) -> None:
        self._sleep = sleep
        self._limit = limit
        self._waiting = 0

    async def until_changed[T](
        self,
        clock: Clock,
        seconds: int,
        first: T,
        read: Callable[[], Awaitable[T]],
        changed: Callable[[T], bool],
    ) -> tuple[T, bool]:
        """The first value that `changed`, else the last one read after `seconds`; and whether the wish was honoured.

        One `read` a second. `first` was read by the caller. Raises what `read` raises.
        """
        if seconds <= 0:
            return first, False
        if changed(first):
            return first, True
        if self._waiting >= self._limit:
            return first, False
        self._waiting += 1
        try:
            value, deadline = first, clock.now() + timedelta(seconds=seconds)
            for _ in range(seconds):  # bounded even when the clock is moved back meanwhile
                await self._sleep(1)
                value = await read()
                if changed(value) or clock.now() >= deadline:
                    break
            return value, True
        finally:
            self._waiting -= 1
