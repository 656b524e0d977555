"""Faults a simulated VM can be told to have; kept on its disk in ``/etc/hublet-sim/faults.json``.

The file is ``{"<kind>": <times left>}``; a negative number never runs out.
"""

import json
from enum import StrEnum

from localdev.azuresim.vm.disk import Disk

FILE = "/etc/hublet-sim/faults.json"
FOREVER = -1


class FaultKind(StrEnum):
    """What can go wrong on a VM, each the way it was recorded or documented."""

    APT_LOCK = "apt-lock"
    """The installer's apt-get finds the lock held (exit 100)."""
    APT_UNREACHABLE = "apt-unreachable"
    """The installer's package sources do not answer (recorded)."""
    PIP_SPEC = "pip-spec"
    """The installer cannot install TLJH's package (recorded)."""
    VERSION = "version"
    """The installer does not know the version asked for (recorded)."""
    GITHUB = "github"
    """``git ls-remote`` cannot reach GitHub: the log stops at "Upgrading pip..."."""
    DISK_FULL = "disk-full"
    """pip finds no space left in the installer stage."""
    KILLED = "killed"
    """The kernel kills the installer for want of memory (exit -9)."""
    HANG = "hang"
    """The installer goes silent in its user environment and never ends."""
    HUB_CRASH = "hub-crash"
    """"Done!" and exit code 0, but the hub refuses the admin's name and crash-loops (recorded)."""
    NETWORK = "network"
    """Nothing outside resolves: curl exits 6."""
    HTTPS_REFUSED = "https-refused"
    """The certificate authority refuses: the default certificate stays."""
    APT_INSTALL = "apt-install"
    """``apt-get install`` of the agent fails with exit 100."""
    RELOAD_HANG = "reload-hang"
    """``tljh-config reload`` never ends."""
    SSH_REFUSED = "ssh-refused"
    """Connections to port 22 are closed at accept."""
    SSH_SILENT = "ssh-silent"
    """Connections to port 22 are accepted and stay silent (half-open)."""
    SSH_WRONG_KEY = "ssh-wrong-key"
    """The SSH server shows another host key than the one it was given."""
    AGENT_LOST = "agent-lost"
    """The SSH session of the on-VM agent dies with signal 9 before it answers."""


INSTALL_FAULTS = (
    FaultKind.APT_LOCK,
    FaultKind.APT_UNREACHABLE,
    FaultKind.PIP_SPEC,
    FaultKind.VERSION,
    FaultKind.GITHUB,
    FaultKind.DISK_FULL,
    FaultKind.KILLED,
    FaultKind.HANG,
    FaultKind.HUB_CRASH,
)


class Faults:
    """The faults of one VM."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def left(self) -> dict[str, int]:
        """How often each fault will still happen."""
        try:
            found = json.loads(self._disk.text(FILE, "{}"))
        except ValueError:
            return {}
        return {str(kind): int(times) for kind, times in found.items()} if isinstance(found, dict) else {}

    def add(self, kind: FaultKind, times: int = 1) -> None:
        """Let the fault happen the next `times` times (FOREVER: always; 0: no more)."""
        self._save({**self.left(), kind: times})

    def has(self, kind: FaultKind) -> bool:
        """Whether the fault would happen now, without using it up."""
        return self.left().get(kind, 0) != 0

    def take(self, kind: FaultKind) -> bool:
        """Whether the fault happens now; uses up one of its times."""
        left = self.left()
        times = left.get(kind, 0)
        if times == 0:
            return False
        if times > 0:
            self._save({**left, kind: times - 1})
        return True

    def _save(self, left: dict[str, int]) -> None:
        kept = {kind: times for kind, times in left.items() if times != 0}
        self._disk.write(FILE, json.dumps(kept, sort_keys=True), 0o600)
