"""The gate's row: several processes, one budget."""

import asyncio
import uuid

import pytest

from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.gate import TableGateRow
from shared.errors import ConcurrentUpdate
from shared.hubs.gate import DEBT, SharedGate
from shared.hubs.gate_state import Cause, GateState
from shared.hubs.ports import GateRow
from shared.hubs.write_budget import BUCKETS, WRITE_LIMIT, Budget, Lane
from tests.contract.storage.worlds import Wire, connect
from tests.support.clock import FakeClock
from tests.support.fake_arm import FakeCloud, FakeProbe
from tests.support.fake_chance import FakeEntropy
from tests.support.fake_storage import FakeCache, FakeGateRow

NOW = 1_800_000_000.0
STATE = GateState(budget=Budget().reserve(Lane.LINE, 4, NOW)[0]).paused(Cause.IDENTITY, NOW)


@pytest.fixture(params=["fake", "azurite"])
def row(request: pytest.FixtureRequest) -> GateRow:
    return FakeGateRow() if request.param == "fake" else TableGateRow(request.getfixturevalue("storage"))


async def test_a_row_that_is_not_there_is_a_fresh_state_and_what_was_written_is_read(row: GateRow):
    assert await row.read() == (GateState(), None)
    etag = await row.write(STATE, None)
    assert await row.read() == (STATE, etag)
    newer = await row.write(GateState(), etag)
    assert newer != etag and await row.read() == (GateState(), newer)


async def test_only_the_first_of_two_writers_writes(row: GateRow):
    etag = await row.write(STATE, None)
    with pytest.raises(ConcurrentUpdate):
        await row.write(GateState(), None)
    await row.write(STATE, etag)
    with pytest.raises(ConcurrentUpdate):
        await row.write(GateState(), etag)
    assert (await row.read())[0] == STATE


async def test_a_row_that_cannot_be_read_is_a_fresh_state_that_can_be_written(storage: StorageClients):
    client = storage.table_client("cache")
    row = TableGateRow(storage)
    await row.write(STATE, None)
    await client.upsert_entity({"PartitionKey": "azure", "RowKey": "gate", "v": 99, "doc0": "{"})
    state, etag = await row.read()
    assert state == GateState()
    await row.write(STATE, etag)
    assert (await row.read())[0] == STATE


def a_process(storage: StorageClients, clock: FakeClock, seed: int) -> SharedGate:
    """Its own clients, its own memory; sleeps for real, as contention needs."""
    return SharedGate(
        TableGateRow(storage), FakeProbe(FakeCloud(clock)), _Sleepy(clock), FakeEntropy(seed), FakeCache(clock)
    )


class _Sleepy(FakeClock):
    """Time stands still for the budget; a pause after a lost race is real and short."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock.now())

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 10)


async def test_processes_that_contend_never_give_out_more_than_azure_takes(azurite: str):
    clock, processes = FakeClock(), 4
    prefix = f"t{uuid.uuid4().hex[:12]}"
    clients = [connect(azurite, prefix=prefix) for _ in range(processes)]
    gates = [a_process(one, clock, seed) for seed, one in enumerate(clients)]
    try:
        asks = [(gate, lane) for gate in gates for _ in range(25) for lane in (Lane.LINE, Lane.LINE, Lane.CHANGE)]
        slots = await asyncio.gather(*(gate.reserve(lane, 4 if lane is Lane.LINE else 1) for gate, lane in asks))
        entered = (await TableGateRow(clients[0]).read())[0].budget
    finally:
        for one in clients:
            await one.close()
    sent = sorted(
        ((slot - clock.now()).total_seconds(), 4 if lane is Lane.LINE else 1)
        for slot, (_, lane) in zip(slots, asks, strict=True)
    )
    assert sum(writes for _, writes in sent) == processes * 25 * 9
    total = 0
    for at, writes in sent:
        total += writes
        assert total <= WRITE_LIMIT.size + WRITE_LIMIT.per_second * at + 1e-3
    now = clock.now().timestamp()
    in_row = sum((at - now) * BUCKETS[lane].per_second for lane, at in entered.full_at.items())
    assert processes * 25 * 9 - in_row <= processes * DEBT + 1e-3, "all but a few are in the row"


async def test_a_reservation_is_one_request_and_the_first_of_a_process_two(storage: StorageClients, wire: Wire):
    gate = a_process(storage, FakeClock(), 1)
    await TableGateRow(storage).write(GateState(), None)
    wire.take()
    await gate.reserve(Lane.LINE, 4)
    assert [request.split()[0] for request in wire.take()] == ["GET", "PUT"]
    await gate.reserve(Lane.LINE, 4)
    assert [request.split()[0] for request in wire.take()] == ["PUT"]
