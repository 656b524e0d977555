"""From the outbox to a web hook: how many notices a second, in how much memory, and what a dead receiver does to the
others.

Real: the outbox and its rows in Azurite, what the queue `hub-notify` calls for each message, the web hook sink with its
signatures, the one way out (addresses checked, HTTPS with a certificate of our own authority). Not in it: the queue's
messages themselves. As many notices are in work at a time as host.json lets one host take.
"""

import asyncio
import gc
import json
import socket
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localdev import azurite, paths, setup
from localdev.bench.api import settings_for
from localdev.bench.receiver import ARRIVED, SILENT
from localdev.bench.report import Report, quantile
from localdev.processes import Children
from shared.adapters.storage.client import StorageClients
from shared.app import App, build_app
from shared.hubs.model import Notice
from shared.hubs.notify import deliver
from shared.hubs.ports import NoticeRef, Pending, SinkRecord
from shared.settings import Settings

if TYPE_CHECKING:
    import aiohttp

IN_WORK = 24
"""`batchSize` and `newBatchThreshold` of host.json together."""

BATCH = 1_000
FLOOR_SHARE = 4
"""After each batch a fourth as many floors: get, delete, POST."""

FEWEST = 48
"""Notices to three receivers at least: two rounds of all places."""

FLAT = 1.05
DELAY = 1.5
"""What the others may wait when one receiver is dead, over what they wait when all are well (p99). A connection that is
refused is work, too."""

_SECRET = "whsec_" + "QmVuY2hCZW5jaEJlbmNoQmVuY2hCZW5jaEJlbmNoQmU="


@dataclass
class Case:
    """What one set of receivers was told. `delays`: seconds from taking a notice up until a well receiver had it."""

    notices: int = 0
    seconds: float = 0.0
    arrived: int = 0
    distinct: int = 0
    left: int = 0
    delays: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.notices / self.seconds


@dataclass
class Found:
    """`memory`: notices told -> resident MB."""

    one: Case = field(default_factory=Case)
    floor: Case = field(default_factory=Case)
    well: Case = field(default_factory=Case)
    refusing: Case = field(default_factory=Case)
    silent: Case = field(default_factory=Case)
    memory: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Bench:
    app: App
    storage: StorageClients
    session: "aiohttp.ClientSession"
    base: str


def measure(folder: Path, notices: int) -> Report:
    """Raises ChildFailed."""
    from tests.support.small_ca import SmallCa

    place = folder / "notify"
    place.mkdir()
    node = setup.ensure_node_parts()
    authority = SmallCa(place)
    authority.server("127.0.0.1")
    [certificate] = (file for file in place.glob("*.pem") if file != authority.file)
    with Children(place, grace_s=5) as children, closing(socket.create_server(("127.0.0.1", 0))) as nobody:
        storage = azurite.start(children, node.node, work_dir=place / "azurite").connection_string
        ready = place / "receiver.json"
        argv = [sys.executable, "-m", "localdev.bench.receiver", "--certificate", str(certificate)]
        child = children.start("receiver", [*argv, "--ready-file", str(ready)], cwd=paths.ROOT)
        port, second = json.loads(child.wait_for_file(ready, 30))["ports"]
        dead = nobody.getsockname()[1]
        nobody.close()  # what is sent there is refused
        settings = Settings.from_env(
            {
                **settings_for(storage),
                "HUBLET_CA_FILE": str(authority.file),
                "HUBLET_SINK_HOSTS": ",".join(f"127.0.0.1:{each}" for each in (port, second, dead)),
            }
        )
        at = [f"https://127.0.0.1:{each}" for each in (port, second, dead)]
        found = asyncio.run(_measure(settings, at[0], at[1], at[2], notices))
    return report_of(found)


