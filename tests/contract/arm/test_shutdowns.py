"""`DailyShutdowns`: fakes and simulated Azure alike."""

from datetime import UTC, timedelta

import pytest

from shared.errors import FatalError, RetryableError
from tests.contract.arm.backends import (
    GROUP,
    TAGS,
    Azure,
    finish,
    has_network,
    has_vm,
    has_vm_that_is_off,
    power_of,
    shutdown_plan,
    vm_plan,
)

VM = vm_plan().name
DAY_S = 24 * 3600


def in_an_hour(azure: Azure) -> str:
    """`HHMM` of the full minute an hour from now."""
    return (azure.clock.now().astimezone(UTC) + timedelta(hours=1)).strftime("%H%M")


def wait_until_after(azure: Azure, time: str) -> None:
    """Ten minutes past the next `time` (UTC): Azure is not on the second, and a machine takes some to stop."""
    now = azure.clock.now().astimezone(UTC)
    moment = now.replace(hour=int(time[:2]), minute=int(time[2:]), second=0, microsecond=0)
    if moment <= now:
        moment += timedelta(days=1)
    azure.advance((moment - now).total_seconds() + 600)


async def test_it_stops_a_machine_that_runs(azure: Azure) -> None:
    await has_vm(azure)
    time = in_an_hour(azure)
    await azure.shutdowns.put(shutdown_plan(time=time))
    assert await power_of(azure) == "running"

    wait_until_after(azure, time)

    assert await power_of(azure) == "deallocated"
    assert [one.power for one in await azure.compute.powers()] == ["deallocated"]


async def test_it_comes_every_day(azure: Azure) -> None:
    await has_vm(azure)
    time = in_an_hour(azure)
    await azure.shutdowns.put(shutdown_plan(time=time))
    wait_until_after(azure, time)
    assert await finish(azure, await azure.compute.begin_start(GROUP, VM)) is None
    assert await power_of(azure) == "running"

    wait_until_after(azure, time)

    assert await power_of(azure) == "deallocated"


async def test_it_works_although_nobody_looks_for_days(azure: Azure) -> None:
    await has_vm(azure)
    await azure.shutdowns.put(shutdown_plan(time=in_an_hour(azure)))

    azure.advance(5 * DAY_S)

    assert await power_of(azure) == "deallocated"


async def test_before_its_time_nothing_happens(azure: Azure) -> None:
    await has_vm(azure)
    await azure.shutdowns.put(shutdown_plan(time=in_an_hour(azure)))

    azure.advance(3000)

    assert await power_of(azure) == "running"


async def test_switched_off_it_does_nothing(azure: Azure) -> None:
    await has_vm(azure)
    time = in_an_hour(azure)
    await azure.shutdowns.put(shutdown_plan(time=time))
    await azure.shutdowns.put(shutdown_plan(time=time, enabled=False))

    wait_until_after(azure, time)

    assert await power_of(azure) == "running"


async def test_another_time_takes_the_place_of_the_first(azure: Azure) -> None:
    await has_vm(azure)
    first = in_an_hour(azure)
    later = (azure.clock.now().astimezone(UTC) + timedelta(hours=3)).strftime("%H%M")
    await azure.shutdowns.put(shutdown_plan(time=first))
    await azure.shutdowns.put(shutdown_plan(time=later))

    wait_until_after(azure, first)
    assert await power_of(azure) == "running"

    wait_until_after(azure, later)
    assert await power_of(azure) == "deallocated"


async def test_a_machine_that_is_off_stays_off(azure: Azure) -> None:
    await has_vm_that_is_off(azure)
    time = in_an_hour(azure)
    await azure.shutdowns.put(shutdown_plan(time=time))

    wait_until_after(azure, time)

    assert await power_of(azure) == "deallocated"


async def test_each_put_is_one_write(azure: Azure) -> None:
    await has_vm(azure)
    before = azure.writes()

    for _ in range(2):
        await azure.shutdowns.put(shutdown_plan())

    assert azure.writes() == before + 2


async def test_it_carries_our_tags_and_goes_with_its_group(azure: Azure) -> None:
    await has_vm(azure)
    await azure.shutdowns.put(shutdown_plan())
    azure.advance(60)  # lists lag behind writes
    tagged = await azure.groups.tagged("hublet-hub", TAGS["hublet-hub"])
    assert [ref.id.rsplit("/", 1)[-1] for ref in tagged if ref.type.lower().endswith("/schedules")] == [
        f"shutdown-computevm-{VM}"
    ]

    assert await finish(azure, await azure.groups.begin_delete(GROUP)) is None
    azure.advance(600)

    assert await azure.groups.tagged("hublet-hub", TAGS["hublet-hub"]) == []


async def test_a_machine_that_is_not_there_cannot_be_shut_down(azure: Azure) -> None:
    with pytest.raises(RetryableError):
        await azure.shutdowns.put(shutdown_plan())
    await has_network(azure)
    with pytest.raises(RetryableError):
        await azure.shutdowns.put(shutdown_plan())


@pytest.mark.parametrize("time", ["", "2", "2400", "1260", "12:30", "noon"])
async def test_what_is_no_time_of_day_is_our_bug(azure: Azure, time: str) -> None:
    await has_vm(azure)

    with pytest.raises(FatalError):
        await azure.shutdowns.put(shutdown_plan(time=time))
