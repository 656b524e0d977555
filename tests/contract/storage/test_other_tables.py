"""`HubIndex`, `LogStore`, `SecretStore`, `TokenStore`, `Cache` and `DeploymentIdentity`."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import ConcurrentUpdate, FatalError
from shared.hubs.ports import IndexEntry
from tests.contract.storage.worlds import World
from tests.support.builders import HUB_ID, OWNER, a_token, some_secrets

ENTRY = IndexEntry(hub_id=HUB_ID, owner=OWNER, name="physics", state="accepted")
RIGHT, WRONG = "a" * 64, "b" * 64


# ------------------------------------------------------------------ index


async def test_an_indexed_hub_is_found_by_id_and_the_last_state_counts(world: World):
    await world.index.put(ENTRY)
    await world.index.put(replace(ENTRY, state="ready"))
    assert await world.index.find(HUB_ID) == replace(ENTRY, state="ready")
    assert await world.index.list() == [replace(ENTRY, state="ready")]


async def test_a_removed_entry_is_gone_and_removing_twice_is_fine(world: World):
    await world.index.put(ENTRY)
    await world.index.remove(HUB_ID)
    await world.index.remove(HUB_ID)
    assert await world.index.find(HUB_ID) is None
    assert await world.index.list() == []


async def test_the_index_lists_hubs_only(world: World):
    await world.identity.get()
    await world.index.put(ENTRY)
    assert await world.index.list() == [ENTRY]


@pytest.mark.parametrize("text", ["", "../x", "a?b#c", "%2f", "\x00", "ä" * 600])
async def test_ids_that_nobody_can_have_are_not_indexed(world: World, text: str):
    await world.index.put(ENTRY)
    assert await world.index.find(text) is None
    await world.index.remove(text)


# ------------------------------------------------------------------ logs


async def test_a_log_reads_back_in_one_piece_from_any_offset(world: World):
    await world.logs.append(HUB_ID, 0, b"first line\n")
    await world.logs.append(HUB_ID, 11, b"second line\n")
    assert await world.logs.read(HUB_ID, 0) == b"first line\nsecond line\n"
    assert await world.logs.read(HUB_ID, 6) == b"line\nsecond line\n"
    assert await world.logs.read(HUB_ID, 18) == b"line\n"
    assert await world.logs.read(HUB_ID, 0, limit=13) == b"first line\nse"
    assert await world.logs.read(HUB_ID, 23) == b""
    assert await world.logs.read("another-ab2cd3", 0) == b""


async def test_the_same_bytes_twice_change_nothing(world: World):
    for _ in range(2):
        await world.logs.append(HUB_ID, 0, b"first line\n")
    assert await world.logs.read(HUB_ID, 0) == b"first line\n"


async def test_a_longer_read_of_the_same_place_adds_what_is_new(world: World):
    await world.logs.append(HUB_ID, 0, b"first")
    await world.logs.append(HUB_ID, 0, b"first line\n")
    await world.logs.append(HUB_ID, 0, b"fir")
    await world.logs.append(HUB_ID, 11, b"second")
    assert await world.logs.read(HUB_ID, 0) == b"first line\nsecond"


async def test_a_log_is_read_up_to_its_first_hole(world: World):
    await world.logs.append(HUB_ID, 0, b"first")
    await world.logs.append(HUB_ID, 100, b"later")
    assert await world.logs.read(HUB_ID, 0) == b"first"
    assert await world.logs.read(HUB_ID, 50) == b""
    assert await world.logs.read(HUB_ID, 100) == b"later"


async def test_pieces_larger_than_a_property_come_back_whole(world: World):
    data = bytes(range(256)) * 700
    await world.logs.append(HUB_ID, 0, data)
    await world.logs.append(HUB_ID, len(data), b"")
    await world.logs.append(HUB_ID, len(data), b"end")
    assert await world.logs.read(HUB_ID, 0) == data + b"end"
    assert await world.logs.read(HUB_ID, 70_000, limit=66_000) == data[70_000:136_000]


# ------------------------------------------------------------------ secrets


async def test_secrets_come_back_as_they_were_made(world: World):
    made = await world.secrets.create(OWNER, HUB_ID, some_secrets())
    assert made.etag is not None
    assert made == replace(some_secrets(), etag=made.etag)
    assert await world.secrets.get(OWNER, HUB_ID) == made
    assert await world.secrets.get(OWNER, "physics-zzzzzz") is None
    assert await world.secrets.get("somebody-else", HUB_ID) is None


async def test_the_first_writer_of_secrets_wins(world: World):
    first = await world.secrets.create(OWNER, HUB_ID, some_secrets())
    second = await world.secrets.create(OWNER, HUB_ID, some_secrets(admin_password="another"))
    assert second == first


async def test_a_hand_out_is_remembered_and_a_secret_can_be_erased(world: World):
    made = await world.secrets.create(OWNER, HUB_ID, some_secrets())
    now = world.clock.now()
    marked = replace(
        made, handed_out={"ssh-key": now}, handed_to={"ssh-key": OWNER}, admin_password=None, owner_private_key=None
    )
    saved = await world.secrets.save(OWNER, HUB_ID, marked)
    assert saved.etag != made.etag
    assert await world.secrets.get(OWNER, HUB_ID) == saved == replace(marked, etag=saved.etag)


async def test_of_two_savers_of_secrets_one_loses(world: World):
    made = await world.secrets.create(OWNER, HUB_ID, some_secrets())
    await world.secrets.save(OWNER, HUB_ID, made)
    with pytest.raises(ConcurrentUpdate):
        await world.secrets.save(OWNER, HUB_ID, made)
    with pytest.raises(ConcurrentUpdate):
        await world.secrets.save(OWNER, "physics-zzzzzz", made)
    with pytest.raises(ConcurrentUpdate):
        await world.secrets.save(OWNER, HUB_ID, some_secrets())


# ------------------------------------------------------------------ tokens


async def test_an_issued_token_is_verified_by_its_secret_only(world: World):
    await world.tokens.issue(a_token(), RIGHT)
    assert await world.tokens.verify(a_token().id, RIGHT) == a_token()
    assert await world.tokens.verify(a_token().id, WRONG) is None
    assert await world.tokens.verify(a_token().id, RIGHT) == a_token()


@pytest.mark.parametrize("token_id", ["", "unknown", "a/b", "x" * 3000, "é", "'"])
async def test_an_unknown_token_is_refused(world: World, token_id: str):
    assert await world.tokens.verify(token_id, RIGHT) is None
    assert await world.tokens.verify(token_id, "nöt a hash") is None
    assert await world.tokens.revoke(token_id) is False


async def test_a_token_that_was_unknown_a_moment_ago_works_once_it_is_issued(world: World):
    assert await world.tokens.verify(a_token().id, RIGHT) is None
    await world.tokens.issue(a_token(), RIGHT)
    assert await world.tokens.verify(a_token().id, RIGHT) == a_token()


async def test_a_token_expires_at_its_time_although_it_was_just_verified(world: World):
    token = a_token(expires_at=world.clock.now() + timedelta(seconds=10))
    await world.tokens.issue(token, RIGHT)
    assert await world.tokens.verify(token.id, RIGHT) == token
    world.clock.advance(9.9)
    assert await world.tokens.verify(token.id, RIGHT) == token
    world.clock.advance(0.1)
    assert await world.tokens.verify(token.id, RIGHT) is None


async def test_a_revoked_token_is_refused_at_once_by_the_process_that_revoked_it(world: World):
    await world.tokens.issue(a_token(), RIGHT)
    assert await world.tokens.verify(a_token().id, RIGHT) == a_token()
    assert await world.tokens.revoke(a_token().id) is True
    assert await world.tokens.verify(a_token().id, RIGHT) is None
    assert await world.tokens.revoke(a_token().id) is False


async def test_tokens_are_listed_by_id_without_secrets(world: World):
    for token_id in ("zz", "aa"):
        await world.tokens.issue(a_token(id=token_id), RIGHT)
    assert await world.tokens.list() == [a_token(id="aa"), a_token(id="zz")]


async def test_a_token_id_is_issued_once(world: World):
    await world.tokens.issue(a_token(), RIGHT)
    with pytest.raises(FatalError, match="TokenIdTaken"):
        await world.tokens.issue(a_token(), WRONG)
    assert await world.tokens.verify(a_token().id, RIGHT) == a_token()


# ------------------------------------------------------------------ cache


async def test_a_cached_value_is_served_until_it_is_too_old(world: World):
    await world.cache.put("prices/eastus?x=#1", {"vm": [1, 2.5, None, "ä"]})
    world.clock.advance(60)
    assert await world.cache.get("prices/eastus?x=#1", max_age_s=60) == {"vm": [1, 2.5, None, "ä"]}
    world.clock.advance(0.5)
    assert await world.cache.get("prices/eastus?x=#1", max_age_s=60) is None
    assert await world.cache.get("prices/eastus?x=#1", max_age_s=61) is not None
    assert await world.cache.get("prices/eastus", max_age_s=60) is None


async def test_a_newer_value_replaces_a_cached_one(world: World):
    await world.cache.put("k", ["x" * 100_000])
    world.clock.advance(50)
    await world.cache.put("k", "short")
    world.clock.advance(50)
    assert await world.cache.get("k", max_age_s=60) == "short"


# ------------------------------------------------------------------ identity


async def test_the_deployment_id_never_changes(world: World):
    first = await world.identity.get()
    assert first == await world.identity.get()
    assert first.isascii()
    assert first.isalnum()
