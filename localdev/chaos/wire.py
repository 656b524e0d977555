"""HTTP/1.1 messages as bytes: read whole, handed on as they came. Enough for the SDKs, Azurite and the simulator."""

import asyncio
from dataclasses import dataclass

LONGEST_HEAD = 256 * 1024
"""asyncio's own limit of 64 KiB would do for all but recorded operation addresses."""


class BadMessage(Exception):
    """Not HTTP/1.1 as this module knows it; the text says why."""


@dataclass(frozen=True, slots=True)
class Message:
    """`head` ends with the empty line; `body` is as it was on the wire, chunk marks included."""

    head: bytes
    body: bytes

    @property
    def first_line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode("latin-1")

    @property
    def method(self) -> str:
        return self.first_line.split(" ", 1)[0].upper()

    @property
    def path(self) -> str:
        return self.first_line.split(" ")[1]

    def header(self, name: str) -> str:
        """The first value of that name, in any case; empty without one."""
        return header_of(self.head, name)


def header_of(head: bytes, name: str) -> str:
    wanted = name.lower().encode()
    for line in head.split(b"\r\n")[1:]:
        found, colon, value = line.partition(b":")
        if colon and found.strip().lower() == wanted:
            return value.strip().decode("latin-1")
    return ""


async def read_request(reader: asyncio.StreamReader) -> Message | None:
    """None when the connection ended before a request began. Raises BadMessage, OSError, IncompleteReadError."""
    head = await _read_head(reader)
    return None if head is None else Message(head, await _read_body(reader, head))


async def read_response(reader: asyncio.StreamReader, method: str) -> Message | None:
    """The answer to a request of that method; None when the connection ended before it. Raises as above."""
    head = await _read_head(reader)
    if head is None:
        return None
    status = head.split(b" ", 2)[1]
    if method == "HEAD" or status.startswith(b"1") or status in (b"204", b"304"):
        return Message(head, b"")
    if not header_of(head, "content-length") and not header_of(head, "transfer-encoding"):
        return Message(head, await reader.read())
    return Message(head, await _read_body(reader, head))


async def _read_head(reader: asyncio.StreamReader) -> bytes | None:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    except asyncio.LimitOverrunError as error:
        raise BadMessage("a head that is too long") from error


async def _read_body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    if header_of(head, "transfer-encoding").lower() == "chunked":
        return await _read_chunks(reader)
    length = header_of(head, "content-length") or "0"
    if not length.isdecimal():
        raise BadMessage("a Content-Length that is no number")
    return await reader.readexactly(int(length))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while True:
        line = await reader.readuntil(b"\r\n")
        body += line
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError as error:
            raise BadMessage("a chunk without a size") from error
        if size == 0:
            while line != b"\r\n":
                line = await reader.readuntil(b"\r\n")
                body += line
            return bytes(body)
        body += await reader.readexactly(size + 2)


def with_origin(message: Message, real: bytes, shown: bytes) -> Message:
    """`real` replaced by `shown` wherever it stands, so that whoever follows an address of the answer comes back to
    us. Both are `scheme://host:port`. A body of chunks is left alone."""
    if real not in message.head and real not in message.body:
        return message
    head, body = message.head.replace(real, shown), message.body
    if header_of(head, "content-length"):
        body = body.replace(real, shown)
        head = _with_length(head, len(body))
    return Message(head, body)


def _with_length(head: bytes, length: int) -> bytes:
    lines = head.split(b"\r\n")
    return b"\r\n".join(
        f"Content-Length: {length}".encode() if line.lower().startswith(b"content-length:") else line for line in lines
    )
