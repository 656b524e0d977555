"""Values as people type them: lengths of time, hours of the day, days, dates, sizes, numbers of people. Pure.

Every reader returns None for what it cannot read for certain; it never raises, whatever the text.
"""

import datetime
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from shared.hubs.schedule import DAYS

LEAST_HOURS, MOST_HOURS = 0.25, 168.0
"""As `POST .../extend` takes them."""

_LENGTH = re.compile(
    r"\+?(?:(?P<h>\d{1,4}(?:[.,]\d{1,3})?)(?:h|hr|hrs|hour|hours))?(?:and)?"
    r"(?:(?P<m>\d{1,5})(?:m|min|mins|minute|minutes))?",
    re.ASCII | re.I,
)
_COLON = re.compile(r"([0-4]):([0-5]\d)", re.ASCII)
"""From `5:00` on it was rather meant as a time of day, and would be paid for as a length."""
_BARE = re.compile(r"\d{1,2}(?:[.,]\d{1,3})?", re.ASCII)
_BARE_HOURS = 24
"""A number without a unit is hours up to here: what is larger was perhaps meant as minutes."""


def hours(text: str) -> float | None:
    """`2h`, `90m`, `1.5h`, `1h30m`, `1:30`, `2` -> hours."""
    if found := _LENGTH.fullmatch(text):
        if found["h"] is None and found["m"] is None:
            return None
        return float((found["h"] or "0").replace(",", ".")) + int(found["m"] or 0) / 60
    if found := _COLON.fullmatch(text):
        return int(found[1]) + int(found[2]) / 60
    if _BARE.fullmatch(text):
        bare = float(text.replace(",", "."))
        return bare if bare <= _BARE_HOURS else None
    return None


def minutes(text: str) -> int | None:
    """A length of time that is minutes when it has no unit: `60`, `2h`, `1h30m`."""
    if (bare := number(text)) is not None:
        return bare
    length = hours(text)
    return None if length is None else round(length * 60)


def number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,6}", text, re.ASCII) else None


_WALL = re.compile(r"(\d{1,2})(?:[:.h](\d\d))?(?:([ap])\.?m)?", re.ASCII | re.I)


def wall(text: str) -> str | None:
    """`19:00`, `9:30`, `19`, `7pm`, `7:30p.m` -> `HH:MM`."""
    found = _WALL.fullmatch(text)
    if found is None:
        return None
    hour, minute, half = int(found[1]), int(found[2] or 0), (found[3] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    return f"{hour:02d}:{minute:02d}" if hour < 24 and minute < 60 else None


def date(text: str) -> str | None:
    """`2027-02-01` as it is."""
    try:
        return (
            datetime.date.fromisoformat(text).isoformat() if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) else None
        )
    except ValueError:
        return None


_DAY_SETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "weekdays": DAYS[:5],
        "workdays": DAYS[:5],
        "weekend": DAYS[5:],
        "weekends": DAYS[5:],
        "daily": DAYS,
        "all": DAYS,
        "everyday": DAYS,
    }
)


def days(text: str) -> tuple[str, ...] | None:
    """`mon-fri`, `mon,wed,fri`, `fri-mon` (over the weekend), `weekdays`, `daily` -> days in their order."""
    found: set[str] = set()
    for part in re.split(r"[,+/&;]", text.lower()):
        if not part:
            continue
        if part in _DAY_SETS:
            found.update(_DAY_SETS[part])
            continue
        ends = [_day(end) for end in part.split("-")]
        if None in ends or len(ends) > 2:
            return None
        first, last = (DAYS.index(end or "") for end in (ends[0], ends[-1]))
        found.update(DAYS[(first + step) % 7] for step in range((last - first) % 7 + 1))
    return in_order(found) or None


def in_order(days: Iterable[str]) -> tuple[str, ...]:
    """As they follow each other in a week, each once."""
    wanted = set(days)
    return tuple(day for day in DAYS if day in wanted)


_LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _day(text: str) -> str | None:
    """Its three letters, for anything from two letters to the whole word."""
    return next((long[:3] for long in _LONG_DAYS if len(text) > 1 and long.startswith(text)), None)


def size(text: str) -> str:
    """Its first word may be left out: `D2s_v3`."""
    return text if text.lower().startswith(("standard_", "basic_")) else f"Standard_{text}"


def region(text: str) -> str:
    return text.lower().replace("-", "")


def hub_name(word: str) -> str:
    """Hubs' names are lower case; whether it is one is the API's to say."""
    return word.lower()[:100]
