"""One process of the app: its own clock and its own way to the ports, and a death that nobody can catch."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from shared.app import App
from tests.sim.loop import SimClock
from tests.support.tape import Crash


class Process:
    """`app`: the composition root of this process. Once dead, everything it was at ends where it stands, and a port
    that is asked all the same raises Crash; what was on its way to somebody else may still arrive."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.busy = 0
        self.app: App
        self.clock: SimClock
        self._tasks: set[asyncio.Task[Any]] = set()

    def spawn[T](self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Runs `work` in this process. The caller looks at the outcome; who dies is cancelled."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    def kill(self) -> None:
        """Twice is once."""
        self.dead = True
        present = asyncio.current_task()
        for task in sorted(self._tasks, key=lambda task: task.get_name()):
            if task is not present:
                task.cancel()

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # looked at by whoever spawned it; a dead process has nobody left to look


async def outcome_of[T](task: asyncio.Task[T]) -> T | BaseException:
    """What became of a task of another process; its death is a Crash."""
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        return Crash("the process died")
    except BaseException as error:  # whatever it raised is the outcome
        return error
