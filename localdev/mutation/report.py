"""Scores, the mutants that are known to change nothing, and the table. Pure."""

import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EQUIVALENT = Path(__file__).parent / "equivalent.toml"

LEAST_PERCENT = 90.0


@dataclass(frozen=True, slots=True)
class Change:
    """One mutant as people read it; line numbers would not outlive the next edit."""

    target: str
    function: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.target} {self.function or '(module)'}\n    - {self.before}\n    + {self.after}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """`mutants`: those that count: neither equivalent nor impossible to import. `branches`: taken, and all."""

    target: str
    mutants: int
    killed: int
    equivalent: int = 0
    branches: tuple[int, int] = (0, 0)
    lines_missed: int = 0
    survivors: tuple[Change, ...] = ()

    @property
    def survived(self) -> int:
        return self.mutants - self.killed

    @property
    def percent(self) -> float:
        """Without mutants there is nothing that could survive."""
        return 100.0 * self.killed / self.mutants if self.mutants else 100.0

    @property
    def enough(self) -> bool:
        return self.percent >= LEAST_PERCENT and self.branches[0] == self.branches[1] and not self.lines_missed


def score(
    target: str,
    results: Iterable[tuple[Change, str]],
    equivalent: Collection[Change],
    coverage: Mapping[str, Any],
) -> Score:
    """`results`: each mutant and `killed`, `survived` or `invalid`. A mutant listed as equivalent that was killed is
    counted as killed: the list is wrong then, see `stale`."""
    counted = [(change, said) for change, said in results if said != "invalid"]
    survivors = [change for change, said in counted if said == "survived"]
    real = tuple(change for change in survivors if change not in equivalent)
    same = len(survivors) - len(real)
    killed = len(counted) - len(survivors)
    return Score(
        target=target,
        mutants=len(counted) - same,
        killed=killed,
        equivalent=same,
        branches=(coverage["covered_branches"], coverage["num_branches"]),
        lines_missed=coverage["missing_lines"],
        survivors=real,
    )


def coverage_of(report: Mapping[str, Any], functions: Sequence[str]) -> dict[str, int]:
    """Of a whole module, or of some of its functions, from coverage.py's JSON of that module."""
    keys = ("covered_branches", "num_branches", "missing_lines")
    parts = [report["functions"][name]["summary"] for name in functions] if functions else [report["summary"]]
    return {key: sum(part[key] for part in parts) for key in keys}


def equivalents(text: str | None = None) -> dict[Change, str]:
    """The list with its reasons. Raises ValueError for a row with a column missing, empty or unknown."""
    document = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8") if text is None else text)
    found: dict[Change, str] = {}
    for row in document.get("mutant", []):
        if row.keys() != {"target", "function", "before", "after", "reason"} or not row["reason"] or not row["before"]:
            raise ValueError(f"a mutant needs target, function, before, after and reason: {row}")
        found[Change(row["target"], row["function"], row["before"], row["after"])] = row["reason"]
    return found


def stale(listed: Iterable[Change], results: Mapping[Change, str]) -> list[Change]:
    """What the list calls equivalent although it was killed, or does not exist any more."""
    return [change for change in listed if results.get(change) != "survived"]


def table(scores: Sequence[Score]) -> str:
    """As Markdown, with a line for all."""
    lines = [
        "| target | mutants | killed | survived | score | equivalent | branches |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [_row(one) for one in scores]
    if len(scores) > 1:
        lines.append(_row(_sum(scores)))
    return "\n".join(lines)


def _sum(scores: Sequence[Score]) -> Score:
    return Score(
        target="**all**",
        mutants=sum(one.mutants for one in scores),
        killed=sum(one.killed for one in scores),
        equivalent=sum(one.equivalent for one in scores),
        branches=(sum(one.branches[0] for one in scores), sum(one.branches[1] for one in scores)),
        lines_missed=sum(one.lines_missed for one in scores),
    )


def _row(one: Score) -> str:
    taken, all_ = one.branches
    branches = f"{taken}/{all_}" + (f", {one.lines_missed} lines missed" if one.lines_missed else "")
    figures = (one.mutants, one.killed, one.survived, f"{_percent(one)} %", one.equivalent, branches)
    return f"| {one.target} | " + " | ".join(str(figure) for figure in figures) + " |"


def _percent(one: Score) -> str:
    """Rounded down, so that 89.96 does not read as 90.0."""
    return f"{int(one.percent * 10) / 10:.1f}"
