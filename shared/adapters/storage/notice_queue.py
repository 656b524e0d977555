"""Queue `hub-notify`: where in the outbox there is something to be told."""

from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.queue import Queue
from shared.hubs import notice_messages
from shared.hubs.ports import NoticeRef

QUEUE = "hub-notify"


class StorageNoticeQueue:
    """`NoticeQueue` on a storage queue."""

    def __init__(self, storage: StorageClients) -> None:
        self._queue = Queue(storage, QUEUE)

    async def put(self, ref: NoticeRef, *, delay_s: float = 0) -> None:
        """One request. Twice = told twice at worst, under the same id."""
        await self._queue.put(notice_messages.encode(ref), delay_s=delay_s)

    async def put_back(self, text: str, *, delay_s: float, life_s: float) -> None:
        """One request; the text goes as it came."""
        await self._queue.put(text, delay_s=delay_s, life_s=life_s)
