"""Queue `hub-work`."""

import math
from typing import TYPE_CHECKING

from shared.adapters.storage.client import StorageClients
from shared.hubs import messages
from shared.hubs.model import Message

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueClient

QUEUE = "hub-work"

MAX_DELAY_S = 604_800
"""The longest a message can be hidden: 7 days. https://learn.microsoft.com/rest/api/storageservices/put-message"""

_NEVER = -1
"""A message that expires is lost work; the due row would find it, but later."""


class StorageWorkQueue:
    """`WorkQueue` on a storage queue. The text is plain JSON: host.json says `messageEncoding: none`."""

    def __init__(self, storage: StorageClients) -> None:
        self._storage = storage

    async def put(self, message: Message, *, delay_s: float = 0) -> None:
        """Visible after `delay_s` seconds, rounded up, at most 7 days. Twice = two messages; passes make that harmless.

        After a RetryableError the message may be there or not.
        """
        client: QueueClient = self._storage.queue_client(QUEUE)
        hidden = min(MAX_DELAY_S, max(0, math.ceil(delay_s)))
        await self._storage.call(
            f"queue {QUEUE}",
            lambda: client.send_message(messages.encode(message), visibility_timeout=hidden, time_to_live=_NEVER),
            create=lambda: client.create_queue(),
        )
