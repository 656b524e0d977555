"""The SSH server of a simulated VM: asyncssh with the host key and the authorized keys on the VM's disk.

Keys are read again at every login.  Only public keys log in; there is no file transfer and no agent forwarding.
"""

import asyncio
import contextlib
import shlex
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import asyncssh

from localdev.azuresim.vm import accounts, authorized_keys, journal
from localdev.azuresim.vm.commands import Commands, Session
from localdev.azuresim.vm.context import SSH, Vm
from localdev.azuresim.vm.faults import FaultKind
from localdev.azuresim.vm.gate import Gate
from localdev.azuresim.vm.processes import MachineOff
from localdev.azuresim.vm.units import UnitFailed

HOST_KEYS = "/etc/ssh"
LOGIN_LIMIT_S = 30
LOCAL = ("127.0.0.1", "localhost", "::1")
CHUNK = 65536
BYTES = "latin-1"
"""One character per byte: sessions carry bytes, and asyncssh's line editor still works at the prompt."""


class SshUnit:
    """The unit ``ssh``."""

    name = "ssh"

    def __init__(self, vm: Vm, commands: Commands) -> None:
        self.restarts = 0
        self._vm = vm
        self._commands = commands
        self._options: asyncssh.SSHServerConnectionOptions | None = None
        self._gate = Gate(vm.address, vm.ports[SSH], SSH, vm.inbound, self._serve)
        self._connections: set[asyncssh.SSHServerConnection] = set()

    def state(self) -> str:
        """Whether the server listens."""
        return "active" if self._gate.is_open else "inactive"

    def main_pid(self) -> int:
        """It is no process of its own."""
        return 0

    async def start(self) -> None:
        """Read the host keys and listen.  Raises `UnitFailed` when no host key can be read."""
        if self._gate.is_open:
            return
        self._options = self._make_options(self._host_keys())
        self._gate.open()

    async def stop(self) -> None:
        """Stop listening; sessions that are open go on, as with sshd."""
        await self._gate.close(hang_up=False)

    async def power_off(self) -> None:
        """The VM went off: every session ends."""
        await self._gate.close()
        for connection in list(self._connections):
            connection.abort()
        self._connections.clear()

    def _host_keys(self) -> list[asyncssh.SSHKey]:
        keys = []
        for path in sorted(self._vm.disk.directory(HOST_KEYS).glob("ssh_host_*_key")):
            with contextlib.suppress(asyncssh.KeyImportError, asyncssh.KeyEncryptionError, ValueError):
                keys.append(asyncssh.import_private_key(path.read_bytes()))
        if not keys:
            journal.note(self._vm, self.name, "sshd: no hostkeys available -- exiting.")
            raise UnitFailed("ssh.service: Start request repeated too quickly.")
        return keys

    def _make_options(self, keys: list[asyncssh.SSHKey]) -> asyncssh.SSHServerConnectionOptions:
        return asyncssh.SSHServerConnectionOptions(
            server_factory=lambda: _Server(self._vm),
            process_factory=self._process,
            server_host_keys=keys,
            server_version="HubletSimulatedVM",
            encoding=BYTES,
            allow_scp=False,
            agent_forwarding=False,
            x11_forwarding=False,
            password_auth=False,
            kbdint_auth=False,
            host_based_auth=False,
            login_timeout=LOGIN_LIMIT_S,
            keepalive_interval=0,
        )

    async def _serve(self, sock: socket.socket, peer: str) -> None:
        faults = self._vm.faults
        if faults.take(FaultKind.SSH_REFUSED):
            return
        if faults.take(FaultKind.SSH_SILENT):
            await asyncio.Event().wait()
        options = self._options
        if faults.take(FaultKind.SSH_WRONG_KEY):
            options = self._make_options([asyncssh.generate_private_key("ssh-ed25519")])
        try:
            connection = await asyncssh.run_server(sock, options=options)
        except (asyncssh.Error, OSError, ConnectionError):
            return
        self._connections.add(connection)
        try:
            await connection.wait_closed()
        except asyncio.CancelledError:
            connection.abort()
            raise
        finally:
            self._connections.discard(connection)

    async def _process(self, process: asyncssh.SSHServerProcess[str]) -> None:
        user = str(process.get_extra_info("username"))
        home = accounts.accounts(self._vm.disk).get(user, accounts.ROOT).home
        session = Session(user, _sayer(process.stdout), _sayer(process.stderr), _read(process.stdin), home)
        session.gone = process.channel.is_closing
        forced = process.get_extra_info("connection").get_key_option(authorized_keys.FORCED)
        try:
            if forced:
                code = await self._commands.forced(str(forced[0]), process.command or "", session)
            elif process.command is not None:
                code = await self._commands.run(process.command, session)
            else:
                code = await self._prompt(process, session)
        except (asyncssh.BreakReceived, asyncssh.SignalReceived, asyncssh.TerminalSizeChanged):
            code = 130
        except (BrokenPipeError, ConnectionError, MachineOff):
            process.close()
            return
        process.exit(code)

    async def _prompt(self, process: asyncssh.SSHServerProcess[str], session: Session) -> int:
        """A minimal shell: one listed command per line, ``cd``, ``exit``, ``logout``."""
        terminal = process.get_terminal_type() is not None
        if terminal:
            process.stdout.write("Simulated virtual machine: a listed set of commands only.\n")
        code = 0
        while True:
            if terminal:
                where = "~" if session.cwd == accounts.accounts(self._vm.disk)[session.user].home else session.cwd
                process.stdout.write(f"{session.user}@{self._vm.disk.hostname()}:{where}$ ")
            try:
                raw = await process.stdin.readline()
            except (asyncssh.BreakReceived, asyncssh.SignalReceived):
                process.stdout.write("^C\n")
                continue
            except asyncssh.TerminalSizeChanged:
                continue
            line = raw.strip()
            if not raw or line.split()[:1] in (["exit"], ["logout"]):
                words = line.split()
                return int(words[1]) if len(words) > 1 and words[1].isdigit() else code
            if line.split()[:1] == ["cd"]:
                code = await self._cd(line, session)
                continue
            code = await self._commands.run(line, session)

    async def _cd(self, line: str, session: Session) -> int:
        words = shlex.split(line)
        home = accounts.accounts(self._vm.disk)[session.user].home
        wanted = words[1] if len(words) > 1 and words[1] != "~" else home
        path = self._vm.disk.path(self._vm.disk.inside(wanted, session.cwd))
        if not path.is_dir():
            await session.err(f"cd: {wanted}: No such file or directory\n".encode())
            return 1
        session.cwd = self._vm.disk.inside(str(path))
        return 0


