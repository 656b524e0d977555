"""Figures as text: one line each, its limit beside it, and whether it is met."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Line:
    """`met` None = there is no limit. `exact` = a count: it does not depend on the machine and must hold."""

    name: str
    value: str
    limit: str = ""
    met: bool | None = None
    exact: bool = False


@dataclass
class Report:
    """One figure: its lines, then free text (tables)."""

    title: str
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, value: str, limit: str = "", met: bool | None = None, *, exact: bool = False) -> None:
        self.lines.append(Line(name, value, limit, met, exact))

    def at_most(self, name: str, value: float, limit: float, unit: str = "", *, exact: bool = False) -> None:
        shown, bound = f"{number(value)}{unit}", f"<= {number(limit)}{unit}"
        self.add(name, shown, bound, value <= limit, exact=exact)

    def note(self, text: str) -> None:
        self.notes.append(text)

    @property
    def counts_met(self) -> bool:
        return all(line.met is not False for line in self.lines if line.exact)

    def text(self) -> str:
        widths = [max((len(getattr(line, name)) for line in self.lines), default=0) for name in ("name", "value")]
        rows = [self.title]
        for line in self.lines:
            verdict = {True: "met", False: "MISSED", None: ""}[line.met]
            row = f"  {line.name:<{widths[0]}}  {line.value:>{widths[1]}}  {line.limit:<12} {verdict}"
            rows.append(row.rstrip())
        return "\n".join([*rows, *self.notes])


def number(value: float) -> str:
    """Three significant digits at least, no more than needed."""
    if value == int(value) and abs(value) < 1e9:
        return str(int(value))
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all are not above (nearest rank). Raises ValueError when there are none."""
    if not values:
        raise ValueError("no values")
    rank = max(1, -(-len(values) * share // 1))  # ceiling
    return sorted(values)[int(rank) - 1]


def machine() -> str:
    """The machine in words."""
    cores = os.process_cpu_count() or 1
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return f"{cores} cores{load}, {platform.system()}, Python {platform.python_version()}"
