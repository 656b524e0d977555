"""One table, with the few verbs the adapters use. Reads of a table that is not there find nothing; writes make it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import batched
from typing import TYPE_CHECKING, Any

from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.errors import RowMissing, TransactionRefused
from shared.errors import ConcurrentUpdate

if TYPE_CHECKING:
    from azure.data.tables.aio import TableClient

type Entity = dict[str, Any]
"""A row to be written: `PartitionKey`, `RowKey` and properties."""

MAX_TRANSACTION = 100
"""Writes in one entity group transaction.
https://learn.microsoft.com/rest/api/storageservices/performing-entity-group-transactions"""


@dataclass(frozen=True, slots=True)
class Row:
    """A row that was read. Properties nobody knows (any more) are simply not asked for."""

    values: Mapping[str, Any]
    etag: str

    @property
    def key(self) -> str:
        return str(self.values["RowKey"])


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRange:
    """Rows named by their keys alone, so that what a query costs can be read off it: storage examines every row of the
    range, whatever else a filter would leave of it. There is no `or`: two ranges are two queries, because storage is
    free to answer an `or` by a scan.

    `first_partition` to `last_partition`, both included; `first_row` included, `end_row` not. None = no bound. One
    partition with row bounds examines the rows between them; several partitions are examined whole, also when rows
    are bounded; no partition is a scan of the whole table.
    https://learn.microsoft.com/azure/storage/tables/table-storage-design-for-query
    """

    first_partition: str | None = None
    last_partition: str | None = None
    first_row: str | None = None
    end_row: str | None = None

    @classmethod
    def within(cls, partition: str, *, first_row: str | None = None, end_row: str | None = None) -> "KeyRange":
        """Rows of one partition."""
        return cls(first_partition=partition, last_partition=partition, first_row=first_row, end_row=end_row)

    @property
    def bounded(self) -> bool:
        """Not a scan from one end of the table to the other."""
        return self.first_partition is not None and self.last_partition is not None

    def odata(self) -> tuple[str, dict[str, str]]:
        """The filter and its parameters. Raises ValueError when there is no bound at all."""
        terms: dict[str, tuple[str, str | None]] = {
            "first": ("PartitionKey ge @first", self.first_partition),
            "last": ("PartitionKey le @last", self.last_partition),
            "row": ("RowKey ge @row", self.first_row),
            "end": ("RowKey lt @end", self.end_row),
        }
        if self.first_partition is not None and self.first_partition == self.last_partition:
            del terms["last"]
            terms["first"] = ("PartitionKey eq @first", self.first_partition)
        given = {name: (text, value) for name, (text, value) in terms.items() if value is not None}
        if not given:
            raise ValueError("a query needs a bound")
        return " and ".join(text for text, _ in given.values()), {name: value for name, (_, value) in given.items()}


class Verb(StrEnum):
    INSERT = "insert"
    REPLACE = "replace"
    UPSERT = "upsert"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Write:
    """One write of a transaction. `etag` is needed by REPLACE and honoured by DELETE; `label` says what the row is,
    for whoever must explain a refusal."""

    verb: Verb
    entity: Entity
    label: str
    etag: str | None = None


SCAN_TIMEOUT_S = 35.0
"""One page of a scan: storage works 5 s on it and may let it wait before, 30 s in all, then it answers with whatever it
found until then, be it nothing. https://learn.microsoft.com/rest/api/storageservices/query-timeout-and-pagination"""


