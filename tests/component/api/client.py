"""Calls the app's HTTP functions as the Functions host does: by name order and route, over fakes with memory."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import azure.functions as func

from functions import (
    actions_http,
    catalog_http,
    chat_http,
    hubs_http,
    meta_http,
    operations_http,
    sinks_http,
    tokens_http,
)
from localdev.host.routes import Template, split_path
from shared.api import chat_parts
from shared.api.action_press import Press
from shared.api.chat_parts import Parts
from shared.api.http import Edge
from shared.api.prefer import Waits
from shared.api.prices import PriceMemo
from shared.app import App
from shared.chat import actions
from shared.chat.actions import Outcome, Pressed
from shared.hubs.ports import TokenRecord
from tests.support.world import World

ADMIN_TOKEN = "an-admin-token-of-more-than-32-characters"
BASE = "https://hublet.example.org"
MODULES = (hubs_http, operations_http, tokens_http, sinks_http, catalog_http, meta_http)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code, checked to be the same in body and header."""
        assert self.headers["content-type"] == "application/problem+json", self.headers
        assert self.headers["x-ms-error-code"] == self.json["code"]
        return str(self.json["code"])

    @property
    def pointers(self) -> dict[str, str]:
        return {mistake["pointer"]: mistake["code"] for mistake in self.json.get("errors", [])}


type Handler = Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]


@dataclass(frozen=True)
class _Serving:
    """What one `Api` gives to the functions that all of them share."""

    edge: Edge
    chat: Callable[[], Parts]
    press: Press


_serving: ContextVar[_Serving] = ContextVar("serving")


class _Edge:
    """That of the `Api` whose request is served: to register the functions takes far longer than to serve one."""

    def __getattr__(self, name: str) -> Any:
        return getattr(_serving.get().edge, name)


async def _press(app: App, pressed: Pressed) -> Outcome:
    return await _serving.get().press(app, pressed)


@cache
def _functions() -> list[tuple[list[str], Template, Handler]]:
    edge = cast(Edge, _Edge())
    functions = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    for module in MODULES:
        functions.register_functions(module.blueprint(edge))
    functions.register_functions(actions_http.blueprint(edge, _press))
    functions.register_functions(chat_http.blueprint(edge, lambda: _serving.get().chat()))
    found = []
    for function in sorted(functions.get_functions(), key=lambda function: str(function.get_function_name())):
        trigger = json.loads(function.get_raw_bindings()[0])
        found.append((trigger["methods"], Template.parse(trigger["route"]), function.get_user_function()))
    return found


class Api:
    """The HTTP functions over one world. Time passes only when a handler sleeps; `while_waiting` runs at each sleep.
    `press`: what a press on an action page does instead of the real thing."""

    def __init__(
        self,
        world: World,
        *,
        app: Callable[[], App] | None = None,
        max_waits: int = 8,
        chat: Callable[[], Parts] | None = None,
        press: Press | None = None,
    ) -> None:
        self.world = world
        self.while_waiting: list[Callable[[], Awaitable[None] | None]] = []
        self.sleeps = 0
        edge = Edge(app=app or (lambda: world.app), waits=Waits(self._sleep, limit=max_waits), prices=PriceMemo())
        self._serving = _Serving(edge, chat or chat_parts.real, press or actions.press)

    async def _sleep(self, seconds: float) -> None:
        self.sleeps += 1
        self.world.clock.advance(seconds)
        for happens in self.while_waiting:
            result = happens()
            if result is not None:
                await result

    def token(self, owner: str, *, role: str = "user", token_id: str | None = None) -> str:
        """A valid API token of that owner, put straight into the store."""
        secret = "s" * 43
        token_id = token_id or "".join(c for c in owner if c.isalnum())[:12]
        record = TokenRecord(
            id=token_id, owner=owner, role=role, name="", created_at=self.world.clock.now(), created_by="admin"
        )
        self.world.storage.tokens.rows[token_id] = (record, hashlib.sha256(secret.encode()).hexdigest())
        return f"hlt_{token_id}_{secret}"

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        owner: str | None = "jaydoe",
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Answer:
        """`owner` None = without a token; `raw` = the body's bytes as they are."""
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        if token is None and owner is not None:
            token = ADMIN_TOKEN if owner == "admin" else self.token(owner)
        if token is not None:
            sent.setdefault("authorization", f"Bearer {token}")
        if body is not None:
            raw = json.dumps(body).encode()
            sent.setdefault("content-type", "application/json")
        return await self.dispatch(method, path, sent, raw or b"")

    async def dispatch(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One request as the host hands it over; header names in lower case."""
        parts = urlsplit(path)
        for methods, template, handler in _functions():
            values = template.match(split_path(parts.path)[1:])
            if method in methods and values is not None:
                request = func.HttpRequest(
                    method,
                    BASE + path,
                    headers=headers,
                    params=dict(parse_qsl(parts.query)),
                    route_params=values,
                    body=body,
                )
                before = _serving.set(self._serving)
                try:
                    response = await handler(request)
                finally:
                    _serving.reset(before)
                named = {name.lower(): value for name, value in response.headers.items()}
                return Answer(response.status_code, response.get_body(), named)
        return Answer(404, b"", {})  # as the host itself answers

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.send("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> Answer:
        return await self.send("POST", path, body, **more)

    async def delete(self, path: str, **more: Any) -> Answer:
        return await self.send("DELETE", path, **more)
