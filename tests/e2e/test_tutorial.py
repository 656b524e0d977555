"""The tutorial of 28 screenshots, row by row: what a person did by hand there has happened by itself here."""

import socket
import ssl
import subprocess
from itertools import pairwise
from typing import Any

import asyncssh
import pytest

from tests.e2e.conftest import EXPIRES_AT, SCHEDULE, OwnKey, Three, TutorialHub
from tests.e2e.environment import Environment
from tests.e2e.people import banner, status_of, trusting_visitor, visitor

STEPS = [
    *("group", "network", "machine", "address", "boot", "install"),
    *("configure", "expose", "https", "accept", "lock"),
]
WORLD = {"*", "0.0.0.0/0", "::/0", "Internet", "Any"}


@pytest.fixture
def machine(environment: Environment, tutorial: TutorialHub) -> Any:
    """The virtual machine as Azure knows it."""
    return environment.azure.compute.virtual_machines.get(tutorial.group, tutorial.vm_name)


# ------------------------------------------------------------------ resource group


def test_row_resource_group__one_tagged_group_holds_all_of_a_hub(
    environment: Environment, tutorial: TutorialHub
) -> None:
    assert environment.azure.groups_of(tutorial.id) == {tutorial.group}
    group = environment.azure.resources.resource_groups.get(tutorial.group)
    assert group.tags is not None and group.tags["hublet-hub"] == tutorial.id
    found = list(environment.azure.resources.resources.list_by_resource_group(tutorial.group))
    assert len(found) == 6, found
    for resource in found:
        assert resource.tags is not None, resource
        assert {name: resource.tags[name] for name in group.tags} == group.tags, resource


def test_row_resource_group__the_owners_name_is_not_readable_in_azure(
    environment: Environment, tutorial: TutorialHub
) -> None:
    tags = environment.azure.resources.resource_groups.get(tutorial.group).tags or {}
    assert set(tags) >= {"hublet-hub", "hublet-deployment", "hublet-owner-hash"}
    assert tags["hublet-owner-hash"] != "jaydoe"


# ------------------------------------------------------------------ name, region, image, size, price


def test_row_vm_basics__name_region_image_and_size_are_the_tutorials(tutorial: TutorialHub, machine: Any) -> None:
    assert machine.name.startswith("jaydoe-tljh")
    assert machine.location == tutorial.hub["region"] == "eastus"
    assert machine.hardware_profile.vm_size == tutorial.hub["size"] == "Standard_D2s_v3"
    image = machine.storage_profile.image_reference
    assert (image.publisher, image.offer) == ("Canonical", "ubuntu-24_04-lts")
    assert tutorial.hub["image"] == "ubuntu-24.04"


def test_row_vm_basics__an_estimate_says_the_price_before_anything_is_made(
    environment: Environment, tutorial: TutorialHub
) -> None:
    before = environment.azure.groups()
    answer = tutorial.api.call("POST", "/estimates", {})
    assert answer.status == 200, answer
    estimate = answer.json()
    assert (estimate["size"], estimate["region"]) == ("Standard_D2s_v3", "eastus")
    price = estimate["price"]
    assert price["currency"] == "USD"
    assert 0 < price["perHourStopped"] < price["perHourRunning"] < 1
    assert price["perHourRunning"] == pytest.approx(sum(price["parts"].values()), abs=0.001)
    assert environment.azure.groups() == before


def test_row_vm_basics__size_and_region_can_be_chosen_by_their_price(tutorial: TutorialHub) -> None:
    sizes = tutorial.api.call("GET", "/sizes?region=westeurope").json()["value"]
    assert len(sizes) > 5
    assert all(size["pricePerHour"] > 0 and size["vcpus"] > 0 for size in sizes if size["available"])
    wish = {"size": "Standard_D4s_v3", "region": "westeurope", "osDiskGiB": 64, "image": "ubuntu-22.04"}
    dearer = tutorial.api.call("POST", "/estimates", wish).json()
    assert {name: dearer[name] for name in wish} == wish
    plain = tutorial.api.call("POST", "/estimates", {}).json()
    assert dearer["price"]["perHourRunning"] > plain["price"]["perHourRunning"]


def test_row_vm_basics__the_hub_shows_what_it_costs(tutorial: TutorialHub) -> None:
    cost = tutorial.api.hub(tutorial.name)["cost"]
    price = tutorial.api.call("POST", "/estimates", {}).json()["price"]
    assert cost["perHourNow"] == price["perHourRunning"]
    assert cost["perMonthStopped"] == price["perMonthStopped"]
    assert cost["soFar"] >= 0


# ------------------------------------------------------------------ administrator account and key pair


def test_row_administrator_account__has_the_chosen_name_and_no_password_login(
    tutorial: TutorialHub, machine: Any
) -> None:
    profile = machine.os_profile
    assert profile.admin_username == tutorial.hub["adminUser"] == "jaydoe"
    assert profile.admin_password is None
    assert profile.linux_configuration.disable_password_authentication is True


