"""One run through every simulated operation, keeping each answer for comparison with the real ones."""

from dataclasses import dataclass, field
from typing import Any

from localdev.azuresim.envelope import Json, Response
from tests.contract.azuresim.recordings import Exchange
from tests.support import azure_requests as bodies
from tests.support.azure_requests import (
    DISKS,
    GROUP,
    NIC,
    NSG,
    PIP,
    REGION,
    SCHEDULE,
    SUBNET,
    VM,
    VNET,
    Caller,
    new_caller,
)

_COMPUTE_PLACE = f"/providers/Microsoft.Compute/locations/{REGION}"
_NETWORK_PLACE = f"/providers/Microsoft.Network/locations/{REGION}"
_WITH_NIC = VM.replace("vm1", "vm2")


@dataclass
class Watched(Caller):
    """A caller that keeps every answer."""

    seen: list[Exchange] = field(default_factory=list)

    async def __call__(self, method: str, path: str, body: Json | None = None, **asked: Any) -> Response:
        return self._keep(method, self.subscription + path, await super().__call__(method, path, body, **asked))

    async def follow(self, url: str) -> Response:
        return self._keep("GET", url.partition("?")[0].removeprefix("https://127.0.0.1"), await super().follow(url))

    def _keep(self, method: str, path: str, response: Response) -> Response:
        matched = self.simulator.router.match(method, path)
        operation = matched[0].operation if matched else ""
        self.seen.append(Exchange("simulator", operation, response.status, response.headers, response.json()))
        return response


def watched() -> Watched:
    """A fresh subscription that is watched."""
    plain = new_caller()
    return Watched(plain.simulator, plain.clock)


async def everything() -> list[Exchange]:
    """Every covered operation at least once, in each of its usual answers."""
    call = watched()
    await _network(call)
    await _machine(call)
    await _shutdown(call)
    await _catalogue(call)
    await _removal(call)
    return call.seen


async def _network(call: Watched) -> None:
    group = f"/resourceGroups/{GROUP}"
    await call("GET", group)
    await call("HEAD", group)
    await call("PUT", group, {"location": REGION, "tags": {"a": "b"}})
    await call("PUT", group, {"location": REGION, "tags": {"a": "c"}})
    await call("PATCH", group, {"tags": {"a": "d"}})
    for method in ("GET", "HEAD"):
        await call(method, group)
    many = {**bodies.rule("web", 200, description="d"), "name": "web"}
    many["properties"] |= {"sourcePortRange": None, "sourcePortRanges": ["1-2"]}
    await _put_twice(call, NSG, bodies.nsg_body(bodies.rule(), many))
    network = bodies.vnet_body(call.id(NSG))
    network["properties"]["dhcpOptions"] = {"dnsServers": []}
    network["properties"]["subnets"] += [{"name": "third", "properties": {"addressPrefixes": ["10.0.2.0/24"]}}]
    await _put_twice(call, VNET, network)
    await _put_twice(call, PIP, bodies.pip_body("alone"))
    await _put_twice(call, NIC, _tied(bodies.nic_body(call.id(SUBNET), call.id(PIP)), call.id(NSG)))
    await _put_twice(call, f"{VNET}/subnets/second", {"properties": {"addressPrefix": "10.0.1.0/24"}})
    await _put_twice(call, f"{PIP}-zonal", {**bodies.pip_body(None), "zones": ["1"]})
    for path in (NSG, VNET, PIP, NIC):
        await call("PATCH", path, {"tags": {"a": "b"}})
        await call("GET", path)
        await call("GET", path.rpartition("/")[0])
        await call("GET", "/providers" + path.partition("/providers")[2].rpartition("/")[0])


def _tied(body: Json, nsg_id: str) -> Json:
    body["properties"]["networkSecurityGroup"] = {"id": nsg_id}
    return body


async def _put_twice(call: Watched, path: str, body: Json) -> None:
    for _ in range(2):
        await call.finish(await call("PUT", path, {**body, "tags": {}}))
        await call("GET", path)


