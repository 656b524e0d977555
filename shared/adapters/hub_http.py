"""A hub as a browser sees it: the login form, the server, a notebook kernel, the certificate.

JupyterHub facts: https://jupyterhub.readthedocs.io/en/stable/reference/rest-api.html; its XSRF rules are in
jupyterhub/_xsrf_utils.py (5.x): the form wants the login page's token, scripts send it as `X-XSRFToken`, and after the
login there is a new one.
"""

import asyncio
import re
import ssl
from contextlib import AbstractAsyncContextManager, suppress
from functools import cached_property
from urllib.parse import quote, urlencode

from shared.adapters.hub_kernel import run_in_kernel
from shared.adapters.web import Browser, browsing, trust, unusable
from shared.errors import RetryableError
from shared.hubs.ports import Endpoint, Reach, TlsCheck
from shared.settings import Settings

LOOK_LIMIT_S = 8.0
START_LIMIT_S = 30.0
"""Login and the ten seconds after which JupyterHub says "still starting"; the rest is for a busy machine's bcrypt."""

KERNEL_LIMIT_S = 45.0
"""A first kernel takes 2-5 s, far more on two busy cores."""

_VERSION = re.compile(r"[0-9]{1,4}(\.[0-9A-Za-z+-]{1,20}){1,4}")


class BrowserHubHttp:
    """Implements `HubHttp`. Every call is a new browser without cookies, connected through `reach`.

    Raises RetryableError: `HubUnreachable`, `HubAnswerUnusable`, `HubLoginRefused`, `HubServerFailed`, `HubBusy`,
    `HubKernelFailed`. Safe to repeat: a server is started once, a kernel is removed again.
    """

    def __init__(self, reach: Reach, settings: Settings) -> None:
        self._reach = reach
        self._settings = settings

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return trust(self._settings.ca_file)

    # ---- looks

    async def api_version(self, url: str) -> str | None:
        """One GET, redirects not followed."""
        try:
            async with self._browser(url, LOOK_LIMIT_S) as browser:
                page = await browser.request("GET", "/hub/api")
                version = page.json().get("version") if page.status == 200 else None
        except (RetryableError, AttributeError):
            return None
        return version if isinstance(version, str) and _VERSION.fullmatch(version) else None

    async def tls(self, fqdn: str) -> TlsCheck:
        """A handshake for that name against the trusted roots, nothing more; never raises for what is served."""
        try:
            endpoint = await self._reach.endpoint(fqdn, 443)
        except RetryableError as error:
            return TlsCheck(ok=False, reason=error.message)
        try:
            await _handshake(endpoint, self._trust, fqdn)
        except ssl.SSLCertVerificationError as error:
            return TlsCheck(ok=False, reason=f"{error.verify_message}; {await self._what_is_served(endpoint, fqdn)}")
        except ssl.SSLError as error:
            return TlsCheck(ok=False, reason=f"the TLS handshake failed ({error.reason or 'no reason given'})")
        except TimeoutError:
            return TlsCheck(ok=False, reason=f"port 443 did not answer within {LOOK_LIMIT_S:g} s")
        except (OSError, ValueError) as error:
            return TlsCheck(ok=False, reason=f"port 443 does not answer ({type(error).__name__})")
        return TlsCheck(ok=True)

    async def _what_is_served(self, endpoint: Endpoint, fqdn: str) -> str:
        """For the reason only: nothing is sent over a connection like this one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with suppress(OSError, ValueError):  # includes TLS trouble and time limits
            return f"served is {_described(await _handshake(endpoint, context, fqdn))}"
        return "what is served cannot be read"

    # ---- a person at work

    async def start_server(self, url: str, user: str, password: str) -> bool:
        async with self._browser(url, START_LIMIT_S) as browser:
            await _log_in(browser, user, password)
            return await _server_is_ready(browser, user)

    async def compute_in_kernel(self, url: str, user: str, password: str, expression: str) -> str:
        async with self._browser(url, KERNEL_LIMIT_S) as browser:
            await _log_in(browser, user, password)
            return await run_in_kernel(browser, f"/user/{quote(user, safe='')}", f"print({expression})")

    def _browser(self, url: str, limit_s: float) -> AbstractAsyncContextManager[Browser]:
        return browsing(self._reach, url, self._trust, limit_s=limit_s, local_address=self._settings.egress_address)


async def _log_in(browser: Browser, user: str, password: str) -> None:
    """By the form, as a person does it. Raises `HubLoginRefused` when the hub says no."""
    page = await browser.visit("/hub/login")
    if page.status != 200:
        raise RetryableError("HubUnreachable", f"The hub's login page answers with status {page.status}.")
    form = {"_xsrf": browser.xsrf("/hub/login"), "username": user, "password": password}
    answer = await browser.request("POST", "/hub/login?" + urlencode({"next": "/hub/home"}), form=form)
    if answer.status >= 500:
        raise RetryableError("HubUnreachable", f"The hub answers a login with status {answer.status}.")
    if answer.status != 302:
        raise RetryableError("HubLoginRefused", f"The hub refused the login with status {answer.status}.")
    home = await browser.visit("/hub/home")  # also brings the XSRF token of the new session
    if home.status != 200:
        raise RetryableError("HubLoginRefused", f"After the login the hub answers with status {home.status}.")


async def _server_is_ready(browser: Browser, user: str) -> bool:
    """Looks, and starts the server when there is none. False = it is starting (or stopping): ask again."""
    path = f"/hub/api/users/{quote(user, safe='')}"
    page = await browser.request("GET", path, api=True)
    if page.status != 200:
        raise RetryableError("HubLoginRefused", f"The hub does not show the user to itself (status {page.status}).")
    match page.json():
        case {"servers": {"": {"ready": True}}}:
            return True
        case {"servers": {"": {"pending": str()}}} | {"pending": str()}:
            return False
        case {"servers": dict()}:
            pass
        case _:
            raise unusable("a user that is none")
    try:
        answer = await browser.request("POST", f"{path}/server", json={}, api=True)
    except RetryableError as error:
        if error.code == "HubUnreachable":  # it took longer than our patience; it goes on without us
            return False
        raise
    match answer.status:
        case 201:
            return True
        case 202 | 400:  # 400: somebody else began it a moment ago
            return False
        case 429 | 503:
            raise RetryableError("HubBusy", "The hub starts no more servers now.", retry_after_s=answer.retry_after_s)
        case 401 | 403:
            raise RetryableError("HubLoginRefused", "The hub does not let the user start a server.")
        case status:
            raise RetryableError("HubServerFailed", f"The user's server did not start (status {status}).")


async def _handshake(endpoint: Endpoint, context: ssl.SSLContext, name: str) -> bytes:
    """The certificate that is served, in DER. Raises ssl.SSLError, OSError, TimeoutError."""
    local = (endpoint.local_address, 0) if endpoint.local_address else None
    async with asyncio.timeout(LOOK_LIMIT_S):
        _, writer = await asyncio.open_connection(
            endpoint.address, endpoint.port, ssl=context, server_hostname=name, local_addr=local
        )
        found = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return found if isinstance(found, bytes) else b""


def _described(der: bytes) -> str:
    """A certificate in a few plain words."""
    from cryptography import x509

    certificate = x509.load_der_x509_certificate(der)
    subject, issuer = certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string()
    if "TRAEFIK DEFAULT CERT" in subject:
        return "the proxy's own default certificate"
    who = "itself" if subject == issuer else f"'{_words(issuer)}'"
    return f"a certificate for '{_words(subject)}' from {who}"


def _words(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9 .,:=*_-]", "?", name)[:120]
