"""A list of tagged things in order: cases of names, what is no id, and whose a group is."""

import pytest

from shared.hubs.inventory import INTERFACE, hub_named_by, inventory_of, tag_of
from shared.hubs.orphans import Why, judge
from shared.hubs.ports import ResourceRef

ID = "physics-ab2cd3"
OURS = {"hublet-hub": ID, "hublet-deployment": "d1"}


def group(name: str, **tags: str) -> ResourceRef:
    return ResourceRef(
        id=f"/subscriptions/s/resourceGroups/{name}",
        type="Microsoft.Resources/resourceGroups",
        tags={key.replace("_", "-"): value for key, value in (tags or {**OURS}).items()},
    )


def interface(of: str) -> ResourceRef:
    return ResourceRef(
        id=f"/subscriptions/s/resourcegroups/{of}/providers/Microsoft.Network/networkInterfaces/n",
        type="Microsoft.Network/networkInterfaces",
        tags={},
    )


def test_a_resource_is_in_its_group_whatever_the_case_of_either():
    inventory = inventory_of([group(f"hublet-{ID}-a1"), interface(f"HUBLET-{ID.upper()}-A1")], "d1")
    assert inventory.latest()[ID].kinds == {INTERFACE}
    assert inventory.strays == {}


def test_the_highest_attempt_is_the_latest_and_ten_is_higher_than_nine():
    inventory = inventory_of([group(f"hublet-{ID}-a{number}") for number in (9, 10, 1)], "d1")
    assert inventory.latest()[ID].attempt == 10
    found = judge(inventory, {ID})
    assert [(one.attempt, one.why) for one in found] == [(1, Why.OLD_ATTEMPT), (9, Why.OLD_ATTEMPT)]


def test_what_is_no_id_of_azures_is_left_out():
    odd = ResourceRef(id="vm-of-nobody", type="x/y", tags={})
    inventory = inventory_of([odd], "d1")
    assert (inventory.groups, inventory.strays) == ({}, {})


@pytest.mark.parametrize("deployment", ["d2", "D1", "", "d1 "])
def test_a_group_with_another_deployments_id_is_not_ours_nor_is_what_is_in_it(deployment: str):
    """ARM's filter may ignore the case of a value."""
    name = f"hublet-{ID}-a1"
    listed = [group(name, hublet_hub=ID, hublet_deployment=deployment), interface(name)]
    inventory = inventory_of(listed, "d1")
    assert (inventory.groups, inventory.strays) == ({}, {})


def test_names_of_tags_ignore_case():
    assert tag_of({"HUBLET-Hub": "x"}, "hublet-hub") == "x"
    assert tag_of({}, "hublet-hub") is None


@pytest.mark.parametrize("name", ["hublet-a1", f"hublet-{ID}-a0", f"hublet-{ID}-a", f"hublet-{ID}-ax", f"x-{ID}-a1"])
def test_another_name_is_no_hubs(name: str):
    assert hub_named_by(name) is None
    (orphan,) = judge(inventory_of([group(name)], "d1"), set())
    assert orphan.why is Why.NAME
    assert not orphan.removable


def test_a_group_of_a_live_hub_whose_hub_tag_was_removed_is_no_leftover():
    inventory = inventory_of([group(f"hublet-{ID}-a1", hublet_deployment="d1")], "d1")
    assert judge(inventory, {ID}) == []
    assert [one.why for one in judge(inventory, set())] == [Why.NO_HUB_TAG]


def test_what_can_be_removed_is_remembered_first():
    strays = [interface(f"a{number}") for number in range(5)]
    found = judge(inventory_of([*strays, group(f"hublet-{ID}-a1")], "d1"), set())
    assert found[0].why is Why.NO_HUB
    assert {one.why for one in found[1:]} == {Why.STRAY}
