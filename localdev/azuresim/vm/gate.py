"""The doors of a VM: one listening socket per open port, and the network security group asked at every accept.

A peer the rules refuse is hung up on before a byte is sent.  (In Azure its packets are dropped and it times out; a
simulator that made every refusal cost a timeout would only slow tests down.)
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable

from localdev.azuresim.vm.addresses import listening_socket
from localdev.azuresim.vm.ports import InboundRules

CHUNK = 65536


type Handler = Callable[[socket.socket, str], Awaitable[None]]
"""Serves one accepted connection (non-blocking socket, peer address) and returns when it is over."""


class _Everybody:
    """Rules that let everybody in: the VM's own loopback."""

    def allows(self, source_ip: str, port: int) -> bool:
        """Yes."""
        return True


EVERYBODY: InboundRules = _Everybody()


class Gate:
    """One open port of one VM."""

    def __init__(self, address: str, real_port: int, vm_port: int, inbound: InboundRules, handler: Handler) -> None:
        self._address = address
        self._real_port = real_port
        self._vm_port = vm_port
        self._inbound = inbound
        self._handler = handler
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._serving: set[asyncio.Task[None]] = set()

    @property
    def is_open(self) -> bool:
        """Whether the port accepts connections."""
        return self._socket is not None

    def open(self) -> None:
        """Begin to listen; opening twice changes nothing."""
        if self._socket is None:
            self._socket = listening_socket(self._address, self._real_port)
            self._accepting = asyncio.create_task(self._accept(self._socket))

    async def close(self, *, hang_up: bool = True) -> None:
        """Stop listening and, unless told otherwise, end the connections that are open."""
        if self._socket is not None:
            assert self._accepting is not None
            self._accepting.cancel()
            await asyncio.gather(self._accepting, return_exceptions=True)
            self._socket.close()
            self._socket = None
        if hang_up:
            for task in list(self._serving):
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(0.05)  # out of descriptors, or the peer was gone already
                continue
            if not self._allowed(peer[0]):
                connection.close()
                continue
            connection.setblocking(False)
            task = asyncio.create_task(self._serve(connection, peer[0]))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    def _allowed(self, peer: str) -> bool:
        """What the rules say; rules that cannot be evaluated let nobody in."""
        try:
            return self._inbound.allows(peer, self._vm_port)
        except Exception:
            return False

    async def _serve(self, connection: socket.socket, peer: str) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._handler(connection, peer)
        with contextlib.suppress(OSError):
            connection.close()


def forwarder(address: str, port: int) -> Handler:
    """A handler that joins the peer to a port of the VM, showing the peer's own address to what listens there."""

    async def forward(connection: socket.socket, peer: str) -> None:
        try:
            inner_reader, inner_writer = await asyncio.open_connection(address, port, local_addr=(peer, 0))
        except OSError:
            inner_reader, inner_writer = await asyncio.open_connection(address, port)
        reader, writer = await asyncio.open_connection(sock=connection)
        pumps = [asyncio.create_task(_pump(reader, inner_writer)), asyncio.create_task(_pump(inner_reader, writer))]
        try:
            await asyncio.gather(*pumps)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for end in (writer, inner_writer):
                end.close()
                with contextlib.suppress(OSError, asyncio.CancelledError):
                    await end.wait_closed()

    return forward


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(CHUNK):
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


def redirector(https_port: int) -> Handler:
    """A handler that answers every request with a permanent redirect to https, as TLJH's traefik does."""

    async def redirect(connection: socket.socket, peer: str) -> None:
        reader, writer = await asyncio.open_connection(sock=connection)
        try:
            async with asyncio.timeout(10):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            target = head.split(" ", 2)[1] if head.count(" ") >= 2 else "/"
            hosts = [line[5:].strip() for line in head.splitlines() if line.lower().startswith("host:")]
            host = hosts[0].rsplit(":", 1)[0] if hosts else ""
            port = "" if https_port == 443 else f":{https_port}"
            body = b"Moved Permanently"
            writer.write(
                f"HTTP/1.1 301 Moved Permanently\r\nLocation: https://{host}{port}{target}\r\n"
                f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode("latin-1")
                + body
            )
            await writer.drain()
        except (TimeoutError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    return redirect
