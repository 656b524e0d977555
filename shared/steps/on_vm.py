"""How the steps talk to the agent on the VM: whom they reach, with which pinned keys, and how a task is run once.

A task is named by a key. The agent runs it at most once per key, so a worker that died, or whose answer was lost, asks
again with the same key; only when a task is known to have failed does a step make up a new one.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.errors import FatalError, RetryableError
from shared.hubs.model import Hub, StepName
from shared.hubs.ports import HubSecrets, SshTarget
from shared.hubs.visit import Visit
from shared.hubs.vm_errors import AgentError, AgentProtocolError, VmUnreachable
from shared.steps.power_watch import note_answer, note_silence
from shared.steps.text import plain, redacted

INSTALLER_USER = "hublet"
SSH_PORT = 22
CALL_TIMEOUT_S = 20.0
"""A verb answers at once, a task waits at most `TASK_WAIT_S`; the rest is for a busy machine's SSH handshake."""

TASK_WAIT_S = 4
"""How long a call waits for a task that has just begun: most of ours take less, and a visit lasts seconds."""

LOST_TASK_TRIES = 3
"""A task is lost when the VM reboots in the middle of it. Three times in a row is not an accident any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReport:
    """What became of a task. `code` and `message` say why it failed; the message is plain and without secrets."""

    state: Literal["running", "succeeded", "failed"]
    result: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    message: str = ""

    @property
    def lost(self) -> bool:
        """Its process is gone without a result (reboot or kill): it may be begun again."""
        return self.state == "failed" and self.code == "TaskLost"


def address_of(hub: Hub) -> str:
    """The VM's public address: the name needs DNS to have caught up, the pinned host key makes both equally safe."""
    host = hub.machine.ip or hub.machine.fqdn
    if host is None:
        raise FatalError("ImpossibleState", "The machine has no address although it should have one by now.")
    return host


async def target_of(visit: Visit) -> SshTarget:
    """Where and as whom. Raises FatalError when no host key is pinned: then nothing may be sent."""
    if not visit.hub.host_public_keys:
        raise FatalError("UntrustedHostKey", "No SSH host key is known for this machine, so nothing is sent to it.")
    secrets = await visit.secrets()
    return SshTarget(
        host=address_of(visit.hub),
        port=SSH_PORT,
        username=INSTALLER_USER,
        private_key=secrets.installer_private_key,
        host_public_keys=visit.hub.host_public_keys,
    )


async def ask_agent(visit: Visit, verb: str, payload: Mapping[str, object]) -> Mapping[str, Any]:
    """One verb, one answer. Raises VmUnreachable, AuthenticationRefused, AgentProtocolError (look again later) and
    HostKeyMismatch, AgentError (never again), but for trouble of the moment inside the agent: a machine that installs
    may be short of memory or processes for a second."""
    target = await target_of(visit)
    try:
        answer = await visit.app.on_vm.call(target, verb, payload, timeout_s=CALL_TIMEOUT_S)
    except VmUnreachable:
        note_silence(visit)
        raise
    except AgentError as error:
        if error.code != "Internal":
            raise
        raise RetryableError("AgentTrouble", f"The agent on the machine had trouble: {error.message}") from error
    note_answer(visit)
    return answer


async def run_task(
    visit: Visit, name: str, key: str, task_input: Mapping[str, object], *, wait_s: int = TASK_WAIT_S
) -> TaskReport:
    """Begins the task unless its key is known, waits up to `wait_s` seconds and reports. The same key again has no
    further effect. Raises what `ask_agent` raises."""
    payload = {"name": name, "key": key, "input": task_input, "waitSeconds": wait_s}
    answer = await ask_agent(visit, "task", payload)
    match answer.get("state"):
        case "running":
            return TaskReport(state="running")
        case "succeeded":
            result = answer.get("result")
            return TaskReport(state="succeeded", result=result if isinstance(result, Mapping) else {})
        case "failed":
            error = answer.get("error")
            error = error if isinstance(error, Mapping) else {}
            code, message = error.get("code"), error.get("message")
            return TaskReport(
                state="failed",
                code=code if isinstance(code, str) and code.isalnum() and len(code) <= 60 else "Unknown",
                message=redacted(plain(str(message or "")), secret_values(await visit.secrets()))[:2000],
            )
        case _:
            raise AgentProtocolError("The agent's report about a task has no known state.")


def task_key(visit: Visit, name: str, input_to_hash: object = None, *, number: int = 1) -> str:
    """A key that is the same for every worker that wants the same thing: generation, input without secrets, try."""
    digest = hashlib.sha256(json.dumps(input_to_hash, sort_keys=True).encode()).hexdigest()[:16]
    return f"{name}-g{visit.hub.generation}-{digest}-t{number}"


def task_number(visit: Visit, step: StepName, name: str) -> int:
    """Which try of this task is the present one, counted from 1."""
    number: int = visit.memory(step).get(f"try-{name}", 1)
    return number


def begin_next_try(visit: Visit, step: StepName, name: str) -> int:
    """The next call uses a new key. It takes effect only when the visit is saved: a worker that lost the race to
    another one begins nothing."""
    number = task_number(visit, step, name) + 1
    visit.remember(step, **{f"try-{name}": number})
    return number


def secret_values(secrets: HubSecrets) -> tuple[str, ...]:
    """What must never show up in a history or a log."""
    values = (
        secrets.host_private_key,
        secrets.installer_private_key,
        secrets.tunnel_private_key,
        secrets.owner_private_key,
        secrets.admin_password,
        secrets.admin_password_hash,
        secrets.hub_token,
        secrets.acceptance_token,
        secrets.acceptance_password,
        secrets.acceptance_password_hash,
    )
    return tuple(value for value in values if value)


def paced(visit: Visit, seconds: float) -> float:
    """One of our own intervals, divided by the setting that a fast simulator needs."""
    return seconds / visit.app.settings.poll_scale
