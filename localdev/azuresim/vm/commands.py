"""What can be run on a simulated VM over SSH: a listed set of commands, played against the VM's own disk.

No line a VM receives reaches the machine's shell.  A line is split into words and nothing more: pipes, redirections
and substitutions are not available.  Anything not listed ends with exit code 127.
"""

import asyncio
import re
import shlex
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from localdev.azuresim.vm import accounts, cloudinit
from localdev.azuresim.vm.agent import AGENT, AgentRefused, converse, start
from localdev.azuresim.vm.callgate import Call, Program, run_program
from localdev.azuresim.vm.context import Vm
from localdev.azuresim.vm.faults import FaultKind
from localdev.azuresim.vm.processes import PipedProcess
from localdev.azuresim.vm.tljh_files import USER_PYTHON

NOT_AVAILABLE = 127
SHELL_SIGNS = frozenset("|&;<>()$`\\\"'*?#~=%\n")
FORCED_AGENT = ["sudo", "-n", AGENT, "ssh", "$SSH_ORIGINAL_COMMAND"]
ADMIN_PROGRAMS = {"tljh-config": ("tljh-config",), "apt-get": ("apt-get", "apt"), "apt": ("apt-get", "apt")}
FOLLOW_PAUSE_S = 0.5
PIP_COMMANDS = ("install", "list", "show", "freeze", "--version")
PIP_FLAGS = ("--upgrade", "-U", "--quiet", "-q", "--no-input", "--pre", "--no-deps")
REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._-]+\])?([=<>!~]=?=?[A-Za-z0-9.*+!,<>=~-]+)?")
"""A package by name and version: no file, no address, no option that writes elsewhere."""

type Say = Callable[[bytes], Awaitable[None]]


@dataclass
class Session:
    """One command over SSH, or one line at the prompt."""

    user: str
    out: Say
    err: Say
    given: AsyncIterator[bytes] | None = None
    cwd: str = "/"
    gone: Callable[[], bool] = lambda: False
    """Whether the other side has hung up."""


