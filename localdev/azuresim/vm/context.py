"""What the parts of one simulated VM share."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from localdev.azuresim.vm.disk import Disk
from localdev.azuresim.vm.faults import Faults
from localdev.azuresim.vm.pace import Pace
from localdev.azuresim.vm.ports import CertificateIssuer, InboundRules, VmSpec
from localdev.azuresim.vm.processes import Processes

SSH, HTTP, HTTPS, HUB_API, PROXY_API = 22, 80, 443, 15001, 8099
INTERNET_PEER = "198.51.100.7"
"""Stands for any host of the Internet when a rule is asked (RFC 5737, never a real one)."""


class Clock(Protocol):
    """What a VM asks of the simulator's clock."""

    @property
    def time_scale(self) -> float:
        """How many recorded seconds pass in one."""
        ...

    def now(self) -> datetime:
        """The present moment, aware, UTC."""
        ...

    def wall(self) -> datetime:
        """The present moment for those who know nothing of the simulator's offset."""
        ...


class Log(Protocol):
    """A constant event and its fields."""

    def __call__(self, event: str, /, **fields: object) -> None: ...


def log_to(logger: logging.Logger) -> Log:
    """Events as lines of a logger."""

    def say(event: str, /, **fields: object) -> None:
        logger.info("%s %s", event, " ".join(f"{name}={value}" for name, value in fields.items()))

    return say


@dataclass(frozen=True)
class Tools:
    """Where the simulator finds the programs it runs for VMs."""

    hubenv: Path
    """Virtual environment with JupyterHub and JupyterLab."""
    node_modules: Path
    """Holds configurable-http-proxy."""
    node: str
    """The node program."""
    agent: Callable[[], bytes]
    """Content of the only agent file a VM may run."""
    environ: Mapping[str, str]
    """The simulator's own environment; package index settings for pip are taken from it."""

    @property
    def python(self) -> Path:
        """The interpreter VMs run."""
        return self.hubenv / "bin" / "python"


@dataclass(frozen=True)
class Vm:
    """One virtual machine as its programs see it."""

    spec: VmSpec
    address: str
    ports: Mapping[int, int]
    """VM port -> port really bound on `address` for the world, behind the security rules."""
    local_ports: Mapping[int, int]
    """VM port -> port really bound on `address` for the VM itself: its loopback, where no security rule applies."""
    directory: Path
    """The VM's own directory beside its disk: programs on its PATH, sockets, proxy files."""
    disk: Disk
    inbound: InboundRules
    tools: Tools
    pace: Pace
    clock: Clock
    faults: Faults
    processes: Processes
    issue_certificate: CertificateIssuer
    resolve: Callable[[str], str | None]
    """The address a public name stands for, beside the VM's own name."""
    log: Log

    @property
    def bin(self) -> Path:
        """The directory that is the whole PATH of programs on the VM."""
        return self.directory / "bin"

    def environment(self) -> dict[str, str]:
        """The environment of programs on the VM, exactly."""
        moved = {str(port): real for port, real in self.local_ports.items() if port != real}
        text = ", ".join(f'"{port}": {real}' for port, real in sorted(moved.items()))
        return {
            "HUBLET_ROOT": str(self.disk.root),
            "HUBLET_LOOPBACK": self.address,
            "HUBLET_PORTS": f"{{{text}}}",
            "PATH": str(self.bin),
            "HOME": str(self.disk.root / "root"),
            "LANG": "C.UTF-8",
        }


type Words = Sequence[str]
type Writer = Callable[[bytes], None]
