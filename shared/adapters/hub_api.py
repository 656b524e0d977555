"""JupyterHub's REST API of one hub, with the lasting token: over https, or through SSH when the hub has no TLS.

https://jupyterhub.readthedocs.io/en/stable/reference/rest-api.html#operation/get-users. The token travels in a header
to exactly one place; over plain http it is never sent.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cached_property
from urllib.parse import urlsplit

from shared.adapters import hub_users
from shared.adapters.ssh import http
from shared.adapters.ssh.connection import connected
from shared.adapters.web import Page, browsing, trust, unusable
from shared.errors import RetryableError
from shared.hubs.ports import Activity, HubAccess, Reach, SshTarget
from shared.hubs.vm_errors import AuthenticationRefused, HostKeyMismatch, VmUnreachable
from shared.settings import Settings

HUB_PORT = 15001
"""Where JupyterHub of a TLJH listens, on the machine's loopback only (TLJH: tljh/jupyterhub_config.py)."""

LOOK_LIMIT_S = 20.0
"""For all pages together: a page takes some 30 ms, an SSH handshake with a small machine about a second."""

type Get = Callable[[str], Awaitable[Page]]
"""A path with its query -> what came."""


class JupyterHubApi:
    """Implements `HubApi`. Keeps nothing: each look makes its own connection and ends it.

    Raises RetryableError and nothing else: `HubUnreachable`, `HubAnswerUnusable`, `HubRefusesToken`, `NoSafeWay` (no
    way on which the token could be sent), `UntrustedHostKey`. Nothing was sent after the last two.
    """

    def __init__(self, reach: Reach, settings: Settings) -> None:
        self._reach = reach
        self._settings = settings

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return trust(self._settings.ca_file)

    async def activity(self, access: HubAccess) -> Activity:
        """Every server of every user, all pages; ages by the clock of the hub's own machine."""
        try:
            async with asyncio.timeout(LOOK_LIMIT_S), self._way(access) as get:
                return await hub_users.all_servers(lambda path: _page(get, path))
        except TimeoutError:
            message = f"The hub did not answer within {LOOK_LIMIT_S:g} s."
            raise RetryableError("HubUnreachable", message) from None

    @asynccontextmanager
    async def _way(self, access: HubAccess) -> AsyncIterator[Get]:
        headers = {"Authorization": f"token {access.token}", "Accept": hub_users.ACCEPT}
        if access.tunnel is not None:
            async with self._through_ssh(access.tunnel, headers) as get:
                yield get
        elif _is_https(access.url):
            local = self._settings.egress_address
            async with browsing(
                self._reach, access.url, self._trust, limit_s=LOOK_LIMIT_S, local_address=local
            ) as browser:
                yield lambda path: browser.request("GET", path, headers=headers)
        else:
            raise RetryableError("NoSafeWay", "The hub has neither TLS nor a tunnel, so its API is not asked.")

    @asynccontextmanager
    async def _through_ssh(self, tunnel: SshTarget, headers: dict[str, str]) -> AsyncIterator[Get]:
        try:
            async with connected(self._reach, tunnel, limit_s=LOOK_LIMIT_S) as connection:
                yield lambda path: http.get(connection, HUB_PORT, path, headers)
        except HostKeyMismatch as error:
            raise RetryableError(error.code, error.message, fix=error.fix) from None
        except (VmUnreachable, AuthenticationRefused) as error:
            message = "The hub's machine does not let us through to JupyterHub over SSH."
            raise RetryableError("HubUnreachable", message) from error
        except ValueError as error:  # no pinned host key, or a key of ours that is none
            raise RetryableError("NoSafeWay", "The tunnel to the hub's API has no usable keys.") from error


def _is_https(url: str) -> bool:
    try:
        return urlsplit(url).scheme == "https"
    except ValueError:
        return False


async def _page(get: Get, path: str) -> Page:
    """A page with status 200, else RetryableError."""
    page = await get(path)
    match page.status:
        case 200:
            return page
        case 401 | 403:
            raise RetryableError("HubRefusesToken", f"The hub refuses our token (status {page.status}).")
        case status if status >= 500:
            raise RetryableError("HubUnreachable", f"The hub answers with status {status}.")
        case status:
            raise unusable(f"an answer with status {status}")
