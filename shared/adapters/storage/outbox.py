"""Rows `outbox!<hub id>!<seq>` in table `hubs`: what is still to be told.

The hub store writes them, in the transaction of the change they tell of, after their message was put. So no notice is
lost, and one whose change was never saved is never told.
"""

from collections.abc import Sequence
from datetime import datetime

from shared import log
from shared.adapters.storage import codec, keys
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.hub_table import TABLE
from shared.adapters.storage.table import KeyRange, Row, Table
from shared.errors import FatalError
from shared.hubs.model import Notice


class TableOutbox:
    """`Outbox` on Table Storage."""

    def __init__(self, storage: StorageClients) -> None:
        self._table = Table(storage, TABLE)

    async def get(self, owner: str, hub_id: str, seq: int) -> Notice | None:
        """One point read. Raises FatalError `RowUnreadable`, `RowTooNew`."""
        row = await self._table.get(keys.owner_partition(owner), keys.outbox(hub_id, seq))
        return codec.notice_from(row) if row else None

    async def done(self, owner: str, hub_id: str, seq: int) -> None:
        await self._table.delete(keys.owner_partition(owner), keys.outbox(hub_id, seq))

    async def older_than(self, moment: datetime) -> Sequence[Notice]:
        """A scan of the whole table, because each owner's rows lie in a partition of their own: for the hourly audit
        only. Rows that cannot be read are left out, with an error in the log."""
        limit = keys.timestamp(moment)
        found: list[Notice] = []
        every = KeyRange(first_row=keys.OUTBOX, end_row=keys.after_prefix(keys.OUTBOX))
        async for page in self._table.pages(every):
            old = (row for row in page if str(row.values.get("at", "")) < limit)
            found += (notice for row in old if (notice := _read(row)) is not None)
        return found


def _read(row: Row) -> Notice | None:
    try:
        return codec.notice_from(row)
    except FatalError as error:
        log.error("notice_unreadable", row=row.key, code=error.code)
        return None
