"""Queue `hub-work`."""

from collections.abc import Sequence

from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.queue import Queue
from shared.hubs import messages
from shared.hubs.model import Message
from shared.hubs.ports import DueRow

QUEUE = "hub-work"


class StorageWorkQueue:
    """`WorkQueue` on a storage queue."""

    def __init__(self, storage: StorageClients) -> None:
        self._queue = Queue(storage, QUEUE)

    async def put(self, message: Message, *, delay_s: float = 0) -> None:
        """One request. Twice = two messages; passes make that harmless. After a RetryableError the message may be
        there or not."""
        await self._queue.put(messages.encode(message), delay_s=delay_s)

    async def put_due(self, rows: Sequence[DueRow]) -> None:
        """One request for some 250 rows; none for no row. After a RetryableError any of the messages may be there."""
        for text in messages.encode_due(rows):
            await self._queue.put(text)

    async def put_back(self, text: str, *, delay_s: float, life_s: float) -> None:
        """One request; the text goes as it came."""
        await self._queue.put(text, delay_s=delay_s, life_s=life_s)
