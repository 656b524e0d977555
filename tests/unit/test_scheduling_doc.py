"""The examples of docs/scheduling.md are true."""

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from shared.hubs.model import Block, Schedule
from shared.hubs.schedule import Kind, describe, instant, last_event, next_event, problems
from shared.settings import Settings
from tests.support.builders import some_settings

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "scheduling.md").read_text(encoding="utf-8")

EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

SCHEDULE_FIELDS = {"timeZone", "start", "stop", "days", "blocks", "until", "skip"}


def schedule_of(body: dict[str, Any]) -> Schedule:
    """As the API reads it: all days where none are named."""
    assert set(body) == {"schedule"}
    told = body["schedule"]
    assert set(told) <= SCHEDULE_FIELDS
    short = "start" in told or "stop" in told
    return Schedule(
        time_zone=told["timeZone"],
        start=told.get("start"),
        stop=told.get("stop"),
        days=tuple(told.get("days", EVERY_DAY)) if short else (),
        blocks=tuple(
            Block(days=tuple(block.get("days", EVERY_DAY)), start=block.get("start"), stop=block.get("stop"))
            for block in told.get("blocks", ())
        ),
        until=date.fromisoformat(told["until"]) if "until" in told else None,
        skip=tuple(date.fromisoformat(day) for day in told.get("skip", ())),
    )


JSON_BLOCK = r"```json\n(?P<body>.*?)```"
BODIES = [json.loads(found["body"]) for found in re.finditer(JSON_BLOCK, TEXT, re.DOTALL)]
EXAMPLES = {
    int(found["number"]): (schedule_of(json.loads(found["body"])), found["words"])
    for found in re.finditer(
        rf"\*\*Example (?P<number>\d+):(?:(?!```).)*{JSON_BLOCK}\n\nIn words: `(?P<words>[^`]+)`", TEXT, re.DOTALL
    )
}
REFUSED = [
    (found["code"], schedule_of(json.loads(found["body"])))
    for found in re.finditer(rf"Refused with `(?P<code>\w+)`:\n\n{JSON_BLOCK}", TEXT, re.DOTALL)
]


def rows(*columns: str) -> list[dict[str, str]]:
    """The rows of all tables with exactly these columns."""
    found = []
    for lines in re.findall(r"(?:^\|.*\n)+", TEXT, re.MULTILINE):
        head, _, *body = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in lines.splitlines()]
        if head == list(columns):
            found += [dict(zip(head, cells, strict=True)) for cells in body]
    return found


def moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


def moment_or_none(text: str) -> datetime | None:
    return None if text == "none" else moment(text)


def at_of(plan: Schedule, now: datetime, kind: Kind, ignoring: datetime | None = None) -> datetime | None:
    found = next_event(plan, now, kind=kind, ignoring=ignoring)
    return found.at if found else None


INSTANTS = rows("zone", "written for", "happens at (UTC)", "the clock there then shows")
NEXT = rows("example", "asked at (UTC)", "next stop (UTC)", "next start (UTC)")
CALLED_OFF = rows("example", "asked at (UTC)", "called off (UTC)", "next stop (UTC)", "next start (UTC)")
OUTAGES = rows("example", "Hublet down since (UTC)", "back at (UTC)", "does")


def test_every_example_of_the_page_is_looked_at():
    assert sorted(EXAMPLES) == [1, 2, 3, 4]
    assert len(REFUSED) == 1
    requests = [body for body in BODIES if "schedule" not in body]
    assert requests == [{"hours": 2}, {"skipNextStop": True}]
    assert len(BODIES) == len(EXAMPLES) + len(REFUSED) + len(requests)
    tables = len(re.findall(r"^\|---", TEXT, re.MULTILINE))
    assert tables == 5
    assert (len(INSTANTS), len(NEXT), len(CALLED_OFF), len(OUTAGES)) == (11, 10, 2, 4)


@pytest.mark.parametrize("number", EXAMPLES)
def test_an_example_has_no_mistakes_and_reads_as_it_says(number: int):
    plan, words = EXAMPLES[number]
    assert problems(plan) == []
    assert describe(plan) == words


@pytest.mark.parametrize(("code", "plan"), REFUSED)
def test_what_the_page_calls_refused_is(code: str, plan: Schedule):
    assert [problem.code for problem in problems(plan)] == [code]


@pytest.mark.parametrize("row", INSTANTS, ids=lambda row: f"{row['zone']} {row['written for']}")
def test_a_time_happens_at_the_instant_of_the_table(row: dict[str, str]):
    zone = ZoneInfo(row["zone"])
    day, wall = row["written for"].split()
    at = instant(date.fromisoformat(day), wall, zone)
    assert at == moment(row["happens at (UTC)"])
    assert f"{at.astimezone(zone):%Y-%m-%d %H:%M}" == row["the clock there then shows"]


@pytest.mark.parametrize("row", NEXT, ids=lambda row: f"{row['example']} at {row['asked at (UTC)']}")
def test_the_next_stop_and_start_are_those_of_the_table(row: dict[str, str]):
    plan, now = EXAMPLES[int(row["example"])][0], moment(row["asked at (UTC)"])
    assert at_of(plan, now, Kind.STOP) == moment_or_none(row["next stop (UTC)"])
    assert at_of(plan, now, Kind.START) == moment_or_none(row["next start (UTC)"])


@pytest.mark.parametrize("row", CALLED_OFF, ids=lambda row: row["asked at (UTC)"])
def test_what_follows_a_stop_that_was_called_off(row: dict[str, str]):
    plan, now = EXAMPLES[int(row["example"])][0], moment(row["asked at (UTC)"])
    called_off = moment(row["called off (UTC)"])
    assert at_of(plan, now, Kind.STOP) == called_off
    assert at_of(plan, now, Kind.STOP, called_off) == moment(row["next stop (UTC)"])
    assert at_of(plan, now, Kind.START, called_off) == moment(row["next start (UTC)"])


@pytest.mark.parametrize("row", OUTAGES, ids=lambda row: row["back at (UTC)"])
def test_what_is_done_after_an_outage(row: dict[str, str]):
    plan = EXAMPLES[int(row["example"])][0]
    last = last_event(plan, moment(row["back at (UTC)"]))
    missed = last is not None and last.at > moment(row["Hublet down since (UTC)"])
    assert (str(last.kind) if last is not None and missed else "nothing") == row["does"]


def test_the_doubled_time_of_the_page_really_comes_twice():
    assert "at 00:30 and at 01:30 UTC" in TEXT
    shown = {
        f"{moment(f'2027-10-31 {utc}').astimezone(ZoneInfo('Europe/Berlin')):%Y-%m-%d %H:%M}"
        for utc in ("00:30", "01:30")
    }
    assert shown == {"2027-10-31 02:30"}


def test_the_settings_the_page_names_have_the_defaults_it_says():
    settings: Settings = some_settings()
    assert settings.stop_warning_minutes == 30
    assert settings.max_extend_hours == 24
    assert settings.idle_warning_minutes == 10
    assert settings.expired_keep_days == 7
    named = set(re.findall(r"HUBLET_[A-Z_]+", TEXT))
    assert named <= {spec.metadata["name"] for spec in Settings.__dataclass_fields__.values()}
    assert len(named) == 5
