"""The app's HTTP functions in this process, over the real adapters and a real Azurite, with every request watched."""

import hashlib
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import azure.functions as func

from functions import hubs_http
from localdev import azurite, setup
from localdev.processes import Children
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.due import TableDue
from shared.adapters.storage.hub_table import TableHubStore
from shared.adapters.storage.index import TableHubIndex
from shared.adapters.storage.secrets import SealedSecretStore
from shared.adapters.storage.tokens import TableTokenStore
from shared.adapters.storage.work_queue import StorageWorkQueue
from shared.api.http import Edge
from shared.app import App, build_app
from shared.clock import SystemClock
from shared.hubs.ports import TokenRecord
from shared.settings import Settings

_BASE = "https://bench.test"
_SECRET = "s" * 43


@contextmanager
def running_azurite(folder: Path) -> Iterator[str]:
    """A connection string; in memory, on ports the system chose."""
    with Children(folder, grace_s=5) as children:
        yield azurite.start(children, setup.ensure_node_parts().node, work_dir=folder).connection_string


def settings_for(connection_string: str) -> dict[str, str]:
    """Environment of an app that will never reach Azure."""
    return {
        "AzureWebJobsStorage": connection_string,
        "HUBLET_SEAL_KEYS": "k1:" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
        "HUBLET_SUBSCRIPTION_ID": "00000000-0000-0000-0000-000000000001",
        "HUBLET_HTTPS_EMAIL": "ops@example.com",
    }


@dataclass
class Watched:
    """What was sent: `requests` as the transport saw them, `calls` as (begin, end) of each call of an adapter."""

    requests: list[str] = field(default_factory=list)
    calls: list[tuple[float, float]] = field(default_factory=list)

    def clear(self) -> None:
        self.requests.clear()
        self.calls.clear()

    @property
    def waits(self) -> list[float]:
        return waits(self.calls)


def waits(calls: list[tuple[float, float]]) -> list[float]:
    """How long one had to wait, again and again: calls that overlap are one wait."""
    found: list[tuple[float, float]] = []
    for begin, end in sorted(calls):
        if found and begin < found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return [end - begin for begin, end in found]


class WatchedStorage(StorageClients):
    """The app's own storage clients, with their calls' times."""

    def __init__(self, settings: Settings, watched: Watched) -> None:
        super().__init__(settings, transport_observer=lambda method, url, status: self._saw(method, url))
        self._watched = watched

    def _saw(self, method: str, url: str) -> None:
        self._watched.requests.append(f"{method} {url.split('?')[0].rpartition('/')[2]}")

    async def call[T](
        self, what: str, send: Callable[[], Awaitable[T]], *, create: Callable[[], Awaitable[object]] | None = None
    ) -> T:
        began = time.perf_counter()
        try:
            return await super().call(what, send, create=create)
        finally:
            self._watched.calls.append((began, time.perf_counter()))


@dataclass(frozen=True)
class Api:
    """`send` calls a function as the Functions host does, found by its name among the app's functions."""

    app: App
    storage: WatchedStorage
    watched: Watched
    functions: Mapping[str, Any]

    async def token(self, owner: str) -> str:
        """An API token of that owner, issued in the table."""
        token_id = hashlib.sha256(owner.encode()).hexdigest()[:16]
        record = TokenRecord(
            id=token_id, owner=owner, role="user", name="", created_at=datetime.now(UTC), created_by="bench"
        )
        await self.app.tokens.issue(record, hashlib.sha256(_SECRET.encode()).hexdigest())
        return f"hlt_{token_id}_{_SECRET}"

    async def send(
        self,
        function: str,
        method: str,
        path: str,
        token: str,
        *,
        body: object = None,
        route: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> func.HttpResponse:
        sent = {"authorization": f"Bearer {token}", "content-type": "application/json", **(headers or {})}
        content = json.dumps(body).encode() if body is not None else b""
        request = func.HttpRequest(
            method, f"{_BASE}/api/{path}", headers=sent, params={}, route_params=route or {}, body=content
        )
        response: func.HttpResponse = await self.functions[function](request)
        return response


@asynccontextmanager
async def open_api(connection_string: str) -> AsyncIterator[Api]:
    """The real app; only its storage adapters stand on clients that are watched."""
    settings = Settings.from_env(settings_for(connection_string))
    watched = Watched()
    storage = WatchedStorage(settings, watched)
    app = replace(
        build_app(settings),
        hubs=TableHubStore(storage),
        index=TableHubIndex(storage),
        queue=StorageWorkQueue(storage),
        due=TableDue(storage),
        secrets=SealedSecretStore(storage, settings.seal_keys),
        tokens=TableTokenStore(storage, SystemClock()),
    )
    functions = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    functions.register_functions(hubs_http.blueprint(Edge.over(lambda: app)))
    found = {str(one.get_function_name()): one.get_user_function() for one in functions.get_functions()}
    try:
        yield Api(app, storage, watched, found)
    finally:
        await storage.close()
