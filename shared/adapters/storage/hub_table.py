"""Table `hubs`: the truth about hubs, one partition per owner, one transaction per change."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from shared import log
from shared.adapters.storage import codec, keys, quotas, retention
from shared.adapters.storage.carried import Carried
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.errors import TransactionRefused
from shared.adapters.storage.quota_memo import QuotaMemo
from shared.adapters.storage.table import KeyRange, Row, Table, Verb, Write
from shared.errors import ConcurrentUpdate, FatalError, RetryableError
from shared.hubs.model import Event, Hub, Operation
from shared.hubs.ports import (
    Gone,
    HubChange,
    HubExists,
    Idempotency,
    IdempotencyKeyTaken,
    Quota,
    QuotaChanged,
    UnreadableRow,
)

TABLE = "hubs"

_BURY_TRIES = 8
"""How often a burial is tried again because the owner's quota row changed under it."""

_HUB, _OPERATION, _EVENT, _NOTICE, _QUOTA, _IDEMPOTENCY, _SECRET, _GONE = (
    "hub",
    "operation",
    "event",
    "notice",
    "quota",
    "idempotency",
    "secret",
    "gone",
)


class TableHubStore:
    """`HubStore` on Table Storage. Remembers nothing but quota rows, which it never trusts beyond their ETags."""

    def __init__(self, storage: StorageClients) -> None:
        self._table = Table(storage, TABLE)
        self._quotas = QuotaMemo()

    # ---- accept ----
    async def admission(
        self, owner: str, idempotency_key: str | None, *, fresh: bool = False
    ) -> tuple[Quota, Idempotency | None]:
        """At most two point reads side by side; none for an owner this process knows and without a key."""
        quota, remembered = await asyncio.gather(
            self._quota(owner, fresh=fresh), self._remembered(owner, idempotency_key)
        )
        return quota, remembered

    async def _quota(self, owner: str, *, fresh: bool) -> Quota:
        known = None if fresh else self._quotas.get(owner)
        if known is None:
            known = codec.quota_from(owner, await self._table.get(keys.owner_partition(owner), keys.QUOTA))
            self._quotas.put(known)
        return known

    async def _remembered(self, owner: str, key: str | None) -> Idempotency | None:
        if key is None:
            return None
        row = await self._table.get(keys.owner_partition(owner), keys.idempotency(key))
        return codec.idempotency_from(row) if row else None

    async def create(self, change: HubChange, quota: Quota, idempotency: Idempotency | None) -> Hub:
        """One request when all goes well; a second one (reading back) when the first one's outcome is not known.

        Raises QuotaChanged, HubExists, IdempotencyKeyTaken, RetryableError.
        """
        hub = change.hub
        writes = [
            Write(Verb.INSERT, codec.hub_entity(hub), _HUB),
            *_operation_writes(change, Verb.INSERT),
            *_telling_writes(change),
            _quota_write(quota),
        ]
        if idempotency is not None:
            writes.append(Write(Verb.INSERT, codec.idempotency_entity(hub.owner, idempotency), _IDEMPOTENCY))
        try:
            etags = await self._table.transact(writes)
        except TransactionRefused as refusal:
            self._quotas.forget(hub.owner)
            raise _create_refused(writes[refusal.index].label, change) from refusal
        except RetryableError:
            self._quotas.forget(hub.owner)
            stored = await self.get(hub.owner, hub.name)
            if stored is None or stored.id != hub.id:
                raise
            return stored
        quota_at = next(index for index, write in enumerate(writes) if write.label == _QUOTA)
        self._quotas.put(replace(quota, etag=etags[quota_at]))
        return replace(hub, etag=etags[0])

    # ---- read ----
    async def get(self, owner: str, name: str) -> Hub | None:
        row = await self._table.get(keys.owner_partition(owner), keys.hub(name))
        return codec.hub_from(row) if row else None

    async def list(self, owner: str) -> Sequence[Hub]:
        """By name; one partition query. A row that cannot be read is left out, with an error in the log: it must not
        hide its owner's other hubs."""
        hubs = []
        for row in await self._range(owner, keys.HUBS):
            match _hub_or_why(row):
                case Hub() as hub:
                    hubs.append(hub)
                case UnreadableRow() as why:
                    log.error("hub_row_unreadable", owner=owner, hub=why.name, code=why.code)
        return hubs

    async def everything(self) -> AsyncIterator[Hub | UnreadableRow]:
        """A scan of the whole table, one request for each page: for the hourly audit only."""
        every = KeyRange(first_row=keys.HUBS, end_row=keys.after_prefix(keys.HUBS))
        async for page in self._table.pages(every):
            for row in page:
                yield _hub_or_why(row)

    async def gone(self, owner: str, hub_id: str) -> Gone | None:
        row = await self._table.get(keys.owner_partition(owner), keys.gone(hub_id))
        return codec.gone_from(row) if row else None

    async def operation(self, owner: str, hub_id: str, generation: int) -> Operation | None:
        row = await self._table.get(keys.owner_partition(owner), keys.operation(hub_id, generation))
        return codec.operation_from(row) if row else None

    async def events(self, owner: str, hub_id: str, *, top: int = 500) -> Sequence[Event]:
        """The newest `top` ones, oldest first; those of a deleted hub stay readable."""
        rows = await self._range(owner, keys.events(hub_id))
        return [codec.event_from(row) for row in rows[-top:]]

    # ---- change ----
    async def commit(self, change: HubChange) -> Hub:
        """One request; for a hub in whose row a newer release wrote, one more before it for each operation. Raises
        IdempotencyKeyTaken, and ConcurrentUpdate, also when an event's number was used by
        somebody else."""
        hub = change.hub
        writes = [
            Write(Verb.REPLACE, codec.hub_entity(hub), _HUB, _etag_of(hub)),
            *_operation_writes(change, Verb.UPSERT, await self._unknown_of_operations(change)),
            *_telling_writes(change),
            *_idempotency_writes(change),
        ]
        try:
            etags = await self._table.transact(writes)
        except TransactionRefused as refusal:
            if writes[refusal.index].label == _IDEMPOTENCY:
                raise IdempotencyKeyTaken(hub.owner) from refusal
            raise ConcurrentUpdate(f"Hub {hub.name}") from refusal
        return replace(hub, etag=etags[0])

    async def bury(self, change: HubChange) -> None:
        """Two reads side by side, then one request; read again when the owner's quota changed meanwhile."""
        hub = change.hub
        partition = keys.owner_partition(hub.owner)
        self._quotas.forget(hub.owner)
        unknown = await self._unknown_of_operations(change)
        for _ in range(_BURY_TRIES):
            # Deleting a row that is not there fails the whole transaction, so look first.
            quota_row, secret = await asyncio.gather(
                self._table.get(partition, keys.QUOTA),
                self._table.get(partition, keys.secret(hub.id), select=("PartitionKey", "RowKey")),
            )
            quota = codec.quota_from(hub.owner, quota_row)
            writes = _bury_writes(change, quota, unknown, has_secret=secret is not None)
            try:
                await self._table.transact(writes)
                return
            except TransactionRefused as refusal:
                label = writes[refusal.index].label
                if label == _HUB:
                    current = await self.get(hub.owner, hub.name)
                    if current is None or current.id != hub.id:
                        return  # buried already; the name may even have another hub by now
                    raise ConcurrentUpdate(f"Hub {hub.name}") from refusal
                if label not in (_QUOTA, _SECRET):
                    raise ConcurrentUpdate(f"Hub {hub.name}") from refusal
        raise RetryableError("Busy", "The owner's quota changes very often at the moment.", retry_after_s=2)

    async def forget_old(self, now: datetime) -> int:
        """A scan of the keys and times of the whole table, and one request for each 100 rows of an owner's: for the
        hourly audit only, and rarer is fine."""
        return await retention.forget_old(self._table, now)

    async def _unknown_of_operations(self, change: HubChange) -> Mapping[str, Carried]:
        """What a newer release wrote into the rows of these operations, by their ids. It writes an operation in one
        transaction with its hub, so a hub's row that carries nothing says that there is nothing to look for."""
        if change.hub.carried is None:
            return {}
        partition = keys.owner_partition(change.hub.owner)
        found: dict[str, Carried] = {}
        for operation in change.operations:
            row = await self._table.get(partition, keys.operation(operation.hub_id, operation.generation))
            if row is not None and (kept := codec.operation_remainder(row)) is not None:
                found[operation.id] = kept
        return found

    async def _range(self, owner: str, prefix: str) -> Sequence[Row]:
        partition = keys.owner_partition(owner)
        return await self._table.query(KeyRange.within(partition, first_row=prefix, end_row=keys.after_prefix(prefix)))


