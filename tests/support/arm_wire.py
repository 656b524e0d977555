"""ARM on the wire without a socket: an SDK transport that hands each request to a function of the test.

`WireTransport` replaces aiohttp below the unmodified Azure SDKs, so a test sees the bytes that would go out, answers
with the bytes that would come back, or passes them on to the simulated Azure in process.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import AsyncHttpTransport
from azure.core.rest import AsyncHttpResponse, HttpRequest
from azure.core.utils import case_insensitive_dict


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it goes out. `query` is the raw string: signed addresses are compared byte for byte."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def query(self) -> str:
        return urlsplit(self.url).query

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Answer:
    """What comes back; a `body` that is not bytes is sent as JSON."""

    status: int
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)


type Answering = Callable[[Sent], Awaitable[Answer]]


class WireTransport(AsyncHttpTransport[HttpRequest, AsyncHttpResponse]):
    """Records every request in `sent` and answers it with `answering`."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self.sent: list[Sent] = []

    async def send(self, request: HttpRequest, **kwargs: Any) -> AsyncHttpResponse:
        content: Any = request.content or b""
        body = content.encode() if isinstance(content, str) else bytes(content)
        sent = Sent(request.method, request.url, dict(request.headers), body)
        self.sent.append(sent)
        answer = await self._answering(sent)
        return WireResponse(request, answer)

    async def open(self) -> None: ...
    async def close(self) -> None: ...
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...

    async def sleep(self, duration: float) -> None:
        raise AssertionError(f"the SDK wanted to sleep {duration} s")


class WireResponse(AsyncHttpResponse):
    """An answer that was read in full."""

    def __init__(self, request: HttpRequest, answer: Answer) -> None:
        body = answer.body
        self._content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._request = request
        self._status = answer.status
        self._headers = case_insensitive_dict(answer.headers)
        if self._content and "content-type" not in self._headers:
            self._headers["content-type"] = "application/json; charset=utf-8"

    @property
    def request(self) -> HttpRequest:
        return self._request

    @property
    def status_code(self) -> int:
        return self._status

    @property
    def headers(self) -> Any:
        return self._headers

    @property
    def reason(self) -> str:
        return f"Status {self._status}"

    @property
    def content_type(self) -> str | None:
        found: str | None = self._headers.get("content-type")
        return found

    @property
    def is_closed(self) -> bool:
        return True

    @property
    def is_stream_consumed(self) -> bool:
        return True

    @property
    def encoding(self) -> str | None:
        return "utf-8"

    @encoding.setter
    def encoding(self, value: str | None) -> None: ...

    @property
    def url(self) -> str:
        return self._request.url

    @property
    def content(self) -> bytes:
        return self._content

    def json(self) -> Any:
        return json.loads(self._content)

    def text(self, encoding: str | None = None) -> str:
        return self._content.decode(encoding or "utf-8")

    def raise_for_status(self) -> None:
        if self._status >= 400:
            raise HttpResponseError(response=self)

    async def read(self) -> bytes:
        return self._content

    async def iter_bytes(self, **kwargs: Any) -> AsyncIterator[bytes]:
        yield self._content

    async def iter_raw(self, **kwargs: Any) -> AsyncIterator[bytes]:
        yield self._content

    async def close(self) -> None: ...
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...


class StaticCredential:
    """Always the same token, good for a long time."""

    def __init__(self, token: str = "a-token") -> None:
        self._token = token

    async def get_token(self, *scopes: str, **kwargs: Any) -> AccessToken:
        return AccessToken(self._token, 4102444800)

    async def close(self) -> None: ...
    async def __aenter__(self) -> "StaticCredential":
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None: ...
