"""Connections to tables and queues: opened at first use, one set per event loop, no retries inside the SDKs.

Nothing here sleeps or repeats: who called decides (a request answers 503, a worker's message comes back).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies_environment
from weakref import WeakKeyDictionary

from shared.adapters.storage.errors import container_missing, translate
from shared.clock import StorageTime
from shared.errors import FatalError
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.data.tables.aio import TableClient, TableServiceClient
    from azure.identity.aio import ManagedIdentityCredential
    from azure.storage.queue.aio import QueueClient, QueueServiceClient

type TransportObserver = Callable[[str, str, int | None], None]
"""Told method, URL and status (None = no answer) of every request that left, for benchmarks."""

CALL_TIMEOUT_S = 5.0
"""One request to storage, all in all. In the region it takes about 10 ms; an accept has 15 s for three of them."""

_DEVELOPMENT_STORAGE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;"
    "AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;"
    "BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1;QueueEndpoint=http://127.0.0.1:10001/devstoreaccount1;"
    "TableEndpoint=http://127.0.0.1:10002/devstoreaccount1;"
)
"""What `UseDevelopmentStorage=true` stands for; the Python SDKs do not know the short form. The account and its key are
public: https://learn.microsoft.com/azure/storage/common/storage-configure-connection-string"""


@dataclass(frozen=True)
class _Opened:
    tables: "TableServiceClient"
    queues: "QueueServiceClient"
    credential: "ManagedIdentityCredential | None"


class StorageClients:
    """Makes clients for tables and queues of one storage account.

    `prefix` goes before every table and queue name, so that tests can share one account. `time` learns from every
    answer what time it is there.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        prefix: str = "",
        transport_observer: TransportObserver | None = None,
        timeout_s: float = CALL_TIMEOUT_S,
        time: StorageTime | None = None,
    ) -> None:
        self._settings = settings
        self._prefix = prefix
        self._observer = transport_observer
        self._timeout_s = timeout_s
        self._time = time or StorageTime()
        # A connection belongs to the event loop it was opened in; a loop that is gone takes its clients along.
        self._opened: WeakKeyDictionary[asyncio.AbstractEventLoop, _Opened] = WeakKeyDictionary()

    def table_client(self, name: str) -> "TableClient":
        """The SDK's client of one table, for the running loop. No request is made."""
        return self._open().tables.get_table_client(self._prefix + name)

    def queue_client(self, name: str) -> "QueueClient":
        """The SDK's client of one queue, for the running loop. No request is made."""
        return self._open().queues.get_queue_client(self._prefix + name)

    async def close(self) -> None:
        """Closes what the running loop opened. Twice is harmless; a later use opens again."""
        opened = self._opened.pop(asyncio.get_running_loop(), None)
        if opened is not None:
            await opened.tables.close()
            await opened.queues.close()
            if opened.credential is not None:
                await opened.credential.close()

    async def call[T](
        self, what: str, send: Callable[[], Awaitable[T]], *, create: Callable[[], Awaitable[object]] | None = None
    ) -> T:
        """One request within the time limit, its errors translated.

        With `create`, a table or queue that is not there is made and the request is sent once more: that costs nothing
        on every start, and a deleted table heals itself.
        """
        try:
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await send()
            except Exception as error:
                if create is None or not container_missing(error):
                    raise
            async with asyncio.timeout(2 * self._timeout_s):
                await _unless_there(create)
                return await send()
        except Exception as error:
            translated = translate(error, what)
            if translated is error:
                raise
            raise translated from error

    async def call_slow[T](self, what: str, send: Callable[[], Awaitable[T]], *, timeout_s: float) -> T:
        """One request with a time limit of its own, its errors translated."""
        try:
            async with asyncio.timeout(timeout_s):
                return await send()
        except Exception as error:
            translated = translate(error, what)
            if translated is error:
                raise
            raise translated from error

    def _open(self) -> _Opened:
        loop = asyncio.get_running_loop()
        opened = self._opened.get(loop)
        if opened is None:
            opened = self._opened[loop] = self._connect()
        return opened

    def _connect(self) -> _Opened:
        from azure.data.tables.aio import TableServiceClient
        from azure.storage.queue.aio import QueueServiceClient

        options: dict[str, Any] = {
            "transport": _transport(self._observer, self._timeout_s, self._time),
            "retry_total": 0,
        }
        settings = self._settings
        if settings.storage:
            text = settings.storage.strip()
            if text.rstrip(";").lower() == "usedevelopmentstorage=true":
                text = _DEVELOPMENT_STORAGE
            return _Opened(
                TableServiceClient.from_connection_string(text, **options),
                QueueServiceClient.from_connection_string(text, **options),
                None,
            )
        if not settings.queue_service_uri:
            raise FatalError("StorageNotConfigured", "AzureWebJobsStorage__queueServiceUri is missing.")
        from azure.identity.aio import ManagedIdentityCredential

        credential = ManagedIdentityCredential(client_id=settings.client_id or None)
        return _Opened(
            TableServiceClient(endpoint=settings.table_service_uri, credential=credential, **options),
            QueueServiceClient(account_url=settings.queue_service_uri, credential=credential, **options),
            credential,
        )


def _transport(observer: TransportObserver | None, timeout_s: float, time: StorageTime) -> Any:
    """One connection pool for both services."""
    from azure.core.pipeline.transport import AioHttpTransport

    class Observed(AioHttpTransport):  # type: ignore[misc]  # azure.core resolves this name lazily, so untyped
        async def send(self, request: Any, **config: Any) -> Any:
            status, asked_at = None, time.mark()
            try:
                response = await super().send(request, **config)
                status = response.status_code
                time.learn(response.headers.get("Date"), asked_at)
                return response
            finally:
                if observer is not None:
                    observer(request.method, request.url, status)

    # Without a proxy in the environment nobody need look for one there at each request: a tenth of a request's time.
    proxies = bool(getproxies_environment())
    return Observed(connection_timeout=timeout_s, read_timeout=timeout_s, use_env_settings=proxies)


async def _unless_there(create: Callable[[], Awaitable[object]]) -> None:
    from azure.core.exceptions import ResourceExistsError

    try:
        await create()
    except ResourceExistsError:
        return  # somebody else was faster
