"""The list of what is ours, put in order: the same over the fakes and over the simulated Azure, which omits tags."""

from shared.hubs.inventory import NAMES, SHUTDOWN, inventory_of
from tests.contract.arm.backends import GROUP, REGION, TAGS, Azure, finish, has_vm, shutdown_plan

HUB_ID = TAGS["hublet-hub"]


async def test_a_hub_that_is_whole_has_everything_a_hub_needs_in_its_latest_group(azure: Azure) -> None:
    await has_vm(azure)
    await azure.shutdowns.put(shutdown_plan())
    await azure.groups.put("hublet-other-zz2zz3-a2", REGION, {**TAGS, "hublet-hub": "other-zz2zz3"})
    await azure.groups.put("hublet-theirs-zz2zz3-a1", REGION, {**TAGS, "hublet-deployment": "d2"})

    inventory = inventory_of(await azure.groups.tagged("hublet-deployment", "d1"), "d1")

    assert set(inventory.latest()) == {HUB_ID, "other-zz2zz3"}
    group = inventory.latest()[HUB_ID]
    assert (group.name, group.attempt, group.kinds) == (GROUP, 1, frozenset(NAMES))
    assert inventory.latest()["other-zz2zz3"].attempt == 2
    assert inventory.strays == {}


async def test_things_of_ours_in_a_group_that_lost_its_tags_are_strays(azure: Azure) -> None:
    await has_vm(azure)
    await azure.groups.put(GROUP, REGION, {"team": "physics"})

    inventory = inventory_of(await azure.groups.tagged("hublet-deployment", "d1"), "d1")

    assert inventory.groups == {}
    assert len(inventory.strays[GROUP]) == len(frozenset(NAMES) - {SHUTDOWN})


async def test_after_the_group_is_gone_nothing_is_listed(azure: Azure) -> None:
    await has_vm(azure)
    assert await finish(azure, await azure.groups.begin_delete(GROUP)) is None

    inventory = inventory_of(await azure.groups.tagged("hublet-deployment", "d1"), "d1")

    assert (inventory.groups, inventory.strays) == ({}, {})
