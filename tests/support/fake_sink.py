"""A sink for notices with a memory."""

from shared.hubs.model import Notice
from tests.support.tape import Tape


class FakeSink:
    """`Sink` that keeps what it was given. `tape.fail("sink.deliver", error, times=n)` makes it refuse."""

    def __init__(self, name: str = "fake", tape: Tape | None = None) -> None:
        self.name = name
        self.tape = tape or Tape()
        self.delivered: list[Notice] = []

    async def deliver(self, notice: Notice) -> None:
        self.tape.begin("sink.deliver")
        self.delivered.append(notice)
        self.tape.wrote("sink.deliver")
