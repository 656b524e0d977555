"""A delete at any moment of a creation leaves nothing in the simulated Azure: real domain, adapters and unmodified SDKs
over its handlers, in virtual time. The moments are discovered: each request of a creation to Azure, the beginning
of each step, and some time after it."""

from datetime import timedelta

import pytest

from localdev.bench.model.azure import ArmRequest
from localdev.bench.model.life import Begun, Model
from shared.hubs.model import PROVISION, StepName

pytestmark = pytest.mark.slow

SEED = 5
LATE = timedelta(minutes=20)
"""Long after the delete something might still be made by a worker that did not notice."""


async def see_nothing_left(begun: Begun) -> None:
    """The hub is gone, and stays gone."""
    await begun.host.run(lambda: not begun.storage.hubs.hubs)
    until = begun.app.clock.now() + LATE
    await begun.host.run(lambda: begun.app.clock.now() >= until)
    store = begun.azure.simulator.services.store
    assert store.groups() == []
    assert store.everything() == []
    [gone] = begun.storage.hubs.graves.values()
    assert gone.hub.state == "deleted"


async def test_a_delete_while_azure_is_being_asked_anything_leaves_nothing():
    model = Model()
    asked = len((await model.begin_and_finish(SEED)).azure.requests)
    assert asked >= 10
    for number in range(1, asked + 1):
        begun = await model.begin(SEED)

        async def delete_then(_: ArmRequest, begun: Begun = begun, number: int = number) -> None:
            if len(begun.azure.requests) == number:
                await begun.delete()

        begun.azure.before_request = delete_then
        await begun.host.run(lambda begun=begun, number=number: len(begun.azure.requests) >= number)  # type: ignore[misc]
        await see_nothing_left(begun)


@pytest.mark.parametrize("step", PROVISION)
@pytest.mark.parametrize("into", [0.0, 3.0])
async def test_a_delete_during_each_step_leaves_nothing(step: StepName, into: float):
    begun = await Model().begin(SEED)

    def is_at_step() -> bool:
        return begun.hub.step(step).started_at is not None or begun.hub.next_step is step

    await begun.host.run(is_at_step)
    moment = begun.app.clock.now() + timedelta(seconds=into)
    await begun.host.run(lambda: begun.app.clock.now() >= moment)
    await begun.delete()
    await see_nothing_left(begun)
