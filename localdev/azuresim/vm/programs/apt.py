"""``apt-get`` and ``apt`` on a simulated VM: packages are recorded on its disk, nothing is downloaded."""

import re

from localdev.azuresim.vm.callgate import Call
from localdev.azuresim.vm.context import Vm
from localdev.azuresim.vm.faults import FaultKind

HISTORY = "/var/log/apt/history.log"
STATUS = "/var/lib/dpkg/status"
PACKAGE = re.compile(r"[a-z0-9][a-z0-9.+-]+")
WITH_VALUE = {"-o", "--option", "-t", "--target-release", "-c", "--config-file"}
FAILED = 100


def installed(vm: Vm) -> list[str]:
    """The packages recorded as installed, sorted."""
    return sorted(re.findall(r"^Package: (.+)$", vm.disk.text(STATUS), re.MULTILINE))


class Apt:
    """apt for one VM."""

    def __init__(self, vm: Vm) -> None:
        self._vm = vm

    async def __call__(self, call: Call) -> int:
        """``update``, ``install``, ``remove``, ``upgrade`` and the like; 100 on failure as apt does."""
        words = _operands(call.arguments)
        if not words:
            call.err("E: Invalid operation\n")
            return FAILED
        verb, packages = words[0], words[1:]
        if verb in ("update", "upgrade", "dist-upgrade", "clean", "autoclean", "autoremove", "check"):
            call.out("Reading package lists... Done\n")
            return 0
        if verb not in ("install", "remove", "purge"):
            call.err(f"E: Invalid operation {verb}\n")
            return FAILED
        if self._vm.faults.take(FaultKind.APT_INSTALL):
            call.err(
                "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1187 (unattended-upgr)\n"
                "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), "
                "is another process using it?\n"
            )
            return FAILED
        for package in packages:
            if not PACKAGE.fullmatch(package.partition("=")[0]):
                call.err(f"E: Unable to locate package {package}\n")
                return FAILED
        self._record(verb, packages, call)
        return 0

    def _record(self, verb: str, packages: list[str], call: Call) -> None:
        before = set(installed(self._vm))
        named = {package.partition("=")[0] for package in packages}
        after = before | named if verb == "install" else before - named
        changed = sorted(after ^ before)
        call.out("Reading package lists... Done\nBuilding dependency tree... Done\n")
        call.out(f"{len(after - before)} newly installed, {len(before - after)} to remove and 0 not upgraded.\n")
        if not changed:
            return
        entries = (f"Package: {name}\nStatus: install ok installed\n\n" for name in sorted(after))
        self._vm.disk.write(STATUS, "".join(entries))
        stamp = self._vm.clock.now().strftime("%Y-%m-%d  %H:%M:%S")
        title = "Install" if verb == "install" else "Remove"
        self._vm.disk.append(
            HISTORY,
            f"\nStart-Date: {stamp}\nCommandline: {' '.join(call.argv)}\n"
            f"{title}: {', '.join(changed)}\nEnd-Date: {stamp}\n",
            0o644,
        )


def _operands(arguments: tuple[str, ...]) -> list[str]:
    found, skip = [], False
    for word in arguments:
        if skip:
            skip = False
        elif word in WITH_VALUE:
            skip = True
        elif not word.startswith("-"):
            found.append(word)
    return found
