"""The door is closed behind us, and seen to be closed.

Order, each part safe to repeat: new host key made on the VM -> pinned and saved -> committed (acceptance token and
secrets gone, new host key in force, our key out) -> port 22 closed or narrowed in the network -> proven by a look.
"""

import base64
import binascii
import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.errors import FatalError
from shared.hubs.model import SshAccess, StepName
from shared.hubs.visit import Done, Visit, Wait
from shared.hubs.vm_errors import AuthenticationRefused, VmUnreachable
from shared.steps.nsg import Phase, ensure_rules, rules_for
from shared.steps.on_vm import (
    LOST_TASK_TRIES,
    SSH_PORT,
    TaskReport,
    address_of,
    begin_next_try,
    paced,
    run_task,
    task_key,
    task_number,
)
from shared.steps.text import one_line

WAIT_S = 8
PAUSE_S = 2.0
PROBE_S = 10.0
"""Closed = no SSH banner within this time: a filtered port does not answer at all."""

RULES_TAKE_EFFECT = timedelta(minutes=3)
"""A changed rule reaches the machine within seconds as a rule; open for longer than this is a failure, not a delay."""

_ED25519 = re.compile(r"ssh-ed25519 (AAAA[A-Za-z0-9+/]{64})")


@dataclass(frozen=True, slots=True)
class _Door:
    """How port 22 is left: the network's rules, what they mean, and whether it must or may still answer *us*."""

    phase: Phase
    port22: str
    must_answer: bool = False
    may_answer: bool = False


class LockStep:
    name = StepName.LOCK

    async def ensure(self, visit: Visit) -> Done | Wait:
        """A second call after `Done` asks nobody anything. Raises FatalError `LockFailed`, `UntrustedHostKey`,
        `PortStillOpen`."""
        memory = visit.memory(self.name)
        if memory.get("proven"):
            return Done()
        if "new-key" not in memory:
            pause = await self._prepare(visit)
            if pause is not None:
                return pause
        if not visit.memory(self.name).get("committed"):
            pause = await self._commit(visit)
            if pause is not None:
                return pause
        door = _door(visit)
        outcome = await ensure_rules(visit, self.name, rules_for(visit.hub, visit.app.settings, door.phase))
        if isinstance(outcome, Wait):
            return outcome
        return await self._prove(visit, door)

    # ---- the host key

    async def _prepare(self, visit: Visit) -> Wait | None:
        number = task_number(visit, self.name, "prepare")
        report = await run_task(visit, "lock-prepare", task_key(visit, "lock-prepare", number=number), {})
        if report.state == "running":
            return Wait(paced(visit, PAUSE_S), "the machine is making a new host key")
        if report.state == "failed":
            return self._again(visit, "prepare", report)
        key = _host_key(report.result.get("hostPublicKey"))
        # Pinned and saved before it can be in force: a worker that dies in between must not meet a stranger.
        known = visit.hub.host_public_keys
        visit.update(host_public_keys=known if key in known else (*known, key))
        visit.remember(self.name, **{"new-key": key})
        await visit.checkpoint()
        return None

    async def _commit(self, visit: Visit) -> Wait | None:
        """The last call with our key. When its answer is lost, the machine itself tells: it shows the new host key,
        and refuses us, only after everything else of the task is done."""
        tls = _has_tls(visit)
        tunnel = None if tls else (await visit.secrets()).tunnel_public_key
        number = task_number(visit, self.name, "commit")
        key = task_key(visit, "lock-commit", tunnel, number=number)
        try:
            report = await run_task(visit, "lock-commit", key, {"tunnelPublicKey": tunnel}, wait_s=WAIT_S)
        except AuthenticationRefused:
            if not await self._shows_new_key(visit):
                raise
        except VmUnreachable:
            # sshd restarts in the middle of the task; only a refusal proves that its last line was reached
            return Wait(paced(visit, PAUSE_S), "the machine restarts its SSH server")
        else:
            if report.state == "running":
                return Wait(paced(visit, PAUSE_S), "the machine is being locked")
            if report.state == "failed":
                return self._again(visit, "commit", report)
        visit.update(host_public_keys=(visit.memory(self.name)["new-key"],))
        visit.remember(self.name, committed=True)
        await visit.checkpoint()  # once the network is closed nobody can find this out any more
        return None

    def _again(self, visit: Visit, what: str, report: TaskReport) -> Wait:
        if begin_next_try(visit, self.name, what) <= LOST_TASK_TRIES:
            return Wait(paced(visit, PAUSE_S), one_line(report.message, 200))
        raise FatalError(
            "LockFailed", f"The machine could not be locked down ({report.code}): {one_line(report.message, 300)}"
        )

    async def _shows_new_key(self, visit: Visit) -> bool:
        probe = await visit.app.on_vm.probe(address_of(visit.hub), SSH_PORT, timeout_s=PROBE_S)
        return probe.banner and _bare(probe.host_public_key) == visit.memory(self.name)["new-key"]

    # ---- the network, and the proof

    async def _prove(self, visit: Visit, door: _Door) -> Done | Wait:
        probe = await visit.app.on_vm.probe(address_of(visit.hub), SSH_PORT, timeout_s=PROBE_S)
        if not probe.banner and not door.must_answer:
            return self._proven(visit, door, closed_at=visit.now)
        if probe.banner and door.may_answer:
            if _bare(probe.host_public_key) != visit.memory(self.name)["new-key"]:
                raise FatalError(
                    "UntrustedHostKey",
                    "After its host key was changed, the machine shows another one than it promised.",
                    fix="Delete the hub and create it again.",
                )
            return self._proven(visit, door, closed_at=None)
        if "looked" not in visit.memory(self.name):
            visit.remember(self.name, looked=visit.now.isoformat())
        if visit.now - datetime.fromisoformat(visit.memory(self.name)["looked"]) > RULES_TAKE_EFFECT:
            if probe.banner:
                raise FatalError("PortStillOpen", "Port 22 still answers although the network should not let us in.")
            raise FatalError("LockFailed", "Port 22 should be open to this service, but does not answer.")
        return Wait(paced(visit, PAUSE_S), "waiting for the network to follow its new rules")

    def _proven(self, visit: Visit, door: _Door, *, closed_at: datetime | None) -> Done:
        visit.update(ssh=SshAccess(port22=door.port22, closed_proven_at=closed_at))
        visit.remember(self.name, proven=True, looked=None)
        return Done()


