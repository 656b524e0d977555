"""Somebody else gets in between any two effects of a worker: the points are discovered, not written down."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any


class Rival:
    """Counts every call of every port, before and after its effect, as a CrashPlan does; at the chosen point the
    worker is slow, and `act` happens first. What `act` itself calls is not counted."""

    def __init__(self, at: int | None = None) -> None:
        self.at = at
        self.points = 0
        self.where = ""
        self.act: Callable[[], Awaitable[object]] | None = None
        self._acting = False

    def wrap(self, port: Any, name: str) -> Any:
        return _Watched(port, name, self)

    async def passing(self, where: str) -> None:
        if self._acting or self.act is None:
            return
        point, self.points = self.points, self.points + 1
        if point == self.at:
            self.where, self._acting = where, True
            try:
                await self.act()
            finally:
                self._acting = False


class _Watched:
    def __init__(self, port: Any, name: str, rival: Rival) -> None:
        self._port, self._name, self._rival = port, name, rival

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._port, method)
        if not inspect.iscoroutinefunction(real):
            return real

        async def watched(*args: Any, **kwargs: Any) -> Any:
            await self._rival.passing(f"before {self._name}.{method}")
            answer = await real(*args, **kwargs)
            await self._rival.passing(f"after {self._name}.{method}")
            return answer

        return watched
