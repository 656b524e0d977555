"""Schedules of timer triggers: NCRONTAB, six fields `{second} {minute} {hour} {day} {month} {day of week}`, in UTC.

The dialect is the one of the NCrontab library (https://github.com/atifaziz/NCrontab): Sunday is 0 and 7 does not exist,
names may be used for months and days, `a/n` runs from `a` to the field's end, and a day must fit *both* day fields.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Protocol

from localdev.host.settings import SettingsError

_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_SEARCH_DAYS = 366 * 41
"""29 February on a given weekday comes back after at most 40 years (across 2100); beyond that: never."""


class Schedule(Protocol):
    """When a timer fires."""

    def next_after(self, moment: datetime) -> datetime:
        """The first occurrence strictly after `moment` (aware, UTC)."""
        ...


@dataclass(frozen=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def parse(self, text: str) -> frozenset[int]:
        values: set[int] = set()
        for part in text.split(","):
            base, slash, step_text = part.partition("/")
            step = self._number(step_text, text) if slash else 1
            if step < 1:
                raise self._error(text)
            if base == "*":
                first, last = self.low, self.high
            elif "-" in base:
                first, last = (self._value(end, text) for end in base.split("-", 1))
                if first > last:
                    raise self._error(text)
            else:
                first = self._value(base, text)
                last = self.high if slash else first
            values.update(range(first, last + 1, step))
        return frozenset(values)

    def _value(self, text: str, whole: str) -> int:
        if text.isdigit():
            value = int(text)
        else:
            hits = [index for index, name in enumerate(self.names) if len(text) >= 3 and name.startswith(text.lower())]
            if len(hits) != 1:
                raise self._error(whole)
            value = hits[0] + self.low
        if not self.low <= value <= self.high:
            raise self._error(whole)
        return value

    def _number(self, text: str, whole: str) -> int:
        if not text.isdigit():
            raise self._error(whole)
        return int(text)

    def _error(self, text: str) -> SettingsError:
        return SettingsError(f"{text!r} is not a valid {self.name} ({self.low}-{self.high}) of an NCRONTAB expression")


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, _DAYS),
)


@dataclass(frozen=True)
class Ncrontab:
    """A parsed expression."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> "Ncrontab":
        """Five fields mean second 0. Raises SettingsError, also for `hh:mm:ss`, which Flex Consumption has not."""
        parts = text.split()
        if len(parts) == 5:
            parts = ["0", *parts]
        if len(parts) != 6:
            raise SettingsError(f"schedule {text!r}: an NCRONTAB expression has six fields")
        return cls(*(field.parse(part) for field, part in zip(_FIELDS, parts, strict=True)))

    def next_after(self, moment: datetime) -> datetime:
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        day, not_before = start.date(), start.time()
        for _ in range(_SEARCH_DAYS):
            if self._on(day):
                at = self._time_from(not_before)
                if at is not None:
                    return datetime.combine(day, at, UTC)
            day, not_before = day + timedelta(days=1), time()
        raise SettingsError("the schedule never fires")

    def _on(self, day: date) -> bool:
        # isoweekday: Monday 1 ... Sunday 7; NCRONTAB: Sunday 0.
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays

    def _time_from(self, earliest: time) -> time | None:
        for hour in sorted(value for value in self.hours if value >= earliest.hour):
            for minute in sorted(self.minutes):
                for second in sorted(self.seconds):
                    at = time(hour, minute, second)
                    if at >= earliest:
                        return at
        return None


@dataclass(frozen=True)
class Every:
    """A fixed rhythm in place of a schedule (`--tick-seconds`), counted from the epoch so that all instances agree."""

    seconds: float

    def next_after(self, moment: datetime) -> datetime:
        beat = int(moment.timestamp() // self.seconds) + 1
        return datetime.fromtimestamp(beat * self.seconds, UTC)
