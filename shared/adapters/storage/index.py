"""Table `index`: hub id -> owner and name, for whoever knows only the id (admins, sweep, operations)."""

from collections.abc import Sequence

from shared.adapters.storage import keys
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.codec import SCHEMA_VERSION
from shared.adapters.storage.table import KeyRange, Row, Table
from shared.hubs.ports import IndexEntry

TABLE = "index"
_PARTITION = "hub"


class TableHubIndex:
    """`HubIndex` on Table Storage. The last writer wins: a row says only what `hubs` says too. Columns that a newer
    release added stay, whatever `v` says then."""

    def __init__(self, storage: StorageClients) -> None:
        self._table = Table(storage, TABLE)

    async def put(self, entry: IndexEntry) -> None:
        await self._table.upsert(
            {
                "PartitionKey": _PARTITION,
                "RowKey": keys.part(entry.hub_id),
                "v": SCHEMA_VERSION,
                "hubId": entry.hub_id,
                "owner": entry.owner,
                "name": entry.name,
                "state": entry.state,
            },
            merge=True,
        )

    async def find(self, hub_id: str) -> IndexEntry | None:
        row = await self._table.get(_PARTITION, keys.part(hub_id))
        return _entry(row) if row else None

    async def remove(self, hub_id: str) -> None:
        await self._table.delete(_PARTITION, keys.part(hub_id))

    async def list(self) -> Sequence[IndexEntry]:
        return [_entry(row) for row in await self._table.query(KeyRange.within(_PARTITION))]


def _entry(row: Row) -> IndexEntry:
    values = row.values
    return IndexEntry(
        hub_id=str(values["hubId"]), owner=str(values["owner"]), name=str(values["name"]), state=str(values["state"])
    )