def _hub_or_why(row: Row) -> Hub | UnreadableRow:
    try:
        return codec.hub_from(row)
    except FatalError as error:
        owner = keys.owner_of(str(row.values["PartitionKey"]))
        return UnreadableRow(owner=owner, name=row.key.removeprefix(keys.HUBS), code=error.code)


def _etag_of(hub: Hub) -> str:
    if hub.etag is None:
        raise FatalError("NotStored", "A hub that was never read cannot be saved.")
    return hub.etag


def _operation_writes(
    change: HubChange, verb: Verb, unknown: Mapping[str, Carried] = MappingProxyType({})
) -> list[Write]:
    """A transaction may name a row once: the last word about an operation counts."""
    last = {operation.id: operation for operation in change.operations}
    entities = (codec.operation_entity(change.hub.owner, last[found], unknown.get(found)) for found in last)
    return [Write(verb, entity, _OPERATION) for entity in entities]


def _telling_writes(change: HubChange) -> list[Write]:
    """Events and notices. They share one counter, so neither may be there already."""
    return [
        *(Write(Verb.INSERT, codec.event_entity(change.hub, event), _EVENT) for event in change.events),
        *(Write(Verb.INSERT, codec.notice_entity(notice), _NOTICE) for notice in change.notices),
    ]


