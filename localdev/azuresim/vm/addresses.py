"""Gives each simulated VM an address of its own on the loopback network.

On Linux all of 127.0.0.0/8 is local, so a VM gets 127.77.x.y and its real ports.  A port that cannot be had there
(no privilege, or something listens on every address) is shifted by 20000.  Where only 127.0.0.1 exists (macOS) every
port is a free one of the one address.

An address is claimed by binding one fixed port of it and holding that socket, so simulators running side by side never
share one.
"""

import contextlib
import errno
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from localdev.azuresim.vm.context import HTTP, HTTPS, HUB_API, PROXY_API, SSH
from localdev.azuresim.vm.ports import EGRESS_ADDRESS
from localdev.ports import unused_port, unused_ports

CLAIM_PORT = 27077
SHIFT = 20_000
LOCAL_SHIFT = 10_000
"""The web ports as the VM itself sees them: no security rule applies there."""
VM_PORTS = (SSH, HTTP, HTTPS)
INNER_PORTS = (HUB_API, PROXY_API)
SHARED = "127.0.0.1"


class NoAddressFree(Exception):
    """All 65,024 addresses are taken."""


@dataclass(frozen=True)
class Reservation:
    """An address that is one VM's until released."""

    address: str
    ports: Mapping[int, int]
    """VM port -> port to bind on the address, for the world."""
    local_ports: Mapping[int, int]
    """VM port -> port to bind on the address, for the VM itself."""
    claim: socket.socket | None

    def release(self) -> None:
        """Give the address back."""
        if self.claim is not None:
            self.claim.close()


def candidates() -> Iterator[str]:
    """127.77.1.1 ... 127.77.255.254, and the reserved control-plane address never."""
    for third in range(1, 256):
        for fourth in range(1, 255):
            address = f"127.77.{third}.{fourth}"
            if address != EGRESS_ADDRESS:
                yield address


class Addresses:
    """Hands out addresses, going round so that one just given back is not reused at once."""

    def __init__(self, *, own_addresses: bool) -> None:
        self._own = own_addresses
        self._next = candidates()

    def reserve(self) -> Reservation:
        """Claim a free address.  Raises `NoAddressFree`."""
        if not self._own:
            free = iter(unused_ports(2 * len(VM_PORTS) + len(INNER_PORTS), SHARED))
            ports = {port: next(free) for port in VM_PORTS}
            local = {port: next(free) for port in (*VM_PORTS, *INNER_PORTS)}
            return Reservation(SHARED, ports, local, None)
        for _ in range(2):
            for address in self._next:
                claim = _claim(address)
                if claim is not None:
                    return _reservation(address, claim)
            self._next = candidates()
        raise NoAddressFree

    def reserve_again(self, address: str) -> Reservation:
        """Claim a given address, as a simulator does that finds VMs of an earlier run.  Raises `NoAddressFree`."""
        if not self._own or address == SHARED:
            return self.reserve()
        claim = _claim(address)
        if claim is None:
            raise NoAddressFree
        return _reservation(address, claim)


def listening_socket(address: str, port: int) -> socket.socket:
    """A non-blocking socket that listens; OSError when the port cannot be had."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.listen(128)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _claim(address: str) -> socket.socket | None:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Without SO_REUSEADDR: two such sockets could otherwise both be bound as long as neither listens.
        sock.bind((address, CLAIM_PORT))
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRNOTAVAIL:
            raise
        return None
    return sock


def _reservation(address: str, claim: socket.socket) -> Reservation:
    ports = {port: _usable(address, port, port + SHIFT) for port in VM_PORTS}
    local = {port: _usable(address, port + LOCAL_SHIFT) for port in VM_PORTS}
    local |= {port: _usable(address, port) for port in INNER_PORTS}
    return Reservation(address, ports, local, claim)


def _usable(address: str, *ports: int) -> int:
    for wanted in ports:
        with contextlib.suppress(OSError):
            listening_socket(address, wanted).close()
            return wanted
    return unused_port(address)
