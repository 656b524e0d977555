"""How fast a simulated VM lives: recorded durations are divided by one factor, and nothing else waits."""

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True)
class Pace:
    """Divides durations by `time_scale`; 1 plays them as they were recorded."""

    time_scale: float = 1.0

    def seconds(self, recorded: float) -> float:
        """The real seconds that stand for `recorded` seconds of a VM's life."""
        return recorded / self.time_scale

    async def wait(self, recorded: float) -> None:
        """Let `recorded` seconds of the VM's life pass."""
        await asyncio.sleep(self.seconds(recorded))
