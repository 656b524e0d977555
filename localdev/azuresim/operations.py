"""Long-running operations: what they are, when they end, and how each provider shows them.

Three dialects, all recorded (see ``docs/azuresim-differences.md`` for where): compute answers polls with name and
times, network with the bare status, resource groups with 202 until 200 on a ``Location`` without any body.
"""

import heapq
import itertools
import logging
import math
import random
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from localdev.azuresim.clock import Clock, scaled
from localdev.azuresim.envelope import ArmError, Json, Response, timestamp
from localdev.azuresim.identifiers import new_guid
from localdev.azuresim.signing import UrlSigner

#: Finished operations are forgotten after this long by the wall's clock; real ARM keeps them about as long.  A clock
#: that is moved by days does not take them away from a client that is polling.
KEEP = timedelta(hours=24)


_LOG = logging.getLogger("azuresim")

_INTERNAL = ArmError(500, "InternalExecutionError", "An internal execution error occurred.")


class OperationStatus(StrEnum):
    """``status`` of an operation."""

    IN_PROGRESS = "InProgress"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


class Dialect(StrEnum):
    """Who shows the operation, hence its address and body."""

    COMPUTE = "compute"
    DISK = "disk"
    NETWORK = "network"
    GROUP = "group"


type Finish = Callable[[datetime], Awaitable[None]]
type Fail = Callable[[datetime, ArmError], Awaitable[None]]
type Output = Callable[[], Json]


@dataclass(kw_only=True)
class Operation:
    """One long-running operation."""

    id: str
    dialect: Dialect
    name: str
    location: str
    api_version: str
    group: str
    started: datetime
    ends: datetime
    finish: Finish
    fail: Fail
    output: Output | None = None
    status: OperationStatus = OperationStatus.IN_PROGRESS
    error: ArmError | None = None
    doomed: ArmError | None = None
    """Set from the start when an injected fault will end it."""
    polls: int = 0
    correlation: str = ""

    @property
    def over(self) -> bool:
        return self.status is not OperationStatus.IN_PROGRESS


@dataclass(order=True)
class _Due:
    moment: datetime
    order: int
    action: Callable[[datetime], Awaitable[None]] = field(compare=False)


