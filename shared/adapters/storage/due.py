"""Table `due`: what must be looked at when, in buckets of one UTC hour.

A tick reads what is due and little else, so its cost follows that and not how many hubs there are: in the present
hour's bucket the rows up to the present second, and older buckets only while they may still hold anything.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared import log
from shared.adapters.storage import codec, keys
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.errors import TransactionRefused
from shared.adapters.storage.table import MAX_TRANSACTION, Entity, KeyRange, Row, Table, Verb, Write
from shared.errors import FatalError
from shared.hubs.ports import DueRow

TABLE = "due"

FIRST_LOOK_BACK = timedelta(hours=48)
"""How far a deployment without a watermark (a new one, or one whose row was lost) looks back."""

LATE = timedelta(minutes=5)
"""How long after its time a row may still be written: a slow request, two clocks that differ. One that comes later is
missed; the hourly audit makes it anew from its hub."""

MEMORY_HOLDS = timedelta(minutes=5)
"""How long this process trusts its own memory of the watermark, in its own time."""

_WATERMARK = ("watermark", "tick")
_MOVES_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class _Seen:
    """Everything up to `moment` was read. `stored`: what the watermark's row says; it changes once an hour."""

    moment: datetime
    stored: datetime | None


class TableDue:
    """`DueTable` on Table Storage.

    It remembers how far this process has read, so that a tick costs no request for it. Another process's ticks make
    that memory older than the truth, and an older one only reads more. A clock that was set back makes it newer than
    the truth: rows of an hour that comes twice would be skipped. So it is trusted only while it is a few minutes old
    and not of the future; else the watermark is read again, which whoever ticked in that hour has set back too.
    """

    def __init__(self, storage: StorageClients, *, table: Table | None = None) -> None:
        self._table = table or Table(storage, TABLE)
        self._seen: _Seen | None = None
        self._named_otherwise: dict[tuple[str, str], str] = {}
        """Rows of the last reading whose keys an older version of this app made: their key by ours -> really."""

    async def put(self, row: DueRow) -> None:
        """The same hub, kind and pass in the same second is the same row."""
        await self._table.upsert(entity(row))

    # ---- read ----
    async def due(self, now: datetime) -> Sequence[DueRow]:
        """Oldest first. One query; a second one in the first minutes of an hour or after a longer pause, and one more
        read for the first time in a process or after a pause. A clock that was set back skips nothing."""
        self._seen = await self._seen_until(now)
        first = keys.due_partition(min(self._seen.moment, now) - LATE)
        present = keys.due_partition(now)
        found = await self._table.query(KeyRange.within(present, end_row=keys.due_rows_end(now)))
        if first < present:
            last = keys.due_partition(now - timedelta(hours=1))
            found += await self._table.query(KeyRange(first_partition=first, last_partition=last))
        rows = [(row, stored.key) for stored in found if (row := _readable(stored)) is not None and row.at <= now]
        self._named_otherwise = {_key(row): key for row, key in rows if _key(row)[1] != key}
        return sorted((row for row, _ in rows), key=lambda row: row.at)

    async def overlooked(self, before: datetime) -> Sequence[DueRow]:
        """One query for each 1,000 rows of the buckets before that of `before`; as a rule there are none."""
        last = keys.due_partition(before - timedelta(hours=1))
        found = await self._table.query(KeyRange(first_partition=keys.FIRST_DUE_PARTITION, last_partition=last))
        rows = [(row, stored.key) for stored in found if (row := _readable(stored)) is not None]
        self._named_otherwise |= {_key(row): key for row, key in rows if _key(row)[1] != key}
        return sorted((row for row, _ in rows), key=lambda row: row.at)

    async def _seen_until(self, now: datetime) -> _Seen:
        if self._seen is not None and timedelta(0) <= now - self._seen.moment <= MEMORY_HOLDS:
            return self._seen
        row = await self._table.get(*_WATERMARK)
        if row is None:
            return _Seen(now - FIRST_LOOK_BACK, None)
        try:
            stored = codec.time_from(row, "at")
        except FatalError as error:  # it must not stop the clock of all hubs
            log.error("watermark_unreadable", code=error.code)
            return _Seen(now - FIRST_LOOK_BACK, None)
        return _Seen(stored, stored)

    async def advance_watermark(self, now: datetime) -> None:
        """A request only when the hour is another one than the row's, later or earlier: within it the row says enough
        for another process to begin with."""
        stored = self._seen.stored if self._seen else None
        if stored is None or keys.due_partition(stored) != keys.due_partition(now):
            partition, key = _WATERMARK
            await self._table.upsert(
                {"PartitionKey": partition, "RowKey": key, "v": codec.SCHEMA_VERSION, "at": keys.timestamp(now)}
            )
            stored = now
        self._seen = _Seen(now, stored)

    # ---- change ----
    async def move(self, rows: Sequence[DueRow], at: datetime) -> None:
        """One request for up to 50 rows that stay in their bucket. In another bucket they are made first (100 a
        request) and deleted here second, so that a crash leaves a row twice, never nowhere. Twice is fine, and so is
        what is gone already: the rows stand at `at` in any case."""
        target = keys.due_partition(at)
        sources: defaultdict[str, list[DueRow]] = defaultdict(list)
        for row in rows:
            sources[_key(replace(row, at=at))[1]].append(row)
        units: list[list[Write]] = []
        left: defaultdict[str, list[str]] = defaultdict(list)
        for made, group in sources.items():
            unit = [Write(Verb.UPSERT, entity(replace(group[0], at=at)), made)]
            for row in group:
                partition, key = self._key_at_rest(row)
                if partition == target and key in sources:
                    continue  # overwritten by this or another row
                if partition == target and len(unit) == 1:
                    unit.append(Write(Verb.DELETE, {"PartitionKey": partition, "RowKey": key}, key))
                else:
                    left[partition].append(key)
            units.append(unit)
        await self._write(target, units)
        await self._delete(left)

    async def forget(self, rows: Sequence[DueRow]) -> None:
        """Deletes them, at most 100 in one request; what is gone already is fine."""
        buckets: defaultdict[str, list[str]] = defaultdict(list)
        for row in rows:
            partition, key = self._key_at_rest(row)
            buckets[partition].append(key)
        await self._delete(buckets)

    def _key_at_rest(self, row: DueRow) -> tuple[str, str]:
        partition, key = _key(row)
        return partition, self._named_otherwise.get((partition, key), key)

    async def _delete(self, buckets: Mapping[str, Sequence[str]]) -> None:
        for partition, found in buckets.items():
            await self._table.delete_all(partition, found)

    async def _write(self, partition: str, units: Sequence[Sequence[Write]]) -> None:
        """A unit is written whole; units are independent of each other."""
        at_once = asyncio.Semaphore(_MOVES_AT_ONCE)

        async def write(batch: Sequence[Write]) -> None:
            async with at_once:
                try:
                    await self._table.transact(batch)
                except TransactionRefused:  # another tick has moved one of them
                    await self._table.transact([made for made in batch if made.verb is Verb.UPSERT])
                    await self._table.delete_all(partition, [old.label for old in batch if old.verb is Verb.DELETE])

        await asyncio.gather(*(write(batch) for batch in _packed(units)))


