"""``tljh-config`` on a simulated VM, as TLJH 2.0.0 behaves (trials with the real program; tljh/config.py at 2.0.0).

Not idempotent on purpose: ``add-item`` adds again, ``remove-item`` and ``unset`` of what is not there end in a
traceback and exit 1.  ``reload`` waits without limit until the hub answers.
"""

import asyncio
import copy
import re
from dataclasses import dataclass
from typing import Any

from localdev.azuresim.vm import hub, tljh_files
from localdev.azuresim.vm.callgate import Call
from localdev.azuresim.vm.context import Vm
from localdev.azuresim.vm.faults import FaultKind
from localdev.azuresim.vm.programs.tljh_schema import problem
from localdev.azuresim.vm.units import Units

POLL_S = 0.25
HINT = (
    "You can still apply this change without validation by re-running your command with the --no-validate flag.\n"
    "If you think this validation error is incorrect, please report it to "
    "https://github.com/jupyterhub/the-littlest-jupyterhub/issues.\n"
)
VERBS = {"show": (0, 0), "set": (2, 2), "unset": (1, 1), "add-item": (2, 2), "remove-item": (2, 2), "reload": (0, 1)}


class Refused(Exception):
    """A Python exception of the real program: traceback on standard error, exit 1."""


class Usage(Exception):
    """argparse would end with exit 2."""


@dataclass
class Arguments:
    """A parsed command line."""

    verb: str
    words: list[str]
    path: str = tljh_files.CONFIG
    validate: bool = True


def parse(arguments: tuple[str, ...]) -> Arguments:
    """Options come before the verb.  Raises `Usage`."""
    todo = list(arguments)
    path, validate = tljh_files.CONFIG, True
    while todo and todo[0].startswith("-"):
        option = todo.pop(0)
        if option == "--config-path" and todo:
            path = todo.pop(0)
        elif option.startswith("--config-path="):
            path = option.partition("=")[2]
        elif option in ("--validate", "--no-validate"):
            validate = option == "--validate"
        else:
            raise Usage(f"unrecognized arguments: {option}")
    if not todo or todo[0] not in VERBS:
        raise Usage("invalid choice" if todo else "the following arguments are required: action")
    verb, words = todo[0], todo[1:]
    fewest, most = VERBS[verb]
    if not fewest <= len(words) <= most:
        raise Usage(f"unrecognized arguments: {' '.join(words[most:])}" if words[most:] else "arguments are required")
    return Arguments(verb, words, path, validate)


def parse_value(text: str) -> Any:
    """Digits are a number, ``1.5`` a float, ``true`` and ``false`` booleans, the rest text (2.0.0 has no null)."""
    if re.fullmatch(r"\d+", text):
        return int(text)
    if re.fullmatch(r"\d+\.\d*", text):
        return float(text)
    return {"true": True, "false": False}.get(text.lower(), text)


