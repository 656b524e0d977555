"""A hub's machine is looked for: the rungs of the ladder (shared/hubs/ladder.py) are walked, and every try is shown.

What Azure refuses at its first answer leaves nothing behind: the next rung of the same region is tried at once, under
the same names. Whatever left something (a refusal in the poll leaves a failed VM), and every other region, is a new
attempt: the old one's group is *seen* gone first, so that there are never two machines of one hub.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shared import log
from shared.errors import CapacityError, HubletError, UserError
from shared.hubs import ladder, refusals_memory
from shared.hubs.goals import attempts_ended
from shared.hubs.ladder import Market
from shared.hubs.meter import Billing
from shared.hubs.model import Attempt, Hub, Reason, Rung
from shared.hubs.pricing import price_of
from shared.hubs.refusals_memory import Remembered
from shared.hubs.visit import Visit, Wait

if TYPE_CHECKING:
    from shared.app import App

MOST_LABELS = 3
"""DNS labels that are tried: the hub's id is random, so one that is taken is bad luck and three are something else."""

_SHOWN_CHARS = 300
_SHOWN_SKIPPED = 10
_AT_ONCE = Wait(0.0, "another way to get a machine")


@dataclass(frozen=True, slots=True)
class _Choice:
    """The next rung, or None when nothing is left; and what was passed over because of what other hubs met."""

    rung: Rung | None
    skipped: Sequence[Remembered] = ()


async def begin_attempt(visit: Visit) -> None:
    """What this attempt's machine is made as, its line in the list of tries, and its price. Twice changes nothing."""
    hub = visit.hub
    if any(attempt.number == hub.attempt for attempt in hub.attempts):
        return
    if hub.place.rung is None:
        choice = await _choose(visit)
        _tell_skipped(visit, choice.skipped)
        visit.update(place=replace(hub.place, rung=choice.rung))
    await _begin_try(visit)


async def refused(visit: Visit, refusal: CapacityError, *, left_something: bool) -> Wait:
    """Azure has no room or no quota: on to the next rung. Raises CapacityError with all tries when none is left."""
    rung, reason = _rung(visit.hub), Reason(code=refusal.code, message=refusal.message, fix=refusal.fix)
    _end_try(visit, ladder.REFUSED, reason)
    visit.bill(Billing.STOPPED if left_something else Billing.NOTHING)  # a failed machine may have disk and address
    visit.tell("capacity", f"Azure refused {rung}: {refusal.message}", cause=reason)
    log.info("capacity_refused", code=refusal.code, region=rung.region, size=rung.size, zone=rung.zone)
    await refusals_memory.remember(visit.app, rung, refusal.code)
    choice = await _choose(visit)
    if choice.rung is None:
        raise _nothing_left(visit.hub, refusal, choice.skipped)
    _tell_skipped(visit, choice.skipped)
    if left_something or choice.rung.region.lower() != rung.region.lower():
        return _next_attempt(visit, choice.rung)
    visit.update(place=replace(visit.hub.place, rung=choice.rung))
    await _begin_try(visit)
    return _AT_ONCE


async def label_taken(visit: Visit, trouble: UserError, *, left_something: bool) -> Wait:
    """Somebody has the hub's DNS label: another one. Raises the same trouble after three."""
    place = visit.hub.place
    if place.labels + 1 >= MOST_LABELS:
        raise trouble
    visit.tell("capacity", f"The DNS label {visit.hub.dns_label} is taken in {visit.hub.region}; another one is tried.")
    _end_try(visit, "failed", Reason(code=trouble.code, message=trouble.message, fix=trouble.fix))
    visit.update(place=replace(place, labels=place.labels + 1))
    if left_something:  # the next attempt's label is another one by itself
        visit.bill(Billing.STOPPED)
        return _next_attempt(visit, _rung(visit.hub))
    visit.update(place=replace(visit.hub.place, label=place.label + 1))
    visit.bill(Billing.NOTHING)
    await _begin_try(visit)
    return _AT_ONCE


def remake(visit: Visit, reason: Reason) -> Wait | None:
    """The same machine once more, from nothing: it did not come up, or nobody knows why it failed. None = that was done
    already."""
    place = visit.hub.place
    if place.remade:
        return None
    _end_try(visit, "failed", reason)
    visit.update(place=replace(place, remade=True))
    visit.tell("attempt", f"The machine is made once more from nothing: {reason.message}", cause=reason)
    return _next_attempt(visit, _rung(visit.hub))


async def made(visit: Visit, size: str) -> None:
    """Azure made the machine, with this size: a PUT that was not answered may have been an earlier try's."""
    hub = visit.hub
    if size and size.lower() != hub.size.lower():
        visit.update(machine=replace(hub.machine, size=size))
        visit.reprice(await price_of(visit.app, hub.spec, size=size, region=hub.region))
    hub, first = visit.hub, ladder.asked(visit.hub.spec)
    if (hub.size.lower(), hub.region.lower()) == (first.size.lower(), first.region.lower()):
        return
    message = f"The hub's machine is {_rung(hub)}; asked for was {first}, which Azure refused."
    visit.tell("capacity", message)
    visit.notify(
        "capacity-changed", message, size=hub.size, region=hub.region, before=first.size, regionBefore=first.region
    )


# ------------------------------------------------------------------ one try


def _rung(hub: Hub) -> Rung:
    return Rung(region=hub.region, size=hub.size, zone=hub.zone)


async def _begin_try(visit: Visit) -> None:
    """Its line, and the price of what it would get: better none than a wrong one."""
    hub, rung = visit.hub, _rung(visit.hub)
    last = hub.attempts[-1] if hub.attempts else None
    begun = Attempt(number=hub.attempt, region=rung.region, size=rung.size, zone=rung.zone, started_at=visit.now)
    visit.update(attempts=(*hub.attempts, begun))
    before = (last.region, last.size) if last else (hub.spec.region, hub.spec.size)
    if before != (rung.region, rung.size):
        visit.reprice(await price_of(visit.app, hub.spec, size=rung.size, region=rung.region))


def _end_try(visit: Visit, outcome: str, reason: Reason) -> None:
    visit.update(operation=None, attempts=attempts_ended(visit.hub, visit.now, outcome, reason))


def _next_attempt(visit: Visit, rung: Rung) -> Wait:
    """What there is goes first, and is seen gone (`removal.ensure_attempt_gone`)."""
    visit.update(place=replace(visit.hub.place, following=rung))
    visit.steer(clearing=True)
    return _AT_ONCE


# ------------------------------------------------------------------ the next rung


async def _choose(visit: Visit) -> _Choice:
    """The first rung that was not refused to this hub now, or to any hub lately. When only memory is against all that
    is left, what was asked for is tried once for real: nobody is told no from memory alone."""
    app, hub = visit.app, visit.hub
    first, tries = ladder.asked(hub.spec), hub.attempts[hub.place.first_try :]
    memory = {first.region: await refusals_memory.recall(app, first.region)}
    if not tries and refusals_memory.says_no(memory[first.region], first) is None:
        return _Choice(first)  # nearly always: the catalogue is not even asked
    left = ladder.open_after(ladder.rungs(hub.spec, await _markets(app, hub)), tries)
    if len(tries) >= ladder.MOST_TRIES:
        left = ()
    skipped: list[Remembered] = []
    for rung in left:
        if rung.region not in memory:
            memory[rung.region] = await refusals_memory.recall(app, rung.region)
        against = refusals_memory.says_no(memory[rung.region], rung)
        if against is None:
            return _Choice(rung, skipped)
        skipped.append(replace(against, rung=rung))
    return _Choice(first if first in left else None, skipped)


async def _markets(app: "App", hub: Hub) -> Mapping[str, Market]:
    """What the catalogue says about the regions of the ladder. A region whose list cannot be read has the sizes the
    owner named, without zones."""
    found: dict[str, Market] = {}
    for region in ladder.regions(hub.spec):
        try:
            market = Market(offers=await app.catalog.sizes(region))
        except HubletError as error:
            log.warning("sizes_unreadable", region=region, code=error.code)
            market = Market()
        prices: dict[str, float | None] = {}
        for size in ladder.needs_prices(hub.spec, market):
            price = await price_of(app, hub.spec, size=size, region=region)
            prices[size.lower()] = price.per_hour_running if price else None
        found[region] = replace(market, per_hour=prices)
    return found


# ------------------------------------------------------------------ what people read


def _tell_skipped(visit: Visit, skipped: Sequence[Remembered]) -> None:
    if skipped:
        visit.tell("capacity", f"Not asked for now, because Azure refused it lately: {_listed(skipped)}.")


def _listed(skipped: Sequence[Remembered]) -> str:
    shown = [f"{one.rung} ({one.code}, until {one.until:%H:%M} UTC)" for one in skipped[:_SHOWN_SKIPPED]]
    more = len(skipped) - len(shown)
    return "; ".join([*shown, f"{more} more"] if more else shown)


def _nothing_left(hub: Hub, refusal: CapacityError, skipped: Sequence[Remembered]) -> CapacityError:
    """The last refusal's code, with every try and its reason."""
    tries = [one for one in hub.attempts[hub.place.first_try :] if one.reason]
    told = "; ".join(f"{ladder.rung_of(one)}: {_short(one.reason.message)}" for one in tries if one.reason)
    message = f"Azure has no machine for this hub. Tried: {told}"
    if skipped:
        message += f" Not tried, because Azure refused it to other hubs lately: {_listed(skipped)}."
    fix = f"{refusal.fix} More sizes and regions can be allowed in `fallback`.".strip()
    return CapacityError(refusal.code, message, fix=fix)


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 3] + "..."
