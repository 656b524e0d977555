"""One queue, with the one verb the adapters use; the Functions host does all the taking."""

import math
from typing import TYPE_CHECKING

from shared.adapters.storage.client import StorageClients

if TYPE_CHECKING:
    from azure.storage.queue.aio import QueueClient

MAX_DELAY_S = 604_800
"""The longest a message can be hidden: 7 days. https://learn.microsoft.com/rest/api/storageservices/put-message"""

_NEVER = -1
"""A message that expires is lost work; a due row or the audit would find it, but later."""


class Queue:
    """The text goes as it is: host.json says `messageEncoding: none`. A queue that is not there is made."""

    def __init__(self, clients: StorageClients, name: str) -> None:
        self._clients = clients
        self._name = name

    async def put(self, text: str, *, delay_s: float = 0, life_s: float | None = None) -> None:
        """Visible after `delay_s` seconds, rounded up, at most 7 days; gone after `life_s` (None = never), which must
        be longer. After a RetryableError the message may be there or not."""
        client: QueueClient = self._clients.queue_client(self._name)
        hidden = min(MAX_DELAY_S, max(0, math.ceil(delay_s)))
        life = _NEVER if life_s is None else max(hidden + 1, math.ceil(life_s))
        await self._clients.call(
            f"queue {self._name}",
            lambda: client.send_message(text, visibility_timeout=hidden, time_to_live=life),
            create=lambda: client.create_queue(),
        )
