"""Table `sinks`: owners' web hooks and the notices that they never took.

| partition | row | holds |
|---|---|---|
| owner | `sink!<id>` | a web hook; its URL and secrets are sealed |
| owner | `failed!<sink id>!<notice id>` | a notice it did not take |
| `!everybody` | `<owner's partition>!<id>` | names a web hook that hears of all owners' hubs, nothing else |

The row in `!everybody` is written before the web hook it names and removed after it: one that names nothing, or a web
hook that hears its owner only, means nothing.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared import log
from shared.adapters.storage import carried, codec, keys
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.errors import RowExists
from shared.adapters.storage.sealing import Sealer
from shared.adapters.storage.table import Entity, KeyRange, Row, Table
from shared.clock import Clock
from shared.errors import ConcurrentUpdate, FatalError, RowTooNew
from shared.hubs.ports import FailedDelivery, SinkExists, SinkRecord, UnreadableRow
from shared.settings import SealKey

TABLE = "sinks"
EVERYBODY = "!everybody"
"""No owner's partition: those hold no `!`."""

SINKS = "sink!"
FAILED = "failed!"

CACHE_S = 60.0
"""How long `hearing` may miss what another process changed."""

CACHE_SIZE = 4096
"""Owners whose web hooks are remembered; most have none, so an entry is small."""

FAILED_KEPT = timedelta(days=30)
MAX_FAILED = 1000
MAX_FAILED_READ = 10_000
"""Rows that are read to find the oldest ones. A web hook that refuses more than that within 30 days has its first ones
by the notice's id."""

_SEALED = {"url": "sealedUrl", "secret": "sealedSecret", "previous_secret": "sealedPreviousSecret"}
_COLUMNS = frozenset(_SEALED.values())
_LEFT_OUT = {"etag": True, "carried": True, "locked": True, **dict.fromkeys(_SEALED, True)}
_ETAG = {"etag": True}


@dataclass(frozen=True, slots=True)
class _Answer:
    records: tuple[SinkRecord, ...]
    read_at: datetime


