"""`./dev chaos`: lives, kills and faults together, then quiet, then judgement."""

import asyncio
import contextlib
import secrets
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from random import Random

import aiohttp

from localdev.chaos.client import Caller, GaveUp
from localdev.chaos.evidence import Evidence, Violation
from localdev.chaos.gather import AzureView, StorageView, Watcher, due_rows, gather
from localdev.chaos.hosts import Hosts, Pace, kill_now_and_then
from localdev.chaos.judge import judge, table
from localdev.chaos.lives import Life, live
from localdev.chaos.network import Network, start_network
from localdev.chaos.plans import plan_of
from localdev.processes import ChildFailed, Children
from localdev.setup import NodeParts, ensure_all
from localdev.stack import Secrets, Simulator, app_settings, start_storage_and_simulator

LIVES_PER_OWNER = 5
_ROOM_FOR = {"cores": 100_000, "family": 100_000}
_LOOK_S = 1.0
_BEGUN_BY = 0.95
"""Share of the kills after which the last life has begun."""

_SETTLE_LIMIT_S = 240.0
"""For everything that was promised to be done once faults and kills have ended."""

_EMPTY_LIMIT_S = 90.0
_ROWS_COME_DUE_S = 100.0
"""Rows that were handed to a worker stand 90 s on (shared/hubs/ticks.py); the clock is moved so that nobody waits."""

_PAST_HAND_OUT_S = 11 * 60.0
"""Handed-out secrets are erased ten minutes later, by a due row of their own."""


@dataclass(frozen=True)
class Options:
    """`minutes`: nothing new begins after that. `faults`: all rates times this; 0 = a good network. `at_once`: the most
    lives side by side, of which `first` begin at the start. `keep`: where everything stays after the run, or None."""

    kills: int = 200
    lives: int = 50
    seed: str = ""
    minutes: float = 30.0
    faults: float = 1.0
    at_once: int = 6
    first: int = 2
    time_scale: float = 30.0
    pause_s: float = 12.0
    lease_s: float = 30.0
    redrive_s: float = 10.0
    pace: Pace = field(default_factory=lambda: Pace((3.0, 8.0)))
    keep: Path | None = None
    quick: bool = False

    def command(self) -> str:
        """What runs the same again."""
        if self.quick:
            return f"./dev chaos --seed {self.seed} --quick"
        size = f"--kills {self.kills} --lives {self.lives} --minutes {self.minutes:g}"
        return f"./dev chaos --seed {self.seed} {size} --faults {self.faults:g} --at-once {self.at_once}"


QUICK = Options(
    kills=10,
    lives=6,
    first=6,
    faults=0.6,
    minutes=1.2,
    time_scale=60.0,
    pause_s=5.0,
    lease_s=10.0,
    redrive_s=5.0,
    pace=Pace((1.5, 4.0), (0.0, 1.0)),
    quick=True,
)
"""What `./dev test` can afford: fewer faults, because one of storage costs a hub a pause of 30 s (STORAGE_PAUSE_S)."""


@dataclass
class Outcome:
    """What a run came to."""

    options: Options
    evidence: Evidence
    violations: list[Violation]
    kills: int
    asked: int
    struck: dict[str, int]
    failures: dict[str, int]
    looks: int
    seconds: float
    never_quiet: str = ""

    @property
    def ok(self) -> bool:
        return not self.violations

    def text(self) -> str:
        ends: dict[str, int] = {}
        for life in self.evidence.lives:
            ends[life.wanted or "never accepted"] = ends.get(life.wanted or "never accepted", 0) + 1
        faults = ", ".join(f"{kind} {count}" for kind, count in sorted(self.struck.items())) or "none"
        tries = ", ".join(f"{why} {count}" for why, count in sorted(self.failures.items())) or "none"
        lines = [
            table(self.violations),
            "",
            f"lives        {len(self.evidence.lives)}, asked for {self.options.lives}"
            f" ({', '.join(f'{count} {end}' for end, count in sorted(ends.items()))})",
            f"kills        {self.kills}, asked for {self.options.kills}; two hosts side by side",
            f"faults       {sum(self.struck.values())} in {self.asked} requests ({faults})",
            f"callers      tries without an answer: {tries}",
            f"looks        {self.looks} at all machines and messages while it ran",
            *([f"never quiet  {self.never_quiet}"] if self.never_quiet else []),
            f"violations   {len(self.violations)}",
            f"wall time    {self.seconds:.0f} s, seed {self.options.seed}",
        ]
        if not self.ok:
            lines.append(f"again        {self.options.command()}")
        return "\n".join(lines)


