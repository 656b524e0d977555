"""What nobody uses ends by itself on a real hub, and the control plane sees it: over TLS, and through its tunnel."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import asyncssh
import pytest
import pytest_asyncio
from aiohttp.abc import AbstractResolver, ResolveResult

from shared.adapters.hub_api import JupyterHubApi
from shared.errors import RetryableError
from shared.hubs.ports import Endpoint, HubAccess, SshTarget
from shared.steps.configure import SERVICE, SERVICE_SCOPES
from tests.contract.vm.conftest import MakeLab
from tests.contract.vm.hub_client import Person, execute_request
from tests.contract.vm.lab import ADMIN, FQDN, PASSWORD, Lab, public
from tests.support.builders import some_settings
from tests.support.fake_vm import FakeReach
from tests.support.wait import eventually

pytestmark = pytest.mark.asyncio(loop_scope="package")

TOKEN = "lasting-token-0123456789"
RULE_MINUTES = 0.2
PEOPLE = ("busy", "sleepy", "tab", "writer")
CONFIGURATION = {
    "limits": {"memory": None, "cpu": None},
    "users": [ADMIN, *PEOPLE],
    "adminUser": ADMIN,
    "authType": "firstuse",
    "sharedFolder": False,
    "idleRule": {"minutes": RULE_MINUTES},
    "apt": [],
    "pip": [],
    "services": [{"name": SERVICE, "token": TOKEN, "scopes": list(SERVICE_SCOPES)}],
    "https": None,
}
ENDS_WITHIN_S = 300.0
"""Some 95 as a rule: a server looks once a minute whether it is idle, and JupyterHub every 30 s (10 % more or less) at
its servers. On a busy machine the first looks may come too early; then a later one does it."""
COMPUTES_S = 2 * ENDS_WITHIN_S


class OneHub(AbstractResolver):
    """Every name is this hub's."""

    def __init__(self, address: str, port: int) -> None:
        self._address, self._port = address, port

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=self._address, port=self._port, family=2, proto=0, flags=0)]

    async def close(self) -> None:
        """Holds nothing."""


@dataclass(frozen=True)
class ReadyHub:
    """A hub with a certificate and a short idle rule, its door closed but for the tunnel."""

    lab: Lab
    api: JupyterHubApi
    ca: str
    ways: dict[str, HubAccess]

    def person(self, name: str) -> Person:
        resolver, context = OneHub(*self.lab.endpoint(443)), ssl.create_default_context(cafile=self.ca)
        return Person(f"https://{FQDN}", name, aiohttp.TCPConnector(ssl=context, resolver=resolver))

    async def users(self, way: str) -> set[str]:
        return {server.user for server in (await self.api.activity(self.ways[way])).servers}

    async def answer(self, way: str) -> str:
        """`ok`, or the code of what is in the way."""
        try:
            await self.api.activity(self.ways[way])
        except RetryableError as error:
            return error.code
        return "ok"


@pytest_asyncio.fixture(loop_scope="package", scope="module")
async def hub(make_lab: MakeLab) -> AsyncIterator[ReadyHub]:
    lab = await make_lab()
    assert (await lab.installed())["hubApi"]["status"] == 200
    assert "idleRule" in (await lab.task("configure", "configure", **CONFIGURATION))["changed"]
    await lab.task("https", "https", domain=FQDN, email="owner@example.org", staging=False)
    tunnel = asyncssh.generate_private_key("ssh-ed25519")
    host_key = (await lab.task("lock-prepare", "prepare"))["hostPublicKey"]
    await lab.task("lock-commit", "commit", tunnelPublicKey=public(tunnel))
    lab.keys.host = asyncssh.import_public_key(host_key)

    ca = lab.folder / "ca.pem"
    ca.write_text(lab.authority.pem)
    reach = FakeReach({("hub", 22): endpoint_of(lab, 22), (FQDN, 443): endpoint_of(lab, 443)})
    private = tunnel.export_private_key().decode()
    target = SshTarget(host="hub", port=22, username="hublet", private_key=private, host_public_keys=(host_key,))
    ways = {
        "TLS": HubAccess(url=f"https://{FQDN}/", token=TOKEN),
        "tunnel": HubAccess(url=lab.web, token=TOKEN, tunnel=target),
    }
    ready = ReadyHub(lab, JupyterHubApi(reach, some_settings(HUBLET_CA_FILE=str(ca))), str(ca), ways)

    async def answers() -> Any:
        return {await ready.answer(way) for way in ways} == {"ok"}

    await eventually(answers, 40)
    yield ready
    await lab.runtime.close()


