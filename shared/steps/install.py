"""TLJH's installer, followed from outside: how far it is, whether it ended well, and why if it did not.

The verdict is ours, not the log's: exit code 0 as the agent recorded it, `Done!` in the *last* run of the log, and a
JupyterHub that answers on the VM (TLJH says `Done!` as soon as anything answers on port 80).
"""

from dataclasses import replace
from datetime import datetime, timedelta

from shared.errors import FatalError, HubletError, UserError
from shared.hubs.install_log import InstallFailure, classify_failure, progress
from shared.hubs.model import InstallRecord, Reason, StepName
from shared.hubs.visit import Done, Visit, Wait
from shared.steps.agent_status import AgentStatus, FilePart, parse_status
from shared.steps.install_follow import Lines, PhaseClock, complete_lines, read_lines
from shared.steps.install_pace import pause_s
from shared.steps.on_vm import ask_agent, begin_next_try, paced, run_task, secret_values, task_key, task_number
from shared.steps.text import redacted, tail

PART_BYTES = 60_000
"""Of each file in one answer; what is more comes with the next call."""

CALLS_A_VISIT = 4
MORE_CALLS_FOR_S = 15.0
"""A machine that needs longer for its answers is asked again by the next visit: a visit stays below a minute."""

LOG_KEPT_BYTES = 4 << 20
"""A real installer.log has 1.4 kB, 20 kB when a build fails. What is past this is not kept: a VM may write for ever."""

TAIL_BYTES = 16 * 1024
SILENCE = timedelta(minutes=5)
"""The longest silence of recorded installs on a healthy machine is under a minute (conda, pip): one that is five times
as slow is waited for. The agent says every minute that it waits for another program's apt lock."""

OWNERS_SILENCE = timedelta(minutes=15)
"""While TLJH installs what the owner named. It says nothing until the last package is there, however large they are."""

OWNERS_PHASES = frozenset({"requirements", "plugins"})

AFTER_AGENT_LIMIT = timedelta(minutes=5)
"""The agent stops the installer itself after `install_timeout_s`; when even that is not reported, the VM is lost."""

HUB_MAY_STILL_START = timedelta(minutes=2)
"""Between the installer's end and JupyterHub's first answer: 5-9 s in recorded installs."""

BEFORE_INSTALLER_S = 15.0
AT_ITS_END_S = 2.5
REINSTALL_PAUSE_S = 20.0
REINSTALL_LOOKS = 30

_WRONG_REQUEST = {
    "RequirementsFailed": "/packages/requirementsUrl",
    "BadAdminName": "/adminUser",
    "DiskFull": "/osDiskGiB",
    "OutOfMemory": "/size",
    "UnsupportedArchitecture": "/size",
    "UnsupportedSystem": "/image",
    "SystemdMissing": "/image",
}
"""Failures that the owner can mend by asking for something else."""


