"""Requests to the app as Slack and Teams make them: signed, timed, kept, and sent again on request.

https://docs.slack.dev/authentication/verifying-requests-from-slack,
https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-outgoing-webhook
"""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import aiohttp

from shared.clock import Clock

SLACK_LIMIT_S = 3.0
TEAMS_LIMIT_S = 5.0
"""Older documents say 5 s, newer ones 10: the harder one."""


@dataclass(frozen=True)
class Sent:
    """A request as it went out."""

    url: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    limit_s: float


@dataclass(frozen=True)
class Back:
    """`status` 0: no answer, `trouble` says why (`operation_timeout`, `unreachable`)."""

    n: int
    status: int
    body: bytes
    content_type: str
    ms: float
    trouble: str = ""


class NoApp(Exception):
    """Nobody said yet where the app is."""


class Sender:
    """Signs by `clock`, which is the app's. Times by the wall's."""

    def __init__(self, clock: Clock, signing_secret: str, security_token: str) -> None:
        self._clock = clock
        self._signing_secret = signing_secret.encode()
        self._security_key = base64.b64decode(security_token)
        self.app = ""
        """Base URL of its API, without a slash at the end."""
        self.sent: list[Sent] = []
        self.slack_limit_s = SLACK_LIMIT_S
        self.teams_limit_s = TEAMS_LIMIT_S

    async def slack(self, path: str, form: bytes) -> Back:
        """Raises NoApp."""
        timestamp = str(int(self._clock.now().timestamp()))
        signed = hmac.new(self._signing_secret, b"v0:" + timestamp.encode() + b":" + form, hashlib.sha256).hexdigest()
        headers = {
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "Accept": "application/json,*/*",
            "Accept-Encoding": "gzip,deflate",
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": f"v0={signed}",
        }
        return await self._first(path, headers, form, self.slack_limit_s)

    async def teams(self, path: str, activity: bytes) -> Back:
        """Raises NoApp."""
        signed = base64.b64encode(hmac.new(self._security_key, activity, hashlib.sha256).digest()).decode()
        headers = {"Content-Type": "application/json; charset=utf-8", "Authorization": f"HMAC {signed}"}
        return await self._first(path, headers, activity, self.teams_limit_s)

    async def again(self, n: int) -> Back:
        """The `n`-th request byte for byte. Raises IndexError."""
        if n < 0:
            raise IndexError(n)
        return await self._send(n, self.sent[n])

    async def _first(self, path: str, headers: Mapping[str, str], body: bytes, limit_s: float) -> Back:
        if not self.app:
            raise NoApp
        self.sent.append(Sent(self.app + path, headers, body, limit_s))
        return await self._send(len(self.sent) - 1, self.sent[-1])

    async def _send(self, n: int, sent: Sent) -> Back:
        began = time.monotonic()

        def took() -> float:
            return round((time.monotonic() - began) * 1000, 1)

        try:
            async with (
                asyncio.timeout(sent.limit_s),
                aiohttp.ClientSession(auto_decompress=True) as session,
                session.post(sent.url, data=sent.body, headers=sent.headers, allow_redirects=False) as answer,
            ):
                body = await answer.read()
                return Back(n, answer.status, body, answer.content_type, took())
        except TimeoutError:
            return Back(n, 0, b"", "", took(), "operation_timeout")
        except aiohttp.ClientError as error:
            return Back(n, 0, b"", "", took(), f"unreachable: {type(error).__name__}")