def chaos(options: Options) -> int:
    """0 without a violation, else 1; says everything on stdout."""
    options = replace(options, seed=options.seed or secrets.token_hex(3))
    folder = options.keep or Path(tempfile.mkdtemp(prefix="hublet-chaos-"))
    print(
        f"seed {options.seed}: {options.kills} kills over {options.lives} lives; logs in {folder / 'logs'}", flush=True
    )
    try:
        outcome = run_chaos(options, folder, say=lambda line: print(line, flush=True))
    except (ChildFailed, GaveUp) as error:
        print(f"dev: {error}\nagain: {options.command()}", file=sys.stderr)
        return 1
    print(f"\n{outcome.text()}", flush=True)
    return 0 if outcome.ok else 1


def run_chaos(options: Options, folder: Path, *, say: Callable[[str], None] = lambda line: None) -> Outcome:
    """One run, from nothing to judgement; must be called in the main thread. Raises ChildFailed."""
    node = ensure_all()
    with Children(folder / "logs", grace_s=5.0) as children:
        return _with_services(children, node, options, folder, say)


def _with_services(
    children: Children, node: NodeParts, options: Options, folder: Path, say: Callable[[str], None]
) -> Outcome:
    storage, simulator = start_storage_and_simulator(
        children, node, folder, time_scale=options.time_scale, simulator_args=("--hub", "small")
    )
    return asyncio.run(Run(children, options, folder, storage, simulator, say).run())


