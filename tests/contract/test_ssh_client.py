"""`SshAgent` against a real SSH server on loopback: what it trusts, what it sends, and what it makes of odd answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace

import asyncssh
import pytest

from shared.adapters.ssh import connection
from shared.adapters.ssh.client import ANSWER_CAP, SshAgent
from shared.adapters.ssh.keys import generate_key_pair
from shared.hubs.ports import Endpoint, SshTarget
from shared.hubs.vm_errors import AgentError, AgentProtocolError, AuthenticationRefused, HostKeyMismatch, VmUnreachable

HOST, OTHER_HOST, INSTALLER = generate_key_pair("host"), generate_key_pair("other"), generate_key_pair("installer")
FORCED = 'restrict,command="/agent ssh" '
type Agent = Callable[["asyncssh.SSHServerProcess[bytes]"], Awaitable[None]]


@dataclass
class VmSsh:
    """A VM's SSH server: `agent` plays the forced command. Remembers who came and what was sent."""

    agent: Agent
    host_key: str = HOST.private
    accepted: str = INSTALLER.public
    port: int = 0
    commands: list[str | None] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    connections: int = 0


@asynccontextmanager
async def serving(vm: VmSsh) -> AsyncIterator[VmSsh]:
    class Server(asyncssh.SSHServer):
        def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
            vm.connections += 1

        def begin_auth(self, username: str) -> bool:
            vm.logins.append(username)
            return True

    async def handle(process: "asyncssh.SSHServerProcess[bytes]") -> None:
        vm.commands.append(process.command)
        await vm.agent(process)

    listener = await asyncssh.listen(
        "127.0.0.1",
        0,
        server_factory=Server,
        server_host_keys=[asyncssh.import_private_key(vm.host_key)],
        authorized_client_keys=asyncssh.import_authorized_keys(vm.accepted),
        process_factory=handle,
        encoding=None,
    )
    vm.port = listener.get_port()
    try:
        yield vm
    finally:
        listener.close()
        await listener.wait_closed()


class Loopback:
    """Where the names lead: always to this port."""

    def __init__(self, port: int, local_address: str | None = None) -> None:
        self._endpoint = Endpoint(address="127.0.0.1", port=port, local_address=local_address)

    async def endpoint(self, host: str, port: int) -> Endpoint:
        return self._endpoint


