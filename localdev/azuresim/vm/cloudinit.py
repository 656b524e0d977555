"""The first boot of a simulated VM: applies customData and writes what cloud-init writes.

Order and file names as cloud-init has them (https://docs.cloud-init.io/en/latest/explanation/boot.html): the init
stage writes files, makes users and host keys before sshd starts; the final stage runs ``runcmd``.  Each happens once
per instance: an interrupted first boot is not resumed by the next one.
"""

import json
import shlex
from collections.abc import Callable
from typing import Any

import asyncssh

from localdev.azuresim.vm import accounts, customdata
from localdev.azuresim.vm.agent import AGENT, AgentRefused, converse, start
from localdev.azuresim.vm.context import Vm

OUTPUT = "/var/log/cloud-init-output.log"
INSTANCE = "/var/lib/cloud/instance"
SEMAPHORE = f"{INSTANCE}/sem/config_scripts_user"
USER_DATA = f"{INSTANCE}/user-data.txt"
STATUS, RESULT = "/run/cloud-init/status.json", "/run/cloud-init/result.json"
SOURCE = "DataSourceAzure [seed=/dev/sr0]"
VERSION = "24.1.3-0ubuntu1~22.04.1"
OWNER_SUDO = "ALL=(ALL) NOPASSWD:ALL"
NOT_AVAILABLE = 127


