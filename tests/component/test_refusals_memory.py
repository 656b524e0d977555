"""What all hubs remember of Azure's refusals: it helps, and it can never stop a hub."""

import pytest

from shared.errors import FatalError, HubletError, RetryableError
from shared.hubs.model import Rung
from shared.hubs.refusals_memory import MOST_KEPT, recall, remember, says_no
from tests.support.world import World

RUNG = Rung(region="eastus", size="Standard_D2s_v3")
REGION = "eastus"


async def test_what_is_remembered_is_read_back_by_everybody():
    world = World()
    await remember(world.app, RUNG, "AllocationFailed")
    (known,) = await recall(world.app, "EastUS")
    assert (known.rung.size, known.code) == (RUNG.size, "AllocationFailed")
    assert says_no(await recall(world.app, REGION), RUNG)
    assert await recall(world.app, "westus2") == ()


async def test_the_same_refusal_again_lasts_longer_and_takes_no_more_room():
    world = World()
    for _ in range(3):
        await remember(world.app, RUNG, "AllocationFailed")
        world.clock.advance(9 * 60)
    assert len(await recall(world.app, REGION)) == 1


async def test_a_document_never_grows_beyond_its_limit():
    world = World()
    for number in range(MOST_KEPT + 5):
        await remember(world.app, Rung(region=REGION, size=f"Standard_D{number}"), "SkuNotAvailable")
    known = await recall(world.app, REGION)
    assert len(known) == MOST_KEPT
    assert known[-1].rung.size == f"Standard_D{MOST_KEPT + 4}"


@pytest.mark.parametrize("error", [RetryableError("StorageUnavailable", "no"), FatalError("RowUnreadable", "no")])
@pytest.mark.parametrize("call", ["cache.get", "cache.put"])
async def test_trouble_with_the_cache_is_nothing_remembered(call: str, error: HubletError):
    world = World()
    world.storage.tape.fail(call, error, times=10)
    await remember(world.app, RUNG, "AllocationFailed")
    assert await recall(world.app, REGION) == ()


@pytest.mark.parametrize(
    "document", [None, {}, "text", [1], [{"size": "x"}], [{"size": "x", "zone": None, "code": "c", "until": "?"}]]
)
async def test_what_another_version_wrote_is_not_believed(document: object):
    world = World()
    await world.app.cache.put(f"refusals/{REGION}", document)
    assert await recall(world.app, REGION) == ()
    await remember(world.app, RUNG, "AllocationFailed")
    assert len(await recall(world.app, REGION)) == 1
