"""Timers against real Azurite: one instance fires, a missed occurrence is made good once."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import aiohttp
import pytest

from localdev.host.blobs import HostBlobs, LeaseLost
from localdev.host.ncrontab import Ncrontab
from localdev.host.settings import StorageAccount
from localdev.host.timers import Status, TimerListener
from shared.clock import SystemClock
from tests.contract.host.conftest import Lab
from tests.support.wait import eventually


@pytest.fixture
async def blobs(azurite: str) -> AsyncIterator[HostBlobs]:
    async with aiohttp.ClientSession() as session:
        made = HostBlobs(StorageAccount.parse(azurite), session, SystemClock())
        await made.ensure_container()
        await made.ensure_container()
        yield made


async def test_of_two_hosts_one_fires_a_timer_and_the_other_follows_when_it_stops(lab: Lab) -> None:
    hosts = [lab.host("--tick-seconds", "1") for _ in range(2)]
    pids = {str(host.child.process.pid): host for host in hosts}
    await eventually(lambda: len(lab.notes("tick")) >= 3)
    beats = [int(line.split()[1]) // 10**9 for line in lab.notes("tick")]
    assert len(beats) == len(set(beats))
    (holder,) = {line.split()[0] for line in lab.notes("tick")}
    await asyncio.to_thread(pids.pop(holder).child.stop, 10)
    (other,) = pids
    await eventually(lambda: {line.split()[0] for line in lab.notes("tick")} == {holder, other}, 15)


async def test_a_lock_is_held_by_one_and_free_after_release(blobs: HostBlobs) -> None:
    name = f"locks/{uuid4()}"
    lease = await blobs.acquire(name, 15)
    assert lease is not None
    assert await blobs.acquire(name, 15) is None
    await blobs.renew(name, lease)
    await blobs.release(name, lease)
    with pytest.raises(LeaseLost):
        await blobs.renew(name, lease)
    assert await blobs.acquire(name, 15) is not None


async def test_missed_occurrences_become_one_past_due_run(blobs: HostBlobs) -> None:
    schedule = Ncrontab.parse("0 0 3 * * *")
    host_id = f"host-{uuid4()}"
    three_days_ago = datetime.now(UTC) - timedelta(days=3)
    old = Status(three_days_ago, schedule.next_after(three_days_ago), three_days_ago)
    await blobs.write(f"timers/{host_id}/nightly/status", json.dumps(old.to_json()).encode())
    fired: list[bool] = []

    async def fire(value: str) -> None:
        fired.append(json.loads(value)["IsPastDue"])

    async def one_listener() -> None:
        stop = asyncio.Event()
        listener = TimerListener(
            name="nightly",
            schedule=schedule,
            run_on_startup=False,
            use_monitor=True,
            blobs=blobs,
            host_id=host_id,
            lock_s=15,
            clock=SystemClock(),
            fire=fire,
        )
        task = asyncio.create_task(listener.run(stop))
        await asyncio.sleep(0.5)
        stop.set()
        await task

    await one_listener()
    await one_listener()
    assert fired == [True]
