"""An event loop whose time is virtual: what would be waited for happens at once, in its order.

Many workers, each in the middle of something, so the one-after-the-other clock of the other models does not do.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any

from localdev.bench.model.clock import START

SHORTEST_S = 1e-6


class _Selector(selectors.SelectSelector):
    """Never waits: it tells its loop how long it would have waited."""

    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout:
            self.skipped_s += max(timeout, SHORTEST_S)  # less would be lost in a float after some weeks
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` is the time that was skipped so far; nothing else passes."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.skipped_s


class LoopClock:
    """A `Clock` by the running virtual loop."""

    def now(self) -> datetime:
        return START + timedelta(seconds=asyncio.get_running_loop().time())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def run_virtually[Result](main: Coroutine[Any, Any, Result]) -> Result:
    """Like `asyncio.run`, in virtual time that begins at 0."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
