"""Cards about hubs: what one looks like in words, what many do, what they cost. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from shared.api import cost_view
from shared.api.progress import progress_of, rfc3339, stages_of
from shared.chat.card import Button, Card, Fact, Stage, Tone, Verb
from shared.chat.grammar import USAGES, Order
from shared.chat.typed import shown
from shared.hubs import agenda, words
from shared.hubs.agenda import Rules, Why
from shared.hubs.model import Hub, StepName
from shared.hubs.states import CREATING, Goal, HubState

MAX_LINE = 600
"""Characters of one line; a renderer may cut more."""

MAX_HUBS = 40
"""Lines of a list."""

MAX_CONDITIONS = 3

STOP_QUESTION = "Everybody who works on it now is cut off. Files are kept."
DELETE_QUESTION = "All files of all people on it are lost, for good."

_TONES: Mapping[HubState, Tone] = MappingProxyType(
    {
        HubState.ACCEPTED: Tone.INFO,
        HubState.PROVISIONING: Tone.INFO,
        HubState.INSTALLING: Tone.INFO,
        HubState.VERIFYING: Tone.INFO,
        HubState.READY: Tone.GOOD,
        HubState.STOPPING: Tone.INFO,
        HubState.STOPPED: Tone.INFO,
        HubState.STARTING: Tone.INFO,
        HubState.DELETING: Tone.INFO,
        HubState.DELETED: Tone.INFO,
        HubState.FAILED: Tone.BAD,
    }
)


# ------------------------------------------------------------------ a hub


def hub_card(hub: Hub, rules: Rules, now: datetime) -> Card:
    """The one message that follows a hub: state, stages while it is made, URL when ready, next stop, buttons."""
    return Card(
        title=f"{name_of(hub)}: {words.STATES[hub.state].lower()}",
        tone=_TONES[hub.state],
        lines=(*how_it_is(hub, now), *_who_gets_in(hub), *_conditions(hub)),
        facts=_facts(hub, rules, now),
        stages=_stages(hub, now),
        code=what_to_send(hub),
        buttons=hub_buttons(hub),
        private=False,
    )


def accepted_card(hub: Hub, rules: Rules, now: datetime, *, chosen: str = "", followed: str = "") -> Card:
    """The answer to `create`. `chosen`: why the hub has this size, when it was chosen for so many people. `followed`:
    what is told by itself."""
    left = words.duration(progress_of(hub, now)["etaSeconds"] or 0)
    told = f"It takes about {left}. {followed}".rstrip()
    lines = (chosen, told, "This shows how far it is, and then its address:")
    return Card(
        title=f"{name_of(hub)}: {words.STATES[hub.state].lower()}",
        lines=tuple(line for line in lines if line),
        facts=_facts(hub, rules, now),
        code=(f"status {name_of(hub)}",),
    )


def name_of(hub: Hub) -> str:
    """Names are checked when hubs are made; a card holds with any."""
    return line(hub.name, 60) or hub.id


def how_it_is(hub: Hub, now: datetime) -> tuple[str, ...]:
    progress = progress_of(hub, now)
    if hub.state is HubState.FAILED:
        reason = hub.reason
        return tuple(line(text) for text in ((reason.message, reason.fix) if reason else ("It failed.",)) if text)
    message = line(progress["message"])
    if hub.state in (HubState.READY, HubState.STOPPED, HubState.DELETED):
        why = hub.life.stop_why if hub.state is HubState.STOPPED else ""
        return (f"It was stopped {words.why(why)}.", message) if why else (message,)
    left, percent = progress["etaSeconds"], progress["percent"]
    if left is None:
        return (message,)
    left_words = words.duration(left)
    about = left_words if left_words.startswith("less") else f"about {left_words}"
    return (message, f"{percent} % done, {about} left." if percent else f"{about.capitalize()} left.")


def _who_gets_in(hub: Hub) -> tuple[str, ...]:
    """TLJH lets in whom an administrator has added, with the password that is typed first:
    https://tljh.jupyter.org/en/latest/howto/auth/firstuse.html"""
    if hub.state is not HubState.READY:
        return ()
    admin, count = line(hub.spec.admin_user, 60), len(hub.spec.users)
    people = "1 person" if count == 1 else f"{count} people"
    already = f"{people} can sign in; each chooses a password the first time. To let more in" if count else ""
    added = "" if count else " Each chooses a password the first time."
    how = f"sign in as {admin}, then: File, Hub Control Panel, Admin, Add Users."
    return (f"{already or 'To let people in'}, {how}{added}",)


