"""Child processes that never outlive us: own process group, a log file each, a bounded stop."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

_POLL_S = 0.05
_PR_SET_PDEATHSIG = 1
"""Linux, `man 2 prctl`: the signal a child gets when its parent dies."""

_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


class ChildFailed(RuntimeError):
    """A child ended or was not ready in time. The text has the cause and the end of its log."""


def _die_with(parent: int) -> Callable[[], None]:
    """Runs in the child between fork and exec: a supervisor killed by SIGKILL cannot stop its children itself."""

    def arm() -> None:
        if _LIBC is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:  # it died before the line above
                os._exit(1)

    return arm


@dataclass(frozen=True)
class Child:
    """A started process. `log` holds its stdout and stderr."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def failure(self, what: str, lines: int = 25) -> ChildFailed:
        tail = "\n".join(f"  | {line}" for line in self.log_text().splitlines()[-lines:])
        return ChildFailed(f"{self.name} {what}. End of {self.log}:\n{tail or '  | (empty)'}")

    def wait_until[T](self, probe: Callable[[], T | None], limit_s: float) -> T:
        """The first answer of `probe` that is not None. Raises ChildFailed when the child ends or `limit_s` passes."""
        deadline = time.monotonic() + limit_s
        while True:
            answer = probe()
            if answer is not None:
                return answer
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self.process.wait(timeout=_POLL_S)
                raise self.failure(f"ended with code {code} before it was ready")
            if time.monotonic() > deadline:
                raise self.failure(f"was not ready within {limit_s:g} s")

    def wait_for_file(self, path: Path, limit_s: float) -> str:
        """The content of a ready file, which the child must write atomically."""
        return self.wait_until(lambda: path.read_text(encoding="utf-8") if path.exists() else None, limit_s)

    def stop(self, grace_s: float) -> None:
        """SIGTERM to the process; what is left of its group after `grace_s` gets SIGKILL. Twice is fine."""
        if self.running:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=grace_s)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to the whole group, at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Children:
    """The children of one command; leaving the context stops them, last started first.

    `start` must be called by the main thread: Linux sends the parent-death signal when the *thread* that forked ends.
    """

    def __init__(self, log_dir: Path, grace_s: float = 15.0) -> None:
        self._log_dir = log_dir
        self._grace_s = grace_s
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop_all()

    def start(
        self, name: str, argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> Child:
        """`env` is added to our own environment. The log starts empty."""
        self._log_dir.mkdir(parents=True, exist_ok=True)
        log = self._log_dir / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with(os.getpid()),
            )
        child = Child(name, process, log)
        self._children.append(child)
        return child

    def kill(self, child: Child) -> None:
        """SIGKILL, and nothing more is done to it at the end: by then its number may be somebody else's."""
        child.kill()
        self._children.remove(child)

    def first_dead(self) -> Child | None:
        """A child that ended although nobody asked it to."""
        return next((child for child in self._children if not child.running), None)

    def stop_all(self) -> None:
        while self._children:
            self._children.pop().stop(self._grace_s)
