"""What the fakes have in common: a tape of every write, with crashes and failures at chosen places."""

from collections import defaultdict, deque


class Crash(BaseException):
    """The process died here. Not an Exception: no handler of ours may survive it."""


class Tape:
    """Records every write of the fakes that share it, in order, as `port.verb` names.

    `crash_after=n` raises Crash right after the n-th write took effect (1 = the first one), once.
    `fail(name, error, times)` makes the next calls of that name raise before anything happens, reads too.
    `lose_answer(name, error)` lets the next write of that name take effect and then raise: an unknown outcome.
    """

    def __init__(self, *, crash_after: int | None = None) -> None:
        self.writes: list[str] = []
        self.crash_after = crash_after
        self._failures: defaultdict[str, deque[Exception]] = defaultdict(deque)
        self._lost: defaultdict[str, deque[Exception]] = defaultdict(deque)

    def fail(self, name: str, error: Exception, *, times: int = 1) -> None:
        self._failures[name].extend([error] * times)

    def forgive(self, name: str) -> None:
        """Calls of that name do well again."""
        self._failures[name].clear()

    def lose_answer(self, name: str, error: Exception) -> None:
        self._lost[name].append(error)

    def count(self, name: str) -> int:
        return self.writes.count(name)

    def begin(self, name: str) -> None:
        """Called by a fake before it looks or changes anything."""
        if self._failures[name]:
            raise self._failures[name].popleft()

    def wrote(self, name: str) -> None:
        """Called by a fake after a write took effect."""
        self.writes.append(name)
        if self.crash_after is not None and len(self.writes) >= self.crash_after:
            self.crash_after = None
            raise Crash(f"after write {len(self.writes)}: {name}")
        if self._lost[name]:
            raise self._lost[name].popleft()
