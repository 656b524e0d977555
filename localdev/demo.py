"""What `./dev up` does as a caller of the public API: create a hub, follow it, ask for its password."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import aiohttp

from localdev.progress import Display, Snapshot, last_line

DEMO = "demo"
DEMO_REQUEST: Mapping[str, Any] = {"name": DEMO, "https": {"mode": "none"}}
_WAIT_S = 25
_REDRAW_S = 0.25
_LOG_S = 1.0
_RETRIES = 20
_SETTLED = frozenset({"ready", "failed", "stopped", "deleted"})


class DemoFailed(RuntimeError):
    """The API refused, or the hub did not become ready; the text says why."""


class HubApi:
    """The few calls needed. `base` ends in the route prefix."""

    def __init__(self, session: aiohttp.ClientSession, base: str, token: str) -> None:
        self._session = session
        self._base = base
        self._headers = {"Authorization": f"Bearer {token}"}

    async def create(self, request: Mapping[str, Any]) -> None:
        """Once, however often the connection breaks. A hub of that name that is already there is fine."""
        headers = {"Idempotency-Key": str(uuid4())}
        await self._call("POST", "/hubs", headers, request, fine={202, 409})

    async def get(self, name: str, etag: str) -> tuple[dict[str, Any] | None, str]:
        """The hub and its ETag; (None, etag) when nothing changed during the long poll."""
        headers = {"Prefer": f"wait={_WAIT_S}", **({"If-None-Match": etag} if etag else {})}
        status, answer, got = await self._call("GET", f"/hubs/{name}", headers, None, fine={200, 304})
        return (None, etag) if status == 304 else (answer, got.get("ETag", ""))

    async def log(self, name: str, offset: int) -> tuple[str, int]:
        """New text of the installer's log and the next offset; nothing new when there is no log yet."""
        url = f"{self._base}/hubs/{name}/log"
        async with self._session.get(url, params={"offset": str(offset)}, headers=self._headers) as answer:
            text = await answer.text(errors="replace")
            if answer.status != 200:
                return "", offset
            return text, int(answer.headers.get("Next-Offset", offset))

    async def admin_password(self, name: str) -> dict[str, Any] | None:
        """`adminUser`, `password`, `url`; None when it was handed out before and is erased."""
        status, answer, _ = await self._call("POST", f"/hubs/{name}/admin-password", {}, None, fine={200, 410})
        return answer if status == 200 else None

    async def _call(
        self, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any] | None, *, fine: set[int]
    ) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        """Waits and repeats while the API is busy or away. Raises DemoFailed with the API's own words."""
        trouble = ""
        for _ in range(_RETRIES):
            try:
                async with self._session.request(
                    method, self._base + path, headers={**self._headers, **headers}, json=body
                ) as answer:
                    if answer.status == 304:
                        return 304, {}, answer.headers
                    text = await answer.text()
                    if answer.status in fine:
                        return answer.status, await answer.json(content_type=None), answer.headers
                    trouble = f"{method} {path}: {answer.status} {text}"
                    if answer.status not in {429, 500, 502, 503, 504}:
                        raise DemoFailed(trouble)
                    pause = float(answer.headers.get("Retry-After", "1"))
            except (aiohttp.ClientConnectionError, TimeoutError) as error:
                trouble, pause = f"{method} {path}: {type(error).__name__}: {error}", 1.0
            await asyncio.sleep(min(pause, 10.0))
        raise DemoFailed(trouble)


class _Follower:
    def __init__(self, api: HubApi, name: str) -> None:
        self._api = api
        self._name = name
        self.hub: dict[str, Any] = {}
        self.line = ""

    async def poll_hub(self) -> None:
        etag = ""
        while self.hub.get("state") not in _SETTLED:
            hub, etag = await self._api.get(self._name, etag)
            if hub is not None:
                self.hub = hub

    async def poll_log(self) -> None:
        offset = 0
        while True:
            if self.hub.get("state") == "installing":
                text, offset = await self._api.log(self._name, offset)
                self.line = last_line(text) or self.line
            await asyncio.sleep(_LOG_S)


async def follow(api: HubApi, name: str, display: Display, check: Callable[[], None], limit_s: float) -> dict[str, Any]:
    """The hub when it has settled. `check` is called often and raises to end the wait. Raises DemoFailed."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    follower = _Follower(api, name)
    tasks = [asyncio.create_task(follower.poll_hub()), asyncio.create_task(follower.poll_log())]
    try:
        while not tasks[0].done():
            check()
            elapsed = loop.time() - started
            if elapsed > limit_s:
                raise DemoFailed(f"not ready within {limit_s:g} s; last seen: {describe(follower.hub)}")
            if follower.hub:
                display.show(_snapshot(follower), elapsed)
            await asyncio.wait(tasks, timeout=_REDRAW_S, return_when=asyncio.FIRST_EXCEPTION)
            if tasks[1].done():
                tasks[1].result()
        tasks[0].result()
        display.show(_snapshot(follower), loop.time() - started)
    finally:
        display.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return follower.hub


def _snapshot(follower: _Follower) -> Snapshot:
    snapshot = Snapshot.of(follower.hub)
    return snapshot.with_log_line(follower.line) if snapshot.state == "installing" else snapshot


def describe(hub: Mapping[str, Any]) -> str:
    """Why a hub is not ready, in the API's own words."""
    progress = hub.get("progress") or {}
    parts = {
        "state": hub.get("state"),
        "stage": progress.get("stage"),
        "reason": hub.get("reason"),
        "message": progress.get("message"),
        "conditions": hub.get("conditions"),
    }
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value) or "nothing"