class TableSinkStore:
    """`SinkStore` on Table Storage. Remembers for CACHE_S who hears of an owner's hubs; nothing else."""

    def __init__(self, storage: StorageClients, clock: Clock, seal_keys: Sequence[SealKey]) -> None:
        self._table = Table(storage, TABLE)
        self._sealer = Sealer(seal_keys)
        self._clock = clock
        self._own: OrderedDict[str, _Answer] = OrderedDict()
        self._everybody: _Answer | None = None
        self._changes = 0

    # ---- web hooks ----
    async def create(self, record: SinkRecord) -> SinkRecord:
        try:
            if record.everybody:
                await self._table.upsert(_pointer(record))
            etag = await self._table.insert(self._seal(record), _what(record.id))
        except RowExists:
            raise SinkExists(record.id) from None
        finally:
            self._forget(record)
        return replace(record, etag=etag)

    async def get(self, owner: str, sink_id: str) -> SinkRecord | None:
        """One point read. Raises FatalError when the row lies in another's place."""
        row = await self._table.get(keys.owner_partition(owner), _sink(sink_id))
        return self._open(owner, row) if row else None

    async def list(self, owner: str) -> Sequence[SinkRecord]:
        """Rows that cannot be read are left out, with an error in the log: one must not hide the others."""
        rows = await self._table.query(
            KeyRange.within(keys.owner_partition(owner), first_row=SINKS, end_row=keys.after_prefix(SINKS))
        )
        found = [record for row in rows if (record := self._read(owner, row)) is not None]
        return sorted(found, key=lambda record: record.id)

    async def save(self, record: SinkRecord) -> SinkRecord:
        if record.etag is None:
            raise ConcurrentUpdate(_what(record.id))
        try:
            if record.everybody:
                await self._table.upsert(_pointer(record))
            etag = await self._table.replace(self._seal(record), record.etag, _what(record.id))
        finally:
            self._forget(record)
        return replace(record, etag=etag)

    async def remove(self, owner: str, sink_id: str) -> bool:
        """The web hook first, so that nothing is sent to it any more, whatever else fails."""
        partition, row = keys.owner_partition(owner), _sink(sink_id)
        known = ("PartitionKey", "RowKey")
        there = await self._table.get(partition, row, select=known) is not None
        try:
            await self._table.delete(partition, row)
            await self._table.delete(EVERYBODY, _pointer_row(owner, sink_id))
        finally:
            self._changed()
            self._own.pop(owner, None)
            self._everybody = None
        beginning = _failures(sink_id)
        async for page in self._table.pages(
            KeyRange.within(partition, first_row=beginning, end_row=keys.after_prefix(beginning)), select=known
        ):
            await self._table.delete_all(partition, [one.key for one in page])
        return there

    # ---- who hears ----
    async def hearing(self, owner: str) -> Sequence[SinkRecord]:
        """By owner and id. At most two queries in CACHE_S, and a point read for each that hears everybody."""
        own, everybody = await asyncio.gather(self._own_of(owner), self._who_hear_everybody())
        found = {(record.owner, record.id): record for record in (*own, *everybody)}
        return [record for _, record in sorted(found.items())]

    async def _own_of(self, owner: str) -> tuple[SinkRecord, ...]:
        answer = self._own.get(owner)
        if answer is None or not self._fresh(answer):
            asked_at, changes = self._clock.now(), self._changes
            answer = _Answer(tuple(await self.list(owner)), asked_at)
            if changes == self._changes:  # else a change of ours may have been missed
                self._own[owner] = answer
                self._own.move_to_end(owner)
                if len(self._own) > CACHE_SIZE:
                    self._own.popitem(last=False)
        return answer.records

    async def _who_hear_everybody(self) -> tuple[SinkRecord, ...]:
        answer = self._everybody
        if answer is None or not self._fresh(answer):
            asked_at, changes = self._clock.now(), self._changes
            pointers = await self._table.query(KeyRange.within(EVERYBODY))
            found = await asyncio.gather(*(self._pointed_at(pointer) for pointer in pointers))
            answer = _Answer(tuple(record for record in found if record is not None and record.everybody), asked_at)
            if changes == self._changes:
                self._everybody = answer
        return answer.records

    async def _pointed_at(self, pointer: Row) -> SinkRecord | None:
        owner, sink_id = str(pointer.values.get("owner", "")), str(pointer.values.get("sinkId", ""))
        row = await self._table.get(keys.owner_partition(owner), _sink(sink_id))
        return self._read(owner, row) if row else None

    def _fresh(self, answer: _Answer) -> bool:
        return 0 <= (self._clock.now() - answer.read_at).total_seconds() < CACHE_S

    def _forget(self, record: SinkRecord) -> None:
        self._changed()
        self._own.pop(record.owner, None)
        # Also when it does not hear everybody: perhaps it did until now.
        self._everybody = None

    def _changed(self) -> None:
        self._changes += 1

    # ---- who cannot hear ----
    async def unreadable(self) -> Sequence[UnreadableRow]:
        """A scan of the table, for the hourly audit only."""
        found: list[UnreadableRow] = []
        async for page in self._table.pages(KeyRange(first_row=SINKS, end_row=keys.after_prefix(SINKS))):
            found += (row for one in page if (row := self._why_not(one)) is not None)
        return found

    def _why_not(self, row: Row) -> UnreadableRow | None:
        owner = keys.owner_of(str(row.values["PartitionKey"]))
        try:
            code = self._open(owner, row).locked
        except RowTooNew:
            return None
        except FatalError as error:
            code = error.code
        return UnreadableRow(owner=owner, name=row.key.removeprefix(SINKS), code=code) if code else None

    # ---- what was not delivered ----
    async def add_failed(self, owner: str, failed: FailedDelivery) -> None:
        await self._table.upsert(
            codec.entity(
                keys.owner_partition(owner),
                _failure(failed.sink_id, failed.notice.id),
                codec.to_json(FailedDelivery, failed, leave_out=_ETAG),
                failedAt=keys.timestamp(failed.failed_at),
            )
        )

    async def failed(self, owner: str, sink_id: str) -> Sequence[FailedDelivery]:
        beginning = _failures(sink_id)
        found: list[FailedDelivery] = []
        read = 0
        async for page in self._table.pages(
            KeyRange.within(keys.owner_partition(owner), first_row=beginning, end_row=keys.after_prefix(beginning))
        ):
            found += (failed for row in page if (failed := _failed(row)) is not None)
            read += len(page)
            if read >= MAX_FAILED_READ:
                break
        return sorted(found, key=lambda failed: (failed.failed_at, failed.notice.id))[:MAX_FAILED]

    async def remove_failed(self, owner: str, failed: FailedDelivery) -> None:
        if failed.etag is None:
            raise FatalError("NotStored", "A failed delivery that was never read cannot be removed.")
        row = _failure(failed.sink_id, failed.notice.id)
        with suppress(ConcurrentUpdate):
            await self._table.delete(keys.owner_partition(owner), row, etag=failed.etag)

    async def forget_old(self, now: datetime) -> int:
        """A scan of the table, for the hourly audit only."""
        limit = keys.timestamp(now - FAILED_KEPT)
        removed = 0
        every = KeyRange(first_row=FAILED, end_row=keys.after_prefix(FAILED))
        async for page in self._table.pages(every, select=("PartitionKey", "RowKey", "failedAt")):
            old: dict[str, list[str]] = {}
            for row in page:
                if str(row.values.get("failedAt", "")) < limit:
                    old.setdefault(str(row.values["PartitionKey"]), []).append(row.key)
            for partition, rows in old.items():
                await self._table.delete_all(partition, rows)
                removed += len(rows)
        return removed

    # ---- rows ----
    def _seal(self, record: SinkRecord) -> Entity:
        place = _place(record.owner, record.id)
        made = codec.entity(
            keys.owner_partition(record.owner),
            _sink(record.id),
            codec.to_json(SinkRecord, record, leave_out=_LEFT_OUT),
            kept=carried.of(record.carried),
        )
        for name, column in _SEALED.items():
            if not record.locked and (value := getattr(record, name)) is not None:
                made[column] = self._sealer.seal(value, hub_id=place, field=name)
        return made

    def _open(self, owner: str, row: Row) -> SinkRecord:
        document = codec.document_of(row, "A sink row")
        if not isinstance(document, dict):
            raise FatalError("RowUnreadable", "A sink row holds no object.")
        try:
            opened, known = self._opened(_place(owner, str(document.get("id", ""))), row), _COLUMNS
        except FatalError as error:  # what is sealed is carried, as what a newer release added
            opened, known = {"url": "", "secret": "", "locked": error.code}, frozenset()
        record, kept = codec.with_remainder(SinkRecord, {**document, **opened}, "A sink row", row, known, _LEFT_OUT)
        if record.owner != owner or _sink(record.id) != row.key:
            raise FatalError("RowUnreadable", "A sink row lies in another place than it says.")
        return replace(record, etag=row.etag, carried=kept)

    def _opened(self, place: str, row: Row) -> Mapping[str, object]:
        """Raises FatalError `SealKeyUnknown`, `SealBroken`."""
        return {
            name: self._sealer.open(value, hub_id=place, field=name)
            for name, column in _SEALED.items()
            if isinstance(value := row.values.get(column), str)
        }

    def _read(self, owner: str, row: Row) -> SinkRecord | None:
        try:
            return self._open(owner, row)
        except RowTooNew:
            raise
        except FatalError as error:
            log.error("sink_unreadable", row=row.key, code=error.code)
            return None


