"""Virtual time for tests: nothing sleeps, `advance` moves it."""

from datetime import UTC, datetime, timedelta

MONDAY_MORNING = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
"""Where virtual time starts unless a test says otherwise: the middle of an hour, far from any bucket's edge."""


class FakeClock:
    """A `Clock` that only moves when told to."""

    def __init__(self, now: datetime = MONDAY_MORNING) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float | timedelta) -> datetime:
        """Moves time by seconds (or a timedelta, also a negative one) and returns the new time."""
        self._now += seconds if isinstance(seconds, timedelta) else timedelta(seconds=seconds)
        return self._now

    def advance_to(self, moment: datetime) -> datetime:
        """Moves time forward to `moment`; a moment that has passed changes nothing."""
        self._now = max(self._now, moment)
        return self._now
