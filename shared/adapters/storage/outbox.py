"""Rows `outbox!<hub id>!<seq>` in table `hubs`: what is still to be told, and to whom.

The hub store makes them, in the transaction of the change they tell of, after their message was put. So no notice is
lost, and one whose change was never saved is never told.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from shared import log
from shared.adapters.storage import codec, keys
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.errors import RowExists
from shared.adapters.storage.hub_table import TABLE
from shared.adapters.storage.table import KeyRange, Row, Table
from shared.errors import FatalError
from shared.hubs.ports import Pending


class TableOutbox:
    """`Outbox` on Table Storage."""

    def __init__(self, storage: StorageClients) -> None:
        self._table = Table(storage, TABLE)

    async def get(self, owner: str, hub_id: str, seq: int) -> Pending | None:
        """One point read. Raises FatalError `RowUnreadable`, `RowTooNew`."""
        row = await self._table.get(keys.owner_partition(owner), keys.outbox(hub_id, seq))
        return codec.pending_from(row) if row else None

    async def save(self, pending: Pending) -> Pending:
        """One request, on the row's ETag."""
        if pending.etag is None:
            raise FatalError("NotStored", "A notice that was never read cannot be saved.")
        etag = await self._table.replace(codec.pending_entity(pending), pending.etag, _what(pending))
        return replace(pending, etag=etag)

    async def put(self, pending: Pending) -> bool:
        """One request. One whose answer was lost is found to be there by the next."""
        try:
            await self._table.insert(codec.pending_entity(pending), _what(pending))
        except RowExists:
            return False
        return True

    async def done(self, owner: str, hub_id: str, seq: int, *, etag: str | None = None) -> None:
        await self._table.delete(keys.owner_partition(owner), keys.outbox(hub_id, seq), etag=etag)

    async def older_than(self, moment: datetime) -> Sequence[Pending]:
        """A scan of the whole table, because each owner's rows lie in a partition of their own: for the hourly audit
        only. Rows that cannot be read are left out, with an error in the log."""
        limit = keys.timestamp(moment)
        found: list[Pending] = []
        every = KeyRange(first_row=keys.OUTBOX, end_row=keys.after_prefix(keys.OUTBOX))
        async for page in self._table.pages(every):
            old = (row for row in page if str(row.values.get("next") or row.values.get("at", "")) < limit)
            found += (pending for row in old if (pending := _read(row)) is not None)
        return found


def _what(pending: Pending) -> str:
    return f"Notice {pending.notice.id}"


def _read(row: Row) -> Pending | None:
    try:
        return codec.pending_from(row)
    except FatalError as error:
        log.error("notice_unreadable", row=row.key, code=error.code)
        return None
