"""Somebody switches a hub's machine off and on in the portal, or deletes it: ARM calls on a VM with a real hub."""

import asyncio
import base64
import hashlib
import secrets
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from localdev.azuresim.clock import ManualClock
from localdev.azuresim.simulator import Simulator
from localdev.azuresim.vm.runtime import LocalVmRuntime
from tests.contract.vm.hub_client import Person
from tests.contract.vm.lab import (
    ADMIN,
    PASSWORD,
    Authority,
    FastClock,
    Keys,
    Lab,
    Rules,
    cloud_config,
    custom_data,
    living,
    runtime,
    spec,
)
from tests.support import azure_requests as bodies
from tests.support.azure_requests import GROUP, NSG, SCHEDULE, SUBNET, VM, VNET, Caller

pytestmark = pytest.mark.asyncio(loop_scope="package")

FQDN = "hub-a.eastus.cloudapp.azure.com"
DAY = 86_400


@dataclass
class Portal:
    """A subscription with one VM, and what is on that VM."""

    arm: Caller
    lab: Lab

    async def act(self, action: str) -> None:
        """A power action to its end."""
        assert (await self.arm.finish(await self.arm("POST", f"{VM}/{action}")))["status"] == "Succeeded"

    async def power(self) -> str:
        view = (await self.arm("GET", f"{VM}/instanceView")).json()
        return str(view["statuses"][-1]["code"])

    async def address(self) -> str:
        """The public address, as Microsoft.Network tells it."""
        listed = await self.arm("GET", f"{NSG.rpartition('/network')[0]}/publicIPAddresses")
        return str(listed.json()["value"][0]["properties"]["ipAddress"])

    async def reached(self, port: int) -> bool:
        return (await self.arm.sim("GET", "reach", query=f"host={FQDN}&port={port}")).status == 200

    def users(self) -> list[tuple[object, ...]]:
        """Whom the hub's database knows; the cookie id is made once for each."""
        with closing(sqlite3.connect(self.lab.disk("/opt/tljh/state/jupyterhub.sqlite"))) as database:
            return sorted(database.execute("select id, name, cookie_id from users"))

    def passwords(self) -> str:
        return hashlib.sha256(self.lab.disk("/opt/tljh/state/passwords.dbm").read_bytes()).hexdigest()


async def make_portal(folder: Path) -> Portal:
    """The VM is made by the requests that the control plane sends, and installs itself."""
    authority, keys = Authority(), Keys()
    vms: LocalVmRuntime = runtime(folder / "vms", authority)
    clock = ManualClock(start=datetime.now(UTC), time_scale=FastClock.time_scale)
    arm = Caller(Simulator(clock=clock, runtime=vms), clock)
    await arm.has_group()
    anyone = bodies.rule("web", sourceAddressPrefix="*", destinationPortRange=None, destinationPortRanges=["22", "80"])
    await arm.finish(await arm("PUT", NSG, bodies.nsg_body(anyone)))
    await arm.finish(await arm("PUT", VNET, bodies.vnet_body(arm.id(NSG))))
    data = custom_data(cloud_config(keys))
    body = bodies.vm_body(bodies.inline_network(arm.id(SUBNET)))
    body["properties"]["osProfile"]["customData"] = base64.b64encode(data).decode()
    linux = body["properties"]["osProfile"]["linuxConfiguration"]
    linux["ssh"]["publicKeys"][0]["keyData"] = keys.owner.export_public_key().decode().strip()
    assert (await arm.finish(await arm("PUT", VM, body)))["status"] == "Succeeded"
    described = spec(keys, data, "vm1")
    lab = Lab(vms, replace(described, vm_id=arm.id(VM)), Rules(), keys, folder, authority)
    assert (await lab.installed())["hubApi"]["status"] == 200
    return Portal(arm, lab)


@pytest_asyncio.fixture(loop_scope="package", scope="module")
async def shared_portal(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Portal]:
    made = await make_portal(tmp_path_factory.mktemp("portal"))
    yield made
    await made.arm.simulator.close()


