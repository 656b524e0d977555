"""`SinkStore`: web hooks, who hears of an owner's hubs, what was not delivered."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from copy import copy
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from shared.adapters.storage import keys, sinks
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.sinks import TableSinkStore
from shared.errors import ConcurrentUpdate, FatalError, RetryableError, RowTooNew
from shared.hubs.ports import SinkExists, SinkRecord, SinkStore, UnreadableRow
from shared.hubs.versions import NEWEST
from shared.settings import SealKey
from tests.contract.storage.worlds import Wire, connect
from tests.support.builders import OWNER, a_failed_delivery, a_notice, a_sink, some_settings
from tests.support.clock import FakeClock
from tests.support.fake_chat import FakeSinkStore

KEYS = some_settings().seal_keys
NEWER = SealKey("newer", b"n" * 32)
OTHER = "somebody-else"
EVENTS = ("ready", "failed")


@dataclass(frozen=True)
class Here:
    """`keyless`: the same rows, for a process to which another key alone was given."""

    store: SinkStore
    clock: FakeClock
    keyless: Callable[[], SinkStore]


@pytest.fixture(params=["fakes", "azurite"])
async def here(request: pytest.FixtureRequest) -> AsyncIterator[Here]:
    clock = FakeClock()
    if request.param == "fakes":
        fake = FakeSinkStore()
        yield Here(fake, clock, lambda: keyless_fake(fake))
        return
    storage = connect(request.getfixturevalue("azurite"))
    yield Here(TableSinkStore(storage, clock, KEYS), clock, lambda: TableSinkStore(storage, clock, [NEWER]))
    await storage.close()


def keyless_fake(store: FakeSinkStore) -> FakeSinkStore:
    other = copy(store)
    other.closed = dict.fromkeys(store.records, "SealKeyUnknown")
    return other


# ---- web hooks


async def test_a_web_hook_comes_back_as_it_was_made(here: Here):
    full = a_sink(
        events=EVENTS,
        description="the course's «calendar»",
        everybody=True,
        previous_secret="whsec_b2xk",
        previous_until=here.clock.now() + timedelta(hours=24),
        disabled_at=here.clock.now(),
        disabled_why="It answered 410.",
    )
    for record in (a_sink(), replace(full, id="mnopqrstuvwx")):
        made = await here.store.create(record)
        assert made.etag is not None
        assert made == replace(record, etag=made.etag)
        assert await here.store.get(OWNER, record.id) == made


async def test_nobody_else_finds_it(here: Here):
    made = await here.store.create(a_sink())
    assert await here.store.get(OTHER, made.id) is None
    assert await here.store.get(OWNER, "zzzzzzzzzzzz") is None
    assert await here.store.list(OTHER) == []


async def test_an_id_is_taken_once_by_each_owner(here: Here):
    await here.store.create(a_sink())
    with pytest.raises(SinkExists):
        await here.store.create(a_sink(url="https://other.example.org/"))
    await here.store.create(a_sink(owner=OTHER))
    assert (await here.store.list(OWNER))[0].url == a_sink().url


async def test_they_are_listed_by_id(here: Here):
    for sink_id in ("cccccccccccc", "aaaaaaaaaaaa", "bbbbbbbbbbbb"):
        await here.store.create(a_sink(id=sink_id))
    assert [record.id[0] for record in await here.store.list(OWNER)] == ["a", "b", "c"]


async def test_of_two_savers_one_loses(here: Here):
    made = await here.store.create(a_sink())
    saved = await here.store.save(replace(made, description="new"))
    assert saved.etag != made.etag
    assert await here.store.get(OWNER, made.id) == saved == replace(made, description="new", etag=saved.etag)
    for stale in (made, replace(saved, etag=None), replace(saved, id="zzzzzzzzzzzz")):
        with pytest.raises(ConcurrentUpdate):
            await here.store.save(stale)


async def test_a_removed_web_hook_is_gone_with_what_it_did_not_take(here: Here):
    made = await here.store.create(a_sink(everybody=True))
    kept = await here.store.create(a_sink(id="mnopqrstuvwx"))
    for sink_id in (made.id, kept.id):
        await here.store.add_failed(OWNER, a_failed_delivery(sink_id=sink_id))
    assert await here.store.remove(OWNER, made.id)
    assert not await here.store.remove(OWNER, made.id)
    assert not await here.store.remove(OTHER, kept.id)
    assert await here.store.list(OWNER) == [kept]
    assert await here.store.hearing(OTHER) == []
    assert await here.store.failed(OWNER, made.id) == []
    assert len(await here.store.failed(OWNER, kept.id)) == 1
    with pytest.raises(ConcurrentUpdate):
        await here.store.save(made)


@pytest.mark.parametrize("text", ["", "../x", "a?b#c", "%2f", "\x00", "ä" * 600, "a!b"])
async def test_ids_and_owners_that_nobody_can_have_are_simply_not_there(here: Here, text: str):
    await here.store.create(a_sink())
    assert await here.store.get(OWNER, text) is None
    assert await here.store.get(text, a_sink().id) is None
    assert list(await here.store.hearing(text)) == []
    assert await here.store.failed(OWNER, text) == []
    assert not await here.store.remove(OWNER, text)


# ---- who hears


async def test_an_owner_is_heard_by_their_own_and_by_those_that_hear_everybody(here: Here):
    mine = await here.store.create(a_sink())
    disabled = await here.store.create(a_sink(id="disabledones", disabled_at=here.clock.now()))
    theirs = await here.store.create(a_sink(owner=OTHER, id="theirstheirs"))
    all_ears = await here.store.create(a_sink(owner="admin", id="everybodyyyy", everybody=True))
    assert list(await here.store.hearing(OWNER)) == [all_ears, mine, disabled]
    assert list(await here.store.hearing(OTHER)) == [all_ears, theirs]
    assert list(await here.store.hearing("nobody")) == [all_ears]
    assert list(await here.store.hearing("admin")) == [all_ears]


async def test_what_this_process_changes_it_hears_at_once(here: Here):
    assert list(await here.store.hearing(OWNER)) == []
    made = await here.store.create(a_sink())
    all_ears = await here.store.create(a_sink(owner="admin", id="everybodyyyy", everybody=True))
    assert list(await here.store.hearing(OWNER)) == [all_ears, made]
    saved = await here.store.save(replace(made, events=EVENTS))
    quiet = await here.store.save(replace(all_ears, everybody=False))
    assert list(await here.store.hearing(OWNER)) == [saved]
    loud = await here.store.save(replace(quiet, everybody=True))
    assert list(await here.store.hearing(OWNER)) == [loud, saved]
    await here.store.remove(OWNER, made.id)
    await here.store.remove("admin", all_ears.id)
    assert list(await here.store.hearing(OWNER)) == []


# ---- the key was taken off


async def test_without_its_key_a_web_hook_is_there_and_locked(here: Here):
    made = await here.store.create(a_sink(events=EVENTS, everybody=True, previous_secret="whsec_b2xk"))
    keyless = here.keyless()
    found = await keyless.get(OWNER, made.id)
    assert found is not None
    assert found.locked
    assert (found.url, found.secret, found.previous_secret) == ("", "", None)
    assert (found.id, found.owner, found.events, found.everybody) == (made.id, OWNER, EVENTS, True)
    assert await keyless.list(OWNER) == [found]
    assert list(await keyless.hearing(OWNER)) == [found]
    assert list(await keyless.hearing(OTHER)) == [found]
    assert await here.store.get(OWNER, made.id) == made


async def test_a_save_of_a_locked_web_hook_loses_nothing_that_is_sealed(here: Here):
    made = await here.store.create(a_sink(previous_secret="whsec_b2xk", disabled_at=here.clock.now()))
    keyless = here.keyless()
    found = await keyless.get(OWNER, made.id)
    assert found is not None
    for _ in range(2):
        found = await keyless.save(replace(found, disabled_at=None))
        assert found.locked
    opened = await here.store.get(OWNER, made.id)
    assert opened == replace(made, disabled_at=None, etag=found.etag)


async def test_the_locked_ones_of_all_owners_can_be_told(here: Here):
    assert await here.keyless().unreadable() == []
    made = await here.store.create(a_sink())
    theirs = await here.store.create(a_sink(owner=OTHER, id="theirstheirs"))
    await here.store.add_failed(OWNER, a_failed_delivery())
    assert await here.store.unreadable() == []
    keyless = here.keyless()
    assert sorted(await keyless.unreadable(), key=lambda row: row.name) == [
        UnreadableRow(owner=OWNER, name=made.id, code="SealKeyUnknown"),
        UnreadableRow(owner=OTHER, name=theirs.id, code="SealKeyUnknown"),
    ]
    assert await keyless.remove(OTHER, theirs.id)
    assert [row.name for row in await keyless.unreadable()] == [made.id]


# ---- what was not delivered


async def test_failed_deliveries_are_told_oldest_first(here: Here):
    late = a_failed_delivery(a_notice(seq=1), failed_at=here.clock.now() + timedelta(hours=1))
    early = a_failed_delivery(a_notice(seq=2))
    for failed in (late, early):
        await here.store.add_failed(OWNER, failed)
    assert await here.store.failed(OWNER, early.sink_id) == [early, late]
    assert await here.store.failed(OTHER, early.sink_id) == []
    assert await here.store.failed(OWNER, "zzzzzzzzzzzz") == []


async def test_a_second_failure_of_a_notice_replaces_the_first(here: Here):
    first = a_failed_delivery()
    again = replace(first, failed_at=here.clock.now() + timedelta(days=1), code="SinkGone", message="Gone.")
    await here.store.add_failed(OWNER, first)
    await here.store.add_failed(OWNER, again)
    assert await here.store.failed(OWNER, first.sink_id) == [again]


async def test_a_removed_failure_is_gone_and_removing_twice_is_fine(here: Here):
    failed, other = a_failed_delivery(a_notice(seq=1)), a_failed_delivery(a_notice(seq=2))
    for one in (failed, other):
        await here.store.add_failed(OWNER, one)
    found, _ = await here.store.failed(OWNER, failed.sink_id)
    assert found == failed
    for _ in range(2):
        await here.store.remove_failed(OWNER, found)
    assert await here.store.failed(OWNER, failed.sink_id) == [other]


async def test_a_failure_that_was_replaced_since_it_was_read_stays(here: Here):
    """Also when nothing of it is another: what it tells of happened again."""
    failed = a_failed_delivery()
    await here.store.add_failed(OWNER, failed)
    (read,) = await here.store.failed(OWNER, failed.sink_id)
    await here.store.add_failed(OWNER, failed)
    await here.store.remove_failed(OWNER, read)
    (again,) = await here.store.failed(OWNER, failed.sink_id)
    assert again == failed
    await here.store.remove_failed(OWNER, again)
    assert await here.store.failed(OWNER, failed.sink_id) == []


async def test_a_failure_that_was_never_read_cannot_be_removed(here: Here):
    await here.store.add_failed(OWNER, a_failed_delivery())
    with pytest.raises(FatalError, match="NotStored"):
        await here.store.remove_failed(OWNER, a_failed_delivery())
    assert len(await here.store.failed(OWNER, a_sink().id)) == 1


async def test_failures_are_forgotten_after_thirty_days(here: Here):
    await here.store.create(a_sink())
    for owner, seq, days in ((OWNER, 1, 0), (OWNER, 2, 1), (OTHER, 3, 0)):
        at = here.clock.now() + timedelta(days=days)
        await here.store.add_failed(owner, a_failed_delivery(a_notice(seq=seq), failed_at=at))
    assert await here.store.forget_old(here.clock.now() + timedelta(days=30)) == 0
    assert await here.store.forget_old(here.clock.now() + timedelta(days=30, seconds=1)) == 2
    assert await here.store.forget_old(here.clock.now() + timedelta(days=30, seconds=1)) == 0
    assert [failed.notice.seq for failed in await here.store.failed(OWNER, a_sink().id)] == [2]
    assert len(await here.store.list(OWNER)) == 1


# ---- the adapter alone


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


async def row_of(storage: StorageClients, owner: str = OWNER, sink_id: str = a_sink().id) -> dict[str, object]:
    return dict(await storage.table_client("sinks").get_entity(keys.owner_partition(owner), f"sink!{sink_id}"))


async def test_neither_url_nor_secret_is_readable_in_its_row(storage: StorageClients, clock: FakeClock):
    record = a_sink(previous_secret="whsec_b2xkIG9sZCBvbGQgb2xkIG9sZCBvbGQ=", everybody=True)
    await TableSinkStore(storage, clock, KEYS).create(record)
    text = "".join([repr(dict(row)) async for row in storage.table_client("sinks").list_entities()])
    assert record.id in text
    for secret in (record.url, record.secret, record.previous_secret, "hooks.example.org", "s-4711"):
        assert secret is not None
        assert secret not in text
        assert base64.b64encode(secret.encode()).decode().rstrip("=") not in text


async def test_a_row_moved_to_another_owner_or_id_does_not_open(storage: StorageClients, clock: FakeClock):
    store = TableSinkStore(storage, clock, KEYS)
    await store.create(a_sink())
    row = await row_of(storage)
    client = storage.table_client("sinks")
    await client.upsert_entity({**row, "PartitionKey": keys.owner_partition(OTHER)})
    await client.upsert_entity({**row, "RowKey": "sink!mnopqrstuvwx"})
    for owner, sink_id in ((OTHER, a_sink().id), (OWNER, "mnopqrstuvwx")):
        with pytest.raises(FatalError):
            await store.get(owner, sink_id)


async def test_a_url_moved_to_another_web_hook_does_not_open(storage: StorageClients, clock: FakeClock):
    """Else who can write rows could have one owner's events sent to another's server, and shown to them."""
    store = TableSinkStore(storage, clock, KEYS)
    await store.create(a_sink())
    await store.create(a_sink(owner=OTHER))
    theirs = await row_of(storage, OTHER)
    await storage.table_client("sinks").upsert_entity({**await row_of(storage), "sealedUrl": theirs["sealedUrl"]})
    found = await store.get(OWNER, a_sink().id)
    assert found is not None
    assert (found.locked, found.url, found.secret) == ("SealBroken", "", "")


async def test_a_row_that_cannot_be_read_hides_no_other(storage: StorageClients, clock: FakeClock):
    store = TableSinkStore(storage, clock, KEYS)
    made = await store.create(a_sink())
    await store.create(a_sink(id="mnopqrstuvwx"))
    row = await row_of(storage, sink_id="mnopqrstuvwx")
    await storage.table_client("sinks").upsert_entity({**row, "doc0": "[]"})
    assert await store.list(OWNER) == [made]
    assert list(await TableSinkStore(storage, clock, KEYS).hearing(OWNER)) == [made]
    with pytest.raises(FatalError, match="RowUnreadable"):
        await store.get(OWNER, "mnopqrstuvwx")
    broken = UnreadableRow(owner=OWNER, name="mnopqrstuvwx", code="RowUnreadable")
    assert await TableSinkStore(storage, clock, KEYS).unreadable() == [broken]


async def test_a_key_with_other_bytes_under_its_old_id_locks_as_one_that_is_not_there(
    storage: StorageClients, clock: FakeClock
):
    made = await TableSinkStore(storage, clock, KEYS).create(a_sink())
    mistaken = TableSinkStore(storage, clock, [SealKey(KEYS[0].id, b"x" * 32)])
    [locked] = await mistaken.list(OWNER)
    assert (locked.locked, locked.url) == ("SealBroken", "")
    assert await mistaken.unreadable() == [UnreadableRow(owner=OWNER, name=made.id, code="SealBroken")]
    await mistaken.save(locked)
    mended = await TableSinkStore(storage, clock, KEYS).get(OWNER, made.id)
    assert mended is not None
    assert (mended.url, mended.secret, mended.locked) == (made.url, made.secret, "")


async def test_a_row_of_another_place_is_not_locked_but_wrong(storage: StorageClients, clock: FakeClock):
    """Else its owner would see what another one's web hook hears."""
    await TableSinkStore(storage, clock, KEYS).create(a_sink())
    row = await row_of(storage)
    await storage.table_client("sinks").upsert_entity({**row, "PartitionKey": keys.owner_partition(OTHER)})
    with pytest.raises(FatalError, match="RowUnreadable"):
        await TableSinkStore(storage, clock, [NEWER]).get(OTHER, a_sink().id)


