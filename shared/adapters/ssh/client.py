"""Talks to the agent on a VM over SSH (asyncssh), and looks at a port without logging in.

Every call is under one time limit, every answer under a size limit. asyncssh is imported at the first call.
"""

import asyncio
import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from shared.adapters.ssh.connection import HOST_KEY_ALGORITHM, connected, local_address
from shared.hubs.ports import Endpoint, Reach, SshProbe, SshTarget
from shared.hubs.vm_errors import AgentError, AgentProtocolError, VmUnreachable

if TYPE_CHECKING:
    import asyncssh

ANSWER_CAP = 1 << 20
_BANNER_CAP = 8 * 1024


class SshAgent:
    """Implements `OnVm`. Keeps no connection: each call makes its own and ends it."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def call(
        self, target: SshTarget, verb: str, payload: Mapping[str, object], *, timeout_s: float = 30.0
    ) -> Mapping[str, object]:
        """One verb of shared/onvm/agent with its JSON. `timeout_s` covers connecting and answering together.

        Raises VmUnreachable, AuthenticationRefused, HostKeyMismatch, AgentError, AgentProtocolError; and ValueError
        when no host key is pinned, because that must never mean "any".
        """
        request = json.dumps(payload).encode()
        try:
            async with asyncio.timeout(timeout_s), connected(self._reach, target, limit_s=timeout_s) as connection:
                code, answer = await _execute(connection, verb, request)
        except TimeoutError:
            raise VmUnreachable(f"The VM did not answer within {timeout_s:g} s.") from None
        return _understood(code, answer)

    async def probe(self, host: str, port: int, *, timeout_s: float = 10.0) -> SshProbe:
        """Whether an SSH server speaks there, and with which ed25519 host key. Sends no credentials, never raises for
        a silent or closed port."""
        banner, key = False, None
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(timeout_s):
                endpoint = await self._reach.endpoint(host, port)
                banner = await _says_ssh(endpoint)
                if banner:
                    key = await _offered_host_key(endpoint)
        return SshProbe(banner=banner, host_public_key=key)


async def _execute(connection: "asyncssh.SSHClientConnection", verb: str, request: bytes) -> tuple[int | None, bytes]:
    """Exit code and stdout. stderr is thrown away unread: nothing of the agent's is there."""
    import asyncssh

    process = await connection.create_process(verb, encoding=None, stderr=asyncssh.DEVNULL)
    with suppress(BrokenPipeError, ConnectionError):  # an agent that answers before it has read everything
        process.stdin.write(request)
        process.stdin.write_eof()
    answer = bytearray()
    while chunk := await process.stdout.read(64 * 1024):
        answer += chunk
        if len(answer) > ANSWER_CAP:
            raise AgentProtocolError(f"The VM's answer is longer than {ANSWER_CAP} bytes.")
    await process.wait_closed()
    return process.returncode, bytes(answer)


def _understood(code: int | None, answer: bytes) -> Mapping[str, object]:
    if code is None or code < 0:
        raise VmUnreachable("The VM ended the SSH session in the middle.")
    try:
        document = json.loads(answer)
    except (ValueError, RecursionError):
        raise AgentProtocolError(f"The VM's answer is not JSON (exit code {code}).") from None
    if not isinstance(document, dict):
        raise AgentProtocolError("The VM's answer is not a JSON object.")
    if code == 0:
        return document
    error = document.get("error")
    if code == 1 and isinstance(error, dict):
        raise AgentError(_printable(error.get("code"), 64) or "AgentError", _printable(error.get("message"), 1000))
    raise AgentProtocolError(f"The agent on the VM ended with exit code {code}.")


def _printable(value: object, length: int) -> str:
    text = value if isinstance(value, str) else ""
    return "".join(character if character.isprintable() else " " for character in text[:length])


async def _says_ssh(endpoint: Endpoint) -> bool:
    """True when a line `SSH-...` comes (RFC 4253 section 4.2 allows other lines before it)."""
    reader, writer = await asyncio.open_connection(
        endpoint.address, endpoint.port, local_addr=local_address(endpoint), limit=_BANNER_CAP
    )
    try:
        received = b""
        while len(received) < _BANNER_CAP and (chunk := await reader.read(1024)):
            received += chunk
            lines = received.split(b"\n")
            if any(line.startswith(b"SSH-") for line in lines[:-1]) or lines[-1].startswith(b"SSH-2.0-"):
                return True
        return False
    finally:
        writer.transport.abort()


async def _offered_host_key(endpoint: Endpoint) -> str | None:
    import asyncssh

    try:
        key = await asyncssh.get_server_host_key(
            endpoint.address,
            endpoint.port,
            local_addr=local_address(endpoint) or (),
            config=None,
            server_host_key_algs=[HOST_KEY_ALGORITHM],
        )
    except (OSError, asyncssh.Error, socket.gaierror):
        return None
    return None if key is None else " ".join(key.export_public_key("openssh").decode("ascii").split()[:2])
