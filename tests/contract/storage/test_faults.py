"""Faults of clocks, against a real storage account's `Date` (docs/faults.md): F15."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.adapters.storage.cache import TableCache
from shared.adapters.storage.client import StorageClients
from shared.clock import StorageTime
from tests.support.builders import some_settings


@pytest.mark.parametrize("wrong", [timedelta(minutes=10), timedelta(minutes=-10)])
async def test_f15_one_answer_of_storage_puts_a_wrong_clock_right(azurite: str, wrong: timedelta) -> None:
    time = StorageTime(wall=lambda: datetime.now(UTC) + wrong)
    assert abs(time.now() - datetime.now(UTC)) > timedelta(minutes=9)
    clients = StorageClients(some_settings(AzureWebJobsStorage=azurite), prefix="f15", time=time)
    try:
        await TableCache(clients, time).get("nothing", max_age_s=60)
    finally:
        await clients.close()
    assert abs(time.now() - datetime.now(UTC)) < timedelta(seconds=2)