class Commands:
    """Runs command lines on one VM."""

    def __init__(self, vm: Vm, programs: Mapping[str, Program], uptime: Callable[[], float]) -> None:
        self._vm = vm
        self._programs = programs
        self._uptime = uptime

    async def forced(self, command: str, original: str, session: Session) -> int:
        """The command an authorized key is bound to: the agent, or ``/bin/false``."""
        try:
            words = shlex.split(command)
        except ValueError:
            words = []
        if words == ["/bin/false"]:
            return 1
        if words != FORCED_AGENT:
            return await self._unavailable(words[0] if words else "", session)
        if not accounts.may_sudo(self._vm.disk, session.user, AGENT):
            await session.err(b"sudo: a password is required\n")
            return 1
        return await self._agent(["ssh", original], session)

    async def run(self, line: str, session: Session) -> int:
        """One line of a person's; its exit code."""
        try:
            words = shlex.split(line)
        except ValueError:
            await session.err(b"syntax error: unterminated quoted string\n")
            return 2
        if not words:
            return 0
        as_root, words = _without_sudo(words)
        if not words:
            await session.err(b"usage: sudo command\n")
            return 1
        if as_root and not accounts.may_sudo(self._vm.disk, session.user, "ALL"):
            await session.err(b"sudo: a password is required\n")
            return 1
        # Signs that a shell would act on: the split words are not what the writer meant.
        bare = line.replace("'", "").replace('"', "")
        if SHELL_SIGNS.intersection(bare) - {"=", "~", "%"}:
            return await self._unavailable(words[0], session)
        return await self._dispatch(words, session, as_root=as_root or session.user == "root")

    async def _dispatch(self, words: list[str], session: Session, *, as_root: bool) -> int:
        name = words[0].removeprefix("/usr/bin/").removeprefix("/bin/")
        if name == "/opt/tljh/hub/bin/tljh-config":
            name = "tljh-config"
        if as_root and name in ADMIN_PROGRAMS:
            return await self._program([name, *words[1:]], session)
        if as_root and (name in ("pip", "pip3") or words[:3] == [USER_PYTHON, "-m", "pip"]):
            return await self._pip(words[3:] if words[0] == USER_PYTHON else words[1:], session)
        if as_root and name in ("systemctl", "journalctl"):
            return await self._program([name, *words[1:]], session)
        match name:
            case "tljh-config":
                await session.err(b"tljh-config needs root privileges to run\n")
                return 1
            case "true" | ":":
                return 0
            case "false":
                return 1
            case "whoami":
                return await self._say(f"{'root' if as_root else session.user}\n", session)
            case "id":
                account = accounts.ROOT if as_root else accounts.accounts(self._vm.disk)[session.user]
                return await self._say(f"uid={account.uid}({account.name})\n", session)
            case "hostname":
                return await self._say(f"{self._vm.disk.hostname()}\n", session)
            case "uptime":
                minutes = int(self._uptime() // 60)
                now = self._vm.clock.now()
                return await self._say(f" {now:%H:%M:%S} up {minutes} min,  1 user,  load average: 0.00\n", session)
            case "pwd":
                return await self._say(f"{session.cwd}\n", session)
            case "echo":
                return await self._say(f"{' '.join(words[1:])}\n", session)
            case "cat":
                return await self._cat(words[1:], session, as_root=as_root)
            case "tail" | "head":
                return await self._tail(name, words[1:], session, as_root=as_root)
            case "ls":
                return await self._ls(words[1:], session, as_root=as_root)
            case "cloud-init" if words[1:2] == ["status"]:
                return await self._cloud_init_status(session)
        return await self._unavailable(words[0], session)

    async def _say(self, text: str, session: Session) -> int:
        await session.out(text.encode())
        return 0

    async def _unavailable(self, name: str, session: Session) -> int:
        await session.err(f"{name}: not available in a simulated VM\n".encode())
        return NOT_AVAILABLE

    async def _agent(self, arguments: list[str], session: Session) -> int:
        if self._vm.faults.take(FaultKind.AGENT_LOST):
            return 137
        try:
            run = await start(self._vm, arguments)
        except AgentRefused as refused:
            await session.err(f"{refused}\n".encode())
            return refused.code
        return await converse(run, session.given, session.out, session.err)

    async def _program(self, words: list[str], session: Session) -> int:
        queue: asyncio.Queue[tuple[Say, bytes] | None] = asyncio.Queue()

        async def show() -> None:
            while (item := await queue.get()) is not None:
                say, data = item
                await say(data)

        def to(say: Say) -> Callable[[str | bytes], None]:
            return lambda data: queue.put_nowait((say, data.encode() if isinstance(data, str) else data))

        async def nothing() -> bytes:
            return b""

        showing = asyncio.create_task(show())
        try:
            call = Call(tuple(words), session.cwd, to(session.out), to(session.err), nothing)
            return await run_program(self._programs, call)
        finally:
            queue.put_nowait(None)
            await showing

    async def _pip(self, arguments: list[str], session: Session) -> int:
        python = self._vm.disk.path(USER_PYTHON)
        if not python.is_file():
            return await self._unavailable("pip", session)
        if not arguments or arguments[0] not in PIP_COMMANDS:
            return await self._unavailable(f"pip {arguments[0] if arguments else ''}".strip(), session)
        for word in arguments[1:]:
            if word not in PIP_FLAGS and not REQUIREMENT.fullmatch(word):
                return await self._unavailable(f"pip {arguments[0]} {word}", session)
        run: PipedProcess = await self._vm.processes.spawn_piped(
            [str(python), "-m", "pip", *arguments], env=self._vm.environment(), cwd=self._vm.disk.root
        )
        return await converse(run, None, session.out, session.err)

    def _readable(self, path: Path, session: Session, *, as_root: bool) -> bool:
        """Owners are not recorded: a file is one's own inside one's home, else its "others" bits decide."""
        account = accounts.accounts(self._vm.disk).get(session.user)
        home = self._vm.disk.path(account.home) if account else None
        if as_root or (home is not None and path.is_relative_to(home)):
            return True
        parents = [parent for parent in path.parents if parent.is_relative_to(self._vm.disk.root)]
        open_way = all(parent.stat().st_mode & stat.S_IXOTH for parent in parents if parent != self._vm.disk.root)
        return open_way and bool(path.stat().st_mode & stat.S_IROTH)

    async def _open(self, name: str, program: str, session: Session, *, as_root: bool) -> Path | None:
        path = self._vm.disk.path(self._vm.disk.inside(name, session.cwd))
        problem = None
        if not path.exists():
            problem = "No such file or directory"
        elif path.is_dir():
            problem = "Is a directory"
        elif not path.is_file() or not self._readable(path, session, as_root=as_root):
            problem = "Permission denied"
        if problem is None:
            return path
        await session.err(f"{program}: {name}: {problem}\n".encode())
        return None

    async def _cat(self, names: list[str], session: Session, *, as_root: bool) -> int:
        code = 0
        for name in names:
            path = await self._open(name, "cat", session, as_root=as_root)
            if path is None:
                code = 1
            else:
                await session.out(path.read_bytes())
        return code

    async def _tail(self, program: str, words: list[str], session: Session, *, as_root: bool) -> int:
        count, follow, names = 10, False, []
        todo = list(words)
        while todo:
            word = todo.pop(0)
            if word in ("-n", "--lines") and todo:
                word = f"-{todo.pop(0)}"
            if word in ("-f", "-F", "--follow"):
                follow = True
            elif word.startswith("-") and word[1:].isdigit():
                count = int(word[1:])
            else:
                names.append(word)
        if len(names) != 1:
            return await self._unavailable(f"{program} of {len(names)} files", session)
        path = await self._open(names[0], program, session, as_root=as_root)
        if path is None:
            return 1
        data = path.read_bytes()
        lines = data.splitlines(keepends=True)
        await session.out(b"".join(lines[:count] if program == "head" else lines[-count:] if count else []))
        seen = len(data)
        while follow and program == "tail" and not session.gone():
            await asyncio.sleep(FOLLOW_PAUSE_S)
            data = path.read_bytes()
            if len(data) > seen:
                await session.out(data[seen:])
            seen = len(data)
        return 0

    async def _ls(self, words: list[str], session: Session, *, as_root: bool) -> int:
        long = any(word.startswith("-") and "l" in word for word in words)
        hidden = any(word.startswith("-") and "a" in word for word in words)
        code = 0
        for name in [word for word in words if not word.startswith("-")] or [session.cwd]:
            path = self._vm.disk.path(self._vm.disk.inside(name, session.cwd))
            if not path.exists():
                await session.err(f"ls: cannot access '{name}': No such file or directory\n".encode())
                code = 2
                continue
            if path.is_dir() and not (as_root or path.stat().st_mode & stat.S_IROTH or self._home(path, session)):
                await session.err(f"ls: cannot open directory '{name}': Permission denied\n".encode())
                code = 2
                continue
            entries = sorted(path.iterdir()) if path.is_dir() else [path]
            shown = [entry for entry in entries if hidden or not entry.name.startswith(".")]
            await session.out("".join(_ls_line(entry, long=long) for entry in shown).encode())
        return code

    def _home(self, path: Path, session: Session) -> bool:
        account = accounts.accounts(self._vm.disk).get(session.user)
        return account is not None and path.is_relative_to(self._vm.disk.path(account.home))

    async def _cloud_init_status(self, session: Session) -> int:
        text = self._vm.disk.text(cloudinit.RESULT)
        if not text:
            return await self._say("status: running\n", session)
        failed = '"errors": []' not in text
        await session.out(b"status: error\n" if failed else b"status: done\n")
        return 1 if failed else 0


def _without_sudo(words: list[str]) -> tuple[bool, list[str]]:
    if words[0] != "sudo":
        return False, words
    rest = words[1:]
    while rest and rest[0] in ("-n", "-E", "-H", "--"):
        rest = rest[1:]
    return True, rest


def _ls_line(entry: Path, *, long: bool) -> str:
    if not long:
        return f"{entry.name}\n"
    info = entry.lstat()
    return f"{stat.filemode(info.st_mode)} 1 root root {info.st_size:>8} {entry.name}\n"
