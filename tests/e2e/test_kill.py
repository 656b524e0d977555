"""The Functions host dies in the middle (SIGKILL): another one goes on where it was, and does nothing twice."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from azure.storage.queue import QueueServiceClient

from localdev.stack import start_host
from tests.e2e.azure import Azure
from tests.e2e.environment import Environment, running_environment
from tests.e2e.people import refused

LIMIT_S = 60.0
LEASE_S = 5
"""Real ones last ten minutes: a killed host's messages would come back only then, or be put again by the due table."""

HOST_ARGS = ("--lease-seconds", str(LEASE_S), "--timer", "tick_timer=2")
"""Only the tick is fast: sweeps and audits every two seconds would put again what is on its way, and that is not asked
here."""

SLOW_VM_S = 240.0
"""Twelve seconds at the tests' pace: long enough to be killed in."""

MOMENTS = ("machine", "install")


@dataclass(frozen=True)
class Killed:
    """One hub before the kill and at its end. `vm_id`: the id that Azure gave the machine, another for another one."""

    environment: Environment
    stage: str
    vm_id: str
    hub: dict[str, Any]
    ready_after_s: float


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Killed]]:
    """Two hubs in different stages, one kill, one host started again."""
    folder = tmp_path_factory.mktemp("kill")
    settings = {"HUBLET_REDRIVE_SECONDS": str(LEASE_S)}
    with running_environment(folder, host_args=HOST_ARGS, settings=settings) as running:
        api, azure = running.api, running.azure
        api.create({"name": "install"})
        api.until_stage("install", "boot", "install")
        azure.simulator("transitions", {"VirtualMachines_CreateOrUpdate": SLOW_VM_S})
        machine = api.create({"name": "machine"})
        _until_vm_is_asked_for(azure, machine["id"])
        before = {name: api.hub(name) for name in MOMENTS}

        running.stack.host.kill()
        assert refused(*api.address)
        vm_ids = {name: _vm_id(azure, hub) for name, hub in before.items()}
        began = time.monotonic()
        start_host(
            running.children,
            folder,
            running.stack.settings,
            port=api.address[1],
            host_args=HOST_ARGS,
            name="second-host",
        )
        ended = {}
        for name in ("install", "machine"):
            hub = api.until_ready(name, LIMIT_S)
            after_s = time.monotonic() - began
            ended[name] = Killed(running, before[name]["progress"]["stage"], vm_ids[name], hub, after_s)
        yield ended


def _until_vm_is_asked_for(azure: Azure, hub_id: str) -> None:
    deadline = time.monotonic() + 60
    while not azure.asked("VirtualMachines_CreateOrUpdate", hub_id):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _vm_id(azure: Azure, hub: dict[str, Any]) -> str:
    [vm] = azure.vms(f"hublet-{hub['id']}-a1")
    assert vm.vm_id
    return str(vm.vm_id)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_hub_whose_host_was_killed_becomes_ready_within_a_minute_of_the_restart(
    killed: dict[str, Killed], moment: str
) -> None:
    assert killed[moment].stage == moment
    assert killed[moment].hub["state"] == "ready"
    assert killed[moment].ready_after_s < LIMIT_S


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_hub_whose_host_was_killed_has_the_same_machine_and_nothing_doubled(
    killed: dict[str, Killed], moment: str
) -> None:
    azure, hub = killed[moment].environment.azure, killed[moment].hub
    assert _vm_id(azure, hub) == killed[moment].vm_id
    assert azure.groups_of(hub["id"]) == {f"hublet-{hub['id']}-a1"}
    kinds = sorted(resource.split("/")[-2] for resource in azure.belonging_to(hub["id"]))
    assert kinds == [
        "disks",
        "networkinterfaces",
        "networksecuritygroups",
        "publicipaddresses",
        "virtualmachines",
        "virtualnetworks",
    ]
    assert len(hub["attempts"]) == 1


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize(
    "operation",
    [
        "ResourceGroups_CreateOrUpdate",
        "VirtualNetworks_CreateOrUpdate",
        "NetworkSecurityGroups_CreateOrUpdate",
        "VirtualMachines_CreateOrUpdate",
    ],
)
def test_each_resource_was_created_by_exactly_one_request(
    killed: dict[str, Killed], moment: str, operation: str
) -> None:
    asked = killed[moment].environment.azure.asked(operation, killed[moment].hub["id"])
    assert [request["status"] for request in asked].count(201) == 1, asked
    assert all(request["status"] in (200, 201) for request in asked), asked


def test_the_installer_ran_once(killed: dict[str, Killed]) -> None:
    for name, one in killed.items():
        log = one.environment.api.call("GET", f"/hubs/{name}/log").body.decode()
        assert log.count("Done!") == 1, name
        assert log.count("Existing TLJH installation not detected, installing...") == 1, name


def test_no_message_was_poisoned(killed: dict[str, Killed]) -> None:
    storage = killed["install"].environment.stack.storage
    with QueueServiceClient.from_connection_string(storage) as queues:
        assert "hub-work-poison" not in [
            queue.name for queue in queues.list_queues()
        ]  # made for the first such message