def _has_tls(visit: Visit) -> bool:
    return (visit.hub.url or "").startswith("https://")


def _door(visit: Visit) -> _Door:
    """Without TLS the hub's API is reached through a tunnel, so 22 stays open to this service and to nobody new."""
    if not _has_tls(visit):
        return _Door("locked-with-tunnel", "controlPlane", must_answer=True, may_answer=True)
    port22 = "sshFrom" if visit.hub.spec.ssh_from else "closed"
    return _Door("locked", port22, may_answer=_owner_may_let_us_in(visit))


def _owner_may_let_us_in(visit: Visit) -> bool:
    """An owner's `sshFrom` may happen to contain our own addresses (which we do not know when they are not pinned):
    then a port that is closed to the world still answers here, and the new host key is all that can be proven."""
    ours = [ipaddress.ip_network(cidr) for cidr in visit.app.settings.egress_cidrs]
    theirs = [ipaddress.ip_network(cidr, strict=False) for cidr in visit.hub.spec.ssh_from]
    if not ours:
        return bool(theirs)
    return any(one.version == other.version and one.overlaps(other) for one in ours for other in theirs)


def _host_key(value: object) -> str:
    """The key as the machine names it, checked byte by byte: it is about to be trusted."""
    found = _ED25519.fullmatch(value) if isinstance(value, str) else None
    try:
        blob = base64.b64decode(found[1], validate=True) if found else b""
    except binascii.Error:
        blob = b""
    # RFC 8709: the type's name, then 32 bytes, each behind a length
    if found is None or not (len(blob) == 51 and blob.startswith(b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20")):
        raise FatalError("UntrustedHostKey", "What the machine calls its new host key is not an ed25519 key.")
    return found[0]


def _bare(public_key: str | None) -> str | None:
    """Type and key without the comment."""
    return " ".join(public_key.split()[:2]) if public_key else None
