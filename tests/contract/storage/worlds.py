"""One storage world: fakes, or adapters over Azurite. Tests do not know which."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, overload

from azure.data.tables import UpdateMode

from shared.adapters.entropy import SystemEntropy
from shared.adapters.storage import keys
from shared.adapters.storage.cache import TableCache
from shared.adapters.storage.chat import TableChatStore
from shared.adapters.storage.client import StorageClients, TransportObserver
from shared.adapters.storage.due import TableDue
from shared.adapters.storage.hub_table import TableHubStore
from shared.adapters.storage.identity import StoredDeploymentIdentity
from shared.adapters.storage.index import TableHubIndex
from shared.adapters.storage.logs import TableLogStore
from shared.adapters.storage.notice_queue import QUEUE as NOTICE_QUEUE
from shared.adapters.storage.notice_queue import StorageNoticeQueue
from shared.adapters.storage.outbox import TableOutbox
from shared.adapters.storage.secrets import SealedSecretStore
from shared.adapters.storage.tokens import TableTokenStore
from shared.adapters.storage.work_queue import QUEUE, StorageWorkQueue
from shared.hubs import messages, notice_messages, ports
from shared.hubs.messages import DueBatch
from shared.hubs.model import Hub, Message
from tests.support.builders import a_hub, an_accept, some_settings
from tests.support.clock import FakeClock
from tests.support.fake_storage import FakeNoticeQueue, FakeQueue, fake_storage


@dataclass(frozen=True)
class World:
    """`received` and `told` take every message that is visible now on `hub-work` and on `hub-notify`, `received_texts`
    and `told_texts` their texts (of the fakes only those that were put back). `damage` makes the row of a hub
    unreadable."""

    clock: FakeClock
    hubs: ports.HubStore
    index: ports.HubIndex
    queue: ports.WorkQueue
    due: ports.DueTable
    logs: ports.LogStore
    secrets: ports.SecretStore
    tokens: ports.TokenStore
    cache: ports.Cache
    identity: ports.DeploymentIdentity
    outbox: ports.Outbox
    notices: ports.NoticeQueue
    chat: ports.ChatStore
    received: Callable[[], Awaitable[list[Message | DueBatch]]]
    told: Callable[[], Awaitable[list[ports.NoticeRef]]]
    received_texts: Callable[[], Awaitable[list[str]]]
    told_texts: Callable[[], Awaitable[list[str]]]
    damage: Callable[[Hub], Awaitable[None]]


def fake_world() -> World:
    clock = FakeClock()
    storage = fake_storage(clock)

    async def received() -> list[Message | DueBatch]:
        return _drain(storage.queue)

    async def told() -> list[ports.NoticeRef]:
        return _drain(storage.notices)

    async def texts_of(queue: FakeQueue | FakeNoticeQueue) -> list[str]:
        return list(iter(queue.take_text, None))

    async def damage(hub: Hub) -> None:
        storage.hubs.unreadable[hub.owner, hub.name] = "RowUnreadable"

    return World(
        clock=clock,
        hubs=storage.hubs,
        index=storage.index,
        queue=storage.queue,
        due=storage.due,
        logs=storage.logs,
        secrets=storage.secrets,
        tokens=storage.tokens,
        cache=storage.cache,
        identity=storage.identity,
        outbox=storage.outbox,
        notices=storage.notices,
        chat=storage.chat,
        received=received,
        told=told,
        received_texts=lambda: texts_of(storage.queue),
        told_texts=lambda: texts_of(storage.notices),
        damage=damage,
    )


@overload
def _drain(queue: FakeQueue) -> list[Message | DueBatch]: ...
@overload
def _drain(queue: FakeNoticeQueue) -> list[ports.NoticeRef]: ...
def _drain(queue: FakeQueue | FakeNoticeQueue) -> list[Any]:
    found = []
    while (message := queue.take()) is not None:
        found.append(message)
    return found


def connect(connection_string: str, observer: TransportObserver | None = None, prefix: str = "") -> StorageClients:
    """Clients whose tables and queues nobody else has."""
    return StorageClients(
        some_settings(AzureWebJobsStorage=connection_string),
        prefix=prefix or f"t{uuid.uuid4().hex[:12]}",
        transport_observer=observer,
    )


def real_world(storage: StorageClients) -> World:
    clock = FakeClock()
    settings = some_settings()

    async def received() -> list[Message | DueBatch]:
        return [messages.decode(text) for text in await _received(storage, QUEUE)]

    async def told() -> list[ports.NoticeRef]:
        return [notice_messages.decode(text) for text in await _received(storage, NOTICE_QUEUE)]

    async def damage(hub: Hub) -> None:
        row = {"PartitionKey": keys.owner_partition(hub.owner), "RowKey": keys.hub(hub.name), "v": 1, "doc0": "{"}
        await storage.table_client("hubs").upsert_entity(row, mode=UpdateMode.REPLACE)

    return World(
        clock=clock,
        hubs=TableHubStore(storage),
        index=TableHubIndex(storage),
        queue=StorageWorkQueue(storage),
        due=TableDue(storage),
        logs=TableLogStore(storage),
        secrets=SealedSecretStore(storage, settings.seal_keys),
        tokens=TableTokenStore(storage, clock),
        cache=TableCache(storage, clock),
        identity=StoredDeploymentIdentity(storage, SystemEntropy()),
        outbox=TableOutbox(storage),
        notices=StorageNoticeQueue(storage),
        chat=TableChatStore(storage, clock, settings.seal_keys),
        received=received,
        told=told,
        received_texts=lambda: _received(storage, QUEUE),
        told_texts=lambda: _received(storage, NOTICE_QUEUE),
        damage=damage,
    )


async def _received(storage: StorageClients, queue: str) -> list[str]:
    client = storage.queue_client(queue)
    return [str(found.content) async for found in client.receive_messages(messages_per_page=32)]


class Wire:
    """Every request that left, as `METHOD path`. `lose` makes the next answers to such requests disappear on their
    way back: the request took effect and nobody knows."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self._lost: list[str] = []

    def lose(self, *beginnings: str) -> None:
        self._lost.extend(beginnings)

    def __call__(self, method: str, url: str, status: int | None) -> None:
        from azure.core.exceptions import ServiceResponseError

        request = f"{method} {url.split('?')[0].rpartition('/')[2]}"
        self.requests.append(request)
        lost = next((beginning for beginning in self._lost if request.startswith(beginning)), None)
        if lost is not None:
            self._lost.remove(lost)
            raise ServiceResponseError("the connection was reset")

    def take(self) -> list[str]:
        taken, self.requests = self.requests, []
        return taken


async def created(storage: StorageClients, hub: Hub | None = None) -> Hub:
    """Stores a hub as an accepted request does."""
    hub = hub or a_hub()
    store = TableHubStore(storage)
    quota, _ = await store.admission(hub.owner, None)
    return await store.create(an_accept(hub), replace(quota, hubs={**quota.hubs, hub.name: hub.id}), None)
