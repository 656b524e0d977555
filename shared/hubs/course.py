"""What one visit does with a hub: decide purely, do the one next thing, until something has to be waited for.

Nothing here puts messages or saves a hub at the end; that is lifecycle.py's, and its order of writes is what makes a
crash at any line harmless.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from shared import log
from shared.errors import ConcurrentUpdate, HubletError, RetryableError, RowTooNew
from shared.hubs import after_ready, pace, placing, power, removal, stuck
from shared.hubs.agenda import Rules
from shared.hubs.deadlines import deadline_passed, excuse, overdue
from shared.hubs.decide import (
    Begin,
    ClearAttempt,
    Deallocate,
    Expire,
    Fail,
    LookAtActivity,
    PowerOff,
    PowerOn,
    Remove,
    RunStep,
    SetAutoShutdown,
    Settle,
    StartNow,
    StopNow,
    Warn,
    decide,
)
from shared.hubs.gate_state import AzurePaused
from shared.hubs.goals import attempts_ended, begin_deletion, operation_ended, operation_of
from shared.hubs.model import OperationStatus, Reason, StepName
from shared.hubs.ports import IndexEntry
from shared.hubs.states import HubEvent, HubState
from shared.hubs.visit import Done, Step, Visit, Wait

RARER_WITH_AGE = 0.1
LONGEST_PAUSE_S = 900.0
"""Power and removal are tried without end, but ever more seldom: after a tenth of the time they have gone wrong."""

VISIT_BUDGET_S = 25.0
"""After this long a visit ends even if the next step could begin: with a last slow SSH call it stays below a minute."""

IN_PLACE_S = 8.0
"""Waits up to this long are spent in the visit: a message costs seven storage operations and up to 2 s of an idle
host's polling pause (figures: docs/performance.md)."""

type Steps = Mapping[StepName, Step]
"""The registry of steps (`shared.steps.STEPS`), handed in so that the domain does not know them."""

_MOVES: Mapping[StepName, tuple[HubEvent, str]] = {
    StepName.BOOT: (HubEvent.MACHINE_REACHABLE, "The machine answers over SSH with its expected host key."),
    StepName.CONFIGURE: (HubEvent.INSTALLED, "TLJH is installed and configured."),
    StepName.LOCK: (HubEvent.VERIFIED, "The hub passed its acceptance run and is locked down: ready."),
}
"""Steps whose end changes the state."""


async def run_visit(visit: Visit, steps: Steps) -> float | None:
    """Decides and acts until something has to be waited for. Returns the seconds to wait, or None when settled."""
    rules = Rules.of(visit.app.settings)
    began = visit.now
    if (line := await pace.back(visit)) is not None:
        return line.after_s
    while True:
        generation = visit.hub.generation
        outcome: Done | Wait = Done()
        match decide(visit.hub, visit.now, rules):
            case Begin():
                await _begin(visit)
            case ClearAttempt():
                outcome = await _guard(visit, removal.ensure_attempt_gone)
            case RunStep(step):
                outcome = await _run_step(visit, steps[step])
                if isinstance(outcome, Wait) and overdue(visit.hub, step, visit.now) and not visit.hub.life.clearing:
                    outcome = await _too_late(visit, step)
            case Fail(reason):
                await fail(visit, reason)
            case Deallocate():
                outcome = await _guard(visit, power.ensure_deallocated)
            case PowerOff():
                outcome = await _guard(visit, power.ensure_deallocated)
                if isinstance(outcome, Done):
                    after_ready.stopped(visit)
                    await index_state(visit)
            case PowerOn():
                outcome = await _power_on(visit)
            case Warn(alerts):
                after_ready.warn(visit, alerts)
            case SetAutoShutdown(wanted):
                await after_ready.set_auto_shutdown(visit, wanted)
            case LookAtActivity():
                await after_ready.look_at_activity(visit)
            case StopNow(why):
                after_ready.stop(visit, why)
            case StartNow():
                await after_ready.start_by_schedule(visit)
            case Expire(message):
                begin_deletion(visit, message)
            case Remove():
                outcome = await _guard(visit, removal.ensure_gone)
                if isinstance(outcome, Done):
                    return None
            case Settle(look_at):
                visit.update(next_look_at=look_at)
                return None
        if not isinstance(outcome, pace.Blocked):
            pace.asked(visit)
        if visit.hub.generation != generation:
            await index_state(visit)
            return 0.0  # the new generation's message and due row must be there before its row is saved
        if isinstance(outcome, Wait) and not await _wait_in_place(visit, outcome, began):
            return outcome.after_s
        if (visit.now - began).total_seconds() > VISIT_BUDGET_S:
            return 0.0


