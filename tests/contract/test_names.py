"""The system's resolver, on the real loopback names."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from shared.adapters.names import system_look_up


async def test_a_name_has_each_of_its_addresses_once():
    found = await system_look_up(1)("localhost", 443)
    assert found
    assert set(found) <= {"127.0.0.1", "::1"}
    assert len(found) == len(set(found))


def test_a_look_up_does_not_wait_for_the_event_loops_own_threads():
    """What every hub needs shares those: a name whose servers are silent must not hold one, nor wait for one."""

    async def while_the_loops_threads_are_busy() -> Sequence[str]:
        loop, done = asyncio.get_running_loop(), threading.Event()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, done.wait)
        try:
            async with asyncio.timeout(5):
                return await system_look_up(1)("localhost", 443)
        finally:
            done.set()
            await busy

    assert asyncio.run(while_the_loops_threads_are_busy())
