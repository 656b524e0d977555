"""The queue pump: one per queue trigger and instance.

Copied from the WebJobs Storage.Queues extension (`QueueListener`, `QueueProcessor` in Azure/azure-sdk-for-net):
a received message is hidden for a fixed lease that is renewed at half time; success deletes it; failure makes it
visible again after `visibilityTimeout` until it was dequeued `maxDequeueCount` times, then it moves to
`<queue>-poison`; a poison queue has no poison queue of its own, so there a failed message just waits for its lease.
"""

import asyncio
import base64
import binascii
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from localdev.host.backoff import PollingBackoff
from localdev.host.report import log
from localdev.host.settings import QueueOptions
from localdev.host.worker import json_datum, text_datum

POISON_SUFFIX = "-poison"
_STORAGE_TIMEOUT_S = 10


@dataclass(frozen=True)
class QueueItem:
    """What a queue function is handed."""

    text: str
    dequeue_count: int
    metadata: dict[str, Any]


type Handler = Callable[[QueueItem], Awaitable[bool]]
"""Runs the function; True when it ended well. Does not raise."""


def queue_client(connection_string: str, name: str) -> QueueClient:
    """Without retries of its own: the pump polls again anyway."""
    return QueueClient.from_connection_string(
        connection_string,
        name,
        retry_total=0,
        connection_timeout=_STORAGE_TIMEOUT_S,
        read_timeout=_STORAGE_TIMEOUT_S,
        use_env_settings=False,
    )


def decode(content: str, *, base64_encoded: bool) -> str | None:
    """The message's text, None when it is not what `messageEncoding` promises."""
    if not base64_encoded:
        return content
    try:
        return base64.b64decode(content, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None


def to_item(message: QueueMessage, text: str) -> QueueItem:
    """Trigger metadata as the host sends them to the worker."""
    return QueueItem(
        text=text,
        dequeue_count=int(message.dequeue_count or 1),
        metadata={
            "Id": text_datum(str(message.id)),
            "PopReceipt": text_datum(str(message.pop_receipt)),
            "DequeueCount": json_datum(str(message.dequeue_count)),
            "InsertionTime": _moment(message.inserted_on),
            "ExpirationTime": _moment(message.expires_on),
            "NextVisibleTime": _moment(message.next_visible_on),
            "QueueTrigger": text_datum(text),
        },
    )


def _moment(value: datetime | None) -> Any:
    return json_datum(json.dumps(value.isoformat() if value else None))


@dataclass
class _Held:
    """A message this instance works on. Each renewal changes the receipt; `lost` when somebody else has it by now."""

    id: str
    content: str
    receipt: str
    lost: bool = False


@dataclass
class QueuePump:
    """Polls one queue and feeds one function. `lease_s`: see HostOptions."""

    queue: QueueClient
    poison: QueueClient | None
    options: QueueOptions
    lease_s: float
    backoff: PollingBackoff
    handler: Handler
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def name(self) -> str:
        return str(self.queue.queue_name)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set; invocations under way are left to `drain`."""
        found_since_pause = False
        while not stop.is_set():
            batch = await self._receive()
            if not batch:
                delay = self.backoff.next_delay(found_messages=found_since_pause)
                found_since_pause = False
                await _pause(stop, delay)
                continue
            found_since_pause = True
            for message in batch:
                task = asyncio.create_task(self._process(message), name=f"{self.name}/{message.id}")
                self._running.add(task)
                task.add_done_callback(self._running.discard)
            await self._wait_for_room(stop)

    async def drain(self, seconds: float) -> None:
        """Waits for what is running; what does not end in time is dropped and comes back when its lease ends."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        left = list(self._running)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        if left:
            log.warning("%s: %d message(s) dropped at stop; they return when their lease ends", self.name, len(left))

    async def close(self) -> None:
        await self.queue.close()
        if self.poison is not None:
            await self.poison.close()

    async def _receive(self) -> list[QueueMessage]:
        size = self.options.batch_size
        try:
            pages = self.queue.receive_messages(
                messages_per_page=size, max_messages=size, visibility_timeout=round(self.lease_s)
            )
            return [message async for message in pages]
        except ResourceNotFoundError:
            return []  # nobody has made the queue yet: the same as empty
        except AzureError as error:
            log.warning("%s: receiving failed: %s", self.name, _short(error))
            return []

    async def _wait_for_room(self, stop: asyncio.Event) -> None:
        """More is fetched at once when at most `newBatchThreshold` of the last ones still run."""
        stopping = asyncio.create_task(stop.wait())
        try:
            while len(self._running) > self.options.new_batch_threshold and not stop.is_set():
                await asyncio.wait({*self._running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()

    async def _process(self, message: QueueMessage) -> None:
        held = _Held(str(message.id), str(message.content), str(message.pop_receipt))
        count = int(message.dequeue_count or 1)
        try:
            text = decode(held.content, base64_encoded=self.options.base64)
            if text is None or count > self.options.max_dequeue_count:
                await self._give_up(held)
                return
            renewal = asyncio.create_task(self._keep_lease(held))
            try:
                ok = await self.handler(to_item(message, text))
            finally:
                renewal.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await renewal
            if held.lost:
                log.warning("%s: message %s belongs to somebody else by now", self.name, held.id)
            elif ok:
                await self.queue.delete_message(held.id, held.receipt)
            elif self.poison is not None and count >= self.options.max_dequeue_count:
                await self._give_up(held)
            elif self.poison is not None:
                seconds = round(self.options.visibility_timeout.total_seconds())
                await self.queue.update_message(held.id, held.receipt, content=held.content, visibility_timeout=seconds)
        except AzureError as error:
            # Not ours any more (stale receipt, message gone) or storage is away: at-least-once delivery covers both.
            log.warning("%s: message %s not settled: %s", self.name, held.id, _short(error))

    async def _keep_lease(self, held: _Held) -> None:
        while True:
            await asyncio.sleep(self.lease_s / 2)
            try:
                renewed = await self.queue.update_message(
                    held.id, held.receipt, content=held.content, visibility_timeout=round(self.lease_s)
                )
            except HttpResponseError as error:
                if error.status_code in {400, 404}:  # PopReceiptMismatch, MessageNotFound
                    held.lost = True
                    return
                log.warning("%s: lease of %s not renewed: %s", self.name, held.id, _short(error))
            except AzureError as error:
                log.warning("%s: lease of %s not renewed: %s", self.name, held.id, _short(error))
            else:
                held.receipt = str(renewed.pop_receipt)

    async def _give_up(self, held: _Held) -> None:
        if self.poison is None:
            return
        log.warning("%s: message %s moves to %s", self.name, held.id, self.poison.queue_name)
        try:
            await self.poison.send_message(held.content)
        except ResourceNotFoundError:
            with contextlib.suppress(HttpResponseError):  # another instance was faster
                await self.poison.create_queue()
            await self.poison.send_message(held.content)
        await self.queue.delete_message(held.id, held.receipt)


def _short(error: AzureError) -> str:
    return str(error.message).splitlines()[0] if error.message else type(error).__name__


async def _pause(stop: asyncio.Event, delay: timedelta) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), delay.total_seconds())