def _conditions(hub: Hub) -> tuple[str, ...]:
    if hub.state in (HubState.DELETING, HubState.DELETED):
        return ()
    found = [line(f"Note: {condition.message}") for condition in hub.conditions]
    more = len(found) - MAX_CONDITIONS
    return (*found[:MAX_CONDITIONS], *((f"Note: {more} more are shown by the API.",) if more > 0 else ()))


def _stages(hub: Hub, now: datetime) -> tuple[Stage, ...]:
    if hub.state not in CREATING and hub.state is not HubState.FAILED:
        return ()
    return tuple(Stage(words.STEPS[StepName(one["name"])], one["status"]) for one in stages_of(hub, now))


def _facts(hub: Hub, rules: Rules, now: datetime) -> tuple[Fact, ...]:
    """Of a hub that is being deleted, nothing counts any more."""
    if hub.state in (HubState.DELETING, HubState.DELETED):
        return ()
    facts = [Fact("Size", hub.size), Fact("Region", f"{hub.region}, zone {hub.zone}" if hub.zone else hub.region)]
    if hub.url and hub.state is HubState.READY:
        facts.insert(0, Fact("Address", line(hub.url, 300)))
    if hub.state is not HubState.FAILED:
        facts += [Fact(label, value) for label, value in what_is_ahead(hub, rules, now)]
    if (cost := cost_words(hub, now)) is not None:
        facts.append(Fact("Cost", cost))
    return tuple(facts)


def what_is_ahead(hub: Hub, rules: Rules, now: datetime) -> list[tuple[str, str]]:
    """What comes by itself: the next stop of one that runs, the next start of one that does not, the end date."""
    plan, found = hub.spec.schedule, []
    if hub.state in (HubState.STOPPED, HubState.STOPPING):
        start = agenda.next_start(hub, now)
        if start is not None:
            found.append(("Starts", words.moment(start, plan, now)))
    else:
        stop = agenda.next_stop(hub, rules, now)
        if stop is not None and stop.why is not Why.EXPIRES:
            found.append(("Stops", f"{words.moment(stop.at, plan, now)}, {words.why(stop.why)}"))
    if hub.spec.expires_at is not None:
        found.append(("Ends", words.moment(hub.spec.expires_at, plan, now)))
    return found


def cost_words(hub: Hub, now: datetime) -> str | None:
    """`$0.1076 an hour now, $1.23 so far`; None while no price is known."""
    cost = cost_view.hub_cost(hub, now)
    if cost is None:
        return None
    said = [] if cost["perHourNow"] is None else [f"${cost['perHourNow']:.4g} an hour now"]
    if hub.state in CREATING and hub.price is not None:
        said = [f"${cost_view.rate(hub.price.per_hour_running):.4g} an hour while it runs"]
    return ", ".join((*said, f"${cost['soFar']:.2f} so far"))


def what_to_send(hub: Hub) -> tuple[str, ...]:
    return (f"retry {name_of(hub)}", f"delete {name_of(hub)}") if hub.state is HubState.FAILED else ()


def hub_buttons(hub: Hub) -> tuple[Button, ...]:
    if hub.goal is Goal.DELETED:
        return ()
    match hub.state:
        case HubState.READY:
            opened = (_open(hub),) if hub.url else ()
            login = Button(label="Admin login", verb=Verb.LOGIN, hub_id=hub.id)
            return (*opened, login, _stop(hub, "Stop"))
        case HubState.STOPPED:
            return (_start(hub),)
        case _:
            return ()


def _open(hub: Hub) -> Button:
    return Button(label="Open", url=hub.url or "", style="primary")


def _start(hub: Hub) -> Button:
    return Button(label="Start", verb=Verb.START, hub_id=hub.id, style="primary")


def _stop(hub: Hub, label: str, deadline: str = "") -> Button:
    return Button(label=label, verb=Verb.STOP, hub_id=hub.id, deadline=deadline, style="danger", confirm=STOP_QUESTION)


def put_off_buttons(hub: Hub, deadline: datetime) -> tuple[Button, ...]:
    """For somebody who is told of this stop."""
    at = rfc3339(deadline)
    return (
        Button(label="Snooze 1 h", verb=Verb.SNOOZE, hub_id=hub.id, deadline=at, style="primary"),
        Button(label="Keep tonight", verb=Verb.KEEP, hub_id=hub.id, deadline=at),
        _stop(hub, "Stop now", at),
    )


