"""A caller of the API as one should be: repeats what got no good answer, with the same key, at the other host."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlsplit

import aiohttp

ASK_LIMIT_S = 30.0
GIVE_UP_S = 180.0
"""Both hosts may be down for a while."""

_PAUSES_S = (0.3, 1.5)


class GaveUp(Exception):
    """No usable answer within the time that a caller has patience; the text says what came last."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return self.headers.get("x-ms-error-code", "")


@dataclass
class Caller:
    """`bases`: API URLs of all hosts. `failures`: how often a try brought nothing, by what it brought instead."""

    session: aiohttp.ClientSession
    bases: Sequence[str]
    random: Random
    failures: dict[str, int] = field(default_factory=dict)

    async def ask(
        self, method: str, path: str, token: str, document: object = None, *, key: str | None = None
    ) -> Answer:
        """Any answer below 500 but 429. Raises GaveUp."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + GIVE_UP_S
        while True:
            pause_s = self.random.uniform(*_PAUSES_S)
            try:
                answer = await self.once(self.random.choice(self.bases), method, path, token, document, key=key)
                if answer.status < 500 and answer.status != 429:
                    return answer
                why = str(answer.status)
                pause_s = max(pause_s, min(float(answer.headers.get("Retry-After", 0)), 5.0))
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                why = type(error).__name__
            self.failures[why] = self.failures.get(why, 0) + 1
            if loop.time() > deadline:
                raise GaveUp(f"{method} {path}: {why}")
            await asyncio.sleep(pause_s)

    async def once(
        self, base: str, method: str, path: str, token: str, document: object = None, *, key: str | None = None
    ) -> Answer:
        """One try. Raises what aiohttp raises."""
        headers = {"Authorization": f"Bearer {token}"} | ({"Idempotency-Key": key} if key else {})
        limit = aiohttp.ClientTimeout(total=ASK_LIMIT_S)
        async with self.session.request(method, base + path, json=document, headers=headers, timeout=limit) as answer:
            return Answer(answer.status, dict(answer.headers), await answer.read())

    async def hang_up(self, method: str, path: str, token: str, document: object, *, key: str) -> None:
        """Sends the request to some host and goes away before the answer can have been read. Nothing is raised."""
        base = self.random.choice(self.bases)
        parts, body = urlsplit(base), json.dumps(document).encode()
        lines = [
            f"{method} {parts.path}{path} HTTP/1.1",
            f"Host: {parts.netloc}",
            f"Authorization: Bearer {token}",
            f"Idempotency-Key: {key}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        try:
            _, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            await writer.drain()
            await asyncio.sleep(self.random.uniform(0, 0.5))
            writer.transport.abort()
        except OSError:
            return