class _Server(asyncssh.SSHServer):
    """Login and forwarding rules of one connection."""

    def __init__(self, vm: Vm) -> None:
        self._vm = vm
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn

    def begin_auth(self, username: str) -> bool:
        """Always ask for a key; of an unknown user none fits."""
        keys = authorized_keys.load(accounts.authorized(self._vm.disk, username))
        if keys is not None and self._connection is not None:
            self._connection.set_authorized_keys(keys)
        return True

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> Any:
        """Forward to the VM's own ports only, never to the machine's.

        asyncssh has checked ``permitopen`` and the forwarding permission before it asks.
        """
        real = self._vm.local_ports.get(dest_port)
        if dest_host not in (*LOCAL, self._vm.address) or real is None or self._connection is None:
            return False
        return forwarded(self._vm.address, real)


class _Forwarded(asyncssh.SSHForwarder):
    """One side of a forwarded connection, closed once both sides have ended.

    asyncssh leaves the channel open when the VM's side ended first, and OpenSSH's client waits for the close that
    sshd sends.
    """

    def eof_received(self) -> bool:
        """The other side hears of it; nothing stays open that has ended on both sides."""
        half_open = super().eof_received()
        if not half_open:  # later: asyncio may be in the middle of writing what came before
            asyncio.get_running_loop().call_soon(self.close)
        return half_open


async def forwarded(host: str, port: int) -> asyncssh.SSHForwarder:
    """The SSH side of a connection to that port. Raises `asyncssh.ChannelOpenError`."""
    try:
        _, inner = await asyncio.get_running_loop().create_connection(_Forwarded, host, port)
    except OSError as exc:
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, str(exc)) from None
    return _Forwarded(inner)


def _sayer(writer: asyncssh.SSHWriter[str]) -> Callable[[bytes], Awaitable[None]]:
    async def say(data: bytes) -> None:
        for start in range(0, len(data), CHUNK):
            writer.write(data[start : start + CHUNK].decode(BYTES))
            await writer.drain()

    return say


async def _read(reader: asyncssh.SSHReader[str]) -> AsyncIterator[bytes]:
    try:
        while data := await reader.read(CHUNK):
            yield data.encode(BYTES)
    except (asyncssh.BreakReceived, asyncssh.SignalReceived, asyncssh.TerminalSizeChanged):
        return
