"""Where a machine's public name and port really are: in the DNS in Azure; a look-up for simulated machines."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address

from shared.adapters.names import LookUp, system_look_up
from shared.adapters.web import read_capped, trust
from shared.clock import Clock, SystemClock
from shared.errors import RetryableError
from shared.hubs.ports import Endpoint, Reach
from shared.settings import Settings

CACHED_FOR = timedelta(seconds=30)
CACHE_SIZE = 1000
LOOK_UP_LIMIT_S = 5.0
LOOK_UPS = 64
"""At a time. A process visits 24 hubs at once (host.json); a name nobody answers for may hold a thread for longer than
a visit waits."""
_ANSWER_CAP = 4096


def make_reach(settings: Settings) -> Reach:
    """The look-up when one is configured, else identity."""
    return LookupReach(settings, SystemClock()) if settings.reach_endpoint else IdentityReach(settings.egress_address)


class IdentityReach:
    """A name is reached where the DNS says, once, and only on the public internet.

    An owner's domain may point anywhere, also into our own network: such an address is refused, and the one that was
    looked at is the one that is connected to. A literal address is ARM's word and taken as it is.
    Raises RetryableError `MachineNotReachable`.
    """

    def __init__(self, egress_address: str = "", look_up: LookUp | None = None) -> None:
        self._local = egress_address or None
        self._look_up = look_up or system_look_up(LOOK_UPS)

    async def endpoint(self, host: str, port: int) -> Endpoint:
        address = host if _literal(host) else await self._public_address(host, port)
        return Endpoint(address=address, port=port, local_address=self._local)

    async def _public_address(self, host: str, port: int) -> str:
        try:
            async with asyncio.timeout(LOOK_UP_LIMIT_S):
                addresses = await self._look_up(host, port)
        except (OSError, TimeoutError, UnicodeError) as error:
            raise RetryableError("MachineNotReachable", f"The name {host} is not in the DNS (yet).") from error
        for text in addresses:
            address = _literal(text)
            if address is not None and address.is_global and not address.is_multicast:
                return text
        raise RetryableError("MachineNotReachable", f"The name {host} has no public address.")


def _literal(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


@dataclass(slots=True)
class LookupReach:
    """Asks `settings.reach_endpoint?host=...&port=...`, which answers `{"address", "port"}`, or 404 for a machine that
    is not there (yet). Raises RetryableError then, and when nobody answers. Found answers are kept for 30 s."""

    settings: Settings
    clock: Clock
    _known: dict[tuple[str, int], tuple[datetime, Endpoint]] = field(default_factory=dict)

    async def endpoint(self, host: str, port: int) -> Endpoint:
        now = self.clock.now()
        known = self._known.get((host, port))
        if known is not None and now - known[0] < CACHED_FOR:
            return known[1]
        found = await self._ask(host, port)
        if len(self._known) >= CACHE_SIZE:
            self._known.clear()
        self._known[(host, port)] = (now, found)
        return found

    async def _ask(self, host: str, port: int) -> Endpoint:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=LOOK_UP_LIMIT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(
                    self.settings.reach_endpoint,
                    params={"host": host, "port": str(port)},
                    ssl=trust(self.settings.ca_file),
                    allow_redirects=False,
                ) as response,
            ):
                body = await read_capped(response, _ANSWER_CAP)
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise RetryableError("ReachUnavailable", "The look-up of machines does not answer.") from error
        if status == 404:
            raise RetryableError("MachineNotReachable", f"Nothing can be reached at {host} port {port} yet.")
        endpoint = self._understood(body) if status == 200 else None
        if endpoint is None:
            raise RetryableError("ReachUnavailable", f"The look-up of machines answered with status {status}.")
        return endpoint

    def _understood(self, body: bytes) -> Endpoint | None:
        try:
            answer = json.loads(body)
            address, port = answer["address"], answer["port"]
        except (ValueError, KeyError, TypeError):
            return None
        if not isinstance(address, str) or not isinstance(port, int) or not 0 < port < 65536:
            return None
        return Endpoint(address=address, port=port, local_address=self.settings.egress_address or None)