async def test_an_older_key_opens_and_the_newest_one_seals(storage: StorageClients, clock: FakeClock):
    old, new = SealKey("old", b"o" * 32), SealKey("new", b"n" * 32)
    await TableSinkStore(storage, clock, [old]).create(a_sink())
    both = TableSinkStore(storage, clock, [new, old])
    found = await both.get(OWNER, a_sink().id)
    assert found is not None
    saved = await both.save(found)
    assert await TableSinkStore(storage, clock, [new]).get(OWNER, a_sink().id) == saved


async def test_what_a_newer_release_added_is_still_there_after_a_save(storage: StorageClients, clock: FakeClock):
    store = TableSinkStore(storage, clock, KEYS)
    await store.create(a_sink())
    row = await row_of(storage)
    document = {**json.loads(str(row["doc0"])), "fromTheFuture": [1]}
    await storage.table_client("sinks").upsert_entity(
        {**row, "v": NEWEST, "doc0": json.dumps(document), "colour": "red"}
    )
    found = await store.get(OWNER, a_sink().id)
    assert found is not None
    await store.save(replace(found, description="new"))
    row = await row_of(storage)
    document = json.loads(str(row["doc0"]))
    assert (row["v"], row["colour"]) == (NEWEST, "red")
    assert (document["fromTheFuture"], document["description"]) == ([1], "new")


