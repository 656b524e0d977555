"""The services of a simulated VM, with the names and dependencies TLJH gives them.

Unit files are recorded on the disk (the ``wants`` link says what starts at boot); their resource limits and sandboxing
are not enforced.  ``jupyterhub`` requires ``traefik``: restarting the proxy restarts the hub, as with systemd.
"""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from localdev.azuresim.vm.disk import Disk

WANTS = "/etc/systemd/system/multi-user.target.wants"


class UnitFailed(Exception):
    """The unit could not be started; the text is for its journal."""


class Unit(Protocol):
    """One service."""

    name: str
    restarts: int
    """systemd's NRestarts."""

    async def start(self) -> None:
        """Start; returns when systemd would.  A running unit stays as it is.  Raises `UnitFailed`."""
        ...

    async def stop(self) -> None:
        """Stop; a stopped unit stays as it is."""
        ...

    async def power_off(self) -> None:
        """The VM went off: every process is gone already."""
        ...

    def state(self) -> str:
        """``active``, ``inactive``, ``activating`` or ``failed``."""
        ...

    def main_pid(self) -> int:
        """Process id, 0 when there is none."""
        ...


class IdleUnit:
    """A unit that is only a state, such as apt's timers: nothing runs, start and stop are remembered until reboot."""

    def __init__(self, name: str, *, active: bool) -> None:
        self.name = name
        self.restarts = 0
        self._at_boot = active
        self._active = active

    async def start(self) -> None:
        """Remember."""
        self._active = True

    async def stop(self) -> None:
        """Remember."""
        self._active = False

    async def power_off(self) -> None:
        """Back to what it is at boot."""
        self._active = self._at_boot

    def state(self) -> str:
        """The remembered state."""
        return "active" if self._active else "inactive"

    def main_pid(self) -> int:
        """None."""
        return 0


class Units:
    """All services of one VM."""

    def __init__(self, disk: Disk, units: Iterable[Unit]) -> None:
        self._disk = disk
        self._units = {unit.name: unit for unit in units}
        self._lock = asyncio.Lock()

    def find(self, name: str) -> Unit | None:
        """The unit called `name`, with or without ``.service``; ``sshd`` is ``ssh``."""
        bare = name.removesuffix(".service")
        return self._units.get({"sshd": "ssh"}.get(bare, bare))

    def names(self) -> list[str]:
        """All unit names."""
        return sorted(self._units)

    def enabled(self, name: str) -> bool:
        """Whether the unit starts at boot."""
        return self._disk.path(f"{WANTS}/{name}.service", follow=False).is_symlink()

    def enable(self, name: str) -> bool:
        """Let the unit start at boot; whether that is new."""
        if self.enabled(name):
            return False
        link = self._disk.directory(WANTS) / f"{name}.service"
        link.symlink_to(f"/etc/systemd/system/{name}.service")
        return True

    def disable(self, name: str) -> bool:
        """Not at boot any more; whether that is new."""
        return self._disk.remove(f"{WANTS}/{name}.service")

    async def start(self, unit: Unit) -> None:
        """Start the unit and what it requires."""
        async with self._lock:
            await self._start(unit)

    async def stop(self, unit: Unit) -> None:
        """Stop the unit and what requires it."""
        async with self._lock:
            await self._stop(unit)

    async def restart(self, unit: Unit) -> None:
        """Stop and start; a running hub is restarted with its proxy."""
        async with self._lock:
            dependant = self._dependant(unit)
            again = dependant is not None and dependant.state() in ("active", "activating")
            await self._stop(unit)
            await self._start(unit)
            if again and dependant is not None:
                await self._start(dependant)

    async def boot(self) -> None:
        """Start what is enabled."""
        for name in ("traefik", "jupyterhub"):
            unit = self.find(name)
            if unit is not None and self.enabled(name):
                await self.start(unit)

    async def power_off(self) -> None:
        """Every unit forgets its processes."""
        for unit in self._units.values():
            await unit.power_off()

    def _dependant(self, unit: Unit) -> Unit | None:
        return self._units.get("jupyterhub") if unit.name == "traefik" else None

    async def _start(self, unit: Unit) -> None:
        if unit.name == "jupyterhub":
            await self._units["traefik"].start()
        await unit.start()

    async def _stop(self, unit: Unit) -> None:
        dependant = self._dependant(unit)
        if dependant is not None:
            await dependant.stop()
        await unit.stop()
