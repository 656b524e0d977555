"""The only place that reads the machine's clock. Everything else is handed a `Clock`."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Protocol


class Clock(Protocol):
    """Says what time it is."""

    def now(self) -> datetime:
        """The present moment as an aware datetime in UTC."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Returns after that many seconds of this clock."""
        ...


class SystemClock:
    """Wall time of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def http_date(text: str | None) -> datetime | None:
    """A moment as HTTP writes it, in any of its three spellings (RFC 9110 section 5.6.7), in UTC. None for what is
    none, whatever a hostile server wrote."""
    try:
        found = parsedate_to_datetime(text or "")
        return (found if found.tzinfo is not None else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _wall() -> datetime:
    return datetime.now(UTC)


class StorageTime:
    """The storage account's time: every process compares deadlines by one clock, whatever its machine's says.

    Each answer of storage names its time in whole seconds (`Date`, RFC 9110 section 6.6.1). Between answers the
    machine's monotonic clock goes on, so that a wall clock that is set, or steps back, changes nothing. Before the
    first answer it is wall time. An answer that agrees moves nothing: this clock does not jump to and fro by the
    fraction that `Date` leaves out.
    """

    def __init__(
        self, *, wall: Callable[[], datetime] = _wall, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._wall, self._monotonic = wall, monotonic
        self._ahead_s: float | None = None
        """Seconds since 1970 less the monotonic clock, by the storage account."""

    def now(self) -> datetime:
        if self._ahead_s is None:
            return self._wall()
        return datetime.fromtimestamp(self._monotonic() + self._ahead_s, UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def mark(self) -> float:
        """Taken before a request, for `learn` of its answer."""
        return self._monotonic()

    def learn(self, date: str | None, asked_at: float) -> None:
        """The answer to a request that left at `asked_at` says `date`. What is no date is passed over."""
        written = http_date(date)
        if written is None:
            return
        # The server wrote it between question and answer, and up to a second after what it says.
        said = written.timestamp()
        least, most = said - self._monotonic(), said + 1.0 - asked_at
        ahead_s = self._ahead_s
        if ahead_s is None:
            ahead_s = self._wall().timestamp() - self._monotonic()
        self._ahead_s = max(least, min(ahead_s, most))


type _Version = tuple[int, int, int]
"""Time of the last change, size and inode of a file: equal as long as nobody wrote or replaced it."""

_FURTHEST_S = 100 * 365 * 86_400
"""What is further off than a century is no offset."""


class OffsetClock:
    """Another clock plus the seconds that a file names: local tests let days pass by writing it (`localdev`).

    Costs one `stat` for each look; the file is read only when it has changed. While it is missing or cannot be
    understood, the last known offset holds: 0 at first. `sleep` waits for real seconds, however far the file jumps.
    """

    def __init__(self, file: str | Path, base: Clock | None = None) -> None:
        self._file = Path(file)
        self._base: Clock = base or SystemClock()
        self._read: _Version | None = None
        self._offset = timedelta()

    def now(self) -> datetime:
        self._look()
        return self._base.now() + self._offset

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def _look(self) -> None:
        try:
            status = self._file.stat()
            version = (status.st_mtime_ns, status.st_size, status.st_ino)
            if version == self._read:
                return
            text = self._file.read_bytes()
        except OSError:
            return
        self._read = version
        try:
            seconds = float(text)
        except ValueError:
            return
        if -_FURTHEST_S <= seconds <= _FURTHEST_S:  # false for `nan` too
            self._offset = timedelta(seconds=seconds)
