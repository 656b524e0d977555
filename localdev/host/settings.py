"""What the host is told: `host.json`, app settings and its own command line."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

HTTP_RESPONSE_LIMIT_S = 230.0
"""Azure's load balancer gives up on a response after this long, whatever `functionTimeout` says
(https://learn.microsoft.com/azure/azure-functions/functions-scale#timeout)."""

REQUEST_BODY_LIMIT_BYTES = 104_857_600
"""The host's own default (`FUNCTIONS_REQUEST_BODY_SIZE_LIMIT`, 100 MiB)."""

_AZURITE_ACCOUNT = "devstoreaccount1"
_AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The public, documented account of the storage emulator (https://learn.microsoft.com/azure/storage/common/storage-use-azurite)."""

_TIMESPAN = re.compile(r"^(?:(?P<d>\d+)\.)?(?P<h>\d{1,2}):(?P<m>\d{1,2}):(?P<s>\d{1,2})(?:\.(?P<f>\d{1,7}))?$")


class SettingsError(ValueError):
    """A setting that the host cannot work with; the text names it."""


def parse_timespan(text: str, *, name: str = "time span") -> timedelta:
    """.NET's constant format, `[d.]hh:mm:ss[.fffffff]`. Raises SettingsError."""
    match = _TIMESPAN.match(text)
    if match is None:
        raise SettingsError(f"{name}: {text!r} is not of the form hh:mm:ss")
    fraction = (match["f"] or "0").ljust(6, "0")[:6]
    return timedelta(
        days=int(match["d"] or 0),
        hours=int(match["h"]),
        minutes=int(match["m"]),
        seconds=int(match["s"]),
        microseconds=int(fraction),
    )


@dataclass(frozen=True)
class QueueOptions:
    """`extensions.queues` of host.json, with the extension's defaults
    (https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue#host-json)."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    visibility_timeout: timedelta = timedelta(0)
    max_dequeue_count: int = 5
    max_polling_interval: timedelta = timedelta(minutes=1)
    base64: bool = True

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "QueueOptions":
        batch_size = int(raw.get("batchSize", cls.batch_size))
        if not 1 <= batch_size <= 32:
            raise SettingsError(f"extensions.queues.batchSize: {batch_size} is not between 1 and 32")
        encoding = str(raw.get("messageEncoding", "base64")).lower()
        if encoding not in {"base64", "none"}:
            raise SettingsError(f"extensions.queues.messageEncoding: {encoding!r} is neither 'base64' nor 'none'")
        polling = _timespan_of(raw, "maxPollingInterval", cls.max_polling_interval)
        if polling < timedelta(milliseconds=100):
            raise SettingsError("extensions.queues.maxPollingInterval: at least 100 ms")
        return cls(
            batch_size=batch_size,
            new_batch_threshold=int(raw.get("newBatchThreshold", batch_size // 2)),
            visibility_timeout=_timespan_of(raw, "visibilityTimeout", cls.visibility_timeout),
            max_dequeue_count=int(raw.get("maxDequeueCount", cls.max_dequeue_count)),
            max_polling_interval=polling,
            base64=encoding == "base64",
        )


def _timespan_of(raw: Mapping[str, Any], key: str, default: timedelta) -> timedelta:
    return parse_timespan(str(raw[key]), name=f"extensions.queues.{key}") if key in raw else default


@dataclass(frozen=True)
class HostJson:
    """The parts of host.json this host acts on."""

    route_prefix: str = "api"
    queues: QueueOptions = field(default_factory=QueueOptions)
    function_timeout: timedelta | None = timedelta(minutes=30)
    log_level: str = "Information"

    @classmethod
    def read(cls, app_dir: Path) -> "HostJson":
        """Raises SettingsError when the file is missing, not JSON or not version 2.0."""
        path = app_dir / "host.json"
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise SettingsError(f"{path} is missing: this is not a Functions app") from None
        except ValueError as error:
            raise SettingsError(f"{path} is not JSON: {error}") from None
        if raw.get("version") != "2.0":
            raise SettingsError(f"{path}: version must be '2.0'")
        extensions = raw.get("extensions", {})
        timeout = str(raw.get("functionTimeout", "00:30:00"))
        return cls(
            route_prefix=str(extensions.get("http", {}).get("routePrefix", "api")).strip("/"),
            queues=QueueOptions.from_json(extensions.get("queues", {})),
            function_timeout=None if timeout == "-1" else parse_timespan(timeout, name="functionTimeout"),
            log_level=str(raw.get("logging", {}).get("logLevel", {}).get("default", "Information")),
        )


@dataclass(frozen=True)
class StorageAccount:
    """One storage account as a connection string describes it; endpoints without a trailing slash."""

    name: str
    key: str
    blob: str
    queue: str
    connection_string: str

    @classmethod
    def parse(cls, text: str) -> "StorageAccount":
        """Account-key connection strings only: locally there is no identity to ask for. Raises SettingsError."""
        parts = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
        if parts.get("UseDevelopmentStorage", "").lower() == "true":
            parts = {
                "AccountName": _AZURITE_ACCOUNT,
                "AccountKey": _AZURITE_KEY,
                "BlobEndpoint": f"http://127.0.0.1:10000/{_AZURITE_ACCOUNT}",
                "QueueEndpoint": f"http://127.0.0.1:10001/{_AZURITE_ACCOUNT}",
                "TableEndpoint": f"http://127.0.0.1:10002/{_AZURITE_ACCOUNT}",
            }
            text = ";".join(f"{key}={value}" for key, value in parts.items())
        missing = [key for key in ("AccountName", "AccountKey") if not parts.get(key)]
        if missing:
            raise SettingsError(f"the storage connection string lacks {' and '.join(missing)}")
        name = parts["AccountName"]
        suffix = f"{parts.get('EndpointSuffix', 'core.windows.net')}"
        scheme = parts.get("DefaultEndpointsProtocol", "https")
        return cls(
            name=name,
            key=parts["AccountKey"],
            blob=parts.get("BlobEndpoint", f"{scheme}://{name}.blob.{suffix}").rstrip("/"),
            queue=parts.get("QueueEndpoint", f"{scheme}://{name}.queue.{suffix}").rstrip("/"),
            connection_string=text,
        )


@dataclass(frozen=True)
class HostOptions:
    """The command line. Times in seconds.

    `lease_s` is how long a received queue message stays hidden before it must be renewed. In Azure it is fixed at
    10 minutes, renewed every 5 (Storage.Queues extension, `QueueListener`), so a message of a killed host comes back
    only then; kill tests set seconds. `timer_overrides_s` replaces schedules: the key `*` means every timer.
    """

    app_dir: Path
    port: int = 0
    address: str = "127.0.0.1"
    ready_file: Path | None = None
    lease_s: float = 600.0
    drain_s: float = 10.0
    http_limit_s: float = HTTP_RESPONSE_LIMIT_S
    timer_overrides_s: Mapping[str, float] = field(default_factory=dict)

    @property
    def lock_s(self) -> int:
        """Lease of a timer's singleton blob: 60 s as in the WebJobs SDK, shorter with a shorter message lease, never
        below the 15 s that Azure Blob Storage allows."""
        return int(min(60.0, max(15.0, self.lease_s)))

    def host_id(self, environ: Mapping[str, str]) -> str:
        """Names this app's blobs: the app setting the real host knows, else one value per folder. Instances that share
        it share their timers (https://learn.microsoft.com/azure/azure-functions/storage-considerations#host-id)."""
        folder = hashlib.sha256(str(self.app_dir.resolve()).encode()).hexdigest()[:16]
        return environ.get("AzureFunctionsWebHost__hostid") or f"local-{folder}"