def _failed(row: Row) -> FailedDelivery | None:
    what = "A failed delivery"
    try:
        failed = codec.from_json(FailedDelivery, codec.document_of(row, what), what)
    except RowTooNew:
        raise
    except FatalError as error:
        log.error("failed_delivery_unreadable", row=row.key, code=error.code)
        return None
    return replace(failed, etag=row.etag)


def _pointer(record: SinkRecord) -> Entity:
    return {
        "PartitionKey": EVERYBODY,
        "RowKey": _pointer_row(record.owner, record.id),
        "v": codec.SCHEMA_VERSION,
        "owner": record.owner,
        "sinkId": record.id,
    }


def _pointer_row(owner: str, sink_id: str) -> str:
    return f"{keys.owner_partition(owner)}!{keys.part(sink_id)}"


def _sink(sink_id: str) -> str:
    return f"{SINKS}{keys.part(sink_id)}"


def _failures(sink_id: str) -> str:
    """What the keys of all failed deliveries of a web hook begin with."""
    return f"{FAILED}{keys.part(sink_id)}!"


def _failure(sink_id: str, notice_id: str) -> str:
    return f"{_failures(sink_id)}{keys.part(notice_id)}"


def _place(owner: str, sink_id: str) -> str:
    """What sealed values are bound to: moved to another owner or web hook they do not open."""
    return f"{keys.owner_partition(owner)}!{_sink(sink_id)}"


def _what(sink_id: str) -> str:
    return f"Sink {sink_id}"
