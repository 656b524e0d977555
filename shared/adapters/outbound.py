"""The only way to a URL that somebody gave us.

What may be connected to is decided by addresses.py, once for the URL and once more for what its name resolves to; the
addresses that were checked are the ones that are connected to. A name is not asked for a second time, so a second
answer cannot lead elsewhere (DNS rebinding).
"""

import asyncio
import socket
import ssl
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.adapters.addresses import Destination, NotAllowed, check_all, destination, is_listed
from shared.adapters.names import LookUp, system_look_up
from shared.adapters.web import trust
from shared.errors import RetryableError, UserError
from shared.hubs.ports import Answered
from shared.settings import Settings

if TYPE_CHECKING:
    import aiohttp

BODY_CAP = 64 * 1024
"""What is read of an answer. Nobody here needs more than a status and a sentence."""

CONNECTIONS = 256
PER_HOST = 24
"""Connections at a time, in all and to one host. A process works on 24 messages at once (host.json: a batch of 16 and
the threshold of 8 beside it), and each may be for all of an owner's web hooks, ten by default. Receivers that never
answer must leave room: who waits for a place here is taken for one that does not answer either (silence.py)."""

KEPT_S = 15.0
"""How long an idle connection is kept: several notices of one moment share one."""

CONNECT_LIMIT_S = 5.0


class GuardedOutbound:
    """`Outbound` on aiohttp. One session for each event loop, without cookies, proxies, redirects and a name cache."""

    def __init__(self, settings: Settings, look_up: LookUp | None = None) -> None:
        self._settings = settings
        self._look_up = look_up or system_look_up(CONNECTIONS)
        self._sessions: dict[asyncio.AbstractEventLoop, aiohttp.ClientSession] = {}

    def check(self, url: str) -> None:
        self._destination(url)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, limit_s: float = 8.0) -> Answered:
        import aiohttp
        from yarl import URL

        target = self._destination(url)
        try:
            # `encoded`: path and query go out as they stand, because some servers sign them.
            async with (
                asyncio.timeout(limit_s),
                self._session().post(
                    URL(target.url, encoded=True), data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                read = await _beginning(response)
                named = {name.lower(): value for name, value in response.headers.items()}
                return Answered(response.status, read, named)
        except TimeoutError:
            raise RetryableError("TimedOut", f"{target.host} did not answer within {limit_s:g} s.") from None
        # None of these is kept as the cause: their texts hold the URL.
        except aiohttp.ClientConnectorCertificateError:
            raise _unreachable(target, "its certificate is not valid for it") from None
        except aiohttp.ClientConnectorDNSError:
            raise _unreachable(target, "its name has no address") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _unreachable(target, type(error).__name__) from None

    async def close(self) -> None:
        """Closes what the running loop opened. Twice is harmless; a later use opens anew."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    def _destination(self, url: str) -> Destination:
        try:
            return destination(url, self._settings.sink_hosts)
        except NotAllowed as error:
            raise _refused(error.why) from None

    def _session(self) -> "aiohttp.ClientSession":
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None or session.closed:
            # A session dies with its loop; those of loops that are gone must not pile up.
            self._sessions = {kept: one for kept, one in self._sessions.items() if not kept.is_closed()}
            session = self._sessions[loop] = self._open()
        return session

    def _open(self) -> "aiohttp.ClientSession":
        import aiohttp
        from aiohttp.abc import AbstractResolver, ResolveResult

        look_up, listed = self._look_up, self._settings.sink_hosts

        class Checked(AbstractResolver):
            """Answers with addresses that were checked, or not at all."""

            async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
                try:
                    found = check_all(await look_up(host, port), exempt=is_listed(host, port, listed))
                except NotAllowed as error:
                    raise _refused(error.why) from None
                if not found:
                    raise OSError("no address")
                return [
                    ResolveResult(
                        hostname=host,
                        host=str(address),
                        port=port,
                        family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                        proto=0,
                        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                    )
                    for address in found
                ]

            async def close(self) -> None:
                """Nothing is held."""

        connector = aiohttp.TCPConnector(
            resolver=Checked(),
            use_dns_cache=False,
            ssl=self._trust,
            limit=CONNECTIONS,
            limit_per_host=PER_HOST,
            keepalive_timeout=KEPT_S,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,  # so that a small answer cannot become a large one
            headers={"User-Agent": "hublet", "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_LIMIT_S),
        )

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return trust(self._settings.ca_file)


async def _beginning(response: "aiohttp.ClientResponse") -> bytes:
    """At most BODY_CAP bytes. What follows is not read: aiohttp closes the connection of a body that did not end."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) >= BODY_CAP:
            break
    return bytes(body[:BODY_CAP])


def _refused(why: str) -> UserError:
    return UserError(
        "AddressNotAllowed", why, fix="Send an https address of a public server, as in https://hooks.example.org/x."
    )


def _unreachable(target: Destination, why: str) -> RetryableError:
    return RetryableError("Unreachable", f"{target.host} cannot be reached: {why}.")
