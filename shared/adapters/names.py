"""Addresses of names that somebody gave us: an owner's domain, a receiver's host."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

type LookUp = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a name, each once, in the order of preference. Raises OSError when there are none."""


def system_look_up(threads: int) -> LookUp:
    """The system's resolver, in at most so many threads of its own, made when they are needed.

    A look-up cannot be called off, and one of a name whose servers are silent goes on for longer than anybody waits for
    it. The event loop's own threads are five or six, and what every hub needs waits for them: look-ups for Azure and
    storage, the making of keys.
    """
    pool = ThreadPoolExecutor(threads, "look-up")

    async def look_up(host: str, port: int) -> Sequence[str]:
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(pool, ask)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    return look_up
