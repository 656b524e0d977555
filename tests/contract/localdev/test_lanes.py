"""Test runs side by side, as real processes."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from localdev.lanes import NO_TESTS, Lane, run_lanes

UNTIL = """
import pathlib, sys, time
ends = time.monotonic() + 30
while not pathlib.Path({!r}).exists():
    if time.monotonic() > ends: sys.exit("nobody came")
    time.sleep(0.01)
"""


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-u", "-c", code)


def run(lanes: Sequence[Lane], tmp_path: Path) -> tuple[int, list[str]]:
    said: list[str] = []
    return run_lanes(lanes, cwd=tmp_path, environment=os.environ, say=said.append), said


def test_lanes_run_at_the_same_time(tmp_path: Path) -> None:
    """Each waits for a file of the other's."""
    meets = "import pathlib; pathlib.Path({!r}).touch()" + UNTIL
    code, _ = run(
        [Lane("one", python(meets.format("1", "2"))), Lane("two", python(meets.format("2", "1")))],
        tmp_path,
    )
    assert code == 0


def test_every_line_names_its_lane_and_is_said_as_it_comes(tmp_path: Path) -> None:
    """The first one ends only when its line was said."""
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        if line == "first | begins":
            (tmp_path / "heard").touch()

    lanes = [Lane("first", python("print('begins')" + UNTIL.format("heard"))), Lane("x", python("print('other')"))]
    assert run_lanes(lanes, cwd=tmp_path, environment=os.environ, say=say) == 0
    assert {"first | begins", "x     | other"} <= set(said)


def test_one_that_fails_makes_the_whole_fail_and_its_failures_are_said_again_at_the_end(tmp_path: Path) -> None:
    failing = "print('FAILED tests/a.py::b - why'); print('== 1 failed, 3 passed in 9s =='); raise SystemExit(1)"
    code, said = run([Lane("bad", python(failing)), Lane("good", python("print('2 passed')"))], tmp_path)
    assert code == 1
    end = said[said.index("") + 1 :]
    assert end[0] == "FAILED tests/a.py::b - why"
    assert end[1].startswith("FAIL  bad ")
    assert end[1].endswith("1 failed, 3 passed in 9s")
    assert end[2].startswith("ok    good")
    assert end[2].endswith("2 passed")


def test_one_that_is_killed_makes_the_whole_fail(tmp_path: Path) -> None:
    code, said = run(
        [Lane("dead", python("import os; os.kill(os.getpid(), 9)")), Lane("good", python("pass"))], tmp_path
    )
    assert code != 0
    assert any(line.startswith("FAIL  dead") for line in said)


def test_a_lane_without_a_test_of_that_name_is_no_failure_unless_all_are(tmp_path: Path) -> None:
    none = python(f"raise SystemExit({NO_TESTS})")
    assert run([Lane("none", none), Lane("some", python("pass"))], tmp_path)[0] == 0
    assert run([Lane("none", none), Lane("nor here", none)], tmp_path)[0] == NO_TESTS
    assert run([Lane("none", none), Lane("bad", python("raise SystemExit(1)"))], tmp_path)[0] == 1


def test_a_lane_may_step_back_for_the_others(tmp_path: Path) -> None:
    nice = python("import os; print(os.nice(0))")
    _, said = run([Lane("front", nice), Lane("back", nice, nice=7)], tmp_path)
    front, back = (
        int(line.rpartition(" ")[2]) for line in sorted(said, reverse=True) if line.startswith(("front |", "back  |"))
    )
    assert back == min(19, front + 7)
