"""Waiting for something that happens in another process."""

import asyncio
from collections.abc import Awaitable, Callable


async def eventually[T](probe: Callable[[], T | Awaitable[T]], limit_s: float = 10.0) -> T:
    """The first truthy answer of `probe`; raises AssertionError with the last answer after `limit_s`."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + limit_s
    while True:
        answer = probe()
        value: T = await answer if isinstance(answer, Awaitable) else answer
        if value:
            return value
        assert loop.time() < deadline, f"not within {limit_s:g} s; last answer: {value!r}"
        await asyncio.sleep(0.05)