async def _machine(call: Watched) -> None:
    trusted = {
        "securityProfile": {
            "securityType": "TrustedLaunch",
            "uefiSettings": {"secureBootEnabled": True, "vTpmEnabled": True},
        },
        "diagnosticsProfile": {"bootDiagnostics": {"enabled": True}},
        "priority": "Spot",
        "evictionPolicy": "Deallocate",
        "billingProfile": {"maxPrice": -1},
    }
    inline = bodies.vm_body(bodies.inline_network(call.id(SUBNET)), **trusted)
    await call("GET", VM)
    await call.finish(await call("PUT", VM, {**inline, "zones": ["1"]}))
    profile = {"networkInterfaces": [{"id": call.id(NIC), "properties": {"primary": True, "deleteOption": "Detach"}}]}
    existing = bodies.vm_body(profile)
    existing["properties"]["osProfile"]["computerName"] = "vm2"
    existing["properties"]["storageProfile"]["osDisk"]["name"] = "named"
    await call.finish(await call("PUT", _WITH_NIC, existing))
    call.clock.advance(60)
    await call.finish(await call("PUT", _WITH_NIC, existing))
    for query in ("", "$expand=instanceView"):
        await call("GET", VM, query=query)
        await call("GET", _WITH_NIC, query=query)
    await call("GET", f"{VM}/instanceView")
    await call("GET", NIC)
    await call("GET", PIP)
    await call.finish(await call("PATCH", _WITH_NIC, {"tags": {"c": "d"}}))
    await call("POST", f"{VM}/retrieveBootDiagnosticsData")
    for action in ("restart", "powerOff", "start", "deallocate", "start"):
        acted = await call("POST", f"{_WITH_NIC}/{action}")
        await call.follow(acted.headers["Location"])
        await call.finish(acted)
        await call.follow(acted.headers["Location"])
        await call("GET", f"{_WITH_NIC}/instanceView")
    await call("GET", VM.rpartition("/")[0])
    await call("GET", "/providers/Microsoft.Compute/virtualMachines")
    await call("GET", "/providers/Microsoft.Compute/virtualMachines", query="statusOnly=true")
    await call("GET", f"{_COMPUTE_PLACE}/virtualMachines")


async def _shutdown(call: Watched) -> None:
    by_mail = {"status": "Enabled", "timeInMinutes": 30, "emailRecipient": "foo@bar.com"}
    body = bodies.schedule_body(call.id(VM), notificationSettings={**by_mail, "webhookUrl": "https://example.com/"})
    del body["tags"]  # none were sent when it was recorded
    for _ in range(2):
        await call("PUT", SCHEDULE, body)
    await call("GET", SCHEDULE)
    await call("GET", SCHEDULE.rpartition("/")[0])
    await call("GET", "/providers/Microsoft.DevTestLab/schedules")
    await call("PATCH", SCHEDULE, {})
    for _ in range(2):
        await call("DELETE", SCHEDULE)


async def _catalogue(call: Watched) -> None:
    await call("GET", "/providers/Microsoft.Compute/skus")
    await call("GET", f"{_COMPUTE_PLACE}/usages")
    await call("GET", f"{_NETWORK_PLACE}/usages")
    await call("GET", f"{_NETWORK_PLACE}/CheckDnsNameAvailability", query="domainNameLabel=free")
    await call("GET", f"{DISKS}/named")
    await call("GET", DISKS)
    await call("GET", "/providers/Microsoft.Compute/disks")
    await call("GET", f"/resourceGroups/{GROUP}/resources")


async def _removal(call: Watched) -> None:
    deleted = await call("DELETE", VM, query="forceDeletion=true")
    await call.finish(deleted)
    await call.follow(deleted.headers["Location"])
    await call("GET", VM)
    call.clock.advance(60)
    await call("GET", VM)
    await call("DELETE", VM)
    keeps_disk = {"properties": {"storageProfile": {"osDisk": {"deleteOption": "Detach"}}}}
    await call.finish(await call("PATCH", _WITH_NIC, keeps_disk))
    await call.finish(await call("DELETE", _WITH_NIC))
    call.clock.advance(200)
    for path in (f"{DISKS}/named", NIC, PIP, VNET, NSG):
        deleted = await call("DELETE", path)
        await call.finish(deleted)
        if "Location" in deleted.headers:
            await call.follow(deleted.headers["Location"])
        await call("DELETE", path)
    await call.finish(await call("DELETE", f"/resourceGroups/{GROUP}"))
