"""Recorded ARM traffic and official examples, where they lie beside the checkout.

They are found through the environment variable HUBLET_SHARED, or as ``shared`` beside the project.  A clone on its own
has neither; then there is nothing to compare with and `SHARED` is None.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localdev.azuresim.routing import Router

_PROJECT = Path(__file__).resolve().parents[3]


def _find() -> Path | None:
    data = Path(os.environ.get("HUBLET_SHARED") or _PROJECT.parent / "shared") / "data" / "arm"
    return data if (data / "recordings").is_dir() else None


SHARED = _find()


@dataclass(frozen=True)
class Exchange:
    """One answer, recorded or simulated."""

    source: str
    operation: str
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def key(self) -> tuple[str, int]:
        return self.operation, self.status

    @property
    def lro_headers(self) -> frozenset[str]:
        """Which headers of a long-running operation are there; ``retry-after`` is left out, recorders drop it."""
        return frozenset({"azure-asyncoperation", "location"} & {name.lower() for name in self.headers})

    @property
    def code(self) -> str | None:
        body = self.body if isinstance(self.body, dict) else {}
        error = body.get("error")
        return error.get("code") if isinstance(error, dict) else None


def shape(body: Any, prefix: str = "") -> Iterator[str]:
    """The key paths of a body; lists are looked through."""
    if isinstance(body, dict):
        for name, value in body.items():
            # Names of tags are data, not shape.
            yield f"{prefix}{name}"
            if name != "tags":
                yield from shape(value, f"{prefix}{name}.")
    elif isinstance(body, list):
        for value in body:
            yield from shape(value, prefix)


def _operation(router: Router, method: str, path: str) -> str | None:
    found = router.match(method, re.sub(r"[{}]", "", path))
    return found[0].operation if found else None


def recorded(router: Router) -> list[Exchange]:
    """Every recorded exchange whose operation the simulator covers."""
    assert SHARED is not None
    found = []
    for file in sorted((SHARED / "recordings").glob("*.json")):
        for entry in json.loads(file.read_text()):
            request, response = entry.get("request") or {}, entry.get("response") or {}
            if "path" not in request or "status" not in response:
                continue
            operation = _operation(router, request["method"], request["path"])
            if operation is not None:
                headers = response.get("headers") or {}
                found.append(Exchange(file.name, operation, response["status"], headers, response.get("body")))
    return found


def examples() -> list[Exchange]:
    """Every answer of every official example."""
    assert SHARED is not None
    found = []
    for file in sorted((SHARED / "examples").glob("*.json")):
        content = json.loads(file.read_text())
        if "operationId" not in content:
            continue  # older examples do not say what they are examples of
        for status, response in content["responses"].items():
            headers = {name.lower(): value for name, value in (response.get("headers") or {}).items()}
            found.append(Exchange(file.name, content["operationId"], int(status), headers, response.get("body")))
    return found
