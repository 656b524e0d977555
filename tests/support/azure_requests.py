"""Requests to the simulated Azure: bodies that are accepted as they are, and a caller without a socket.

Each body is a function that returns a fresh, valid one; a test changes one thing in it.
"""

import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from localdev.azuresim.clock import ManualClock
from localdev.azuresim.envelope import Json, Response
from localdev.azuresim.simulator import Simulator

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBZ+X1qWc0Ub1xkXbCqWcQh8dW0YVv3sD0Qv0v9Pq3uN jaydoe"
REGION = "eastus"
COMPUTE, NETWORK, RESOURCES, LABS = "2026-04-01", "2026-03-01", "2025-04-01", "2018-09-15"

GROUP = "hub-a1"
VM = f"/resourceGroups/{GROUP}/providers/Microsoft.Compute/virtualMachines/vm1"
SCHEDULE = f"/resourceGroups/{GROUP}/providers/Microsoft.DevTestLab/schedules/shutdown-computevm-vm1"
DISKS = f"/resourceGroups/{GROUP}/providers/Microsoft.Compute/disks"
_NETWORK = f"/resourceGroups/{GROUP}/providers/Microsoft.Network"
NSG = f"{_NETWORK}/networkSecurityGroups/nsg"
VNET = f"{_NETWORK}/virtualNetworks/vnet"
SUBNET = f"{VNET}/subnets/default"
PIP = f"{_NETWORK}/publicIPAddresses/pip"
NIC = f"{_NETWORK}/networkInterfaces/nic"


def rule(name: str = "ssh", priority: int = 100, **changes: Any) -> Json:
    """An inbound rule that lets 127.77.0.2 reach port 22."""
    properties = {
        "priority": priority,
        "access": "Allow",
        "direction": "Inbound",
        "protocol": "Tcp",
        "sourceAddressPrefix": "127.77.0.2/32",
        "sourcePortRange": "*",
        "destinationAddressPrefix": "*",
        "destinationPortRange": "22",
    }
    return {"name": name, "properties": {**properties, **changes}}


def nsg_body(*rules: Json) -> Json:
    return {"location": REGION, "properties": {"securityRules": list(rules or (rule(),))}}


def vnet_body(nsg_id: str | None = None) -> Json:
    subnet: Json = {"addressPrefix": "10.0.0.0/24"}
    if nsg_id:
        subnet["networkSecurityGroup"] = {"id": nsg_id}
    return {
        "location": REGION,
        "properties": {
            "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
            "subnets": [{"name": "default", "properties": subnet}],
        },
    }


def pip_body(label: str | None = "hub-a", **properties: Any) -> Json:
    dns = {"dnsSettings": {"domainNameLabel": label}} if label else {}
    return {
        "location": REGION,
        "sku": {"name": "Standard"},
        "properties": {"publicIPAllocationMethod": "Static", **dns, **properties},
    }


def nic_body(subnet_id: str, pip_id: str | None = None) -> Json:
    address: Json = {"publicIPAddress": {"id": pip_id}} if pip_id else {}
    configuration = {"name": "ipconfig1", "properties": {"subnet": {"id": subnet_id}, **address}}
    return {"location": REGION, "properties": {"ipConfigurations": [configuration]}}


def inline_network(subnet_id: str, label: str | None = "hub-a", delete: str = "Delete") -> Json:
    """A network profile that lets ARM make interface and public address."""
    dns = {"dnsSettings": {"domainNameLabel": label}} if label else {}
    address = {
        "name": "pip",
        "sku": {"name": "Standard"},
        "properties": {"deleteOption": delete, "publicIPAllocationMethod": "Static", **dns},
    }
    ip = {"primary": True, "subnet": {"id": subnet_id}, "publicIPAddressConfiguration": address}
    nic = {"primary": True, "deleteOption": delete, "ipConfigurations": [{"name": "ip", "properties": ip}]}
    return {"networkApiVersion": "2022-11-01", "networkInterfaceConfigurations": [{"name": "nic", "properties": nic}]}


def vm_body(network_profile: Json, **properties: Any) -> Json:
    """A Linux VM with one SSH key and custom data."""
    keys = [{"path": "/home/azureuser/.ssh/authorized_keys", "keyData": ED25519}]
    everything = {
        "hardwareProfile": {"vmSize": "Standard_D2s_v3"},
        "storageProfile": {
            "imageReference": {
                "publisher": "Canonical",
                "offer": "ubuntu-24_04-lts",
                "sku": "server",
                "version": "latest",
            },
            "osDisk": {
                "createOption": "FromImage",
                "deleteOption": "Delete",
                "managedDisk": {"storageAccountType": "StandardSSD_LRS"},
            },
        },
        "osProfile": {
            "computerName": "vm1",
            "adminUsername": "azureuser",
            "customData": base64.b64encode(b"#cloud-config\n{}\n").decode(),
            "linuxConfiguration": {"disablePasswordAuthentication": True, "ssh": {"publicKeys": keys}},
        },
        "networkProfile": network_profile,
    }
    return {"location": REGION, "tags": {"hublet-hub": "a"}, "properties": {**everything, **properties}}


