"""Between the processes and everything outside: latency, loss, lost answers, late arrivals, throttling and death."""

import asyncio
import inspect
import random
from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any

from shared.errors import HubletError, RetryableError
from shared.hubs.vm_errors import VmUnreachable
from tests.sim.plan import Plan, Twist
from tests.sim.process import Process
from tests.sim.trace import Trace, brief
from tests.support.tape import Crash

AZURE = frozenset({"groups", "network", "compute", "operations", "shutdowns", "probe"})
MACHINE = frozenset({"on_vm", "hub_api", "hub_http"})
NEVER_FAIL = frozenset({"reach", "catalog"})
"""A name look-up is tried again below this port, and a price is a courtesy: neither raises."""

TELL_NO = frozenset({"api_version", "tls", "probe"})
"""Methods for which silence is an answer, not an error."""

LOOKS = frozenset(
    {
        *(("groups", "get"), ("groups", "tagged"), ("network", "address"), ("compute", "vm"), ("compute", "powers")),
        *(("operations", "poll"), ("on_vm", "call"), ("hub_http", "start_server"), ("hub_http", "compute_in_kernel")),
    }
)
"""Calls by which the world is observed."""

AZURE_TIMEOUT_S = 30.0
LATEST_ARRIVAL_S = 50.0
"""When a request may arrive whose sender gave up on it (shared/hubs/removal.py, LATE_WRITES, is 60 s)."""


class Fate(Enum):
    """What becomes of one call."""

    WELL = auto()
    REFUSED = auto()
    FORGOTTEN = auto()
    LATE = auto()
    THROTTLED = auto()
    KILL_BEFORE = auto()
    KILL_AFTER = auto()
    SLOW = auto()


_BY_KIND: Mapping[str, tuple[tuple[str, Fate], ...]] = {
    "storage": (("storage-refuses", Fate.REFUSED), ("storage-forgets", Fate.FORGOTTEN)),
    "azure": (
        ("azure-refuses", Fate.REFUSED),
        ("azure-forgets", Fate.FORGOTTEN),
        ("azure-late", Fate.LATE),
        ("azure-throttles", Fate.THROTTLED),
    ),
    "machine": (("machine-silent", Fate.REFUSED), ("machine-forgets", Fate.FORGOTTEN)),
}
_ANYWHERE = (("kill-before", Fate.KILL_BEFORE), ("kill-after", Fate.KILL_AFTER), ("slow", Fate.SLOW))


