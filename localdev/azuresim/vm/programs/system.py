"""Accounts, keys and signals on a simulated VM: ``useradd userdel pkill ssh-keygen``."""

import asyncssh

from localdev.azuresim.vm import accounts
from localdev.azuresim.vm.callgate import Call
from localdev.azuresim.vm.context import Vm

USER_EXISTS, NO_SUCH_USER, BAD_NAME, NOTHING_MATCHED = 9, 6, 3, 1


class Useradd:
    """useradd: records the account and makes its home; an account that exists is left alone (exit 0 for TLJH's own
    ``jupyter-`` accounts, which are made again at every server start, else 9)."""

    def __init__(self, vm: Vm) -> None:
        self._vm = vm

    async def __call__(self, call: Call) -> int:
        """The last word is the name; ``-s`` and ``-c`` are understood."""
        options, words = split(call.arguments, {"-s", "--shell", "-c", "--comment", "-G", "--groups", "-g", "-d", "-u"})
        if len(words) != 1:
            call.err("Usage: useradd [options] LOGIN\n")
            return 2
        name = words[0]
        if name in accounts.accounts(self._vm.disk):
            if name.startswith("jupyter-"):
                self._vm.disk.directory(f"/home/{name}", 0o750)
                return 0
            call.err(f"useradd: user '{name}' already exists\n")
            return USER_EXISTS
        try:
            accounts.add(
                self._vm.disk,
                name,
                gecos=options.get("-c", options.get("--comment", "")),
                login_shell=options.get("-s", options.get("--shell", "/bin/bash")),
            )
        except ValueError:
            call.err(f"useradd: invalid user name '{name}': use --badname to ignore\n")
            return BAD_NAME
        return 0


class Userdel:
    """userdel: drops the account, with ``-r`` its home too."""

    def __init__(self, vm: Vm) -> None:
        self._vm = vm

    async def __call__(self, call: Call) -> int:
        """The last word is the name; an unknown one is exit 6."""
        options, words = split(call.arguments, set())
        if len(words) != 1:
            call.err("Usage: userdel [options] LOGIN\n")
            return 2
        with_home = any(name in options for name in ("-r", "--remove", "-rf", "-fr"))
        if not accounts.remove(self._vm.disk, words[0], with_home=with_home):
            call.err(f"userdel: user '{words[0]}' does not exist\n")
            return NO_SUCH_USER
        return 0


class Pkill:
    """pkill: processes of a simulated VM all belong to one user, so by-user selections match nothing.

    The users' servers are ended through the hub; a port held by a dead installer cannot happen here, since the
    progress page is not simulated.
    """

    async def __call__(self, call: Call) -> int:
        """Nothing matches."""
        return NOTHING_MATCHED


class SshKeygen:
    """ssh-keygen: ``-t ed25519 -N "" -f FILE [-C comment]``, ``-y -f FILE`` and ``-l -f FILE``."""

    def __init__(self, vm: Vm) -> None:
        self._vm = vm

    async def __call__(self, call: Call) -> int:
        """Make a key pair, show a public key or a fingerprint."""
        options, _ = split(call.arguments, {"-t", "-N", "-f", "-C", "-b", "-E", "-a", "-P", "-O"})
        disk = self._vm.disk
        file = disk.inside(options.get("-f", "/root/.ssh/id_ed25519"), call.cwd)
        if "-y" in options or "-l" in options:
            try:
                public = _public_of(disk.read(file))
            except (OSError, asyncssh.KeyImportError, asyncssh.KeyEncryptionError) as error:
                call.err(f"{file}: {error}\n")
                return 255
            text = public.export_public_key().decode().strip()
            call.out(f"{text}\n" if "-y" in options else f"256 {public.get_fingerprint()} ({_kind(text)})\n")
            return 0
        if options.get("-t", "ed25519") != "ed25519" or options.get("-N", "") != "":
            call.err("ssh-keygen: not available in a simulated VM\n")
            return 127
        if disk.exists(file):
            call.out(f"{file} already exists.\nOverwrite (y/n)? ")
            return 1
        key = asyncssh.generate_private_key("ssh-ed25519", comment=options.get("-C", f"root@{disk.hostname()}"))
        disk.write(file, key.export_private_key(), 0o600)
        disk.write(f"{file}.pub", key.export_public_key(), 0o644)
        if "-q" not in options:
            call.out(f"Your identification has been saved in {file}\nYour public key has been saved in {file}.pub\n")
        return 0


def _public_of(data: bytes) -> asyncssh.SSHKey:
    if b"PRIVATE KEY" in data:
        return asyncssh.import_private_key(data).convert_to_public()
    return asyncssh.import_public_key(data)


def _kind(public: str) -> str:
    return public.split()[0].removeprefix("ssh-").upper()


def split(arguments: tuple[str, ...], with_value: set[str]) -> tuple[dict[str, str], list[str]]:
    """Options (those in `with_value` with the next word) and the remaining words."""
    options: dict[str, str] = {}
    words: list[str] = []
    todo = list(arguments)
    while todo:
        word = todo.pop(0)
        name, has_value, value = word.partition("=")
        if word in with_value:
            options[word] = todo.pop(0) if todo else ""
        elif word.startswith("--") and has_value:
            options[name] = value
        elif word.startswith("-") and len(word) > 1:
            options[word] = ""
        else:
            words.append(word)
    return options, words
