"""`tljh-config`: reading it, changing it once, and reloading the hub."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from shared.onvm.agent.checks import number
from shared.onvm.agent.errors import AgentError
from shared.onvm.agent.files import read_json, write_json
from shared.onvm.agent.hub_api import hub_is_up
from shared.onvm.agent.programs import EXIT_TIMEOUT, must_run, run
from shared.onvm.agent.vm import INPUT, KIB, RELOAD_OWED, VAR
from shared.onvm.agent.waiting import locked, wait_until

RELOAD_LIMIT_S = 120  # `tljh-config reload` never ends when a snippet is broken; a good one takes 5-10 s
HUB_UP_LIMIT_S = 60


def parse_config(yaml: str) -> dict[str, Any]:
    """`tljh-config show` as {"limits.memory": "2G", "users.admin": ["a"], ...}.

    Reads the block style that TLJH writes (nested mappings, lists of scalars); a VM need not have a YAML library.
    """
    values: dict[str, Any] = {}
    keys: list[tuple[int, str]] = []
    for line in yaml[: 256 * KIB].splitlines():
        content = line.strip()
        indent = len(line) - len(line.lstrip(" "))
        if not content or content.startswith(("#", "---", "...", "{", "[")):
            continue
        if content == "-" or content.startswith("- "):
            while keys and keys[-1][0] > indent:
                keys.pop()
            values.setdefault(".".join(key for _, key in keys), []).append(scalar(content[1:]))
            continue
        while keys and keys[-1][0] >= indent:
            keys.pop()
        key, _, value = content.partition(":")
        keys.append((indent, str(scalar(key))))
        if value.strip():
            values[".".join(key for _, key in keys)] = scalar(value)
    return values


def scalar(source: str) -> Any:
    source = source.strip()
    if source[:1] == "'" and source[-1:] == "'" and len(source) > 1:
        return source[1:-1].replace("''", "'")
    if source == "[]":
        return []
    with contextlib.suppress(ValueError):
        return json.loads(source)  # numbers, true, false, null, "quoted"
    return source


class TljhConfig:
    """`tljh-config` made idempotent: it is not, and two at a time fail. Use inside `configuring()`."""

    def __init__(self) -> None:
        self.values = parse_config(must_run("TljhConfigFailed", "tljh-config", "show", limit_s=60))
        self.changed: list[str] = []

    def _run(self, *argv: str) -> None:
        must_run("TljhConfigFailed", "tljh-config", *argv, limit_s=60)

    def owe(self, what: str, unit: str = "hub") -> None:
        """Records a change and that a reload is due, on disk first: a crash before the reload must not lose it."""
        owed = set(read_json(RELOAD_OWED).get("units", [])) | {unit}
        write_json(RELOAD_OWED, {"units": sorted(owed)})
        if what not in self.changed:
            self.changed.append(what)

    def set(self, key: str, value: Any, unit: str = "hub") -> None:
        if self.values.get(key) == value:
            return
        self.owe(key, unit)
        # TLJH 2.0.0 takes only whole CPUs in its schema although the spawner takes fractions.
        flags = ["--no-validate"] if isinstance(value, float) and not value.is_integer() else []
        if isinstance(value, bool):
            value = str(value).lower()
        elif isinstance(value, float) and value.is_integer():
            value = int(value)
        self._run(*flags, "set", key, str(value))

    def unset(self, key: str, unit: str = "hub") -> None:
        if key in self.values:
            self.owe(key, unit)
            self._run("unset", key)

    def add(self, key: str, item: str, unit: str = "hub") -> None:
        if item not in (self.values.get(key) or []):
            self.owe(f"{key}:{item}", unit)
            self._run("add-item", key, item)

    def remove(self, key: str, item: str, unit: str = "hub") -> None:
        if item in (self.values.get(key) or []):
            self.owe(f"{key}:{item}", unit)
            self._run("remove-item", key, item)


@contextlib.contextmanager
def configuring() -> Iterator[TljhConfig]:
    """One configuration change at a time; reloads at the end when something changed now or in a run that died."""
    with locked(VAR / "config.lock", 2 * RELOAD_LIMIT_S) as lock:
        if lock is None:
            raise AgentError("Busy", "Another configuration task is still running on the VM.")
        config = TljhConfig()
        yield config
        units = read_json(RELOAD_OWED).get("units", [])
        if "proxy" in units:
            reload_hub("proxy")  # restarts the hub too, without waiting for it
        elif units:
            reload_hub("hub")
        RELOAD_OWED.unlink(missing_ok=True)


def reload_hub(unit: str) -> None:
    """Raises HubDidNotReload with the end of the hub's journal, where the reason is."""
    limit_s = number(read_json(INPUT), "reloadSeconds", 1, 600, RELOAD_LIMIT_S)
    ran = run("tljh-config", "reload", unit, limit_s=limit_s)
    if ran.code == 0 and wait_until(hub_is_up, min(HUB_UP_LIMIT_S, limit_s), 0.5):
        return
    journal = run("journalctl", "-u", "jupyterhub", "-n", "20", "--no-pager", "-o", "cat", limit_s=10).output
    why = ran.output.strip()[-300:] if ran.code not in (0, EXIT_TIMEOUT) else f"no answer within {limit_s:g} s"
    raise AgentError("HubDidNotReload", f"JupyterHub did not come back: {why}. {journal.strip()[-1200:]}")
