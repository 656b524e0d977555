"""`ChatStore`: links, sights, codes, conversations."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.adapters.storage import chat as chat_table
from shared.adapters.storage.chat import TableChatStore
from shared.adapters.storage.client import StorageClients
from shared.errors import ConcurrentUpdate, RetryableError
from shared.hubs.ports import ChatLink, ChatUser, LinkCode, Thread
from shared.settings import SealKey
from tests.contract.storage.worlds import Wire, World
from tests.support.builders import OWNER
from tests.support.clock import MONDAY_MORNING, FakeClock

JAY = ChatUser("slack", "T1DC2JH3J", "U2CERLKJA")
ADA = ChatUser("teams", "0f0f0f0f-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002")
URL = "https://hooks.slack.com/commands/T1DC2JH3J/397700885554/96rGlfmibIGlgcZRskXaIFfN"
KEY = SealKey("k1", b"k" * 32)


def a_link(**changes: Any) -> ChatLink:
    return replace(ChatLink(user=JAY, owner=OWNER, created_at=MONDAY_MORNING, created_by=OWNER), **changes)


def a_code(**changes: Any) -> LinkCode:
    return replace(LinkCode(user=JAY, expires_at=MONDAY_MORNING + timedelta(minutes=15)), **changes)


def a_thread(**changes: Any) -> Thread:
    thread = Thread(
        id="a" * 30,
        platform="slack",
        team=JAY.team,
        channel="C024BE91L",
        user=JAY.user,
        created_at=MONDAY_MORNING,
        response_url=URL,
        response_left=5,
        response_until=MONDAY_MORNING + timedelta(minutes=30),
    )
    return replace(thread, **changes)


# ------------------------------------------------------------------ links


async def test_a_link_is_found_by_its_user_and_by_nobody_else(world: World):
    assert await world.chat.link(JAY) is None
    await world.chat.save_link(a_link())
    assert await world.chat.link(JAY) == a_link()
    assert await world.chat.link(replace(JAY, team="T2")) is None
    assert await world.chat.link(replace(JAY, platform="teams")) is None


async def test_a_second_link_of_a_user_replaces_the_first(world: World):
    await world.chat.save_link(a_link())
    await world.chat.save_link(a_link(owner="ada@example.com"))
    assert await world.chat.link(JAY) == a_link(owner="ada@example.com")
    assert len(await world.chat.links()) == 1


async def test_links_are_listed_by_owner_or_all_and_sorted_by_id(world: World):
    assert await world.chat.links() == []
    await world.chat.save_link(a_link(user=ADA, owner="ada@example.com"))
    await world.chat.save_link(a_link())
    assert await world.chat.links() == [a_link(), a_link(user=ADA, owner="ada@example.com")]
    assert await world.chat.links(OWNER) == [a_link()]
    assert await world.chat.links("nobody") == []


async def test_a_removed_link_is_gone_at_once_and_removing_it_again_says_so(world: World):
    await world.chat.save_link(a_link())
    assert await world.chat.link(JAY) is not None
    assert await world.chat.remove_link(JAY)
    assert await world.chat.link(JAY) is None
    assert not await world.chat.remove_link(JAY)
    assert await world.chat.links() == []


# ------------------------------------------------------------------ sights


@pytest.mark.parametrize("key", ["slack/" + "0" * 64, "", "a/b\\c?d#e", "\x00", "ä" * 5000])
async def test_anything_is_seen_for_the_first_time_once(world: World, key: str):
    assert await world.chat.first_sight(key, world.clock.now())
    assert not await world.chat.first_sight(key, world.clock.now())
    assert await world.chat.first_sight(key + ".", world.clock.now())


async def test_looking_whether_it_was_seen_is_no_sight(world: World):
    assert not await world.chat.seen("slack/x")
    assert await world.chat.first_sight("slack/x", world.clock.now())
    assert await world.chat.seen("slack/x")
    assert not await world.chat.seen("slack/y")


async def test_of_many_who_see_it_at_once_one_is_the_first(world: World):
    seen = await asyncio.gather(*(world.chat.first_sight("slack/x", world.clock.now()) for _ in range(20)))
    assert sorted(seen) == [False] * 19 + [True]


async def test_a_sight_is_kept_for_two_days(world: World):
    await world.chat.first_sight("slack/x", world.clock.now())
    assert await world.chat.forget_old(world.clock.advance(timedelta(days=2))) == 0
    assert not await world.chat.first_sight("slack/x", world.clock.now())
    assert await world.chat.forget_old(world.clock.advance(1)) == 1
    assert await world.chat.forget_old(world.clock.now()) == 0
    assert await world.chat.first_sight("slack/x", world.clock.now())


# ------------------------------------------------------------------ codes


async def test_a_code_is_taken_once(world: World):
    await world.chat.put_code("c" * 64, a_code())
    assert await world.chat.take_code("d" * 64, world.clock.now()) is None
    assert await world.chat.take_code("c" * 64, world.clock.now()) == a_code()
    assert await world.chat.take_code("c" * 64, world.clock.now()) is None


async def test_of_many_who_take_a_code_at_once_one_gets_it(world: World):
    await world.chat.put_code("c" * 64, a_code())
    taken = await asyncio.gather(*(world.chat.take_code("c" * 64, world.clock.now()) for _ in range(10)))
    assert [code for code in taken if code] == [a_code()]


async def test_a_code_is_good_until_its_time_is_up_and_then_never_again(world: World):
    await world.chat.put_code("c" * 64, a_code())
    await world.chat.put_code("d" * 64, a_code())
    before = a_code().expires_at - timedelta(seconds=1)
    assert await world.chat.take_code("c" * 64, before) == a_code()
    assert await world.chat.take_code("d" * 64, a_code().expires_at) is None
    assert await world.chat.take_code("d" * 64, before) is None


async def test_codes_that_nobody_used_are_forgotten(world: World):
    await world.chat.put_code("c" * 64, a_code())
    assert await world.chat.forget_old(a_code().expires_at) == 0
    assert await world.chat.forget_old(a_code().expires_at + timedelta(seconds=1)) == 1
    assert await world.chat.take_code("c" * 64, MONDAY_MORNING) is None


# ------------------------------------------------------------------ conversations


async def test_a_conversation_comes_back_as_it_was_stored(world: World):
    assert await world.chat.thread("a" * 30) is None
    made = await world.chat.create_thread(a_thread())
    assert made.etag is not None
    assert made == a_thread(etag=made.etag)
    assert await world.chat.thread("a" * 30) == made


async def test_the_first_who_makes_a_conversation_wins(world: World):
    first = await world.chat.create_thread(a_thread())
    assert await world.chat.create_thread(a_thread(channel="C2", response_url=None)) == first


async def test_a_conversation_is_saved_by_etag(world: World):
    made = await world.chat.create_thread(a_thread())
    changed = replace(made, posted="1531420618.000200", posted_in="C2", told=("ready",), response_left=4)
    saved = await world.chat.save_thread(changed)
    assert saved == replace(changed, etag=saved.etag)
    assert saved.etag != made.etag
    assert await world.chat.thread(made.id) == saved
    for stale in (made, replace(saved, etag=None), replace(saved, id="b" * 30)):
        with pytest.raises(ConcurrentUpdate):
            await world.chat.save_thread(stale)


async def test_an_address_can_be_given_up(world: World):
    made = await world.chat.create_thread(a_thread())
    await world.chat.save_thread(replace(made, response_url=None))
    stored = await world.chat.thread(made.id)
    assert stored is not None
    assert stored.response_url is None


async def test_a_conversation_is_kept_100_days_after_it_was_saved_last(world: World):
    made = await world.chat.create_thread(a_thread())
    world.clock.advance(timedelta(days=60))
    await world.chat.save_thread(made)
    assert await world.chat.forget_old(world.clock.advance(timedelta(days=100))) == 0
    assert await world.chat.thread(made.id) is not None
    assert await world.chat.forget_old(world.clock.advance(1)) == 1
    assert await world.chat.thread(made.id) is None


async def test_links_are_never_too_old(world: World):
    await world.chat.save_link(a_link())
    await world.chat.forget_old(world.clock.advance(timedelta(days=1000)))
    assert await world.chat.links() == [a_link()]


# ------------------------------------------------------------------ the table alone


def store(storage: StorageClients, clock: FakeClock, *keys: SealKey) -> TableChatStore:
    return TableChatStore(storage, clock, keys or [KEY])


async def test_a_link_and_its_absence_are_read_once_a_minute(storage: StorageClients, wire: Wire):
    clock = FakeClock()
    mine, other = store(storage, clock), store(storage, clock)
    await other.save_link(a_link())
    wire.take()
    for _ in range(3):
        assert await mine.link(JAY) == a_link()
        assert await mine.link(ADA) is None
    assert len(wire.take()) == 2
    await other.remove_link(JAY)
    await other.save_link(a_link(user=ADA))
    clock.advance(59)
    assert (await mine.link(JAY), await mine.link(ADA)) == (a_link(), None)
    clock.advance(1)
    assert (await mine.link(JAY), await mine.link(ADA)) == (None, a_link(user=ADA))


async def test_own_changes_are_seen_at_once(storage: StorageClients):
    mine = store(storage, FakeClock())
    assert await mine.link(JAY) is None
    await mine.save_link(a_link())
    assert await mine.link(JAY) == a_link()
    await mine.save_link(a_link(owner="ada"))
    assert await mine.link(JAY) == a_link(owner="ada")
    await mine.remove_link(JAY)
    assert await mine.link(JAY) is None


async def test_a_read_that_a_change_overtook_is_not_remembered(
    storage: StorageClients, monkeypatch: pytest.MonkeyPatch
):
    mine = store(storage, FakeClock())
    await mine.save_link(a_link())
    read = mine._table.get

    async def overtaken(*args: Any, **kwargs: Any) -> Any:
        row = await read(*args, **kwargs)
        monkeypatch.setattr(mine._table, "get", read)
        await mine.save_link(a_link(owner="ada"))
        return row

    monkeypatch.setattr(mine._table, "get", overtaken)
    await mine.link(JAY)
    assert await mine.link(JAY) == a_link(owner="ada")


async def test_a_link_whose_write_was_answered_to_nobody_is_read_again(storage: StorageClients, wire: Wire):
    mine = store(storage, FakeClock())
    await mine.save_link(a_link())
    assert await mine.link(JAY) == a_link()
    wire.lose("PUT ")
    with pytest.raises(RetryableError):
        await mine.save_link(a_link(owner="ada"))
    assert await mine.link(JAY) == a_link(owner="ada")


async def test_who_tries_many_names_does_not_push_out_known_links(
    storage: StorageClients, wire: Wire, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(chat_table, "CACHE_SIZE", 3)
    mine = store(storage, FakeClock())
    await mine.save_link(a_link())
    await mine.link(JAY)
    for number in range(5):
        await mine.link(replace(JAY, user=f"U{number}"))
    wire.take()
    assert await mine.link(JAY) == a_link()
    assert wire.take() == []
    assert len(mine._unlinked) == 3


async def test_a_sight_whose_answer_was_lost_is_no_first_sight(storage: StorageClients, wire: Wire):
    mine = store(storage, FakeClock())
    await mine.first_sight("before", MONDAY_MORNING)
    wire.lose("POST ")
    with pytest.raises(RetryableError):
        await mine.first_sight("slack/x", MONDAY_MORNING)
    assert not await mine.first_sight("slack/x", MONDAY_MORNING)


async def test_many_old_sights_are_removed_in_every_partition(storage: StorageClients):
    mine = store(storage, FakeClock())
    await asyncio.gather(*(mine.first_sight(f"slack/{number}", MONDAY_MORNING) for number in range(300)))
    await mine.first_sight("fresh", MONDAY_MORNING + timedelta(days=2))
    assert await mine.forget_old(MONDAY_MORNING + timedelta(days=3)) == 300
    assert not await mine.first_sight("fresh", MONDAY_MORNING)


async def test_no_address_is_readable_in_its_row(storage: StorageClients):
    await store(storage, FakeClock()).create_thread(a_thread())
    row = await storage.table_client("chat").get_entity("thread", "a" * 30)
    assert "hooks.slack.com" not in repr(dict(row))
    assert "96rGlfmibIGlgcZRskXaIFfN" not in repr(dict(row))


async def test_an_address_of_another_conversation_does_not_open(storage: StorageClients):
    mine = store(storage, FakeClock())
    await mine.create_thread(a_thread())
    await mine.create_thread(a_thread(id="b" * 30))
    table = storage.table_client("chat")
    one, two = [await table.get_entity("thread", key * 30) for key in "ab"]
    two["sealed_response_url"] = one["sealed_response_url"]
    await table.upsert_entity(two)
    stolen = await mine.thread("b" * 30)
    assert stolen is not None
    assert stolen.response_url is None


async def test_a_retired_key_ends_no_conversation(storage: StorageClients):
    made = await store(storage, FakeClock()).create_thread(a_thread())
    new = SealKey("k2", b"n" * 32)
    assert await store(storage, FakeClock(), new, KEY).thread(made.id) == made
    assert await store(storage, FakeClock(), new).thread(made.id) == replace(made, response_url=None)
