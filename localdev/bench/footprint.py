"""What the local environment needs: memory without hubs, and how long `./dev up --once` takes.

Not part of the default run: it takes minutes. A `./dev up` that runs already does not mind, but it is measured along.
"""

import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from localdev import paths, setup
from localdev.bench.report import Report
from localdev.processes import Child, Children
from localdev.stack import start_stack

IDLE_LIMIT_MB = 600
ONCE_LIMIT_S = 120
BARE_LIMIT_S = 480
_SETTLE_S = 20.0
"""After this long every timer has run once and every import that an idle host makes is made."""


def measure(runs: int, *, bare: bool) -> Report:
    report = Report("Local environment")
    _idle_memory(report)
    _once(report, runs)
    if bare:
        _bare(report)
    return report


class _Listed(Children):
    """Children that can be told one by one."""

    def __init__(self, log_dir: Path) -> None:
        super().__init__(log_dir)
        self.started: list[Child] = []

    def start(
        self, name: str, argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Child:
        child = super().start(name, argv, cwd=cwd, env=env)
        self.started.append(child)
        return child


def _idle_memory(report: Report) -> None:
    """Resident memory of the processes that `./dev up` starts, without a hub. Linux only."""
    node = setup.ensure_all()
    with tempfile.TemporaryDirectory(prefix="hublet-bench-up-") as name, _Listed(Path(name)) as children:
        start_stack(children, node, Path(name) / "data")
        time.sleep(_SETTLE_S)
        dead = children.first_dead()
        if dead is not None:
            raise dead.failure("ended while its memory was to be measured")
        sizes = {child.name: resident_mb(child) for child in children.started}
    for name, size in sizes.items():
        report.add(f"idle memory: {name}", f"{size:.0f} MB")
    report.at_most("idle memory in all", round(sum(sizes.values())), IDLE_LIMIT_MB, " MB")


def resident_mb(child: Child) -> float:
    """Of the child and of everything in its process group."""
    return sum(_resident_kb(each) for each in Path("/proc").glob("[0-9]*") if _group(each) == child.process.pid) / 1024


def _group(process: Path) -> int | None:
    try:
        # the name in brackets may hold anything; behind it: state, parent, group
        return int((process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[2])
    except (OSError, ValueError, IndexError):
        return None  # it ended meanwhile


def _resident_kb(process: Path) -> int:
    try:
        lines = (process / "status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def _once(report: Report, runs: int) -> None:
    with tempfile.TemporaryDirectory(prefix="hublet-bench-state-") as state:
        took = [_up_once(paths.ROOT, "--state-dir", state) for _ in range(runs)]
    report.at_most(f"./dev up --once, installed (median of {runs})", round(statistics.median(took)), ONCE_LIMIT_S, " s")
    report.add("  each run", ", ".join(f"{seconds:.0f} s" for seconds in took))


def _bare(report: Report) -> None:
    """A fresh clone of what is committed: installs everything."""
    with tempfile.TemporaryDirectory(prefix="hublet-bench-bare-") as name:
        clone = Path(name) / "clone"
        git = shutil.which("git") or "git"
        subprocess.run([git, "clone", "--quiet", str(paths.ROOT), str(clone)], check=True)
        report.at_most("./dev up --once from a fresh clone", round(_up_once(clone)), BARE_LIMIT_S, " s")


def _up_once(checkout: Path, *options: str) -> float:
    """Raises CalledProcessError when the hub does not become ready."""
    began = time.monotonic()
    subprocess.run([str(checkout / "dev"), "up", "--once", *options], cwd=checkout, capture_output=True, check=True)
    return time.monotonic() - began
