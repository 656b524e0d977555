"""What was asked of the simulator, for tests, benchmarks and the least-privilege role."""

from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

#: Older requests are forgotten; a benchmark of 500 hubs makes about 15,000.
KEEP = 200_000


@dataclass(frozen=True)
class Recorded:
    """One request and how it ended; `ms` is the simulator clock's time between the two."""

    time: str
    method: str
    path: str
    operation: str
    status: int
    ms: float
    client_request_id: str | None

    def describe(self) -> dict[str, Any]:
        described = asdict(self)
        described["clientRequestId"] = described.pop("client_request_id")
        return described


class Recorder:
    """The last requests, oldest first."""

    def __init__(self) -> None:
        self._requests: deque[tuple[datetime, Recorded]] = deque(maxlen=KEEP)

    def add(self, began: datetime, recorded: Recorded) -> None:
        self._requests.append((began, recorded))

    def since(self, moment: datetime | None) -> list[Recorded]:
        """Requests that began at `moment` or later; all without it."""
        return [recorded for began, recorded in self._requests if moment is None or began >= moment]

    def clear(self) -> None:
        self._requests.clear()
