"""The seam between the simulated Resource Manager and whatever plays the virtual machines.

The ARM side knows resources, operations and security rules; the runtime side knows processes and disks.  They meet
in the few types below and nowhere else, so a contract test can run ARM with :class:`NullVmRuntime` and a benchmark can
drive hundreds of hubs without starting a process.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

#: The control plane of the local setup connects from this address; people come from 127.0.0.1.
EGRESS_ADDRESS = "127.77.0.2"


@dataclass(frozen=True)
class IssuedCertificate:
    """A server certificate from the simulator's own CA, leaf first and the CA behind it, with its private key."""

    cert_pem: bytes
    key_pem: bytes


#: Issues a certificate that is valid for every name (or IP address) given.
type CertificateIssuer = Callable[[Sequence[str]], IssuedCertificate]


@dataclass(frozen=True)
class VmSpec:
    """What ARM knows about a virtual machine at the moment its create operation succeeds."""

    vm_id: str
    """ARM resource id; the key of every later call."""
    name: str
    region: str
    size: str
    admin_username: str
    ssh_public_keys: tuple[str, ...]
    """``keyData`` of ``osProfile.linuxConfiguration.ssh.publicKeys``."""
    custom_data: bytes
    """``osProfile.customData``, decoded."""
    fqdn: str | None
    """DNS name of the public address, when a label was asked for."""


class InboundRules(Protocol):
    """The security rules in force for one VM, looked up at every call: a later NSG PUT takes effect at once."""

    def allows(self, source_ip: str, port: int) -> bool:
        """Whether a TCP connection from `source_ip` to `port` of the VM is let in."""
        ...


class VmRuntime(Protocol):
    """Plays the virtual machines.

    Every call names the VM by its ARM id, in the spelling given to :meth:`create`.  `deallocate`, `start`, `restart`
    and `delete` of an unknown VM do nothing, so ARM may repeat them.
    """

    async def reserve_address(self, vm_id: str) -> str:
        """Set a free loopback address (127.77.x.y, found by binding it) aside for the VM and return it.

        Called when the public IP gets its address, before :meth:`create`; again for the same VM gives the same one.
        """
        ...

    async def create(self, spec: VmSpec, address: str, inbound: InboundRules) -> None:
        """Begin booting the VM on `address`; returns at once."""
        ...

    async def deallocate(self, vm_id: str) -> None:
        """Kill every process of the VM and keep its disk."""
        ...

    async def start(self, vm_id: str) -> None:
        """Boot the VM again from its disk; returns at once."""
        ...

    async def restart(self, vm_id: str) -> None:
        """Kill every process and boot from the disk; returns at once."""
        ...

    async def delete(self, vm_id: str) -> None:
        """Kill every process, remove the disk and give the address back."""
        ...

    def endpoints(self, vm_id: str) -> dict[int, tuple[str, int]]:
        """Where the VM's ports really listen: VM port to (address, port); empty while it is off or unknown."""
        ...

    async def close(self) -> None:
        """Stop everything this runtime started."""
        ...


class NullVmRuntime:
    """Virtual machines that are records only: addresses are handed out, nothing listens on them."""

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}
        self._given = 0
        self._running: set[str] = set()

    async def reserve_address(self, vm_id: str) -> str:
        """Count upwards through 127.77.1.1 ... 127.77.255.254; nothing is bound."""
        if vm_id not in self._addresses:
            self._given += 1
            third, fourth = divmod(self._given - 1, 254)
            self._addresses[vm_id] = f"127.77.{1 + third % 255}.{1 + fourth}"
        return self._addresses[vm_id]

    async def create(self, spec: VmSpec, address: str, inbound: InboundRules) -> None:
        """Remember that the VM runs."""
        self._addresses[spec.vm_id] = address
        self._running.add(spec.vm_id)

    async def deallocate(self, vm_id: str) -> None:
        """Remember that the VM is off."""
        self._running.discard(vm_id)

    async def start(self, vm_id: str) -> None:
        """Remember that the VM runs, if it exists."""
        if vm_id in self._addresses:
            self._running.add(vm_id)

    async def restart(self, vm_id: str) -> None:
        """Nothing to do: a record that runs keeps running."""

    async def delete(self, vm_id: str) -> None:
        """Forget the VM."""
        self._running.discard(vm_id)
        self._addresses.pop(vm_id, None)

    def endpoints(self, vm_id: str) -> dict[int, tuple[str, int]]:
        """The unshifted ports of a running VM, though nothing listens there."""
        if vm_id not in self._running:
            return {}
        return {port: (self._addresses[vm_id], port) for port in (22, 80, 443)}

    async def close(self) -> None:
        """Forget everything."""
        self._addresses.clear()
        self._running.clear()