async def test_a_row_that_is_too_new_is_left_alone(storage: StorageClients, clock: FakeClock):
    store = TableSinkStore(storage, clock, KEYS)
    await store.create(a_sink())
    await storage.table_client("sinks").upsert_entity({**await row_of(storage), "v": NEWEST + 1})
    for read in (store.get(OWNER, a_sink().id), store.list(OWNER), store.hearing(OWNER)):
        with pytest.raises(RowTooNew):
            await read
    assert await store.unreadable() == [], "a newer release reads it"


async def test_who_hears_is_remembered_for_a_minute(storage: StorageClients, clock: FakeClock, wire: Wire):
    ours, others = (TableSinkStore(storage, clock, KEYS) for _ in range(2))
    await ours.hearing(OWNER)
    made = await others.create(a_sink())
    all_ears = await others.create(a_sink(owner="admin", id="everybodyyyy", everybody=True))
    wire.take()
    clock.advance(59)
    assert list(await ours.hearing(OWNER)) == []
    assert wire.take() == []
    assert list(await ours.hearing(OTHER)) == []  # who hears everybody is one answer for all owners
    assert len(wire.take()) == 1
    clock.advance(1)
    assert list(await ours.hearing(OWNER)) == [all_ears, made]
    assert len(wire.take()) == 3


