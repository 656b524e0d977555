"""Time of the model: one clock for the app, the simulated Azure, the storage and the machine."""

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


class VirtualClock:
    """Stands still until told. `happens_next` and `happen` let what is due on the way happen at its own moment."""

    time_scale = 1.0
    """Azure's work takes its nominal time (read by the simulated Azure)."""
    offset = timedelta()
    """Nothing is ahead of anything: the model has one time."""

    def __init__(self) -> None:
        self._now = START
        self.happens_next: Callable[[], datetime | None] = lambda: None
        self.happen: Callable[[], Awaitable[None]] | None = None

    def now(self) -> datetime:
        return self._now

    def wall(self) -> datetime:
        return self._now

    def restart(self, rng: random.Random) -> None:
        """Another hub, another moment of the hour."""
        self._now = START + timedelta(seconds=rng.uniform(0, 3600))

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)

    def move(self, seconds: float) -> None:
        self.advance(seconds)

    async def sleep(self, seconds: float) -> None:
        await self.pass_to(self._now + timedelta(seconds=seconds))

    async def pass_to(self, moment: datetime) -> None:
        """Moves forward to `moment`; a moment that is over changes nothing."""
        while self.happen is not None and (due := self.happens_next()) is not None and due <= moment:
            self._now = max(self._now, due)
            await self.happen()
        self._now = max(self._now, moment)
