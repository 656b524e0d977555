"""Table `cache`: small JSON documents with an age (prices, size lists, refusals)."""

from shared.adapters.storage import codec, documents, keys
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.table import Table
from shared.clock import Clock

TABLE = "cache"
_PARTITION = "cache"

MAX_CHARACTERS = 400_000
"""A row holds 1 MiB and counts two bytes a character; what is longer is not kept, as a cache may do."""


class TableCache:
    """`Cache` on Table Storage. The last writer wins; the age is counted from that write."""

    def __init__(self, storage: StorageClients, clock: Clock) -> None:
        self._table = Table(storage, TABLE)
        self._clock = clock

    async def get(self, key: str, *, max_age_s: float) -> object | None:
        """None when it is not there or older than `max_age_s` seconds."""
        row = await self._table.get(_PARTITION, keys.hashed(key))
        if row is None:
            return None
        age = self._clock.now() - codec.time_from(row, "at")
        if age.total_seconds() > max_age_s:
            return None
        value: object = codec.document_of(row, "A cache row")
        return value

    async def put(self, key: str, value: object) -> None:
        """`value` is made of JSON values."""
        if len(documents.to_text(value)) > MAX_CHARACTERS:
            return
        at = keys.timestamp(self._clock.now())
        await self._table.upsert(codec.entity(_PARTITION, keys.hashed(key), value, at=at))
