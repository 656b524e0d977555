"""Slack or Teams in trouble, on request: "down for ten seconds", "the next two answers are 429"."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

KINDS = {
    "down": "the connection breaks before anything happens",
    "lost": "it is done, then the connection breaks",
    "slow": "it is done, the answer comes after `delay_s` seconds (12)",
    "429": "refused, `Retry-After: <retry_after>` (2)",
    "400": "refused",
    "404": "refused",
    "500": "refused",
    "503": "refused",
    "200": "Teams only: answered with 200 in place of 202",
}


class BadFault(ValueError):
    """The description makes no sense; the message says why."""


@dataclass
class Fault:
    """`until` None: only `left` counts; `left` None: only the time counts."""

    platform: str
    kind: str
    until: datetime | None = None
    left: int | None = None
    delay_s: float = 12.0
    retry_after: int = 2
    struck: int = 0

    def describe(self) -> dict[str, Any]:
        return {**asdict(self), "until": self.until.isoformat() if self.until else None}


class Faults:
    """Those in force, oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, wanted: Mapping[str, Any], now: datetime) -> list[Fault]:
        """`{"slack": "down", "seconds": 10}` or `{"teams": "429", "times": 2}`; without either: until cleared. Raises
        BadFault."""
        unknown = set(wanted) - {"slack", "teams", "seconds", "times", "delay_s", "retry_after"}
        if unknown:
            raise BadFault(f"unknown field: {', '.join(sorted(unknown))}")
        added = []
        for platform in ("slack", "teams"):
            if platform not in wanted:
                continue
            kind = str(wanted[platform])
            if kind not in KINDS:
                raise BadFault(f"{kind} is none of {', '.join(KINDS)}")
            try:
                seconds, times = wanted.get("seconds"), wanted.get("times")
                until = None if seconds is None else now + timedelta(seconds=float(seconds))
                fault = Fault(platform, kind, until, None if times is None else int(times))
                fault.delay_s = float(wanted.get("delay_s", fault.delay_s))
                fault.retry_after = int(wanted.get("retry_after", fault.retry_after))
            except (TypeError, ValueError) as error:
                raise BadFault("seconds, times, delay_s and retry_after are numbers") from error
            added.append(fault)
        if not added:
            raise BadFault("say which of slack and teams is in trouble")
        self._faults += added
        return added

    def clear(self) -> None:
        self._faults.clear()

    def describe(self) -> list[dict[str, Any]]:
        return [fault.describe() for fault in self._faults]

    def strike(self, platform: str, now: datetime) -> Fault | None:
        """The fault whose turn it is, counted down; None when all is well."""
        self._faults = [
            fault for fault in self._faults if fault.left != 0 and (fault.until is None or now < fault.until)
        ]
        for fault in self._faults:
            if fault.platform == platform:
                fault.struck += 1
                if fault.left is not None:
                    fault.left -= 1
                return fault
        return None