async def _measure(settings: Settings, base: str, second: str, refused: str, notices: int) -> Found:
    import ssl

    import aiohttp

    found, app = Found(), build_app(settings)
    app = replace(app, sinks=[sink for sink in app.sinks if sink.name == "webhook"])
    storage = StorageClients(settings)
    trust = ssl.create_default_context(cafile=settings.ca_file)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_WORK, ssl=trust)) as session:
        bench = Bench(app, storage, session, base)
        try:
            await _one(bench, found, notices)
            some = max(FEWEST, notices // 10)
            found.well = await _three(bench, "well", f"{second}/well-c", some)
            found.refusing = await _three(bench, "refusing", refused, some)
            found.silent = await _three(bench, "silent", second + SILENT, some)
        finally:
            await storage.close()
    return found


# ------------------------------------------------------------------ one receiver


async def _one(bench: Bench, found: Found, notices: int) -> None:
    """In batches, each of which is stored before and told then; floors in between."""
    owner = "one@example.com"
    await _listen(bench, owner, ["/one"])
    floors = bench.storage.table_client("floor")
    await floors.create_table()
    marks = {notices // 10, notices // 2, notices}
    await _floor(bench, floors, Case(), BATCH // FLOOR_SHARE)  # its connections' buffers (6 MB) are none of our growth
    done = 0
    while done < notices:
        size = min(BATCH, notices // 10 or 1, notices - done)
        refs = await _store(bench, owner, done, size)
        found.one.seconds += await _side_by_side(refs, lambda ref: deliver(bench.app, ref))
        done += size
        if done in marks:
            gc.collect()
            found.memory[done] = resident_mb()
        await _floor(bench, floors, found.floor, max(1, size // FLOOR_SHARE))
    found.one.notices = notices
    await _judge(bench, found.one, owner, ["/one"])


async def _floor(bench: Bench, table: Any, floor: Case, count: int) -> None:
    """The least: the row is read, told, removed."""
    ids = [uuid.uuid4().hex for _ in range(count)]
    body = json.dumps({"data": "x" * 500}).encode()
    await _side_by_side(
        ids, lambda one: table.create_entity({"PartitionKey": "floor", "RowKey": one, "data": "x" * 700})
    )

    async def least(one: str) -> None:
        row = await table.get_entity("floor", one)
        async with bench.session.post(f"{bench.base}/floor", data=body) as answer:
            assert answer.status == 204, answer.status
        await table.delete_entity(row)

    floor.seconds += await _side_by_side(ids, least)
    floor.notices += count


# ------------------------------------------------------------------ three receivers


async def _three(bench: Bench, name: str, third: str, notices: int) -> Case:
    """Two that are well, and a third."""
    owner, well = f"{name}@example.com", [f"/{name}-a", f"/{name}-b"]
    await _listen(bench, owner, [*well, third])
    refs = await _store(bench, owner, 0, notices)
    started: dict[str, float] = {}

    async def told(ref: NoticeRef) -> None:
        started[f"{ref.hub_id}.{ref.seq}"] = time.time()
        await deliver(bench.app, ref)

    case = Case(notices=notices)
    case.seconds = await _side_by_side(refs, told)
    for came in await _judge(bench, case, owner, well):
        case.delays += [at - started[one] for one, at in came]
    return case


async def _listen(bench: Bench, owner: str, where: Sequence[str]) -> None:
    for number, path in enumerate(where):
        record = SinkRecord(
            id=f"bench{number}",
            owner=owner,
            url=path if path.startswith("https:") else bench.base + path,
            secret=_SECRET,
            created_at=datetime.now(UTC),
            created_by=owner,
        )
        await bench.app.sink_store.create(record)


async def _store(bench: Bench, owner: str, first: int, count: int) -> list[NoticeRef]:
    """Notices as a hub's change leaves them."""
    now = bench.app.clock.now()
    notices = [_notice(owner, number, now) for number in range(first, first + count)]
    await _side_by_side(notices, lambda one: bench.app.outbox.put(Pending(notice=one)))
    return [NoticeRef(owner=owner, hub_id=one.hub_id, seq=one.seq, first_seen=now) for one in notices]


def _notice(owner: str, number: int, now: datetime) -> Notice:
    return Notice(
        hub_id=f"{owner.partition('@')[0]}-ab2cd3",
        owner=owner,
        seq=number + 1,
        type="io.hublet.hub.ready.v1",
        at=now,
        hub_name="bench",
        message="The hub is ready: a real notebook ran on it.",
        data={"url": "https://bench-ab2cd3.eastus.cloudapp.azure.com/"},
    )


async def _judge(bench: Bench, case: Case, owner: str, where: Sequence[str]) -> list[list[tuple[str, float]]]:
    """Counts what the well receivers got, and which rows are left. Returns what came to each, and when."""
    async with bench.session.get(bench.base + ARRIVED) as answer:
        arrivals: Mapping[str, list[tuple[str, float]]] = await answer.json()
    found = [arrivals.get(path, []) for path in where]
    case.arrived = sum(map(len, found))
    case.distinct = sum(len({one for one, _ in came}) for came in found)

    async def look(number: int) -> None:
        one = _notice(owner, number, bench.app.clock.now())
        row = await bench.app.outbox.get(owner, one.hub_id, one.seq)
        case.left += row is not None  # after the await: others count meanwhile

    await _side_by_side(range(case.notices), look)
    return found


async def _side_by_side[T](items: Sequence[T], work: Callable[[T], Awaitable[object]]) -> float:
    """Seconds for all of them, IN_WORK at a time."""
    waiting = iter(items)

    async def worker() -> None:
        for one in waiting:
            await work(one)

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(IN_WORK)))
    return time.perf_counter() - began


def resident_mb() -> float:
    """Of this process. Linux only."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:")) / 1024


# ------------------------------------------------------------------ report


def report_of(found: Found) -> Report:
    one, floor = found.one, found.floor
    report = Report(
        f"Notify: {one.notices:,} notices from the outbox to a web hook ({IN_WORK} at a time, one process, Azurite in "
        "memory, loopback HTTPS)"
    )
    report.add("notices a second", f"{one.rate:.0f}")
    report.add("  floor: row read, POST, row removed", f"{floor.rate:.0f}")
    report.add("  floor over ours", f"{floor.rate / one.rate:.2f}")
    report.at_most("  not delivered", one.notices - one.distinct, 0, exact=True)
    report.at_most("  delivered again", one.arrived - one.distinct, 0, exact=True)
    report.at_most("  rows left", one.left, 0, exact=True)
    first, last = found.memory[min(found.memory)], found.memory[max(found.memory)]
    shown = " / ".join(f"{size:.1f}" for _, size in sorted(found.memory.items()))
    counts = " / ".join(f"{count:,}" for count in sorted(found.memory))
    report.add(f"resident MB after {counts}", shown)
    report.at_most("  last over first", round(last / first, 3), FLAT)
    well = found.well
    report.add("three receivers, all well: notices a second", f"{well.rate:.0f}")
    report.add("  ms until each has it, p50 / p99", _delays(well))
    for name, case in (
        ("one of three refuses connections", found.refusing),
        ("one of three never answers", found.silent),
    ):
        report.add(f"{name}: notices a second", f"{case.rate:.0f}")
        report.add("  ms until each of the others has it, p50 / p99", _delays(case))
        ratio = quantile(case.delays, 0.99) / quantile(well.delays, 0.99)
        report.at_most("  p99 over all well", round(ratio, 2), DELAY)
        report.at_most("  not delivered to the others", 2 * case.notices - case.distinct, 0, exact=True)
        report.at_most("  delivered to the others again", case.arrived - case.distinct, 0, exact=True)
        report.add(
            "  rows kept for the dead one",
            f"{case.left} of {case.notices}",
            "all",
            case.left == case.notices,
            exact=True,
        )
    report.note("  Not in it: the queue's own messages. Receiver and Azurite share this machine's cores.")
    report.note(
        f"  The first {IN_WORK} notices wait for who never answers as long as they may (8 s); it is left alone then."
    )
    return report


def _delays(case: Case) -> str:
    return f"{quantile(case.delays, 0.5) * 1000:.0f} / {quantile(case.delays, 0.99) * 1000:.0f}"
