"""What rows look like at rest, and rows that somebody else changed."""

import base64
from typing import Any

import pytest

from shared.adapters.storage import keys
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.hub_table import TableHubStore
from shared.adapters.storage.secrets import SealedSecretStore
from shared.errors import FatalError
from shared.hubs.ports import HubChange
from shared.settings import SealKey
from tests.contract.storage.worlds import created
from tests.support.builders import HUB_ID, HUB_NAME, OWNER, a_ready_hub, some_secrets

OLD_KEY = SealKey("old", b"o" * 32)
NEW_KEY = SealKey("new", b"n" * 32)
SECRET_FIELDS = [name for name in type(some_secrets()).__dataclass_fields__ if name != "etag"]


async def raw(storage: StorageClients, table: str, partition: str, row: str) -> dict[str, Any]:
    entity: dict[str, Any] = await storage.table_client(table).get_entity(partition, row)
    return entity


async def overwrite(storage: StorageClients, table: str, entity: dict[str, Any]) -> None:
    from azure.data.tables import UpdateMode

    await storage.table_client(table).upsert_entity(entity, mode=UpdateMode.REPLACE)


async def test_no_secret_is_readable_in_its_row(storage: StorageClients):
    made = await SealedSecretStore(storage, [NEW_KEY]).create(OWNER, HUB_ID, some_secrets())
    entity = await raw(storage, "hubs", keys.owner_partition(OWNER), keys.secret(HUB_ID))
    text = repr(dict(entity))
    for name in SECRET_FIELDS:
        value = getattr(made, name)
        if isinstance(value, str):
            assert value not in text, name
            assert base64.b64encode(value.encode()).decode().rstrip("=") not in text, name


async def test_secrets_sealed_with_an_older_key_open_and_are_sealed_anew_with_the_newest(storage: StorageClients):
    old = await SealedSecretStore(storage, [OLD_KEY]).create(OWNER, HUB_ID, some_secrets())
    both = SealedSecretStore(storage, [NEW_KEY, OLD_KEY])
    assert await both.get(OWNER, HUB_ID) == old
    saved = await both.save(OWNER, HUB_ID, old)
    assert await SealedSecretStore(storage, [NEW_KEY]).get(OWNER, HUB_ID) == saved


async def test_a_row_sealed_with_a_key_that_is_gone_is_fatal(storage: StorageClients):
    await SealedSecretStore(storage, [OLD_KEY]).create(OWNER, HUB_ID, some_secrets())
    with pytest.raises(FatalError, match="SealKeyUnknown"):
        await SealedSecretStore(storage, [NEW_KEY]).get(OWNER, HUB_ID)


async def test_secrets_moved_to_another_hub_or_field_do_not_open(storage: StorageClients):
    store = SealedSecretStore(storage, [NEW_KEY])
    await store.create(OWNER, HUB_ID, some_secrets())
    entity = await raw(storage, "hubs", keys.owner_partition(OWNER), keys.secret(HUB_ID))

    await overwrite(storage, "hubs", {**entity, "RowKey": keys.secret("physics-zzzzzz")})
    with pytest.raises(FatalError, match="SealBroken"):
        await store.get(OWNER, "physics-zzzzzz")

    swapped = {
        "sealed_host_public_key": entity["sealed_owner_public_key"],
        "sealed_owner_public_key": entity["sealed_host_public_key"],
    }
    await overwrite(storage, "hubs", {**entity, **swapped})
    with pytest.raises(FatalError, match="SealBroken"):
        await store.get(OWNER, HUB_ID)


async def test_a_secrets_row_that_lost_a_field_is_unreadable_and_says_no_value(storage: StorageClients):
    store = SealedSecretStore(storage, [NEW_KEY])
    await store.create(OWNER, HUB_ID, some_secrets())
    entity = await raw(storage, "hubs", keys.owner_partition(OWNER), keys.secret(HUB_ID))
    del entity["sealed_hub_token"]
    await overwrite(storage, "hubs", entity)
    with pytest.raises(FatalError, match="hub_token") as caught:
        await store.get(OWNER, HUB_ID)
    assert "correct-horse-battery" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_hub_row_has_columns_that_people_can_read(storage: StorageClients):
    hub = await created(storage)
    await TableHubStore(storage).commit(HubChange(hub=a_ready_hub(etag=hub.etag)))
    entity = await raw(storage, "hubs", keys.owner_partition(OWNER), f"hub!{HUB_NAME}")
    assert {name: entity[name] for name in ("v", "hubId", "state", "goal", "generation", "pass", "updatedAt")} == {
        "v": 2,
        "hubId": HUB_ID,
        "state": "ready",
        "goal": "running",
        "generation": 1,
        "pass": 24,
        "updatedAt": "2026-03-02T09:38:00.000000Z",
    }


@pytest.mark.parametrize(
    ("change", "code"), [({"v": 4}, "RowTooNew"), ({"doc0": "{"}, "RowUnreadable"), ({"doc0": "{}"}, "RowUnreadable")]
)
async def test_a_row_that_cannot_be_understood_is_fatal(storage: StorageClients, change: dict[str, Any], code: str):
    await created(storage)
    entity = await raw(storage, "hubs", keys.owner_partition(OWNER), f"hub!{HUB_NAME}")
    await overwrite(storage, "hubs", {**entity, **change})
    with pytest.raises(FatalError, match=code):
        await TableHubStore(storage).get(OWNER, HUB_NAME)
