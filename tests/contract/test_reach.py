"""Where machines are: themselves in Azure, a look-up for simulated ones."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from shared.adapters.reach import IdentityReach, LookupReach, make_reach
from shared.errors import RetryableError
from shared.hubs.ports import Endpoint
from tests.contract.test_hub_http_hostile import page, serving
from tests.support.builders import some_settings
from tests.support.clock import FakeClock
from tests.support.small_ca import SmallCa


class Machines:
    """A look-up over HTTPS that remembers who was asked for."""

    def __init__(self, port: int, ca_file: Path) -> None:
        self.answer: bytes | None = None
        self.known = {("demo.eastus.cloudapp.azure.com", "22"): ("127.77.1.4", 2222)}
        self.asked: list[tuple[str, str]] = []
        self.clock = FakeClock()
        self.settings = some_settings(
            HUBLET_REACH_ENDPOINT=f"https://127.0.0.1:{port}/_sim/reach",
            HUBLET_CA_FILE=str(ca_file),
            HUBLET_EGRESS_ADDRESS="127.77.0.2",
        )
        self.reach = LookupReach(self.settings, self.clock)

    def reply(self, request: bytes) -> bytes:
        query = parse_qs(urlsplit(request.split(b" ")[1].decode()).query)
        asked = (query["host"][0], query["port"][0])
        self.asked.append(asked)
        if self.answer is not None:
            return self.answer
        if asked not in self.known:
            return page(b"{}", status="404 Not Found")
        address, port = self.known[asked]
        return page(json.dumps({"address": address, "port": port}).encode())


@pytest.fixture
async def machines(tmp_path: Path) -> AsyncIterator[Machines]:
    ca = SmallCa(tmp_path)
    found: list[Machines] = []
    async with serving(lambda request: found[0].reply(request), ca.server("127.0.0.1")) as port:
        found.append(Machines(port, ca.file))
        yield found[0]


DEMO = "demo.eastus.cloudapp.azure.com"


def dns(*addresses: str) -> IdentityReach:
    async def resolve(host: str, port: int) -> list[str]:
        if not addresses:
            raise OSError("no such name")
        return list(addresses)

    return IdentityReach(look_up=resolve)


def test_without_a_look_up_the_dns_is_asked():
    assert isinstance(make_reach(some_settings()), IdentityReach)


async def test_a_name_is_where_the_dns_says_and_stays_there():
    assert await dns("20.1.2.3").endpoint("hub.example.org", 443) == Endpoint(address="20.1.2.3", port=443)


async def test_an_address_is_itself():
    assert await dns().endpoint("10.0.0.4", 22) == Endpoint(address="10.0.0.4", port=22)


@pytest.mark.parametrize(
    "inward",
    [
        "127.0.0.1",
        "10.1.2.3",
        "169.254.169.254",
        "192.168.0.1",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:10.0.0.1",
    ],
)
async def test_a_name_that_points_inward_is_not_followed(inward: str):
    with pytest.raises(RetryableError) as caught:
        await dns(inward).endpoint("hub.example.org", 443)
    assert caught.value.code == "MachineNotReachable"


async def test_a_name_that_is_not_in_the_dns_yet_is_asked_for_again():
    with pytest.raises(RetryableError) as caught:
        await dns().endpoint("hub.example.org", 443)
    assert caught.value.code == "MachineNotReachable"


def test_a_look_up_is_used_when_one_is_configured():
    assert isinstance(make_reach(some_settings(HUBLET_REACH_ENDPOINT="https://127.0.0.1:1/_sim/reach")), LookupReach)


async def test_the_look_up_gives_the_socket_and_where_to_connect_from(machines: Machines):
    found = await machines.reach.endpoint(DEMO, 22)
    assert found == Endpoint(address="127.77.1.4", port=2222, local_address="127.77.0.2")


async def test_an_answer_is_kept_for_thirty_seconds(machines: Machines):
    await machines.reach.endpoint(DEMO, 22)
    machines.clock.advance(29)
    await machines.reach.endpoint(DEMO, 22)
    assert len(machines.asked) == 1
    machines.clock.advance(2)
    await machines.reach.endpoint(DEMO, 22)
    assert len(machines.asked) == 2


async def test_a_machine_that_is_not_there_yet_is_asked_for_again(machines: Machines):
    for _ in range(2):
        with pytest.raises(RetryableError) as caught:
            await machines.reach.endpoint("later.example.org", 22)
        assert caught.value.code == "MachineNotReachable"
    assert len(machines.asked) == 2


@pytest.mark.parametrize(
    "answer",
    [
        page(b"oops", status="500 Oops"),
        page(b"not json"),
        page(b"[]"),
        page(b'{"address": 7, "port": 22}'),
        page(b'{"address": "127.0.0.1", "port": 0}'),
        page(b'{"address": "127.0.0.1", "port": "22"}'),
        page(b" " * 100_000),
        page(b"", "Location: http://elsewhere.example.org/", status="302 Found"),
    ],
)
async def test_an_answer_that_is_none_is_not_believed(machines: Machines, answer: bytes):
    machines.answer = answer
    with pytest.raises(RetryableError):
        await machines.reach.endpoint(DEMO, 22)


async def test_a_look_up_with_a_foreign_certificate_is_not_believed(machines: Machines):
    from dataclasses import replace

    reach = LookupReach(replace(machines.settings, ca_file=""), machines.clock)
    with pytest.raises(RetryableError) as caught:
        await reach.endpoint(DEMO, 22)
    assert caught.value.code == "ReachUnavailable"
    assert machines.asked == []