async def _power_on(visit: Visit) -> Done | Wait:
    """Until the hub answers, or for as long as a start may take; then it is stopped again."""
    try:
        outcome = await power.ensure_answers(visit)
    except (ConcurrentUpdate, RowTooNew):
        raise
    except RetryableError as error:
        if not isinstance(error, AzurePaused):
            visit.remember(StepName.MACHINE, **{power.TROUBLE: error.message})
        outcome = _not_now(visit, error)
    except HubletError as error:
        after_ready.start_failed(visit, Reason(code=error.code, message=error.message, fix=error.fix))
        return Done()
    if isinstance(outcome, Done):
        after_ready.answers(visit)
        await index_state(visit)
    elif visit.now > (since := visit.hub.goal_since or visit.hub.state_since) + power.START_LIMIT + excuse(
        visit.hub, visit.hub.life.excused_s, since, visit.now
    ):
        after_ready.start_failed(visit, after_ready.start_took_too_long(visit.hub))
        return Done()
    return outcome


async def _wait_in_place(visit: Visit, wait: Wait, began: datetime) -> bool:
    """Waits here when it is not for long and the visit is young; False = the queue shall wait.

    Saved first: whoever dies in the pause loses nothing, and whoever works on the same hub notices.
    """
    spent = (visit.now - began).total_seconds()
    if wait.after_s > IN_PLACE_S or spent + wait.after_s > VISIT_BUDGET_S:
        return False
    await visit.keep()
    await visit.app.clock.sleep(wait.after_s)
    return True


async def _begin(visit: Visit) -> None:
    """The hub becomes findable by id before Azure is asked for anything, so that nothing can be left unfound."""
    hub, app = visit.hub, visit.app
    await app.index.put(IndexEntry(hub_id=hub.id, owner=hub.owner, name=hub.name, state=str(HubState.PROVISIONING)))
    if hub.price is None:
        from shared.hubs.pricing import price_of

        visit.update(price=await price_of(app, hub.spec))
    visit.move(HubEvent.BEGIN, "A worker began to make the hub's Azure resources.")
    visit.progress("The hub is being made.")
    visit.operations.append(operation_of(visit.hub, OperationStatus.RUNNING))


async def _run_step(visit: Visit, step: Step) -> Done | Wait:
    name = step.name
    if name is StepName.GROUP and (line := await pace.turn(visit, pace.GROUP)) is not None:
        return line  # before its deadline begins
    record = visit.hub.step(name)
    if record.started_at is None:
        visit.record(replace(record, started_at=visit.now))
    try:
        outcome = await step.ensure(visit)
    except (ConcurrentUpdate, RowTooNew):
        raise
    except RetryableError as error:
        return _retry_later(visit, name, error)
    except HubletError as error:
        await fail(visit, Reason(code=error.code, message=error.message, fix=error.fix), step=name)
        return Done()
    record = visit.hub.step(name)
    if isinstance(outcome, Wait):
        if record.tries and not isinstance(outcome, pace.Blocked):  # in line it has not succeeded
            visit.record(replace(record, tries=0))
        return outcome
    visit.record(replace(record, finished_at=visit.now, tries=0, last_error=None))
    seconds = (visit.now - (record.started_at or visit.now)).total_seconds()
    visit.tell("step", f"'{name}' is done after {seconds:.0f} s.", step=name)
    log.info("step_done", step=str(name), seconds=round(seconds, 1))
    if name in _MOVES:
        event, message = _MOVES[name]
        if event is HubEvent.VERIFIED:
            await _ready(visit, message)
            return outcome
        visit.move(event, message)
    visit.progress(f"'{name}' is done.")
    return outcome


async def _too_late(visit: Visit, step: StepName) -> Done | Wait:
    """The step is past its deadline. A machine that Azure never finishes is made once more; anything else failed."""
    reason = deadline_passed(step, visit.hub.step(step).last_error)
    again = placing.remake(visit, reason) if step is StepName.MACHINE else None
    if again is None:
        await fail(visit, reason, step=step)
    return again or Done()


