"""What an owner may ask of a hub that is there: stop, start, restart, extend, retry, change, delete.

Each is one transaction on the hub's ETag, safe to repeat, and decided again from the present row when a rival was
faster. The newest goal wins; only `delete` is final. The worker does the rest.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from shared.errors import ConcurrentUpdate, RetryableError, UserError
from shared.hubs import after_ready, agenda, budget, idle, schedule, words
from shared.hubs.commands import IdempotencyRequest, not_found, replay
from shared.hubs.dispatch import due_after, work_message
from shared.hubs.goals import begin_deletion, change_goal, operation_of
from shared.hubs.model import Hub, Idle, Operation, OperationStatus, Place, Principal
from shared.hubs.ports import IdempotencyKeyTaken
from shared.hubs.states import CREATING, STABLE, Goal, HubEvent, HubState
from shared.hubs.visit import Visit

if TYPE_CHECKING:
    from shared.app import App

TRIES = 8
"""How often a request is decided again after the row changed under it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Who asks, and how. `check` may refuse the hub as it is now (If-Match); it is asked again after every race."""

    principal: Principal
    request_id: str
    idempotency: IdempotencyRequest | None = None
    check: Callable[[Hub], Awaitable[None]] | None = None
    thread: str | None = None
    """The chat conversation in which it is asked: from here on the hub is talked about there."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The hub as it is now, and the operation to poll (of its present generation)."""

    hub: Hub
    operation: Operation
    replayed: bool = False


type Apply = Callable[[Visit], Awaitable[bool]]
"""Changes the hub or raises UserError. False = it is as asked already."""


# ------------------------------------------------------------------ goals


async def stop_hub(app: "App", hub: Hub, request: Request) -> Answered:
    """Goal `stopped`: deallocated, and seen so. Raises UserError `HubIsBeingMade`, `HubHasFailed`,
    `HubIsBeingDeleted`."""

    async def apply(visit: Visit) -> bool:
        _not_deleted(visit.hub)
        if visit.hub.state in CREATING:
            raise UserError(
                "HubIsBeingMade",
                "The hub is still being made, so it cannot be stopped yet.",
                fix="Wait until it is ready, or delete it: that works at any time.",
            )
        if visit.hub.state is HubState.FAILED:
            raise _has_failed("Its machine is off already.")
        if visit.hub.state in (HubState.STOPPING, HubState.STOPPED):
            return False
        asked = f"{visit.actor} asked for the hub to be stopped."
        change_goal(visit, Goal.STOPPED, HubEvent.STOP, "stop", asked, request_id=request.request_id)
        after_ready.stopping(visit, "asked for")
        return True

    return await _change(app, hub, request, apply)


async def start_hub(app: "App", hub: Hub, request: Request) -> Answered:
    """Goal `running`. Raises UserError `HubHasFailed`, `HubHasExpired`, `MachineGone`, `BudgetExceeded`,
    `HubIsBeingDeleted`."""

    async def apply(visit: Visit) -> bool:
        if visit.hub.goal is Goal.RUNNING and visit.hub.state is not HubState.FAILED:
            return False
        await _may_start(visit)
        asked = f"{visit.actor} asked for the hub to be started."
        change_goal(visit, Goal.RUNNING, HubEvent.START, "start", asked, request_id=request.request_id)
        after_ready.starting(visit)
        return True

    return await _change(app, hub, request, apply)


async def restart_hub(app: "App", hub: Hub, request: Request) -> Answered:
    """The machine boots anew; a stopped hub is started. Twice = two restarts, unless the first one still goes on.

    Raises what `start_hub` raises, and UserError `HubIsBeingMade`."""

    async def apply(visit: Visit) -> bool:
        if visit.hub.state in CREATING:
            raise UserError("HubIsBeingMade", "The hub is still being made.", fix="Wait until it is ready.")
        if visit.hub.state is HubState.STARTING:
            return False
        await _may_start(visit)
        event = HubEvent.RESTART if visit.hub.state is HubState.READY else HubEvent.START
        asked = f"{visit.actor} asked for the hub to be restarted."
        change_goal(visit, Goal.RUNNING, event, "restart", asked, request_id=request.request_id)
        if event is HubEvent.RESTART:
            after_ready.restarting(visit)
        else:
            after_ready.starting(visit)
        return True

    return await _change(app, hub, request, apply)


