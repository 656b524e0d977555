"""The hub as it was asked for: limits, idle rule, people, packages, and the two service tokens. One task on the VM,
idempotent there: the same input again changes nothing and does not restart the hub."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from shared.errors import FatalError, UserError
from shared.hubs.idle import rule_minutes
from shared.hubs.model import HubSpec, StepName
from shared.hubs.ports import HubSecrets
from shared.hubs.visit import Done, Visit, Wait
from shared.steps.on_vm import LOST_TASK_TRIES, TaskReport, begin_next_try, paced, run_task, task_key, task_number
from shared.steps.text import one_line

SERVICE = "hublet"
SERVICE_SCOPES = ("list:users", "read:servers")
"""The lasting token: whose servers run and since when they do nothing; nothing else, and never what is on a server.
Both are needed, and no others (tried with JupyterHub 5.5.4, docs/design/0005-idle-stop.md).
https://jupyterhub.readthedocs.io/en/stable/rbac/scopes.html"""

ACCEPTANCE_SERVICE = "hublet-acceptance"
ACCEPTANCE_SCOPES = ("admin:users", "delete:users", "delete:servers")
"""Makes one user and removes it with its server; `users` alone may not create. The user starts the server itself.
Gone after `lock`."""

WAIT_S = 8
"""A reload of the hub takes 5-9 s in recorded runs: as a rule one call sees the whole task."""

SHORTEST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 20.0
_SHARE_OF_ELAPSED = 0.25
SOURCE_TRIES = 3
SOURCE_PAUSE_S = 20.0

_PASSING = (
    "Could not get lock",
    "Unable to acquire the dpkg frontend lock",
    "Temporary failure",
    "Failed to fetch",
    "Could not resolve",
    "Connection timed out",
    "ConnectTimeoutError",
    "ReadTimeoutError",
    "NewConnectionError",
    "Failed to establish a new connection",
)
_NO_SUCH_PACKAGE = (
    re.compile(r"Unable to locate package (\S+)"),
    re.compile(r"Package '?([^' ]+)'? has no installation candidate"),
    re.compile(r"Couldn't find any package by (?:glob|regex) '([^']+)'"),
    re.compile(r"No matching distribution found for (\S+)"),
    re.compile(r"satisfies the requirement (\S+)"),
    re.compile(r"Invalid requirement: '([^']+)'"),
    re.compile(r"Failed building wheel for (\S+)"),
)


class ConfigureStep:
    name = StepName.CONFIGURE

    async def ensure(self, visit: Visit) -> Done | Wait:
        """Asks for the task, or after it. Again after `Done`: the agent answers from memory and does nothing.

        Raises UserError `PackageNotInstallable` naming the package, FatalError for anything else that stays wrong.
        """
        minutes = rule_minutes(visit.hub.spec.idle_minutes, visit.app.settings.idle_warning_minutes)
        wish = public_input(visit.hub.spec, minutes)
        key = task_key(visit, "configure", wish, number=task_number(visit, self.name, "configure"))
        services = _services(await visit.secrets())
        report = await run_task(visit, "configure", key, {**wish, "services": services}, wait_s=WAIT_S)
        match report.state:
            case "succeeded":
                visit.steer(idle=replace(visit.hub.life.idle, rule_minutes=minutes))
                return Done()
            case "running":
                return Wait(self._pause_s(visit), "the hub is being configured")
            case "failed":
                return self._failed(visit, report)

    def _pause_s(self, visit: Visit) -> float:
        began = visit.hub.step(self.name).started_at or visit.now
        spent = (visit.now - began).total_seconds() * visit.app.settings.poll_scale
        return paced(visit, min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, _SHARE_OF_ELAPSED * spent)))

    def _failed(self, visit: Visit, report: TaskReport) -> Wait:
        packages = report.code in ("AptFailed", "PipFailed")
        passing = packages and any(word in report.message for word in _PASSING)
        if packages and not passing:
            raise _not_installable(report, visit.hub.spec)
        if (report.code in ("TaskLost", "Busy", "HubDidNotReload") or passing) and begin_next_try(
            visit, self.name, "configure"
        ) <= (SOURCE_TRIES if passing else LOST_TASK_TRIES):
            visit.tell("retry", f"Configuring the hub is tried again: {_said(report)}", step=self.name)
            return Wait(paced(visit, SOURCE_PAUSE_S), _said(report))
        if passing:
            raise FatalError(
                "PackageSourceUnreachable",
                f"The hub's packages could not be fetched: {_said(report)}",
                fix="Create the hub again later.",
            )
        raise FatalError(
            "ConfigureFailed",
            f"The hub could not be configured ({report.code}): {_said(report)}",
            fix="Delete the hub and create it again; if it fails again, create it without the last changed setting.",
        )


def public_input(spec: HubSpec, idle_rule_minutes: float) -> dict[str, Any]:
    """What the task is given, without its secrets: also what makes two runs the same one. `idle_rule_minutes`: when
    the machine itself ends what nobody uses (shared/hubs/idle.py)."""
    return {
        "limits": {"memory": spec.limits.memory, "cpu": spec.limits.cpu},
        "users": list(spec.users),
        "adminUser": spec.admin_user,
        "authType": spec.auth_type,
        "sharedFolder": spec.shared_folder,
        "idleRule": {"minutes": idle_rule_minutes},
        "apt": list(spec.packages.apt),
        "pip": list(spec.packages.pip),
        "https": None,
    }


def _services(secrets: HubSecrets) -> list[Mapping[str, object]]:
    return [
        {"name": SERVICE, "token": secrets.hub_token, "scopes": list(SERVICE_SCOPES)},
        {"name": ACCEPTANCE_SERVICE, "token": secrets.acceptance_token, "scopes": list(ACCEPTANCE_SCOPES)},
    ]


def _not_installable(report: TaskReport, spec: HubSpec) -> UserError:
    """Names a package of the request: what the VM printed only helps to choose among those."""
    manager, asked = ("apt", spec.packages.apt) if report.code == "AptFailed" else ("pip", spec.packages.pip)
    printed = {found[1] for pattern in _NO_SUCH_PACKAGE for found in pattern.finditer(report.message)}
    named = [
        (index, package)
        for index, package in enumerate(asked)
        if package in printed or re.split(r"[^A-Za-z0-9._-]", package)[0] in {_stem(name) for name in printed}
    ]
    pointer = f"/packages/{manager}/{named[0][0]}" if named else f"/packages/{manager}"
    names = ", ".join(f"'{package}'" for _, package in named) or "one of " + ", ".join(f"'{name}'" for name in asked)
    return UserError(
        "PackageNotInstallable",
        f"{manager} could not install {names}: {_said(report)}",
        fix=f"Create the hub with other packages.{manager}.",
        pointer=pointer,
    )


def _stem(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement)[0]


def _said(report: TaskReport) -> str:
    return one_line(report.message, 300) or report.code
