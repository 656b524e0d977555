"""Receivers that let us wait in vain: they are left alone for a while, so that they hold no places others need.

A process works on two dozen notices at once; one that is not answered holds its place for as long as it may. What is
remembered is this process's own, and forgotten with it: the outbox brings each notice again in any case.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.clock import Clock
from shared.errors import RetryableError

FIRST = timedelta(seconds=30)
LONGEST = timedelta(minutes=10)
"""How long a receiver is left alone: twice as long each time, up to this."""

TRIED_FOR = timedelta(seconds=10)
"""While one notice tries it again, the others wait: for as long as a sink may take."""

REMEMBERED = 1000
"""Receivers. The one that was silent longest ago is forgotten for a new one."""


@dataclass(frozen=True, slots=True)
class _Silent:
    until: datetime
    pause: timedelta


class Silence:
    """Who did not answer in time, by target."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._silent: OrderedDict[str, _Silent] = OrderedDict()

    def respect(self, target: str) -> None:
        """Raises RetryableError `SinkSilent` while it is left alone. Else this notice is the one that tries it."""
        known, now = self._silent.get(target), self._clock.now()
        if known is None:
            return
        left = (known.until - now).total_seconds()
        if 0 < left <= LONGEST.total_seconds():  # more = the clock was set back
            raise RetryableError("SinkSilent", "It did not answer lately and is left alone.", retry_after_s=left)
        self._silent[target] = _Silent(now + TRIED_FOR, known.pause)

    def unanswered(self, target: str) -> None:
        known = self._silent.pop(target, None)
        pause = FIRST if known is None else min(LONGEST, 2 * known.pause)
        self._silent[target] = _Silent(self._clock.now() + pause, pause)
        while len(self._silent) > REMEMBERED:
            self._silent.popitem(last=False)

    def answered(self, target: str) -> None:
        """Whatever it said: it does not let us wait."""
        self._silent.pop(target, None)
