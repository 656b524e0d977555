"""What a schedule in a request may say, and the schedule it becomes.

Two forms: one block in short (`stop`, `start`, `days`), or `blocks`. The grammar of each field is checked here, what
the fields mean together by `shared.hubs.schedule.problems`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from shared.api import names
from shared.api.models import Strict, rule, unique
from shared.api.problems import Mistake
from shared.hubs import schedule as schedules
from shared.hubs.model import Block, Schedule
from shared.hubs.schedule import DAYS, MAX_BLOCKS

MAX_SKIP = 400
"""More than a day of every week of seven years; the row must stay small."""

MAX_ZONE = 128
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def _date(text: str) -> str | None:
    try:
        if _DATE.fullmatch(text) and date.fromisoformat(text):
            return None
    except ValueError:
        pass
    return "Write a date as YYYY-MM-DD."


ClockTime = Annotated[
    str, Field(max_length=64, json_schema_extra={"examples": ["19:00"]}), rule(names.clock_time, "InvalidTime")
]
Date = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date"}), rule(_date, "InvalidTime")]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Days = Annotated[list[Day], Field(min_length=1, max_length=7), unique]


class BlockRequest(Strict):
    """Start and stop (wall clock) on some days of the week; without `days` on all of them."""

    days: Days | None = None
    start: ClockTime | None = None
    stop: ClockTime | None = None


class ScheduleRequest(Strict):
    """`until`: the last date it holds on. `skip`: dates without starts and stops."""

    time_zone: Annotated[str, Field(max_length=MAX_ZONE, json_schema_extra={"examples": ["Europe/Berlin"]})]
    stop: ClockTime | None = None
    start: ClockTime | None = None
    days: Days | None = None
    blocks: Annotated[list[BlockRequest], Field(max_length=MAX_BLOCKS)] | None = None
    until: Date | None = None
    skip: Annotated[list[Date], Field(max_length=MAX_SKIP)] | None = None


def schedule_of(request: ScheduleRequest) -> Schedule:
    """The schedule as it is stored. It may still have `mistakes_of`."""
    short = request.stop is not None or request.start is not None
    return Schedule(
        time_zone=request.time_zone,
        stop=request.stop,
        start=request.start,
        days=_days(request.days) if short or request.days else (),
        blocks=tuple(
            Block(days=_days(block.days), start=block.start, stop=block.stop) for block in request.blocks or ()
        ),
        until=date.fromisoformat(request.until) if request.until else None,
        skip=tuple(date.fromisoformat(day) for day in request.skip or ()),
    )


def zone_mistake(document: Mapping[str, Any]) -> Iterator[Mistake]:
    """Of a request whose schedule breaks the grammar elsewhere: its time zone is told in the same answer."""
    match document.get("schedule"):
        case {"timeZone": str(name)} if len(name) <= MAX_ZONE and not schedules.is_time_zone(name):
            yield Mistake("/schedule/timeZone", "UnknownTimeZone", schedules.ZONE_ADVICE)
        case _:
            pass


def mistakes_of(schedule: Schedule, now: datetime, *, hint: str = "") -> Iterator[Mistake]:
    """What is wrong with fields that are right by themselves. `hint`: what else to say where two contradict."""
    found = schedules.problems(schedule)
    for problem in found:
        more = f" {hint}" if hint and problem.code == "Contradiction" else ""
        yield Mistake(f"/schedule{problem.pointer}", problem.code, problem.detail + more)
    if schedule.until is None or any(problem.pointer == "/timeZone" for problem in found):
        return
    if schedule.until < now.astimezone(ZoneInfo(schedule.time_zone)).date():
        yield Mistake("/schedule/until", "InThePast", "This date has passed in the schedule's time zone.")


def _days(days: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(days or DAYS)
