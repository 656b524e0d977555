"""Table `logs`: the installer's log as it was read, in chunks by byte offset."""

from shared.adapters.storage import keys
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.codec import SCHEMA_VERSION
from shared.adapters.storage.errors import RowExists
from shared.adapters.storage.keys import LOG_CHUNK_BYTES
from shared.adapters.storage.table import KeyRange, Table

TABLE = "logs"


class TableLogStore:
    """`LogStore` on Table Storage. A chunk is never changed: key = offset and length, so that a visit that crashed
    after writing and reads on from the same offset, maybe further, writes beside it and no reader sees a hole."""

    def __init__(self, storage: StorageClients) -> None:
        self._table = Table(storage, TABLE)

    async def append(self, hub_id: str, offset: int, data: bytes) -> None:
        """One request for each 64 KiB. The same bytes again change nothing."""
        for start in range(0, len(data), LOG_CHUNK_BYTES):
            chunk = data[start : start + LOG_CHUNK_BYTES]
            try:
                await self._table.insert(
                    {
                        "PartitionKey": keys.part(hub_id),
                        "RowKey": keys.log_row(offset + start, len(chunk)),
                        "v": SCHEMA_VERSION,
                        "data": chunk,
                    },
                    "A piece of a log",
                )
            except RowExists:
                continue

    async def read(self, hub_id: str, offset: int, *, limit: int = 1 << 20) -> bytes:
        """At most `limit` bytes from `offset` on, up to the end or the first hole; one query."""
        rows = await self._table.query(
            KeyRange.within(
                keys.part(hub_id),
                # A chunk that begins earlier may reach beyond `offset`.
                first_row=keys.log_row(max(0, offset - LOG_CHUNK_BYTES), 0),
                end_row=keys.log_row(offset + limit, 0),
            )
        )
        found = bytearray()
        for row in rows:
            begins = int(row.key.partition(".")[0])
            skip = offset + len(found) - begins
            if skip < 0:
                break
            found += bytes(row.values["data"])[skip:]
        return bytes(found[:limit])
