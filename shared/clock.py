"""The only place that reads the machine's clock. Everything else is handed a `Clock`."""

import asyncio
from datetime import UTC, datetime, timedelta
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


type _Version = tuple[int, int, int]
"""Time of the last change, size and inode of a file: equal as long as nobody wrote or replaced it."""

_FURTHEST_S = 100 * 365 * 86_400
"""What is further off than a century is no offset."""


class OffsetClock:
    """Wall time plus the seconds that a file names: local tests let days pass by writing it (`localdev`).

    Costs one `stat` for each look; the file is read only when it has changed. While it is missing or cannot be
    understood, the last known offset holds: 0 at first. `sleep` waits for real seconds, however far the file jumps.
    """

    def __init__(self, file: str | Path) -> None:
        self._file = Path(file)
        self._read: _Version | None = None
        self._offset = timedelta()

    def now(self) -> datetime:
        self._look()
        return datetime.now(UTC) + self._offset

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
