"""An alert reaches a person once, whoever meets its cause next."""

import pytest

from shared.errors import RetryableError
from shared.hubs.alerts import QUIET_S, alert
from tests.support.world import World


def said(caplog: pytest.LogCaptureFixture) -> int:
    return sum("operator_alert" in record.getMessage() for record in caplog.records)


async def test_the_same_kind_is_said_once_within_the_quiet_time_and_again_after_it(caplog: pytest.LogCaptureFixture):
    world = World()
    assert await alert(world.app, "AzureForbidden", "look at the roles")
    assert not await alert(world.app, "AzureForbidden", "look at the roles")
    assert await alert(world.app, "SubscriptionDisabled", "pay")
    world.clock.advance(QUIET_S + 1)
    assert await alert(world.app, "AzureForbidden", "look at the roles")
    assert said(caplog) == 3


async def test_what_storage_cannot_remember_is_said_all_the_same(caplog: pytest.LogCaptureFixture):
    world = World()
    world.storage.tape.fail("cache.get", RetryableError("StorageUnavailable", "no"), times=2)
    assert await alert(world.app, "AzureForbidden", "look at the roles")
    assert await alert(world.app, "AzureForbidden", "look at the roles")
    assert said(caplog) == 2