def _packed(units: Sequence[Sequence[Write]]) -> list[list[Write]]:
    """As few transactions as hold the units in their order; no unit is torn."""
    packed: list[list[Write]] = []
    for unit in units:
        if not packed or len(packed[-1]) + len(unit) > MAX_TRANSACTION:
            packed.append([])
        packed[-1].extend(unit)
    return packed


def _key(row: DueRow) -> tuple[str, str]:
    return keys.due_partition(row.at), keys.due_row(row.at, row.hub_id, row.kind, row.generation, row.pass_number)


def entity(row: DueRow) -> Entity:
    partition, key = _key(row)
    return {
        "PartitionKey": partition,
        "RowKey": key,
        "v": codec.SCHEMA_VERSION,
        "at": keys.timestamp(row.at),
        "hubId": row.hub_id,
        "owner": row.owner,
        "name": row.name,
        "kind": row.kind,
        "generation": row.generation,
        "pass": row.pass_number,
    }


def _readable(row: Row) -> DueRow | None:
    """None after saying so in the log: a row that cannot be read must not stop the clock of all hubs. It is passed by
    once its bucket is."""
    values = row.values
    try:
        return DueRow(
            at=codec.time_from(row, "at"),
            hub_id=str(values["hubId"]),
            owner=str(values["owner"]),
            name=str(values["name"]),
            kind=str(values["kind"]),
            generation=int(values["generation"]),
            pass_number=int(values["pass"]),
        )
    except (FatalError, KeyError, ValueError, TypeError):
        log.error("due_row_unreadable", row=row.key)
        return None
