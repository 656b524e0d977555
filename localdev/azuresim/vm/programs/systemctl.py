"""``systemctl`` and ``journalctl`` on a simulated VM."""

from localdev.azuresim.vm import journal
from localdev.azuresim.vm.callgate import Call
from localdev.azuresim.vm.context import Vm
from localdev.azuresim.vm.units import Unit, UnitFailed, Units

NO_SUCH_UNIT = 5
NOT_ACTIVE = 3


class Systemctl:
    """systemctl for one VM."""

    def __init__(self, vm: Vm, units: Units) -> None:
        self._vm = vm
        self._units = units

    async def __call__(self, call: Call) -> int:
        """One command; exit codes are systemctl's (3 not active, 5 no such unit)."""
        options, words = _split(call.arguments)
        if not words:
            return await self._list(call)
        verb, names = words[0], words[1:]
        if verb in ("daemon-reload", "daemon-reexec", "reset-failed"):
            return 0
        if verb in ("list-units", "list-timers"):
            return await self._list(call)
        code = 0
        for name in names:
            unit = self._units.find(name)
            if unit is None:
                code = max(code, self._unknown(verb, name, call))
            else:
                code = max(code, await self._one(verb, unit, options, call))
        return code

    def _unknown(self, verb: str, name: str, call: Call) -> int:
        if verb == "is-active":
            call.out("inactive\n")
            return NOT_ACTIVE
        if verb in ("show", "mask", "unmask", "disable"):
            return 0
        call.err(f"Failed to {verb} {name}: Unit {name} not found.\n")
        return NO_SUCH_UNIT

    async def _one(self, verb: str, unit: Unit, options: dict[str, list[str]], call: Call) -> int:
        match verb:
            case "start" | "stop" | "restart" | "try-restart" | "reload-or-restart" | "reload":
                return await self._change(verb, unit, call)
            case "is-active":
                if "--quiet" not in options and "-q" not in options:
                    call.out(f"{unit.state()}\n")
                return 0 if unit.state() == "active" else NOT_ACTIVE
            case "is-failed":
                call.out(f"{unit.state()}\n")
                return 0 if unit.state() == "failed" else 1
            case "is-enabled":
                enabled = self._units.enabled(unit.name)
                call.out("enabled\n" if enabled else "disabled\n")
                return 0 if enabled else 1
            case "enable":
                if self._units.enable(unit.name):
                    link = f"/etc/systemd/system/multi-user.target.wants/{unit.name}.service"
                    call.err(f"Created symlink {link} → /etc/systemd/system/{unit.name}.service.\n")
                return await self._change("start", unit, call) if "--now" in options else 0
            case "disable" | "mask" | "unmask":
                self._units.disable(unit.name)
                return await self._change("stop", unit, call) if "--now" in options else 0
            case "kill":
                return await self._change("stop", unit, call)
            case "show":
                self._show(unit, options, call)
                return 0
            case "status":
                call.out(f"{unit.name}.service\n     Active: {unit.state()}\n   Main PID: {unit.main_pid()}\n")
                return 0 if unit.state() == "active" else NOT_ACTIVE
        call.err(f"Unknown command verb {verb}.\n")
        return 1

    async def _change(self, verb: str, unit: Unit, call: Call) -> int:
        try:
            if verb == "start":
                await self._units.start(unit)
            elif verb == "stop":
                await self._units.stop(unit)
            elif verb != "try-restart" or unit.state() == "active":
                await self._units.restart(unit)
        except UnitFailed as failed:
            journal.note(self._vm, unit.name, str(failed))
            call.err(
                f"Job for {unit.name}.service failed because the control process exited with error code.\n"
                f'See "systemctl status {unit.name}.service" and "journalctl -xeu {unit.name}.service" for details.\n'
            )
            return 1
        return 0

    def _show(self, unit: Unit, options: dict[str, list[str]], call: Call) -> None:
        active = unit.state()
        values = {
            "Id": f"{unit.name}.service",
            "LoadState": "loaded",
            "ActiveState": active,
            "SubState": "running" if active == "active" else "dead",
            "NRestarts": str(unit.restarts),
            "MainPID": str(unit.main_pid()),
            "UnitFileState": "enabled" if self._units.enabled(unit.name) else "disabled",
        }
        wanted = [name for given in options.get("-p", []) + options.get("--property", []) for name in given.split(",")]
        for name in wanted or list(values):
            if name in values:
                call.out(f"{values[name]}\n" if "--value" in options else f"{name}={values[name]}\n")

    async def _list(self, call: Call) -> int:
        for name in self._units.names():
            unit = self._units.find(name)
            if unit is not None:
                call.out(f"{name} loaded {unit.state()}\n")
        return 0


def _split(arguments: tuple[str, ...]) -> tuple[dict[str, list[str]], list[str]]:
    """Options with their values, and the other words."""
    options: dict[str, list[str]] = {}
    words: list[str] = []
    todo = list(arguments)
    while todo:
        word = todo.pop(0)
        if word in ("-p", "--property", "-n", "--lines", "-u", "--unit", "-o", "--output", "-S", "--since", "-t"):
            options.setdefault(word, []).append(todo.pop(0) if todo else "")
        elif word.startswith("--") and "=" in word:
            name, _, value = word.partition("=")
            options.setdefault(name, []).append(value)
        elif word.startswith("-p") and not word.startswith("--"):
            options.setdefault("-p", []).append(word[2:])
        elif word.startswith("-"):
            options.setdefault(word, [])
        else:
            words.append(word)
    return options, words


class Journalctl:
    """journalctl for one VM."""

    def __init__(self, vm: Vm) -> None:
        self._vm = vm

    async def __call__(self, call: Call) -> int:
        """``-u <unit>`` and ``-n <lines>``; other options are accepted and change nothing."""
        options, _ = _split(call.arguments)
        units = options.get("-u", []) + options.get("--unit", [])
        counts = options.get("-n", []) + options.get("--lines", [])
        lines = int(counts[-1]) if counts and counts[-1].isdigit() else None
        for unit in units or ["jupyterhub", "traefik", "ssh"]:
            call.out(journal.tail(self._vm, unit.removesuffix(".service"), lines))
        return 0
