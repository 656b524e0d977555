"""When a timer is past due."""

from datetime import UTC, datetime, timedelta

from localdev.host.ncrontab import Ncrontab
from localdev.host.timers import NEVER, Status, check_past_due

HOURLY = Ncrontab.parse("0 0 * * * *")
NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
ONE = NOON + timedelta(hours=1)


def test_a_new_timer_waits_for_its_next_occurrence() -> None:
    now = NOON + timedelta(minutes=5)
    assert check_past_due(None, HOURLY, now) == (Status(NEVER, ONE, now), False)


def test_an_occurrence_in_the_future_is_not_past_due() -> None:
    status = Status(NOON, ONE, NOON)
    assert check_past_due(status, HOURLY, ONE) == (status, False)


def test_many_missed_occurrences_are_one_past_due_run() -> None:
    status = Status(NOON, ONE, NOON)
    assert check_past_due(status, HOURLY, NOON + timedelta(days=3)) == (status, True)


def test_a_timer_that_never_ran_is_past_due_from_its_first_look() -> None:
    status = Status(NEVER, ONE, NOON)
    assert check_past_due(status, HOURLY, ONE + timedelta(minutes=1)) == (status, True)


def test_a_changed_schedule_is_not_past_due() -> None:
    now = NOON + timedelta(days=3)
    daily = Ncrontab.parse("0 0 3 * * *")
    status, past_due = check_past_due(Status(NOON, ONE, NOON), daily, now)
    assert not past_due
    assert status == Status(NEVER, daily.next_after(now), now)


def test_a_status_survives_storage_and_garbage_counts_as_none() -> None:
    import json

    status = Status(NEVER, ONE, NOON)
    assert Status.parse(json.dumps(status.to_json()).encode()) == status
    assert Status.parse(b"{}") is None
    assert Status.parse(b"\xff") is None
