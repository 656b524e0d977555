"""A hub that says whatever a test wants, reached as the control plane reaches one: over TLS, or through SSH."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import asyncssh

from shared.adapters.hub_api import HUB_PORT, JupyterHubApi
from shared.adapters.ssh.keys import generate_key_pair
from shared.hubs.ports import Endpoint, HubAccess, SshTarget
from tests.support.builders import some_settings
from tests.support.fake_vm import FakeReach
from tests.support.small_ca import SmallCa

NAME = "hub.example.org"
MACHINE = "203.0.113.7"
TOKEN = "lasting-token-0123456789"
HOST_KEY, TUNNEL_KEY = generate_key_pair("host"), generate_key_pair("tunnel")
_OPTIONS = f'no-pty,permitopen="127.0.0.1:{HUB_PORT}",command="/bin/false" '

type Answer = Callable[[str], bytes | Awaitable[bytes]]
"""Target of the request line -> the whole answer, after which the hub hangs up."""


@dataclass
class SmallHub:
    """`requests`: what arrived, whole. `opened`: where tunnels led to."""

    answer: Answer
    requests: list[bytes] = field(default_factory=list)
    opened: list[tuple[str, int]] = field(default_factory=list)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
            request = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(request)
            found = self.answer(request.split(b" ")[1].decode())
            writer.write(found if isinstance(found, bytes) else await found)
            await writer.drain()
        writer.close()


@dataclass(frozen=True)
class Way:
    """How to ask a hub, and whom."""

    reach: FakeReach
    access: HubAccess
    api: JupyterHubApi


@asynccontextmanager
async def over_tls(hub: SmallHub, ca: SmallCa) -> AsyncIterator[Way]:
    server = await asyncio.start_server(hub.talk, "127.0.0.1", 0, ssl=ca.server(NAME))
    endpoint = Endpoint(address="127.0.0.1", port=server.sockets[0].getsockname()[1])
    reach = FakeReach({(NAME, 443): endpoint})
    api = JupyterHubApi(reach, some_settings(HUBLET_CA_FILE=str(ca.file)))
    try:
        yield Way(reach, HubAccess(url=f"https://{NAME}/", token=TOKEN), api)
    finally:
        server.close()


@asynccontextmanager
async def through_ssh(hub: SmallHub, *, listening: bool = True) -> AsyncIterator[Way]:
    """`listening`: whether a JupyterHub is there behind the SSH server."""
    server = await asyncio.start_server(hub.talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    if not listening:
        server.close()

    class Sshd(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            self.connection = conn

        def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
            hub.opened.append((dest_host, dest_port))
            return self.connection.forward_connection("127.0.0.1", port)

    sshd = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=Sshd,
        server_host_keys=[asyncssh.import_private_key(HOST_KEY.private)],
        authorized_client_keys=asyncssh.import_authorized_keys(_OPTIONS + TUNNEL_KEY.public),
    )
    reach = FakeReach({(MACHINE, 22): Endpoint(address="127.0.0.1", port=sshd.get_port())})
    tunnel = SshTarget(
        host=MACHINE,
        port=22,
        username="hublet",
        private_key=TUNNEL_KEY.private,
        host_public_keys=(HOST_KEY.public,),
    )
    try:
        access = HubAccess(url=f"http://{MACHINE}/", token=TOKEN, tunnel=tunnel)
        yield Way(reach, access, JupyterHubApi(reach, some_settings()))
    finally:
        sshd.close()
        await sshd.wait_closed()
        server.close()
