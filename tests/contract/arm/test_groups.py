"""`ResourceGroups`: fakes and simulated Azure alike."""

import pytest

from shared.errors import FatalError, RetryableError
from tests.contract.arm.backends import GROUP, REGION, TAGS, Azure, finish, has_group, has_vm


async def test_a_group_is_read_back_with_its_region_and_tags(azure: Azure) -> None:
    await has_group(azure)

    group = await azure.groups.get(GROUP)

    assert group is not None
    assert (group.name, group.region, dict(group.tags), group.deleting) == (GROUP, REGION, TAGS, False)


async def test_an_absent_group_is_none(azure: Azure) -> None:
    assert await azure.groups.get("nowhere") is None


async def test_names_are_found_in_any_case(azure: Azure) -> None:
    await has_group(azure)

    assert await azure.groups.get(GROUP.upper()) is not None


async def test_putting_a_group_again_changes_nothing(azure: Azure) -> None:
    await has_group(azure)
    before = await azure.groups.get(GROUP)

    await has_group(azure)

    assert await azure.groups.get(GROUP) == before


async def test_a_group_of_another_region_is_not_moved(azure: Azure) -> None:
    await has_group(azure)

    with pytest.raises(FatalError) as refused:
        await azure.groups.put(GROUP, "westeurope", TAGS)

    assert refused.value.code == "InvalidResourceGroupLocation"


async def test_deleting_an_absent_group_is_over_at_once(azure: Azure) -> None:
    assert (await azure.groups.begin_delete("nowhere")).handle is None


async def test_a_group_says_that_it_is_being_deleted_and_takes_nothing_new(azure: Azure) -> None:
    await has_group(azure)

    await azure.groups.begin_delete(GROUP)

    group = await azure.groups.get(GROUP)
    assert group is not None and group.deleting
    with pytest.raises(RetryableError) as refused:
        await has_group(azure)
    assert refused.value.code == "ResourceGroupBeingDeleted"


async def test_with_the_group_everything_in_it_goes(azure: Azure) -> None:
    await has_vm(azure)

    assert await finish(azure, await azure.groups.begin_delete(GROUP)) is None

    assert await azure.groups.get(GROUP) is None
    assert await azure.groups.tagged("hublet-hub", TAGS["hublet-hub"]) == []


async def test_deleting_twice_joins_the_running_delete(azure: Azure) -> None:
    await has_group(azure)
    first = await azure.groups.begin_delete(GROUP)

    second = await azure.groups.begin_delete(GROUP)

    assert await finish(azure, first) is None
    assert await finish(azure, second) is None
    assert await azure.groups.get(GROUP) is None


async def test_the_group_and_every_resource_in_it_are_found_by_their_tag(azure: Azure) -> None:
    await has_vm(azure)
    await azure.groups.put("hublet-other-a1", REGION, {"hublet-hub": "other"})

    found = await azure.groups.tagged("hublet-hub", TAGS["hublet-hub"])

    assert {ref.type.lower() for ref in found} >= {
        "microsoft.resources/resourcegroups",
        "microsoft.network/networksecuritygroups",
        "microsoft.network/virtualnetworks",
        "microsoft.network/networkinterfaces",
        "microsoft.network/publicipaddresses",
        "microsoft.compute/virtualmachines",
    }
    # ARM leaves the tags out of what it found by them; groups have theirs
    assert all(ref.tags.get("hublet-deployment", "d1") == "d1" for ref in found)
    (group,) = [ref for ref in found if ref.type.lower() == "microsoft.resources/resourcegroups"]
    assert dict(group.tags) == TAGS
    assert not any("other" in ref.id for ref in found)


async def test_tags_are_found_without_regard_to_case(azure: Azure) -> None:
    await azure.groups.put(GROUP, REGION, {"Hublet-Hub": "physics-ab2cd3"})

    assert len(await azure.groups.tagged("hublet-hub", "physics-ab2cd3")) == 1


async def test_what_is_within_a_group_is_listed_with_its_tags(azure: Azure) -> None:
    await has_vm(azure)

    within = await azure.groups.within(GROUP.upper())

    assert {ref.type.lower() for ref in within} == {
        "microsoft.network/networksecuritygroups",
        "microsoft.network/virtualnetworks",
        "microsoft.network/networkinterfaces",
        "microsoft.network/publicipaddresses",
        "microsoft.compute/virtualmachines",
        "microsoft.compute/disks",
    }
    assert {tuple(sorted(ref.tags.items())) for ref in within} == {tuple(sorted(TAGS.items()))}


async def test_within_an_absent_group_is_nothing(azure: Azure) -> None:
    assert await azure.groups.within("nowhere") == []


async def test_a_list_by_tag_that_has_many_pages_is_read_to_its_end(azure: Azure) -> None:
    azure.pages_of(2)
    await has_vm(azure)
    for number in range(5):
        await azure.groups.put(f"hublet-h{number}-a1", REGION, TAGS)

    found = await azure.groups.tagged("hublet-deployment", "d1")

    groups = [ref for ref in found if ref.type.lower() == "microsoft.resources/resourcegroups"]
    assert (len(groups), len(found)) == (6, 12)