async def retry_hub(app: "App", hub: Hub, request: Request) -> Answered:
    """Another attempt at a hub that failed, from nothing: the last one's resources go first. Raises UserError
    `HubHasNotFailed`, `BudgetExceeded`, `HubHasExpired`, `HubIsBeingDeleted`."""

    async def apply(visit: Visit) -> bool:
        _not_deleted(visit.hub)
        if visit.hub.operation_kind == "retry" and visit.hub.state in CREATING:
            return False
        if visit.hub.state is not HubState.FAILED:
            raise UserError(
                "HubHasNotFailed", "Only a hub that failed can be tried again.", fix="Use start or restart."
            )
        _not_expired(visit)
        await _affordable(visit)
        await _azure_usable(visit)
        asked = f"{visit.actor} asked for another attempt."
        change_goal(visit, Goal.RUNNING, HubEvent.RETRY, "retry", asked, request_id=request.request_id)
        place = Place(first_try=len(visit.hub.attempts))  # what was refused then may be had now
        visit.update(reason=None, failed_at=None, deallocated_at=None, place=place)
        visit.steer(clearing=True, cursor=visit.now)
        return True

    return await _change(app, hub, request, apply)


async def delete_hub(app: "App", hub: Hub, request: Request) -> Answered:
    """Goal `deleted`: works in every state and wins over everything. Twice = the same operation."""

    async def apply(visit: Visit) -> bool:
        if visit.hub.goal is Goal.DELETED:
            return False
        begin_deletion(visit, f"{visit.actor} asked for the hub to be deleted.", request_id=request.request_id)
        return True

    return await _change(app, hub, request, apply)


def _not_deleted(hub: Hub) -> None:
    if hub.goal is Goal.DELETED:
        raise UserError("HubIsBeingDeleted", "The hub is being deleted; nothing else can be asked of it.")


def _has_failed(more: str) -> UserError:
    return UserError("HubHasFailed", f"The hub failed. {more}", fix="Use retry, or delete the hub.")


async def _may_start(visit: Visit) -> None:
    """What a start needs, and a restart of a hub that runs already does not: time and money."""
    hub = visit.hub
    _not_deleted(hub)
    if hub.state is HubState.FAILED:
        raise _has_failed("There is nothing that could be started.")
    if hub.machine.missing_since is not None:
        raise UserError(
            "MachineGone",
            "The hub's virtual machine was deleted in Azure.",
            fix="Delete the hub and create it again; people's files went with the machine's disk.",
        )
    if hub.state is not HubState.READY:
        _not_expired(visit)
        await _affordable(visit)
    await _azure_usable(visit)


async def _azure_usable(visit: Visit) -> None:
    """Nothing is begun in a subscription that is known to be disabled. A stop and a delete are taken: they wait."""
    paused = await visit.app.gate.refusal()
    if paused is not None:
        raise paused


def _not_expired(visit: Visit) -> None:
    ends = visit.hub.spec.expires_at
    if ends is not None and ends <= visit.now:
        raise UserError(
            "HubHasExpired", "The hub's end date is past.", fix="PATCH `expiresAt` to a later day, then ask again."
        )


async def _affordable(visit: Visit) -> None:
    refusal = await budget.refusal(visit.app, visit.hub.owner)
    if refusal is not None:
        raise refusal


# ------------------------------------------------------------------ the next stop