def test_row_key_pair__the_pem_downloads_and_fits_the_machine(tutorial: TutorialHub, machine: Any) -> None:
    answer = tutorial.key_again
    assert answer.status == 200, answer
    assert answer.headers["content-disposition"] == 'attachment; filename="jaydoe-tljh.pem"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.body == tutorial.pem.read_bytes()  # the same again: a lost answer locks nobody out
    public = asyncssh.import_private_key(answer.body).export_public_key().decode().split()[:2]
    [known] = machine.os_profile.linux_configuration.ssh.public_keys
    assert known.key_data.split()[:2] == public


def test_row_key_pair__openssh_takes_the_pem_as_it_was_downloaded(tutorial: TutorialHub) -> None:
    argv = ["ssh-keygen", "-y", "-P", "", "-f", str(tutorial.pem)]
    shown = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith("ssh-ed25519 ")


def test_row_key_pair__an_own_public_key_is_used_and_nothing_is_generated(
    environment: Environment, three: Three, secure: dict[str, Any], own_key: OwnKey
) -> None:
    vm = environment.azure.compute.virtual_machines.get(f"hublet-{secure['id']}-a1", f"{secure['id']}-a1-vm")
    [known] = vm.os_profile.linux_configuration.ssh.public_keys
    assert known.key_data is not None and known.key_data.split()[:2] == own_key.public.split()[:2]
    assert three.ada.call("POST", "/hubs/secure/ssh-key").code == "SshKeyIsYours"


# ------------------------------------------------------------------ firewall


def test_row_firewall__http_and_https_are_open_and_22_is_not(environment: Environment, tutorial: TutorialHub) -> None:
    rules = {rule.name: rule for rule in environment.azure.inbound_rules(tutorial.group)}
    assert rules["web"].ports == {"80", "443"}
    assert rules["web"].sources == {"*"}
    assert rules["ssh-owner"].sources == {"127.0.0.1/32"}
    for name, rule in rules.items():
        if name != "web":
            assert rule.ports == {"22"}, rule
            assert not rule.sources & WORLD, rule


def test_row_firewall__22_was_never_open_to_the_world_and_the_web_ports_not_before_their_time(
    tutorial: TutorialHub,
) -> None:
    looked_during_install = 0
    for moment in tutorial.moments:
        for rule in moment.rules:
            if "22" in rule.ports or "*" in rule.ports:
                assert not rule.sources & WORLD, moment
        if moment.hub["progress"]["stage"] in ("machine", "boot", "install", "configure") and moment.rules:
            looked_during_install += 1
            assert {port for rule in moment.rules for port in rule.ports} == {"22"}, moment
    assert looked_during_install > 2


def test_row_firewall__without_ssh_from_22_is_closed_and_proven_closed(
    environment: Environment, secure: dict[str, Any]
) -> None:
    assert secure["sshCommand"] is None
    assert secure["ssh"]["port22"] == "closed"
    assert secure["ssh"]["closedProvenAt"]
    assert [rule.ports for rule in environment.azure.inbound_rules(f"hublet-{secure['id']}-a1")] == [{"80", "443"}]
    assert banner(secure["ip"], 22) == b""


# ------------------------------------------------------------------ disks


def test_row_disks__nic_address_and_disk_are_marked_to_go_with_the_vm(machine: Any) -> None:
    assert machine.storage_profile.os_disk.delete_option == "Delete"
    assert machine.storage_profile.os_disk.managed_disk is not None
    [interface] = machine.network_profile.network_interface_configurations or machine.network_profile.network_interfaces
    assert interface.delete_option == "Delete"


def test_row_disks__deleting_the_vm_leaves_no_nic_address_or_disk(environment: Environment, three: Three) -> None:
    azure = environment.azure
    hub = three.ada.create({"name": "disks"})
    group = f"hublet-{hub['id']}-a1"
    three.ada.until_stage("disks", "boot", "install")
    kinds = {"networkinterfaces", "publicipaddresses", "disks", "virtualmachines"}
    assert kinds <= _kinds(azure.belonging_to(hub["id"]))
    azure.compute.virtual_machines.begin_delete(group, f"{hub['id']}-a1-vm").result(timeout=60)
    assert _kinds(azure.belonging_to(hub["id"])) == {"networksecuritygroups", "virtualnetworks"}
    assert three.ada.call("DELETE", "/hubs/disks").status == 202
    three.ada.until_gone("disks")
    assert azure.belonging_to(hub["id"]) == set()


def _kinds(ids: set[str]) -> set[str]:
    return {resource.split("/")[-2] for resource in ids}


# ------------------------------------------------------------------ auto-shutdown


def test_row_auto_shutdown__schedule_and_end_date_are_accepted_and_kept(secure: dict[str, Any]) -> None:
    assert secure["schedule"] == {**SCHEDULE, "blocks": [], "skip": [], "until": None}
    assert secure["idleMinutes"] == 60
    assert secure["expiresAt"] == EXPIRES_AT
    assert secure["tags"] == {"course": "bio101"}


