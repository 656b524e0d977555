"""Ports chosen before the server that will listen on them runs."""

import socket
from pathlib import Path

import pytest

from localdev.ports import SERVERS, unused_port, unused_ports, wanted_port
from localdev.processes import ChildFailed

OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")


def test_no_port_is_chosen_that_the_system_gives_to_outgoing_connections() -> None:
    lowest = 49_152  # RFC 6335, macOS
    if OUTGOING.exists():
        lowest = int(OUTGOING.read_text().split()[0])
    assert max(SERVERS) < lowest
    assert all(port in SERVERS for port in [unused_port(), wanted_port(0, 7071), *unused_ports(50)])


def test_several_ports_are_different_and_free() -> None:
    ports = unused_ports(200)
    assert len(set(ports)) == 200
    for port in ports:
        socket.create_server(("127.0.0.1", port)).close()


def test_a_port_somebody_listens_on_is_not_chosen() -> None:
    first, second = unused_ports(2)
    with socket.create_server(("127.0.0.1", first)):
        assert {unused_ports(1, among=[first, second])[0] for _ in range(20)} == {second}


def test_with_every_port_taken_the_reason_of_the_system_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(OSError, match="in use"):
        unused_ports(1, among=[server.getsockname()[1]])


def test_the_wanted_port_is_taken_as_it_is_and_the_default_only_when_it_is_free() -> None:
    wanted, default = unused_ports(2)
    assert wanted_port(wanted, default) == wanted
    assert wanted_port(None, default) == default
    with socket.create_server(("127.0.0.1", default)):
        assert wanted_port(None, default) in SERVERS
        assert wanted_port(None, default) != default


def test_a_wanted_port_that_is_taken_is_an_error_that_names_it() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(ChildFailed, match=rf"port {server.getsockname()[1]} cannot be used"),
    ):
        wanted_port(server.getsockname()[1], 7071)
