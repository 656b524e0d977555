"""Deleting takes everything: in Azure, on this machine, in our own books."""

from typing import Any

from localdev.azuresim.durations import MEDIAN_S
from tests.contract.vm.lab import living
from tests.e2e.api import Api
from tests.e2e.conftest import Three
from tests.e2e.environment import Environment
from tests.e2e.people import refused
from tests.support.wait import eventually

DELETE_LIMIT_S = 60.0
DELETION_S = MEDIAN_S["ResourceGroups_Delete"]
LONG_DELETION_S = 4 * DELETION_S
"""Nominal: long enough that a busy machine can ask something meanwhile."""


def vm_of(hub: dict[str, Any]) -> str:
    return f"{hub['id']}-a1-vm"


async def delete_and_see_nothing_left(environment: Environment, api: Api, hub: dict[str, Any]) -> dict[str, Any]:
    """Returns the operation when it has ended."""
    azure, name = environment.azure, hub["name"]
    assert azure.belonging_to(hub["id"])
    sockets = [azure.reach(hub["fqdn"], port) for port in (22, 80, 443)] if hub["fqdn"] else []
    answer = api.call("DELETE", f"/hubs/{name}")
    assert answer.status == 202, answer
    assert (answer.json()["goal"], answer.json()["state"]) == ("deleted", "deleting")
    operation_path = answer.headers["operation-location"].removeprefix(api.base)

    def ended() -> dict[str, Any]:
        seen: dict[str, Any] = api.call("GET", operation_path).json()
        return seen if seen["status"] not in ("NotStarted", "Running") else {}

    operation: dict[str, Any] = await eventually(ended, DELETE_LIMIT_S)
    assert api.call("GET", f"/hubs/{name}").code == "HubNotFound"
    assert name not in api.names()
    assert azure.belonging_to(hub["id"]) == set()
    assert azure.groups_of(hub["id"]) == set()
    machine = environment.disk(vm_of(hub)).parent
    assert living(machine) == []
    assert not machine.exists()
    assert [socket for socket in sockets if not refused(*socket)] == []
    return operation


async def test_a_ready_hub_goes_with_all_it_had(environment: Environment, three: Three, spare: dict[str, Any]) -> None:
    machine = environment.disk(vm_of(spare)).parent
    assert living(machine) != []
    operation = await delete_and_see_nothing_left(environment, three.ada, spare)
    assert (operation["status"], operation["kind"], operation["percent"]) == ("Succeeded", "delete", 100)
    created = three.ada.call("GET", f"/operations/{spare['id']}.1").json()
    assert created["status"] == "Succeeded"  # history is not rewritten


async def test_a_hub_that_is_being_made_goes_too_and_its_name_is_free_again(
    environment: Environment, three: Three
) -> None:
    api, azure = three.ada, environment.azure
    first = api.create({"name": "fleeting"})

    await eventually(lambda: azure.asked("VirtualMachines_CreateOrUpdate", first["id"]), 60)
    operation = await delete_and_see_nothing_left(environment, api, first)
    assert operation["status"] == "Succeeded"
    assert api.call("GET", f"/operations/{first['id']}.1").json()["status"] == "Canceled"

    second = api.create({"name": "fleeting"})
    assert second["id"] != first["id"]
    assert second["state"] == "accepted"
    api.until_stage("fleeting", "network", "machine", "boot")
    assert api.call("DELETE", "/hubs/fleeting").status == 202


async def test_deleting_twice_is_deleting_once(environment: Environment, three: Three) -> None:
    azure = environment.azure
    hub = three.ada.create({"name": "twice"})
    await eventually(lambda: azure.asked("VirtualMachines_CreateOrUpdate", hub["id"]), 60)
    azure.simulator("transitions", {"ResourceGroups_Delete": LONG_DELETION_S})
    try:
        answers = [three.ada.call("DELETE", "/hubs/twice") for _ in range(2)]
        assert [answer.status for answer in answers] == [202, 202]
        assert len({answer.headers["operation-location"] for answer in answers}) == 1
        assert three.ada.call("POST", "/hubs", {"name": "twice"}).code == "HubIsBeingDeleted"
        three.ada.until_gone("twice")
    finally:
        azure.simulator("transitions", {"ResourceGroups_Delete": DELETION_S})
    assert three.ada.call("DELETE", "/hubs/twice").code == "HubNotFound"
    assert environment.azure.belonging_to(hub["id"]) == set()
