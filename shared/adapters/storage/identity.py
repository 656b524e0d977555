"""The deployment id: made once, kept in table `index`, carried by every Azure resource this deployment makes."""

from shared.adapters.storage import index
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.codec import SCHEMA_VERSION
from shared.adapters.storage.errors import RowExists
from shared.adapters.storage.table import Table
from shared.errors import RetryableError
from shared.hubs.ports import Entropy

_PARTITION, _ROW = "deployment", "id"


class StoredDeploymentIdentity:
    """`DeploymentIdentity` in Table Storage. The first of several processes makes it; it never changes."""

    def __init__(self, storage: StorageClients, entropy: Entropy) -> None:
        self._table = Table(storage, index.TABLE)
        self._entropy = entropy
        self._memo: str | None = None

    async def get(self) -> str:
        """One read for each process, one write for each deployment."""
        if self._memo is None:
            self._memo = await self._read() or await self._make()
        return self._memo

    async def _read(self) -> str | None:
        row = await self._table.get(_PARTITION, _ROW)
        return str(row.values["deploymentId"]) if row else None

    async def _make(self) -> str:
        made = "".join(self._entropy.hub_suffix() for _ in range(3))  # 90 bits, fit for a tag's value
        entity = {"PartitionKey": _PARTITION, "RowKey": _ROW, "v": SCHEMA_VERSION, "deploymentId": made}
        try:
            await self._table.insert(entity, "The deployment id")
        except RowExists:
            first = await self._read()
            if first is None:
                raise RetryableError("StorageUnavailable", "The deployment id vanished while it was read.") from None
            return first
        return made
