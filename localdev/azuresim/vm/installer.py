"""Plays TLJH's bootstrap.py and installer on a simulated VM: recorded lines at their recorded pace, real effects.

Behaviour follows TLJH 2.0.0: what goes to installer.log and what only to standard error, exit codes, ``--admin``
replacing ``users.admin``, and a run over an existing ``/opt/tljh/hub`` being an upgrade.  Not simulated: the progress
page, plugins (recorded only), downloading the requirements file (recorded only).
"""

import json
from dataclasses import dataclass

from localdev.azuresim.vm import recordings, tljh_files, tljh_tree
from localdev.azuresim.vm.callgate import Call
from localdev.azuresim.vm.context import Vm
from localdev.azuresim.vm.faults import INSTALL_FAULTS, FaultKind
from localdev.azuresim.vm.units import UnitFailed, Units

VERSIONS = ("latest", "2.0.0", "2.0", "2", "1.0.0", "1.0", "1", "0.2.0", "main")
TRIES = 20
FOR_EVER_S = 10**7
KILLED = 137

FAILS_AFTER: dict[FaultKind, str | tuple[str, ...]] = {
    FaultKind.APT_LOCK: "Installing Python, venv, pip, and git via apt-get...",
    FaultKind.APT_UNREACHABLE: "Installing Python, venv, pip, and git via apt-get...",
    FaultKind.VERSION: "Upgrading pip...",
    FaultKind.GITHUB: "Upgrading pip...",
    FaultKind.PIP_SPEC: ("Installing TLJH installer...", "Upgrading TLJH installer..."),
    FaultKind.HANG: ("Downloading & setting up user environment...", "Reinstalling conda"),
    FaultKind.DISK_FULL: "Setting up JupyterHub...",
    FaultKind.KILLED: "Setting up JupyterHub...",
}


@dataclass(frozen=True)
class Options:
    """The installer's arguments."""

    admins: tuple[str, ...] = ()
    version: str = "latest"
    requirements_url: str | None = None
    plugins: tuple[str, ...] = ()


class BadArguments(Exception):
    """argparse would refuse, or the simulator does not play it."""


