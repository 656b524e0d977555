"""Process 1 of a simulated VM: starts the VM's processes and, when told or left alone, ends every one of them.

Run as ``python -IS init.py <fd>``; `fd` is one end of a stream socket pair whose other end `processes.py` holds.  A
request is a JSON line, a spawn carries three file descriptors:

    {"id": 1, "argv": [...], "env": {...}, "cwd": "/"}  ->  {"id": 1, "pid": 4711}  (or {"id": 1, "error": "..."})
    {"kill": 4711, "signal": 15}                        ->  nothing
    (a child ended)                                     ->  {"exit": 4711, "code": 0}   (code < 0: signal)

On Linux this process adopts orphans (PR_SET_CHILD_SUBREAPER), so a daemon that left its session is still found: all
that descends from it is killed.  End of file on the socket, which the kernel gives even when the simulator was
SIGKILLed, ends the VM.  Elsewhere (macOS) process groups and the marker variable HUBLET_ROOT take that part.

Uses the standard library only and never imports the project.
"""

import contextlib
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Ask Linux to give this process the orphans of its descendants; elsewhere do nothing."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def spawn(request: dict[str, Any], fds: list[int]) -> int:
    """Start the requested program in its own session and return its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        os.chdir(request["cwd"])
        for target, fd in enumerate([os.dup(fd) for fd in fds]):
            os.dup2(fd, target)
        os.closerange(3, 1024)
        for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        os.umask(0o022)
        os.execve(request["argv"][0], request["argv"], request["env"])  # noqa: S606 - the argv list of our own caller
    except OSError as error:
        os.write(2, f"{request['argv'][0]}: {error.strerror}\n".encode())
    os._exit(127)


def parents() -> dict[int, int]:
    """Every process and its parent, from /proc."""
    found = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - one call per kill round, names only
        if entry.isdigit():
            with contextlib.suppress(OSError):
                stat = (Path("/proc") / entry / "stat").read_bytes()
                found[int(entry)] = int(stat[stat.rindex(b")") + 2 :].split()[1])
    return found


def descendants(of: int) -> list[int]:
    """All processes below `of`."""
    children: dict[int, list[int]] = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found, queue = [], [of]
    while queue:
        queue.extend(children.get(queue[0], []))
        found.append(queue.pop(0))
    return found[1:]


def strays(marker: str) -> list[int]:
    """Processes of this user whose environment carries `marker`: the stand-in for adoption where /proc is missing."""
    if not marker:
        return []
    with os.popen("/bin/ps -axEww -o pid=,command=") as listing:  # noqa: S605 - fixed text
        return [int(line.split(None, 1)[0]) for line in listing if marker in line]


def end_everything(started: set[int], marker: str) -> None:
    """SIGKILL whatever descends from this process until nothing is left to wait for."""
    linux = os.path.isdir("/proc/self")  # noqa: PTH112 - cheap
    while True:
        targets = descendants(os.getpid()) if linux else [*started, *strays(marker)]
        for pid in targets:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if not linux:
            for pid in started:
                with contextlib.suppress(OSError):
                    os.killpg(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def reap(channel: socket.socket, started: set[int]) -> None:
    """Collect ended children and report those that were asked for."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid in started:
                started.discard(pid)
                code = os.waitstatus_to_exitcode(status)
                channel.sendall(json.dumps({"exit": pid, "code": code}).encode() + b"\n")


def serve(channel: socket.socket, wakeup: int) -> None:
    """Answer requests until the other end is gone."""
    started: set[int] = set()
    pending, fds = b"", []
    marker = ""
    try:
        while True:
            ready, _, _ = select.select([channel.fileno(), wakeup], [], [])
            if wakeup in ready:
                if signal.SIGTERM in os.read(wakeup, 512):
                    return
                reap(channel, started)
            if channel.fileno() not in ready:
                continue
            data, got, _, _ = socket.recv_fds(channel, 1 << 20, 3)
            if not data:
                return
            pending += data
            fds += got
            while b"\n" in pending:
                line, pending = pending.split(b"\n", 1)
                request = json.loads(line)
                if "kill" in request:
                    with contextlib.suppress(OSError):
                        os.kill(request["kill"], request["signal"])
                    continue
                mine, fds = fds[:3], fds[3:]
                root = request["env"].get("HUBLET_ROOT")
                marker = f"HUBLET_ROOT={root}" if root else marker
                try:
                    pid = spawn(request, mine)
                    started.add(pid)
                    answer: dict[str, Any] = {"id": request["id"], "pid": pid}
                except OSError as error:
                    answer = {"id": request["id"], "error": str(error)}
                for fd in mine:
                    os.close(fd)
                channel.sendall(json.dumps(answer).encode() + b"\n")
    except OSError:
        pass
    finally:
        end_everything(started, marker)


def main() -> None:
    """Become the VM's process 1."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    adopt_orphans()
    wakeup, written = os.pipe()
    os.set_blocking(written, False)
    signal.set_wakeup_fd(written)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    serve(channel, wakeup)


if __name__ == "__main__":
    main()
