"""A class by the clock of Berlin, from Friday evening to Monday morning, with the clock moved."""

from datetime import datetime

from tests.e2e.life import BERLIN, Lived


def state(lived: Lived, name: str) -> tuple[str, str]:
    seen = lived.weekend.looks[name]
    return seen.hub["state"], seen.power


def test_the_next_stop_is_fridays_at_seven(lived: Lived):
    seen = lived.weekend.looks["friday 18:20"]
    stop = datetime.fromisoformat(seen.hub["nextStop"]["at"]).astimezone(BERLIN)
    assert (f"{stop:%a %H:%M}", seen.hub["nextStop"]["why"]) == ("Fri 19:00", "schedule")
    assert stop.date() == seen.at.date()


def test_people_were_warned_half_an_hour_before(lived: Lived):
    warned = [event for event in lived.weekend.events if event["kind"] == "warning"]
    at = datetime.fromisoformat(warned[0]["at"]).astimezone(BERLIN)
    assert f"{at:%a %H}" == "Fri 18"
    assert at.minute >= 30


def test_azures_own_shutdown_is_set_half_an_hour_behind_ours(lived: Lived):
    properties = lived.weekend.auto_shutdown["properties"]
    friday = lived.weekend.looks["friday 18:20"]
    ours = datetime.fromisoformat(friday.hub["nextStop"]["at"])
    assert properties["status"] == "Enabled"
    assert properties["timeZoneId"] == "UTC"
    hour, minute = divmod(ours.hour * 60 + ours.minute + 30, 60)
    assert properties["dailyRecurrence"]["time"] == f"{hour % 24:02}{minute:02}"


def test_an_extended_class_is_not_stopped_at_seven(lived: Lived):
    assert state(lived, "friday 19:05") == ("ready", "running")
    assert lived.weekend.looks["friday 19:05"].hub["nextStop"]["why"] == "extended"


def test_it_stops_an_hour_later_and_stays_off_over_the_weekend(lived: Lived):
    for name in ("friday 20:00", "saturday", "sunday", "monday 08:29"):
        assert state(lived, name) == ("stopped", "deallocated"), name
    start = datetime.fromisoformat(lived.weekend.looks["saturday"].hub["nextStart"]).astimezone(BERLIN)
    assert f"{start:%a %H:%M}" == "Mon 08:30"


def test_it_starts_on_monday_morning_and_is_ready(lived: Lived):
    assert state(lived, "monday 08:30") == ("ready", "running")


def test_the_schedule_is_the_one_who_did_it(lived: Lived):
    moves = [(event["to"], event["actor"]) for event in lived.weekend.events if event["to"] in ("stopping", "starting")]
    assert moves == [("stopping", "schedule"), ("starting", "schedule")]
