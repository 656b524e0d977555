"""Two Functions hosts side by side, and somebody who kills them."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from localdev.ports import unused_port
from localdev.processes import Child, Children
from localdev.stack import launch_host

HOST_ARGS = (
    *("--drain-seconds", "1"),
    *("--timer", "tick_timer=2", "--timer", "sweep_timer=20", "--timer", "audit_timer=30"),
)

READY_LIMIT_S = 90.0
_LOOK_S = 0.1
_WHILE_STARTING = 0.1
"""Share of kills that may hit a host which does not serve yet."""


@dataclass
class Host:
    """One place for a host: the same port for every process that is started in it."""

    name: str
    port: int
    child: Child | None = None
    ready: Path | None = None
    started: int = 0

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def serves(self) -> bool:
        return self.child is not None and self.child.running and self.ready is not None and self.ready.exists()


@dataclass
class Hosts:
    """All methods are called by the loop in the main thread (see Children). `lease_s`: how long the messages of a
    killed host stay hidden; ten minutes in Azure. Each of these kills counts as a delivery that failed, so with a short
    lease five kills in a row would poison a message, which in Azure takes most of an hour."""

    children: Children
    folder: Path
    settings: Mapping[str, str]
    lease_s: float
    places: list[Host] = field(default_factory=lambda: [Host(name, unused_port()) for name in "ab"])
    logs: list[Path] = field(default_factory=list)
    kills: int = 0

    def start(self, host: Host) -> None:
        """Begins to start it; see `serving`."""
        host.started += 1
        name = f"host-{host.name}-{host.started:03d}"
        args = (*HOST_ARGS, "--lease-seconds", f"{self.lease_s:g}")
        host.child, host.ready = launch_host(
            self.children, self.folder, self.settings, port=host.port, host_args=args, name=name
        )
        self.logs.append(host.child.log)

    def kill(self, host: Host) -> None:
        assert host.child is not None
        self.children.kill(host.child)
        self.kills += 1

    async def serving(self) -> None:
        """Until both serve; one that ended by itself raises ChildFailed, and so does one that takes too long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_LIMIT_S
        for host in self.places:
            while not host.serves:
                assert host.child is not None
                if not host.child.running or loop.time() > deadline:
                    raise host.child.failure("does not serve")
                await asyncio.sleep(_LOOK_S)

    def ended_by_themselves(self) -> list[str]:
        return [host.name for host in self.places if host.child is not None and not host.child.running]


@dataclass(frozen=True)
class Pace:
    """Seconds between kills, and until a killed host is started again."""

    gap_s: tuple[float, float]
    down_s: tuple[float, float] = (0.0, 2.0)


async def kill_now_and_then(
    hosts: Hosts, random: Random, kills: int, pace: Pace, *, go_on: Callable[[], bool], idle: Callable[[], bool]
) -> None:
    """SIGKILL to one of them at random moments until there were so many, or `go_on` says no. Kills that would hit
    nothing (`idle`) are put off. Ends with both started. Raises ChildFailed when a host ends by itself."""
    while hosts.kills < kills and go_on():
        await asyncio.sleep(random.uniform(*pace.gap_s))
        if idle():
            continue
        serving = [host for host in hosts.places if host.serves]
        for host in hosts.places:
            if host not in serving and host.child is not None and not host.child.running:
                raise host.child.failure("ended by itself")
        candidates = hosts.places if random.random() < _WHILE_STARTING else serving
        if not candidates:
            continue
        victim = random.choice(candidates)
        hosts.kill(victim)
        await asyncio.sleep(random.uniform(*pace.down_s))
        hosts.start(victim)