class Operations:
    """All operations and everything else that happens at a set time."""

    def __init__(self, clock: Clock, rng: random.Random, signer: UrlSigner, subscription_id: str) -> None:
        self._clock = clock
        self._rng = rng
        self._signer = signer
        self._subscription = subscription_id
        self._all: dict[str, Operation] = {}
        self._over: deque[tuple[datetime, str]] = deque()
        """When operations ended by the wall's clock, oldest first."""
        self._due: list[_Due] = []
        self._order = itertools.count()
        self.base_url = "https://127.0.0.1"

    # time

    def at(self, moment: datetime, action: Callable[[datetime], Awaitable[None]]) -> None:
        """Run `action` when the clock has reached `moment`, in order of moments."""
        heapq.heappush(self._due, _Due(moment, next(self._order), action))

    def next_due(self) -> datetime | None:
        """When something happens next."""
        return self._due[0].moment if self._due else None

    async def settle(self) -> None:
        """Let everything happen that is due by now; each action sees the moment it was due, not the present."""
        while self._due and self._due[0].moment <= self._clock.now():
            due = heapq.heappop(self._due)
            await due.action(due.moment)

    def clear(self) -> None:
        """Forget all operations and everything that was to happen."""
        self._all.clear()
        self._over.clear()
        self._due.clear()

    # operations

    def begin(
        self,
        *,
        dialect: Dialect,
        name: str,
        location: str,
        api_version: str,
        group: str,
        nominal_s: float,
        finish: Finish,
        fail: Fail,
        output: Output | None = None,
        doomed: ArmError | None = None,
        started: datetime | None = None,
    ) -> Operation:
        """Start an operation that ends `nominal_s` seconds of Azure's time after `started` (now by default)."""
        self._forget_old()
        now = started or self._clock.now()
        operation = Operation(
            id=new_guid(self._rng),
            dialect=dialect,
            name=name,
            location=location,
            api_version=api_version,
            group=group,
            started=now,
            ends=now + scaled(self._clock, nominal_s),
            finish=finish,
            fail=fail,
            output=output,
            doomed=doomed,
            correlation=new_guid(self._rng),
        )
        self._all[operation.id] = operation
        self.at(operation.ends, lambda moment: self._end(operation, moment))
        return operation

    async def _end(self, operation: Operation, moment: datetime) -> None:
        if operation.over:
            return
        if operation.doomed is not None:
            await self.break_off(operation, moment, operation.doomed)
            return
        try:
            await operation.finish(moment)
        except ArmError as refusal:
            await self.break_off(operation, moment, refusal)
        except Exception:
            # A VM that could not be started must not take the simulator down, nor leave its operation open for ever.
            _LOG.exception("operation_broke name=%s", operation.name)
            await self.break_off(operation, moment, _INTERNAL)
        else:
            operation.status = OperationStatus.SUCCEEDED
            self._remember_end(operation)

    async def break_off(self, operation: Operation, moment: datetime, error: ArmError) -> None:
        """End the operation as failed; on one that is over this does nothing."""
        if operation.over:
            return
        operation.status = OperationStatus.FAILED
        operation.error = error
        operation.ends = moment
        self._remember_end(operation)
        try:
            await operation.fail(moment, error)
        except Exception:
            _LOG.exception("operation_broke_twice name=%s", operation.name)

    def _remember_end(self, operation: Operation) -> None:
        self._over.append((self._clock.wall(), operation.id))

    def _forget_old(self) -> None:
        while self._over and self._over[0][0] + KEEP <= self._clock.wall():
            self._all.pop(self._over.popleft()[1], None)

    def preempt(self, operation_id: str | None) -> None:
        """A later operation on the same resource takes over: the earlier one ends as failed, without its effects."""
        operation = self.find(operation_id)
        if operation is not None and not operation.over:
            operation.status = OperationStatus.FAILED
            operation.ends = self._clock.now()
            self._remember_end(operation)
            operation.error = ArmError(
                409, "OperationPreempted", "Operation execution has been preempted by a more recent operation."
            )

    def find(self, operation_id: str | None) -> Operation | None:
        """The operation with this id."""
        return self._all.get(operation_id.lower()) if operation_id else None

    def running(self) -> list[Operation]:
        """Operations not over yet."""
        return [operation for operation in self._all.values() if not operation.over]

    # addresses and headers

    def retry_after(self, nominal_s: float) -> dict[str, str]:
        """``Retry-After``, shortened by the time scale but never below 1 (0 makes SDKs fall back to 30 s)."""
        return {"Retry-After": str(max(1, math.ceil(nominal_s / self._clock.time_scale)))}

    @property
    def hurried(self) -> bool:
        """Whether a time scale is in force, under which no poll may go without ``Retry-After``."""
        return self._clock.time_scale > 1

    def status_url(self, operation: Operation, *, monitor: bool = False) -> str:
        """The signed address of an operation: status, or with `monitor` its result."""
        version = f"api-version={operation.api_version}"
        root = f"/subscriptions/{self._subscription}"
        match operation.dialect:
            case Dialect.COMPUTE | Dialect.DISK:
                kind = "operations" if operation.dialect is Dialect.COMPUTE else "DiskOperations"
                path = f"{root}/providers/Microsoft.Compute/locations/{operation.location}/{kind}/{operation.id}"
                query = f"p={operation.correlation}&{'monitor=true&' if monitor else ''}{version}"
            case Dialect.NETWORK:
                kind = "operationResults" if monitor else "operations"
                path = f"{root}/providers/Microsoft.Network/locations/{operation.location}/{kind}/{operation.id}"
                query = version
            case Dialect.GROUP:
                path = f"{root}/operationresults/{operation.id}"
                query = version
        return self.base_url + self._signer.sign(path, query, operation.started)

    def headers(
        self, operation: Operation, *, location: bool = False, retry_after_s: float | None = None
    ) -> dict[str, str]:
        """Headers of the first answer; `location` adds the result address that deletes and actions carry."""
        headers = {
            "Azure-AsyncNotification": "Enabled",
            "Azure-AsyncOperation": self.status_url(operation),
        }
        if location:
            headers["Location"] = self.status_url(operation, monitor=True)
        if retry_after_s is not None or self.hurried:
            headers |= self.retry_after(retry_after_s or 1)
        return headers

    def compute_status(self, operation: Operation) -> Response:
        """A poll of a compute operation: only the first one in progress says when to come back."""
        operation.polls += 1
        body: Json = {"startTime": timestamp(operation.started)}
        if operation.over:
            body["endTime"] = timestamp(operation.ends)
        body["status"] = operation.status.value
        if operation.error is not None:
            body["error"] = operation.error.error()
        if operation.output is not None and operation.status is OperationStatus.SUCCEEDED:
            body["properties"] = {"output": operation.output()}
        body["name"] = operation.id
        headers: dict[str, str] = {}
        if not operation.over and (operation.polls == 1 or self.hurried):
            headers = self.retry_after(self._rng.choice((9, 30, 35, 50)))
        return Response(200, body, headers)

    def network_status(self, operation: Operation) -> Response:
        """A poll of a network operation: the bare status, with ``Retry-After`` while in progress."""
        operation.polls += 1
        body: Json = {"status": operation.status.value}
        if operation.error is not None:
            error = operation.error
            body["error"] = {"code": error.code, "message": error.message, "details": list(error.details or [])}
        waits = (10, 10, 20, 40, 100)
        headers = {} if operation.over else self.retry_after(waits[min(operation.polls, len(waits)) - 1])
        return Response(200, body, headers)

    def result(self, operation: Operation) -> Response:
        """What ``Location`` answers for compute and network: 202 while in progress, then 200 or 204 without a body."""
        if not operation.over:
            headers = {"Location": self.status_url(operation, monitor=True), **self.retry_after(10)}
            return Response(202, None, headers)
        if operation.error is not None:
            raise operation.error
        if operation.dialect is Dialect.NETWORK:
            return Response(204, None, self.headers(operation, location=True))
        return Response(200)

    def group_result(self, operation: Operation) -> Response:
        """What the ``Location`` of a group delete answers: 202, at the end 200, or 409 with PascalCase keys."""
        if not operation.over:
            return Response(202, None, {"Location": self.status_url(operation), **self.retry_after(15)})
        if operation.error is None:
            return Response(200)
        error = operation.error
        body: Json = {"Error": {"Code": error.code, "Target": None, "Message": error.message, "Details": error.details}}
        return Response(409, body)