async def test_no_scan_of_all_owners_finds_those_that_hear_everybody(
    storage: StorageClients, clock: FakeClock, wire: Wire
):
    store = TableSinkStore(storage, clock, KEYS)
    for number in range(5):
        await store.create(a_sink(owner=f"owner{number}"))
    all_ears = await store.create(a_sink(owner="admin", everybody=True))
    wire.take()
    assert list(await store.hearing("nobody")) == [all_ears]
    assert len(wire.take()) == 3  # the owner's, those that are pointed at, and one of them


async def test_a_pointer_to_nothing_means_nothing(storage: StorageClients, clock: FakeClock, wire: Wire):
    store = TableSinkStore(storage, clock, KEYS)
    made = await store.create(a_sink(everybody=True))
    await storage.table_client("sinks").delete_entity(keys.owner_partition(OWNER), f"sink!{made.id}")
    assert list(await TableSinkStore(storage, clock, KEYS).hearing(OTHER)) == []
    quiet = await store.create(a_sink())
    assert not quiet.everybody
    assert list(await store.hearing(OTHER)) == []


async def test_the_pointer_is_there_before_the_web_hook(storage: StorageClients, clock: FakeClock, wire: Wire):
    """Whoever dies in between leaves nothing that is deaf."""
    store = TableSinkStore(storage, clock, KEYS)
    await store.create(a_sink(id="firstfirstfi"))  # makes the table
    wire.lose("POST")
    wire.take()
    with pytest.raises(RetryableError):
        await store.create(a_sink(everybody=True))
    assert [request.partition(" ")[0] for request in wire.take()] == ["PUT", "POST"]
    assert [record.id for record in await store.hearing(OTHER)] == [a_sink().id]


