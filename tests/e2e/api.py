"""The public HTTP API as a caller sees it: plain requests, nothing of the app's own code."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

READY_LIMIT_S = 240.0
"""For a machine of two cores on which other hubs start at the same time; alone it takes about half a minute."""

_LONG_POLL = "wait=25"


@dataclass(frozen=True)
class Answer:
    """Header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The problem's code; it must be a problem, told the same way by body and headers."""
        assert self.headers["content-type"].startswith("application/problem+json"), self
        problem = self.json()
        assert problem["status"] == self.status, self
        assert problem["fix"] and problem["title"] and problem["detail"] and problem["requestId"], self
        assert self.headers["x-ms-error-code"] == problem["code"], self
        return str(problem["code"])

    def mistakes(self) -> dict[str, str]:
        """Pointer to code of every single mistake."""
        assert self.code
        return {mistake["pointer"]: mistake["code"] for mistake in self.json()["errors"]}


class Api:
    """One caller. `base` ends in `/api`; `token` None sends none."""

    def __init__(self, base: str, token: str | None) -> None:
        self.base = base
        self.token = token
        parts = urlsplit(base)
        assert parts.hostname and parts.port
        self.address = (parts.hostname, parts.port)
        self._prefix = parts.path

    def call(
        self,
        method: str,
        path: str,
        document: object = None,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """`path` below `/api`; `body` goes out as it is, `document` as JSON."""
        sent = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        if document is not None:
            body, sent = json.dumps(document).encode(), {**sent, "Content-Type": "application/json"}
        connection = HTTPConnection(*self.address, timeout=60)
        try:
            connection.request(method, self._prefix + path, body, {**sent, **(headers or {})})
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def create(self, document: object = None) -> dict[str, Any]:
        answer = self.call("POST", "/hubs", document)
        assert answer.status == 202, answer
        hub: dict[str, Any] = answer.json()
        return hub

    def hub(self, name: str) -> dict[str, Any]:
        answer = self.call("GET", f"/hubs/{name}")
        assert answer.status == 200, answer
        hub: dict[str, Any] = answer.json()
        return hub

    def names(self) -> list[str]:
        return [hub["name"] for hub in self.call("GET", "/hubs").json()["value"]]

    def follow(self, name: str, limit_s: float = READY_LIMIT_S) -> "Follow":
        return Follow(self, name, limit_s)

    def until_ready(self, name: str, limit_s: float = READY_LIMIT_S) -> dict[str, Any]:
        """The hub once it is ready. Raises AssertionError with its own words when it fails or takes too long."""
        hub = self.hub(name)
        for hub in self.follow(name, limit_s):  # noqa: B007 - the last one counts
            pass
        assert hub["state"] == "ready", (hub["state"], hub["reason"], hub["progress"], hub["stages"])
        return hub

    def until_stage(self, name: str, *stages: str, limit_s: float = READY_LIMIT_S) -> dict[str, Any]:
        """The hub as soon as its progress is seen at one of `stages`."""
        for hub in self.follow(name, limit_s):
            if hub["progress"]["stage"] in stages:
                return hub
        raise AssertionError(f"{name} was never seen in {stages}")

    def until_gone(self, name: str, limit_s: float = 120) -> None:
        deadline = time.monotonic() + limit_s
        etag = ""
        while True:
            answer = self.call("GET", f"/hubs/{name}", headers=polling(etag))
            if answer.status == 404:
                return
            assert time.monotonic() < deadline, answer
            etag = answer.headers["etag"]


class Follow:
    """Long-polls a hub: yields every change until it is ready or failed. Raises AssertionError after `limit_s`."""

    def __init__(self, api: Api, name: str, limit_s: float) -> None:
        self._api = api
        self._name = name
        self._deadline = time.monotonic() + limit_s
        self._etag = ""
        self._settled = False

    def __iter__(self) -> "Follow":
        return self

    def __next__(self) -> dict[str, Any]:
        if self._settled:
            raise StopIteration
        while True:
            answer = self._api.call("GET", f"/hubs/{self._name}", headers=polling(self._etag))
            assert answer.status in (200, 304), answer
            assert time.monotonic() < self._deadline, f"{self._name} takes too long: {self._api.hub(self._name)}"
            if answer.status == 200:
                self._etag = answer.headers["etag"]
                hub: dict[str, Any] = answer.json()
                self._settled = hub["state"] in ("ready", "failed")
                return hub


def polling(etag: str) -> dict[str, str]:
    """The first look answers at once, later ones at the next change."""
    return {"Prefer": _LONG_POLL, "If-None-Match": etag} if etag else {}
