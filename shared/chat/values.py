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

_HOURS = ("h", "hr", "hrs", "hour", "hours", "std", "stunde", "stunden", "heure", "heures", "hora", "horas")
_MINUTES = ("m", "min", "mins", "minute", "minutes", "minuten", "minuto", "minutos")

_LENGTH = re.compile(
    r"(?:\+ ?)?(?:(?P<h>\d{1,4}(?:[.,]\d)?|[0-4][.,](?:25|50|75)) ?(?:" + "|".join(_HOURS) + r"))?"
    r"(?: ?(?:and ?)?(?P<m>\d{1,5}) ?(?:" + "|".join(_MINUTES) + r"))?",
    re.ASCII | re.I,
)
"""Other fractions of two digits may be minutes of a clock: `20.00h`, `2.30h`."""
_COLON = re.compile(r"([0-4])(?:[:h]| h )([0-5]\d)", re.ASCII | re.I)
"""From `5:00` or `5h00` on it was rather meant as a time of day, and would be paid for as a length."""
_BARE = re.compile(r"(?:\+ ?)?(\d{1,2}(?:[.,]\d)?)", re.ASCII)
_BARE_HOURS = 12
"""A number without a unit is hours up to here: what is larger was perhaps meant as minutes, or as a time of day."""
_IN_WORDS = MappingProxyType({"half an hour": 0.5, "an hour": 1.0, "one hour": 1.0, "two hours": 2.0})


def hours(text: str) -> float | None:
    """`2h`, `90m`, `1.5h`, `1h30m`, `1 h 30 min`, `1:30`, `1h30`, `2` -> hours. Words are one space apart: two numbers
    that follow each other are not one."""
    if (length := _with_unit(text)) is not None:
        return length
    bare = _BARE.fullmatch(text)
    length = float(bare[1].replace(",", ".")) if bare else None
    return None if length is None or length > _BARE_HOURS else length


def _with_unit(text: str) -> float | None:
    if found := _LENGTH.fullmatch(text):
        if found["h"] is None and found["m"] is None:
            return None
        return float((found["h"] or "0").replace(",", ".")) + int(found["m"] or 0) / 60
    if found := _COLON.fullmatch(text):
        return int(found[1]) + int(found[2]) / 60
    return _IN_WORDS.get(text.lower())


def minutes(text: str) -> int | None:
    """A length of time that is minutes when it has no unit: `60`, `2h`, `1h30m`."""
    if (bare := number(text)) is not None:
        return bare
    length = _with_unit(text)
    return None if length is None else round(length * 60)


def number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,6}", text, re.ASCII) else None


_WALL = re.compile(r"(\d{1,2})(?:[:.h](\d\d))?(?: ?(?:([ap])\.?m|h|uhr))?", re.ASCII | re.I)
_EARLY = re.compile(r"[1-5](?: ?(?:h|uhr))?", re.ASCII | re.I)
_HALF_OF_A_DAY = re.compile(r"(?:[1-9]|1[01])(?: ?(?:h|uhr))?", re.ASCII | re.I)


def end(text: str) -> str | None:
    """As `wall`; but who ends a day at `7` may mean either, and a hub that stops at 07:00 is paid for all night."""
    return None if _HALF_OF_A_DAY.fullmatch(text) else wall(text)


def begin(text: str) -> str | None:
    """As `wall`; nobody's day begins at `2`, but a class may at two in the afternoon."""
    return None if _EARLY.fullmatch(text) else wall(text)


def wall(text: str) -> str | None:
    """`19:00`, `9:30`, `19`, `19h`, `19.30 Uhr`, `7 pm`, `7:30p.m` -> `HH:MM`."""
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
    """Its three letters, for anything from two letters to the whole word or its plural."""
    return next((long[:3] for long in _LONG_DAYS if len(text) > 1 and f"{long}s".startswith(text)), None)


def size(text: str) -> str:
    """Its first word may be left out: `D2s_v3`."""
    return text if text.lower().startswith(("standard_", "basic_")) else f"Standard_{text}"


def region(text: str) -> str:
    return text.lower().replace("-", "")


def hub_name(word: str) -> str:
    """Hubs' names are lower case; whether it is one is the API's to say."""
    return word.lower()[:100]