def target(**changes: object) -> SshTarget:
    base = SshTarget(
        host="hub-1.example.org",
        port=22,
        username="hublet",
        private_key=INSTALLER.private,
        host_public_keys=(HOST.public,),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def answering(answer: bytes, code: int = 0) -> Agent:
    async def agent(process: "asyncssh.SSHServerProcess[bytes]") -> None:
        await process.stdin.read()
        process.stdout.write(answer)
        process.exit(code)

    return agent


async def echo(process: "asyncssh.SSHServerProcess[bytes]") -> None:
    received = await process.stdin.read()
    process.stdout.write(json.dumps({"verb": process.command, "got": json.loads(received)}).encode())
    process.exit(0)


async def silent(process: "asyncssh.SSHServerProcess[bytes]") -> None:
    await process.stdin.read()
    await asyncio.sleep(60)


async def test_verb_and_json_arrive_and_the_answer_comes_back():
    async with serving(VmSsh(echo)) as vm:
        answer = await SshAgent(Loopback(vm.port)).call(target(), "status", {"logOffset": 3, "name": "ü\n"})
        assert answer == {"verb": "status", "got": {"logOffset": 3, "name": "ü\n"}}
        assert vm.logins == ["hublet"]


async def test_several_pinned_keys_are_fine_while_a_key_is_rotated():
    async with serving(VmSsh(echo)) as vm:
        both = target(host_public_keys=(OTHER_HOST.public, HOST.public))
        assert (await SshAgent(Loopback(vm.port)).call(both, "status", {}))["verb"] == "status"


async def test_call_comes_from_the_address_that_reach_names():
    peers: list[str] = []

    async def agent(process: "asyncssh.SSHServerProcess[bytes]") -> None:
        peers.append(process.get_extra_info("peername")[0])
        await echo(process)

    async with serving(VmSsh(agent)) as vm:
        await SshAgent(Loopback(vm.port, "127.0.0.2")).call(target(), "status", {})
    assert peers == ["127.0.0.2"]


async def test_forced_command_decides_what_runs():
    async with serving(VmSsh(echo, accepted=FORCED + INSTALLER.public)) as vm:
        await SshAgent(Loopback(vm.port)).call(target(), "status", {})
        assert vm.commands == ["/agent ssh"]


async def test_another_host_key_gets_neither_login_nor_command():
    async with serving(VmSsh(echo, host_key=OTHER_HOST.private)) as vm:
        with pytest.raises(HostKeyMismatch) as refused:
            await SshAgent(Loopback(vm.port)).call(target(), "status", {"secret": "x"})
        assert refused.value.code == "UntrustedHostKey"
        assert (vm.connections, vm.logins, vm.commands) == (1, [], [])


async def test_a_host_key_of_another_type_is_not_ours_either():
    rsa = asyncssh.generate_private_key("ssh-rsa", key_size=2048).export_private_key().decode()
    async with serving(VmSsh(echo, host_key=rsa)) as vm:
        with pytest.raises(HostKeyMismatch):
            await SshAgent(Loopback(vm.port)).call(target(), "status", {})
        assert vm.logins == []


async def test_no_pinned_key_never_means_any_key():
    async with serving(VmSsh(echo)) as vm:
        with pytest.raises(ValueError, match="pinned"):
            await SshAgent(Loopback(vm.port)).call(target(host_public_keys=()), "status", {})
        assert vm.connections == 0


async def test_unknown_installer_key_is_refused_and_no_other_way_in_is_tried():
    async with serving(VmSsh(echo, accepted=OTHER_HOST.public)) as vm:
        with pytest.raises(AuthenticationRefused):
            await SshAgent(Loopback(vm.port)).call(target(), "status", {})
        assert vm.commands == []


async def test_nobody_listens():
    async with serving(VmSsh(echo)) as vm:
        port = vm.port
    with pytest.raises(VmUnreachable):
        await SshAgent(Loopback(port)).call(target(), "status", {})


@asynccontextmanager
async def raw_server(greeting: bytes, *, hang_up: bool) -> AsyncIterator[int]:
    """A TCP port that says `greeting` and then hangs up or stays silent."""
    ended = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        if not hang_up:
            await ended.wait()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        ended.set()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-x\r\n", b"\xff" * 100_000])
@pytest.mark.parametrize("hang_up", [True, False])
async def test_a_port_that_does_not_speak_ssh_means_not_yet(greeting: bytes, hang_up: bool):
    async with raw_server(greeting, hang_up=hang_up) as port:
        with pytest.raises(VmUnreachable):
            await SshAgent(Loopback(port)).call(target(), "status", {}, timeout_s=0.5)


async def test_f34_a_slow_banner_and_a_half_open_login_are_given_up_after_ten_seconds_in_all(
    monkeypatch: pytest.MonkeyPatch,
):
    """Ten seconds are half a second here. Each of two dozen bytes a second would renew a limit for a single read."""
    assert connection.CONNECT_LIMIT_S == 10.0
    monkeypatch.setattr(connection, "CONNECT_LIMIT_S", 0.5)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            for line in range(100):
                writer.write(b"please wait %d\r\n" % line)
                await writer.drain()
                await asyncio.sleep(0.04)

    async def half_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
        await reader.read()
        await asyncio.sleep(60)

    for peer in (drip, half_open):
        server = await asyncio.start_server(peer, "127.0.0.1", 0)
        began = asyncio.get_running_loop().time()
        with pytest.raises(VmUnreachable):
            await SshAgent(Loopback(server.sockets[0].getsockname()[1])).call(target(), "status", {}, timeout_s=20)
        assert asyncio.get_running_loop().time() - began < 2.5
        server.close()


async def test_f34_a_refused_connection_is_not_yet_at_once():
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    began = asyncio.get_running_loop().time()
    with pytest.raises(VmUnreachable):
        await SshAgent(Loopback(port)).call(target(), "status", {}, timeout_s=20)
    assert asyncio.get_running_loop().time() - began < 1


async def test_an_agent_that_never_answers_is_given_up_on_in_time():
    async with serving(VmSsh(silent)) as vm:
        async with asyncio.timeout(10):
            with pytest.raises(VmUnreachable, match=r"within 0.5 s"):
                await SshAgent(Loopback(vm.port)).call(target(), "status", {}, timeout_s=0.5)


async def test_an_agent_that_drips_for_ever_is_given_up_on_in_time():
    async def drip(process: "asyncssh.SSHServerProcess[bytes]") -> None:
        while True:
            process.stdout.write(b" ")
            await asyncio.sleep(0.01)

    async with serving(VmSsh(drip)) as vm:
        with pytest.raises(VmUnreachable):
            await SshAgent(Loopback(vm.port)).call(target(), "status", {}, timeout_s=0.5)


async def test_a_connection_lost_in_the_middle_means_look_again():
    async def lost(process: "asyncssh.SSHServerProcess[bytes]") -> None:
        process.stdout.write(b'{"half')
        process.channel.get_connection().abort()

    async with serving(VmSsh(lost)) as vm:
        with pytest.raises(VmUnreachable):
            await SshAgent(Loopback(vm.port)).call(target(), "status", {}, timeout_s=5)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", 0),
        (b"not json", 0),
        (b"\xff\xfe", 0),
        (b"[1, 2]", 0),
        (b"[" * 200_000, 0),
        (b'{"a": 1}', 7),
        (b'{"a": 1}', 1),
        (b"sudo: a password is required", 1),
        (b"", 127),
    ],
)
async def test_an_answer_that_is_none_is_a_protocol_error(answer: bytes, code: int):
    async with serving(VmSsh(answering(answer, code))) as vm:
        with pytest.raises(AgentProtocolError):
            await SshAgent(Loopback(vm.port)).call(target(), "status", {}, timeout_s=10)


