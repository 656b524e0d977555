"""What the runtime says about each function, as our own types."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from localdev.host.settings import SettingsError

_SETTING = re.compile(r"%([^%]+)%")


@dataclass(frozen=True)
class HttpTrigger:
    """`route` without the prefix; `methods` upper case, None when every method is served."""

    param: str
    route: str
    methods: frozenset[str] | None


@dataclass(frozen=True)
class QueueTrigger:
    """`connection` is the name of the app setting with the connection string."""

    param: str
    queue: str
    connection: str


@dataclass(frozen=True)
class TimerTrigger:
    """`schedule` is an NCRONTAB expression in UTC."""

    param: str
    schedule: str
    run_on_startup: bool
    use_monitor: bool


type Trigger = HttpTrigger | QueueTrigger | TimerTrigger


@dataclass(frozen=True)
class Function:
    """One indexed function."""

    name: str
    function_id: str
    trigger: Trigger


def is_disabled(name: str, environ: Mapping[str, str]) -> bool:
    """By its app setting: then it is neither triggered nor reached by HTTP
    (https://learn.microsoft.com/azure/azure-functions/disable-function)."""
    return environ.get(f"AzureWebJobs.{name}.Disabled", "").strip().lower() in ("true", "1")


def read_function(name: str, function_id: str, raw_bindings: Iterable[str], environ: Mapping[str, str]) -> Function:
    """From the runtime's JSON strings. Raises SettingsError for a binding this host does not serve: better at start
    than a function that silently never runs."""
    trigger: Trigger | None = None
    for text in raw_bindings:
        binding = json.loads(text)
        kind = str(binding["type"])
        if kind == "http":
            continue  # the HTTP answer, `$return`
        found = _trigger(name, kind, binding, environ)
        if found is None or trigger is not None:
            raise SettingsError(f"function {name}: binding type {kind!r} is not served by the local host")
        trigger = found
    if trigger is None:
        raise SettingsError(f"function {name} has no trigger")
    return Function(name, function_id, trigger)


def _trigger(name: str, kind: str, binding: Mapping[str, Any], environ: Mapping[str, str]) -> Trigger | None:
    param = str(binding["name"])
    if kind == "httpTrigger":
        methods = binding.get("methods")
        return HttpTrigger(
            param=param,
            route=str(binding.get("route") or name),
            methods=frozenset(str(method).upper() for method in methods) if methods else None,
        )
    if kind == "queueTrigger":
        return QueueTrigger(
            param=param,
            queue=expand(str(binding["queueName"]), environ),
            connection=str(binding.get("connection") or "AzureWebJobsStorage"),
        )
    if kind == "timerTrigger":
        return TimerTrigger(
            param=param,
            schedule=expand(str(binding["schedule"]), environ),
            run_on_startup=bool(binding.get("runOnStartup", False)),
            use_monitor=binding.get("useMonitor") is not False,
        )
    return None


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Replaces `%NAME%` by the app setting NAME, as the host does in binding properties. Raises SettingsError."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in environ:
            raise SettingsError(f"the app setting {match[1]!r}, named by {text!r}, is not set")
        return environ[match[1]]

    return _SETTING.sub(value, text)
