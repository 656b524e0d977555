"""How long an empty queue is left alone.

Same rule as the WebJobs SDK's randomized exponential back-off: from 100 ms, each further empty poll adds
2^n x 100 ms, spread by 20 % either way, up to `maxPollingInterval`; after a message it starts over
(https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger#polling-algorithm).
"""

from datetime import timedelta
from random import Random

MINIMUM = timedelta(milliseconds=100)
_SPREAD = 0.2


class PollingBackoff:
    """One per queue listener."""

    def __init__(self, maximum: timedelta, random: Random) -> None:
        self._maximum = maximum
        self._random = random
        self._exponent = 0
        self._at_ceiling = False

    def next_delay(self, *, found_messages: bool) -> timedelta:
        """The pause before the next poll; `found_messages`: since the last pause."""
        if found_messages:
            self._exponent = 0
            self._at_ceiling = False
        if self._at_ceiling:
            return self._maximum
        delay = MINIMUM
        if self._exponent > 0:
            delay += MINIMUM * (2.0 ** (self._exponent - 1)) * self._random.uniform(1 - _SPREAD, 1 + _SPREAD)
        if delay >= self._maximum:
            self._at_ceiling = True
            return self._maximum
        self._exponent += 1
        return delay
