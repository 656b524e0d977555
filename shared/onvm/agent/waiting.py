"""Locks that end with their process, and waiting with a limit."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from shared.onvm.agent.files import private_directory


@contextlib.contextmanager
def locked(path: Path, wait_s: float) -> Iterator[int | None]:
    """Holds an exclusive lock for the block; yields its descriptor, or None when it was not free in `wait_s` seconds.
    A process that inherits the descriptor holds the lock too, until it ends: nothing to write down, nothing stale."""
    private_directory(path.parent)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        yield descriptor if wait_until(lambda: try_lock(descriptor), wait_s) else None
    finally:
        os.close(descriptor)


def try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def wait_until(condition: Callable[[], bool], limit_s: float, every_s: float = 0.1) -> bool:
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(every_s)
    return True
