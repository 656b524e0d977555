"""Table `due`: what must be looked at when, in buckets of one UTC hour.

A tick reads the buckets from the watermark on, so its cost follows what is due and not how many hubs there are.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from shared.adapters.storage import codec, keys
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.errors import TransactionRefused
from shared.adapters.storage.table import MAX_TRANSACTION, Row, Table, Verb, Write
from shared.hubs.ports import DueRow

TABLE = "due"

FIRST_LOOK_BACK = timedelta(hours=48)
"""How far a deployment without a watermark (a new one, or one whose row was lost) looks back."""

_ONE_BUCKET = timedelta(hours=1)
"""A row may be written late, into the bucket before the watermark's; later than that no writer can be."""

_WATERMARK = ("watermark", "tick")


class TableDue:
    """`DueTable` on Table Storage."""

    def __init__(self, storage: StorageClients) -> None:
        self._table = Table(storage, TABLE)

    async def put(self, row: DueRow) -> None:
        """The same hub, kind and pass in the same minute is the same row."""
        partition, key = _key(row)
        await self._table.upsert(
            {
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
        )

    async def due(self, now: datetime) -> Sequence[DueRow]:
        """Oldest first. One read of the watermark and one query (for each 1,000 rows).

        A clock that was set back reads from its own time on, so that nothing is skipped.
        """
        seen = await self._table.get(*_WATERMARK)
        since = codec.time_from(seen, "at") if seen else now - FIRST_LOOK_BACK
        rows = await self._table.query(
            "PartitionKey ge @first and PartitionKey le @last and at le @now",
            {
                "first": keys.due_partition(min(since, now) - _ONE_BUCKET),
                "last": keys.due_partition(now),
                "now": keys.timestamp(now),
            },
        )
        return sorted((_due_row(row) for row in rows), key=lambda row: row.at)

    async def forget(self, rows: Sequence[DueRow]) -> None:
        """Deletes them, at most 100 in one request; what is gone already is fine."""
        buckets: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for row in rows:
            partition, key = _key(row)
            buckets[partition][key] = None
        for partition, found in buckets.items():
            ordered = list(found)
            for start in range(0, len(ordered), MAX_TRANSACTION):
                await self._delete(partition, ordered[start : start + MAX_TRANSACTION])

    async def advance_watermark(self, now: datetime) -> None:
        partition, key = _WATERMARK
        await self._table.upsert(
            {"PartitionKey": partition, "RowKey": key, "v": codec.SCHEMA_VERSION, "at": keys.timestamp(now)}
        )

    async def _delete(self, partition: str, found: Sequence[str]) -> None:
        if len(found) > 1:
            deletes = [Write(Verb.DELETE, {"PartitionKey": partition, "RowKey": key}, key) for key in found]
            try:
                await self._table.transact(deletes)
                return
            except TransactionRefused:
                pass  # another tick was faster with one of them: one by one, absent ones do not matter
        await asyncio.gather(*(self._table.delete(partition, key) for key in found))


def _key(row: DueRow) -> tuple[str, str]:
    return keys.due_partition(row.at), keys.due_row(row.at, row.hub_id, row.kind, row.generation, row.pass_number)


def _due_row(row: Row) -> DueRow:
    values = row.values
    return DueRow(
        at=codec.time_from(row, "at"),
        hub_id=str(values["hubId"]),
        owner=str(values["owner"]),
        name=str(values["name"]),
        kind=str(values["kind"]),
        generation=int(values["generation"]),
        pass_number=int(values["pass"]),
    )
