"""Tunnels through the simulated VM, as through sshd: all bytes arrive, and they close when both sides have ended."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncssh
import pytest

from localdev.azuresim.vm.sshd import forwarded

MUCH = bytes(range(256)) * 20_000
"""More than what the sockets and the channel's window hold, so that some of it waits to be written."""

type Service = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def tunnel(service: Service) -> AsyncIterator[tuple[Any, Any]]:
    """A client's ends of one forwarded connection to `service`."""
    behind = await asyncio.start_server(service, "127.0.0.1", 0)
    port = behind.sockets[0].getsockname()[1]

    class Server(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return False

        def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
            return forwarded("127.0.0.1", port)

    key = asyncssh.generate_private_key("ssh-ed25519")
    sshd = await asyncssh.listen("127.0.0.1", 0, server_factory=Server, server_host_keys=[key])
    connection = await asyncssh.connect(
        "127.0.0.1", sshd.get_port(), known_hosts=None, username="somebody", config=None, client_keys=None
    )
    try:
        yield await connection.open_connection("127.0.0.1", 80, encoding=None)
    finally:
        connection.close()
        await connection.wait_closed()
        sshd.close()
        behind.close()


@pytest.fixture
async def complaints() -> list[dict[str, Any]]:
    """What the event loop was told of and nobody handled."""
    found: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: found.append(context))
    return found


@pytest.mark.parametrize("first", ["service", "client"])
async def test_whoever_ends_first_hears_the_rest_and_the_channel_closes(
    complaints: list[dict[str, Any]], first: str
) -> None:
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    ended = asyncio.Event()

    async def service(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if first == "client":
            await ended.wait()
            heard.set_result(await reader.read())
        writer.write(MUCH)
        writer.write_eof()
        if first == "service":
            await ended.wait()  # until then what the client sends waits on its way
            heard.set_result(await reader.read())
        writer.close()

    async with asyncio.timeout(60), tunnel(service) as (reader, writer):
        writer.write(MUCH)
        writer.write_eof()
        if first == "client":
            ended.set()
        assert await reader.read() == MUCH
        ended.set()
        await writer.channel.wait_closed()
        assert await heard == MUCH
    assert complaints == []
