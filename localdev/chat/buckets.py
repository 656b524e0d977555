"""How often Slack lets one do something: a token bucket for each key."""

import math
from dataclasses import dataclass
from datetime import datetime


@dataclass
class Buckets:
    """`burst` at once, then `per_s` a second. `burst` is a guess: Slack says only that short bursts are allowed.

    https://docs.slack.dev/apis/web-api/rate-limits
    """

    burst: float
    per_s: float

    def __post_init__(self) -> None:
        self._left: dict[str, tuple[float, datetime]] = {}

    def take(self, key: str, now: datetime) -> int:
        """0 = go on; else after how many whole seconds there is room again."""
        left, at = self._left.get(key, (self.burst, now))
        left = min(self.burst, left + max(0.0, (now - at).total_seconds()) * self.per_s)
        if left < 1:
            self._left[key] = left, now
            return max(1, math.ceil((1 - left) / self.per_s))
        self._left[key] = left - 1, now
        return 0
