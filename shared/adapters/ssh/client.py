"""Talks to the agent on a VM over SSH (asyncssh), and looks at a port without logging in.

Strict on purpose: only the pinned ed25519 host keys, only the given client key, no configuration file, no agent, no
password, every call under one time limit, every answer under a size limit. asyncssh is imported at the first call.
"""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from shared.hubs.ports import Endpoint, Reach, SshProbe, SshTarget
from shared.hubs.vm_errors import (
    AgentError,
    AgentProtocolError,
    AuthenticationRefused,
    HostKeyMismatch,
    VmUnreachable,
)

if TYPE_CHECKING:
    import asyncssh

ANSWER_CAP = 1 << 20
_BANNER_CAP = 8 * 1024
_CLOSE_LIMIT_S = 2.0
_HOST_KEY_ALGORITHM = "ssh-ed25519"


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
        if not target.host_public_keys:
            raise ValueError("no pinned host key")
        request = json.dumps(payload).encode()
        try:
            async with asyncio.timeout(timeout_s), self._connected(target, timeout_s) as connection:
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

    @asynccontextmanager
    async def _connected(self, target: SshTarget, timeout_s: float) -> "AsyncIterator[asyncssh.SSHClientConnection]":
        import asyncssh

        client_key = asyncssh.import_private_key(target.private_key)
        pinned = [asyncssh.import_public_key(" ".join(line.split()[:2])) for line in target.host_public_keys]
        endpoint = await self._reach.endpoint(target.host, target.port)
        try:
            connection = await asyncssh.connect(
                endpoint.address,
                endpoint.port,
                local_addr=_local(endpoint),
                config=None,
                known_hosts=(pinned, [], []),  # by key, for whatever address the VM is reached at
                server_host_key_algs=[_HOST_KEY_ALGORITHM],
                username=target.username,
                client_keys=[client_key],
                agent_path=None,
                preferred_auth="publickey",
                connect_timeout=timeout_s,
                login_timeout=timeout_s,
            )
        except asyncssh.HostKeyNotVerifiable:
            raise HostKeyMismatch from None
        except asyncssh.KeyExchangeFailed as error:
            if "server host key" in str(error).lower():  # it has no ed25519 key at all, so certainly not ours
                raise HostKeyMismatch from None
            raise VmUnreachable("The VM and the control plane found no common SSH algorithm.") from None
        except asyncssh.PermissionDenied:
            raise AuthenticationRefused from None
        except (OSError, asyncssh.Error):
            raise VmUnreachable from None
        try:
            yield connection
        except (OSError, asyncssh.Error) as error:
            if isinstance(error, TimeoutError):
                raise
            raise VmUnreachable("The VM ended the SSH connection in the middle.") from None
        finally:
            connection.abort()
            with suppress(TimeoutError, asyncssh.Error, OSError):
                async with asyncio.timeout(_CLOSE_LIMIT_S):
                    await connection.wait_closed()


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


def _local(endpoint: Endpoint) -> tuple[str, int] | None:
    return None if endpoint.local_address is None else (endpoint.local_address, 0)


async def _says_ssh(endpoint: Endpoint) -> bool:
    """True when a line `SSH-...` comes (RFC 4253 section 4.2 allows other lines before it)."""
    reader, writer = await asyncio.open_connection(
        endpoint.address, endpoint.port, local_addr=_local(endpoint), limit=_BANNER_CAP
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
            local_addr=_local(endpoint) or (),
            config=None,
            server_host_key_algs=[_HOST_KEY_ALGORITHM],
        )
    except (OSError, asyncssh.Error, socket.gaierror):
        return None
    return None if key is None else " ".join(key.export_public_key("openssh").decode("ascii").split()[:2])
