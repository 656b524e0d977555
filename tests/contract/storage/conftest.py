"""Every test that asks for `world` runs twice: with the fakes, and with the adapters over Azurite.

One that asks for `storage` is about the adapters alone.
"""

from collections.abc import AsyncIterator

import pytest

from shared.adapters.storage.client import StorageClients
from tests.contract.storage.worlds import Wire, World, connect, fake_world, real_world


@pytest.fixture(params=["fakes", "azurite"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "fakes":
        yield fake_world()
        return
    storage = connect(request.getfixturevalue("azurite"))
    yield real_world(storage)
    await storage.close()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def storage(azurite: str, wire: Wire) -> AsyncIterator[StorageClients]:
    clients = connect(azurite, wire)
    yield clients
    await clients.close()
