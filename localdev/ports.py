"""Ports of this machine for servers that cannot say afterwards which one they took.

A server that can binds port 0 and reports. The others need a number beforehand, and between the choice and their bind
anybody may take it. What takes ports by the thousand is outgoing connections, so the choice is made where the system
never puts those: below 32768 on Linux (`net.ipv4.ip_local_port_range`) and below 49152 on macOS and Windows (RFC 6335).
"""

import random
import socket
from collections.abc import Sequence

from localdev.processes import ChildFailed

SERVERS = range(20_000, 32_000)
"""Below every system's ports for outgoing connections, above the well-known ones."""

LOOPBACK = "127.0.0.1"

_chance = random.SystemRandom()


def unused_port(address: str = LOOPBACK) -> int:
    """One nobody listens on now. Raises OSError when there is none, or the address is not this machine's."""
    return unused_ports(1, address)[0]


def unused_ports(count: int, address: str = LOOPBACK, among: Sequence[int] = SERVERS) -> list[int]:
    """That many different ones, in no order. Raises OSError when there are fewer."""
    found: list[int] = []
    refused: OSError | None = None
    for port in _chance.sample(among, len(among)):
        try:
            socket.create_server((address, port)).close()
        except OSError as error:
            refused = error
            continue
        found.append(port)
        if len(found) == count:
            return found
    raise refused or OSError(f"{count} ports of {len(among)} were asked for")


def wanted_port(wanted: int | None, default: int) -> int:
    """`wanted` (0: any), or the default, or any when that is taken. Raises ChildFailed when `wanted` is."""
    candidate = default if wanted is None else wanted
    if candidate == 0:
        return unused_port()
    try:
        socket.create_server((LOOPBACK, candidate)).close()
    except OSError as error:
        if wanted is None:
            return unused_port()
        raise ChildFailed(f"port {wanted} cannot be used: {error.strerror}") from None
    return candidate
