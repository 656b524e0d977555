"""The virtual machine of the model: boots, installs and runs tasks for as long as recorded ones did, give or take.

Sources of the times: the recorded install of TLJH 2.0.0 on two cores (tests/support/fake_machine.py; 203 s, and up to
half as long again: https://tljh.jupyter.org/en/latest/install/azure.html says 5-10 min), recorded `tljh-config reload`s
(5-9 s), a first server start (3-8 s as a rule) and a first kernel (2-5 s) of a real JupyterHub.
"""

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from localdev.azuresim.vm.ports import InboundRules, NullVmRuntime, VmSpec
from localdev.bench.model.clock import VirtualClock
from localdev.bench.model.timeline import Timeline
from shared.hubs.ports import SshProbe, SshTarget, TlsCheck
from tests.support.fake_machine import RECORDED, TASK_SECONDS, FakeMachine, Script
from tests.support.fake_vm import FakeHubHttp, FakeOnVm

EGRESS = "198.51.100.7"
SLOW_SPAWN_S = 10.0
"""JupyterHub answers a request for a server after this long at the latest (`slow_spawn_timeout`)."""

_RELOADS = frozenset({"configure", "https", "lock-commit"})
"""Tasks that are little more than a reload of the hub or its proxy, or a restart of sshd."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Nature:
    """How long everything on one machine takes, in seconds. `install` are the stamps of the recorded lines."""

    boot: float
    cloud_init: float
    install: tuple[float, ...]
    tasks: Mapping[str, float]
    certificate: float
    server: float
    kernel: float

    @classmethod
    def draw(cls, rng: random.Random) -> "Nature":
        return cls(
            boot=rng.uniform(0, 10),
            cloud_init=rng.uniform(3, 10),
            install=_install(rng),
            tasks={name: _task(rng, name, seconds) for name, seconds in TASK_SECONDS.items()},
            certificate=min(60.0, max(5.0, 12.0 * _around_one(rng, 0.5))),
            server=min(60.0, max(3.0, 5.0 * _around_one(rng, 0.3))),
            kernel=rng.uniform(2, 5),
        )

    @property
    def script(self) -> Script:
        return Script(lines=tuple(zip(self.install, (line for _, line in RECORDED), strict=True)))


def _install(rng: random.Random) -> tuple[float, ...]:
    """The recorded stamps, each stretch at a pace of its own around the machine's pace."""
    pace, at, before, stamps = rng.uniform(1.0, 1.5), 0.0, 0.0, []
    for recorded, _ in RECORDED:
        at += (recorded - before) * pace * _around_one(rng, 0.15)
        before = recorded
        stamps.append(round(at, 3))
    return tuple(stamps)


def _task(rng: random.Random, name: str, seconds: float) -> float:
    return rng.uniform(5, 9) if name in _RELOADS else seconds * _around_one(rng, 0.2)


def _around_one(rng: random.Random, sigma: float) -> float:
    return math.exp(rng.gauss(0.0, sigma))


class ModelOnVm(FakeOnVm):
    """The agent over SSH. A call that waits for a task takes that long; a silent port takes the probe's whole time."""

    def __init__(self, clock: VirtualClock, nature: Nature, timeline: Timeline) -> None:
        super().__init__(clock)
        self._time = clock
        self._nature = nature
        self._timeline = timeline
        self._inbound: InboundRules | None = None
        self._seen: set[str] = set()
        self.port_open = lambda host: self._inbound is not None and self._inbound.allows(EGRESS, 22)

    def place(self, address: str, inbound: InboundRules) -> None:
        """The VM's create operation ended: it boots, and cloud-init begins the installation by itself."""
        nature, now = self._nature, self._time.now()
        machine = FakeMachine(
            self.clock,
            address,
            now,
            boot_s=nature.boot,
            cloud_init_s=nature.cloud_init,
            scripts=[nature.script],
            task_seconds=dict(nature.tasks),
        )
        self.machines[address] = machine
        self._inbound = inbound
        installs = now + timedelta(seconds=nature.boot + nature.cloud_init)
        self._timeline.add("boot", now, installs)
        self._timeline.add("install", installs, installs + timedelta(seconds=nature.script.length_s))

    async def call(
        self, target: SshTarget, verb: str, payload: Mapping[str, object], *, timeout_s: float = 30.0
    ) -> Mapping[str, object]:
        began = self._time.now()
        answer = await super().call(target, verb, payload, timeout_s=timeout_s)
        if verb == "task":
            await self._wait(str(payload["key"]), str(payload["name"]), began, payload, target.host)
        return answer

    async def _wait(self, key: str, name: str, began: datetime, payload: Mapping[str, object], host: str) -> None:
        task = self.machines[host].tasks[key]
        if key not in self._seen:
            self._seen.add(key)
            self._timeline.add(name, began, task.ends_at)
        wait = payload.get("waitSeconds", 5)
        assert isinstance(wait, int)
        await self._time.pass_to(min(task.ends_at, began + timedelta(seconds=wait)))

    async def probe(self, host: str, port: int, *, timeout_s: float = 10.0) -> SshProbe:
        began = self._time.now()
        seen = await super().probe(host, port, timeout_s=timeout_s)
        if not seen.banner:
            await self._time.sleep(timeout_s)
            self._timeline.add("proof that 22 is closed", began, self._time.now())
        return seen


class ModelHubHttp(FakeHubHttp):
    """The hub in a browser: a server and a kernel take their time, the certificate comes some time after its task."""

    def __init__(self, on_vm: ModelOnVm, clock: VirtualClock, nature: Nature, timeline: Timeline) -> None:
        super().__init__(on_vm)
        self.server_looks = 0
        self._clock = clock
        self._nature = nature
        self._timeline = timeline
        self._certificate_at: datetime | None = None
        self._server_at: datetime | None = None

    async def tls(self, fqdn: str) -> TlsCheck:
        if self._certificate_at is None:
            asked = [t for m in self.on_vm.machines.values() for t in m.tasks.values() if t.name == "https"]
            begin = max(task.ends_at for task in asked)
            self._certificate_at = begin + timedelta(seconds=self._nature.certificate)
            self._timeline.add("certificate", begin, self._certificate_at)
        if self._clock.now() < self._certificate_at:
            return TlsCheck(ok=False, reason="the proxy's own default certificate")
        return await super().tls(fqdn)

    async def start_server(self, url: str, user: str, password: str) -> bool:
        now = self._clock.now()
        if self._server_at is None:
            self._server_at = now + timedelta(seconds=self._nature.server)
            self._timeline.add("server", now, self._server_at)
            await self._clock.pass_to(min(self._server_at, now + timedelta(seconds=SLOW_SPAWN_S)))
        if self._clock.now() < self._server_at:
            return False
        return await super().start_server(url, user, password)

    async def compute_in_kernel(self, url: str, user: str, password: str, expression: str) -> str:
        began = self._clock.now()
        await self._clock.sleep(self._nature.kernel)
        self._timeline.add("kernel", began, self._clock.now())
        return await super().compute_in_kernel(url, user, password, expression)


class ModelRuntime(NullVmRuntime):
    """Tells the hub's machine when the simulated Azure has made it."""

    def __init__(self) -> None:
        super().__init__()
        self.on_vm: ModelOnVm | None = None

    async def create(self, spec: VmSpec, address: str, inbound: InboundRules) -> None:
        await super().create(spec, address, inbound)
        assert self.on_vm is not None
        self.on_vm.place(address, inbound)
