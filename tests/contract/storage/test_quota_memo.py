"""A process remembers quota rows it saw. An old one may cost a request; it never decides anything."""

from dataclasses import replace

import pytest

from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.hub_table import TableHubStore
from shared.adapters.storage.quota_memo import KEPT, QuotaMemo
from shared.hubs.ports import HubChange, Quota, QuotaChanged
from shared.hubs.states import Goal, HubState
from tests.contract.storage.worlds import Wire
from tests.support.builders import OWNER, a_hub, an_accept


async def accept(store: TableHubStore, name: str):
    hub = a_hub(name=name)
    quota, _ = await store.admission(OWNER, None)
    return await store.create(an_accept(hub), replace(quota, hubs={**quota.hubs, name: hub.id}), None)


async def test_the_second_create_of_an_owner_reads_nothing(storage: StorageClients, wire: Wire):
    store = TableHubStore(storage)
    await accept(store, "one")
    before = len(wire.requests)
    await accept(store, "two")
    assert len(wire.requests) - before == 1, "one transaction"


async def test_what_another_process_created_is_noticed_and_read_again(storage: StorageClients):
    mine, other = TableHubStore(storage), TableHubStore(storage)
    await accept(mine, "one")
    await accept(other, "two")
    with pytest.raises(QuotaChanged):
        await accept(mine, "three")
    await accept(mine, "three")
    quota, _ = await mine.admission(OWNER, None, fresh=True)
    assert set(quota.hubs) == {"one", "two", "three"}


async def test_what_another_process_buried_is_noticed(storage: StorageClients):
    mine, other = TableHubStore(storage), TableHubStore(storage)
    hub = await accept(mine, "one")
    await other.bury(HubChange(hub=replace(hub, state=HubState.DELETED, goal=Goal.DELETED)))
    old, _ = await mine.admission(OWNER, None)
    assert "one" in old.hubs, "an old row, as this process saw it"
    fresh, _ = await mine.admission(OWNER, None, fresh=True)
    assert fresh.hubs == {}


def test_the_memo_is_bounded_and_keeps_no_row_that_does_not_exist():
    memo = QuotaMemo()
    memo.put(Quota(owner="nobody"))
    assert memo.get("nobody") is None
    for number in range(KEPT + 1):
        memo.put(Quota(owner=f"o{number}", etag="e"))
    assert memo.get("o0") is None
    assert memo.get(f"o{KEPT}") is not None
