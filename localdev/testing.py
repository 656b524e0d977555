"""`./dev test` and `./dev check`."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from localdev import paths
from localdev.lanes import Lane, run_lanes
from localdev.setup import ensure_all

QUICK = ("-q", "-m", "not slow")
"""The inner loop: what takes long in virtual time is left to `./dev test`."""

PACKAGES = paths.ROOT / ".ci" / "packages"


@dataclass(frozen=True)
class SystemPackage:
    """A line of `.ci/packages`: a Debian package, the command that proves it, and the tiers that need it."""

    name: str
    command: str
    tiers: frozenset[str]


def read_packages(text: str) -> list[SystemPackage]:
    """Raises ValueError for a line without `# command: tiers`."""
    packages = []
    for line in text.splitlines():
        name, _, note = line.partition("#")
        if not name.strip():
            continue
        command, colon, tiers = note.partition(":")
        if not colon:
            raise ValueError(f"{PACKAGES}: {line!r} lacks `# command: tiers`")
        packages.append(SystemPackage(name.strip(), command.strip(), frozenset(tiers.split())))
    return packages


def missing_packages(packages: Sequence[SystemPackage], tiers: Sequence[str]) -> list[SystemPackage]:
    return [package for package in packages if package.tiers & set(tiers) and shutil.which(package.command) is None]


TEN_THOUSAND_LIVES = "tests/component/test_simulation.py"
"""Takes as long as all other tests of its tier and the unit tests together."""

LANES = (
    ("e2e", ("e2e",), 0),
    ("contract", ("contract",), 0),
    ("simulated", ("unit", "component"), 19),
)
"""Which tiers run side by side, and how far each steps back. Two lanes wait for real servers most of the time; the
third only computes, in virtual time, and takes what they leave. So does a fourth, `lives`: without it cores would idle
when the servers' tests have ended."""


def run_tests(tiers: Sequence[str], keyword: str | None = None) -> int:
    """pytest over the tiers, in lanes when there is more than one. Fails first, by name, when a system package is
    missing."""
    missing = missing_packages(read_packages(PACKAGES.read_text(encoding="utf-8")), tiers)
    if missing:
        for package in missing:
            print(f"dev: `{package.command}` is missing: install the package {package.name}", file=sys.stderr)
        print(f"dev: apt-get install {' '.join(package.name for package in missing)}", file=sys.stderr)
        return 1
    environment = {**os.environ, "PATH": ensure_all().search_path()}
    lanes = lanes_of(tiers, keyword)
    if len(lanes) == 1:
        return subprocess.run(lanes[0].argv, cwd=paths.ROOT, env=environment, check=False).returncode
    return run_lanes(lanes, cwd=paths.ROOT, environment=environment)


def lanes_of(tiers: Sequence[str], keyword: str | None = None) -> list[Lane]:
    """The lanes that have any of the tiers, each with those alone. One tier by itself is one lane."""
    lanes = []
    for name, all_tiers, nice in LANES:
        wanted = [tier for tier in all_tiers if tier in tiers]
        if "component" in wanted and len(tiers) > 1:
            lanes.append(Lane("lives", _pytest([TEN_THOUSAND_LIVES], keyword), nice))
            lanes.append(Lane(name, (*_pytest(_folders(wanted), keyword), f"--ignore={TEN_THOUSAND_LIVES}"), nice))
        elif wanted:
            lanes.append(Lane(name, _pytest(_folders(wanted), keyword), nice))
    return lanes


def _folders(tiers: Sequence[str]) -> list[str]:
    return [f"tests/{tier}" for tier in tiers]


def _pytest(where: Sequence[str], keyword: str | None = None) -> tuple[str, ...]:
    argv = (sys.executable, "-m", "pytest", *where)
    return (*argv, "-k", keyword) if keyword else argv


@dataclass(frozen=True)
class _Part:
    name: str
    argv: tuple[str, ...]


@dataclass(frozen=True)
class _Result:
    part: _Part
    code: int
    output: str
    took_s: float


_LIVES = ("tests/component/lifecycle", "tests/component/steps")
"""A third of the component tests' time, beside which the rest takes about as long as the unit tests."""


def run_check() -> int:
    """Format, lint, types and the quick tests, two at a time; prints what failed in full, then a line per part."""
    tool_dir = Path(sys.executable).parent
    parts = (  # the longest first, so that two workers end at about the same time
        _Part("component: others", (*_pytest(["tests/component"]), *(f"--ignore={one}" for one in _LIVES), *QUICK)),
        _Part("unit tests", (*_pytest(["tests/unit"]), *QUICK)),
        _Part("component: lives", (*_pytest(_LIVES), *QUICK)),
        _Part("types", (sys.executable, "-m", "mypy")),
        _Part("lint", (str(tool_dir / "ruff"), "check", ".")),
        _Part("format", (str(tool_dir / "ruff"), "format", "--check", ".")),
    )
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(_run_part, parts))
    for result in results:
        if result.code != 0:
            print(f"--- {result.part.name}\n{result.output.rstrip()}\n")
    for result in results:
        print(f"{'ok  ' if result.code == 0 else 'FAIL'}  {result.part.name:<18} {result.took_s:6.1f} s")
    return 1 if any(result.code for result in results) else 0


def _run_part(part: _Part) -> _Result:
    started = time.monotonic()
    done = subprocess.run(
        part.argv, cwd=paths.ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return _Result(part, done.returncode, done.stdout, time.monotonic() - started)
