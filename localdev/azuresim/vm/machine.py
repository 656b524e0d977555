"""One simulated virtual machine: its disk, its processes and its three states.

``booting`` -> ``running`` -> ``off``, and from ``off`` to ``booting`` again with the same disk.
"""

import asyncio
import shutil
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from localdev.azuresim.vm import accounts, journal
from localdev.azuresim.vm.callgate import CallGate, Program
from localdev.azuresim.vm.cloudinit import CloudInit
from localdev.azuresim.vm.commands import Commands
from localdev.azuresim.vm.context import Vm
from localdev.azuresim.vm.hub import HubUnit
from localdev.azuresim.vm.installer import Installer
from localdev.azuresim.vm.processes import MachineOff
from localdev.azuresim.vm.programs.apt import Apt
from localdev.azuresim.vm.programs.curl import Curl
from localdev.azuresim.vm.programs.system import Pkill, SshKeygen, Useradd, Userdel
from localdev.azuresim.vm.programs.systemctl import Journalctl, Systemctl
from localdev.azuresim.vm.programs.tljh_config import TljhConfig
from localdev.azuresim.vm.proxy import ProxyUnit
from localdev.azuresim.vm.sshd import SshUnit
from localdev.azuresim.vm.units import IdleUnit, UnitFailed, Units

BOOT_S = 12.0
"""From the VM's creation to its SSH server; about 15 s for Ubuntu 22.04 on Azure, of which ARM's part is not ours
(github.com/confidential-containers/cloud-api-adaptor issue 1315)."""
APT_UNITS = ("apt-daily.timer", "apt-daily-upgrade.timer", "apt-daily", "apt-daily-upgrade", "unattended-upgrades")


class Power(StrEnum):
    """What the VM is doing."""

    BOOTING = "booting"
    RUNNING = "running"
    OFF = "off"


@dataclass(frozen=True)
class MachineSettings:
    """What is the same for every VM of a simulator."""

    start_slots: asyncio.Semaphore
    sockets: Path
    """Directory with a short name, for unix sockets (their names are limited to about 100 bytes)."""
    boot_s: float = BOOT_S
    small_hubs: bool = False
    """A small stand-in instead of JupyterHub."""


class Machine:
    """One VM from power on to deletion."""

    def __init__(self, vm: Vm, settings: MachineSettings, number: int) -> None:
        self._vm = vm
        self._settings = settings
        self._booting: asyncio.Task[None] | None = None
        self._power = Power.OFF
        self._up_since = 0.0
        self._lock = asyncio.Lock()
        programs: dict[str, Program] = {}
        self.units = self._make_units(programs)
        programs.update(self._programs(self.units))
        self._gate = CallGate(settings.sockets / f"{number}.sock", vm.bin, vm.tools.python, programs)

    @property
    def vm(self) -> Vm:
        """What the VM's parts share."""
        return self._vm

    @property
    def power(self) -> Power:
        """The state."""
        return self._power

    def uptime(self) -> float:
        """Seconds since power on."""
        return asyncio.get_running_loop().time() - self._up_since

    async def power_on(self) -> None:
        """Begin to boot and return.  A VM that is on stays as it is."""
        async with self._lock:
            if self._power is not Power.OFF:
                return
            self._power = Power.BOOTING
            self._up_since = asyncio.get_running_loop().time()
            self._booting = asyncio.create_task(self._boot())

    async def power_off(self) -> None:
        """Kill everything; the disk stays.  A VM that is off stays as it is."""
        async with self._lock:
            if self._booting is not None:
                self._booting.cancel()
                await asyncio.gather(self._booting, return_exceptions=True)
                self._booting = None
            self._power = Power.OFF
            await self._vm.processes.power_off()
            await self._gate.close()
            await self.units.power_off()

    async def restart(self) -> None:
        """Off and on again."""
        await self.power_off()
        await self.power_on()

    async def destroy(self) -> None:
        """Off for good; the VM's whole directory goes."""
        await self.power_off()
        await asyncio.to_thread(shutil.rmtree, self._vm.directory, ignore_errors=True)

    async def settled(self) -> None:
        """Wait until the boot, cloud-init's last stage included, is over.  For tests."""
        if self._booting is not None:
            await asyncio.wait([self._booting])

    async def _boot(self) -> None:
        vm = self._vm
        try:
            await vm.pace.wait(self._settings.boot_s)
            self._prepare_disk()
            await vm.processes.power_on()
            await self._gate.open()
            cloud_init = CloudInit(vm, self.uptime)
            first = cloud_init.is_first_boot
            if first:
                cloud_init.init_stage()
            await self._start_ssh()
            self._power = Power.RUNNING
            vm.log("vm_running", vm=vm.spec.name, address=vm.address, first_boot=first)
            await self.units.boot()
            if first:
                await cloud_init.final_stage()
            else:
                cloud_init.later_boot()
        except MachineOff:
            return
        except UnitFailed as failed:
            vm.log("vm_unit_failed", vm=vm.spec.name, reason=str(failed))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # A VM that cannot boot must not take the simulator with it; the journal keeps the cause.
            vm.log("vm_boot_failed", vm=vm.spec.name, error=repr(error))
            journal.note(vm, "kernel", "".join(traceback.format_exception(error)))

    async def _start_ssh(self) -> None:
        """An SSH server without a readable host key does not start; the rest of the boot goes on."""
        unit = self.units.find("ssh")
        assert unit is not None
        try:
            await self.units.start(unit)
        except UnitFailed as failed:
            journal.note(self._vm, "ssh", str(failed))

    def _prepare_disk(self) -> None:
        """The image's own files, and an empty /run and /tmp as after every boot."""
        vm = self._vm
        disk = vm.disk
        for volatile in ("run", "tmp"):
            shutil.rmtree(disk.root / volatile, ignore_errors=True)
        for directory in ("run", "tmp", "root", "home", "etc", "usr/bin", "var/log", "var/lib"):
            disk.directory(f"/{directory}", 0o700 if directory == "root" else 0o755)
        if not disk.exists(accounts.PASSWD):
            disk.write(accounts.PASSWD, accounts.ROOT.line())
            disk.write("/etc/hostname", f"{vm.spec.name}\n")
            disk.write(
                "/etc/os-release", 'NAME="Ubuntu"\nVERSION_ID="22.04"\nID=ubuntu\nPRETTY_NAME="Ubuntu 22.04 LTS"\n'
            )

    def _make_units(self, programs: Mapping[str, Program]) -> Units:
        idle = [IdleUnit(name, active=name.endswith(".timer")) for name in APT_UNITS]
        hub = HubUnit(self._vm, self._settings.start_slots, small=self._settings.small_hubs)
        proxy = ProxyUnit(self._vm)
        ssh = SshUnit(self._vm, Commands(self._vm, programs, self.uptime))
        return Units(self._vm.disk, [ssh, proxy, hub, *idle])

    def _programs(self, units: Units) -> Mapping[str, Program]:
        vm = self._vm
        apt = Apt(vm)
        return {
            "curl": Curl(vm),
            "apt-get": apt,
            "apt": apt,
            "systemctl": Systemctl(vm, units),
            "journalctl": Journalctl(vm),
            "tljh-config": TljhConfig(vm, units),
            "tljh-bootstrap": Installer(vm, units),
            "ssh-keygen": SshKeygen(vm),
            "useradd": Useradd(vm),
            "userdel": Userdel(vm),
            "pkill": Pkill(),
        }
