"""Where programs on a VM's PATH come in: one unix socket per VM, every call a task of the simulator.

The calling shim going away (the agent's time limit, a kill) cancels the task, as a signal would end a real program.
"""

import asyncio
import contextlib
import shlex
import traceback
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localdev.azuresim.vm.processes import here


@dataclass(frozen=True)
class Call:
    """One run of a program on the VM."""

    argv: tuple[str, ...]
    """The program's name and its arguments."""
    cwd: str
    """Working directory as the caller has it; `Disk.inside` makes a VM path of it."""
    out: Callable[[str | bytes], None]
    err: Callable[[str | bytes], None]
    read_input: Callable[[], Awaitable[bytes]]
    """All of standard input; asked for only by programs that read it."""

    @property
    def arguments(self) -> tuple[str, ...]:
        """Everything after the program's name."""
        return self.argv[1:]


type Program = Callable[[Call], Awaitable[int]]
"""Runs one call and returns its exit code."""

NOT_FOUND = 127


class CallGate:
    """Serves the programs of one VM."""

    def __init__(self, socket_path: Path, bin_directory: Path, python: Path, programs: Mapping[str, Program]) -> None:
        self._path = socket_path
        self._bin = bin_directory
        self._python = python
        self._programs = programs
        self._server: asyncio.Server | None = None
        self._calls: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Write the programs' scripts and begin to serve."""
        self._bin.mkdir(parents=True, exist_ok=True)
        for name in self._programs:
            words = [str(self._python), "-IS", str(here("shim.py")), str(self._path), name]
            script = self._bin / name
            script.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
            script.chmod(0o755)
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self._path)

    async def close(self) -> None:
        """End every running call and stop serving."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for call in list(self._calls):
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._calls.add(task)
        try:
            await self._answer(reader, writer)
        except (asyncio.CancelledError, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._calls.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(4), "big")
        cwd, *argv = (await reader.readexactly(size)).decode("utf-8", "surrogateescape").split("\0")

        def frame(kind: int, data: str | bytes) -> None:
            raw = data.encode() if isinstance(data, str) else data
            writer.write(bytes([kind]) + len(raw).to_bytes(4, "big") + raw)

        # The shim sends nothing it was not asked for, so anything that ends this read is the shim's end.
        gone: asyncio.Task[bytes] = asyncio.create_task(reader.read(1))

        async def read_input() -> bytes:
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone
            frame(3, b"")
            length = int.from_bytes(await reader.readexactly(4), "big")
            return await reader.readexactly(length)

        call = Call(tuple(argv), cwd, lambda data: frame(1, data), lambda data: frame(2, data), read_input)
        run = asyncio.create_task(run_program(self._programs, call))
        try:
            both: list[asyncio.Task[Any]] = [run, gone]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if gone.cancelled():  # given up by read_input: the shim still waits for its exit code
                await asyncio.wait([run])
            if not run.done():
                return
            writer.write(bytes([0]) + run.result().to_bytes(4, "big"))
            await writer.drain()
        finally:
            gone.cancel()
            run.cancel()
            await asyncio.gather(run, gone, return_exceptions=True)


async def run_program(programs: Mapping[str, Program], call: Call) -> int:
    """Run the named program, or say that there is none (127)."""
    program = programs.get(call.argv[0])
    if program is None:
        call.err(f"{call.argv[0]}: not available in a simulated VM\n")
        return NOT_FOUND
    try:
        return await program(call)
    except OSError as error:
        call.err(f"{call.argv[0]}: {error}\n")
        return 1
    except Exception as error:  # a program that crashes is the VM's matter, not the simulator's
        call.err("".join(traceback.format_exception(error)))
        return 1


async def run_quietly(programs: Mapping[str, Program], argv: Sequence[str]) -> tuple[int, str]:
    """Run a program from inside the simulator; its exit code and everything it said."""
    said: list[bytes] = []

    def keep(data: str | bytes) -> None:
        said.append(data.encode() if isinstance(data, str) else data)

    async def nothing() -> bytes:
        return b""

    code = await run_program(programs, Call(tuple(argv), "/", keep, keep, nothing))
    return code, b"".join(said).decode(errors="replace")