def _idempotency_writes(change: HubChange) -> list[Write]:
    if change.idempotency is None:
        return []
    return [Write(Verb.INSERT, codec.idempotency_entity(change.hub.owner, change.idempotency), _IDEMPOTENCY)]


def _quota_write(quota: Quota) -> Write:
    verb = Verb.INSERT if quota.etag is None else Verb.REPLACE
    return Write(verb, codec.quota_entity(quota), _QUOTA, quota.etag)


def _bury_writes(change: HubChange, quota: Quota, unknown: Mapping[str, Carried], *, has_secret: bool) -> list[Write]:
    hub = change.hub
    row = {"PartitionKey": keys.owner_partition(hub.owner), "RowKey": keys.hub(hub.name)}
    gone = Gone(hub=hub, deleted_at=max(hub.updated_at, hub.state_since))
    writes = [
        Write(Verb.DELETE, row, _HUB, _etag_of(hub)),
        Write(Verb.UPSERT, codec.gone_entity(gone), _GONE),
        *_operation_writes(change, Verb.UPSERT, unknown),
        *_telling_writes(change),
        *_idempotency_writes(change),
    ]
    left = quotas.without(quota, hub)
    if left != quota:
        writes.append(_quota_write(left))
    if has_secret:
        writes.append(Write(Verb.DELETE, {**row, "RowKey": keys.secret(hub.id)}, _SECRET))
    return writes


def _create_refused(label: str, change: HubChange) -> Exception:
    refusals: dict[str, Callable[[], Exception]] = {
        _HUB: lambda: HubExists(change.hub.name),
        _QUOTA: lambda: QuotaChanged(change.hub.owner),
        _IDEMPOTENCY: lambda: IdempotencyKeyTaken(change.hub.owner),
    }
    # An older hub's operation or event under this id: the random part of the id came up twice.
    return refusals.get(label, lambda: RetryableError("HubIdTaken", "Send the request again.", retry_after_s=1))()