class Failed(Exception):
    """The run ends here; what is to be said was said."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def parse(arguments: tuple[str, ...]) -> Options:
    """``--admin`` may be repeated; of several ``--plugin`` only the last counts.  Raises `BadArguments`."""
    admins: list[str] = []
    values: dict[str, str] = {}
    plugins: list[str] = []
    todo = list(arguments)
    while todo:
        name, has_value, value = todo.pop(0).partition("=")
        if name == "--show-progress-page":
            raise BadArguments("--show-progress-page is not simulated: TLJH's progress page can hang, lie and leak")
        if name in ("--admin", "--plugin"):
            given = [value] if has_value else []
            while todo and not todo[0].startswith("--"):
                given.append(todo.pop(0))
            if name == "--admin":
                admins += given
            else:
                plugins = given
        elif name in ("--version", "--user-requirements-txt-url"):
            if not has_value and not todo:
                raise BadArguments(f"argument {name}: expected one argument")
            values[name] = value if has_value else todo.pop(0)
        else:
            raise BadArguments(f"unrecognized arguments: {name}")
    return Options(
        tuple(admins), values.get("--version", "latest"), values.get("--user-requirements-txt-url"), tuple(plugins)
    )


class Installer:
    """TLJH's installer for one VM."""

    def __init__(self, vm: Vm, units: Units) -> None:
        self._vm = vm
        self._units = units

    async def __call__(self, call: Call) -> int:
        """One run, from ``Existing TLJH installation ...`` to ``Done!`` or a failure; the exit code."""
        try:
            options = parse(call.arguments)
        except BadArguments as bad:
            call.err(f"bootstrap.py: error: {bad}\n")
            return 2
        try:
            await self._run(options, call)
        except Failed as failed:
            return failed.code
        return 0

    async def _run(self, options: Options, call: Call) -> None:
        disk = self._vm.disk
        if disk.exists(tljh_files.HUB_PYTHON):
            lines = recordings.upgrade(
                has_user_environment=disk.exists(tljh_files.USER_PYTHON),
                has_proxy=disk.path(tljh_files.TLJH_CONFIG_LINK, follow=False).is_symlink(),
            )
        else:
            lines = recordings.fresh_install()
        fault = next((kind for kind in INSTALL_FAULTS if self._vm.faults.has(kind)), None)
        if fault is None and options.version not in VERSIONS:
            fault = FaultKind.VERSION
        disk.directory(tljh_files.PREFIX, 0o755)
        for line in lines:
            await self._vm.pace.wait(line.after_s)
            if line.text.startswith("Waiting for JupyterHub"):
                await self._start_hub(fault, call)
                continue
            if line.text.startswith("Setting up admin users") and not options.admins:
                continue
            if line.text.startswith("Setting up user environment") and options.requirements_url:
                self._say("installing packages from user_requirements_txt_url", call)
                disk.write("/etc/hublet-sim/requirements-url", options.requirements_url)
            self._say(line.text, call)
            await self._effect(line.text, options, call)
            if fault is not None and line.text.startswith(FAILS_AFTER.get(fault, "-")):
                await self._fail(fault, options, call)

    def _say(self, text: str, call: Call) -> None:
        """A line of the ``tljh`` logger: to the log with a time stamp, to standard error without."""
        self._log(text)
        call.err(f"{text}\n")

    def _log(self, text: str) -> None:
        now = self._vm.clock.now()
        stamp = f"{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03d}"
        self._vm.disk.append(tljh_files.LOG, f"{stamp} {text}\n", 0o500)

    async def _effect(self, text: str, options: Options, call: Call) -> None:
        """What a stage leaves behind, done when its line is written."""
        vm = self._vm
        if text.startswith("Upgrading pip"):
            tljh_tree.write_hub_environment(vm)
        elif text == "Setting up admin users":
            await self._admins(options, call)
        elif text == "Setting up JupyterHub...":
            tljh_tree.write_user_environment(vm)
            if options.plugins:
                vm.disk.write("/etc/hublet-sim/plugins.json", json.dumps(options.plugins))
        elif text.startswith("Downloading traefik"):
            tljh_tree.write_services(vm)

    async def _admins(self, options: Options, call: Call) -> None:
        """``users.admin`` becomes exactly the names given; a password given with a name overwrites its old one."""
        names: list[str] = []
        passwords: dict[str, str] = {}
        for given in options.admins:
            if given.count(":") > 1:
                call.err(recordings.failure("admin-colons"))
                raise Failed(1)
            name, _, password = given.partition(":")
            names.append(name)
            if password:
                passwords[name] = password
        config = tljh_files.load(self._vm.disk)
        config.setdefault("users", {})["admin"] = names
        tljh_files.save(self._vm.disk, config)
        if passwords and await tljh_tree.seed_passwords(self._vm, passwords) != 0:
            raise Failed(1)

    async def _start_hub(self, fault: FaultKind | None, call: Call) -> None:
        """Restart the services and wait until anything answers on port 80, as ``ensure_jupyterhub_running`` does."""
        if fault is FaultKind.HUB_CRASH and self._vm.faults.take(FaultKind.HUB_CRASH):
            config = tljh_files.load(self._vm.disk)
            config.setdefault("users", {}).setdefault("admin", []).append("Bad Name!")
            tljh_files.save(self._vm.disk, config)
        tljh_tree.write_services(self._vm)
        for name in ("jupyterhub", "traefik"):
            if self._units.enable(name):
                unit_file = f"/etc/systemd/system/{name}.service"
                link = f"/etc/systemd/system/multi-user.target.wants/{name}.service"
                call.err(f"Created symlink {link} → {unit_file}.\n")
        proxy = self._units.find("traefik")
        hub = self._units.find("jupyterhub")
        assert proxy is not None and hub is not None
        self._say(f"Waiting for JupyterHub to come up (1/{TRIES} tries)", call)
        try:
            await self._units.restart(proxy)
            await self._units.restart(hub)
        except UnitFailed:
            for number in range(2, TRIES + 1):
                self._say(f"Waiting for JupyterHub to come up ({number}/{TRIES} tries)", call)
                await self._vm.pace.wait(1)
            call.err(f"Exception: Installation failed: JupyterHub did not start in {TRIES}s\n")
            raise Failed(1) from None

    async def _fail(self, fault: FaultKind, options: Options, call: Call) -> None:
        """End the run the way this fault does."""
        self._vm.faults.take(fault)
        match fault:
            case FaultKind.HANG:
                await self._vm.pace.wait(FOR_EVER_S * self._vm.pace.time_scale)
            case FaultKind.KILLED:
                call.err("Killed\n")
                raise Failed(KILLED)
            case FaultKind.DISK_FULL:
                command = "/opt/tljh/hub/bin/python -m pip install --upgrade -r requirements-hub-env.txt"
                text = (
                    f"Ran {command} with exit code 1\n"
                    "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
                )
                self._say(text, call)
                call.err(f"subprocess.CalledProcessError: Command '{command}' returned non-zero exit status 1.\n")
            case FaultKind.APT_LOCK | FaultKind.APT_UNREACHABLE | FaultKind.PIP_SPEC | FaultKind.GITHUB:
                call.err(recordings.failure(fault))
            case _:
                asked = options.version if options.version not in VERSIONS else "9.9.9"
                call.err(recordings.failure("version").replace("9.9.9", asked))
        raise Failed(1)
