"""All simulated VMs of one simulator: implements `ports.VmRuntime` with real processes on loopback addresses."""

import asyncio
import contextlib
import hashlib
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from localdev.azuresim.vm.addresses import Addresses, NoAddressFree, Reservation
from localdev.azuresim.vm.context import HTTP, HTTPS, SSH, Clock, Tools, Vm, log_to
from localdev.azuresim.vm.disk import Disk
from localdev.azuresim.vm.faults import FaultKind, Faults
from localdev.azuresim.vm.machine import BOOT_S, Machine, MachineSettings, Power
from localdev.azuresim.vm.pace import Pace
from localdev.azuresim.vm.ports import CertificateIssuer, InboundRules, VmSpec
from localdev.azuresim.vm.processes import Processes, is_linux
from shared.onvm.bundle import agent_bytes

HUBS_STARTING = 2
LONGEST_SOCKET_DIRECTORY = 90


class LocalVmRuntime:
    """Virtual machines as processes of this machine, each with a directory ``<state_dir>/<name>``.

    The clock's `time_scale` divides recorded durations (boot, the installer's pace, ACME).  `own_addresses` false puts
    every VM on 127.0.0.1 with shifted ports, as on macOS.  A VM whose disk is still there from an earlier run boots
    from it.  `resolve` gives the address behind a public name that is not Azure's own (a DNS zone of the simulator);
    certificates are issued for it too.  `small_hubs` runs a stand-in of a few calls in place of each JupyterHub.
    """

    def __init__(
        self,
        state_dir: Path,
        hubenv: Path,
        node_modules: Path,
        issue_certificate: CertificateIssuer,
        clock: Clock,
        log: logging.Logger,
        *,
        boot_s: float = BOOT_S,
        agent: Callable[[], bytes] = agent_bytes,
        node: str | None = None,
        environ: Mapping[str, str] | None = None,
        own_addresses: bool | None = None,
        resolve: Callable[[str], str | None] = lambda name: None,
        small_hubs: bool = False,
    ) -> None:
        found_node = node or shutil.which("node") or "node"
        self._vms_dir = state_dir.absolute()
        self._tools = Tools(
            hubenv.absolute(),
            node_modules.absolute(),
            found_node,
            agent,
            dict(os.environ if environ is None else environ),
        )
        self._issue_certificate = issue_certificate
        self._resolve = resolve
        self._clock = clock
        self._log = log_to(log)
        self._pace = Pace(clock.time_scale)
        self._addresses = Addresses(own_addresses=is_linux() if own_addresses is None else own_addresses)
        self._reserved: dict[str, Reservation] = {}
        self._machines: dict[str, Machine] = {}
        self._awaiting_faults: dict[FaultKind, int] = {}
        self._sockets = _socket_directory(self._vms_dir)
        self._settings = MachineSettings(asyncio.Semaphore(HUBS_STARTING), self._sockets, boot_s, small_hubs)
        self._created = 0

    async def reserve_address(self, vm_id: str) -> str:
        """A free address for the VM; the same one when asked again.  Raises `NoAddressFree`."""
        key = _key(vm_id)
        if key not in self._reserved:
            self._reserved[key] = self._addresses.reserve()
        return self._reserved[key].address

    async def create(self, spec: VmSpec, address: str, inbound: InboundRules) -> None:
        """Begin to boot the VM on the address reserved for it (or a given one that is free).

        A VM that exists already stays as it is.
        """
        key = _key(spec.vm_id)
        if key in self._machines:
            return
        reservation = self._reserved.get(key)
        if reservation is None or reservation.address != address:
            if reservation is not None:
                reservation.release()
            reservation = self._reserved[key] = self._addresses.reserve_again(address)
        directory = self._directory(spec)
        directory.mkdir(parents=True, exist_ok=True)
        disk_root = directory / "disk"
        disk_root.mkdir(exist_ok=True)
        disk = Disk(disk_root)
        vm = Vm(
            spec=spec,
            address=reservation.address,
            ports=reservation.ports,
            local_ports=reservation.local_ports,
            directory=directory,
            disk=disk,
            inbound=inbound,
            tools=self._tools,
            pace=self._pace,
            clock=self._clock,
            faults=Faults(disk),
            processes=Processes(self._tools.python),
            issue_certificate=self._issue_certificate,
            resolve=self._resolve,
            log=self._log,
        )
        for kind, times in self._awaiting_faults.items():
            vm.faults.add(kind, times)
        self._created += 1
        machine = self._machines[key] = Machine(vm, self._settings, self._created)
        await machine.power_on()

    async def deallocate(self, vm_id: str) -> None:
        """Kill every process of the VM; its disk and address stay."""
        if machine := self._machines.get(_key(vm_id)):
            await machine.power_off()

    async def start(self, vm_id: str) -> None:
        """Boot the VM from its disk; returns at once."""
        if machine := self._machines.get(_key(vm_id)):
            await machine.power_on()

    async def restart(self, vm_id: str) -> None:
        """Kill every process and boot from the disk."""
        if machine := self._machines.get(_key(vm_id)):
            await machine.restart()

    async def delete(self, vm_id: str) -> None:
        """Kill every process, remove the disk, give the address back."""
        machine = self._machines.pop(_key(vm_id), None)
        if machine is not None:
            await machine.destroy()
        reservation = self._reserved.pop(_key(vm_id), None)
        if reservation is not None:
            reservation.release()

    def endpoints(self, vm_id: str) -> dict[int, tuple[str, int]]:
        """Where ports 22, 80 and 443 of a VM that is on really are; empty while it is off or unknown."""
        machine = self._machines.get(_key(vm_id))
        if machine is None or machine.power is Power.OFF:
            return {}
        return {port: (machine.vm.address, machine.vm.ports[port]) for port in (SSH, HTTP, HTTPS)}

    async def close(self) -> None:
        """Kill every process of every VM; disks stay in the state directory."""
        await asyncio.gather(*(machine.power_off() for machine in self._machines.values()))
        for reservation in self._reserved.values():
            reservation.release()
        self._machines.clear()
        self._reserved.clear()
        with contextlib.suppress(OSError):
            self._sockets.rmdir()

    def machine(self, vm_id: str) -> Machine | None:
        """The VM behind an id, for the simulator's control surface and tests."""
        return self._machines.get(_key(vm_id))

    def inject_fault(self, kind: FaultKind | str, times: int = 1, vm_id: str | None = None) -> None:
        """Let a fault happen the next `times` times (-1: always) on one VM, or on every VM created from now on.

        Raises ValueError for an unknown kind and KeyError for an unknown VM.
        """
        fault = FaultKind(kind)
        if vm_id is None:
            self._awaiting_faults[fault] = times
        else:
            self._machines[_key(vm_id)].vm.faults.add(fault, times)

    def clear_faults(self) -> None:
        """No faults for VMs created from now on."""
        self._awaiting_faults.clear()

    def _directory(self, spec: VmSpec) -> Path:
        """``<state_dir>/<name>``; VMs of the same name in other resource groups get a suffix."""
        name = re.sub(r"[^A-Za-z0-9_-]", "-", spec.name)
        taken = {machine.vm.directory for machine in self._machines.values()}
        plain = self._vms_dir / name
        if plain not in taken:
            return plain
        return self._vms_dir / f"{name}-{hashlib.sha256(_key(spec.vm_id).encode()).hexdigest()[:8]}"


def _socket_directory(vms_dir: Path) -> Path:
    """Beside the VMs where the name is short enough for a unix socket (104 bytes on macOS), else a temporary one."""
    beside = vms_dir / ".sockets"
    if len(str(beside)) > LONGEST_SOCKET_DIRECTORY:
        return Path(tempfile.mkdtemp(prefix="hublet-"))
    beside.mkdir(mode=0o700, parents=True, exist_ok=True)
    return beside


def _key(vm_id: str) -> str:
    """ARM ids are compared without regard to case."""
    return vm_id.lower()


__all__ = ["LocalVmRuntime", "NoAddressFree"]
