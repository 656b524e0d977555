"""``/_sim/...``: making the simulated Azure slow or broken, moving its clock, asking what happened.

For this machine only: a request whose ``Host`` is not loopback is refused, so that no web page can reach it by a name
that resolves to 127.0.0.1.
"""

import ipaddress
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from urllib.parse import urlsplit

from localdev.azuresim.compute.models import VirtualMachine
from localdev.azuresim.envelope import Json, Request, Response
from localdev.azuresim.faults import BadFault, Fault
from localdev.azuresim.network.models import PublicAddress

if TYPE_CHECKING:
    from localdev.azuresim.simulator import Simulator

type _Answer = Callable[[Request], Awaitable[Response]]


@runtime_checkable
class Faulty(Protocol):
    """A VM runtime whose machines can be told to fail; records-only machines cannot."""

    def inject_fault(self, kind: str, times: int = 1, vm_id: str | None = None) -> None: ...

    def clear_faults(self) -> None: ...


class _BadRequest(Exception):
    """The request to the control surface makes no sense; the message says why."""


class Control:
    """The control surface of one simulator."""

    def __init__(self, simulator: "Simulator") -> None:
        self._simulator = simulator
        self._answers: dict[tuple[str, str], _Answer] = {
            ("GET", "faults"): self._list_faults,
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): self._clear_faults,
            ("GET", "transitions"): self._list_transitions,
            ("POST", "transitions"): self._set_transitions,
            ("DELETE", "transitions"): self._clear_transitions,
            ("GET", "clock"): self._show_clock,
            ("POST", "clock"): self._move_clock,
            ("GET", "settings"): self._show_settings,
            ("POST", "settings"): self._change_settings,
            ("POST", "reset"): self._reset,
            ("GET", "requests"): self._list_requests,
            ("DELETE", "requests"): self._clear_requests,
            ("GET", "reach"): self._reach,
            ("POST", "vmfaults"): self._add_vm_fault,
            ("DELETE", "vmfaults"): self._clear_vm_faults,
            ("GET", "bootstrap.py"): self._bootstrap,
        }

    async def handle(self, request: Request) -> Response:
        """Answer a request below ``/_sim/``: 403 for a foreign host, 404, 405, 400 with a reason, or 200."""
        if not _loopback(request.header("host") or "127.0.0.1"):
            return Response(403, {"error": "the control surface answers loopback only"})
        name = request.path.removeprefix("/_sim/").strip("/").lower()
        answer = self._answers.get((request.method, name))
        if answer is None:
            known = any(path == name for _, path in self._answers)
            return Response(405 if known else 404, {"error": f"no {request.method} /_sim/{name}"})
        try:
            return await answer(request)
        except (_BadRequest, BadFault) as problem:
            return Response(400, {"error": str(problem)})

    # faults

    async def _list_faults(self, request: Request) -> Response:
        return Response(200, {"faults": self._simulator.services.faults.describe()})

    async def _add_fault(self, request: Request) -> Response:
        fault = Fault.parse(_json(request))
        self._simulator.services.faults.add(fault)
        return Response(201, fault.describe())

    async def _clear_faults(self, request: Request) -> Response:
        self._simulator.services.faults.clear()
        return Response(204)

    # durations

    async def _list_transitions(self, request: Request) -> Response:
        return Response(200, self._simulator.services.durations.exact())

    async def _set_transitions(self, request: Request) -> Response:
        """``{"VirtualMachines_CreateOrUpdate": 10, "*": "immediate"}``, in nominal seconds."""
        wanted = _json(request)
        for operation, seconds in wanted.items():
            value = 0.0 if seconds == "immediate" else seconds
            if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
                raise _BadRequest(f'{operation}: seconds or "immediate", not {seconds!r}')
            self._simulator.services.durations.set(operation, float(value))
        return await self._list_transitions(request)

    async def _clear_transitions(self, request: Request) -> Response:
        self._simulator.services.durations.clear()
        return Response(204)

    # time

    async def _show_clock(self, request: Request) -> Response:
        clock = self._simulator.clock
        body = {"now": clock.now().isoformat(), "offset_s": clock.offset.total_seconds(), "timeScale": clock.time_scale}
        return Response(200, body)

    async def _move_clock(self, request: Request) -> Response:
        """``{"advance_s": 3600}``; what became due has happened when the answer arrives."""
        seconds = _json(request).get("advance_s")
        if not isinstance(seconds, int | float) or isinstance(seconds, bool) or seconds < 0:
            raise _BadRequest("advance_s is a number of seconds, 0 or more")
        self._simulator.clock.move(seconds)
        await self._simulator.settle()
        return await self._show_clock(request)

    # settings

    async def _show_settings(self, request: Request) -> Response:
        settings, throttle = self._simulator.services.settings, self._simulator.services.throttle
        return Response(
            200,
            {
                "throttling": throttle.enabled,
                "staleReadsS": settings.stale_reads_s,
                "quotas": settings.quotas,
                "unregistered": sorted(settings.unregistered),
                "outOfCapacity": sorted(settings.out_of_capacity),
                "pageSize": settings.page_size,
            },
        )

    async def _change_settings(self, request: Request) -> Response:
        """Any of the members that GET shows; the others stay."""
        wanted, services = _json(request), self._simulator.services
        unknown = set(wanted) - {"throttling", "staleReadsS", "quotas", "unregistered", "outOfCapacity", "pageSize"}
        if unknown:
            raise _BadRequest(f"unknown setting: {', '.join(sorted(unknown))}")
        page_size = wanted.get("pageSize", services.settings.page_size)
        if not isinstance(page_size, int) or isinstance(page_size, bool) or page_size < 1:
            raise _BadRequest("pageSize is a whole number, 1 or more")
        services.settings.page_size = page_size
        services.throttle.enabled = bool(wanted.get("throttling", services.throttle.enabled))
        services.settings.stale_reads_s = float(wanted.get("staleReadsS", services.settings.stale_reads_s))
        services.store.remember_before = services.settings.stale_reads_s > 0
        services.settings.quotas |= {str(name): int(limit) for name, limit in wanted.get("quotas", {}).items()}
        if "unregistered" in wanted:
            services.settings.unregistered = {str(name).lower() for name in wanted["unregistered"]}
        if "outOfCapacity" in wanted:
            services.settings.out_of_capacity = {str(name).lower() for name in wanted["outOfCapacity"]}
        return await self._show_settings(request)

    async def _reset(self, request: Request) -> Response:
        await self._simulator.reset()
        return Response(204)

    # what happened

    async def _list_requests(self, request: Request) -> Response:
        since = request.parameters().get("since")
        try:
            # A "+" in a query string arrives as a blank.
            moment = datetime.fromisoformat(since.replace(" ", "+")) if since else None
        except ValueError as error:
            raise _BadRequest("since is an ISO 8601 time") from error
        if moment is not None and moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        found = self._simulator.recorder.since(moment)
        return Response(200, {"requests": [recorded.describe() for recorded in found]})

    async def _clear_requests(self, request: Request) -> Response:
        self._simulator.recorder.clear()
        return Response(204)

    # virtual machines

    async def _reach(self, request: Request) -> Response:
        """Where a VM's port really listens: by DNS name, public address or VM name."""
        query = request.parameters()
        host, port = query.get("host", "").lower().rstrip("."), query.get("port", "")
        if not host or not port.isdigit():
            raise _BadRequest("give host and port")
        vm = self._find_machine(host)
        found = self._simulator.services.runtime.endpoints(vm.id).get(int(port)) if vm else None
        if found is None:
            return Response(404, {"error": f"nothing listens for {host} on port {port}"})
        return Response(200, {"address": found[0], "port": found[1]})

    def _find_machine(self, host: str) -> VirtualMachine | None:
        provisioning, store = self._simulator.compute.provisioning, self._simulator.services.store
        for vm in store.every(VirtualMachine):
            address: PublicAddress | None = provisioning.public_address(vm)
            if address is not None and host in (address.fqdn, address.reserved):
                return vm
        return None

    async def _add_vm_fault(self, request: Request) -> Response:
        """``{"kind": "apt-lock", "times": 1, "vm": "<name>"}``; without ``vm`` for every VM made from now on."""
        wanted, runtime = _json(request), self._simulator.services.runtime
        if not isinstance(runtime, Faulty):
            raise _BadRequest("this simulator runs no virtual machines")
        name = wanted.get("vm")
        named: list[str | None] = [
            vm.id for vm in self._simulator.services.store.every(VirtualMachine) if vm.name == name
        ]
        if name is not None and not named:
            raise _BadRequest(f"no VM called {name}")
        try:
            for vm_id in named or [None]:
                runtime.inject_fault(str(wanted.get("kind")), int(wanted.get("times", 1)), vm_id)
        except (KeyError, ValueError) as error:
            raise _BadRequest(str(error)) from error
        return Response(201, wanted)

    async def _clear_vm_faults(self, request: Request) -> Response:
        if isinstance(self._simulator.services.runtime, Faulty):
            self._simulator.services.runtime.clear_faults()
        return Response(204)

    async def _bootstrap(self, request: Request) -> Response:
        if not self._simulator.bootstrap:
            return Response(404, {"error": "this simulator runs no virtual machines"})
        return Response(200, self._simulator.bootstrap, {"Content-Type": "text/x-python; charset=utf-8"})


def _loopback(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _json(request: Request) -> Json:
    try:
        content: Any = json.loads(request.body or b"{}")
    except ValueError as error:
        raise _BadRequest(f"not JSON: {error}") from error
    if not isinstance(content, dict):
        raise _BadRequest("a JSON object was expected")
    return content
