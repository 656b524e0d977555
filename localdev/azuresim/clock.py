"""The simulator's clock: wall time plus an offset, never a factor, and a scale for how long Azure's work takes.

The offset is moved by ``/_sim/clock``.  The scale divides durations (a VM create of 60 s takes 6 s at scale 10) and
never touches :meth:`Clock.now`, so certificates, tokens and ``Date`` headers stay true.
"""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the simulator asks of time."""

    @property
    def time_scale(self) -> float:
        """How many nominal seconds of Azure's work pass in one second of this clock."""
        ...

    def now(self) -> datetime:
        """The present moment, aware, UTC."""
        ...

    def advance(self, seconds: float) -> None:
        """Move the clock forward and wake every sleeper whose time has come."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait until this clock has moved by `seconds`."""
        ...


def scaled(clock: Clock, nominal_s: float) -> timedelta:
    """How long `nominal_s` seconds of Azure's work take on `clock`."""
    return timedelta(seconds=nominal_s / clock.time_scale)


class WallClock:
    """Real time plus an offset."""

    def __init__(self, time_scale: float = 1.0) -> None:
        if time_scale <= 0:
            raise ValueError("time_scale must be positive")
        self._scale = time_scale
        self._offset = timedelta()
        self._moved = asyncio.Event()

    @property
    def time_scale(self) -> float:
        return self._scale

    def now(self) -> datetime:
        return datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> None:
        self._offset += timedelta(seconds=seconds)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    async def sleep(self, seconds: float) -> None:
        until = self.now() + timedelta(seconds=seconds)
        while (left := (until - self.now()).total_seconds()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._moved.wait()


class ManualClock:
    """Time that moves only when told: for tests and for benchmarks in virtual time.

    :meth:`sleep` moves the clock itself, so nothing ever waits.
    """

    def __init__(self, start: datetime = datetime(2026, 3, 2, 8, 0, tzinfo=UTC), time_scale: float = 1.0) -> None:
        self._now = start
        self._scale = time_scale

    @property
    def time_scale(self) -> float:
        return self._scale

    def now(self) -> datetime:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)
