"""The clock of local tests: wall time plus the seconds in a file."""

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.clock import OffsetClock

DAY = 86_400.0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "clock-offset"


def ahead(clock: OffsetClock) -> float:
    """How far the clock is ahead, seconds, to the nearest."""
    return round((clock.now() - datetime.now(UTC)).total_seconds())


def replace(file: Path, text: str) -> None:
    """Write as the simulated Azure does."""
    unfinished = file.with_name("unfinished")
    unfinished.write_text(text)
    unfinished.replace(file)


def test_a_missing_file_means_wall_time(file: Path) -> None:
    clock = OffsetClock(file)
    assert ahead(clock) == 0
    assert clock.now().utcoffset() == timedelta()


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("259200.000000\n", 3 * DAY), ("-60", -60)])
def test_the_file_says_how_far_ahead(file: Path, text: str, seconds: float) -> None:
    file.write_text(text)
    assert ahead(OffsetClock(str(file))) == seconds


def test_a_file_that_is_replaced_is_followed_at_once(file: Path) -> None:
    clock = OffsetClock(file)
    for days in (1, 2, 3):
        replace(file, f"{days * DAY:.6f}")  # as long as the one before, and within the same moment of the disk's clock
        os.utime(file, ns=(0, 0))
        assert ahead(clock) == days * DAY


@pytest.mark.parametrize("text", ["", "three days", "nan", "inf", "1e300", "\udcff"])
def test_what_is_no_offset_leaves_the_last_one(file: Path, text: str) -> None:
    replace(file, "3600")
    clock = OffsetClock(file)
    assert ahead(clock) == 3600
    file.write_bytes(text.encode(errors="surrogateescape"))
    assert ahead(clock) == 3600
    replace(file, "7200")
    assert ahead(clock) == 7200


def test_a_file_that_goes_away_leaves_the_last_offset(file: Path) -> None:
    replace(file, "3600")
    clock = OffsetClock(file)
    assert ahead(clock) == 3600
    file.unlink()
    assert ahead(clock) == 3600
    file.mkdir()
    assert ahead(clock) == 3600


def test_a_file_that_did_not_change_is_not_read_again(file: Path) -> None:
    file.write_text("3600")
    clock = OffsetClock(file)
    assert ahead(clock) == 3600
    before = file.stat()
    with file.open("r+") as content:
        content.write("7200")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert ahead(clock) == 3600
    os.utime(file)
    assert ahead(clock) == 7200


async def test_sleep_takes_real_seconds_however_far_the_file_jumps(file: Path) -> None:
    clock, loop = OffsetClock(file), asyncio.get_running_loop()
    began = loop.time()
    sleeper = asyncio.create_task(clock.sleep(0.05))
    replace(file, f"{DAY}")
    await sleeper
    assert 0.04 <= loop.time() - began < 5
