"""Test runs side by side: every line is shown as it comes, what failed is said once more at the end."""

import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

NO_TESTS = 5
"""pytest's exit code when it collected none (`pytest.ExitCode`): no failure beside a lane that has some."""

_TOLD_AGAIN = ("FAILED tests/", "ERROR tests/")
"""Of pytest's summary; a line of a log may begin with `ERROR` too."""


@dataclass(frozen=True)
class Lane:
    """One command. `nice`: how far it steps back for the others, 0 to 19 (`man 2 setpriority`)."""

    name: str
    argv: tuple[str, ...]
    nice: int = 0


@dataclass
class _Run:
    lane: Lane
    process: subprocess.Popen[str]
    began: float
    told: list[str] = field(default_factory=list)
    last: str = ""
    took_s: float = 0.0


def _say(line: str) -> None:
    print(line, flush=True)


def run_lanes(
    lanes: Sequence[Lane], *, cwd: Path, environment: Mapping[str, str], say: Callable[[str], None] = _say
) -> int:
    """All of them at once. 0 when each ended well, else the first bad exit code. Ctrl-C reaches the children too, and
    is waited for until they have ended."""
    width = max(len(lane.name) for lane in lanes)
    runs = [_begin(lane, cwd, environment) for lane in lanes]
    one_line_at_a_time = threading.Lock()

    def follow(run: _Run) -> None:
        assert run.process.stdout is not None
        for line in run.process.stdout:
            text = line.rstrip()
            if text.startswith(_TOLD_AGAIN):
                run.told.append(text)
            run.last = text or run.last
            with one_line_at_a_time:
                say(f"{run.lane.name:<{width}} | {text}")
        run.process.wait()
        run.took_s = time.monotonic() - run.began

    followers = [threading.Thread(target=follow, args=(run,)) for run in runs]
    for follower in followers:
        follower.start()
    for follower in followers:
        follower.join()
    codes = [run.process.returncode for run in runs]
    some_ran = any(code != NO_TESTS for code in codes)
    bad = [code for code in codes if code and not (code == NO_TESTS and some_ran)]
    say("")
    for run in runs:
        for text in run.told:
            say(text)
    for run in runs:
        ended = "ok  " if run.process.returncode not in bad else "FAIL"
        say(f"{ended}  {run.lane.name:<{width}} {run.took_s:7.1f} s  {run.last.strip('= ')}")
    return bad[0] if bad else 0


def _begin(lane: Lane, cwd: Path, environment: Mapping[str, str]) -> _Run:
    process = subprocess.Popen(
        ("nice", "-n", str(lane.nice), *lane.argv) if lane.nice else lane.argv,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    return _Run(lane, process, time.monotonic())
