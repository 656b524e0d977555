"""F14 at rest: what a newer release wrote into rows is still there after this one saved them; a row too new is left."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.adapters.storage import keys
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.hub_table import TableHubStore
from shared.adapters.storage.index import TableHubIndex
from shared.adapters.storage.outbox import TableOutbox
from shared.adapters.storage.sealing import Sealer
from shared.adapters.storage.secrets import SealedSecretStore
from shared.errors import RowTooNew
from shared.hubs.model import OperationStatus
from shared.hubs.ports import HubChange, IndexEntry
from shared.hubs.states import HubState
from shared.hubs.versions import NEWEST
from shared.settings import SealKey
from tests.contract.storage.test_rows_at_rest import overwrite, raw
from tests.contract.storage.worlds import Wire, World, created
from tests.support.builders import HUB_ID, HUB_NAME, OWNER, a_notice, an_operation, some_secrets

PARTITION = keys.owner_partition(OWNER)
HUB, OPERATION, QUOTA = keys.hub(HUB_NAME), keys.operation(HUB_ID, 1), keys.QUOTA
KEY, OTHER_KEY = SealKey("k", b"k" * 32), SealKey("other", b"o" * 32)


async def newer(storage: StorageClients, row: str, *, v: int = NEWEST, **fields: Any) -> None:
    """The row as the next release would have written it: with these fields in its document, and a column."""
    entity = await raw(storage, "hubs", PARTITION, row)
    document = {**json.loads(entity["doc0"]), **fields}
    await overwrite(storage, "hubs", {**entity, "v": v, "doc0": json.dumps(document), "colour": "red"})


async def stored(storage: StorageClients, row: str) -> tuple[Mapping[str, Any], Any]:
    entity = await raw(storage, "hubs", PARTITION, row)
    return entity, json.loads(entity["doc0"])


async def test_f14_a_hub_row_of_the_next_release_keeps_what_this_one_does_not_know(storage: StorageClients):
    await created(storage)
    await newer(storage, HUB, fromTheFuture=[1])
    store = TableHubStore(storage)
    hub = await store.get(OWNER, HUB_NAME)
    assert hub is not None
    await store.commit(HubChange(hub=replace(hub, state=HubState.PROVISIONING, pass_number=2)))
    entity, document = await stored(storage, HUB)
    assert (entity["v"], entity["colour"], document["fromTheFuture"]) == (NEWEST, "red", [1])
    assert (entity["state"], document["state"], document["pass_number"]) == ("provisioning", "provisioning", 2)


async def test_f14_a_row_of_this_release_costs_no_request_more_to_save(storage: StorageClients, wire: Wire):
    hub = await created(storage)
    wire.take()
    await TableHubStore(storage).commit(HubChange(hub=hub, operations=(an_operation(),)))
    assert len(wire.take()) == 1


async def test_f14_an_operation_of_the_next_release_keeps_what_this_one_does_not_know(storage: StorageClients):
    await created(storage)
    await newer(storage, HUB)
    await newer(storage, OPERATION, progress=40)
    store = TableHubStore(storage)
    hub = await store.get(OWNER, HUB_NAME)
    assert hub is not None
    running = an_operation(status=OperationStatus.RUNNING)
    await store.commit(HubChange(hub=hub, operations=(running,)))
    entity, document = await stored(storage, OPERATION)
    assert (entity["v"], entity["colour"], entity["status"]) == (NEWEST, "red", "Running")
    assert (document["progress"], document["status"]) == (40, "Running")
    assert await store.operation(OWNER, HUB_ID, 1) == running


async def test_f14_a_deleted_hub_and_its_operation_keep_it_too(storage: StorageClients):
    await created(storage)
    await newer(storage, HUB, fromTheFuture=[1])
    await newer(storage, OPERATION, progress=40)
    store = TableHubStore(storage)
    hub = await store.get(OWNER, HUB_NAME)
    assert hub is not None
    await store.bury(HubChange(hub=replace(hub, state=HubState.DELETED), operations=(an_operation(),)))
    entity, document = await stored(storage, keys.gone(HUB_ID))
    assert (entity["colour"], document["fromTheFuture"]) == ("red", [1])
    _, document = await stored(storage, OPERATION)
    assert document["progress"] == 40


async def test_f14_a_quota_of_the_next_release_keeps_what_this_one_does_not_know(storage: StorageClients):
    first = await created(storage)
    await newer(storage, QUOTA, reserved={"physics": 3})
    other = replace(first, name="music", id="music-ab2cd3", etag=None)
    await created(storage, other)
    entity, document = await stored(storage, QUOTA)
    assert (entity["v"], entity["colour"], entity["hubs"]) == (NEWEST, "red", 2)
    assert (document["reserved"], set(document["hubs"])) == ({"physics": 3}, {"physics", "music"})


async def test_f14_secrets_of_the_next_release_keep_what_this_one_does_not_know_sealed_anew(storage: StorageClients):
    await SealedSecretStore(storage, [OTHER_KEY]).create(OWNER, HUB_ID, some_secrets())
    entity = await raw(storage, "hubs", PARTITION, keys.secret(HUB_ID))
    sealed = Sealer([OTHER_KEY]).seal('"of the future"', hub_id=HUB_ID, field="backup_token")
    await overwrite(storage, "hubs", {**entity, "v": NEWEST, "sealed_backup_token": sealed, "colour": "red"})
    store = SealedSecretStore(storage, [KEY, OTHER_KEY])
    secrets = await store.get(OWNER, HUB_ID)
    assert secrets is not None
    assert "of the future" not in repr(secrets)
    await store.save(OWNER, HUB_ID, replace(secrets, hub_token="new"))
    entity = await raw(storage, "hubs", PARTITION, keys.secret(HUB_ID))
    opened = Sealer([KEY]).open(entity["sealed_backup_token"], hub_id=HUB_ID, field="backup_token")
    assert (entity["v"], entity["colour"], opened) == (NEWEST, "red", '"of the future"')


async def test_f14_an_index_row_keeps_the_columns_of_the_next_release(storage: StorageClients):
    entry = IndexEntry(hub_id=HUB_ID, owner=OWNER, name=HUB_NAME, state="ready")
    index = TableHubIndex(storage)
    await index.put(entry)
    entity = await raw(storage, "index", "hub", HUB_ID)
    await overwrite(storage, "index", {**entity, "colour": "red"})
    await index.put(replace(entry, state="stopped"))
    entity = await raw(storage, "index", "hub", HUB_ID)
    assert (entity["colour"], entity["state"]) == ("red", "stopped")


async def test_f14_whatever_is_two_releases_ahead_is_refused_and_left_as_it_is(storage: StorageClients):
    hub = await created(storage)
    store, secrets = TableHubStore(storage), SealedSecretStore(storage, [KEY])
    await secrets.create(OWNER, HUB_ID, some_secrets())
    await store.commit(HubChange(hub=hub, notices=(a_notice(),)))
    rows = (HUB, OPERATION, QUOTA, keys.secret(HUB_ID), keys.outbox(HUB_ID, 2))
    for row in rows:
        entity = await raw(storage, "hubs", PARTITION, row)
        await overwrite(storage, "hubs", {**entity, "v": NEWEST + 1})
    before = [dict(await raw(storage, "hubs", PARTITION, row)) for row in rows]
    for reading in (
        store.get(OWNER, HUB_NAME),
        store.operation(OWNER, HUB_ID, 1),
        store.admission(OWNER, None, fresh=True),
        secrets.get(OWNER, HUB_ID),
        TableOutbox(storage).get(OWNER, HUB_ID, 2),
    ):
        with pytest.raises(RowTooNew):
            await reading
    assert await store.list(OWNER) == []
    assert [dict(await raw(storage, "hubs", PARTITION, row)) for row in rows] == before


# ------------------------------------------------------------------ messages that are put back


async def test_f14_a_text_that_was_put_back_comes_again_as_it_was_after_its_time(world: World):
    text = '{"v":3,"new":"ü\\u00fc"}'
    for queue, texts in ((world.queue, world.received_texts), (world.notices, world.told_texts)):
        await queue.put_back(text, delay_s=0, life_s=60)
        await queue.put_back("later", delay_s=30, life_s=60)
        assert await texts() == [text]


async def test_f14_a_text_that_was_put_back_does_not_outlive_its_life(storage: StorageClients):
    from shared.adapters.storage.work_queue import QUEUE as WORK
    from shared.adapters.storage.work_queue import StorageWorkQueue

    await StorageWorkQueue(storage).put_back("x", delay_s=0, life_s=3600)
    (found,) = [message async for message in storage.queue_client(WORK).receive_messages()]
    assert found.expires_on is not None
    assert found.inserted_on is not None
    assert found.expires_on - found.inserted_on == timedelta(hours=1)
