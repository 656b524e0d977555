"""A small, wary browser for one hub: one origin, its cookies, few redirects, little patience, capped answers.

Whatever the other side says is hostile: it runs on a machine whose administrator is somebody else.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from json import loads
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from shared.errors import RetryableError
from shared.hubs.ports import Endpoint, Reach

if TYPE_CHECKING:
    import aiohttp

PAGE_CAP = 1 << 20
"""JupyterLab's page has some 50 kB, JupyterHub's login page 10 kB."""

REDIRECTS = 6
"""A first visit to a server takes four: hub, OAuth, back, page."""

CONNECT_LIMIT_S = 5.0
REQUEST_LIMIT_S = 12.0
"""JupyterHub itself answers a server start after 10 s at the latest (`slow_spawn_timeout`)."""

_XSRF_COOKIE = "_xsrf"


@dataclass(frozen=True, slots=True)
class Page:
    status: int
    body: bytes
    location: str = ""
    retry_after_s: float | None = None
    date: str = ""

    def json(self) -> Any:
        """Raises RetryableError when it is none."""
        try:
            return loads(self.body)
        except (ValueError, RecursionError):
            raise unusable("an answer that is not JSON") from None


def unusable(what: str) -> RetryableError:
    return RetryableError("HubAnswerUnusable", f"The hub gave {what}.")


def trust(ca_file: str) -> ssl.SSLContext:
    """The system's roots, and the given CA when there is one."""
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(cafile=ca_file)
    return context


async def read_capped(response: "aiohttp.ClientResponse", cap: int) -> bytes:
    """The body; RetryableError when it is longer than `cap` bytes."""
    body = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        body += chunk
        if len(body) > cap:
            raise unusable("a page that is too large")
    return bytes(body)


class Browser:
    """Use inside `browsing()`. Paths are relative to the origin and begin with `/`."""

    def __init__(self, session: "aiohttp.ClientSession", origin: str, context: ssl.SSLContext | None) -> None:
        self.session = session
        self.origin = origin
        self.context = context

    async def request(
        self,
        method: str,
        path: str,
        *,
        form: Mapping[str, str] | None = None,
        json: object = None,
        api: bool = False,
        headers: Mapping[str, str] | None = None,
        limit_s: float = REQUEST_LIMIT_S,
    ) -> Page:
        """One request, redirects not followed. `api` adds what JupyterHub wants of a page's scripts: the XSRF token.

        Raises RetryableError `HubUnreachable` when nobody answers in time, `HubAnswerUnusable` for nonsense.
        """
        import aiohttp

        xsrf = {"X-XSRFToken": self.xsrf(path)} if api else {}
        try:
            async with (
                asyncio.timeout(limit_s),
                self.session.request(
                    method,
                    self.origin + path,
                    data=form,
                    json=json,
                    headers={**(headers or {}), **xsrf},
                    allow_redirects=False,
                    ssl=self.context if self.context is not None else True,
                ) as response,
            ):
                body = await read_capped(response, PAGE_CAP)
                seconds = response.headers.get("Retry-After", "")
                retry_after_s = float(seconds) if seconds.isdecimal() and len(seconds) < 4 else None
                location, date = response.headers.get("Location", ""), response.headers.get("Date", "")
                return Page(response.status, body, location, retry_after_s, date)
        except TimeoutError:
            raise RetryableError("HubUnreachable", f"The hub did not answer within {limit_s:g} s.") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            message = f"The hub cannot be reached over HTTP ({type(error).__name__})."
            raise RetryableError("HubUnreachable", message) from error

    async def visit(self, path: str) -> Page:
        """A page as a person opens it, redirects followed as long as they stay at this hub."""
        for _ in range(REDIRECTS + 1):
            page = await self.request("GET", path)
            if page.status not in (301, 302, 303, 307, 308):
                return page
            path = self._same_origin(page.location)
        raise unusable("too many redirects")

    def _same_origin(self, location: str) -> str:
        """The target as a path. Raises RetryableError for any other site."""
        try:
            target, ours = urlsplit(location), urlsplit(self.origin)
            # an absolute one must name exactly our origin; what begins with // or a backslash is another site
            absolute = bool(target.scheme or target.netloc)
            foreign = absolute and (target.scheme, target.netloc) != (ours.scheme, ours.netloc)
        except ValueError:
            foreign, target = True, urlsplit("")
        if foreign or not target.path.startswith("/") or target.path.startswith(("//", "/\\")) or len(location) > 8000:
            raise unusable("a redirect to somewhere else")
        return target.path + (f"?{target.query}" if target.query else "")

    def xsrf(self, path: str) -> str:
        """The token JupyterHub gave for pages under this path; empty when there is none."""
        from yarl import URL

        cookie = self.session.cookie_jar.filter_cookies(URL(self.origin + path)).get(_XSRF_COOKIE)
        return cookie.value if cookie is not None else ""


async def where(reach: Reach, url: str, local_address: str = "") -> tuple[str, Endpoint]:
    """Origin of a hub's URL, and its socket.

    An address in a URL is taken as it is: it was looked up when the URL was made. A name is looked up with its
    scheme's port, because a port in the URL is only what that look-up gave (see shared/steps/https.py).
    """
    try:
        parts = urlsplit(url)
        host, port, usual = parts.hostname, parts.port, {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        host = port = usual = None
    if host is None or usual is None:
        raise RetryableError("HubUnreachable", "The hub's URL is not one that can be opened.")
    if _is_address(host):
        found = Endpoint(address=host, port=port or usual, local_address=local_address or None)
    else:
        found = await reach.endpoint(host, usual)
    return f"{parts.scheme}://{parts.netloc}", found


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@asynccontextmanager
async def browsing(
    reach: Reach, url: str, context: ssl.SSLContext, *, limit_s: float, local_address: str = ""
) -> AsyncIterator[Browser]:
    """A fresh browser (no cookies) for the hub at `url`, for at most `limit_s` seconds in all."""
    import aiohttp
    from aiohttp.abc import AbstractResolver, ResolveResult

    origin, endpoint = await where(reach, url, local_address)

    class Fixed(AbstractResolver):
        """Every name is this hub's machine: nothing a page says can lead anywhere else."""

        def __init__(self) -> None:
            self._system = aiohttp.ThreadedResolver()

        async def resolve(self, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
            return await self._system.resolve(endpoint.address, endpoint.port, family)

        async def close(self) -> None:
            await self._system.close()

    connector = aiohttp.TCPConnector(
        resolver=Fixed(),
        use_dns_cache=False,
        limit=4,
        local_addr=(endpoint.local_address, 0) if endpoint.local_address else None,
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.CookieJar(unsafe=True),  # unsafe: hubs without a name are reached by address
        headers={"User-Agent": "hublet", "Accept-Encoding": "identity"},
        auto_decompress=False,  # so that a small answer cannot become a large one
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_LIMIT_S),
    )
    try:
        async with asyncio.timeout(limit_s), session:
            yield Browser(session, origin, context if origin.startswith("https:") else None)
    except TimeoutError:
        raise RetryableError("HubUnreachable", f"The hub was not done within {limit_s:g} s.") from None
