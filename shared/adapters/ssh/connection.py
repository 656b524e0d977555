"""One SSH connection to a VM (asyncssh), strict on purpose: only the pinned ed25519 host keys, only the given client
key, no configuration file, no agent, no password. asyncssh is imported at the first connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from shared.hubs.ports import Endpoint, Reach, SshTarget
from shared.hubs.vm_errors import AuthenticationRefused, HostKeyMismatch, VmUnreachable

if TYPE_CHECKING:
    import asyncssh

HOST_KEY_ALGORITHM = "ssh-ed25519"
CONNECT_LIMIT_S = 10.0
"""From the first packet to the login, all in all. A busy machine needs a few seconds; who accepts the connection and
says nothing, or sends a banner and then nothing, must not cost a visit more."""

_CLOSE_LIMIT_S = 2.0


@asynccontextmanager
async def connected(
    reach: Reach, target: SshTarget, *, limit_s: float
) -> "AsyncIterator[asyncssh.SSHClientConnection]":
    """`limit_s`: for connecting and logging in, at most `CONNECT_LIMIT_S`; what is done with the connection needs a
    limit of its own.

    Raises VmUnreachable, AuthenticationRefused, HostKeyMismatch; and ValueError when no host key is pinned, because
    that must never mean "any".
    """
    import asyncssh

    if not target.host_public_keys:
        raise ValueError("no pinned host key")
    client_key = asyncssh.import_private_key(target.private_key)
    pinned = [asyncssh.import_public_key(" ".join(line.split()[:2])) for line in target.host_public_keys]
    endpoint = await reach.endpoint(target.host, target.port)
    limit_s = min(limit_s, CONNECT_LIMIT_S)
    try:
        async with asyncio.timeout(limit_s):
            connection = await asyncssh.connect(
                endpoint.address,
                endpoint.port,
                local_addr=local_address(endpoint),
                config=None,
                known_hosts=(pinned, [], []),  # by key, for whatever address the VM is reached at
                server_host_key_algs=[HOST_KEY_ALGORITHM],
                username=target.username,
                client_keys=[client_key],
                agent_path=None,
                preferred_auth="publickey",
                login_timeout=0,  # both ends of the handshake are in the one limit above
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


def local_address(endpoint: Endpoint) -> tuple[str, int] | None:
    """Where to connect from, as asyncio wants it."""
    return None if endpoint.local_address is None else (endpoint.local_address, 0)