def next_stop_words(hub: Hub, rules: Rules, now: datetime) -> str:
    """One sentence about what stops the hub next."""
    stop = agenda.next_stop(hub, rules, now) if hub.state is HubState.READY else None
    if stop is None:
        return "Nothing is planned that would stop it."
    return f"It stops next at {words.moment(stop.at, hub.spec.schedule, now)}, {words.why(stop.why)}."


# ------------------------------------------------------------------ lists


def list_card(hubs: Sequence[Hub], rules: Rules, now: datetime) -> Card:
    """One line for each hub."""
    if not hubs:
        return Card(title="You have no hubs", lines=("This makes one:",), code=(USAGES[Order.CREATE].example,))
    lines = [_one_line(hub, rules, now) for hub in hubs[:MAX_HUBS]]
    if len(hubs) > MAX_HUBS:
        lines.append(f"And {len(hubs) - MAX_HUBS} more.")
    return Card(title="You have 1 hub" if len(hubs) == 1 else f"You have {len(hubs)} hubs", lines=tuple(lines))


def _one_line(hub: Hub, rules: Rules, now: datetime) -> str:
    parts = [f"{name_of(hub)}: {words.STATES[hub.state].lower()}"]
    if hub.state in CREATING:
        parts.append(f"{progress_of(hub, now)['percent']} %")
    if hub.state not in (HubState.DELETING, HubState.FAILED):
        parts.append(f"{hub.size} in {hub.region}")
        parts += [f"{label.lower()} {value}" for label, value in what_is_ahead(hub, rules, now)]
    if hub.url and hub.state is HubState.READY:
        parts.append(hub.url)
    return line(" · ".join(parts))


def cost_card(hubs: Sequence[Hub], now: datetime) -> Card:
    """One hub in detail, or all with their sum. Retail prices times time, as the API has it."""
    if not hubs:
        return Card(title="You have no hubs", lines=("So none costs anything now.",))
    if len(hubs) == 1:
        return _cost_of_one(hubs[0], now)
    details = [cost_view.cost_view(hub, now) for hub in hubs]
    lines = [
        line(f"{name_of(hub)}: {_money(one['thisMonth'])} this month, {_money(one['soFar'])} so far, {_rate(one)}")
        for hub, one in zip(hubs[:MAX_HUBS], details, strict=False)
    ]
    if len(hubs) > MAX_HUBS:
        lines.append(f"And {len(hubs) - MAX_HUBS} more.")
    unknown = sum(1 for one in details if one["soFar"] is None or one["perHourNow"] is None)
    if unknown:
        lines.append(f"No price is known for {unknown} of them now: what they cost is not in the sum.")
    return Card(
        title=f"Your {len(hubs)} hubs cost ${sum(one['perHourNow'] or 0 for one in details):.4g} an hour now",
        lines=tuple(lines),
        facts=(
            Fact("This month", f"${sum(one['thisMonth'] or 0 for one in details):.2f}"),
            Fact("So far", f"${sum(one['soFar'] or 0 for one in details):.2f}"),
        ),
    )


def _cost_of_one(hub: Hub, now: datetime) -> Card:
    one = cost_view.cost_view(hub, now)
    if one["soFar"] is None:
        return Card(title=f"{name_of(hub)}: no price is known", lines=("Azure's price list names none for it.",))
    lines = []
    if one["unpricedHours"]:
        lines.append(f"{one['unpricedHours']:g} hours are in none of these amounts: no price was known then.")
    return Card(
        title=f"{name_of(hub)} has cost {_money(one['soFar'])} so far",
        lines=(*lines, "Azure's retail prices, before any discount."),
        facts=(
            Fact("This month", _money(one["thisMonth"])),
            Fact("Now", _rate(one).removesuffix(" now")),
            Fact("A month if it is left on", _money(one["perMonthIfLeftOn"])),
            Fact("A month while it is stopped", _money(one["perMonthStopped"])),
        ),
    )


def _money(dollars: float | None) -> str:
    return "no price known" if dollars is None else f"${dollars:.2f}"


def _rate(one: cost_view.CostDetail) -> str:
    return "no price known now" if one["perHourNow"] is None else f"${one['perHourNow']:.4g} an hour now"


def line(text: str, limit: int = MAX_LINE) -> str:
    """Text from elsewhere."""
    return shown(text, limit)
