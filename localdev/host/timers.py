"""Timer triggers: one instance fires, missed occurrences collapse into one past-due run.

Copied from the WebJobs timer extension (`TimerListener`, `ScheduleMonitor` in Azure/azure-webjobs-sdk-extensions): the
listener is a singleton held by a blob lease; the status `Last, Next, LastUpdated` is kept in a blob when `useMonitor`
is on and the interval is at least a minute; a function's error is logged and nothing is retried before the next time.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import aiohttp

from localdev.host.blobs import BlobError, HostBlobs, LeaseLost
from localdev.host.ncrontab import Schedule
from localdev.host.report import log
from shared.clock import Clock

NEVER = datetime.min.replace(tzinfo=UTC)
"""`Last` of a timer that has not run (.NET's default DateTime)."""

_MONITOR_FROM = timedelta(minutes=1)
_LONGEST_SLEEP_S = 30.0
"""The machine's clock may jump (a laptop that slept): look at it at least this often."""

_STORAGE_TROUBLE = (BlobError, aiohttp.ClientError, TimeoutError)

type Fire = Callable[[str], Awaitable[None]]
"""Runs the function with the given timer JSON. Does not raise."""


@dataclass(frozen=True)
class Status:
    """A timer's record, aware UTC."""

    last: datetime
    next: datetime
    updated: datetime

    @classmethod
    def parse(cls, data: bytes) -> "Status | None":
        """None when it is not readable: the timer then starts as a new one."""
        try:
            raw = json.loads(data)
            return cls(*(datetime.fromisoformat(raw[key]) for key in ("Last", "Next", "LastUpdated")))
        except (ValueError, KeyError, TypeError):
            return None

    def to_json(self) -> dict[str, str]:
        return {"Last": self.last.isoformat(), "Next": self.next.isoformat(), "LastUpdated": self.updated.isoformat()}


def check_past_due(status: Status | None, schedule: Schedule, now: datetime) -> tuple[Status, bool]:
    """The status to start from, and whether an occurrence was missed. A changed schedule is never past due."""
    if status is None:
        return Status(NEVER, schedule.next_after(now), now), False
    expected = schedule.next_after(status.updated if status.last == NEVER else status.last)
    if status.next != expected:
        return Status(NEVER, schedule.next_after(now) if now > expected else expected, now), False
    return status, now > status.next


def timer_json(status: Status | None, *, past_due: bool) -> str:
    """What the host sends to the worker as the timer's value."""
    return json.dumps(
        {
            "IsPastDue": past_due,
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": status.to_json() if status else None,
        }
    )


@dataclass(frozen=True)
class TimerListener:
    """One timer on one instance. `lock_s`: the singleton lease, renewed at a third of it."""

    name: str
    schedule: Schedule
    run_on_startup: bool
    use_monitor: bool
    blobs: HostBlobs
    host_id: str
    lock_s: int
    clock: Clock
    fire: Fire

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop` is set. The real host looks for a freed lock once a minute; here after at most 5 s."""
        lock = f"locks/{self.host_id}/{self.name}.Listener"
        while not stop.is_set():
            try:
                lease = await self.blobs.acquire(lock, self.lock_s)
                if lease is not None:
                    await self._as_holder(lock, lease, stop)
                    continue
            except _STORAGE_TROUBLE as error:
                log.warning("timer %s: storage trouble: %s", self.name, error)
            await _wait(stop, min(5.0, self.lock_s / 3))

    async def _as_holder(self, lock: str, lease: str, stop: asyncio.Event) -> None:
        lost = asyncio.Event()
        renewal = asyncio.create_task(self._keep_lock(lock, lease, lost))
        watch = asyncio.create_task(_either(stop, lost))
        try:
            await self._loop(watch)
        finally:
            for task in (renewal, watch):
                task.cancel()
            await asyncio.gather(renewal, watch, return_exceptions=True)
            if not lost.is_set():
                with contextlib.suppress(LeaseLost, *_STORAGE_TROUBLE):
                    await self.blobs.release(lock, lease)

    async def _keep_lock(self, lock: str, lease: str, lost: asyncio.Event) -> None:
        renewed_at = asyncio.get_running_loop().time()
        while not lost.is_set():
            await asyncio.sleep(self.lock_s / 3)
            try:
                await self.blobs.renew(lock, lease)
                renewed_at = asyncio.get_running_loop().time()
            except LeaseLost:
                lost.set()
            except _STORAGE_TROUBLE as error:
                log.warning("timer %s: lock not renewed: %s", self.name, error)
                if asyncio.get_running_loop().time() - renewed_at > self.lock_s:
                    lost.set()

    async def _loop(self, watch: asyncio.Task[None]) -> None:
        now = self.clock.now()
        following = self.schedule.next_after(now)
        monitored = self.use_monitor and self.schedule.next_after(following) - following >= _MONITOR_FROM
        status: Status | None = None
        past_due = False
        if monitored:
            before = await self._read_status()
            status, past_due = check_past_due(before, self.schedule, now)
            if status != before:
                await self._write_status(status)
        if past_due or self.run_on_startup:
            status = await self._fire(status, past_due=past_due, monitored=monitored)
        while not watch.done():
            following = self.schedule.next_after(self.clock.now())
            while not watch.done() and self.clock.now() < following:
                left = (following - self.clock.now()).total_seconds()
                await asyncio.wait({watch}, timeout=min(left, _LONGEST_SLEEP_S))
            if not watch.done():
                status = await self._fire(status, past_due=False, monitored=monitored)

    async def _fire(self, status: Status | None, *, past_due: bool, monitored: bool) -> Status | None:
        started = self.clock.now()
        await self.fire(timer_json(status, past_due=past_due))
        if not monitored:
            return None
        done = Status(started, self.schedule.next_after(started), self.clock.now())
        await self._write_status(done)
        return done

    @property
    def _status_blob(self) -> str:
        return f"timers/{self.host_id}/{self.name}/status"

    async def _read_status(self) -> Status | None:
        data = await self.blobs.read(self._status_blob)
        return Status.parse(data) if data is not None else None

    async def _write_status(self, status: Status) -> None:
        await self.blobs.write(self._status_blob, json.dumps(status.to_json()).encode())


async def _either(first: asyncio.Event, second: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in (first, second)]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