def set_item(config: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """The configuration with the value put under the dotted key."""
    changed = copy.deepcopy(config)
    here, last = _parent(changed, key)
    here[last] = value
    return changed


def unset_item(config: dict[str, Any], key: str) -> dict[str, Any]:
    """The configuration without the key, and without sections that became empty.  Raises `Refused`."""
    changed = copy.deepcopy(config)
    names = key.split(".")
    trail: list[dict[str, Any]] = [changed]
    for name in names[:-1]:
        inner = trail[-1].get(name)
        if not isinstance(inner, dict):
            raise Refused(f"{key} does not exist in config!")
        trail.append(inner)
    if names[-1] not in trail[-1]:
        raise Refused(f"{key} does not exist in config!")
    del trail[-1][names[-1]]
    for depth in range(len(trail) - 1, 0, -1):
        if not trail[depth]:
            del trail[depth - 1][names[depth - 1]]
    return changed


def add_item(config: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """The configuration with the value at the end of the list under the key.  Raises `Refused`."""
    changed = copy.deepcopy(config)
    here, last = _parent(changed, key)
    if not isinstance(here.setdefault(last, []), list):
        raise Refused(f"{key} is not a list")
    here[last].append(value)
    return changed


def remove_item(config: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """The configuration without the first such value of the list.  Raises `Refused`."""
    changed = copy.deepcopy(config)
    found = tljh_files.at(changed, *key.split("."))
    if found is None:
        raise Refused(f"{key} does not exist in config!")
    if not isinstance(found, list):
        raise Refused(f"{key} is not a list")
    if value not in found:
        raise Refused("")
    found.remove(value)
    return changed


def _parent(config: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
    here = config
    names = key.split(".")
    for name in names[:-1]:
        if not isinstance(here.get(name), dict):
            here[name] = {}
        here = here[name]
    return here, names[-1]


def check_https(config: dict[str, Any]) -> None:
    """What ``reload proxy`` refuses.  Raises `Refused`."""
    if not tljh_files.at(config, "https", "enabled", default=False):
        return
    tls = tljh_files.at(config, "https", "tls", default={}) or {}
    acme = tljh_files.at(config, "https", "letsencrypt", default={}) or {}
    if bool(acme.get("email")) != bool(acme.get("domains")):
        raise Refused("Both email and domains must be set for letsencrypt")
    if not acme.get("email") and not (tls.get("key") and tls.get("cert")):
        raise Refused("To enable https, you must set tls.cert+key or letsencrypt.email+domains")


class TljhConfig:
    """tljh-config for one VM."""

    def __init__(self, vm: Vm, units: Units) -> None:
        self._vm = vm
        self._units = units

    async def __call__(self, call: Call) -> int:
        """Run one command; exit codes are the real program's."""
        if not self._vm.disk.path(tljh_files.TLJH_CONFIG_LINK, follow=False).is_symlink():
            call.err("tljh-config: command not found\n")
            return 127
        try:
            arguments = parse(call.arguments)
        except Usage as usage:
            call.err(f"usage: tljh-config [-h] [--config-path CONFIG_PATH] ...\ntljh-config: error: {usage}\n")
            return 2
        try:
            if arguments.verb == "reload":
                return await self._reload(arguments.words[0] if arguments.words else "hub", call)
            return self._edit(arguments, call)
        except (Refused, tljh_files.BadConfig) as error:
            call.err(f"Traceback (most recent call last):\n  ...\nValueError: {error}\n".replace(": \n", "\n"))
            return 1

    def _edit(self, arguments: Arguments, call: Call) -> int:
        path = self._vm.disk.inside(arguments.path, call.cwd)
        config = tljh_files.load(self._vm.disk, path)
        words = arguments.words
        match arguments.verb:
            case "show":
                call.out(tljh_files.dump(config))
                return 0
            case "set":
                changed = set_item(config, words[0], parse_value(words[1]))
            case "unset":
                changed = unset_item(config, words[0])
            case "add-item":
                changed = add_item(config, words[0], parse_value(words[1]))
            case _:
                changed = remove_item(config, words[0], parse_value(words[1]))
        wrong = problem(changed) if arguments.validate else None
        if wrong is not None:
            call.err(f"Config validation error: {wrong}.\n{HINT}")
            return 1
        tljh_files.save(self._vm.disk, changed, path)
        return 0

    async def _reload(self, component: str, call: Call) -> int:
        if component == "proxy":
            check_https(tljh_files.load(self._vm.disk))
            unit = self._units.find("traefik")
            assert unit is not None
            await self._units.restart(unit)
            call.out("Proxy reload with new configuration complete\n")
            return 0
        if component != "hub":
            call.err(f"tljh-config: error: argument component: invalid choice: '{component}'\n")
            return 2
        unit = self._units.find("jupyterhub")
        assert unit is not None
        await self._units.restart(unit)
        call.out(f"{unit.state()}\n")
        hangs = self._vm.faults.take(FaultKind.RELOAD_HANG)
        said = 0.0
        clock = asyncio.get_running_loop().time
        while hangs or not await hub.answers(self._vm):
            if clock() - said >= 1:
                call.out("Hub not ready: (HTTP status 502)\n")
                said = clock()
            await asyncio.sleep(POLL_S)
        call.out("Hub reload with new configuration complete\n")
        return 0
