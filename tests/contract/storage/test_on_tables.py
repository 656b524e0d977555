"""What only the real adapters can show: requests, lost answers, missing tables, several loops and processes."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.adapters.entropy import SystemEntropy
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.due import TableDue
from shared.adapters.storage.hub_table import TableHubStore
from shared.adapters.storage.identity import StoredDeploymentIdentity
from shared.adapters.storage.index import TableHubIndex
from shared.adapters.storage.tokens import CACHE_SIZE, TableTokenStore
from shared.adapters.storage.work_queue import StorageWorkQueue
from shared.errors import ConcurrentUpdate, RetryableError
from shared.hubs.model import Hub
from shared.hubs.ports import HubChange, HubExists, Quota, QuotaChanged
from tests.contract.storage.worlds import Wire, connect, created
from tests.support.builders import (
    HUB_ID,
    HUB_NAME,
    OWNER,
    a_due_row,
    a_hub,
    a_message,
    a_token,
    an_accept,
    an_event,
    an_idempotency,
    some_settings,
)
from tests.support.clock import FakeClock

RIGHT = "a" * 64
TRANSACTION = "POST $batch"


# ------------------------------------------------------------------ requests


async def test_an_accept_is_five_requests(storage: StorageClients, wire: Wire):
    hubs, queue, due = TableHubStore(storage), StorageWorkQueue(storage), TableDue(storage)
    await created(storage, a_hub(name="warm-up"))
    await queue.put(a_message())
    await due.put(a_due_row())
    wire.take()

    quota, _ = await hubs.admission(OWNER, an_idempotency().key)
    await asyncio.gather(queue.put(a_message(), delay_s=2), due.put(a_due_row()))
    await hubs.create(an_accept(), replace(quota, hubs={**quota.hubs, HUB_NAME: HUB_ID}), an_idempotency())
    requests = wire.take()
    assert len(requests) == 5, requests
    assert requests[-1] == TRANSACTION


async def test_reading_and_saving_a_hub_is_one_request_each(storage: StorageClients, wire: Wire):
    hubs = TableHubStore(storage)
    await created(storage)
    wire.take()
    hub = await hubs.get(OWNER, HUB_NAME)
    assert len(wire.take()) == 1
    await hubs.list(OWNER)
    assert len(wire.take()) == 1
    assert hub is not None
    await hubs.commit(HubChange(hub=hub, events=(an_event(2),), operations=an_accept().operations))
    assert wire.take() == [TRANSACTION]


async def a_minute_later(due: TableDue, clock: FakeClock, minutes: float = 1) -> None:
    clock.advance(minutes * 60)
    await due.due(clock.now())
    await due.advance_watermark(clock.now())


async def test_an_idle_tick_is_one_request(storage: StorageClients, wire: Wire):
    due, clock = TableDue(storage), FakeClock()
    await due.put(a_due_row(at=clock.now() + timedelta(hours=1)))
    await a_minute_later(due, clock)
    wire.take()
    for _ in range(3):
        await a_minute_later(due, clock)
        (only,) = wire.take()
        assert only.endswith("due()")


async def test_a_process_reads_the_watermark_once_and_writes_it_once_an_hour(storage: StorageClients, wire: Wire):
    due, clock = TableDue(storage), FakeClock()
    await due.put(a_due_row(at=clock.now() + timedelta(hours=9)))
    wire.take()
    ticks = []
    for _ in range(91):
        await a_minute_later(due, clock)
        ticks.append(len(wire.take()))
    # 09:31 reads the row and both ranges, and writes; 10:00 reads both and writes; the five after it read both.
    assert ticks == [4, *[1] * 28, 3, *[2] * 5, *[1] * 54, 3, 2]


async def test_after_a_longer_pause_the_watermark_is_read_again(storage: StorageClients, wire: Wire):
    due, clock = TableDue(storage), FakeClock()
    await a_minute_later(due, clock)
    await due.put(a_due_row(at=clock.now() + timedelta(hours=9)))
    wire.take()
    await a_minute_later(due, clock, minutes=6)
    assert len(wire.take()) == 2


async def test_another_process_with_its_clock_set_back_makes_this_one_read_its_hours_again(storage: StorageClients):
    here, there = TableDue(storage), TableDue(storage)
    clock, earlier = FakeClock(), FakeClock()
    await a_minute_later(here, clock)
    earlier.advance(timedelta(hours=-3))
    await a_minute_later(there, earlier)
    row = a_due_row(at=earlier.now() + timedelta(minutes=10))
    await here.put(row)
    clock.advance(timedelta(hours=-1))  # set back as well, by the time the timer comes here again
    assert await here.due(clock.now()) == [row]


async def test_ticks_of_two_processes_at_once_move_a_row_once(storage: StorageClients):
    clock = FakeClock()
    processes = [TableDue(storage), TableDue(storage)]
    rows = [a_due_row(hub_id=f"h{number}-ab2cd3", at=clock.now()) for number in range(60)]
    await processes[0].move(rows, clock.now())
    later = clock.now() + timedelta(seconds=90)
    await asyncio.gather(*(process.move(rows, later) for process in processes))
    assert await processes[0].due(clock.now()) == []
    assert len(await processes[0].due(later)) == 60


async def test_due_rows_are_handed_over_and_moved_in_one_request_each(storage: StorageClients, wire: Wire):
    queue, due, clock = StorageWorkQueue(storage), TableDue(storage), FakeClock()
    rows = [a_due_row(hub_id=f"h{number}-ab2cd3", at=clock.now()) for number in range(50)]
    await queue.put(a_message())
    await due.move(rows, clock.now())
    wire.take()
    await queue.put_due(rows)
    await due.move(rows, clock.now() + timedelta(seconds=90))
    assert wire.take() == ["POST messages", TRANSACTION]


async def test_a_watermark_and_a_due_row_that_cannot_be_read_do_not_stop_the_clock(storage: StorageClients):
    due, clock = TableDue(storage), FakeClock()
    await due.put(a_due_row(at=clock.now()))
    table = storage.table_client("due")
    await table.upsert_entity({"PartitionKey": "watermark", "RowKey": "tick", "at": "soon"})
    await table.upsert_entity({"PartitionKey": clock.now().strftime("%Y%m%d%H"), "RowKey": "00!x", "at": "soon"})
    assert await due.due(clock.now()) == [a_due_row(at=clock.now())]


async def test_a_row_whose_key_an_older_version_made_is_due_and_moves_like_any_other(storage: StorageClients):
    due, clock = TableDue(storage), FakeClock()
    row = a_due_row(at=clock.now() - timedelta(seconds=20))
    await due.put(row)
    table = storage.table_client("due")
    async for entity in table.list_entities():
        await table.delete_entity(entity)
        await table.create_entity({**entity, "RowKey": "29!" + entity["RowKey"].partition("!")[2]})
    assert await due.due(clock.now()) == [row]
    await due.move([row], clock.now() + timedelta(seconds=90))
    assert await due.due(clock.now()) == []
    assert await TableDue(storage).due(clock.now()) == []
    clock.advance(90)
    assert await due.due(clock.now()) == [replace(row, at=clock.now())]


async def test_the_audits_reading_and_removing_works_page_by_page(storage: StorageClients, wire: Wire):
    hubs, clock = TableHubStore(storage), FakeClock()
    hub = await created(storage)
    for start in range(2, 1502, 90):
        events = tuple(an_event(seq) for seq in range(start, min(start + 90, 1502)))
        hub = await hubs.commit(HubChange(hub=hub, events=events))
    young = an_event(1502, at=clock.now() + timedelta(days=50))
    hub = await hubs.commit(HubChange(hub=hub, events=(young,)))
    wire.take()
    assert [found async for found in hubs.everything()] == [hub]
    assert await hubs.forget_old(clock.now() + timedelta(days=91)) == 1501
    # both scans, the owner's facts, and the deletions: 10 for the first page of a thousand, 6 for the second
    assert len(wire.take()) <= 2 + 2 + 1 + 17
    assert await hubs.events(OWNER, HUB_ID) == [young]
    assert await hubs.forget_old(clock.now() + timedelta(days=91)) == 0


async def test_a_history_longer_than_one_page_is_read_whole(storage: StorageClients, wire: Wire):
    hubs = TableHubStore(storage)
    hub = await created(storage)
    for start in range(2, 1102, 90):
        events = tuple(an_event(seq) for seq in range(start, min(start + 90, 1102)))
        hub = await hubs.commit(HubChange(hub=hub, events=events))
    wire.take()
    assert [event.seq for event in await hubs.events(OWNER, HUB_ID, top=2000)] == list(range(1, 1102))
    assert len(wire.take()) == 2


async def test_more_due_rows_than_a_transaction_holds_are_forgotten(storage: StorageClients, wire: Wire):
    due, clock = TableDue(storage), FakeClock()
    rows = [a_due_row(hub_id=f"h{number}-ab2cd3") for number in range(130)]
    await due.put(rows[0])
    await asyncio.gather(*(due.put(row) for row in rows))
    wire.take()
    await due.forget(rows)
    assert wire.take() == [TRANSACTION, TRANSACTION]
    assert await due.due(clock.now()) == []


# ------------------------------------------------------------------ unknown outcomes


async def test_f04_a_create_whose_answer_was_lost_is_read_back(storage: StorageClients, wire: Wire):
    await created(storage, a_hub(name="warm-up"))
    hubs = TableHubStore(storage)
    quota, _ = await hubs.admission(OWNER, None)
    wire.lose(TRANSACTION)
    stored = await hubs.create(an_accept(), replace(quota, hubs={**quota.hubs, HUB_NAME: HUB_ID}), None)
    assert stored == await hubs.get(OWNER, HUB_NAME)


async def test_a_create_that_cannot_even_be_read_back_is_retryable(storage: StorageClients, wire: Wire):
    await created(storage, a_hub(name="warm-up"))
    hubs = TableHubStore(storage)
    quota, _ = await hubs.admission(OWNER, None)
    wire.lose(TRANSACTION, "GET")
    with pytest.raises(RetryableError, match="StorageUnavailable"):
        await hubs.create(an_accept(), replace(quota, hubs={**quota.hubs, HUB_NAME: HUB_ID}), None)


async def test_a_lost_refusal_does_not_pass_for_success(storage: StorageClients, wire: Wire):
    await created(storage)
    hubs = TableHubStore(storage)
    quota, _ = await hubs.admission(OWNER, None)
    other = a_hub(id="physics-zzzzzz")
    wire.lose(TRANSACTION)
    with pytest.raises(RetryableError, match="StorageUnavailable"):
        await hubs.create(an_accept(other), quota, None)
    with pytest.raises(HubExists):
        await hubs.create(an_accept(other), quota, None)


async def test_a_burial_whose_answer_was_lost_is_finished_by_the_second_try(storage: StorageClients, wire: Wire):
    hub = await created(storage)
    hubs = TableHubStore(storage)
    wire.lose(TRANSACTION)
    with pytest.raises(RetryableError):
        await hubs.bury(HubChange(hub=hub, events=(an_event(2),)))
    assert await hubs.get(OWNER, HUB_NAME) is None
    await hubs.bury(HubChange(hub=hub, events=(an_event(2),)))
    assert await hubs.gone(OWNER, HUB_ID) is not None


async def test_storage_that_never_answers_is_given_up_in_time():
    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    clients = silent(port)
    try:
        with pytest.raises(RetryableError, match="StorageUnavailable"):
            await TableHubStore(clients).get(OWNER, HUB_NAME)
        with pytest.raises(RetryableError, match="StorageUnavailable"):
            await TableHubStore(clients).create(an_accept(), Quota(owner=OWNER), None)
        with pytest.raises(RetryableError, match="StorageUnavailable"):
            await StorageWorkQueue(clients).put(a_message())
    finally:
        await clients.close()
        server.close()


async def test_a_page_of_a_scan_may_take_longer_than_any_other_answer():
    """Storage works up to five seconds on one, as long as every other request may take in all."""
    body = b'{"value":[]}'
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()

    async def answer_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.6)
        writer.write(head + body)
        writer.close()

    server = await asyncio.start_server(answer_late, "127.0.0.1", 0)
    clients = silent(server.sockets[0].getsockname()[1])
    try:
        assert [found async for found in TableHubStore(clients).everything()] == []
        with pytest.raises(RetryableError, match="StorageUnavailable"):
            await TableHubStore(clients).list(OWNER)
    finally:
        await clients.close()
        server.close()


async def test_storage_that_is_not_there_is_retryable():
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    clients = silent(port)
    with pytest.raises(RetryableError, match="StorageUnavailable"):
        await TableHubStore(clients).list(OWNER)
    await clients.close()


def silent(port: int) -> StorageClients:
    address = f"http://127.0.0.1:{port}/devstoreaccount1"
    text = f"AccountName=devstoreaccount1;AccountKey=a2V5;TableEndpoint={address};QueueEndpoint={address};"
    return StorageClients(some_settings(AzureWebJobsStorage=text), timeout_s=0.2)


# ------------------------------------------------------------------ tables that are not there


async def test_reading_makes_no_table_and_writing_does(storage: StorageClients, wire: Wire):
    assert await TableHubStore(storage).list(OWNER) == []
    assert await TableHubIndex(storage).find(HUB_ID) is None
    assert not [request for request in wire.take() if request.startswith("POST")]
    await created(storage)
    assert len(await TableHubStore(storage).list(OWNER)) == 1


async def test_a_table_and_a_queue_that_were_deleted_heal_themselves(storage: StorageClients):
    await created(storage)
    await StorageWorkQueue(storage).put(a_message())
    await storage.table_client("hubs").delete_table()
    await storage.queue_client("hub-work").delete_queue()
    await created(storage)
    await StorageWorkQueue(storage).put(a_message())


async def test_two_first_writers_may_both_make_the_table(storage: StorageClients):
    due = TableDue(storage)
    await asyncio.gather(*(due.put(a_due_row(pass_number=number)) for number in range(8)))
    assert len(await due.due(FakeClock().now())) == 8


# ------------------------------------------------------------------ event loops


def test_one_set_of_clients_serves_several_event_loops(azurite: str):
    clients = connect(azurite)

    async def use() -> list[str]:
        await TableHubIndex(clients).list()
        hubs = [hub.name for hub in await TableHubStore(clients).list(OWNER)]
        if not hubs:
            await created(clients)
        await clients.close()
        await clients.close()
        return hubs

    assert asyncio.run(use()) == []
    assert asyncio.run(use()) == [HUB_NAME]


async def test_closed_clients_open_again(storage: StorageClients):
    await created(storage)
    await storage.close()
    assert await TableHubStore(storage).get(OWNER, HUB_NAME) is not None


# ------------------------------------------------------------------ many at once


async def test_of_many_creates_with_the_same_quota_exactly_one_wins(storage: StorageClients):
    await created(storage, a_hub(name="warm-up"))
    hubs = TableHubStore(storage)
    quota, _ = await hubs.admission(OWNER, None)

    async def attempt(name: str) -> bool:
        hub = a_hub(name=name)
        try:
            await hubs.create(an_accept(hub), replace(quota, hubs={**quota.hubs, name: hub.id}), None)
        except QuotaChanged:
            return False
        return True

    won = await asyncio.gather(*(attempt(f"n{number}") for number in range(10)))
    assert won.count(True) == 1
    assert len((await hubs.admission(OWNER, None))[0].hubs) == 2


async def test_burials_of_one_owner_at_the_same_time_all_succeed(storage: StorageClients):
    buried = [await created(storage, a_hub(name=f"n{number}")) for number in range(5)]
    hubs = TableHubStore(storage)
    await asyncio.gather(*(hubs.bury(HubChange(hub=hub)) for hub in buried))
    assert (await hubs.admission(OWNER, None))[0].hubs == {}


async def test_of_many_savers_exactly_one_wins(storage: StorageClients):
    hub = await created(storage)
    hubs = TableHubStore(storage)
    saves = (hubs.commit(HubChange(hub=replace(hub, pass_number=number))) for number in range(2, 12))
    results = await asyncio.gather(*saves, return_exceptions=True)
    assert sum(isinstance(result, Hub) for result in results) == 1
    assert sum(isinstance(result, ConcurrentUpdate) for result in results) == 9


async def test_processes_that_start_together_agree_on_the_deployment_id(storage: StorageClients):
    processes = [StoredDeploymentIdentity(storage, SystemEntropy()) for _ in range(6)]
    assert len(set(await asyncio.gather(*(process.get() for process in processes)))) == 1


async def test_the_deployment_id_is_read_once_by_each_process(storage: StorageClients, wire: Wire):
    identity = StoredDeploymentIdentity(storage, SystemEntropy())
    await identity.get()
    wire.take()
    await identity.get()
    assert wire.take() == []


# ------------------------------------------------------------------ tokens of several processes


async def test_another_processs_revocation_is_noticed_after_a_minute(storage: StorageClients):
    clock = FakeClock()
    here, there = TableTokenStore(storage, clock), TableTokenStore(storage, clock)
    await here.issue(a_token(), RIGHT)
    assert await there.verify(a_token().id, RIGHT) == a_token()
    await here.revoke(a_token().id)
    clock.advance(59)
    assert await there.verify(a_token().id, RIGHT) == a_token()
    clock.advance(1)
    assert await there.verify(a_token().id, RIGHT) is None


async def test_known_and_unknown_tokens_are_read_once_a_minute(storage: StorageClients, wire: Wire):
    clock = FakeClock()
    await TableTokenStore(storage, clock).issue(a_token(), RIGHT)
    tokens = TableTokenStore(storage, clock)
    wire.take()
    for _ in range(3):
        assert await tokens.verify(a_token().id, RIGHT) == a_token()
        assert await tokens.verify(a_token().id, "b" * 64) is None
        assert await tokens.verify("unknown", RIGHT) is None
    assert len(wire.take()) == 2
    clock.advance(60)
    await tokens.verify(a_token().id, RIGHT)
    await tokens.verify("unknown", RIGHT)
    assert len(wire.take()) == 2


async def test_guessing_tokens_neither_grows_memory_nor_pushes_out_real_ones(storage: StorageClients, wire: Wire):
    tokens = TableTokenStore(storage, FakeClock())
    await tokens.issue(a_token(), RIGHT)
    await tokens.verify(a_token().id, RIGHT)
    for number in range(CACHE_SIZE + 10):
        tokens._remember(f"guess-{number}", None, FakeClock().now())
    assert len(tokens._unknown) == CACHE_SIZE
    wire.take()
    assert await tokens.verify(a_token().id, RIGHT) == a_token()
    assert wire.take() == []
