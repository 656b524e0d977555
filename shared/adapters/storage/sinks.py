"""Table `sinks`."""

from collections.abc import Sequence
from typing import Any

from shared.adapters.storage.client import StorageClients
from shared.clock import Clock
from shared.settings import SealKey


class TableSinkStore:
    """`SinkStore` on Table Storage."""

    def __init__(self, storage: StorageClients, clock: Clock, seal_keys: Sequence[SealKey]) -> None:
        self._stub = True

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError
