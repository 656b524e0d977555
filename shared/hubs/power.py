"""Turns a hub's machine off so that it no longer bills, and on again; both *seen*, not believed.

Powered off is not enough: a `stopped` VM is still billed (learn.microsoft.com, "States and billing of Azure VMs").
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from shared.errors import CapacityError, FatalError, HubletError, RetryableError
from shared.hubs import ladder, refusals_memory
from shared.hubs.deadlines import STATE_LIMITS
from shared.hubs.ladder import Scope
from shared.hubs.long_operation import run_long
from shared.hubs.meter import Billing
from shared.hubs.model import Hub, Reason, Rung, StartTry, StepName
from shared.hubs.ports import Begun, VmView
from shared.hubs.pricing import price_of
from shared.hubs.refusals_memory import Remembered
from shared.hubs.removal import LATE_WRITES
from shared.hubs.states import HubState
from shared.hubs.visit import Done, Visit, Wait

type Ensure = Callable[[Visit], Awaitable[Done | Wait]]

_NOT_BILLED = frozenset({"deallocated"})
_CHANGING = frozenset({"starting", "stopping", "deallocating"})
_ASKED = "deallocation-ended"
_IN_FLIGHT = "in-flight"
_UNSEEN = "unseen-since"
TROUBLE = "start-trouble"
"""What stood last in the way of the start under way, in the memory of the machine's step."""

MAY_STILL_APPEAR = timedelta(seconds=60)
"""ARM may have taken a PUT that it did not answer, and a read may lag behind it: a machine that was asked for is not
believed to be absent before this long after its hub failed."""

START_LIMIT = STATE_LIMITS[HubState.STARTING].limit
"""A start takes 20-40 s, a boot as long, JupyterHub some seconds more; the rest is for waiting until there is room."""

STUCK_AFTER = timedelta(minutes=10)
"""Deallocations take 20-60 s. What bills and has not moved by then is asked for once more."""

NO_ROOM_PAUSE_S = 60.0
"""After every size that may be tried was refused: room comes and goes within minutes."""

_LOOK_AGAIN_S = 5.0
_UNSEEN_S = 20.0
_RAREST_LOOK_S = 60.0
_STARTS_S = 25.0
_RESTARTS_S = 25.0
_RESIZES_S = 6.0


# ------------------------------------------------------------------ off


async def ensure_deallocated(visit: Visit) -> Done | Wait:
    """Deallocates the hub's VM unless it is gone or deallocated already; records when that was seen."""
    hub, compute = visit.hub, visit.app.compute
    pause_s = _LOOK_AGAIN_S / visit.app.settings.poll_scale
    if hub.operation is None:
        view = await compute.vm(hub.group_name, hub.vm_name, with_power=True)
        if view is None and _may_still_appear(visit):
            return Wait(pause_s, "looking whether the machine appears")
        if view is None and not _is_gone(visit):
            return _unseen(visit)
        if view is None or _is_not_billed(visit, view):
            if _may_still_arrive(visit, "start", "restart"):
                return Wait(pause_s, "a start that was asked for before could still arrive")
            _seen_off(visit, view)
            return Done()
        _seen(visit)
        if view.power in _CHANGING and not _stuck(visit):
            return _changing(visit, view.power)
    begin = _sent(visit, "deallocate", lambda: compute.begin_deallocate(hub.group_name, hub.vm_name))
    outcome = await run_long(visit, "deallocate", begin)
    if isinstance(outcome, Wait):
        return outcome
    # The end of the operation is a claim; the next look at the machine is the proof.
    visit.remember(StepName.MACHINE, **{_ASKED: True})
    return Wait(pause_s, "looking whether it is deallocated")


def _seen_off(visit: Visit, view: VmView | None) -> None:
    visit.update(deallocated_at=visit.now)
    visit.bill(Billing.STOPPED if view else Billing.NOTHING)  # disk and address go with the VM
    visit.remember(StepName.MACHINE, **{_ASKED: None, _UNSEEN: None, _IN_FLIGHT: None})
    visit.tell("power", "The machine does not bill any more: " + ("deallocated." if view else "it is gone."))


def _is_not_billed(visit: Visit, view: VmView) -> bool:
    """A machine that never got hardware (AllocationFailed) may have no power state at all, whatever is done to it."""
    never_ran = view.provisioning == "failed" and view.power is None
    return view.power in _NOT_BILLED or (never_ran and bool(visit.memory(StepName.MACHINE).get(_ASKED)))


def _may_still_appear(visit: Visit) -> bool:
    asked_for = visit.hub.machine.custom_data_sha256 is not None and visit.hub.machine.vm_id is None
    since = visit.hub.failed_at or visit.hub.state_since
    return asked_for and visit.now < since + MAY_STILL_APPEAR / visit.app.settings.poll_scale


# ------------------------------------------------------------------ both


def _sent(visit: Visit, verb: str, begin: Callable[[], Awaitable[Begun]]) -> Callable[[], Awaitable[Begun]]:
    """The same request, its intention saved first: a worker that was overtaken by a newer request sends nothing, and
    whoever overtakes it from now on knows that it may still arrive."""

    async def send() -> Begun:
        visit.remember(StepName.MACHINE, **{_IN_FLIGHT: [verb, visit.now.isoformat()]})
        await visit.checkpoint()
        try:
            begun = await begin()
        except RetryableError:  # Azure may have taken it
            raise
        except HubletError:
            visit.remember(StepName.MACHINE, **{_IN_FLIGHT: None})
            raise
        visit.remember(StepName.MACHINE, **{_IN_FLIGHT: None})
        return begun

    return send


def _may_still_arrive(visit: Visit, *verbs: str) -> bool:
    """Whether a worker was about to send one of these when a newer request overtook it (or when it died): then what
    the machine shows is not believed yet."""
    verb, at = visit.memory(StepName.MACHINE).get(_IN_FLIGHT, ("", ""))
    if verb not in verbs:
        return False
    return visit.now < datetime.fromisoformat(at) + LATE_WRITES / visit.app.settings.poll_scale


def _changing(visit: Visit, what: str) -> Wait:
    """Azure is at it already: looked at ever more seldom, after a tenth of the time it has taken."""
    scale = visit.app.settings.poll_scale
    age_s = (visit.now - visit.hub.state_since).total_seconds() * scale
    return Wait(min(_RAREST_LOOK_S, max(_LOOK_AGAIN_S, 0.1 * age_s)) / scale, f"the machine is {what}")


def _stuck(visit: Visit) -> bool:
    """Whether a change has taken so long that the machine is asked to be deallocated on top of it: Azure decides."""
    return visit.now - visit.hub.state_since > STUCK_AFTER / visit.app.settings.poll_scale


def _seen(visit: Visit) -> None:
    visit.remember(StepName.MACHINE, **{_UNSEEN: None})


def _is_gone(visit: Visit) -> bool:
    """Whether a machine that was there once, and is not to be found now, is believed to be gone: a single look proves
    nothing (lists and reads lag behind, and a region in trouble answers 404)."""
    if visit.hub.machine.vm_id is None or visit.hub.machine.missing_since is not None:
        return True
    since = visit.memory(StepName.MACHINE).get(_UNSEEN)
    confirmed_after = MAY_STILL_APPEAR / visit.app.settings.poll_scale
    return since is not None and visit.now >= datetime.fromisoformat(since) + confirmed_after


def _unseen(visit: Visit) -> Wait:
    if _UNSEEN not in visit.memory(StepName.MACHINE):
        visit.remember(StepName.MACHINE, **{_UNSEEN: visit.now.isoformat()})
    return Wait(_UNSEEN_S / visit.app.settings.poll_scale, "the machine is not to be found; looking again")


# ------------------------------------------------------------------ on


async def ensure_answers(visit: Visit) -> Done | Wait:
    """The machine runs (restarted, when that is owed) and JupyterHub answers at the hub's URL.

    Raises FatalError `VmNotFound`; what Azure has no room for is tried with the owner's other sizes, then again.
    """
    pause_s = _LOOK_AGAIN_S / visit.app.settings.poll_scale
    outcome = await _ensure_running(visit)
    if isinstance(outcome, Wait):
        return outcome
    url = visit.hub.url
    if url is None:
        raise FatalError("ImpossibleState", "The hub has no URL although it was ready before.")
    if await visit.app.hub_http.api_version(url) is None:
        return Wait(pause_s, "waiting for JupyterHub to answer")
    return Done()


async def _ensure_running(visit: Visit) -> Done | Wait:
    hub, compute = visit.hub, visit.app.compute
    pause_s = _LOOK_AGAIN_S / visit.app.settings.poll_scale
    if hub.operation is not None:
        return await _go_on(visit, hub.operation.kind)
    view = await compute.vm(hub.group_name, hub.vm_name, with_power=True)
    if view is None:
        if not _is_gone(visit):
            return _unseen(visit)
        raise FatalError(
            "VmNotFound",
            "The virtual machine is no longer in Azure: somebody deleted it there.",
            fix="Delete the hub and create it again; people's files went with the machine's disk.",
        )
    _seen(visit)
    if view.power in _CHANGING or view.provisioning in ("creating", "updating", "deleting"):
        return _changing(visit, view.power or view.provisioning)
    if view.size and view.size.lower() != hub.size.lower():
        await _resized(visit, view.size)  # its end was not saved, or somebody did it in the portal
    if view.power == "running":
        visit.bill(Billing.RUNNING)  # whoever turned it on
        visit.remember(StepName.MACHINE, **{TROUBLE: None})  # what is missing now is JupyterHub's answer
        if _may_still_arrive(visit, "deallocate"):
            return Wait(pause_s, "a stop that was asked for before could still arrive")
        return await _go_on(visit, "restart") if hub.life.restart else Done()
    visit.steer(restart=False)  # a start boots it anew, too
    size = await _size_to_try(visit)
    if size is None:
        return Wait(NO_ROOM_PAUSE_S / visit.app.settings.poll_scale, "Azure has no room at the moment")
    return await _go_on(visit, "start" if size.lower() == view.size.lower() else f"resize {size}")


async def _go_on(visit: Visit, kind: str) -> Done | Wait:
    """Begins or follows one operation. Its end is a claim: the machine is looked at before anything is believed."""
    hub, compute = visit.hub, visit.app.compute
    group, name = hub.group_name, hub.vm_name
    verb, _, size = kind.partition(" ")
    pause = Wait(0.5 / visit.app.settings.poll_scale, "looking at the machine")
    try:
        match verb:
            case "restart":
                begin = _sent(visit, verb, lambda: compute.begin_restart(group, name))
                outcome = await run_long(visit, kind, begin, first_look_s=_RESTARTS_S)
                if isinstance(outcome, Done):
                    visit.steer(restart=False)
            case "resize":
                begin = _sent(visit, verb, lambda: compute.begin_resize(group, name, size))
                outcome = await run_long(visit, kind, begin, first_look_s=_RESIZES_S)
                if isinstance(outcome, Done):
                    await _resized(visit, size)
            case _:
                if hub.operation is None:
                    visit.reprice(await price_of(visit.app, hub.spec, size=hub.size, region=hub.region) or hub.price)
                    visit.bill(Billing.RUNNING)  # from the request on: better a minute too much than one not shown
                begin = _sent(visit, verb, lambda: compute.begin_start(group, name))
                outcome = await run_long(visit, kind, begin, first_look_s=_STARTS_S)
    except CapacityError as refusal:
        return await _refused(visit, verb, size or hub.size, refusal)
    return outcome if isinstance(outcome, Wait) else pause


async def _refused(visit: Visit, verb: str, size: str, refusal: CapacityError) -> Wait:
    reason = Reason(code=refusal.code, message=refusal.message, fix=refusal.fix)
    if (verb, refusal.code) != ("resize", "SkuNotAvailable"):  # which may be said of this machine alone: its disk
        rung = Rung(region=visit.hub.region, size=size, zone=visit.hub.zone)
        await refusals_memory.remember(visit.app, rung, refusal.code)
    visit.update(operation=None)
    visit.bill(Billing.STOPPED)
    visit.steer(tries=(*visit.hub.life.tries, StartTry(size=size, at=visit.now, reason=reason)))
    visit.remember(StepName.MACHINE, **{TROUBLE: refusal.message})
    visit.tell("capacity", f"Azure has no room for {size}: {refusal.message}", cause=reason)
    return Wait(0.5 / visit.app.settings.poll_scale, "trying the next size")


async def _resized(visit: Visit, size: str) -> None:
    """The same files on another size, at another price."""
    before = visit.hub.size
    if size.lower() == before.lower():
        return
    visit.update(machine=replace(visit.hub.machine, size=size))
    price = await price_of(visit.app, visit.hub.spec, size=size, region=visit.hub.region)
    visit.reprice(price)  # None: better no price than a wrong one
    because = "as it was asked for" if size.lower() == visit.hub.spec.size.lower() else "because Azure had no room"
    message = f"The machine has the size {size} now (before: {before}), {because}."
    visit.tell("capacity", message)
    visit.notify("capacity-changed", message, size=size, before=before)


async def _size_to_try(visit: Visit) -> str | None:
    """The next size of this round; None after all were refused, and the next look begins a new round.

    What was refused to any hub lately is passed over. When nothing else is left, one size is tried all the same: nobody
    is told no from memory alone.
    """
    hub = visit.hub
    memory = await refusals_memory.recall(visit.app, hub.region)
    tried = {one.size.lower() for one in hub.life.tries}
    passed_over: list[str] = []
    for size in start_sizes(hub):
        if size.lower() in tried or not await _affordable(visit, size):
            continue
        if not _refused_lately(hub, size, memory):
            return size
        passed_over.append(size)
    if passed_over and not hub.life.tries:
        return passed_over[0]
    visit.steer(tries=())
    return None


def _refused_lately(hub: Hub, size: str, memory: Iterable[Remembered]) -> bool:
    """A machine that is there has its quota and is allowed its size: only room can be missing for that one."""
    if size.lower() == hub.size.lower():
        memory = [one for one in memory if ladder.closing(one.code).scope is Scope.RUNG]
    return refusals_memory.says_no(memory, Rung(region=hub.region, size=size, zone=hub.zone)) is not None


def start_sizes(hub: Hub) -> Iterator[str]:
    """The sizes a start may try, in order: the one asked for, the one it has, then the owner's own list. Pure."""
    seen: set[str] = set()
    for size in (hub.spec.size, hub.size, *hub.spec.fallback.sizes):
        if size.lower() not in seen:
            seen.add(size.lower())
            yield size


async def _affordable(visit: Visit, size: str) -> bool:
    """Under the owner's ceiling, which is not for what was asked for. A price nobody knows is not under it, but for the
    size the machine has: that one was judged when it was chosen."""
    hub = visit.hub
    ceiling = hub.spec.fallback.max_price_per_hour
    if ceiling is None or size.lower() == hub.spec.size.lower():
        return True
    price = await price_of(visit.app, hub.spec, size=size, region=hub.region)
    return size.lower() == hub.size.lower() if price is None else price.per_hour_running <= ceiling
