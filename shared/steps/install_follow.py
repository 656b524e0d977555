"""What a few more lines of installer.log say: the phase, the last words, and when the phase began. Pure.

Lines are `2026-11-23 00:13:07,212 message` in the VM's local time (tljh/log.py), so only differences are used.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from shared.hubs.install_log import progress
from shared.steps.text import one_line

_STAMPED = re.compile(r"^([0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}),([0-9]{3}) (.*)$")
_BEGINNING = "Existing TLJH installation"
_WAITING = "waiting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """`phase` empty = no line of these names one. `run_began`/`phase_began`: their stamps, when they are in here."""

    phase: str = ""
    percent: int = 0
    last: str = ""
    run_began: str | None = None
    phase_began: str | None = None


def complete_lines(data: bytes, *, all_of_it: bool) -> bytes:
    """Up to the last line end, so that no line is ever seen in two halves."""
    return data if all_of_it else data[: data.rfind(b"\n") + 1]


def read_lines(text: str) -> Lines:
    found = Lines()
    for line in text.splitlines():
        stamped = _STAMPED.match(line)
        if stamped is None:
            found = replace(found, last=one_line(line) or found.last)
            continue
        stamp, message = f"{stamped[1]}.{stamped[2]}", stamped[3]
        found = replace(found, last=one_line(message) or found.last)
        if message.startswith(_BEGINNING):
            found = replace(found, run_began=stamp)
        step = progress(line)
        if step.phase != _WAITING and step.percent != found.percent:
            found = replace(found, phase=step.phase, percent=step.percent, phase_began=stamp)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseClock:
    """How many seconds after the beginning of the run the present phase began, by the log's own stamps."""

    run_began: str | None = None
    phase_began_s: float = 0.0

    @classmethod
    def load(cls, memory: Mapping[str, Any]) -> "PhaseClock":
        return cls(run_began=memory.get("run-began"), phase_began_s=memory.get("phase-began-s", 0.0))

    def memory(self) -> dict[str, Any]:
        return {"run-began": self.run_began, "phase-began-s": self.phase_began_s}

    def after(self, lines: Lines) -> "PhaseClock":
        began = lines.run_began or self.run_began
        clock = PhaseClock(run_began=began, phase_began_s=0.0 if lines.run_began else self.phase_began_s)
        if began is None or lines.phase_began is None:
            return clock
        return replace(clock, phase_began_s=_seconds_between(began, lines.phase_began))


def _seconds_between(one: str, other: str) -> float:
    """0 for stamps that are no times or run backwards (a VM's clock may be set in between)."""
    try:
        return max(0.0, (datetime.fromisoformat(other) - datetime.fromisoformat(one)).total_seconds())
    except ValueError:
        return 0.0
