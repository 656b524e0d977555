"""The row of table `cache` that all processes' gates share: the ARM write budget and the circuit."""

from shared.adapters.storage import codec
from shared.adapters.storage.cache import TABLE
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.errors import RowExists
from shared.adapters.storage.table import Table
from shared.errors import ConcurrentUpdate, FatalError
from shared.hubs.gate_state import GateState

_PARTITION, _ROW = "azure", "gate"
_WHAT = "The gate's row"


class TableGateRow:
    """`GateRow` on Table Storage: a partition of its own, every write on the ETag."""

    def __init__(self, storage: StorageClients) -> None:
        self._table = Table(storage, TABLE)

    async def read(self) -> tuple[GateState, str | None]:
        row = await self._table.get(_PARTITION, _ROW)
        if row is None:
            return GateState(), None
        try:
            return GateState.from_document(codec.document_of(row, _WHAT)), row.etag
        except FatalError:  # damaged, or a newer version's: it is written anew
            return GateState(), row.etag

    async def write(self, state: GateState, etag: str | None) -> str:
        entity = codec.entity(_PARTITION, _ROW, state.document())
        if etag is not None:
            return await self._table.replace(entity, etag, _WHAT)
        try:
            return await self._table.insert(entity, _WHAT)
        except RowExists:
            raise ConcurrentUpdate(_WHAT) from None