class Network:
    """`troubled`: whether faults strike now. `sends`: told of every call by its sender (port and method), in the
    sender's task; `heard`: of every call that takes effect, before it does."""

    def __init__(self, plan: Plan, rng: random.Random, trace: Trace) -> None:
        self._rng = rng
        self._trace = trace
        self._loop = asyncio.get_running_loop()
        self.troubled = bool(plan.faults)
        self.sends: Callable[[str, str], None] = lambda *_: None
        self.heard: Callable[[Process, str, str, tuple[Any, ...]], None] = lambda *_: None
        self.died: Callable[[Process], None] = lambda _: None
        self._fates = {kind: _ladder(plan, own + _ANYWHERE) for kind, own in (*_BY_KIND.items(), ("other", ()))}
        self.struck: dict[str, int] = {}
        self._perturbation = plan.perturbation
        self.calls = self.looks = 0

    def port(self, process: Process, name: str, real: Any) -> Any:
        return _Port(self, process, name, real)

    async def call(
        self, process: Process, port: str, method: str, real: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if process.dead:
            raise Crash(process.name)
        self.sends(port, method)
        self._perturb(process, port, method)
        kind = "other" if method in TELL_NO else _kind(port)
        fate = self._draw(kind)
        latency = self._rng.uniform(0.002, 0.02 if kind == "storage" else 0.3)
        where = f"{port}.{method}"
        match fate:
            case Fate.KILL_BEFORE:
                self._die(process, f"before {where}")
            case Fate.REFUSED:
                await asyncio.sleep(latency)
                self._trace.add(f"{process.name} {where} is refused")
                raise _refusal(kind)
            case Fate.THROTTLED:
                await asyncio.sleep(latency)
                self._trace.add(f"{process.name} {where} is throttled")
                raise RetryableError(
                    "AzureThrottled", "Azure asks this service to send fewer requests.", retry_after_s=30
                )
            case Fate.LATE:
                arrives = self._rng.uniform(1.0, LATEST_ARRIVAL_S)
                self._send(process, port, method, real, args, kwargs, arrives)
                await asyncio.sleep(AZURE_TIMEOUT_S)
                raise _refusal(kind)
            case Fate.SLOW:
                latency += self._rng.uniform(0.0, 8.0 if kind != "storage" else 3.0)
            case _:
                pass
        answer = await self._send(process, port, method, real, args, kwargs, latency)
        if kind == "machine" and method == "call":
            await self._task_runs(args, answer)
        if kind == "storage":
            process.clock.heard_of_storage()
        if fate is Fate.FORGOTTEN:
            self._trace.add(f"{process.name} {where}: the answer is lost")
            await asyncio.sleep(1.0)
            raise _refusal(kind)
        if fate is Fate.KILL_AFTER:
            self._die(process, f"after {where}")
        if process.dead:  # somebody killed it while this was on its way
            raise Crash(process.name)
        return answer

    def _perturb(self, process: Process, port: str, method: str) -> None:
        """The one occasion that is bent, if this is it."""
        looks = (port, method) in LOOKS
        self.calls, self.looks = self.calls + 1, self.looks + looks
        bent = self._perturbation
        if bent is None:
            return
        if bent.twist is Twist.INTERMEDIATE and bent.at == self.calls - 1:
            self._die(process, f"before {port}.{method}")
        if bent.twist is Twist.UNOBSERVED and looks and bent.at == self.looks - 1:
            self._trace.add(f"{process.name} {port}.{method} is never answered")
            raise _refusal(_kind(port))

    def _send(
        self,
        process: Process,
        port: str,
        method: str,
        real: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        after_s: float,
    ) -> asyncio.Future[Any]:
        """The request travels by itself: whether its sender still lives when it arrives is nothing to it."""
        future: asyncio.Future[Any] = self._loop.create_future()
        survives = self._rng.random() < 0.5

        def arrive() -> None:
            if future.cancelled() and not survives:
                return
            self._trace.add(f"{process.name} {port}.{method} {brief(args)}")
            self.heard(process, port, method, args)
            try:
                answer = _at_once(real(*args, **kwargs))
            except HubletError as error:
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # a sender that gave up never asks for it
            except Exception as error:
                if not future.done():
                    future.set_exception(error)
                    future.exception()
            else:
                if not future.done():
                    future.set_result(answer)

        self._loop.call_later(after_s, arrive)
        return future

    async def _task_runs(self, args: tuple[Any, ...], answer: Any) -> None:
        """A call that waits for a task on the machine lasts as long as the task, or as it was told to wait."""
        payload = args[2] if len(args) > 2 else {}
        if args[1] == "task":
            running = isinstance(answer, dict) and answer.get("state") == "running"
            await asyncio.sleep(float(payload.get("waitSeconds", 0)) if running else 0.5)

    def _draw(self, kind: str) -> Fate:
        if not self.troubled:
            return Fate.WELL
        ladder = self._fates[kind]
        if not ladder:
            return Fate.WELL
        chance = self._rng.random()
        for limit, fate, name in ladder:
            if chance < limit:
                self.struck[name] = self.struck.get(name, 0) + 1
                return fate
        return Fate.WELL

    def _die(self, process: Process, where: str) -> None:
        self._trace.add(f"{process.name} dies {where}")
        process.kill()
        self.died(process)
        raise Crash(where)


class _Port:
    """A port as one process sees it. Methods are wrapped at their first use and kept."""

    def __init__(self, network: Network, process: Process, name: str, real: Any) -> None:
        self.__dict__.update(_network=network, _process=process, _name=name, _real=real)

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._real, method)
        if not inspect.iscoroutinefunction(real) or self._name in NEVER_FAIL:
            return real
        network, process, name = self._network, self._process, self._name

        async def called(*args: Any, **kwargs: Any) -> Any:
            return await network.call(process, name, method, real, args, kwargs)

        self.__dict__[method] = called
        return called


def _at_once(coroutine: Any) -> Any:
    """The fakes wait for nothing: what they do, they do in one step."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    raise AssertionError("a fake waits for something")


def _kind(port: str) -> str:
    if port in AZURE:
        return "azure"
    if port in MACHINE:
        return "machine"
    return "other" if port in NEVER_FAIL or port == "outbound" or port.startswith("sink ") else "storage"


def _ladder(plan: Plan, faults: tuple[tuple[str, Fate], ...]) -> tuple[tuple[float, Fate, str], ...]:
    """Cumulative chances."""
    rungs, total = [], 0.0
    for name, fate in faults:
        rate = plan.rate(name)
        if rate > 0:
            total += rate
            rungs.append((total, fate, name))
    return tuple(rungs)


def _refusal(kind: str) -> HubletError:
    match kind:
        case "azure":
            return RetryableError("AzureUnreachable", "Azure could not be reached, or did not answer in time.")
        case "machine":
            return VmUnreachable()
        case _:
            return RetryableError("StorageUnavailable", "Storage did not answer.")