class CloudInit:
    """cloud-init on one VM."""

    def __init__(self, vm: Vm, uptime: Callable[[], float]) -> None:
        self._vm = vm
        self._uptime = uptime
        self._errors: list[str] = []
        self._data = customdata.UserData()

    @property
    def is_first_boot(self) -> bool:
        """Whether this instance has never been through its init stage."""
        return not self._vm.disk.exists(f"{INSTANCE}/boot-finished") and not self._vm.disk.exists(SEMAPHORE)

    def init_stage(self) -> None:
        """Everything before sshd: user-data kept, files, users, host keys."""
        disk = self._vm.disk
        for stage in ("init-local", "init"):
            self._stage(stage)
        self._status("init")
        disk.directory(INSTANCE, 0o755)
        disk.write(USER_DATA, self._vm.spec.custom_data, 0o600)
        disk.directory(f"{INSTANCE}/sem")
        disk.write(SEMAPHORE, "")
        self._data = customdata.read(self._vm.spec.custom_data)
        for warning in self._data.warnings:
            self._warn(warning)
        self._guard("write-files", lambda: self._files(deferred=False))
        self._guard("users-groups", self._users)
        self._guard("ssh", self._host_keys)

    async def final_stage(self) -> None:
        """``runcmd`` and the end: output, result.json, status."""
        for stage in ("modules:config", "modules:final"):
            self._stage(stage)
        self._status("modules-final")
        try:
            commands = customdata.commands(self._data.config)
        except customdata.ModuleFailed as failed:
            self._warn("util.py[WARNING]: Running module runcmd failed")
            self._errors.append(str(failed))
            commands = []
        self._guard("write-files-deferred", lambda: self._files(deferred=True))
        code = 0
        for command in commands:
            code = await self._run(command)
        if code != 0:
            self._warn("cc_scripts_user.py[WARNING]: Failed to run module scripts-user (scripts in instance/scripts)")
            self._errors.append(
                "('scripts-user', RuntimeError('Runparts: 1 failures (runcmd) in 1 attempted commands'))"
            )
        self._finish()

    def later_boot(self) -> None:
        """A boot of a disk that was set up before: nothing is applied again."""
        for stage in ("init-local", "init", "modules:config", "modules:final"):
            self._stage(stage)
        self._finish()

    def _files(self, *, deferred: bool) -> None:
        for entry in customdata.files(self._data.config, deferred=deferred):
            if isinstance(entry, customdata.Warned):
                self._warn(entry.line)
                continue
            if entry.append:
                self._vm.disk.append(entry.path, entry.content, entry.mode)
            else:
                self._vm.disk.write(entry.path, entry.content, entry.mode)
            owner = entry.owner.partition(":")[0]
            if owner not in accounts.accounts(self._vm.disk):
                raise customdata.ModuleFailed(f"Unknown user or group: \"getpwnam(): name not found: '{owner}'\"")

    def _users(self) -> None:
        spec = self._vm.spec
        for entry in customdata.users(self._data.config):
            if isinstance(entry, customdata.Warned):
                self._warn(entry.line)
            elif isinstance(entry, str):
                account = accounts.add(self._vm.disk, spec.admin_username, gecos="Ubuntu", login_shell="/bin/bash")
                accounts.authorize(self._vm.disk, account, [key.strip() for key in spec.ssh_public_keys])
                accounts.authorize(self._vm.disk, account, _texts(self._data.config.get("ssh_authorized_keys")))
                accounts.allow_sudo(self._vm.disk, account.name, [OWNER_SUDO])
            else:
                try:
                    account = accounts.add(self._vm.disk, entry.name, gecos=entry.gecos, login_shell=entry.shell)
                except ValueError as error:
                    self._warn(f"distros/__init__.py[WARNING]: Failed to create user: {error}")
                    continue
                accounts.authorize(self._vm.disk, account, entry.keys)
                accounts.allow_sudo(self._vm.disk, account.name, entry.sudo)

    def _host_keys(self) -> None:
        disk, config = self._vm.disk, self._data.config
        directory = disk.directory("/etc/ssh")
        if config.get("ssh_deletekeys", True):
            for old in directory.glob("ssh_host_*key*"):
                old.unlink()
        for name, text in customdata.host_keys(config).items():
            disk.write(f"/etc/ssh/{name}", text, 0o600)
        if customdata.generates_host_keys(config):
            key = asyncssh.generate_private_key("ssh-ed25519", comment=f"root@{self._vm.spec.name}")
            disk.write("/etc/ssh/ssh_host_ed25519_key", key.export_private_key(), 0o600)
            disk.write("/etc/ssh/ssh_host_ed25519_key.pub", key.export_public_key(), 0o644)
            self._say("Generating public/private ed25519 key pair.\n")

    async def _run(self, command: list[str] | str) -> int:
        """Only the agent's ``install`` is run; everything else a real shell would run is answered with 127."""
        if command != [AGENT, "install"]:
            words = command if isinstance(command, list) else shlex.split(command.replace("'", " "))[:1]
            self._say(f"{words[0] if words else 'sh'}: not available in a simulated VM\n")
            return NOT_AVAILABLE

        async def say(data: bytes) -> None:
            self._say(data)

        try:
            return await converse(await start(self._vm, ["install"]), None, say, say)
        except AgentRefused as refused:
            self._say(f"{refused}\n")
            return refused.code

    def _guard(self, module: str, run: Callable[[], None]) -> None:
        try:
            run()
        except (customdata.ModuleFailed, OSError) as failed:
            self._warn(f"util.py[WARNING]: Running module {module} failed")
            self._errors.append(f"('{module}', {type(failed).__name__}({str(failed)!r}))")

    def _finish(self) -> None:
        now = self._vm.clock.now()
        self._say(
            f"Cloud-init v. {VERSION} finished at {now:%a, %d %b %Y %H:%M:%S} +0000. Datasource {SOURCE}.  "
            f"Up {self._uptime():.2f} seconds\n"
        )
        disk = self._vm.disk
        public = disk.text("/etc/ssh/ssh_host_ed25519_key.pub")
        self._say(f"-----BEGIN SSH HOST KEY KEYS-----\n{public}-----END SSH HOST KEY KEYS-----\n")
        disk.write(f"{INSTANCE}/boot-finished", f"{self._uptime():.2f} - {now:%a, %d %b %Y %H:%M:%S} +0000\n")
        disk.write(RESULT, json.dumps({"v1": {"datasource": SOURCE, "errors": self._errors}}, indent=1))
        self._status(None)

    def _status(self, stage: str | None) -> None:
        """``/run/cloud-init/status.json``: which stage runs, when each began, the errors of the last."""
        began = self._vm.clock.now().timestamp() - self._uptime()
        order = ("init-local", "init", "modules-config", "modules-final")
        reached = order.index(stage) if stage is not None else len(order)
        stages: dict[str, Any] = {}
        for number, name in enumerate(order):
            errors = self._errors if name == "modules-final" and stage is None else []
            stages[name] = {
                "errors": list(errors),
                "start": began + number if number <= reached else None,
                "finished": began + number + 1 if number < reached else None,
            }
        self._vm.disk.write(STATUS, json.dumps({"v1": {"datasource": SOURCE, "stage": stage, **stages}}, indent=1))

    def _stage(self, name: str) -> None:
        now = self._vm.clock.now()
        self._say(
            f"Cloud-init v. {VERSION} running '{name}' at {now:%a, %d %b %Y %H:%M:%S} +0000. "
            f"Up {self._uptime():.2f} seconds.\n"
        )

    def _warn(self, line: str) -> None:
        now = self._vm.clock.now()
        self._say(f"{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03d} - {line}\n")

    def _say(self, text: str | bytes) -> None:
        self._vm.disk.append(OUTPUT, text, 0o640)


def _texts(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
