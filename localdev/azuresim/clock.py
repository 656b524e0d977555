"""The simulator's clock: wall time plus an offset, never a factor, and a scale for how long Azure's work takes.

The offset is moved by ``/_sim/clock``.  The scale divides durations (a VM create of 60 s takes 6 s at scale 10) and
never touches :meth:`Clock.now`.  What others check by their own clock (tokens, certificates) follows
:meth:`Clock.wall`, which no offset moves.
"""

import asyncio
import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """What the simulator asks of time."""

    @property
    def time_scale(self) -> float:
        """How many nominal seconds of Azure's work pass in one second of this clock."""
        ...

    @property
    def offset(self) -> timedelta:
        """How far this clock is ahead of the wall's."""
        ...

    def now(self) -> datetime:
        """The present moment, aware, UTC."""
        ...

    def wall(self) -> datetime:
        """The present moment for those who know nothing of the offset, aware, UTC.

        SDKs keep tokens by their own machine's time and TLS clients look at certificates by it, so these must stay
        good however far this clock is moved.
        """
        ...

    def move(self, seconds: float) -> None:
        """Put the clock forward against the wall's and wake every sleeper whose time has come."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait until this clock has moved by `seconds`."""
        ...


def scaled(clock: Clock, nominal_s: float) -> timedelta:
    """How long `nominal_s` seconds of Azure's work take on `clock`."""
    return timedelta(seconds=nominal_s / clock.time_scale)


class OffsetFile:
    """Tells other processes how far the clock is ahead: a decimal number of seconds, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, offset: timedelta) -> None:
        """Readers see the old number or the new one, never a part.  Makes the folder when it is not there."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        unfinished.write_text(f"{offset.total_seconds():.6f}\n", encoding="ascii")
        unfinished.replace(self._path)


class WallClock:
    """Real time plus an offset.

    `told` gets the offset at once and after every move.
    """

    def __init__(self, time_scale: float = 1.0, told: OffsetFile | None = None) -> None:
        if time_scale <= 0:
            raise ValueError("time_scale must be positive")
        self._scale = time_scale
        self._offset = timedelta()
        self._moved = asyncio.Event()
        self._told = told
        self._tell()

    @property
    def time_scale(self) -> float:
        return self._scale

    @property
    def offset(self) -> timedelta:
        return self._offset

    def now(self) -> datetime:
        return self.wall() + self._offset

    def wall(self) -> datetime:
        return datetime.now(UTC)

    def move(self, seconds: float) -> None:
        self._offset += timedelta(seconds=seconds)
        self._tell()
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def _tell(self) -> None:
        if self._told is not None:
            self._told.write(self._offset)

    async def sleep(self, seconds: float) -> None:
        until = self.now() + timedelta(seconds=seconds)
        while (left := (until - self.now()).total_seconds()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._moved.wait()


class ManualClock:
    """Time that moves only when told: for tests and for benchmarks in virtual time.

    :meth:`advance` lets time pass for everybody; :meth:`move` puts this clock ahead of the wall's, as ``/_sim/clock``
    does.  :meth:`sleep` lets the time pass itself, so nothing ever waits.
    """

    def __init__(self, start: datetime = datetime(2026, 3, 2, 8, 0, tzinfo=UTC), time_scale: float = 1.0) -> None:
        self._wall = start
        self._offset = timedelta()
        self._scale = time_scale

    @property
    def time_scale(self) -> float:
        return self._scale

    @property
    def offset(self) -> timedelta:
        return self._offset

    def now(self) -> datetime:
        return self._wall + self._offset

    def wall(self) -> datetime:
        return self._wall

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass; fewer than none turns the wall's clock back."""
        self._wall += timedelta(seconds=seconds)

    def move(self, seconds: float) -> None:
        self._offset += timedelta(seconds=seconds)

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)
        await asyncio.sleep(0)
