"""One table, with the few verbs the adapters use. Reads of a table that is not there find nothing; writes make it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.errors import RowMissing
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

    async def query(
        self, where: str, parameters: Mapping[str, str], *, select: Sequence[str] | None = None
    ) -> list[Row]:
        """All rows that match, in key order. One request for each 1,000 rows."""
        rows: list[Row] = []
        client = self._client()
        pages = client.query_entities(where, parameters=dict(parameters), select=_names(select)).by_page()
        try:
            while (page := await self._clients.call(self._what, lambda: _next_or_none(pages))) is not None:
                # The entities of a page are in memory already; iterating makes no request.
                rows += [Row(entity, str(entity.metadata["etag"])) async for entity in page]
        except RowMissing:  # the table itself is not there
            return []
        return rows

    async def insert(self, entity: Entity, what: str) -> str:
        """Returns the new ETag. Raises RowExists."""
        client = self._client()
        return await self._write(client, what, lambda: client.create_entity(entity))

    async def upsert(self, entity: Entity) -> str:
        """Replaces the row or makes it; for rows that the last writer may have."""
        from azure.data.tables import UpdateMode

        client = self._client()
        return await self._write(client, self._what, lambda: client.upsert_entity(entity, mode=UpdateMode.REPLACE))

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

    async def delete(self, partition: str, row: str) -> None:
        """An absent row is fine."""
        client = self._client()
        await self._clients.call(self._what, lambda: client.delete_entity(partition, row))

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