async def test_an_answer_without_end_is_cut_off():
    sent = 0

    async def flood(process: "asyncssh.SSHServerProcess[bytes]") -> None:
        nonlocal sent
        while not process.is_closing():
            process.stdout.write(b"x" * 65536)
            sent += 65536
            await process.stdout.drain()

    async with serving(VmSsh(flood)) as vm:
        with pytest.raises(AgentProtocolError, match="longer than"):
            await SshAgent(Loopback(vm.port)).call(target(), "status", {}, timeout_s=20)
    assert sent < 8 * ANSWER_CAP


async def test_the_agents_own_refusal_carries_its_code_without_terminal_codes():
    answer = json.dumps({"error": {"code": "UnknownVerb", "message": "no\x1b[31m\nsuch" + "x" * 5000}}).encode()
    async with serving(VmSsh(answering(answer, 1))) as vm:
        with pytest.raises(AgentError) as refused:
            await SshAgent(Loopback(vm.port)).call(target(), "status", {})
    assert refused.value.code == "UnknownVerb"
    assert refused.value.message.startswith("no [31m such")
    assert len(refused.value.message) <= 1000


async def test_probe_sees_banner_and_host_key_without_logging_in():
    async with serving(VmSsh(echo)) as vm:
        probe = await SshAgent(Loopback(vm.port)).probe("hub-1.example.org", 22)
        assert probe.banner
        assert probe.host_public_key == " ".join(HOST.public.split()[:2])
        assert (vm.logins, vm.commands) == ([], [])


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"x" * 100_000])
@pytest.mark.parametrize("hang_up", [True, False])
async def test_probe_of_a_port_without_ssh_finds_nothing(greeting: bytes, hang_up: bool):
    async with raw_server(greeting, hang_up=hang_up) as port:
        probe = await SshAgent(Loopback(port)).probe("hub-1.example.org", 22, timeout_s=0.3)
    assert (probe.banner, probe.host_public_key) == (False, None)


async def test_probe_of_a_closed_port_finds_nothing():
    async with serving(VmSsh(echo)) as vm:
        port = vm.port
    assert not (await SshAgent(Loopback(port)).probe("hub-1.example.org", 22)).banner


async def test_probe_remembers_a_banner_when_no_key_follows():
    async with raw_server(b"SSH-2.0-OpenSSH_9.6\r\n", hang_up=False) as port:
        probe = await SshAgent(Loopback(port)).probe("hub-1.example.org", 22, timeout_s=0.5)
    assert (probe.banner, probe.host_public_key) == (True, None)


def test_private_keys_are_hidden_in_representations():
    assert "PRIVATE KEY" not in repr(target())
