"""The processes of one simulated VM, all children of its `init.py` so that switching the VM off is total."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

INIT = Path(__file__).with_name("init.py")


class MachineOff(Exception):
    """The VM was switched off while something wanted to run on it."""


@dataclass
class Process:
    """A started program."""

    pid: int
    _ended: asyncio.Future[int] = field(repr=False)
    _owner: "Processes" = field(repr=False)

    async def wait(self) -> int:
        """Exit code; negative = ended by that signal.  May be awaited by several callers."""
        return await asyncio.shield(self._ended)

    @property
    def ended(self) -> bool:
        """Whether the program has ended (or the VM is off)."""
        return self._ended.done()

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens when the program has ended."""
        if not self._ended.done():
            self._owner.send({"kill": self.pid, "signal": int(number)})


@dataclass
class PipedProcess:
    """A started program with its three standard streams."""

    process: Process
    stdin: asyncio.StreamWriter
    stdout: asyncio.StreamReader
    stderr: asyncio.StreamReader


class Processes:
    """Starts programs through the VM's process 1."""

    def __init__(self, python: Path) -> None:
        self._python = python
        self._init: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._socket: socket.socket | None = None
        self._reader: asyncio.Task[None] | None = None
        self._running: dict[int, Process] = {}
        self._early: dict[int, int] = {}
        self._answers: dict[int, asyncio.Future[int]] = {}
        self._count = 0

    async def power_on(self) -> None:
        """Start process 1.  Twice without `power_off` is an error."""
        assert self._init is None
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self._init = await asyncio.create_subprocess_exec(
            str(self._python),
            "-IS",
            str(INIT),
            str(theirs.fileno()),
            pass_fds=[theirs.fileno()],
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=None,
            env={"LANG": "C.UTF-8"},
            start_new_session=True,
        )
        theirs.close()
        self._socket = ours
        self._reader = asyncio.create_task(self._read(ours))

    async def power_off(self) -> None:
        """Kill everything that runs; returns when nothing does.  Doing it twice is fine."""
        if self._init is None:
            return
        init, self._init = self._init, None
        assert self._socket is not None and self._reader is not None
        self._socket.shutdown(socket.SHUT_RDWR)
        await init.wait()
        self._reader.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._reader
        self._socket.close()
        self._socket = None
        for process in list(self._running.values()):
            if not process._ended.done():
                process._ended.set_result(-9)
        self._running.clear()
        self._early.clear()
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(MachineOff())
        self._answers.clear()

    async def spawn(
        self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, stdin: int, stdout: int, stderr: int
    ) -> Process:
        """Start `argv` with exactly `env`; the descriptors stay the caller's to close.

        Raises `MachineOff` when the VM is not running.
        """
        if self._socket is None:
            raise MachineOff
        self._count += 1
        number = self._count
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        request = {"id": number, "argv": list(argv), "env": dict(env), "cwd": str(cwd)}
        self.send(request, [stdin, stdout, stderr])
        try:
            pid = await asyncio.shield(answer)
        except asyncio.CancelledError:
            answer.add_done_callback(self._end_unwanted)
            raise
        ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        process = Process(pid, ended, self)
        if pid in self._early:
            ended.set_result(self._early.pop(pid))
        else:
            self._running[pid] = process
        return process

    async def spawn_piped(self, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path) -> PipedProcess:
        """Start `argv` with its standard streams in our hands."""
        loop = asyncio.get_running_loop()
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        ours_err, theirs_err = os.pipe()
        try:
            process = await self.spawn(argv, env=env, cwd=cwd, stdin=theirs_in, stdout=theirs_out, stderr=theirs_err)
        except BaseException:
            for fd in (ours_in, ours_out, ours_err):
                os.close(fd)
            raise
        finally:
            for fd in (theirs_in, theirs_out, theirs_err):
                os.close(fd)
        readers = []
        for fd in (ours_out, ours_err):
            reader = asyncio.StreamReader()
            protocol = asyncio.StreamReaderProtocol(reader)
            await loop.connect_read_pipe(lambda protocol=protocol: protocol, os.fdopen(fd, "rb"))  # type: ignore[misc]
            readers.append(reader)
        transport, flow = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, os.fdopen(ours_in, "wb"))
        return PipedProcess(process, asyncio.StreamWriter(transport, flow, None, loop), readers[0], readers[1])

    def _end_unwanted(self, answer: asyncio.Future[int]) -> None:
        """Whoever asked for the program is gone: end it as soon as it is known."""
        if not answer.cancelled() and answer.exception() is None and self._socket is not None:
            self.send({"kill": answer.result(), "signal": int(signal.SIGKILL)})

    def send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        """Hand one request to process 1.  Requests are far smaller than the socket's buffer."""
        if self._socket is None:
            raise MachineOff
        data = json.dumps(message).encode() + b"\n"
        self._socket.setblocking(True)
        try:
            sent = socket.send_fds(self._socket, [data], list(fds)) if fds else 0
            self._socket.sendall(data[sent:])
        finally:
            self._socket.setblocking(False)

    async def _read(self, channel: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        pending = b""
        while data := await loop.sock_recv(channel, 65536):
            pending += data
            *lines, pending = pending.split(b"\n")
            for line in lines:
                self._take(json.loads(line))

    def _take(self, message: dict[str, Any]) -> None:
        if "exit" in message:
            process = self._running.pop(message["exit"], None)
            if process is None:  # ended before the answer to its start was read
                self._early[message["exit"]] = message["code"]
            elif not process._ended.done():
                process._ended.set_result(message["code"])
            return
        answer = self._answers.pop(message["id"])
        if answer.done():
            return
        if "pid" in message:
            answer.set_result(message["pid"])
        else:
            answer.set_exception(OSError(message["error"]))


def journal_file(path: Path) -> int:
    """Open a log of the VM for appending; the caller closes the descriptor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)


def null_input() -> int:
    """Open the null device for reading; the caller closes it."""
    return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


def here(relative: str) -> Path:
    """A file of this package."""
    return Path(__file__).parent / relative


def is_linux() -> bool:
    """Whether whole 127.0.0.0/8 is usable and orphans can be adopted."""
    return sys.platform == "linux"
