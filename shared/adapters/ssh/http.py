"""HTTP through an SSH connection: one GET to a port of the VM's own loopback.

Each request is a `direct-tcpip` channel (RFC 4254 section 7.2) that is read to its end, and the standard library
understands what came. A forwarded local port with an HTTP client in front would be open to every process of this
machine for as long as it lasts, and would hide why a connection failed.
"""

import io
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any

from shared.adapters.web import PAGE_CAP, Page, unusable
from shared.errors import RetryableError

if TYPE_CHECKING:
    import asyncssh

LOOPBACK = "127.0.0.1"
_HEADERS_CAP = 64 * 1024
_CHUNK = 64 * 1024


async def get(connection: "asyncssh.SSHClientConnection", port: int, path: str, headers: Mapping[str, str]) -> Page:
    """Redirects are not followed; the caller limits the time.

    Raises RetryableError: `HubUnreachable` when nothing listens on that port, `HubAnswerUnusable` for nonsense.
    """
    import asyncssh

    try:
        reader, writer = await connection.open_connection(LOOPBACK, port, encoding=None)
    except asyncssh.ChannelOpenError:
        raise RetryableError("HubUnreachable", "JupyterHub does not answer on its machine.") from None
    try:
        writer.write(_request(port, path, headers))
        received = bytearray()
        while chunk := await reader.read(_CHUNK):
            received += chunk
            if len(received) > PAGE_CAP + _HEADERS_CAP:
                raise unusable("a page that is too large")
    finally:
        writer.close()  # sshd keeps the channel until both sides have ended
    return understood(bytes(received))


def _request(port: int, path: str, headers: Mapping[str, str]) -> bytes:
    """Raises ValueError for anything that could begin another line."""
    fixed = {"Host": f"{LOOPBACK}:{port}", "User-Agent": "hublet", "Accept-Encoding": "identity", "Connection": "close"}
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in {**fixed, **headers}.items())]
    if not all(line.isascii() and line.isprintable() for line in lines) or " " in path:
        raise ValueError("a header that is not one line of ASCII")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def understood(received: bytes) -> Page:
    """A whole HTTP/1.x answer. Raises RetryableError when it is none, is cut off, or too large."""
    try:
        response = HTTPResponse(_Received(received), method="GET")  # type: ignore[arg-type]
        response.begin()
        body = response.read()
    except (HTTPException, ValueError, OSError):
        raise unusable("an answer that is not HTTP, or cut off") from None
    if len(body) > PAGE_CAP:
        raise unusable("a page that is too large")
    return Page(response.status, body, date=response.headers.get("Date", ""))


class _Received:
    """As much of a socket as `HTTPResponse` uses."""

    def __init__(self, received: bytes) -> None:
        self._received = received

    def makefile(self, *_: Any) -> io.BytesIO:
        return io.BytesIO(self._received)
