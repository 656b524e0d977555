"""What a button does: on Slack, and on an action page."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.api.problems import CODES
from shared.chat import cards, error_cards, notice_cards, steering, trouble
from shared.chat.card import Card, Tone, Verb
from shared.chat.typed import shown
from shared.errors import ConcurrentUpdate, HubletError, RetryableError, RowTooNew, UserError
from shared.hubs import agenda, commands, steer, words
from shared.hubs.agenda import Rules, Why
from shared.hubs.gate_state import AzurePaused
from shared.hubs.model import Event, Hub, Principal
from shared.hubs.ports import Thread
from shared.hubs.states import Goal, HubState

if TYPE_CHECKING:
    from shared.app import App

SNOOZE_HOURS = 1.0
KEEP_HOURS = 12.0
"""How long "tonight" is for a hub that no schedule stops."""

_STALE = "StopMovedMeanwhile"

NOT_YOURS = Card(
    title="This button is not for you",
    tone=Tone.WARNING,
    lines=("The hub belongs to somebody else, or it is gone.",),
)
"""The same for both. Whoever presses reads the hub's name on the button's message; its id would tell them nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressed:
    """One press. `key`: the same at every delivery of this press (hex SHA-256): it happens once. `deadline`: the stop
    the button was about (RFC 3339), or empty. `thread`: as in `commands.Asked`, None = the hub's conversation stays."""

    verb: Verb
    hub_id: str
    deadline: str
    principal: Principal
    key: str
    request_id: str
    thread: Thread | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """`done`: whether it was done (now, or by the same press before). `card`: what happened, or why it did not: for all
    who saw the button when `done`, for the presser alone when not. `again`: nothing was done, and the same press may be
    taken later."""

    done: bool
    card: Card
    again: bool = False


async def press(app: "App", pressed: Pressed) -> Outcome:
    """SNOOZE = the next stop an hour later; KEEP = no stop tonight (the scheduled stop is called off; without one: 12
    hours later); STOP, START, DELETE. LOGIN is not pressed here: see `action_links`. A foreign hub answers like a
    missing one. Raises RetryableError, ConcurrentUpdate, RowTooNew: what passes by itself.

    SNOOZE and KEEP are about one stop. They are refused when another one is next by now, which is decided on the very
    row that is changed: of two people who press at once, one moves the stop and the other is told who did.
    """
    try:
        hub = await _find(app, pressed)
        return await _press(app, pressed, hub)
    except AzurePaused as paused:
        return Outcome(False, error_cards.error_card(paused), again=True)
    except (RetryableError, ConcurrentUpdate, RowTooNew):
        raise
    except HubletError as error:
        entry = CODES.get(error.code)
        card = NOT_YOURS if error.code == "HubNotFound" else trouble.told(error)
        return Outcome(False, card, again=entry is not None and entry.retryable)


async def _find(app: "App", pressed: Pressed) -> Hub:
    """Raises UserError `HubNotFound`: also when another hub has this id for its name."""
    from shared.api.names import HUB_ID

    if not HUB_ID.fullmatch(pressed.hub_id):
        raise commands.not_found(shown(pressed.hub_id))
    hub = await commands.find_hub(app, pressed.principal, pressed.hub_id)
    if hub.id != pressed.hub_id or hub.state is HubState.DELETED:
        raise commands.not_found(pressed.hub_id)
    return hub


async def _press(app: "App", pressed: Pressed, hub: Hub) -> Outcome:
    match pressed.verb:
        case Verb.SNOOZE | Verb.KEEP:
            return await _put_off(app, pressed, hub)
        case Verb.STOP:
            return await _steer(app, pressed, hub, steer.stop_hub, "stops")
        case Verb.START:
            return await _steer(app, pressed, hub, steer.start_hub, "starts")
        case Verb.DELETE:
            return await _steer(app, pressed, hub, steer.delete_hub, "deletes")
        case Verb.LOGIN:
            return Outcome(False, Card(title="The admin login is shown on a page of its own", tone=Tone.WARNING))


def _order(pressed: Pressed) -> steering.Order:
    return steering.Order(
        principal=pressed.principal,
        request_id=pressed.request_id,
        key=pressed.key,
        said=f"{pressed.verb} {pressed.hub_id} {pressed.deadline}",
        thread=pressed.thread,
    )


async def _steer(app: "App", pressed: Pressed, hub: Hub, verb: steering.Verb, does: str) -> Outcome:
    """A goal: the newest wins. One that was reached, or is on its way, by somebody else's doing is said to be so."""
    steered = await steering.ask(app, hub, verb, _order(pressed))
    name = cards.name_of(steered.hub)
    if not steered.changed:
        return Outcome(False, await _as_it_is(app, steered.hub, already=True))
    if steered.replayed:  # others may have steered it since
        present = _state_card(steered.hub, await app.hubs.events(steered.hub.owner, steered.hub.id))
        return Outcome(True, replace(present, private=False))
    lines = () if pressed.verb is Verb.DELETE else ("People's files are kept.",)
    return Outcome(True, Card(title=f"{pressed.principal.actor} {does} {name}", lines=lines, private=False))


# ------------------------------------------------------------------ the next stop


