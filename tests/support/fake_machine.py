"""One virtual machine in memory: TLJH's installer by the clock, the agent's verbs and tasks, and who may enter.

Nothing is scripted call by call: a machine remembers what was done to it, and a test changes any of its fields at any
time. The installer plays the lines of a real, recorded run at their recorded pace.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.clock import Clock

MINIFORGE = "https://github.com/conda-forge/miniforge/releases/download/24.7.1-2/Miniforge3-24.7.1-2-Linux-x86_64.sh"
TRAEFIK = "https://github.com/traefik/traefik/releases/download/v3.1.4/traefik_v3.1.4_linux_amd64.tar.gz"
RECORDED: tuple[tuple[float, str], ...] = (
    (0.000, "Existing TLJH installation not detected, installing..."),
    (0.001, "Setting up hub environment..."),
    (0.001, "Installing Python, venv, pip, and git via apt-get..."),
    (47.587, "Setting up virtual environment at /opt/tljh/hub"),
    (55.946, "Upgrading pip..."),
    (60.550, "Installing TLJH installer..."),
    (94.363, "Running TLJH installer..."),
    (94.751, "Setting up admin users"),
    (95.291, "Granting passwordless sudo to JupyterHub admins..."),
    (95.292, "Setting up user environment..."),
    (95.293, "Downloading & setting up user environment..."),
    (95.293, f"Downloading conda installer {MINIFORGE}"),
    (95.397, f"Downloaded conda installer {MINIFORGE} in 0.1s"),
    (103.337, "/opt/tljh/user has pip==23.0.1, it will be upgraded to pip>=23.1.2"),
    (152.476, "Setting up JupyterHub..."),
    (200.465, f"Downloading traefik 3.1.4 from {TRAEFIK}..."),
    (202.717, "Waiting for JupyterHub to come up (1/20 tries)"),
    (202.735, "Done!"),
)
"""installer.log of a real TLJH 2.0.0 install: seconds after its first line, and what it said."""

NEXT_HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPMEK2vCOJD3cZBHFmzR2QBzTxA0pPpGqBLcQY5ZmBsn"
WRONG_HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOFtqJKRgvQb9S8x3nJoQmfgzLPBDjaVwTiG7uyhWyk1"

TASK_SECONDS: Mapping[str, float] = {
    "reinstall": 0.0,
    "configure": 9.0,
    "https": 8.0,
    "accept-prepare": 0.4,
    "accept-clean": 3.0,
    "lock-prepare": 0.3,
    "lock-commit": 8.0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One run of the installer. `ends_s` None = half a second after the last line; `hangs` = it never ends."""

    lines: tuple[tuple[float, str], ...] = RECORDED
    output: str = ""
    exit_code: int | None = 0
    ends_s: float | None = None
    pace: float = 1.0
    hangs: bool = False
    hub_up: bool = True
    error: tuple[str, str] | None = None

    @property
    def length_s(self) -> float:
        last = self.lines[-1][0] if self.lines else 0.0
        return (self.ends_s if self.ends_s is not None else last + 0.5) * self.pace


def failing(lines: int, output: str = "", *, exit_code: int | None = 1, after_s: float = 2.0) -> Script:
    """The recorded run, stopped after its first `lines` lines."""
    kept = RECORDED[:lines]
    ends = (kept[-1][0] if kept else 0.0) + after_s
    return Script(lines=kept, output=output, exit_code=exit_code, ends_s=ends, hub_up=False)


@dataclass(slots=True)
class FakeTask:
    name: str
    input: Mapping[str, Any]
    ends_at: datetime
    error: tuple[str, str] | None = None
    applied: bool = False