def endpoint_of(lab: Lab, port: int) -> Endpoint:
    address, real = lab.endpoint(port)
    return Endpoint(address=address, port=real)


@pytest.mark.parametrize("way", ["TLS", "tunnel"])
async def test_a_servers_user_and_age_are_read(hub: ReadyHub, way: str) -> None:
    async with hub.person(ADMIN) as owner:
        assert await owner.log_in(PASSWORD) == 302
        await owner.start_server()
    [server] = (await hub.api.activity(hub.ways[way])).servers
    assert server.user == ADMIN
    assert not server.pending
    assert server.idle_s is not None
    assert 0 <= server.idle_s < ENDS_WITHIN_S


@pytest.mark.parametrize("way", ["TLS", "tunnel"])
async def test_another_token_is_refused(hub: ReadyHub, way: str) -> None:
    with pytest.raises(RetryableError) as caught:
        await hub.api.activity(replace(hub.ways[way], token="another-token-0123456789"))
    assert caught.value.code == "HubRefusesToken"


async def test_the_tunnel_leads_to_no_other_port(hub: ReadyHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.adapters.hub_api.HUB_PORT", 80)
    with pytest.raises(RetryableError) as caught:
        await hub.api.activity(hub.ways["tunnel"])
    assert caught.value.code == "HubUnreachable"


async def test_what_nobody_uses_ends_by_itself_and_what_works_goes_on(hub: ReadyHub) -> None:
    """The one long test: a minute passes before a server looks for the first time whether it is idle."""
    async with contextlib.AsyncExitStack() as stack:
        people = {name: await stack.enter_async_context(hub.person(name)) for name in PEOPLE}
        for name, person in people.items():
            assert await person.log_in(f"password of {name}") == 302
        await asyncio.gather(*(person.start_server() for person in people.values()))

        computing = await people["busy"].begin(f"import time; time.sleep({COMPUTES_S})")
        open_tab = await people["sleepy"].api("POST", "kernels", {"name": "python3"})
        socket = await stack.enter_async_context(people["sleepy"].channel(open_tab["id"]))
        await socket.send_json(execute_request("1 + 1"))

        async def like_a_visible_tab() -> None:
            layout = {"data": {}, "metadata": {"id": "default"}}
            while True:
                await people["tab"].api("GET", "kernels")
                await people["tab"].api("GET", "contents")
                await people["tab"].api("PUT", "../lab/api/workspaces/default", layout)
                await asyncio.sleep(3)

        async def like_somebody_who_writes() -> None:
            while True:
                text = {"type": "file", "format": "text", "content": "Dear diary"}
                await people["writer"].api("PUT", "contents/diary.txt", text)
                await asyncio.sleep(2)

        tab, writing = asyncio.create_task(like_a_visible_tab()), asyncio.create_task(like_somebody_who_writes())
        stack.callback(tab.cancel)
        stack.callback(writing.cancel)

        assert await hub.users("tunnel") >= set(PEOPLE)

        async def only_workers() -> Any:
            there = await hub.users("tunnel")
            assert there >= {"busy", "writer"}, (there, writing)
            return there == {"busy", "writer"}

        await eventually(only_workers, ENDS_WITHIN_S)
        assert await hub.users("TLS") == {"busy", "writer"}
        [kernel] = await people["busy"].api("GET", "kernels")
        assert (kernel["id"], kernel["execution_state"]) == (computing, "busy")
        assert not writing.done()
