"""When a daily shutdown comes, in zones whose clocks change."""

from datetime import UTC, datetime, time

import pytest

from localdev.azuresim.devtestlab.models import Schedule
from localdev.azuresim.devtestlab.time_zones import WINDOWS_ZONES, zone_of

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def daily(at: str, zone_name: str = "UTC") -> Schedule:
    zone = zone_of(zone_name)
    assert zone is not None
    return Schedule(
        id="/subscriptions/s/resourceGroups/g/providers/microsoft.devtestlab/schedules/x",
        name="x",
        group="g",
        location="eastus",
        created=NOON,
        unique_id="u",
        target="/vm",
        enabled=True,
        at=time.fromisoformat(at),
        time_zone=zone_name,
        zone=zone,
        notification={},
    )


@pytest.mark.parametrize(
    ("at", "zone", "after", "expected"),
    [
        ("12:01", "UTC", "2026-03-02T12:00:00", "2026-03-02T12:01:00"),
        ("12:00", "UTC", "2026-03-02T12:00:00", "2026-03-03T12:00:00"),
        ("11:59", "UTC", "2026-03-02T12:00:00", "2026-03-03T11:59:00"),
        ("19:00", "W. Europe Standard Time", "2026-07-01T12:00:00", "2026-07-01T17:00:00"),
        ("19:00", "Tokyo Standard Time", "2026-07-01T12:00:00", "2026-07-02T10:00:00"),
        ("00:30", "Dateline Standard Time", "2026-07-01T12:00:00", "2026-07-01T12:30:00"),
        # Clocks in Berlin jump from 02:00 to 03:00 on 29 March 2026 and back from 03:00 to 02:00 on 25 October.
        ("02:30", "W. Europe Standard Time", "2026-03-28T12:00:00", "2026-03-29T01:30:00"),
        ("02:30", "W. Europe Standard Time", "2026-10-24T12:00:00", "2026-10-25T00:30:00"),
        ("02:30", "W. Europe Standard Time", "2026-10-25T00:30:00", "2026-10-26T01:30:00"),
    ],
)
def test_next_time(at: str, zone: str, after: str, expected: str) -> None:
    found = daily(at, zone).next_time(datetime.fromisoformat(after).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_every_windows_name_has_its_zone() -> None:
    assert all(zone_of(name) is not None for name in WINDOWS_ZONES)


@pytest.mark.parametrize("name", ["Europe/Berlin", "utc", "", None, 5])
def test_other_names_have_none(name: object) -> None:
    assert zone_of(name) is None
