"""Which URLs somebody else may have us call, and which addresses they may lead to. Pure.

Everything is refused that two readers of URLs could read in two ways: what one of them checks and the other connects to
would not be the same. So there is one spelling of an address, no user information, no fragment, no dot at the end, and
ASCII only (names in other scripts have an ASCII form, `xn--...`).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

MAX_URL = 2048
HTTPS_PORT = 443

type Address = IPv4Address | IPv6Address

_URL = re.compile(
    r"https://(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})(?::(?P<port>[0-9]{1,5}))?(?P<rest>[/?][!-~]*)?",
    re.IGNORECASE,
)
_UNSAFE = frozenset(' \\"<>^`{|}#')
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label like this makes a host an IPv4 address for browsers and for `inet_aton`, whatever stands before it.
https://url.spec.whatwg.org/#ends-in-a-number-checker"""

_LOCAL_NAMES = ("localhost", "local", "localdomain", "internal", "intranet", "corp", "home", "lan", "home.arpa")
"""Names that lead into somebody's own network: RFC 6761, RFC 6762, RFC 8375, and `internal`, reserved by ICANN in 2024
(cloud metadata services use it). Their addresses would be refused anyway; these are refused before anybody is asked."""

METADATA: frozenset[Address] = frozenset(
    ip_address(text) for text in ("169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254")
)
"""Services of the clouds that trust who can reach them. 168.63.129.16 is Azure's wire server: an address that is public
by its number and reachable from inside only.
https://learn.microsoft.com/azure/virtual-network/what-is-ip-address-168-63-129-16"""

# Some of these Python's is_global refuses too, by a table that changes with its version: they are named all the same.
_REFUSED_4 = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT, RFC 6598
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890
        "192.88.99.0/24",  # 6to4 relays, RFC 7526
        "224.0.0.0/4",  # multicast, which counts as global
        "240.0.0.0/4",
    )
)
_REFUSED_6 = tuple(
    IPv6Network(text)
    for text in (
        "2001::/23",  # IETF protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",
        "2002::/16",  # 6to4: another network's IPv4 behind a relay
        "3fff::/20",  # documentation, RFC 9637
    )
)
_GLOBAL_6 = IPv6Network("2000::/3")
"""All that IANA has given out: https://www.iana.org/assignments/ipv6-address-space"""

_EMBEDDING = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))
"""IPv4-mapped addresses and NAT64 (RFC 6052): another way to write an IPv4 address, which decides."""

_ISATAP = frozenset({0x00005EFE, 0x02005EFE})
"""Upper half of an interface id that hides an IPv4 address (RFC 5214)."""


class NotAllowed(Exception):
    """`why` is one sentence that holds nothing of the URL."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Destination:
    """`host`: as it is connected to, in lower case, an IPv6 address without brackets. `address`: when the host is one.
    `exempt`: listed by whoever runs the service, so its address may be private. `rest`: path and query, which are often
    a secret."""

    host: str
    port: int
    address: Address | None
    exempt: bool
    rest: str = field(repr=False)

    @property
    def url(self) -> str:
        """The same URL in its one normal form, so that nobody has to read the other one again."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == HTTPS_PORT else f":{self.port}"
        return f"https://{host}{port}{self.rest}"


def destination(url: str, listed: Collection[str]) -> Destination:
    """Where this URL leads, as far as it can be known without asking anybody. `listed`: hosts as `host` or `host:port`.

    Raises NotAllowed.
    """
    if len(url) > MAX_URL or not url.isascii() or set(url) & _UNSAFE:
        raise NotAllowed(f"An address has at most {MAX_URL} ASCII characters, without spaces, quotes or a fragment.")
    found = _URL.fullmatch(url)
    if found is None or _BROKEN_ESCAPE.search(found["rest"] or ""):
        raise NotAllowed("Only addresses of the form https://host/path are sent to, without a user name.")
    host, port = found["host"].lower(), int(found["port"] or HTTPS_PORT)
    address = _literal(host)
    host = host.strip("[]") if address is None else str(address)
    if not 0 < port < 65_536:
        raise NotAllowed("There is no such port.")
    exempt = is_listed(host, port, listed)
    if port != HTTPS_PORT and not exempt:
        raise NotAllowed(f"Only port {HTTPS_PORT} is sent to.")
    if address is not None:
        check_address(address, exempt=exempt)
    elif not exempt and ("." not in host or host.endswith(tuple(f".{name}" for name in _LOCAL_NAMES))):
        raise NotAllowed("The host name is not a public one.")
    rest = found["rest"] or ""
    return Destination(host, port, address, exempt, rest if rest.startswith("/") else f"/{rest}")


def is_listed(host: str, port: int, listed: Collection[str]) -> bool:
    """Whether whoever runs the service named this host, at any port or at this one."""
    shown = f"[{host}]" if ":" in host else host
    return bool({host, shown, f"{shown}:{port}"} & {entry.lower() for entry in listed})


def check_all(answers: Collection[str], *, exempt: bool) -> list[Address]:
    """The addresses a name has. One that is refused refuses all: which one is used would be chance.

    Raises NotAllowed.
    """
    try:
        found = [ip_address(answer) for answer in answers]
    except ValueError:
        raise NotAllowed("The host name has an address that is none.") from None
    for address in found:
        check_address(address, exempt=exempt)
    return found


def check_address(address: Address, *, exempt: bool = False) -> None:
    """Raises NotAllowed for what is not a public address. `exempt`: only for what nobody may ever reach through us."""
    hidden = hidden_ipv4(address)
    if {address, hidden} & METADATA:
        raise NotAllowed("The address belongs to a service of the cloud itself.")
    if not exempt and not (_public(address) if hidden is None else _public(hidden) and _carries(address)):
        raise NotAllowed("The address is not a public one.")


def hidden_ipv4(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to in the end, by any of the ways to put one into the other."""
    if isinstance(address, IPv4Address):
        return None
    number = int(address)
    if any(address in network for network in _EMBEDDING) or number >> 32 == 0xFFFF0000:  # and SIIT, RFC 2765
        return IPv4Address(number & 0xFFFFFFFF)
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if number >> 32 == 0 and number > 1:  # IPv4-compatible, RFC 4291
        return IPv4Address(number)
    if (number >> 32) & 0xFFFFFFFF in _ISATAP:
        return IPv4Address(number & 0xFFFFFFFF)
    return None


def _carries(address: Address) -> bool:
    """Tunnels are no way to a public server: only the two plain spellings of an IPv4 address are."""
    return any(address in network for network in _EMBEDDING)


def _public(address: Address) -> bool:
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in network for network in _REFUSED_4)
    return address.is_global and address in _GLOBAL_6 and not any(address in network for network in _REFUSED_6)


def _literal(host: str) -> Address | None:
    """The address a host is, None for a name. Raises NotAllowed for other spellings of one, and for no names."""
    if host.startswith("["):
        try:
            return IPv6Address(host[1:-1])
        except AddressValueError:
            raise NotAllowed("This is not an address.") from None
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1] or (labels[-2] if len(labels) > 1 else "")):
        try:
            return IPv4Address(host)  # four decimal numbers without leading zeros, nothing else
        except AddressValueError:
            raise NotAllowed("Write an address as four decimal numbers.") from None
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise NotAllowed("This is not a host name.")
    return None