async def extend_hub(app: "App", hub: Hub, request: Request, hours: float) -> Answered:
    """Moves the next stop (a scheduled or an idle one) by so many hours. Twice = twice as far.

    Raises UserError `HubIsStopped`, `NothingToExtend`, `ExtendedTooFar`, `HubIsBeingMade`, `HubHasFailed`,
    `HubIsBeingDeleted`."""

    async def apply(visit: Visit) -> bool:
        stop = _next_stop(visit)
        until = max(stop.at, visit.now) + timedelta(hours=hours)
        limit = timedelta(hours=app.settings.max_extend_hours)
        if until > visit.now + limit:
            raise UserError(
                "ExtendedTooFar",
                f"The stop would be at {until:%Y-%m-%d %H:%M} UTC, which is too far away.",
                fix=f"At most {limit.total_seconds() / 3600:g} hours from now. For more, change the schedule.",
            )
        visit.steer(keep_until=until, idle=replace(visit.hub.life.idle, no_server_since=None, look_again_at=until))
        said = f"{visit.actor} {words.MOVED_STOP} from {stop.at:%H:%M} to {until:%Y-%m-%d %H:%M} UTC."
        visit.tell("changed", said)
        return True

    return await _change(app, hub, request, apply)


async def skip_next_stop(app: "App", hub: Hub, request: Request) -> Answered:
    """Calls the next scheduled stop off; the one after it stands. Twice is once.

    Raises what `extend_hub` raises, but `ExtendedTooFar`."""

    async def apply(visit: Visit) -> bool:
        life = visit.hub.life
        if life.skipped_stop is not None and life.skipped_stop > visit.now:
            return False
        _running(visit)
        rules = agenda.Rules.of(app.settings)
        stop = agenda.scheduled_stop(visit.hub, rules, visit.now)
        if stop is None:
            raise UserError("NothingToExtend", "No stop is scheduled for this hub.")
        # a cursor ahead of time: what is before it, an extended time's stops among them, will not come
        visit.steer(skipped_stop=stop.at, keep_until=None, cursor=max(stop.at, visit.now))
        visit.tell("changed", f"{visit.actor} {words.CALLED_OFF} at {stop.at:%Y-%m-%d %H:%M} UTC.")
        return True

    return await _change(app, hub, request, apply)


def _next_stop(visit: Visit) -> agenda.Stop:
    _running(visit)
    rules = agenda.Rules.of(visit.app.settings)
    stop = agenda.next_stop(visit.hub, rules, visit.now)
    if stop is None:
        raise UserError(
            "NothingToExtend", "Nothing will stop this hub.", fix="Only a hub with a next stop can be extended."
        )
    if stop.why is agenda.Why.EXPIRES:
        raise UserError(
            "NothingToExtend", "The next stop is the hub's end date.", fix="PATCH `expiresAt` to a later day."
        )
    return stop


def _running(visit: Visit) -> None:
    hub = visit.hub
    _not_deleted(hub)
    if hub.state in CREATING:
        raise UserError("HubIsBeingMade", "The hub is still being made.", fix="Wait until it is ready.")
    if hub.state is HubState.FAILED:
        raise _has_failed("It runs no longer.")
    if hub.state is HubState.STARTING:
        raise UserError("HubIsStopped", "The hub is starting; it has no stop yet.", fix="Wait until it is ready.")
    if hub.state is not HubState.READY:
        state = words.STATES[hub.state].lower()
        raise UserError("HubIsStopped", f"The hub is {state}, so there is no stop to move.", fix="Start it.")


# ------------------------------------------------------------------ PATCH


