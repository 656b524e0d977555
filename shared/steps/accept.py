"""The acceptance run: a person that never was logs in by the form, starts a server and computes in a notebook kernel,
all through the public URL. Only this makes a hub fit to be `ready`; afterwards nothing of that person is left."""

import hashlib
from datetime import datetime, timedelta

from shared.errors import FatalError, HubletError, RetryableError
from shared.hubs.model import Acceptance, Reason, StepName
from shared.hubs.ports import HubSecrets
from shared.hubs.visit import Done, Visit, Wait
from shared.steps.on_vm import LOST_TASK_TRIES, TaskReport, begin_next_try, paced, run_task, task_key, task_number
from shared.steps.text import one_line

METHOD = "form-login+kernel"
LIMIT = timedelta(minutes=12)
"""A first server start takes 3-8 s, over a minute on a small busy machine; tries are bounded by time, below the
step's deadline, so that the real cause is what the owner reads."""

TASK_WAIT_S = 8
STARTING_PAUSE_S = 2.0
SHORTEST_PAUSE_S = 3.0
LONGEST_PAUSE_S = 30.0
WRONG_ANSWERS = 2
VISIT_S = 15.0
"""A kernel is started in the same visit only when the visit is still young."""


class AcceptStep:
    name = StepName.ACCEPT

    async def ensure(self, visit: Visit) -> Done | Wait:
        """A short piece of the run. Repeated after a crash anywhere it ends with the same: accepted once, no user left.

        That it passed is saved *before* the user is removed: a second worker then only cleans up, and cannot fail for
        a user that is gone. Raises FatalError `AcceptanceFailed` with the cause when time is up.
        """
        if visit.hub.acceptance is not None:
            return Done()
        memory = visit.memory(self.name)
        if "since" not in memory:
            visit.remember(self.name, since=visit.now.isoformat())
        if "passed" in memory:
            return await self._clean(visit)
        try:
            outcome = await self._try_out(visit)
        except RetryableError as error:
            return self._not_yet(visit, error)
        return outcome if outcome is not None else await self._clean(visit)

    async def _try_out(self, visit: Visit) -> Wait | None:
        """None = the hub passed."""
        began, secrets, url = visit.now, await visit.secrets(), visit.hub.url
        if url is None:
            raise FatalError("ImpossibleState", "The hub has no URL although it should have one by now.")
        user = secrets.acceptance_user
        if not visit.memory(self.name).get("served"):
            wait = await self._serve(visit, url, secrets)
            if wait is not None:
                return wait
            if (visit.now - began).total_seconds() > VISIT_S:
                visit.remember(self.name, served=True)  # or a slow machine would never get further than this
                return Wait(0.0, "the server is ready")
        return await self._compute(visit, url, user, secrets.acceptance_password)

    async def _serve(self, visit: Visit, url: str, secrets: HubSecrets) -> Wait | None:
        """None = the user's server runs."""
        user = secrets.acceptance_user
        wish = {"user": user, "passwordHash": secrets.acceptance_password_hash}
        key = task_key(visit, "accept-prepare", user, number=task_number(visit, self.name, "prepare"))
        report = await run_task(visit, "accept-prepare", key, wish, wait_s=TASK_WAIT_S)
        if report.state == "running":
            return Wait(paced(visit, STARTING_PAUSE_S), "a user is being made for the acceptance run")
        if report.state == "failed":
            begin_next_try(visit, self.name, "prepare")
            raise _failed_task(report)
        if not await visit.app.hub_http.start_server(url, user, secrets.acceptance_password):
            return Wait(paced(visit, STARTING_PAUSE_S), "a server is starting")
        return None

    async def _compute(self, visit: Visit, url: str, user: str, password: str) -> Wait | None:
        """Two numbers nobody could know before, multiplied in a real kernel."""
        one, other = _number(visit.app.entropy.secret()), _number(visit.app.entropy.secret())
        printed = await visit.app.hub_http.compute_in_kernel(url, user, password, f"{one} * {other}")
        if printed.strip() != str(one * other):
            wrong = visit.memory(self.name).get("wrong", 0) + 1
            visit.remember(self.name, wrong=wrong)
            if wrong >= WRONG_ANSWERS:
                raise FatalError("AcceptanceFailed", "A notebook on the hub computes wrong results.")
            return Wait(paced(visit, SHORTEST_PAUSE_S), "a notebook gave a wrong result")
        visit.remember(self.name, passed=visit.now.isoformat(), trouble=None)
        await visit.checkpoint()
        return None

    async def _clean(self, visit: Visit) -> Done | Wait:
        user = (await visit.secrets()).acceptance_user
        key = task_key(visit, "accept-clean", user, number=task_number(visit, self.name, "clean"))
        report = await run_task(visit, "accept-clean", key, {"user": user}, wait_s=TASK_WAIT_S)
        if report.state == "running":
            return Wait(paced(visit, STARTING_PAUSE_S), "the acceptance run's user is being removed")
        if report.state == "failed":
            if begin_next_try(visit, self.name, "clean") <= LOST_TASK_TRIES:
                return Wait(paced(visit, SHORTEST_PAUSE_S), report.message)
            raise FatalError(
                "AcceptanceUserLeft", f"The acceptance run's user could not be removed: {one_line(report.message, 300)}"
            )
        memory = visit.memory(self.name)
        passed, since = datetime.fromisoformat(memory["passed"]), datetime.fromisoformat(memory["since"])
        seconds = round((passed - since).total_seconds(), 1)
        visit.update(acceptance=Acceptance(passed_at=passed, seconds=seconds, method=METHOD))
        return Done()

    def _not_yet(self, visit: Visit, error: RetryableError) -> Wait:
        """Anything may be slow on a new machine; what stays wrong until time is up is the cause of the failure."""
        visit.remember(self.name, served=None)  # whatever it is, it may be the server
        memory = visit.memory(self.name)
        spent = visit.now - datetime.fromisoformat(memory["since"])
        if spent > LIMIT:
            raise FatalError(
                "AcceptanceFailed",
                f"The hub was not usable after {spent.total_seconds() / 60:.0f} minutes: {error.message}",
                fix="Delete the hub and create it again; a larger size helps when servers start too slowly.",
            ) from error
        if memory.get("trouble") != error.code:
            visit.tell(
                "retry", f"The acceptance run has to try again: {error.message}", step=self.name, cause=_why(error)
            )
            visit.remember(self.name, trouble=error.code)
        if error.code == "HubLoginRefused":  # its user may be gone or half made: made again, under a new key
            begin_next_try(visit, self.name, "prepare")
        scale = visit.app.settings.poll_scale
        pause = min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, 0.1 * spent.total_seconds() * scale))
        return Wait(paced(visit, pause), error.message)


def _number(secret: str) -> int:
    """31 bits that only who made the secret knows: small enough to print alike everywhere."""
    return 2 + int.from_bytes(hashlib.sha256(secret.encode()).digest()[:4]) % (1 << 31)


def _failed_task(report: TaskReport) -> RetryableError:
    return RetryableError("AcceptancePrepareFailed", one_line(report.message, 300) or report.code)


def _why(error: HubletError) -> Reason:
    return Reason(code=error.code, message=error.message, fix=error.fix)