@dataclass
class Run:
    """One run on services that are up."""

    children: Children
    options: Options
    folder: Path
    storage: str
    simulator: Simulator
    say: Callable[[str], None]
    started: float = field(default_factory=time.monotonic)
    lives: list[Life] = field(default_factory=list)
    under_way: int = 0

    async def run(self) -> Outcome:
        options = self.options
        facts = self.simulator.facts
        network = await start_network(self.storage, facts, self.folder / "azure", options.seed, options.faults)
        settings = app_settings(network.storage, {**facts, "arm": network.arm}, Secrets.make(), options.time_scale)
        settings |= {"HUBLET_REDRIVE_SECONDS": f"{options.redrive_s:g}", "HUBLET_MAX_HUBS_PER_OWNER": "100"}
        hosts = Hosts(self.children, self.folder, settings, options.lease_s)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0)) as session:
            azure, storage = AzureView(session, facts), StorageView(self.storage)
            await azure.quotas(_ROOM_FOR)
            for host in hosts.places:
                hosts.start(host)
            await hosts.serving()
            caller = Caller(session, [host.base for host in hosts.places], Random(f"{options.seed}/caller"))
            watcher = Watcher(azure, storage)
            async with _beside(watcher.watch()):
                try:
                    await self._stir(hosts, caller, settings["HUBLET_ADMIN_TOKEN"])
                except ExceptionGroup as group:
                    raise _first(group) from None
                self.say(f"{self._seconds()} s: {hosts.kills} kills; faults and kills are off, waiting for quiet")
                network.quiet()
                await hosts.serving()
                never_quiet = await self._until_quiet(azure, storage)
            evidence = await gather(self.lives, azure, storage, watcher, hosts.logs, settings)
            outcome = self._outcome(evidence, hosts, network, caller, watcher)
            outcome.never_quiet = never_quiet
        await network.close()
        return outcome

    def _outcome(self, evidence: Evidence, hosts: Hosts, network: Network, caller: Caller, watcher: Watcher) -> Outcome:
        return Outcome(
            options=self.options,
            evidence=evidence,
            violations=judge(evidence),
            kills=hosts.kills,
            asked=network.asked,
            struck={str(kind): count for kind, count in network.struck.items()},
            failures=dict(caller.failures),
            looks=watcher.looks,
            seconds=time.monotonic() - self.started,
        )

    def _seconds(self) -> int:
        return round(time.monotonic() - self.started)

    def _in_time(self) -> bool:
        return time.monotonic() - self.started < 60 * self.options.minutes

    # ---- lives and kills

    async def _stir(self, hosts: Hosts, caller: Caller, admin: str) -> None:
        """Until all lives are over. Raises ChildFailed when a host ends by itself."""
        random = Random(f"{self.options.seed}/kills")
        async with asyncio.TaskGroup() as group:
            killer = group.create_task(
                kill_now_and_then(
                    hosts,
                    random,
                    self.options.kills,
                    self.options.pace,
                    go_on=self._in_time,
                    idle=lambda: self.under_way == 0,
                )
            )
            await self._all_lives(hosts, caller, admin)
            killer.cancel()  # with nothing under way it would only hit sleepers
        for host in hosts.places:
            if host.child is not None and not host.child.running:
                hosts.start(host)

    async def _all_lives(self, hosts: Hosts, caller: Caller, admin: str) -> None:
        """At most `at_once` side by side, begun no faster than the kills come, so that each life meets some; and more
        than were asked for when they are over before the kills are."""
        room = asyncio.Semaphore(self.options.at_once)
        token, owner = "", ""
        async with asyncio.TaskGroup() as group:
            for number in count():
                await room.acquire()
                if not await self._turn_of(number, hosts):
                    return
                if number % LIVES_PER_OWNER == 0:
                    owner = f"owner{number // LIVES_PER_OWNER}"
                    issued = await caller.ask("POST", "/tokens", admin, {"owner": owner})
                    token = issued.json()["token"]
                plan = plan_of(self.options.seed, number, pause_s=self.options.pause_s)
                life = Life(number, owner, token, plan)
                self.lives.append(life)
                self.under_way += 1
                group.create_task(self._one_life(life, caller, room, hosts))

    async def _turn_of(self, number: int, hosts: Hosts) -> bool:
        """Waits until it may begin; False = no more lives."""
        options = self.options
        share = (number - options.first + 1) / max(1, options.lives - options.first + 1)
        while True:
            if not self._in_time() or (number >= options.lives and hosts.kills >= options.kills):
                return False
            if self.under_way == 0 or (number < options.lives and hosts.kills >= share * _BEGUN_BY * options.kills):
                return True
            await asyncio.sleep(_LOOK_S)

    async def _one_life(self, life: Life, caller: Caller, room: asyncio.Semaphore, hosts: Hosts) -> None:
        try:
            await live(life, caller)
        finally:
            self.under_way -= 1
            room.release()
        trouble = "; ".join([*life.broken, *life.notes])
        self.say(f"{self._seconds():>5} s  {hosts.kills:>3} kills  {life.name} -> {life.wanted}  {trouble}".rstrip())

    # ---- quiet

    async def _until_quiet(self, azure: AzureView, storage: StorageView) -> str:
        """Bounded: what is not quiet by then is judged as it is. Empty, or what was waited for in vain."""
        if why := await self._wait(lambda: self._unsettled(storage), _SETTLE_LIMIT_S):
            return why
        await azure.advance(_PAST_HAND_OUT_S)

        async def rest() -> str:
            why = await self._not_empty(storage)
            if why:
                await azure.advance(_ROWS_COME_DUE_S)
                await asyncio.sleep(3 * _LOOK_S)
            return why

        return await self._wait(rest, _EMPTY_LIMIT_S)

    async def _wait(self, why_not: Callable[[], Awaitable[str]], limit_s: float) -> str:
        deadline = time.monotonic() + limit_s
        while True:
            why = await why_not()
            if not why or time.monotonic() > deadline:
                return why
            await asyncio.sleep(_LOOK_S)

    async def _unsettled(self, storage: StorageView) -> str:
        """Hubs that are not where they were promised to be, and messages under way."""
        rows = (await asyncio.to_thread(storage.rows)).get("hubs", [])
        states = {str(row["hubId"]): str(row["state"]) for row in rows if str(row["RowKey"]).startswith("hub!")}
        wrong = [
            life.name
            for life in self.lives
            if life.hub_id and states.get(life.hub_id, "deleted") not in (life.wanted, "failed")
        ]
        counts = {name: count for name, count in (await asyncio.to_thread(storage.counts)).items() if count}
        return f"{wrong} {counts}" if wrong or counts else ""

    async def _not_empty(self, storage: StorageView) -> str:
        rows = await asyncio.to_thread(storage.rows)
        left = due_rows(rows.get("due", []))
        counts = {name: count for name, count in (await asyncio.to_thread(storage.counts)).items() if count}
        return f"{len(left)} due rows, {counts}" if left or counts else ""


def _first(group: ExceptionGroup[Exception]) -> Exception:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first


@asynccontextmanager
async def _beside(work: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Runs it until the end of the block; what it raised is raised there."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        ended = task.done()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert not ended, "the watcher stopped looking"
