"""The machine side in memory, for tests of the domain: the agent over SSH, the hub over HTTP, and the way to both."""

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from shared.clock import Clock
from shared.errors import HubletError, RetryableError
from shared.hubs.ports import Activity, Endpoint, HubAccess, Server, SshProbe, SshTarget, TlsCheck
from shared.hubs.vm_errors import AuthenticationRefused, HostKeyMismatch, VmUnreachable
from tests.support.fake_machine import FakeMachine


@dataclass(frozen=True, slots=True)
class VmCall:
    """`what` is the verb, or the name of the task."""

    what: str
    host: str
    at: datetime
    payload: Mapping[str, Any] = field(repr=False, default_factory=dict)


def _same_key(one: str | None, other: str) -> bool:
    return one is not None and one.split()[:2] == other.split()[:2]


class FakeOnVm:
    """The port `OnVm`: one machine per host, made at the first look. `new_machine` shapes those a test cannot reach
    before; `port_open` is the network's word on port 22 (default: open)."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.machines: dict[str, FakeMachine] = {}
        self.calls: list[VmCall] = []
        self.probes: list[str] = []
        self.new_machine: Callable[[FakeMachine], None] = lambda machine: None
        self.port_open: Callable[[str], bool] = lambda host: True
        self._planted: list[tuple[str, HubletError]] = []

    def machine(self, host: str) -> FakeMachine:
        if host not in self.machines:
            machine = FakeMachine(self.clock, host, self.clock.now())
            self.new_machine(machine)
            self.machines[host] = machine
        return self.machines[host]

    def fail_next(self, what: str, error: HubletError, *, times: int = 1) -> None:
        """The next `times` calls of that verb or task raise `error`; nothing reaches the machine."""
        self._planted.extend([(what, error)] * times)

    @property
    def effects(self) -> list[str]:
        """Every task that was begun on any machine."""
        return [effect for machine in self.machines.values() for effect in machine.effects]

    async def call(
        self, target: SshTarget, verb: str, payload: Mapping[str, object], *, timeout_s: float = 30.0
    ) -> Mapping[str, object]:
        machine = self.machine(target.host)
        what = str(payload.get("name", verb)) if verb == "task" else verb
        self.calls.append(VmCall(what, target.host, self.clock.now(), payload))
        for index, (planted, error) in enumerate(self._planted):
            if planted == what:
                del self._planted[index]
                raise error
        machine.settle()
        if not machine.up or not self.port_open(target.host):
            raise VmUnreachable()
        if machine.host_key is None:
            machine.host_key = target.host_public_keys[0]  # cloud-init installed the key we made
        if not any(_same_key(machine.host_key, pinned) for pinned in target.host_public_keys):
            raise HostKeyMismatch()
        if machine.installer_key is None:
            machine.installer_key = target.private_key
        if machine.locked or target.private_key != machine.installer_key or target.username != "hublet":
            raise AuthenticationRefused()
        answer = machine.status(payload) if verb == "status" else machine.task(payload)
        if machine.answer_is_lost(what):
            raise VmUnreachable()
        return answer

    async def probe(self, host: str, port: int, *, timeout_s: float = 10.0) -> SshProbe:
        self.probes.append(host)
        machine = self.machine(host)
        machine.settle()
        if not machine.up or not self.port_open(host):
            return SshProbe(banner=False)
        return SshProbe(banner=True, host_public_key=machine.host_key)


class FakeHubHttp:
    """The port `HubHttp` over the machines of a FakeOnVm. `certificate_looks` = looks at TLS until it is there (None =
    never, for `certificate_problem`); `server_looks` = asks until a server is ready. `reachable`: whether the machine
    runs at all."""

    def __init__(self, on_vm: FakeOnVm) -> None:
        self.on_vm = on_vm
        self.reachable: Callable[[], bool] = lambda: True
        self.certificate_looks: int | None = 0
        self.certificate_problem = "the proxy's own default certificate"
        self.server_looks = 1
        self.wrong_answer: str | None = None
        self.tls_calls: list[str] = []
        self.calls: list[str] = []
        self._asked: dict[str, int] = {}
        self._planted: list[tuple[str, HubletError]] = []

    def fail_next(self, method: str, error: HubletError, *, times: int = 1) -> None:
        self._planted.extend([(method, error)] * times)

    async def api_version(self, url: str) -> str | None:
        self._called("api_version")
        installed = any(machine.installed for machine in self.on_vm.machines.values())
        return "5.5.4" if installed and self.reachable() else None

    async def tls(self, fqdn: str) -> TlsCheck:
        self._called("tls")
        if not self.reachable():
            return TlsCheck(ok=False, reason="port 443 does not answer (ConnectionRefusedError)")
        self.tls_calls.append(fqdn)
        if self.certificate_looks is not None and len(self.tls_calls) > self.certificate_looks:
            return TlsCheck(ok=True)
        return TlsCheck(ok=False, reason=self.certificate_problem)

    async def start_server(self, url: str, user: str, password: str) -> bool:
        self._called("start_server")
        machine = self._log_in(user)
        self._asked[user] = self._asked.get(user, 0) + 1
        machine.unix_accounts.add(user)
        if self._asked[user] <= self.server_looks:
            return False
        machine.servers.add(user)
        return True

    async def compute_in_kernel(self, url: str, user: str, password: str, expression: str) -> str:
        self._called("compute_in_kernel")
        machine = self._log_in(user)
        if user not in machine.servers:
            raise RetryableError("HubServerFailed", "The user's server is not running.")
        return (
            self.wrong_answer
            if self.wrong_answer is not None
            else str(_evaluate(ast.parse(expression, mode="eval").body))
        )

    def _called(self, method: str) -> None:
        self.calls.append(method)
        for index, (planted, error) in enumerate(self._planted):
            if planted == method:
                del self._planted[index]
                raise error

    def _log_in(self, user: str) -> FakeMachine:
        if not self.reachable():
            raise RetryableError("HubUnreachable", "The hub does not answer.")
        for machine in self.on_vm.machines.values():
            machine.settle()
            if user in machine.hub_users and user in machine.passwords:
                return machine
        raise RetryableError("HubLoginRefused", "The hub refused the login.")


EVERY_HUB = ""


@dataclass(slots=True)
class _Seat:
    active_at: datetime | None
    pending: bool


class FakeHubApi:
    """The port `HubApi`: who has a server on which machine, and since when they do nothing, by the fake clock.

    `host` is the machine's address or its URL's name; left out, the person is on every hub (a test with one hub has no
    need to name it). `reachable`: whether the machine runs. `asked`: every access that was used.
    """

    def __init__(self, on_vm: FakeOnVm) -> None:
        self.clock = on_vm.clock
        self.reachable: Callable[[], bool] = lambda: True
        self.asked: list[HubAccess] = []
        self._seats: dict[tuple[str, str], _Seat] = {}
        self._planted: list[HubletError] = []

    # -- what people (and Jupyter's rules) do
    def start_server(self, user: str, *, host: str = EVERY_HUB, pending: bool = False) -> None:
        """A server counts as active when it starts. `pending`: it is still starting, and was never active."""
        self._seats[host, user] = _Seat(None if pending else self.clock.now(), pending)

    def active(self, user: str, *, host: str = EVERY_HUB) -> None:
        """They do something now."""
        assert (host, user) in self._seats, f"{user} has no server"
        self._seats[host, user] = _Seat(self.clock.now(), pending=False)

    def stop_server(self, user: str, *, host: str = EVERY_HUB) -> None:
        """It ends; ended already is fine."""
        self._seats.pop((host, user), None)

    def stop_all(self) -> None:
        """The machine went off, and every server with it."""
        self._seats.clear()

    def fail_next(self, error: HubletError, times: int = 1) -> None:
        """The next `times` looks raise `error`."""
        self._planted.extend([error] * times)

    # -- the port
    async def activity(self, access: HubAccess) -> Activity:
        self.asked.append(access)
        if self._planted:
            raise self._planted.pop(0)
        if not self.reachable():
            raise RetryableError("HubUnreachable", "The hub does not answer.")
        places = {EVERY_HUB, urlsplit(access.url).hostname or EVERY_HUB}
        places |= {access.tunnel.host} if access.tunnel else set()
        return Activity(
            servers=tuple(
                Server(user=user, idle_s=self._idle_s(seat), pending=seat.pending)
                for (host, user), seat in sorted(self._seats.items())
                if host in places
            )
        )

    def _idle_s(self, seat: _Seat) -> float | None:
        return None if seat.active_at is None else (self.clock.now() - seat.active_at).total_seconds()


def _evaluate(node: ast.expr) -> int:
    """Whole-number arithmetic, which is all an acceptance run asks a kernel for."""
    match node:
        case ast.Constant(value=int() as value):
            return value
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _evaluate(left) * _evaluate(right)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _evaluate(left) + _evaluate(right)
    raise AssertionError(f"a fake kernel cannot compute {ast.unparse(node)}")


class FakeReach:
    """The port `Reach`: identity, but for what `moved` says (host and port -> where it really is)."""

    def __init__(self, moved: Mapping[tuple[str, int], Endpoint] | None = None) -> None:
        self.moved = dict(moved or {})

    async def endpoint(self, host: str, port: int) -> Endpoint:
        found = self.moved.get((host, port))
        return replace(found) if found else Endpoint(address=host, port=port)
