"""Runs the on-VM agent of the control plane: the one program of a VM that is executed for real.

Only a file whose SHA-256 equals the project's own agent is run, with JupyterHub's interpreter, under the VM's tree,
with an environment that holds nothing of the simulator's and a PATH of the VM's programs only.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from localdev.azuresim.vm.context import Vm
from localdev.azuresim.vm.processes import PipedProcess

AGENT = "/usr/local/lib/hublet/agent"
REFUSED = 126
NOT_FOUND = 127
CHUNK = 65536


class AgentRefused(Exception):
    """There is no agent (127), or it is not ours (126)."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


def check(vm: Vm) -> None:
    """Compare the VM's agent with the project's.  Raises `AgentRefused`."""
    path = vm.disk.path(AGENT)
    if not path.is_file():
        raise AgentRefused(NOT_FOUND, f"{AGENT}: No such file or directory")
    if not path.stat().st_mode & 0o111:
        raise AgentRefused(REFUSED, f"{AGENT}: Permission denied")
    ours = hashlib.sha256(vm.tools.agent()).hexdigest()
    if hashlib.sha256(path.read_bytes()).hexdigest() != ours:
        raise AgentRefused(REFUSED, f"{AGENT}: not the agent of this project, not run in a simulated VM")


async def start(vm: Vm, arguments: Sequence[str]) -> PipedProcess:
    """Start the agent.  Raises `AgentRefused`; `MachineOff` when the VM is not running."""
    check(vm)
    return await vm.processes.spawn_piped(
        [str(vm.tools.python), str(vm.disk.path(AGENT)), *arguments], env=vm.environment(), cwd=vm.disk.root
    )


async def converse(
    run: PipedProcess,
    given: AsyncIterator[bytes] | None,
    out: Callable[[bytes], Awaitable[None]],
    err: Callable[[bytes], Awaitable[None]],
) -> int:
    """Wire the agent's streams until it ends; its exit code (128 + n for signal n)."""
    feeding = asyncio.create_task(_feed(run, given))
    try:
        await asyncio.gather(_drain(run.stdout, out), _drain(run.stderr, err))
        code = await run.process.wait()
    except BaseException:
        run.process.signal(9)
        raise
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        run.stdin.close()
    return code if code >= 0 else 128 - code


async def _feed(run: PipedProcess, given: AsyncIterator[bytes] | None) -> None:
    try:
        if given is not None:
            async for data in given:
                run.stdin.write(data)
                await run.stdin.drain()
    except (BrokenPipeError, ConnectionError):
        return
    finally:
        run.stdin.close()


async def _drain(stream: asyncio.StreamReader, to: Callable[[bytes], Awaitable[None]]) -> None:
    while data := await stream.read(CHUNK):
        await to(data)
