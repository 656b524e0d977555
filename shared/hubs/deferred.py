"""Messages that a newer release put: this one cannot read them, so it puts them back as they came.

They come back every few minutes until a release that reads them takes one, or their life is over. That is the life a
storage queue gives a message by default, 7 days
(https://learn.microsoft.com/rest/api/storageservices/put-message). It counts from the first time one was put back, and
is written into the copy's own time of expiry: the text stays what it was. Nothing is lost after it either, because due
rows, outbox and audit bring back what still waits.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from shared import log
from shared.hubs.alerts import alert
from shared.hubs.message_text import TooNew
from shared.hubs.versions import DEFERRED_S

if TYPE_CHECKING:
    from shared.app import App

LIFE = timedelta(days=7)


class Queue(Protocol):
    """The one verb of both queues that this needs."""

    async def put_back(self, text: str, *, delay_s: float, life_s: float) -> None: ...


async def put_back(app: "App", queue: Queue, message: TooNew, expires_at: datetime | None) -> None:
    """`expires_at`: when the message as it was taken would have gone by itself; None or later than LIFE = never.

    Raises RetryableError when storage does not take it: then the host delivers it again. Twice = two messages, of which
    whoever reads them fences one off.
    """
    if expires_at is not None and expires_at.tzinfo is None:  # as the Functions library gives a time without a zone
        expires_at = expires_at.replace(tzinfo=UTC)
    left = LIFE if expires_at is None else min(LIFE, expires_at - app.clock.now())
    if left <= timedelta(seconds=DEFERRED_S):
        log.error("message_too_new_dropped", size=len(message.text))
        await alert(
            app,
            "MessageTooNew",
            "Messages that only a newer version can read were dropped after seven days: deploy that version again.",
        )
        return
    log.warning("message_too_new", size=len(message.text), delay_s=DEFERRED_S, left_s=round(left.total_seconds()))
    await queue.put_back(message.text, delay_s=DEFERRED_S, life_s=left.total_seconds())
