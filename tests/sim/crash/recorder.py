"""Every moment of a life at which its process may die.

A *moment* is what is outside (all the fakes' memory, the time, what the process has in its hands) when a port is about
to be called or has just answered. Moments that are equal have the same future, so they are one. That is why a read has
no moments of its own: before and after it the outside is the same as after the effect before it, unless time has passed
in between (a worker that pauses in its visit), and then the time is another one and so is the moment.

The *points* of a sweep are the moments right before and right after an effect: a call that changed something. Nothing
of this is listed; a life that is recorded shows its own calls, and what they change.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from shared.app import App
from tests.sim.crash.outside import Outside, State
from tests.support.snapshot import PORTS


@dataclass(frozen=True, slots=True)
class Moment:
    """`at_effect`: right before or right after something was changed outside."""

    where: str
    state: State = field(repr=False)
    at_effect: bool


class Recorder:
    """Takes the outside down before and after every call of every port.

    Requests that a process has sent side by side (`asyncio.gather`) may arrive in any order: of those, each is also
    tried alone, the ones before it not having arrived.
    """

    def __init__(self, outside: Outside) -> None:
        self.moments: list[Moment] = []
        self.calls = 0
        self._outside = outside
        self._process: asyncio.Task[Any] | None = None
        self._burst: tuple[set[asyncio.Task[Any]], State] | None = None

    def begins(self) -> None:
        self._process, self._burst = asyncio.current_task(), None

    def watching(self, app: App) -> App:
        """The same App, its ports (sinks too) seen by this recorder."""
        ports: dict[str, Any] = {name: _Seen(getattr(app, name), name, self) for name in PORTS}
        sinks = tuple(_Seen(sink, f"sink {sink.name}", self) for sink in app.sinks)
        return replace(app, **ports, sinks=sinks)

    async def call(self, where: str, send: Callable[[], Awaitable[Any]]) -> Any:
        self.calls += 1
        self._outside.settle()
        before = self._outside.taken()
        answer = await send()
        after = self._outside.taken()
        changed = after != before
        self._note(f"before {where}", before, changed)
        if changed:
            await self._alone(where, send, before, after)
        self._note(f"after {where}", after, changed)
        return answer

    async def _alone(self, where: str, send: Callable[[], Awaitable[Any]], before: State, after: State) -> None:
        task = asyncio.current_task()
        if task is self._process or task is None:
            self._burst = None
            return
        if self._burst is None or task not in self._burst[0]:
            self._burst = asyncio.all_tasks() - {task}, before
            return
        self._outside.put_back(self._burst[1])
        await send()
        self._note(f"alone {where}", self._outside.taken(), True)
        self._outside.put_back(after)

    def _note(self, where: str, state: State, at_effect: bool) -> None:
        if self.moments and self.moments[-1].state == state:
            last = self.moments[-1]
            if at_effect and not last.at_effect:
                self.moments[-1] = replace(last, where=where, at_effect=True)
            return
        self.moments.append(Moment(where, state, at_effect))


class _Seen:
    def __init__(self, port: Any, name: str, recorder: Recorder) -> None:
        self._port, self._name, self._recorder = port, name, recorder

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._port, method)
        if not inspect.iscoroutinefunction(real):
            return real

        async def seen(*args: Any, **kwargs: Any) -> Any:
            return await self._recorder.call(f"{self._name}.{method}", lambda: real(*args, **kwargs))

        return seen
