"""Unix accounts of a simulated VM: lines in its ``/etc/passwd``, homes, authorized keys and sudo rules.

Accounts are recorded, not enforced: every process of a simulated VM runs as the user who runs the simulator.
"""

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from localdev.azuresim.vm.disk import Disk

NAME = re.compile(r"[a-z_][a-z0-9_.@-]{0,31}", re.IGNORECASE)
PASSWD = "/etc/passwd"  # noqa: S105 - a file name
SUDOERS = "/etc/sudoers.d/90-cloud-init-users"
FIRST_UID = 1000


@dataclass(frozen=True)
class Account:
    """One line of /etc/passwd."""

    name: str
    uid: int
    gecos: str
    home: str
    shell: str

    def line(self) -> str:
        """The passwd line."""
        return f"{self.name}:x:{self.uid}:{self.uid}:{self.gecos}:{self.home}:{self.shell}\n"


ROOT = Account("root", 0, "root", "/root", "/bin/bash")


def accounts(disk: Disk) -> dict[str, Account]:
    """All accounts by name."""
    found = {}
    for line in disk.text(PASSWD).splitlines():
        parts = line.split(":")
        if len(parts) == 7 and parts[2].isdigit():
            found[parts[0]] = Account(parts[0], int(parts[2]), parts[4], parts[5], parts[6])
    return found


def add(disk: Disk, name: str, *, gecos: str = "", login_shell: str = "/bin/sh", home: str | None = None) -> Account:
    """Make the account and its home; an existing account is returned unchanged.

    Raises ValueError for a name ``useradd`` would refuse.
    """
    existing = accounts(disk)
    if name in existing:
        return existing[name]
    if not NAME.fullmatch(name):
        raise ValueError(f"invalid user name '{name}'")
    uid = max([FIRST_UID - 1, *(account.uid for account in existing.values())]) + 1
    clean = gecos.replace(":", " ").replace("\n", " ")
    account = Account(name, uid, clean, home or f"/home/{name}", login_shell)
    disk.write(PASSWD, disk.text(PASSWD) + account.line())
    disk.directory(account.home, 0o750)
    return account


def remove(disk: Disk, name: str, *, with_home: bool) -> bool:
    """Drop the account, and its home when asked; whether there was one."""
    existing = accounts(disk)
    account = existing.pop(name, None)
    if account is None:
        return False
    disk.write(PASSWD, "".join(other.line() for other in existing.values()))
    home = disk.path(account.home)
    if with_home and home.is_dir() and home not in (disk.root, disk.root / "home"):
        shutil.rmtree(home, ignore_errors=True)
    return True


def authorize(disk: Disk, account: Account, lines: Sequence[str]) -> None:
    """Add lines to the account's authorized keys, each once."""
    if not lines:
        return
    disk.directory(f"{account.home}/.ssh", 0o700)
    file = f"{account.home}/.ssh/authorized_keys"
    have = disk.text(file).splitlines()
    disk.write(file, "".join(f"{line}\n" for line in dict.fromkeys([*have, *lines])), 0o600)


def authorized(disk: Disk, name: str) -> str:
    """The account's authorized keys as they are now; empty for unknown accounts."""
    account = accounts(disk).get(name)
    return "" if account is None else disk.text(f"{account.home}/.ssh/authorized_keys")


def allow_sudo(disk: Disk, name: str, rules: Sequence[str]) -> None:
    """Record sudo rules such as ``ALL=(ALL) NOPASSWD:ALL``."""
    if rules:
        disk.append(SUDOERS, "".join(f"{name} {rule}\n" for rule in rules), 0o440)


def may_sudo(disk: Disk, name: str, command: str) -> bool:
    """Whether the account may run the program at `command` as root without a password.

    Understands the rules cloud-init writes: ``<hosts>=(<who>) NOPASSWD:<ALL or comma separated paths>``.
    """
    if name == "root":
        return True
    for line in disk.text(SUDOERS).splitlines():
        user, _, rule = line.partition(" ")
        match = re.fullmatch(r"\s*ALL\s*=\s*\((ALL|root|ALL:ALL)\)\s*NOPASSWD:\s*(.+)", rule)
        if user == name and match:
            allowed = [item.strip() for item in match[2].split(",")]
            if "ALL" in allowed or command in allowed:
                return True
    return False
