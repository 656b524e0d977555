"""The agent's `status` answer, read strictly: it comes from a VM and may be anything."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeGuard, cast

from shared.hubs.vm_errors import AgentProtocolError

type InstallStateName = Literal["absent", "running", "finished"]

_VERSION = re.compile(r"[0-9]{1,4}(\.[0-9A-Za-z+-]{1,20}){1,4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """Bytes of a file on the VM from `offset` on; `size` is the whole file's."""

    offset: int
    size: int
    data: bytes

    @property
    def end(self) -> int:
        return self.offset + len(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStatus:
    """`elapsed_s`: how long the present attempt has run by the VM's own clock, None when it does not say."""

    state: InstallStateName
    attempt: int
    exit_code: int | None
    elapsed_s: float | None
    log: FilePart
    output: FilePart
    hub_version: str | None
    cloud_init: str | None


def parse_status(answer: Mapping[str, Any]) -> AgentStatus:
    """Raises AgentProtocolError for anything that is not a status of version 1."""
    install, hub_api, cloud_init = answer.get("install"), answer.get("hubApi"), answer.get("cloudInit")
    if answer.get("v") != 1 or not isinstance(install, Mapping):
        raise AgentProtocolError("The agent's status is not one that this service understands.")
    state = install.get("state")
    if state not in ("absent", "running", "finished"):
        raise AgentProtocolError("The agent's status has an unknown install state.")
    attempt, exit_code = install.get("attempt"), install.get("exitCode")
    began, now = _time(install.get("startedAt")), _time(answer.get("time"))
    return AgentStatus(
        state=cast("InstallStateName", state),
        attempt=attempt if _is_count(attempt) and attempt < 100 else 1,
        exit_code=exit_code if isinstance(exit_code, int) and not isinstance(exit_code, bool) else None,
        elapsed_s=max(0.0, (now - began).total_seconds()) if now and began else None,
        log=_part(answer.get("log")),
        output=_part(answer.get("output")),
        hub_version=_hub_version(hub_api),
        cloud_init=cloud_init if cloud_init in ("running", "done", "error", "disabled") else None,
    )


def _part(part: object) -> FilePart:
    if not isinstance(part, Mapping):
        raise AgentProtocolError("The agent's status has no file part where one belongs.")
    offset, size, data = part.get("offset"), part.get("size"), part.get("data")
    if not _is_count(offset) or not _is_count(size) or not isinstance(data, str):
        raise AgentProtocolError("The agent's status has a file part that cannot be read.")
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise AgentProtocolError("The agent's status has a file part that is not base64.") from None
    return FilePart(offset=offset, size=max(size, offset + len(content)), data=content)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def _hub_version(hub_api: object) -> str | None:
    """JupyterHub's version when its API answers 200, else None."""
    if not isinstance(hub_api, Mapping) or hub_api.get("status") != 200:
        return None
    version = hub_api.get("version")
    return version if isinstance(version, str) and _VERSION.fullmatch(version) else None


def _time(value: object) -> datetime | None:
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