class InstallStep:
    name = StepName.INSTALL

    async def ensure(self, visit: Visit) -> Done | Wait:
        """One look (more only when a lot was written). Changes nothing on the VM except the one retry of an installer
        that failed for a passing reason. Raises UserError or FatalError with the classified cause."""
        if "attempt-began" not in visit.memory(self.name):
            visit.remember(self.name, **{"attempt-began": visit.now.isoformat()})
        status = await self._follow(visit)
        if status.state != "finished":
            return self._still_going(visit, status)
        if await self._ended_well(visit, status):
            if status.hub_version is not None:
                return self._installed(visit, status.hub_version)
            if visit.now - self._first_time(visit, "ended") < HUB_MAY_STILL_START:
                return Wait(paced(visit, AT_ITS_END_S), "the installer is done; JupyterHub does not answer yet")
        return await self._failed(visit, status)

    # ---- following

    async def _follow(self, visit: Visit) -> AgentStatus:
        """Takes over everything that was written since the last look; what was taken twice is stored once."""
        began = visit.now
        for _ in range(CALLS_A_VISIT):
            known = visit.hub.install
            wish = {"logOffset": known.log_bytes, "outputOffset": known.output_bytes, "maxBytes": PART_BYTES}
            status = parse_status(await ask_agent(visit, "status", wish))
            grew = await self._take_log(visit, status)
            grew = self._take_output(visit, status.output) or grew
            if grew or known.last_growth_at is None:
                visit.update(install=replace(visit.hub.install, last_growth_at=visit.now))
            if not grew or status.log.size <= visit.hub.install.log_bytes + PART_BYTES // 2:
                break
            if (visit.now - began).total_seconds() > MORE_CALLS_FOR_S:
                break
        return status

    async def _take_log(self, visit: Visit, status: AgentStatus) -> bool:
        part, install = status.log, visit.hub.install
        if part.offset != install.log_bytes or not part.data:
            return False  # nothing new, or a file that shrank: what we have stays what it is
        data = complete_lines(part.data, all_of_it=status.state == "finished" or len(part.data) >= PART_BYTES)
        if install.log_bytes + len(data) <= LOG_KEPT_BYTES:
            await visit.app.logs.append(visit.hub.log_id, install.log_bytes, data)
        text = redacted(data.decode("utf-8", "replace"), secret_values(await visit.secrets()))
        lines = read_lines(text)
        visit.update(install=_advanced(install, len(data), lines))
        clock = PhaseClock.load(visit.memory(self.name)).after(lines)
        visit.remember(self.name, **clock.memory())
        return bool(data)

    def _take_output(self, visit: Visit, part: FilePart) -> bool:
        """cloud-init's output is only a sign of life here; its end is read when something went wrong."""
        install = visit.hub.install
        if part.offset != install.output_bytes or not part.data:
            return False
        visit.update(install=replace(install, output_bytes=part.end))
        return True

    # ---- while it runs

    def _still_going(self, visit: Visit, status: AgentStatus) -> Wait:
        install, memory = visit.hub.install, visit.memory(self.name)
        limit = timedelta(seconds=visit.app.settings.install_timeout_s) + AFTER_AGENT_LIMIT
        if visit.now - _time(memory["attempt-began"]) > limit:
            raise _silent(f"did not end within {limit.total_seconds() / 60:.0f} minutes", install)
        silence = OWNERS_SILENCE if install.phase in OWNERS_PHASES else SILENCE
        if visit.now - (install.last_growth_at or visit.now) > silence:
            raise _silent(f"wrote nothing for {silence.total_seconds() / 60:.0f} minutes", install)
        if status.state == "absent":
            if status.cloud_init in ("done", "error", "disabled") and memory.get("never-began"):
                raise FatalError(
                    "InstallerNeverBegan",
                    f"The machine finished its start-up ({status.cloud_init}) without beginning the installation.",
                    fix="Delete the hub and create it again.",
                )
            over = status.cloud_init in ("done", "error", "disabled")
            visit.remember(self.name, **{"never-began": True if over else None})  # a second look rules out a race
            return Wait(paced(visit, BEFORE_INSTALLER_S), "waiting for the installer to start")
        if install.percent >= 88:
            return Wait(paced(visit, AT_ITS_END_S), install.message)
        scale, clock = visit.app.settings.poll_scale, PhaseClock.load(memory)
        elapsed = (status.elapsed_s or 0.0) * scale
        return Wait(paced(visit, pause_s(install.percent, clock.phase_began_s * scale, elapsed)), install.message)

    # ---- when it ended

    async def _ended_well(self, visit: Visit, status: AgentStatus) -> bool:
        if status.exit_code != 0:
            return False
        if visit.hub.install.phase == "done":
            return True
        log, _ = await self._tails(visit, status)  # lines were missed: the end of the log decides
        return progress(log).done

    def _installed(self, visit: Visit, hub_version: str) -> Done:
        message = f"TLJH is installed; JupyterHub {hub_version} answers"
        visit.update(install=replace(visit.hub.install, phase="done", percent=100, message=message))
        return Done()

    async def _failed(self, visit: Visit, status: AgentStatus) -> Wait:
        """Retried once in the same VM when the cause may pass, else raised. Every look after the retry was begun
        asks for the same task, so nothing is begun twice."""
        memory = visit.memory(self.name)
        if memory.get("reinstall") and status.attempt <= memory["failed-attempt"]:
            return await self._reinstall(visit, memory["reinstall"])
        log, output = await self._tails(visit, status)
        failure = classify_failure(log, output, status.exit_code)
        secrets = secret_values(await visit.secrets())
        evidence = tail(output, secrets) or tail(log, secrets)
        cause = Reason(code=failure.code, message=failure.sentence, fix=failure.fix)
        visit.tell("install", f"The installer failed: {failure.sentence}\n{evidence}", step=self.name, cause=cause)
        if not failure.retryable or memory.get("reinstall"):
            raise _error(failure)
        visit.tell("install", "The installation is tried once more in the same machine.", step=self.name)
        visit.remember(
            self.name,
            **{"failed-attempt": status.attempt, "attempt-began": visit.now.isoformat(), "ended": None, "looks": None},
            **{"reinstall": failure.code, **PhaseClock().memory()},
        )
        began = InstallRecord(log_bytes=visit.hub.install.log_bytes, output_bytes=visit.hub.install.output_bytes)
        visit.update(install=replace(began, agent_attempt=status.attempt + 1, last_growth_at=visit.now))
        await visit.checkpoint()  # the history and the decision first: the retry must not be begun by two workers
        return await self._reinstall(visit, failure.code)

    async def _reinstall(self, visit: Visit, cause: str) -> Wait:
        looks = visit.memory(self.name).get("looks", 0)
        key = task_key(visit, "reinstall", number=task_number(visit, self.name, "reinstall"))
        report = await run_task(visit, "reinstall", key, {}, wait_s=1)
        if looks >= REINSTALL_LOOKS:
            raise FatalError(cause, "The installer failed, and its second try could not be begun.")
        visit.remember(self.name, looks=looks + 1)
        if report.lost:
            begin_next_try(visit, self.name, "reinstall")
        return Wait(paced(visit, REINSTALL_PAUSE_S), "the installation is tried once more")

    async def _tails(self, visit: Visit, status: AgentStatus) -> tuple[str, str]:
        """The ends of installer.log and of cloud-init's output."""
        wish = {
            "logOffset": max(0, status.log.size - TAIL_BYTES),
            "outputOffset": max(0, status.output.size - TAIL_BYTES),
            "maxBytes": TAIL_BYTES,
        }
        ends = parse_status(await ask_agent(visit, "status", wish))
        return ends.log.data.decode("utf-8", "replace"), ends.output.data.decode("utf-8", "replace")

    def _first_time(self, visit: Visit, what: str) -> datetime:
        if what not in visit.memory(self.name):
            visit.remember(self.name, **{what: visit.now.isoformat()})
        return _time(visit.memory(self.name)[what])


def _advanced(install: InstallRecord, size: int, lines: Lines) -> InstallRecord:
    install = replace(install, log_bytes=install.log_bytes + size)
    if lines.phase:
        install = replace(install, phase=lines.phase, percent=lines.percent)
    return replace(install, message=lines.last) if lines.last else install


def _error(failure: InstallFailure) -> HubletError:
    pointer = _WRONG_REQUEST.get(failure.code)
    if pointer is not None:
        return UserError(failure.code, failure.sentence, fix=failure.fix, pointer=pointer)
    return FatalError(failure.code, failure.sentence, fix=failure.fix)


def _silent(what: str, install: InstallRecord) -> FatalError:
    last = f" Its last words were: {install.message}" if install.message else ""
    fix = "Delete the hub and create it again; a larger size helps when the machine is too slow."
    return FatalError("InstallerSilent", f"The installer {what}.{last}", fix=fix)


def _time(value: str) -> datetime:
    return datetime.fromisoformat(value)
