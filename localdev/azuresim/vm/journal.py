"""The journal of a simulated VM: one file per unit under ``/var/log/journal``, written by the unit's own processes."""

from localdev.azuresim.vm.context import Vm

LIMIT = 1_000_000


def file_of(unit: str) -> str:
    """The VM path of the unit's journal."""
    return f"/var/log/journal/{unit}.log"


def note(vm: Vm, unit: str, line: str) -> None:
    """Add a line as systemd or the unit would."""
    stamp = vm.clock.now().strftime("%Y-%m-%dT%H:%M:%S+0000")
    vm.disk.append(file_of(unit), f"{stamp} {vm.spec.name} systemd[1]: {line}\n")


def tail(vm: Vm, unit: str, lines: int | None = None) -> str:
    """The last `lines` lines (at most a megabyte is looked at)."""
    path = vm.disk.path(file_of(unit))
    if not path.exists():
        return "-- No entries --\n"
    with path.open("rb") as source:
        source.seek(max(0, path.stat().st_size - LIMIT))
        text = source.read().decode(errors="replace")
    kept = text.splitlines()
    return "".join(f"{line}\n" for line in (kept if lines is None else kept[-lines:] if lines else []))