async def _put_off(app: "App", pressed: Pressed, hub: Hub) -> Outcome:
    rules = Rules.of(app.settings)
    about = notice_cards.moment_of(pressed.deadline)

    def check(present: Hub) -> None:
        if not pressed.deadline or present.state is not HubState.READY or present.goal is Goal.DELETED:
            return  # what the hub's state does not allow, the command itself refuses
        stop = agenda.next_stop(present, rules, app.clock.now())
        if stop is None or stop.at != about:
            raise UserError(_STALE, "Another stop is next by now.")

    verb = _snooze if pressed.verb is Verb.SNOOZE else _keep
    try:
        steered = await steering.ask(app, hub, verb, _order(pressed), check=check)
    except UserError as error:
        if error.code not in (_STALE, "HubIsStopped", "HubIsBeingDeleted"):
            raise
        present = await app.hubs.get(hub.owner, hub.name)
        if present is None or present.id != hub.id:
            raise commands.not_found(hub.name) from None
        return Outcome(False, await _as_it_is(app, present))
    if not steered.changed:
        return Outcome(False, await _as_it_is(app, steered.hub))
    return Outcome(True, _put_off_card(app, pressed, steered))


async def _snooze(app: "App", hub: Hub, request: steer.Request) -> steer.Answered:
    return await steer.extend_hub(app, hub, request, SNOOZE_HOURS)


async def _keep(app: "App", hub: Hub, request: steer.Request) -> steer.Answered:
    """A scheduled (or put off) stop is called off; any other is moved as far as tonight, or as far as it may be."""
    now = app.clock.now()
    stop = agenda.next_stop(hub, Rules.of(app.settings), now)
    if stop is not None and stop.why in (Why.SCHEDULE, Why.EXTENDED):
        return await steer.skip_next_stop(app, hub, request)
    ahead = timedelta() if stop is None else max(timedelta(), stop.at - now)
    furthest = (timedelta(hours=app.settings.max_extend_hours) - ahead) / timedelta(hours=1)
    if furthest <= 0:
        raise UserError("ExtendedTooFar", "The next stop is as far away as it may be moved.")
    return await steer.extend_hub(app, hub, request, min(KEEP_HOURS, furthest))


def _put_off_card(app: "App", pressed: Pressed, steered: steering.Steered) -> Card:
    hub, now, rules = steered.hub, app.clock.now(), Rules.of(app.settings)
    actor, name = pressed.principal.actor, cards.name_of(hub)
    stop = agenda.next_stop(hub, rules, now) if hub.state is HubState.READY else None
    if pressed.verb is Verb.KEEP:
        title = f"{actor} keeps {name} on tonight"
    elif steered.replayed or stop is None:  # others may have moved it since
        title = f"{actor} moved the stop of {name}"
    else:
        title = f"{actor} moved the stop of {name} to {words.moment(stop.at, hub.spec.schedule, now)}"
    return Card(title=title, tone=Tone.GOOD, lines=(cards.next_stop_words(hub, rules, now),), private=False)


# ------------------------------------------------------------------ the truth


async def _as_it_is(app: "App", hub: Hub, *, already: bool = False) -> Card:
    """Why nothing was done: how the hub is, and who made it so."""
    history = await app.hubs.events(hub.owner, hub.id)
    if hub.state is HubState.READY and not already:
        return _moved_by_another(hub, history, Rules.of(app.settings), app.clock.now())
    card = _state_card(hub, history)
    return replace(card, title=f"{card.title} already", tone=Tone.WARNING) if already else card


def _state_card(hub: Hub, history: Sequence[Event]) -> Card:
    """The hub's state, and the line of its history that says how it came to it."""
    told = _last(history, lambda event: event.to_state == hub.state)
    return Card(
        title=f"{cards.name_of(hub)} is {words.STATES[hub.state].lower()}",
        lines=(shown(told.message, cards.MAX_LINE),) if told else (),
    )


def _moved_by_another(hub: Hub, history: Sequence[Event], rules: Rules, now: datetime) -> Card:
    """The stop that somebody was warned of is not the next one any more: who moved it, and to when."""
    name, stop = cards.name_of(hub), agenda.next_stop(hub, rules, now)
    told = _last(history, lambda event: event.kind == "changed")
    title = f"{name} does not stop then any more"
    if told is not None and f" {words.MOVED_STOP} " in told.message and hub.life.keep_until is not None and stop:
        title = f"{told.actor} has already moved the stop to {words.moment(stop.at, hub.spec.schedule, now)}"
    elif told is not None and f" {words.CALLED_OFF} " in told.message and hub.life.skipped_stop is not None:
        title = f"{told.actor} has already called off the stop of {name}"
    movable = stop is not None and stop.at > now and stop.why is not Why.EXPIRES
    return Card(
        title=shown(title, 200),
        tone=Tone.WARNING,
        lines=(cards.next_stop_words(hub, rules, now),),
        buttons=cards.put_off_buttons(hub, stop.at) if movable and stop else (),
    )


def _last(history: Sequence[Event], wanted: Callable[[Event], bool]) -> Event | None:
    return next((event for event in reversed(history) if wanted(event)), None)
