"""An event loop whose time is virtual: nothing sleeps, whatever is due next happens next, in an order that repeats."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
"""A Monday, in the middle of an hour."""


class StandsStill(Exception):
    """Everybody waits and nothing is due: a bug of the simulation."""


class _NoSockets:
    """A selector without sockets: to wait is to move the clock."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None:
            raise StandsStill
        self._loop.virtual += max(0.0, timeout)
        return []

    def get_map(self) -> Mapping[int, Any]:
        return {}

    def close(self) -> None:
        pass


class VirtualLoop(asyncio.SelectorEventLoop):
    """Callbacks run in the order of their times, ties in the order of their making; no thread, no socket, no clock."""

    def __init__(self) -> None:
        self.virtual = 0.0
        selector: Any = _NoSockets(self)
        super().__init__(selector)

    def time(self) -> float:
        return self.virtual

    def _make_self_pipe(self) -> None:
        """Wakes a loop that sleeps in a selector; this one never sleeps."""
        self._ssock = self._csock = None

    def _close_self_pipe(self) -> None:
        pass


class SimClock:
    """A process's clock: the loop's time, wrong by `skew_s` until storage has answered once; from then on by
    `close_s`, less than a second, because storage says the time in whole ones (shared/clock.py, `StorageTime`)."""

    def __init__(self, loop: VirtualLoop, skew_s: float = 0.0, close_s: float = 0.0) -> None:
        self._loop = loop
        self._wrong_by_s = skew_s
        self._close_s = close_s

    def now(self) -> datetime:
        return START + timedelta(seconds=self._loop.virtual + self._wrong_by_s)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def heard_of_storage(self) -> None:
        self._wrong_by_s = self._close_s
