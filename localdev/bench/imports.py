"""P1: what our app adds to a cold start, above `import azure.functions` that every Python app on Functions pays."""

import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

from localdev import paths
from localdev.bench.report import Report

PROCESSES = 21
TAX_LIMIT_MS = 100.0

FORBIDDEN = (
    "azure.mgmt",
    "azure.storage",
    "azure.data",
    "azure.identity",
    "asyncssh",
    "aiohttp",
    "cryptography",
    "pydantic",
)
"""None of these may be loaded when the functions are listed."""

FORBIDDEN_AFTER_ACCEPT = ("azure.mgmt", "asyncssh")

_FLOOR = "import azure.functions"
_LIST = "import function_app; function_app.app.get_functions()"
_MODULES = f"{_LIST}; import sys; print(*sys.modules)"


@dataclass(frozen=True, slots=True)
class _Took:
    """One process, milliseconds. A busy machine stretches the wall time, hardly the processor time."""

    wall: float
    cpu: float
    printed: str


def measure() -> Report:
    """Fresh processes in turn, so that a busy moment of the machine meets both kinds."""
    for code in (_FLOOR, _LIST):
        _run(code)  # writes bytecode
    floor, ours = [], []
    for _ in range(PROCESSES):
        floor.append(_run(_FLOOR))
        ours.append(_run(_LIST))
    report = Report(f"P1 import tax ({PROCESSES} fresh processes each, in turn; the whole process, min / median)")
    for name, took in (("import azure.functions", floor), ("function_app + list functions", ours)):
        for kind in ("wall", "cpu"):
            times = _of(took, kind)
            report.add(f"{name}, {kind}", f"{min(times):.0f} / {statistics.median(times):.0f} ms")
    for kind in ("wall", "cpu"):
        ones, others = _of(ours, kind), _of(floor, kind)
        report.at_most(f"tax, {kind} (difference of minima)", round(min(ones) - min(others)), TAX_LIMIT_MS, " ms")
        medians = statistics.median(ones), statistics.median(others)
        report.add("  difference of medians", f"{medians[0] - medians[1]:.0f} ms")
        report.add("  ratio of minima / medians", f"{min(ones) / min(others):.2f} / {medians[0] / medians[1]:.2f}")
    found = loaded(_run(_MODULES).printed.split(), FORBIDDEN)
    report.at_most("forbidden modules loaded", len(found), 0, exact=True)
    for name in found:
        report.note(f"  loaded: {name}")
    return report


def _of(took: list[_Took], kind: str) -> list[float]:
    return [one.wall if kind == "wall" else one.cpu for one in took]


def loaded(modules: list[str], packages: tuple[str, ...]) -> list[str]:
    """The packages of that list that are among the modules."""
    return [name for name in packages if any(f"{module}.".startswith(f"{name}.") for module in modules)]


def _run(code: str) -> _Took:
    """No setting is in the environment: listing must work without."""
    before, began = _children_cpu_s(), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=paths.ROOT, env={"PATH": ""}, capture_output=True, text=True, check=True
    )
    wall = time.perf_counter() - began
    return _Took(wall * 1000, (_children_cpu_s() - before) * 1000, done.stdout)


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
