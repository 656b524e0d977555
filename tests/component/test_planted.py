"""The net holds: for each invariant a bug is planted (`tests/planted/*.patch`), and the simulation must see it.

Each patch is applied to a copy of the code, and the copy lives up to so many seeds in an interpreter of its own."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from localdev.paths import ROOT

pytestmark = pytest.mark.slow

PLANTED = ROOT / "tests" / "planted"
INVARIANTS = frozenset(f"I{number}" for number in range(1, 11))

HUNT = """
import json, sys
from tests.sim.plan import draw, only
from tests.sim.run import simulate

names = json.loads(sys.argv[1])
for seed in range(1, 61):
    outcome = simulate(only(seed, *names, strength=2.0) if names else draw(seed))
    found = sorted({violation.split(":")[0] for violation in outcome.violations})
    if sys.argv[2] in found:
        print(json.dumps({"seed": seed, "found": found, "first": outcome.violations[0]}))
        break
"""

FAULTS: dict[str, tuple[str, ...]] = {
    "i3-late-writes-are-not-waited-for": ("azure-late", "azure-stale", "flip"),
    "i6-powered-off-counts-as-stopped": ("portal", "flip"),
    "i7-no-deadline": ("machine-dead", "installer-hangs"),
    "i9-given-up-too-soon": ("sink", "sink-slow"),
    "i9-notice-removed-before-it-is-delivered": ("kill-before", "kill-after", "sink"),
    "i9-targets-wait-for-each-other": ("sink", "sink-slow"),
    "i9-who-took-it-is-asked-again": ("sink", "sink-slow"),
}
"""Which faults bring a bug to light soonest; the others are hunted in the ordinary mixtures."""


@dataclass(frozen=True)
class Planted:
    """`invariant`: the one it breaks; the patch's first line says how."""

    name: str
    invariant: str
    patch: Path


def planted() -> list[Planted]:
    found = []
    for patch in sorted(PLANTED.glob("*.patch")):
        invariant, colon, _ = patch.read_text(encoding="utf-8").splitlines()[0].partition(":")
        assert colon, f"{patch.name} does not begin with the invariant it breaks"
        found.append(Planted(patch.stem, invariant, patch))
    return found


def a_copy(folder: Path) -> Path:
    """What the simulation needs of the code, without a line of the rest."""
    for name in ("shared", "tests/sim", "tests/support", "localdev", "host.json"):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("node_modules", "__pycache__", "data"))
        else:
            shutil.copy(source, target)
    (folder / "tests" / "__init__.py").touch()
    return folder


def hunt(folder: Path, invariant: str, faults: tuple[str, ...] = ()) -> dict[str, object] | None:
    """The first seed that breaks the invariant there, or None."""
    argv = [sys.executable, "-c", HUNT, json.dumps(faults), invariant]
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    found: dict[str, object] | None = json.loads(run.stdout) if run.stdout.strip() else None
    return found


def test_every_invariant_has_a_planted_bug():
    assert {one.invariant for one in planted()} == INVARIANTS
    assert all("\n@@ " in one.patch.read_text(encoding="utf-8") for one in planted()), "a patch that changes nothing"


@pytest.mark.parametrize("bug", planted(), ids=lambda bug: bug.name)
def test_the_simulation_sees_the_planted_bug(bug: Planted, tmp_path: Path):
    folder = a_copy(tmp_path)
    subprocess.run(["git", "apply", "--verbose", str(bug.patch)], cwd=folder, check=True, capture_output=True)
    found = hunt(folder, bug.invariant, FAULTS.get(bug.name, ()))
    assert found is not None, f"no seed saw that {bug.patch.read_text(encoding='utf-8').splitlines()[0]}"


def test_the_same_hunt_finds_nothing_in_the_code_as_it_is(tmp_path: Path):
    folder = a_copy(tmp_path)
    for faults in {(), *FAULTS.values()}:
        run = HUNT.replace("range(1, 61)", "range(1, 11)").replace("sys.argv[2] in found", "found")
        argv = [sys.executable, "-c", run, json.dumps(faults), "-"]
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == ""
