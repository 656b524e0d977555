"""Storage in memory that counts: requests on the wire and what Azure bills for them.

A request of the adapters (shared/adapters/storage) is one request here; an entity group transaction is one request and
bills every entity in it (https://docs.particular.net/persistence/azure-table/capacity-planning).
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.adapters.storage.keys import LOG_CHUNK_BYTES
from shared.clock import Clock
from shared.hubs.model import Message
from shared.hubs.ports import HubChange
from tests.support.fake_storage import PORTS, FakeQueue, FakeStorage, fake_storage

SERVICE_WIDE = frozenset({"due.due", "due.advance_watermark"})
"""Calls of the minute timer that cost the same for no hub and for many."""


WRITES_ONE = frozenset(
    {
        *("secrets.create", "secrets.save", "outbox.save", "outbox.put", "outbox.done"),
        *("index.put", "index.remove", "due.put", "cache.put", "gate.write"),
    }
)
"""Calls that write or delete one entity."""


@dataclass
class Bill:
    """`requests` by `port.verb`; `tables` and `queues` are billed operations; `entities` were written or deleted."""

    requests: Counter[str] = field(default_factory=Counter)
    tables: int = 0
    queues: int = 0
    entities: int = 0

    @property
    def total_requests(self) -> int:
        return self.requests.total()

    @property
    def operations(self) -> int:
        return self.tables + self.queues

    def taken(self) -> "Bill":
        """What there is so far; counting begins anew."""
        taken = Bill(self.requests, self.tables, self.queues, self.entities)
        self.requests, self.tables, self.queues, self.entities = Counter(), 0, 0, 0
        return taken

    def table(self, call: str, *, requests: int = 1, billed: int = 1, entities: int = 0) -> None:
        self.requests[call] += requests
        self.tables += billed
        self.entities += entities

    def queue(self, call: str) -> None:
        self.requests[call] += 1
        self.queues += 1


class ModelQueue(FakeQueue):
    """Delays are whole seconds, rounded up, as Azure's are."""

    async def put(self, message: Message, *, delay_s: float = 0) -> None:
        await super().put(message, delay_s=math.ceil(delay_s))


def counted_storage(clock: Clock, bill: Bill) -> tuple[FakeStorage, Mapping[str, Any]]:
    """The fakes, and the ports of `App` that count their use."""
    made = fake_storage(clock)
    queue = ModelQueue(clock, made.tape)
    storage = FakeStorage(**{**vars(made), "queue": queue})
    ports = {name: counted(getattr(storage, name), name, bill) for name in PORTS if name != "identity"}
    return storage, {**ports, "identity": storage.identity}  # read once for each process


def counted(port: Any, name: str, bill: Bill) -> Any:
    """The same port, every call of it on the bill."""
    return _Counted(port, name, bill)


class _Counted:
    def __init__(self, port: Any, name: str, bill: Bill) -> None:
        self._port, self._name, self._bill = port, name, bill

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._port, method)

        async def counted(*args: Any, **kwargs: Any) -> Any:
            answer = await real(*args, **kwargs)
            _count(self._bill, f"{self._name}.{method}", args, answer)
            return answer

        return counted


def _count(bill: Bill, call: str, args: tuple[Any, ...], answer: Any) -> None:
    match call:
        case "queue.put" | "queue.put_due" | "notices.put":
            bill.queue(call)
        case "hubs.create":
            # hub, operation, event, quota, and the idempotency row when there is one
            entities = _entities(args[0]) + 1 + (args[2] is not None)
            bill.table(call, billed=entities, entities=entities)
        case "hubs.commit":
            entities = _entities(args[0])
            bill.table(call, billed=entities, entities=entities)
        case "hubs.bury":
            entities = _entities(args[0]) + 3  # the grave, the quota, the secrets
            bill.table(call, requests=3, billed=2 + entities, entities=entities)
        case "hubs.admission":
            reads = 2 if args[1] is not None else 1
            bill.table(call, requests=reads, billed=reads)
        case "logs.append":
            chunks = math.ceil(len(args[2]) / LOG_CHUNK_BYTES)
            bill.table(call, requests=chunks, billed=chunks, entities=chunks)
        case "due.forget":
            if args[0]:
                bill.table(call, billed=len(args[0]), entities=len(args[0]))
        case "due.move":
            if args[0]:
                bill.table(call, billed=2 * len(args[0]), entities=2 * len(args[0]))
        case _ if call in SERVICE_WIDE:
            pass
        case _ if call in WRITES_ONE:
            bill.table(call, entities=1)
        case _:
            bill.table(call)


def _entities(change: HubChange) -> int:
    rest = len(change.events) + len(change.notices) + (change.idempotency is not None)
    return 1 + rest + len({operation.id for operation in change.operations})
