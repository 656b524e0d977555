"""A person at a hub's public address, wherever the simulator really put it."""

import ssl
from http.client import HTTPConnection
from socket import create_connection

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.contract.vm.hub_client import Person
from tests.e2e.azure import Azure

SILENCE_S = 3.0
"""sshd says its banner at once; DESIGN's own proof waits longer because a real network may be slow."""


class PublicNames(AbstractResolver):
    """The simulated Azure's DNS."""

    def __init__(self, azure: Azure) -> None:
        self._azure = azure

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:
        address, real_port = self._azure.reach(host, port)
        return [
            ResolveResult(hostname=host, host=address, port=real_port, family=family or 2, proto=0, flags=0),
        ]

    async def close(self) -> None:
        """Holds nothing."""


def visitor(url: str, name: str) -> Person:
    """At an address that opens as given."""
    return Person(url.rstrip("/"), name)


def trusting_visitor(url: str, name: str, azure: Azure, ca: str) -> Person:
    """At a public name, trusting one certificate authority."""
    context = ssl.create_default_context(cafile=ca)
    connector = aiohttp.TCPConnector(ssl=context, resolver=PublicNames(azure))
    return Person(url.rstrip("/"), name, connector)


def status_of(url_host: str, port: int, path: str) -> tuple[int, str]:
    """Status and Location of one plain GET."""
    connection = HTTPConnection(url_host, port, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Location", "")
    finally:
        connection.close()


def banner(address: str, port: int = 22, limit_s: float = SILENCE_S) -> bytes:
    """What the port says first to somebody from this machine; empty when it hangs up, refuses or stays silent."""
    try:
        with create_connection((address, port), timeout=limit_s) as connection:
            return connection.recv(64)
    except OSError:
        return b""


def refused(address: str, port: int) -> bool:
    """Whether nobody listens there."""
    try:
        create_connection((address, port), timeout=2).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False
