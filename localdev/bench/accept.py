"""P2: from `POST /api/hubs` to 202, against the least that any durable accept must do.

Floor: one insert and one put through the same SDK clients, one after the other. Handler: the real function with token
authentication, validation, quota, queue message, due row and the transaction, without and with an `Idempotency-Key`. In
turn, in one process, against a real Azurite; Azurite is slow and the machine is noisy: only the ratios mean something.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from localdev import paths
from localdev.bench.api import Api, open_api, running_azurite, settings_for
from localdev.bench.imports import FORBIDDEN_AFTER_ACCEPT, loaded
from localdev.bench.report import Report, quantile

WARM_UP = 10
HUBS_PER_OWNER = 10
"""As many as the default quota allows: the quota row has the size it has in life."""

REQUESTS, WAITS = 5, 3
P50_RATIO = MIN_RATIO = 2.5
P99_RATIO = 4.0


def measure(folder: Path, accepts: int) -> Report:
    report = Report(f"P2 accept ({accepts} of each in turn, one process, Azurite in memory, milliseconds)")
    with running_azurite(folder / "accept") as connection_string:
        asyncio.run(_compare(connection_string, accepts, report))
        _modules_after_accept(connection_string, report)
    return report


@dataclass
class _Kind:
    """One way to accept, and what its runs took."""

    name: str
    keyed: bool
    ms: list[float] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    waits: list[list[float]] = field(default_factory=list)

    def tell(self, report: Report, floors: Sequence[float]) -> None:
        report.add(f"{self.name}, min / p50 / p99", _spread(self.ms))
        for what, share, limit in (("p50", 0.5, P50_RATIO), ("p99", 0.99, P99_RATIO)):
            ratio = quantile(self.ms, share) / quantile(floors, share)
            report.at_most(f"  ratio of {what}", round(ratio, 2), limit)
        report.at_most("  ratio of minima", round(min(self.ms) / min(floors), 2), MIN_RATIO)
        report.at_most("  storage requests, most", max(self.requests), REQUESTS, exact=True)
        report.add("  storage requests, p50", f"{quantile([float(n) for n in self.requests], 0.5):g}")
        report.at_most("  waits in a row, most", max(len(waits) for waits in self.waits), WAITS, exact=True)
        # The last two waits are always there; reads only for an owner this process does not know, or with a key.
        parts = [(sum(waits[:-2]), waits[-2], waits[-1]) for waits in self.waits]
        each = [quantile(part, 0.5) * 1000 for part in zip(*parts, strict=True)]
        rest = quantile([ms - sum(waits) * 1000 for ms, waits in zip(self.ms, self.waits, strict=True)], 0.5)
        shown = " / ".join(f"{ms:.1f}" for ms in (*each, rest))
        report.add("  p50 of reads / message and due row / transaction / all else", shown)


async def _compare(connection_string: str, accepts: int, report: Report) -> None:
    async with open_api(connection_string) as api:
        floor, floors = await _Floor.open(api), list[float]()
        kinds = (_Kind("handler", keyed=False), _Kind("handler with Idempotency-Key", keyed=True))
        tokens = _Tokens(api)
        for number in range(-WARM_UP, accepts):
            floor_ms = await floor.once()
            if number >= 0:
                floors.append(floor_ms)
            for kind in kinds:
                token = await tokens.next()
                api.watched.clear()
                handler_ms = await _accept(api, token, keyed=kind.keyed)
                if number >= 0:
                    kind.ms.append(handler_ms)
                    kind.requests.append(len(api.watched.requests))
                    kind.waits.append(api.watched.waits)
    report.add("floor, min / p50 / p99", _spread(floors))
    for kind in kinds:
        kind.tell(report, floors)


def _spread(values: Sequence[float]) -> str:
    return " / ".join(f"{value:.1f}" for value in (min(values), quantile(values, 0.5), quantile(values, 0.99)))


class _Floor:
    """The two requests that nobody can do without."""

    def __init__(self, api: Api) -> None:
        self._table = api.storage.table_client("floor")
        self._queue = api.storage.queue_client("floor")

    @classmethod
    async def open(cls, api: Api) -> "_Floor":
        floor = cls(api)
        await floor._table.create_table()
        await floor._queue.create_queue()
        return floor

    async def once(self) -> float:
        key = uuid.uuid4().hex
        began = time.perf_counter()
        await self._table.create_entity({"PartitionKey": "owner", "RowKey": key, "data": "x" * 500})
        await self._queue.send_message(key, visibility_timeout=2)
        return (time.perf_counter() - began) * 1000


class _Tokens:
    """A token whose owner has room for one more hub, and which this process knows already (for a minute)."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._token = ""
        self._left = 0

    async def next(self) -> str:
        if not self._left:
            self._token, self._left = await self._api.token(f"{uuid.uuid4().hex}@example.com"), HUBS_PER_OWNER
            response = await self._api.send("hub_list", "GET", "hubs", self._token)
            assert response.status_code == 200, response.get_body()
        self._left -= 1
        return self._token


async def _accept(api: Api, token: str, *, keyed: bool) -> float:
    body = {"name": f"h{uuid.uuid4().hex[:10]}"}
    headers = {"idempotency-key": uuid.uuid4().hex} if keyed else {}
    began = time.perf_counter()
    response = await api.send("hub_create", "POST", "hubs", token, body=body, headers=headers)
    took = (time.perf_counter() - began) * 1000
    assert response.status_code == 202, response.get_body()
    return took


def _modules_after_accept(connection_string: str, report: Report) -> None:
    environment = {
        **settings_for(connection_string),
        "HUBLET_ADMIN_TOKEN": uuid.uuid4().hex * 2,
        "PATH": os.environ.get("PATH", ""),
    }
    done = subprocess.run(
        [sys.executable, "-m", "localdev.bench.one_accept"],
        cwd=paths.ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    said = json.loads(done.stdout)
    assert said["status"] == 202, said["status"]
    found = loaded(said["modules"], FORBIDDEN_AFTER_ACCEPT)
    report.at_most("forbidden modules after a 202 (P1)", len(found), 0, exact=True)
    for name in found:
        report.note(f"  loaded: {name}")