# ------------------------------------------------------------------ deployment progress


def test_row_progress__stages_percent_and_time_left_are_shown_until_ready(tutorial: TutorialHub) -> None:
    hubs = [moment.hub for moment in tutorial.moments]
    percents = [hub["progress"]["percent"] for hub in hubs]
    assert percents == sorted(percents)
    assert percents[-1] == 100 and percents[0] < 20
    assert len(set(percents)) > 4
    assert [stage["name"] for stage in hubs[-1]["stages"]] == STEPS
    assert {stage["status"] for stage in hubs[-1]["stages"]} == {"done"}
    for hub in hubs[:-1]:
        assert hub["progress"]["etaSeconds"] > 0
        assert hub["progress"]["message"]
    assert hubs[-1]["progress"]["etaSeconds"] == 0


def test_row_progress__states_come_in_their_order(tutorial: TutorialHub) -> None:
    order = ["accepted", "provisioning", "installing", "verifying", "ready"]
    seen = [order.index(moment.hub["state"]) for moment in tutorial.moments]
    assert seen == sorted(seen)
    events = tutorial.api.call("GET", f"/hubs/{tutorial.name}/events").json()["value"]
    moves = [(event["from"], event["to"]) for event in events if event["to"] not in (None, event["from"])]
    assert moves == [(None, "accepted"), *pairwise(order)]


def test_row_progress__the_operation_tells_the_same(tutorial: TutorialHub) -> None:
    for moment in tutorial.moments[:-1]:
        assert moment.operation["status"] in ("NotStarted", "Running", "Succeeded")
    ended = tutorial.api.call("GET", f"/operations/{tutorial.id}.1").json()
    assert (ended["status"], ended["percent"], ended["etaSeconds"]) == ("Succeeded", 100, 0)
    assert ended["resource"].endswith("/hubs/jaydoe-tljh")
    assert ended["error"] is None and ended["endedAt"]


def test_row_progress__public_address_and_name_are_azures(environment: Environment, tutorial: TutorialHub) -> None:
    [public] = list(environment.azure.network.public_ip_addresses.list(tutorial.group))
    assert public.ip_address == tutorial.hub["ip"]
    assert public.dns_settings is not None and public.dns_settings.fqdn == tutorial.hub["fqdn"]
    assert tutorial.hub["fqdn"] == f"{tutorial.id}.eastus.cloudapp.azure.com"
    assert public.public_ip_allocation_method == "Static"


# ------------------------------------------------------------------ the url, the first login


def test_row_url__opens_as_given(tutorial: TutorialHub) -> None:
    url = tutorial.hub["url"]
    assert url == f"http://{tutorial.hub['ip']}/"
    assert status_of(tutorial.hub["ip"], 80, "/") == (302, "/hub/")
    assert status_of(tutorial.hub["ip"], 80, "/hub/login")[0] == 200


async def test_row_first_login__a_stranger_cannot_become_the_admin(tutorial: TutorialHub) -> None:
    for guess in ("", "jaydoe", "correct horse battery staple"):
        async with visitor(tutorial.hub["url"], "jaydoe") as stranger:
            assert await stranger.log_in(guess) == 403, guess


async def test_row_first_login__the_owner_gets_in_with_the_password_that_was_set(tutorial: TutorialHub) -> None:
    async with visitor(tutorial.hub["url"], "jaydoe") as owner:
        assert await owner.log_in(tutorial.password) == 302


async def test_row_https__the_chain_verifies_through_the_public_name(
    environment: Environment, secure: dict[str, Any]
) -> None:
    name = secure["fqdn"]
    assert secure["url"] == f"https://{name}/"
    assert secure["conditions"] == []
    context = ssl.create_default_context(cafile=environment.stack.ca)
    address = environment.azure.reach(name, 443)
    with (
        socket.create_connection(address, timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as tls,
    ):
        certificate = tls.getpeercert()
    assert certificate and ("DNS", name) in certificate["subjectAltName"]
    with (
        socket.create_connection(address, timeout=10) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
        ssl.create_default_context().wrap_socket(plain, server_hostname=name),
    ):
        pass  # nobody but the simulated authority vouches for it


async def test_row_https__the_owner_logs_in_through_it_and_plain_http_leads_to_it(
    environment: Environment, three: Three, secure: dict[str, Any]
) -> None:
    address, port = environment.azure.reach(secure["fqdn"], 80)
    status, location = status_of(address, port, "/hub/login")
    assert (status, location) == (301, f"https://{address}/hub/login")
    given = three.ada.call("POST", "/hubs/secure/admin-password").json()
    assert given["url"] == secure["url"]
    person = trusting_visitor(secure["url"], given["adminUser"], environment.azure, environment.stack.ca)
    async with person as owner:
        assert await owner.log_in("guessed") == 403
        assert await owner.log_in(given["password"]) == 302