async def change_hub(app: "App", hub: Hub, request: Request, changes: Mapping[str, Any]) -> Answered:
    """Replaces fields of the specification (`schedule`, `idle_minutes`, `expires_at`), effective at once. The same
    values again change nothing. Raises UserError `HubIsBeingDeleted`."""

    async def apply(visit: Visit) -> bool:
        _not_deleted(visit.hub)
        before = visit.hub.spec
        spec = replace(before, **changes)
        if spec == before:
            return False
        visit.update(spec=spec)
        if spec.schedule != before.schedule:
            # what the old one left undone is not done late by the new one
            visit.steer(cursor=visit.now, keep_until=None, skipped_stop=None)
            said = schedule.describe(spec.schedule) if spec.schedule else "none"
            visit.tell("changed", f"{visit.actor} changed the schedule: {said}.")
        if spec.idle_minutes != before.idle_minutes:
            visit.steer(idle=Idle(rule_minutes=visit.hub.life.idle.rule_minutes))
            visit.no_condition(idle.CONDITION)
            said = f"{spec.idle_minutes} minutes" if spec.idle_minutes else "off"
            visit.tell("changed", f"{visit.actor} changed the idle stop: {said}.")
        if spec.expires_at != before.expires_at:
            said = f"{spec.expires_at:%Y-%m-%d %H:%M} UTC" if spec.expires_at else "none"
            visit.tell("changed", f"{visit.actor} changed the end date: {said}.")
        return True

    return await _change(app, hub, request, apply)


# ------------------------------------------------------------------ the one way to change a hub


async def _change(app: "App", hub: Hub, request: Request, apply: Apply) -> Answered:
    """Decides on the present row, saves, wakes a worker. Raises what `apply` and `check` raise, and RetryableError when
    the row keeps changing."""
    for number in range(TRIES):
        if request.idempotency is not None:
            _, remembered = await app.hubs.admission(hub.owner, request.idempotency.key_sha256)
            if remembered is not None:
                answer = await replay(app, hub.owner, remembered, request.idempotency)
                return Answered(answer.hub, answer.operation, replayed=True)
        if number:
            fresh = await app.hubs.get(hub.owner, hub.name)
            if fresh is None or fresh.id != hub.id:
                raise not_found(hub.name)
            hub = fresh
        if request.check is not None:
            await request.check(hub)
        visit = Visit(app, hub, actor=request.principal.actor)
        changed = await apply(visit)
        if changed:
            if request.thread is not None:
                visit.update(thread=request.thread)
            visit.progress(f"{visit.actor} asked for it.")  # also of a moved stop: who follows the hub reads when
        if not changed and request.idempotency is None:
            return Answered(hub, await _operation(app, hub))
        if request.idempotency is not None:
            visit.idempotency = request.idempotency.record(visit.hub, visit.now)
        try:
            return await _save(visit, hub) if changed else await _remember(visit)
        except (ConcurrentUpdate, IdempotencyKeyTaken):
            continue
    raise RetryableError("Busy", "The hub changes very often at the moment.", fix="Send it again.", retry_after_s=2)


async def _save(visit: Visit, before: Hub) -> Answered:
    """Due row, row, message. Raises ConcurrentUpdate, IdempotencyKeyTaken."""
    app, now = visit.app, visit.now
    if visit.hub.generation == before.generation:
        visit.update(pass_number=before.pass_number + 1)
    operation = visit.operations[-1] if visit.operations else None
    await app.due.put(due_after(visit.hub, now, 0, redrive_s=app.settings.redrive_s))
    await visit.checkpoint()
    await app.queue.put(work_message(visit.hub, now))
    return Answered(visit.hub, operation or await _operation(app, visit.hub))


async def _remember(visit: Visit) -> Answered:
    """Nothing to change, but the same key later must not change anything either."""
    await visit.checkpoint()
    return Answered(visit.hub, await _operation(visit.app, visit.hub))


async def _operation(app: "App", hub: Hub) -> Operation:
    """The operation of the hub's present generation."""
    known = await app.hubs.operation(hub.owner, hub.id, hub.generation)
    if known is not None:
        return known
    return operation_of(hub, OperationStatus.SUCCEEDED if hub.state in STABLE else OperationStatus.RUNNING)