def _retry_later(visit: Visit, name: StepName, error: RetryableError) -> Wait:
    if isinstance(error, AzurePaused):
        return pace.paused(visit, error)
    record = visit.hub.step(name)
    tries = record.tries + 1
    reason = Reason(code=error.code, message=error.message, fix=error.fix)
    if record.last_error is None or record.last_error.code != reason.code:
        visit.tell("retry", f"'{name}' has to wait: {error.message}", step=name, cause=reason)
    visit.record(replace(record, tries=tries, last_error=reason))
    log.info("step_waiting", step=str(name), code=error.code, tries=tries)
    return Wait(retry_delay_s(visit, tries, error.retry_after_s), error.message)


def retry_delay_s(visit: Visit, tries: int, retry_after_s: float | None) -> float:
    """Azure's wish plus jitter, or exponential back-off with full jitter: 2, 4, 8 ... at most 60 s."""
    jitter = visit.app.entropy.jitter()
    if retry_after_s is not None:
        return retry_after_s + jitter * max(1.0, retry_after_s * 0.1)
    ceiling: float = min(60.0, 2.0 ** min(tries, 6))
    return (1.0 + jitter * ceiling) / visit.app.settings.poll_scale


async def _guard(visit: Visit, ensure: "power.Ensure") -> Done | Wait:
    """Power and removal have no step record: they are tried until they are seen done, and people told when it lasts."""
    outcome = await _try(visit, ensure)
    if isinstance(outcome, pace.Blocked):
        return outcome  # all of Azure waits, and somebody was told
    if isinstance(outcome, Wait):
        await stuck.tell(visit, outcome.note)
    else:
        stuck.over(visit)
    return outcome


async def _try(visit: Visit, ensure: "power.Ensure") -> Done | Wait:
    try:
        return await ensure(visit)
    except (ConcurrentUpdate, RowTooNew):
        raise
    except RetryableError as error:
        return _not_now(visit, error)
    except HubletError as error:
        visit.update(operation=None)
        log.error("blocked", code=error.code)
        return Wait(stuck.blocked(visit, error), error.message)


def _not_now(visit: Visit, error: RetryableError) -> Wait:
    if isinstance(error, AzurePaused):
        return pace.paused(visit, error)
    log.info("waiting", code=error.code)
    age_s = (visit.now - visit.hub.state_since).total_seconds()
    rarer_s = min(LONGEST_PAUSE_S, RARER_WITH_AGE * age_s) / visit.app.settings.poll_scale
    return Wait(max(rarer_s, retry_delay_s(visit, 4, error.retry_after_s)), error.message)


async def _ready(visit: Visit, message: str) -> None:
    visit.move(HubEvent.VERIFIED, message)
    visit.update(ready_at=visit.now, attempts=attempts_ended(visit.hub, visit.now, "ready", None))
    operation_ended(visit, OperationStatus.SUCCEEDED)
    visit.notify("ready", f"The hub '{visit.hub.name}' is ready.", url=visit.hub.url)
    await index_state(visit)


async def fail(visit: Visit, reason: Reason, *, step: StepName | None = None) -> None:
    """The hub is failed with this cause; its operation ends. Evidence stays; the machine is deallocated next."""
    visit.update(
        reason=reason,
        failed_at=visit.now,
        operation=None,
        attempts=attempts_ended(visit.hub, visit.now, "failed", reason),
    )
    if step is not None:
        visit.record(replace(visit.hub.step(step), last_error=reason))
    visit.move(HubEvent.FAIL, reason.message, cause=reason)
    operation_ended(visit, OperationStatus.FAILED, error=reason)
    visit.notify("failed", f"The hub '{visit.hub.name}' failed: {reason.message}", code=reason.code, fix=reason.fix)
    log.warning("hub_failed", code=reason.code, step=str(step) if step else None)
    await index_state(visit)


async def index_state(visit: Visit) -> None:
    """The index says what state the hub is in, for sweeps and lists."""
    hub = visit.hub
    await visit.app.index.put(IndexEntry(hub_id=hub.id, owner=hub.owner, name=hub.name, state=str(hub.state)))
