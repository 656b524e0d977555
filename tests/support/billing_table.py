"""A table in memory that counts what Azure works for: the rows it examines, whatever a query returns of them.

Rows lie sorted by partition and row key, as in the service. A query of one partition examines the rows between its row
bounds; one of several partitions examines all of their rows, and one of none the whole table. A request examines at
most 1,000 rows and the next one goes on, which is harsher than the service, whose pages are of rows returned
(https://learn.microsoft.com/rest/api/storageservices/query-timeout-and-pagination).
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from shared.adapters.storage.errors import TransactionRefused
from shared.adapters.storage.table import Entity, KeyRange, Row, Table, Verb, Write

PAGE = 1000
_AFTER_ALL = "\U0010ffff"


@dataclass
class Work:
    """What the table did since it was last asked. `rows_examined`: by reads alone."""

    requests: list[str] = field(default_factory=list)
    rows_examined: int = 0
    rows_written: int = 0


class BillingTable(Table):
    """`Table` without a service behind it. Not conditional: due rows have no use for ETags."""

    def __init__(self) -> None:
        self._keys: list[tuple[str, str]] = []
        self._rows: dict[tuple[str, str], Entity] = {}
        self._work = Work()

    # ---- what tests and benchmarks ask ----
    def __len__(self) -> int:
        return len(self._rows)

    def fill(self, entities: Sequence[Entity]) -> None:
        """Puts rows there without counting."""
        given = {_key(entity): entity for entity in entities}
        new = given.keys() - self._rows.keys()
        self._rows.update(given)
        if len(new) < PAGE:
            for key in new:
                insort(self._keys, key)
        else:
            self._keys = sorted(self._rows)

    def taken(self) -> Work:
        """What was done so far; counting begins anew."""
        taken, self._work = self._work, Work()
        return taken

    # ---- the table ----
    async def get(self, partition: str, row: str, *, select: Sequence[str] | None = None) -> Row | None:
        self._work.requests.append("get")
        self._work.rows_examined += 1
        found = self._rows.get((partition, row))
        return Row(found, "e") if found is not None else None

    async def pages(self, keys: KeyRange, *, select: Sequence[str] | None = None) -> AsyncIterator[list[Row]]:
        within = self._examined(keys)
        for start in range(0, max(1, len(within)), PAGE):
            page = within[start : start + PAGE]
            self._work.requests.append("query")
            self._work.rows_examined += len(page)
            yield [Row(self._rows[key], "e") for key in page if _wanted(key[1], keys)]

    async def upsert(self, entity: Entity, *, merge: bool = False) -> str:
        self._work.requests.append("upsert")
        self._put(entity)
        return "e"

    async def delete(self, partition: str, row: str, *, etag: str | None = None) -> None:
        assert etag is None, "not needed so far"
        self._work.requests.append("delete")
        self._remove((partition, row))

    async def transact(self, writes: Sequence[Write]) -> list[str | None]:
        self._work.requests.append("transaction")
        assert 0 < len(writes) <= 100, "an entity group transaction holds 1 to 100 writes"
        assert len({write.entity["PartitionKey"] for write in writes}) == 1, "all of one partition"
        assert len({_key(write.entity) for write in writes}) == len(writes), "each row once"
        for index, write in enumerate(writes):
            assert write.verb in (Verb.UPSERT, Verb.DELETE), "not needed so far"
            if write.verb is Verb.DELETE and _key(write.entity) not in self._rows:
                raise TransactionRefused("table due", index, 404)
        for write in writes:
            if write.verb is Verb.DELETE:
                self._remove(_key(write.entity))
            else:
                self._put(write.entity)
        return ["e" if write.verb is Verb.UPSERT else None for write in writes]

    # ---- inside ----
    def _examined(self, keys: KeyRange) -> list[tuple[str, str]]:
        one = keys.first_partition is not None and keys.first_partition == keys.last_partition
        first = (keys.first_partition or "", (keys.first_row or "") if one else "")
        begin = bisect_left(self._keys, first)
        if one and keys.end_row is not None:
            return self._keys[begin : bisect_left(self._keys, (first[0], keys.end_row))]
        last = _AFTER_ALL if keys.last_partition is None else keys.last_partition
        return self._keys[begin : bisect_right(self._keys, (last, _AFTER_ALL))]

    def _put(self, entity: Entity) -> None:
        key = _key(entity)
        if key not in self._rows:
            insort(self._keys, key)
        self._rows[key] = entity
        self._work.rows_written += 1

    def _remove(self, key: tuple[str, str]) -> None:
        self._work.rows_written += 1
        if self._rows.pop(key, None) is not None:
            del self._keys[bisect_left(self._keys, key)]


def _key(entity: Entity) -> tuple[str, str]:
    return str(entity["PartitionKey"]), str(entity["RowKey"])


def _wanted(row: str, keys: KeyRange) -> bool:
    return (keys.first_row is None or row >= keys.first_row) and (keys.end_row is None or row < keys.end_row)
