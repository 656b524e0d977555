"""Running other programs, always under a time limit and never through a shell."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from shared.onvm.agent.errors import AgentError
from shared.onvm.agent.vm import KIB, ROOT

EXIT_TIMEOUT, EXIT_INTERNAL = 124, 70  # as timeout(1) and sysexits.h have them


class Ran(NamedTuple):
    code: int  # EXIT_TIMEOUT when it was killed for its time limit, 127 when there is no such program
    output: str  # stdout and stderr together, the last 256 KiB


def child_environment() -> dict[str, str]:
    """cloud-init leaves HOME unset and pip and git want one; a program that asks a question would wait for ever."""
    environment = dict(os.environ)
    environment.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    environment.update(HOME=ROOT + "/root", LANG="C.UTF-8", DEBIAN_FRONTEND="noninteractive", NEEDRESTART_MODE="l")
    return environment


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Ends a program that leads its own session, and all it started there: first politely, then for good."""
    for ending, grace_s in ((signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, ending)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)


def run(*argv: str, limit_s: float, cap: int = 256 * KIB) -> Ran:
    """Runs a program to its end or for `limit_s` seconds. Never raises for what the program does.

    umask 022: packages installed with the agent's own 077 would be unreadable to the hub's users.
    """
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=ROOT or "/",
            env=child_environment(),
            start_new_session=True,
            umask=0o022,
        )
    except OSError as error:
        return Ran(127, f"{argv[0]}: {error.strerror}")
    assert process.stdout is not None
    output, deadline = bytearray(), time.monotonic() + limit_s
    with process.stdout as pipe:
        while time.monotonic() < deadline:
            ended = process.poll() is not None
            # Not "until end of file": a service the program started may keep the pipe open for ever.
            if select.select([pipe], [], [], 0 if ended else 0.05)[0]:
                data = os.read(pipe.fileno(), 64 * KIB)
                output += data
                del output[:-cap]
                if data:
                    continue
                if not ended:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(max(0.0, deadline - time.monotonic()))
                    continue
            if ended:
                break
    code = process.poll()
    if code is None:
        kill_group(process)
        code = EXIT_TIMEOUT
    return Ran(code if code >= 0 else 128 - code, output.decode("utf-8", "replace"))


def must_run(failure: str, *argv: str, limit_s: float) -> str:
    """The program's output; `AgentError(failure)` with the end of that output when it does not end with 0."""
    ran = run(*argv, limit_s=limit_s)
    if ran.code != 0:
        how = f"did not end within {limit_s:g} s" if ran.code == EXIT_TIMEOUT else f"ended with exit code {ran.code}"
        raise AgentError(failure, f"{Path(argv[0]).name} {how}: {ran.output.strip()[-1200:]}")
    return ran.output


def say(line: str) -> None:
    """One line for cloud-init-output.log, where the control plane reads what installer.log never shows."""
    sys.stdout.write(f"hublet: {line}\n")
    sys.stdout.flush()