def schedule_body(vm_id: str, **properties: Any) -> Json:
    """A daily shutdown at 17:30 UTC."""
    everything = {
        "status": "Enabled",
        "taskType": "ComputeVmShutdownTask",
        "dailyRecurrence": {"time": "1730"},
        "timeZoneId": "UTC",
        "targetResourceId": vm_id,
    }
    return {"location": REGION, "tags": {"hublet-hub": "a"}, "properties": {**everything, **properties}}


def code(response: Response) -> tuple[int, str | None]:
    """Status and error code of an answer."""
    return response.status, response.json().get("error", {}).get("code")


def changed(body: Json, path: str, value: Any) -> Json:
    """The body with one member changed; ``None`` removes it."""
    *way, last = path.split(".")
    inner = body
    for step in way:
        inner = inner[step]
    if value is None:
        inner.pop(last, None)
    else:
        inner[last] = value
    return body


@dataclass
class Caller:
    """Calls a simulator in process, in virtual time, with a good token."""

    simulator: Simulator
    clock: ManualClock

    def __post_init__(self) -> None:
        self.token, _ = self.simulator.identity.issue("https://management.azure.com")

    @property
    def subscription(self) -> str:
        return f"/subscriptions/{self.simulator.services.subscription_id}"

    def id(self, path: str) -> str:
        """The full id of a path below the subscription."""
        return self.subscription + path

    async def __call__(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        query: str = "",
        version: str | None = None,
        **headers: str,
    ) -> Response:
        """One request below the subscription, with the api-version its provider's SDK sends."""
        sent = {"Authorization": f"Bearer {self.token}", **{k.replace("_", "-"): v for k, v in headers.items()}}
        asked = f"api-version={version or _version(path)}" + (f"&{query}" if query else "")
        content = b"" if body is None else json.dumps(body).encode()
        return await self.simulator.handle(method, self.subscription + path, asked, sent, content)

    async def follow(self, url: str) -> Response:
        """GET an operation address exactly as it was given out."""
        parts = urlsplit(url)
        return await self.simulator.handle("GET", parts.path, parts.query, {"Authorization": f"Bearer {self.token}"})

    async def sim(self, method: str, path: str, body: Json | None = None, query: str = "") -> Response:
        """A request to the control surface."""
        content = b"" if body is None else json.dumps(body).encode()
        return await self.simulator.handle(method, f"/_sim/{path}", query, {"Host": "127.0.0.1"}, content)

    async def finish(self, response: Response, limit_s: float = 3600) -> Json:
        """Poll an operation in virtual time until it is over; returns the last poll's body."""
        assert response.status in (200, 201, 202), response.body
        url = response.headers.get("Azure-AsyncOperation") or response.headers.get("Location")
        if url is None:
            return {"status": "Succeeded"}
        for _ in range(int(limit_s / 5)):
            polled = await self.follow(url)
            if polled.status == 200 and polled.json().get("status", "Succeeded") != "InProgress":
                return polled.json() or {"status": "Succeeded"}
            if polled.status not in (200, 202):
                return polled.json()
            self.clock.advance(5)
        raise AssertionError(f"not over after {limit_s} s")

    async def has_group(self) -> None:
        assert (await self("PUT", f"/resourceGroups/{GROUP}", {"location": REGION})).status == 201

    async def has_network(self) -> None:
        """A group, a security group and a network whose subnet is tied to it."""
        await self.has_group()
        await self.finish(await self("PUT", NSG, nsg_body()))
        await self.finish(await self("PUT", VNET, vnet_body(self.id(NSG))))

    async def has_vm(self, **properties: Any) -> Json:
        """A running VM with inline interface and address; returns its GET."""
        await self.has_network()
        made = await self.finish(await self("PUT", VM, self.inline_vm(**properties)))
        assert made["status"] == "Succeeded", made
        return (await self("GET", VM)).json()

    def inline_vm(self, **properties: Any) -> Json:
        return vm_body(inline_network(self.id(SUBNET)), **properties)


def _version(path: str) -> str:
    if "/Microsoft.Compute/" in path:
        return COMPUTE
    if "/Microsoft.DevTestLab/" in path:
        return LABS
    return NETWORK if "/Microsoft.Network/" in path else RESOURCES


def new_caller(*, seed: int = 1, time_scale: float = 1.0) -> Caller:
    """A fresh subscription in virtual time."""
    clock = ManualClock(time_scale=time_scale)
    return Caller(Simulator(clock=clock, seed=seed), clock)
