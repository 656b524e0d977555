"""The disk of one simulated VM: a directory tree that paths cannot leave.

VM paths are resolved as ``chroot`` would: ``..`` stops at the root and an absolute symbolic link starts again there.
Modes are real; owners are not (everything belongs to whoever runs the simulator), so "root only" is judged by mode.
"""

import os
import stat
from pathlib import Path, PurePosixPath

MAX_LINKS = 40
HOSTNAME_FILE = "/etc/hostname"


class Disk:
    """One VM's file system."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def path(self, vm_path: str, *, follow: bool = True) -> Path:
        """The real path behind an absolute VM path; never outside the disk.

        The last component's own link is followed unless `follow` is false.  Raises OSError (too many levels of
        symbolic links) for link loops.
        """
        done: list[str] = []
        todo = [part for part in PurePosixPath(vm_path).parts if part != "/"]
        links = 0
        while todo:
            part = todo.pop(0)
            if part == "..":
                done = done[:-1]
                continue
            here = self.root.joinpath(*done, part)
            if here.is_symlink() and (todo or follow):
                links += 1
                if links > MAX_LINKS:
                    raise OSError(40, "Too many levels of symbolic links", vm_path)
                target = str(here.readlink())
                if target.startswith("/"):
                    done = []
                    target = self.inside(target)
                todo = [piece for piece in PurePosixPath(target).parts if piece != "/"] + todo
                continue
            done.append(part)
        return self.root.joinpath(*done)

    def inside(self, path: str, cwd: str = "/") -> str:
        """The VM path of what a program on the VM wrote: with or without the root prefix, or relative to `cwd`."""
        prefix = str(self.root)
        if path == prefix or path.startswith(prefix + "/"):
            return path[len(prefix) :] or "/"
        if path.startswith("/"):
            return path
        return f"{self.inside(cwd)}/{path}"

    def read(self, vm_path: str) -> bytes:
        """The file's bytes; OSError as usual."""
        return self.path(vm_path).read_bytes()

    def text(self, vm_path: str, default: str = "") -> str:
        """The file's text, or `default` when there is none."""
        try:
            return self.read(vm_path).decode(errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return default

    def exists(self, vm_path: str) -> bool:
        """Whether there is something at the path."""
        return self.path(vm_path).exists()

    def write(self, vm_path: str, data: bytes | str, mode: int = 0o644) -> Path:
        """Replace the file, making its directories; the new file has exactly `mode`."""
        path = self.path(vm_path)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.new")
        fresh.unlink(missing_ok=True)
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as out:
            out.write(data.encode() if isinstance(data, str) else data)
        fresh.chmod(mode)
        fresh.replace(path)
        return path

    def append(self, vm_path: str, data: bytes | str, mode: int = 0o640) -> None:
        """Add to the file, making it with `mode` when it is new.  Works on files their owner may not write."""
        path = self.path(vm_path)
        if not path.exists():
            self.write(vm_path, data, mode)
            return
        before = stat.S_IMODE(path.stat().st_mode)
        if not before & 0o200:
            path.chmod(before | 0o200)
        with path.open("ab") as out:
            out.write(data.encode() if isinstance(data, str) else data)
        if not before & 0o200:
            path.chmod(before)

    def directory(self, vm_path: str, mode: int = 0o755) -> Path:
        """Make a directory (and its parents); an existing one keeps its mode."""
        path = self.path(vm_path)
        if not path.is_dir():
            path.mkdir(parents=True)
            path.chmod(mode)
        return path

    def remove(self, vm_path: str) -> bool:
        """Remove a file or link; whether there was one."""
        path = self.path(vm_path, follow=False)
        if not path.is_symlink() and not path.exists():
            return False
        path.unlink()
        return True

    def hostname(self) -> str:
        """The VM's name."""
        return self.text(HOSTNAME_FILE).strip() or "localhost"
