"""Azurite, Microsoft's storage emulator: blob, queue and table service on free ports.

https://learn.microsoft.com/azure/storage/common/storage-use-azurite; the account and its key are public and documented.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from localdev.paths import NODE_MODULES
from localdev.processes import Child, Children

_ACCOUNT = "devstoreaccount1"
_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at (http://\S+)")
_SERVICES = frozenset({"Blob", "Queue", "Table"})
_START_LIMIT_S = 60.0
_KEEP_ALIVE_S = "120"
"""Longer than our clients keep idle connections: Node closes them after 5 s by default, and a request sent into a
connection that is just being closed fails."""


@dataclass(frozen=True)
class Azurite:
    """A running emulator."""

    child: Child
    connection_string: str


def start(children: Children, node: str, *, work_dir: Path, name: str = "azurite") -> Azurite:
    """In memory: each start is empty. Raises ChildFailed.

    `--skipApiVersionCheck`: current storage SDKs send API versions newer than the emulator knows.
    """
    work_dir.mkdir(parents=True, exist_ok=True)
    argv = [node, str(NODE_MODULES / "azurite" / "dist" / "src" / "azurite.js")]
    for service in ("blob", "queue", "table"):
        argv += [
            f"--{service}Host",
            "127.0.0.1",
            f"--{service}Port",
            "0",
            f"--{service}KeepAliveTimeout",
            _KEEP_ALIVE_S,
        ]
    argv += ["--silent", "--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence"]
    child = children.start(name, argv, cwd=work_dir)
    endpoints = child.wait_until(lambda: read_endpoints(child.log_text()), _START_LIMIT_S)
    return Azurite(child, connection_string(endpoints))


def read_endpoints(log: str) -> dict[str, str] | None:
    """Service name to URL, None until all three listen."""
    found: dict[str, str] = dict(_LISTENING.findall(log))
    return found if found.keys() == _SERVICES else None


def connection_string(endpoints: dict[str, str]) -> str:
    parts = {"DefaultEndpointsProtocol": "http", "AccountName": _ACCOUNT, "AccountKey": _KEY}
    parts |= {f"{service}Endpoint": f"{endpoints[service].rstrip('/')}/{_ACCOUNT}" for service in sorted(_SERVICES)}
    return ";".join(f"{key}={value}" for key, value in parts.items()) + ";"
