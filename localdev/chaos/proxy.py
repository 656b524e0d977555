"""A proxy in front of one server that now and then does to a request what networks and busy services do.

It listens on loopback, speaks HTTP/1.1, with TLS when it is given a certificate, and hands messages on byte for byte:
a storage signature covers the path and some headers, not the port, so it stays right (tried with Azurite). Addresses
of the server in its answers are rewritten to the proxy's own, because ARM's callers follow them.
"""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from localdev.chaos import wire
from localdev.chaos.faults import Fault, FaultKind, FaultPlan
from localdev.chaos.wire import BadMessage, Message

_TROUBLE = (OSError, asyncio.IncompleteReadError, BadMessage, ssl.SSLError)


@dataclass(frozen=True)
class Upstream:
    """The real server. `tls`: how to check its certificate; None = plain HTTP."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None

    @property
    def origin(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"


type Refusal = Callable[[Message, int, int | None], tuple[str, bytes]]
"""(request, status, seconds of `Retry-After`) -> content type and body of the injected answer."""


def arm_refusal(request: Message, status: int, retry_after_s: int | None) -> tuple[str, bytes]:
    code = "TooManyRequests" if status == 429 else "ServerTimeout"
    body = f'{{"error":{{"code":"{code}","message":"The request could not be served now. Please retry."}}}}'
    return "application/json; charset=utf-8", body.encode()


def storage_refusal(request: Message, status: int, retry_after_s: int | None) -> tuple[str, bytes]:
    """Tables answer in JSON, queues and blobs in XML.
    https://learn.microsoft.com/rest/api/storageservices/status-and-error-codes2"""
    text = "The server is busy."
    if "json" in request.header("accept"):
        body = f'{{"odata.error":{{"code":"ServerBusy","message":{{"lang":"en-US","value":"{text}"}}}}}}'
        return "application/json", body.encode()
    xml = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>ServerBusy</Code><Message>{text}</Message></Error>'
    return "application/xml", xml.encode()


class FaultProxy:
    """One listening port. `plan` decides each request's fate; `served` is the certificate it shows, None = plain."""

    def __init__(
        self, upstream: Upstream, plan: FaultPlan, refusal: Refusal, *, served: ssl.SSLContext | None = None
    ) -> None:
        self.plan = plan
        self._upstream = upstream
        self._refusal = refusal
        self._served = served
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def origin(self) -> str:
        """Where it is reached. It must have been started."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"{'https' if self._served else 'http'}://127.0.0.1:{port}"

    async def start(self) -> None:
        """Binds a free port of 127.0.0.1. Raises OSError."""
        self._server = await asyncio.start_server(
            self._serve, "127.0.0.1", 0, ssl=self._served, limit=wire.LONGEST_HEAD
        )

    async def close(self) -> None:
        """Hangs up on everybody. Twice is fine."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.sleep(0)

    # ---- one connection

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        line = _Line(self._upstream)
        try:
            while (request := await wire.read_request(reader)) is not None:
                if not await self._one(request, line, writer):
                    return
        except _TROUBLE:
            writer.transport.abort()
        finally:
            self._open.discard(writer)
            line.hang_up()
            writer.close()

    async def _one(self, request: Message, line: "_Line", writer: asyncio.StreamWriter) -> bool:
        """Whether the connection lives on. Raises what the network raises."""
        fault = self.plan.next()
        if fault is not None and fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        match fault:
            case Fault(kind=FaultKind.RESET_BEFORE):
                writer.transport.abort()
                return False
            case Fault(kind=FaultKind.THROTTLED | FaultKind.THROTTLED_BARE):
                return await _send(writer, self._refused(request, 429, fault.retry_after_s))
            case Fault(kind=FaultKind.UNAVAILABLE):
                return await _send(writer, self._refused(request, 503, None))
        answer = await line.ask(request)
        if answer is None or (fault is not None and fault.kind is FaultKind.RESET_AFTER):
            writer.transport.abort()
            return False
        answer = wire.with_origin(answer, self._upstream.origin.encode(), self.origin.encode())
        whole = answer.head + answer.body
        if fault is not None and fault.kind is FaultKind.TRUNCATED:
            writer.write(whole[: int(len(whole) * fault.share)])
            with suppress(OSError):
                await writer.drain()
            return False
        await _send(writer, answer)
        return answer.header("connection").lower() != "close" and request.header("connection").lower() != "close"

    def _refused(self, request: Message, status: int, retry_after_s: int | None) -> Message:
        kind, body = self._refusal(request, status, retry_after_s)
        reason = "Too Many Requests" if status == 429 else "Service Unavailable"
        lines = [f"HTTP/1.1 {status} {reason}", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        lines += [] if retry_after_s is None else [f"Retry-After: {retry_after_s}"]
        return Message("\r\n".join([*lines, "", ""]).encode(), b"" if request.method == "HEAD" else body)


async def _send(writer: asyncio.StreamWriter, message: Message) -> bool:
    writer.write(message.head + message.body)
    await writer.drain()
    return True


class _Line:
    """The connection to the real server behind one connection of a client; opened when needed."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: Message) -> Message | None:
        """None when the server hung up instead of answering. Raises what the network raises."""
        reader, writer = await self._connected()
        writer.write(request.head + request.body)
        await writer.drain()
        while True:
            answer = await wire.read_response(reader, request.method)
            if answer is None or not answer.first_line.split(" ")[1].startswith("1"):
                break
        if answer is None or answer.header("connection").lower() == "close":
            self.hang_up()
        return answer

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and self._streams[0].at_eof():  # the server closed it while it was idle
            self.hang_up()
        if self._streams is None:
            self._streams = await asyncio.open_connection(
                self._upstream.host, self._upstream.port, ssl=self._upstream.tls, limit=wire.LONGEST_HEAD
            )
        return self._streams

    def hang_up(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None
