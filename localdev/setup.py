"""Everything that is installed once: our own environment, Node parts, and the environment of the simulated hubs.

Each environment carries a copy of the lock file it was made from; when the two are equal there is nothing to do. A file
lock keeps two commands from installing at once. Only the standard library is imported: `./dev` runs this module with
the machine's Python to make `.venv`.
"""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localdev import paths

OLDEST_NODE = 20
"""Azurite 3.35 and configurable-http-proxy 5 run on Node 20; older ones are not tested by them any more."""


class SetupFailed(RuntimeError):
    """An installation failed; the text has the end of its log."""


@dataclass(frozen=True)
class NodeParts:
    """How to start node, and the directories that belong on PATH for it."""

    node: str
    path: tuple[Path, ...] = ()

    def search_path(self) -> str:
        """PATH for a child that must find this node."""
        return os.pathsep.join([*(str(path) for path in self.path), os.environ.get("PATH", "")])


type Say = Callable[[str], None]


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def ensure_all(say: Say = _to_stderr) -> NodeParts:
    """Node parts and hub environment, side by side. Raises SetupFailed. Does nothing the second time."""
    with ThreadPoolExecutor(2) as pool:
        hubenv = pool.submit(ensure_hubenv, say)
        node = pool.submit(ensure_node_parts, say)
        hubenv.result()
        return node.result()


def ensure_venv(say: Say = _to_stderr) -> None:
    """`.venv` with the locked development dependencies."""
    with _once(paths.VENV, paths.VENV_LOCK) as stale:
        if stale:
            say("setup: installing Python packages into .venv (once, about a minute) ...")
            _make_venv(paths.VENV, paths.VENV_LOCK, paths.STATE / "install.log")


def ensure_hubenv(say: Say = _to_stderr) -> Path:
    """The environment with JupyterHub and JupyterLab that simulated VMs share; its Python's path."""
    with _once(paths.HUBENV, paths.HUBENV_LOCK) as stale:
        if stale:
            say("setup: installing JupyterHub and JupyterLab for the simulated VMs (once, a minute or two) ...")
            _make_venv(paths.HUBENV, paths.HUBENV_LOCK, paths.STATE / "install-hubenv.log")
            say("setup: JupyterHub and JupyterLab are installed")
    return paths.HUBENV / "bin" / "python"


def ensure_mutation(say: Say = _to_stderr) -> Path:
    """The environment that makes mutants and measures coverage, for `./dev mutate` only; its Python's path."""
    with _once(paths.MUTATION, paths.MUTATION_LOCK) as stale:
        if stale:
            say("setup: installing mutmut and coverage (once) ...")
            _make_venv(paths.MUTATION, paths.MUTATION_LOCK, paths.STATE / "install-mutation.log")
    return paths.MUTATION / "bin" / "python"


def ensure_node_parts(say: Say = _to_stderr) -> NodeParts:
    """`localdev/node/node_modules` from its lock file, with the machine's Node or, without one, Node from PyPI."""
    return _node_modules(say, "Azurite and the JupyterHub proxy", paths.NODE_MODULES, paths.NODE_LOCK, "node")


def ensure_cards_parts(say: Say = _to_stderr) -> NodeParts:
    """`localdev/cards/node_modules`: Microsoft's renderer of Adaptive Cards. For tests and screenshots: nothing that
    runs needs it, so `./dev up` does not install it."""
    return _node_modules(say, "the renderer of Adaptive Cards", paths.CARDS_MODULES, paths.CARDS_LOCK, "cards")


def _node_modules(say: Say, what: str, modules: Path, lock: Path, name: str) -> NodeParts:
    parts = find_node(os.environ.get("PATH", "")) or _node_from_pypi(say)
    with _once(modules, lock) as stale:
        if stale:
            say(f"setup: installing {what} (once) ...")
            npm = shutil.which("npm", path=parts.search_path()) or "npm"
            argv = [npm, "ci", "--omit=dev", "--no-audit", "--no-fund"]
            environment = {**os.environ, "PATH": parts.search_path()}
            _run(argv, paths.STATE / f"install-{name}.log", cwd=modules.parent, env=environment)
            say(f"setup: installed {what}")
    return parts


def find_node(search: str) -> NodeParts | None:
    """Node and npm on the given PATH, when new enough."""
    node = shutil.which("node", path=search)
    if node is None or shutil.which("npm", path=search) is None:
        return None
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return NodeParts(node) if node_major(said) >= OLDEST_NODE else None


def node_major(version: str) -> int:
    """20 for `v20.20.2`; 0 for what is not a version."""
    major = version.strip().removeprefix("v").partition(".")[0]
    return int(major) if major.isdigit() else 0


def _node_from_pypi(say: Say) -> NodeParts:
    with _once(paths.NODE_ENV, paths.NODE_ENV_LOCK) as stale:
        if stale:
            say(f"setup: no Node >= {OLDEST_NODE} with npm on PATH: installing one from PyPI (once) ...")
            _make_venv(paths.NODE_ENV, paths.NODE_ENV_LOCK, paths.STATE / "install-nodejs.log")
    bin_dir = paths.NODE_ENV / "bin"
    return NodeParts(str(bin_dir / "node"), (bin_dir,))


def _make_venv(target: Path, lock: Path, log: Path) -> None:
    log.unlink(missing_ok=True)
    if target.exists():
        shutil.rmtree(target)
    _run([sys.executable, "-m", "venv", str(target)], log)
    pip = [str(target / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    _run([*pip, "install", "--require-hashes", "--no-deps", "-r", str(lock)], log)


def _run(argv: Sequence[str], log: Path, *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    with log.open("ab") as output:
        done = subprocess.run(list(argv), cwd=cwd, env=env, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:])
        raise SetupFailed(f"`{' '.join(argv)}` failed with code {done.returncode}. End of {log}:\n{tail}")


@contextmanager
def _once(target: Path, lock_file: Path) -> Iterator[bool]:
    """Yields whether `target` must be made anew, alone on this machine; stamps it when the body ended well."""
    wanted, stamp = lock_file.read_bytes(), target / paths.STAMP
    if _stamped(stamp, wanted):
        yield False
        return
    paths.STATE.mkdir(exist_ok=True)
    with (paths.STATE / f"{target.name.lstrip('.')}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        stale = not _stamped(stamp, wanted)  # somebody else may have done it while we waited
        yield stale
        if stale:
            stamp.write_bytes(wanted)


def _stamped(stamp: Path, wanted: bytes) -> bool:
    return stamp.exists() and stamp.read_bytes() == wanted


def main() -> int:
    """What `./dev` runs before there is a `.venv`."""
    try:
        ensure_venv()
    except SetupFailed as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
