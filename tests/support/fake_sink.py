"""A sink for notices with a memory."""

from collections.abc import Sequence

from shared.errors import HubletError
from shared.hubs.model import Notice
from tests.support.tape import Tape


class FakeSink:
    """`Sink` that keeps what it was given. `tape.fail("sink.deliver", error, times=n)` makes it refuse; with targets of
    their own `tape.fail("sink.deliver:<target>", ...)` makes that one refuse."""

    def __init__(self, name: str = "fake", tape: Tape | None = None, targets: Sequence[str] = ("",)) -> None:
        self.name = name
        self.tape = tape or Tape()
        self.delivered: list[Notice] = []
        self.told: list[tuple[str, str]] = []
        """Target and notice id, in order."""
        self.given_up: list[tuple[str, str, str]] = []
        """Target, notice id, the error's code."""
        self._targets = targets

    async def targets(self, notice: Notice) -> Sequence[str]:
        self.tape.begin("sink.targets")
        return self._targets

    async def deliver(self, notice: Notice, target: str) -> None:
        self.tape.begin("sink.deliver")
        if target:
            self.tape.begin(f"sink.deliver:{target}")
        self.delivered.append(notice)
        self.told.append((target, notice.id))
        self.tape.wrote("sink.deliver")

    async def gave_up(self, notice: Notice, target: str, error: HubletError) -> None:
        self.tape.begin("sink.gave_up")
        self.given_up.append((target, notice.id, error.code))