async def switched_off(portal: Portal, how: str) -> str:
    """Switch the machine off; returns the power state that is to be seen."""
    if how != "daily shutdown":
        await portal.act(how)
        return {"powerOff": "PowerState/stopped", "deallocate": "PowerState/deallocated"}[how]
    planned = await portal.arm("PUT", SCHEDULE, bodies.schedule_body(portal.arm.id(VM)))
    assert planned.status == 201
    await portal.arm.sim("POST", "clock", {"advance_s": DAY})
    await portal.arm("DELETE", SCHEDULE)
    return "PowerState/deallocated"


@pytest.mark.parametrize("how", ["powerOff", "deallocate", "daily shutdown"])
async def test_hub_comes_back_with_everything_after_its_machine_was_off(shared_portal: Portal, how: str) -> None:
    portal, lab, nonce = shared_portal, shared_portal.lab, secrets.token_hex(8)
    async with Person(lab.web, ADMIN) as owner:
        assert await owner.log_in(PASSWORD) == 302
        await owner.start_server()
        await owner.api("PUT", "contents/kept.txt", {"type": "file", "format": "text", "content": nonce})
        web, address = lab.endpoint(80), await portal.address()
        users, passwords = portal.users(), portal.passwords()
        assert [row[1] for row in users] == [ADMIN]

        state = await switched_off(portal, how)
        assert await portal.power() == state
        assert living(lab.folder) == []
        assert not await portal.reached(80)
        with pytest.raises(OSError):
            await asyncio.open_connection(*web)
        assert await portal.address() == address  # a static address stays while nothing runs

        await portal.act("start")
        assert (await lab.installed())["hubApi"]["status"] == 200
        assert await portal.power() == "PowerState/running"
        assert (lab.endpoint(80), await portal.address()) == (web, address)
        assert await portal.reached(80)
        assert (portal.users(), portal.passwords()) == (users, passwords)
        await owner.start_server()  # with the cookie from before
        assert (await owner.api("GET", "contents/kept.txt"))["content"] == nonce
    async with Person(lab.web, ADMIN) as stranger:
        assert await stranger.log_in("my own password") == 403
        assert await stranger.log_in(PASSWORD) == 302


async def test_resized_machine_starts_with_the_same_hub(shared_portal: Portal) -> None:
    portal, lab = shared_portal, shared_portal.lab
    users = portal.users()
    await portal.act("deallocate")
    size = {"properties": {"hardwareProfile": {"vmSize": "Standard_D4s_v3"}}}
    assert (await portal.arm.finish(await portal.arm("PATCH", VM, size)))["status"] == "Succeeded"
    assert living(lab.folder) == []  # a resize starts nothing
    await portal.act("start")
    assert (await lab.installed())["hubApi"]["status"] == 200
    assert (await portal.arm("GET", VM)).json()["properties"]["hardwareProfile"] == {"vmSize": "Standard_D4s_v3"}
    assert portal.users() == users


async def test_deleted_machine_leaves_no_process_no_disk_and_no_address(tmp_path: Path) -> None:
    portal = await make_portal(tmp_path)
    lab, web = portal.lab, portal.lab.endpoint(80)
    try:
        assert lab.disk("/opt/tljh").is_dir()
        async with Person(lab.web, ADMIN) as owner:
            assert await owner.log_in(PASSWORD) == 302
            await owner.start_server()
        assert (await portal.arm.finish(await portal.arm("DELETE", VM)))["status"] == "Succeeded"
        assert living(tmp_path) == []
        assert [each.name for each in (tmp_path / "vms").iterdir() if each.name != ".sockets"] == []
        assert lab.runtime.endpoints(lab.spec.vm_id) == {}
        assert not await portal.reached(22)
        with pytest.raises(OSError):
            await asyncio.open_connection(*web)
        left = (await portal.arm("GET", f"/resourceGroups/{GROUP}/resources")).json()["value"]
        assert {each["type"].rpartition("/")[2] for each in left} == {"networkSecurityGroups", "virtualNetworks"}
    finally:
        await portal.arm.simulator.close()