@dataclass(slots=True)
class FakeMachine:
    """One VM: what runs on it, who may enter, what the hub on it knows. Every field may be changed by a test."""

    clock: Clock
    host: str
    created_at: datetime
    boot_s: float = 0.0
    cloud_init_s: float = 5.0
    scripts: list[Script] = field(default_factory=lambda: [Script()])
    started: list[datetime] = field(default_factory=list)
    """When each attempt began; the first one follows from `created_at`."""
    cloud_init: str | None = None
    installer_runs: bool = True
    host_key: str | None = None
    next_host_key: str = NEXT_HOST_KEY
    prepared: bool = False
    installer_key: str | None = None
    locked: bool = False
    tunnel_key: str | None = None
    down_until: datetime | None = None
    task_seconds: dict[str, float] = field(default_factory=lambda: dict(TASK_SECONDS))
    tasks: dict[str, FakeTask] = field(default_factory=dict)
    effects: list[str] = field(default_factory=list)
    """Tasks that were begun, in order: the writes. The same key again adds nothing."""
    configured: Mapping[str, Any] | None = None
    https_domain: str | None = None
    hub_answers: bool = True
    log_is: bytes | None = None
    """installer.log as it is, whatever the script says."""
    status_is: Mapping[str, Any] | None = None
    """What `status` answers, whatever is true: a hostile machine."""
    hub_users: set[str] = field(default_factory=set)
    passwords: dict[str, str] = field(default_factory=dict)
    servers: set[str] = field(default_factory=set)
    unix_accounts: set[str] = field(default_factory=set)
    _planted: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    _lost_answers: dict[str, int] = field(default_factory=dict)

    # -- what a test does to it
    def fail_task(self, name: str, code: str, message: str = "it did not work", *, times: int = 1) -> None:
        """The next `times` runs (new keys) of that task fail with this."""
        self._planted.setdefault(name, []).extend([(code, message)] * times)

    def lose_answer(self, what: str, times: int = 1) -> None:
        """The next `times` calls of that verb or task do their work, but the connection breaks before the answer."""
        self._lost_answers[what] = self._lost_answers.get(what, 0) + times

    def unreachable_for(self, seconds: float) -> None:
        self.down_until = self.clock.now() + timedelta(seconds=seconds)

    # -- what it is
    @property
    def up(self) -> bool:
        now = self.clock.now()
        return now >= self.created_at + timedelta(seconds=self.boot_s) and not (
            self.down_until and now < self.down_until
        )

    @property
    def attempt(self) -> int:
        self._begin_install()
        return len(self.started)

    @property
    def install_finished_at(self) -> datetime | None:
        """When the present attempt ends; None when it hangs or has not begun."""
        if not self.attempt or self.script.hangs:
            return None
        return self.started[-1] + timedelta(seconds=self.script.length_s)

    @property
    def installed(self) -> bool:
        ended = self.install_finished_at
        return ended is not None and self.clock.now() >= ended and self.script.exit_code == 0 and self.script.hub_up

    @property
    def script(self) -> Script:
        return self.scripts[min(len(self.started), len(self.scripts)) - 1]

    def log(self) -> bytes:
        return self.log_is if self.log_is is not None else self._written(lambda script: script.lines).encode()

    def output(self) -> bytes:
        def text(script: Script) -> tuple[tuple[float, str], ...]:
            return ((0.0, "hublet: install begins"), (script.length_s / script.pace, script.output))

        return self._written(text, stamped=False).encode()

    def _written(self, lines_of: Callable[[Script], tuple[tuple[float, str], ...]], *, stamped: bool = True) -> str:
        self._begin_install()
        text, now = "", self.clock.now()
        for number, began in enumerate(self.started):
            script = self.scripts[min(number, len(self.scripts) - 1)]
            for offset, line in lines_of(script):
                at = began + timedelta(seconds=offset * script.pace)
                if line and at <= now:
                    stamp = f"{at:%Y-%m-%d %H:%M:%S},{at.microsecond // 1000:03d} " if stamped else ""
                    text += f"{stamp}{line}\n"
        return text

    def _begin_install(self) -> None:
        begins = self.created_at + timedelta(seconds=self.boot_s + self.cloud_init_s)
        if not self.started and self.installer_runs and self.clock.now() >= begins:
            self.started.append(begins)

    # -- verbs
    def status(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        if self.status_is is not None:
            return self.status_is
        cap = payload.get("maxBytes", 65536)
        assert 1 <= cap <= 131072, "the agent refuses other sizes"
        attempt, ended = self.attempt, self.install_finished_at
        install: dict[str, Any] = {"state": "absent", "attempt": 0, "exitCode": None}
        if attempt:
            over = ended is not None and self.clock.now() >= ended
            install = {
                "state": "finished" if over else "running",
                "attempt": attempt,
                "exitCode": self.script.exit_code if over else None,
                "startedAt": _rfc3339(self.started[-1]),
                "finishedAt": _rfc3339(ended) if over and ended else None,
            }
            if over and self.script.error:
                install["error"] = dict(zip(("code", "message"), self.script.error, strict=True))
        up = self.installed and self.hub_answers
        return {
            "v": 1,
            "time": _rfc3339(self.clock.now()),
            "install": install,
            "log": _part(self.log(), payload.get("logOffset", 0), cap),
            "output": _part(self.output(), payload.get("outputOffset", 0), cap),
            "hubApi": {"status": 200, "version": "5.5.4"} if up else None,
            "cloudInit": self.cloud_init or ("done" if attempt and self.installed else "running"),
        }

    def task(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        name, key, wait = payload["name"], payload["key"], payload.get("waitSeconds", 5)
        assert name in TASK_SECONDS, f"the agent has no task {name}"
        now = self.clock.now()
        if key not in self.tasks:
            self.effects.append(name)
            planted = self._planted.get(name)
            error = planted.pop(0) if planted else None
            self.tasks[key] = FakeTask(name, payload.get("input", {}), now + self._lasts(name), error)
            if name == "reinstall" and error is None:
                self.started.append(now)
        task = self.tasks[key]
        assert task.name == name, "the agent refuses a key of another task"
        if task.ends_at > now + timedelta(seconds=wait):
            return {"state": "running", "result": None, "error": None}
        if task.error is not None:
            return {"state": "failed", "result": None, "error": dict(zip(("code", "message"), task.error, strict=True))}
        if not task.applied:
            task.applied = True
            self._apply(task)
        result = {"hostPublicKey": self.next_host_key} if name == "lock-prepare" else {}
        return {"state": "succeeded", "result": result, "error": None}

    def _lasts(self, name: str) -> timedelta:
        return timedelta(seconds=self.task_seconds[name])

    def settle(self) -> None:
        """Detached tasks end although nobody asks for them."""
        for task in self.tasks.values():
            if not task.applied and task.error is None and task.ends_at <= self.clock.now():
                task.applied = True
                self._apply(task)

    def _apply(self, task: FakeTask) -> None:
        user = task.input.get("user", "")
        match task.name:
            case "configure":
                self.configured = task.input
            case "https":
                self.https_domain = task.input.get("domain")
            case "accept-prepare":
                self.passwords[user] = task.input["passwordHash"]
                self.hub_users.add(user)
            case "accept-clean":
                self.servers.discard(user)
                self.hub_users.discard(user)
                self.passwords.pop(user, None)
                self.unix_accounts.discard(user)
            case "lock-prepare":
                self.prepared = True
            case "lock-commit":
                assert self.prepared, "the agent refuses to commit what was not prepared"
                self.host_key, self.locked = self.next_host_key, True
                self.tunnel_key = task.input.get("tunnelPublicKey")

    def answer_is_lost(self, what: str) -> bool:
        left = self._lost_answers.get(what, 0)
        self._lost_answers[what] = max(0, left - 1)
        return left > 0


def _part(data: bytes, offset: int, cap: int) -> dict[str, Any]:
    offset = offset if offset <= len(data) else 0
    return {
        "offset": offset,
        "size": len(data),
        "data": base64.b64encode(data[offset : offset + cap]).decode(),
    }


def _rfc3339(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