async def test_the_memory_of_who_hears_is_bounded(
    storage: StorageClients, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sinks, "CACHE_SIZE", 3)
    store = TableSinkStore(storage, clock, KEYS)
    for number in range(10):
        await store.hearing(f"owner{number}")
    assert list(store._own) == ["owner7", "owner8", "owner9"]


async def test_a_read_that_was_overtaken_by_a_change_is_not_remembered(
    storage: StorageClients, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
):
    store = TableSinkStore(storage, clock, KEYS)
    real = store.list
    made: list[SinkRecord] = []

    async def overtaken(owner: str) -> object:
        found = await real(owner)
        if not made:
            made.append(await store.create(a_sink()))
        return found

    monkeypatch.setattr(store, "list", overtaken)
    assert list(await store.hearing(OWNER)) == []
    assert list(await store.hearing(OWNER)) == made


async def test_at_most_a_thousand_failures_are_told(
    storage: StorageClients, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sinks, "MAX_FAILED", 3)
    store = TableSinkStore(storage, clock, KEYS)
    for seq in range(5):
        at = clock.now() - timedelta(minutes=seq)
        await store.add_failed(OWNER, a_failed_delivery(a_notice(seq=seq), failed_at=at))
    assert [failed.notice.seq for failed in await store.failed(OWNER, a_sink().id)] == [4, 3, 2]
