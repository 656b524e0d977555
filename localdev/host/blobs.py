"""The few Blob Storage operations behind timers: a lease on a lock blob, and a small status document.

Signed REST calls rather than one more SDK: `azure-storage-blob` is not a dependency of the app, and four verbs are all.
Shared Key: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
Leases: https://learn.microsoft.com/rest/api/storageservices/lease-blob
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from email.utils import format_datetime

import aiohttp
from yarl import URL

from localdev.host.settings import StorageAccount
from shared.clock import Clock

CONTAINER = "azure-webjobs-hosts"
"""Where the WebJobs SDK keeps its locks and timer status."""

_API_VERSION = "2021-12-02"
_TIMEOUT = aiohttp.ClientTimeout(total=10)


class BlobError(RuntimeError):
    """An answer nobody expected; the text names verb, blob and status."""


class LeaseLost(RuntimeError):
    """The lease is no longer ours."""


class HostBlobs:
    """Blobs in the host's container. Names are plain ASCII without characters that need escaping."""

    def __init__(self, account: StorageAccount, session: aiohttp.ClientSession, clock: Clock) -> None:
        self._account = account
        self._session = session
        self._clock = clock

    async def ensure_container(self) -> None:
        """Twice is fine."""
        await self._call("PUT", CONTAINER, {"restype": "container"}, {}, expected={201, 409})

    async def read(self, name: str) -> bytes | None:
        """The blob's content, None when there is none."""
        status, body, _ = await self._call("GET", f"{CONTAINER}/{name}", {}, {}, expected={200, 404})
        return body if status == 200 else None

    async def write(self, name: str, content: bytes) -> None:
        await self._call("PUT", f"{CONTAINER}/{name}", {}, {"x-ms-blob-type": "BlockBlob"}, content, expected={201})

    async def acquire(self, name: str, seconds: int) -> str | None:
        """A lease of 15 to 60 seconds on the blob (made when missing): its id, or None while somebody else holds it."""
        create = {"x-ms-blob-type": "BlockBlob", "If-None-Match": "*"}
        # 409: it exists; 412: it exists and is leased.
        await self._call("PUT", f"{CONTAINER}/{name}", {}, create, b"", expected={201, 409, 412})
        headers = {"x-ms-lease-action": "acquire", "x-ms-lease-duration": str(seconds)}
        path = f"{CONTAINER}/{name}"
        status, _, answer = await self._call("PUT", path, {"comp": "lease"}, headers, expected={201, 409})
        return answer.get("x-ms-lease-id") if status == 201 else None

    async def renew(self, name: str, lease: str) -> None:
        """Raises LeaseLost."""
        await self._lease_action(name, lease, "renew", expected={200})

    async def release(self, name: str, lease: str) -> None:
        """Raises LeaseLost when it was not ours any more."""
        await self._lease_action(name, lease, "release", expected={200})

    async def _lease_action(self, name: str, lease: str, action: str, *, expected: set[int]) -> None:
        headers = {"x-ms-lease-action": action, "x-ms-lease-id": lease}
        status, _, _ = await self._call(
            "PUT", f"{CONTAINER}/{name}", {"comp": "lease"}, headers, expected={*expected, 404, 409, 412}
        )
        if status not in expected:
            raise LeaseLost(f"{action} of {name}: {status}")

    async def _call(
        self,
        verb: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        expected: set[int],
    ) -> tuple[int, bytes, Mapping[str, str]]:
        url = URL(f"{self._account.blob}/{path}", encoded=True)
        content_type = "application/octet-stream"
        sent = {
            **headers,
            "x-ms-date": format_datetime(self._clock.now(), usegmt=True),
            "x-ms-version": _API_VERSION,
            "Content-Type": content_type,
        }
        sent["Authorization"] = self._authorization(verb, url.raw_path, query, sent, len(body))
        async with self._session.request(
            verb, url.with_query(dict(query)), headers=sent, data=body, timeout=_TIMEOUT
        ) as answer:
            content = await answer.read()
            if answer.status not in expected:
                raise BlobError(f"{verb} {path}: {answer.status} {answer.headers.get('x-ms-error-code', '')}")
            return answer.status, content, answer.headers

    def _authorization(
        self, verb: str, raw_path: str, query: Mapping[str, str], headers: Mapping[str, str], length: int
    ) -> str:
        extra = sorted((name.lower(), value) for name, value in headers.items() if name.lower().startswith("x-ms-"))
        text = "\n".join(
            [
                verb,
                "",  # Content-Encoding
                "",  # Content-Language
                str(length) if length else "",
                "",  # Content-MD5
                headers["Content-Type"],
                "",  # Date: x-ms-date instead
                "",  # If-Modified-Since
                "",  # If-Match
                headers.get("If-None-Match", ""),
                "",  # If-Unmodified-Since
                "",  # Range
                *(f"{name}:{value}" for name, value in extra),
                f"/{self._account.name}{raw_path}",
            ]
        )
        text += "".join(f"\n{name}:{value}" for name, value in sorted(query.items()))
        digest = hmac.new(base64.b64decode(self._account.key), text.encode(), hashlib.sha256).digest()
        return f"SharedKey {self._account.name}:{base64.b64encode(digest).decode()}"
