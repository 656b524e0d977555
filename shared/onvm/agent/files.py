"""Files that are read with a limit, written whole or not at all, and wiped."""

import contextlib
import json
import os
import stat
from pathlib import Path
from typing import Any

from shared.onvm.agent.vm import KIB, MIB


def read_capped(path: Path, cap: int) -> bytes:
    """At most `cap` bytes of a file; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(cap)
    except OSError:
        return b""


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Whole or not at all, also across a power cut; never readable by others for a moment; a replaced file keeps its
    owner (sshd reads authorized_keys as the user it belongs to)."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        os.fchmod(file.fileno(), mode)
        with contextlib.suppress(FileNotFoundError):
            os.fchown(file.fileno(), path.stat().st_uid, path.stat().st_gid)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: Path, document: object) -> None:
    write_atomically(path, json.dumps(document, sort_keys=True).encode())


def read_json(path: Path, cap: int = 256 * KIB) -> dict[str, Any]:
    """The JSON object in a file; `{}` when there is none or it is not one."""
    try:
        document = json.loads(read_capped(path, cap) or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def private_directory(path: Path) -> None:
    """Makes a directory only root can enter, also when something left it wider."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)


def wipe(path: Path) -> None:
    """Overwrites and removes a file. (An SSD may keep old blocks; the host key is rotated for that reason.)"""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "wb") as file:  # on a descriptor this does not truncate
            about = os.fstat(descriptor)
            if stat.S_ISREG(about.st_mode) and about.st_size <= 8 * MIB:
                file.write(b"\0" * about.st_size)
                file.flush()
                os.fsync(descriptor)
    path.unlink(missing_ok=True)