class Table:
    """Every method may raise RetryableError and, for requests that are wrong, FatalError (see errors.translate)."""

    def __init__(self, clients: StorageClients, name: str) -> None:
        self._clients = clients
        self._name = name
        self._what = f"table {name}"

    async def get(self, partition: str, row: str, *, select: Sequence[str] | None = None) -> Row | None:
        """A point read; None when the row is not there."""
        client = self._client()
        try:
            entity = await self._clients.call(
                self._what, lambda: client.get_entity(partition, row, select=_names(select))
            )
        except RowMissing:
            return None
        return Row(entity, str(entity.metadata["etag"]))

    async def query(self, keys: KeyRange, *, select: Sequence[str] | None = None) -> list[Row]:
        """All rows of the range, in key order. One request for each 1,000 rows."""
        return [row async for page in self.pages(keys, select=select) for row in page]

    async def pages(self, keys: KeyRange, *, select: Sequence[str] | None = None) -> AsyncIterator[list[Row]]:
        """The same rows page by page, one request each; a page may be empty. Rows that are written or deleted while
        this runs may be seen or not."""
        client = self._client()
        where, parameters = keys.odata()
        patience: dict[str, Any] = {} if keys.bounded else {"read_timeout": SCAN_TIMEOUT_S}
        found = client.query_entities(where, parameters=parameters, select=_names(select), **patience)
        pages = found.by_page()
        try:
            while (page := await self._next(pages, scan=not keys.bounded)) is not None:
                # The entities of a page are in memory already; iterating makes no request.
                yield [Row(entity, str(entity.metadata["etag"])) async for entity in page]
        except RowMissing:  # the table itself is not there
            return

    async def insert(self, entity: Entity, what: str) -> str:
        """Returns the new ETag. Raises RowExists."""
        client = self._client()
        return await self._write(client, what, lambda: client.create_entity(entity))

    async def upsert(self, entity: Entity, *, merge: bool = False) -> str:
        """Replaces the row or makes it; for rows that the last writer may have. `merge` leaves columns that `entity`
        does not name as they are."""
        from azure.data.tables import UpdateMode

        client = self._client()
        mode = UpdateMode.MERGE if merge else UpdateMode.REPLACE
        return await self._write(client, self._what, lambda: client.upsert_entity(entity, mode=mode))

    async def replace(self, entity: Entity, etag: str, what: str) -> str:
        """Returns the new ETag. Raises ConcurrentUpdate when the row changed or is gone."""
        from azure.core import MatchConditions
        from azure.data.tables import UpdateMode

        client = self._client()
        try:
            return await self._write(
                client,
                what,
                lambda: client.update_entity(
                    entity, mode=UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
                ),
            )
        except RowMissing:
            raise ConcurrentUpdate(what) from None

    async def delete(self, partition: str, row: str, *, etag: str | None = None) -> None:
        """An absent row is fine. Raises ConcurrentUpdate when the row is there and not of this `etag` any more."""
        from azure.core import MatchConditions

        client = self._client()
        condition: dict[str, Any] = {}
        if etag is not None:
            condition = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        await self._clients.call(self._what, lambda: client.delete_entity(partition, row, **condition))

    async def delete_all(self, partition: str, rows: Sequence[str]) -> None:
        """Deletes rows of one partition: a request for each 100, or one for each row of a hundred of which somebody
        else has deleted one already. Absent rows are fine."""
        for batch in batched(dict.fromkeys(rows), MAX_TRANSACTION, strict=False):
            if len(batch) > 1:
                writes = [Write(Verb.DELETE, {"PartitionKey": partition, "RowKey": row}, row) for row in batch]
                try:
                    await self.transact(writes)
                    continue
                except TransactionRefused:
                    pass  # deleting what is not there fails the whole transaction
            await asyncio.gather(*(self.delete(partition, row) for row in batch))

    async def transact(self, writes: Sequence[Write]) -> list[str | None]:
        """All writes or none, in one request; their ETags (None for a DELETE). All rows are in one partition.

        Raises TransactionRefused with the index of the first write whose condition does not hold.
        """
        client = self._client()
        operations: list[Any] = [_operation(write) for write in writes]
        results = await self._clients.call(
            self._what, lambda: client.submit_transaction(operations), create=lambda: client.create_table()
        )
        return [result.get("etag") for result in results]

    async def _next[T](self, pages: AsyncIterator[T], *, scan: bool) -> T | None:
        if scan:
            return await self._clients.call_slow(self._what, lambda: _next_or_none(pages), timeout_s=SCAN_TIMEOUT_S)
        return await self._clients.call(self._what, lambda: _next_or_none(pages))

    def _client(self) -> "TableClient":
        return self._clients.table_client(self._name)

    async def _write(self, client: "TableClient", what: str, send: Callable[[], Awaitable[Mapping[str, Any]]]) -> str:
        result = await self._clients.call(what, send, create=lambda: client.create_table())
        return str(result["etag"])


async def _next_or_none[T](items: AsyncIterator[T]) -> T | None:
    return await anext(items, None)


def _names(select: Sequence[str] | None) -> list[str] | None:
    return None if select is None else list(select)


def _operation(write: Write) -> tuple[str, Entity, dict[str, Any]]:
    """The SDK's form. https://learn.microsoft.com/python/api/overview/azure/data-tables-readme"""
    from azure.core import MatchConditions
    from azure.data.tables import UpdateMode

    condition: dict[str, Any] = {}
    if write.etag is not None:
        condition = {"etag": write.etag, "match_condition": MatchConditions.IfNotModified}
    match write.verb:
        case Verb.INSERT:
            return "create", write.entity, {}
        case Verb.REPLACE:
            return "update", write.entity, {"mode": UpdateMode.REPLACE, **condition}
        case Verb.UPSERT:
            return "upsert", write.entity, {"mode": UpdateMode.REPLACE}
        case Verb.DELETE:
            return "delete", write.entity, condition
