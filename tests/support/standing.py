"""Hubs that are there already, with their machines and index entries: a test or a measurement need not make them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from shared.hubs.meter import Billing, Meter
from shared.hubs.model import Hub
from shared.hubs.ports import IndexEntry, NsgPlan, ResourceRef, VmPlan, VnetPlan
from shared.hubs.states import HubState
from shared.hubs.tags import DEPLOYMENT, HUB, OWNER_HASH
from tests.support.builders import a_ready_hub, a_stopped_hub
from tests.support.fake_arm import FakeGroup, FakeVm
from tests.support.world import World

HOUR = timedelta(hours=1)
ADDRESS = "127.77.1.4"


def plant_vm(
    world: World, hub: Hub, power_state: str | None, *, group_name: str | None = None, name: str | None = None
) -> FakeVm:
    """The hub's resource group with its machine, as if it had been made earlier; or another one like it."""
    now = world.clock.now()
    tags = {HUB: hub.id, DEPLOYMENT: world.storage.identity.deployment_id}
    plan = VmPlan(
        group=group_name or hub.group_name,
        name=name or hub.vm_name,
        region=hub.region,
        size=hub.size,
        tags=tags,
        image=hub.spec.image,
        os_disk_gib=hub.spec.os_disk_gib,
        admin_username=hub.spec.admin_user,
        ssh_public_keys=(),
        custom_data=b"",
        vnet_name="hublet-vnet",
        subnet="hub",
        nsg_name="hublet-nsg",
        dns_label=hub.dns_label,
    )

    def made_by_arm(kind: str, stem: str) -> str:
        return world.cloud.id_of(plan.group, kind, f"{stem}-of-{hub.id}")

    vm = FakeVm(
        plan=plan,
        vm_id=hub.machine.vm_id or made_by_arm("Microsoft.Compute/virtualMachines", "vm"),
        nic_id=made_by_arm("Microsoft.Network/networkInterfaces", "nic"),
        public_ip_id=made_by_arm("Microsoft.Network/publicIPAddresses", "ip"),
        disk_id=made_by_arm("Microsoft.Compute/disks", "disk"),
        ip=ADDRESS,
        created_at=now,
        settles_at=now,
        provisioning="succeeded",
        power=power_state,
        next_power=power_state,
    )
    group = world.cloud.groups.setdefault(plan.group.lower(), FakeGroup(plan.group, hub.region, tags))
    nsg = NsgPlan(group=plan.group, name=plan.nsg_name, region=plan.region, tags=tags, rules=())
    group.nsgs[nsg.name] = nsg
    group.vnets[plan.vnet_name] = VnetPlan(
        group=plan.group,
        name=plan.vnet_name,
        region=plan.region,
        tags=tags,
        address_prefix="10.0.0.0/24",
        subnet=plan.subnet,
        subnet_prefix="10.0.0.0/24",
        nsg_name=nsg.name,
    )
    group.vms[plan.name.lower()] = vm
    return vm


def seed(world: World, hub: Hub, power_state: str | None) -> Hub:
    """The hub with its index entry and its machine (None = there is none), that changed an hour ago."""
    earlier = world.clock.now() - HOUR
    world.on_vm.machine(ADDRESS).started = [earlier - HOUR]  # JupyterHub is installed on machines
    running = hub.state is HubState.READY
    hub = replace(
        hub,
        created_at=earlier,
        state_since=earlier,
        updated_at=earlier,
        life=replace(hub.life, cursor=earlier),
        meter=Meter(billing=Billing.RUNNING if running else Billing.STOPPED, since=earlier),
    )
    stored = world.storage.hubs.seed(hub)
    world.storage.index.entries[hub.id] = IndexEntry(
        hub_id=hub.id, owner=hub.owner, name=hub.name, state=str(hub.state)
    )
    if power_state is not None:
        plant_vm(world, hub, power_state)
    return stored


def seed_ready(world: World, name: str, power_state: str | None = "running", **changes: Any) -> Hub:
    return seed(world, a_ready_hub(name=name, **changes), power_state)


def seed_stopped(world: World, name: str, power_state: str | None = "deallocated", **changes: Any) -> Hub:
    return seed(world, a_stopped_hub(name=name, **changes), power_state)


# ------------------------------------------------------------------ what is left behind


def ours(world: World, hub_id: str) -> dict[str, str]:
    """The tags this deployment gives to everything of a hub."""
    return {HUB: hub_id, DEPLOYMENT: world.storage.identity.deployment_id, OWNER_HASH: "0" * 16}


def plant_group(world: World, name: str, tags: Mapping[str, str]) -> FakeGroup:
    """A resource group with nothing in it."""
    group = FakeGroup(name, "eastus", dict(tags))
    world.cloud.groups[name.lower()] = group
    return group


def plant_loose(world: World, group: FakeGroup, *kinds: str, tags: Mapping[str, str] | None = None) -> None:
    """Things that belong to no machine, with the group's tags or others."""
    for kind in kinds:
        name = f"left-{len(group.loose)}"
        found = ResourceRef(
            id=world.cloud.id_of(group.name, kind, name),
            type=kind,
            tags=dict(group.tags if tags is None else tags),
        )
        group.loose.append(found)
