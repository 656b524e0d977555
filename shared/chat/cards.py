"""Cards about hubs: what a state, a warning, a list, an error looks like in words. Pure."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from shared.api import cost_view
from shared.api.problems import Mistake
from shared.api.progress import progress_of, rfc3339, stages_of
from shared.chat import grammar
from shared.chat.card import Button, Card, Fact, Stage, Tone, Verb
from shared.chat.grammar import OPTIONS, USAGES, Misread, Order, shown
from shared.errors import ConcurrentUpdate, FatalError, HubletError, RetryableError, RowTooNew
from shared.hubs import agenda, meter, stuck, words
from shared.hubs.agenda import Rules, Why
from shared.hubs.model import Hub, Notice, StepName
from shared.hubs.notice_kinds import kind_of
from shared.hubs.ports import ChatUser
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
        lines=(*_how_it_is(hub, now), *_who_gets_in(hub), *_conditions(hub)),
        facts=_facts(hub, rules, now),
        stages=_stages(hub, now),
        code=_what_to_send(hub),
        buttons=_buttons(hub),
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
    return _line(hub.name, 60) or hub.id


def _how_it_is(hub: Hub, now: datetime) -> tuple[str, ...]:
    progress = progress_of(hub, now)
    if hub.state is HubState.FAILED:
        reason = hub.reason
        return tuple(_line(text) for text in ((reason.message, reason.fix) if reason else ("It failed.",)) if text)
    message = _line(progress["message"])
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
    admin, count = _line(hub.spec.admin_user, 60), len(hub.spec.users)
    people = "1 person" if count == 1 else f"{count} people"
    already = f"{people} can sign in; each chooses a password the first time. To let more in" if count else ""
    added = "" if count else " Each chooses a password the first time."
    how = f"sign in as {admin}, then: File, Hub Control Panel, Admin, Add Users."
    return (f"{already or 'To let people in'}, {how}{added}",)


def _conditions(hub: Hub) -> tuple[str, ...]:
    if hub.state in (HubState.DELETING, HubState.DELETED):
        return ()
    found = [_line(f"Note: {condition.message}") for condition in hub.conditions]
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
        facts.insert(0, Fact("Address", _line(hub.url, 300)))
    if hub.state is not HubState.FAILED:
        facts += [Fact(label, value) for label, value in _ahead(hub, rules, now)]
    if (cost := cost_words(hub, now)) is not None:
        facts.append(Fact("Cost", cost))
    return tuple(facts)


def _ahead(hub: Hub, rules: Rules, now: datetime) -> list[tuple[str, str]]:
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


def _what_to_send(hub: Hub) -> tuple[str, ...]:
    return (f"retry {name_of(hub)}", f"delete {name_of(hub)}") if hub.state is HubState.FAILED else ()


def _buttons(hub: Hub) -> tuple[Button, ...]:
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


# ------------------------------------------------------------------ notices


def notice_card(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
    """A message of its own for what somebody must notice (warnings with Snooze, Keep tonight, Stop now; failed;
    stopped; ...). None = the message that follows the hub tells it (`progress`), or it is out of date.

    `hub`: as it is now; None (or another one of the name) = it is gone."""
    kind = kind_of(notice.type)
    if hub is not None and hub.id != notice.hub_id:
        hub = None
    if kind in FOLLOWED:
        return None
    build = NOTICES.get(kind)
    card = _plain_notice(notice) if build is None else build(notice, hub, rules, now)
    return None if card is None else replace(card, private=False)


def _plain_notice(notice: Notice) -> Card:
    """Of a kind that only a newer release knows."""
    return Card(title=_line(notice.hub_name, 60) or notice.hub_id, lines=(_line(notice.message),))


def _stopping_soon(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
    deadline = deadline_of(notice)
    if hub is None or hub.state is not HubState.READY or deadline is None or deadline <= now:
        return None
    stop = agenda.next_stop(hub, rules, now)
    if stop is None or stop.at != deadline:
        return None
    lines = [f"In {words.duration((deadline - now).total_seconds())}, {words.why(stop.why)}."]
    if stop.why is Why.IDLE:
        lines.append("It also goes on when somebody starts a server on it.")
    return Card(
        title=f"{name_of(hub)} stops at {words.moment(deadline, hub.spec.schedule, now)}",
        tone=Tone.WARNING,
        lines=tuple(lines),
        buttons=put_off_buttons(hub, deadline),
    )


def _ending_soon(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
    deadline = deadline_of(notice)
    if hub is None or hub.goal is Goal.DELETED or hub.state is HubState.FAILED or deadline is None or deadline <= now:
        return None
    removed = agenda.removal(hub, rules)
    if hub.spec.expires_at != deadline or removed is None:
        return None
    plan = hub.spec.schedule
    return Card(
        title=f"{name_of(hub)} ends: {words.moment(deadline, plan, now)}",
        tone=Tone.WARNING,
        lines=(
            f"That is its end date, in {words.duration((deadline - now).total_seconds())}. It is stopped then, and "
            f"deleted with all files on it: {words.moment(removed, plan, now)}.",
            "To keep it longer, move its end date with the API:",
        ),
        code=(f'PATCH /api/hubs/{name_of(hub)} {{"expiresAt": "{rfc3339(removed.replace(microsecond=0))}"}}',),
    )


def _failed(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
    if hub is None or hub.state is not HubState.FAILED:
        return None
    return Card(title=f"{name_of(hub)} failed", tone=Tone.BAD, lines=_how_it_is(hub, now), code=_what_to_send(hub))


def _start_failed(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
    if hub is None or hub.state not in (HubState.STOPPING, HubState.STOPPED):
        return None
    return Card(
        title=f"{name_of(hub)} could not be started",
        tone=Tone.BAD,
        lines=(_line(notice.message), "Its files are kept."),
        buttons=_buttons(hub),
    )


def _stopped(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
    if hub is None or hub.state is not HubState.STOPPED:
        return None
    ahead = [Fact(label, value) for label, value in _ahead(hub, rules, now)]
    cost = cost_words(hub, now)
    return Card(
        title=f"{name_of(hub)} is stopped",
        lines=_how_it_is(hub, now),
        facts=(*ahead, *((Fact("Cost", cost),) if cost else ())),
        buttons=_buttons(hub),
    )


def _started(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
    if hub is None or hub.state is not HubState.READY:
        return None
    return Card(
        title=f"{name_of(hub)} is ready again",
        tone=Tone.GOOD,
        lines=(next_stop_words(hub, rules, now),),
        facts=(Fact("Address", _line(hub.url, 300)),) if hub.url else (),
        buttons=_buttons(hub),
    )


def _deleted(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
    return Card(
        title=f"{_line(notice.hub_name, 60) or notice.hub_id} is deleted", lines=("Nothing of it is left in Azure.",)
    )


def _capacity_changed(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
    size = notice.data.get("size")
    if hub is None or hub.goal is Goal.DELETED or (isinstance(size, str) and size.lower() != hub.size.lower()):
        return None
    cost = cost_words(hub, now)
    return Card(
        title=f"{name_of(hub)} has another machine: {hub.size} in {hub.region}",
        tone=Tone.WARNING,
        lines=(_line(notice.message),),
        facts=(Fact("Cost", cost),) if cost else (),
    )


def _while_shown(condition: str, what: str, tone: Tone) -> "Builder":
    """A card for as long as the hub shows the condition."""

    def build(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
        if hub is None or not any(one.type == condition for one in hub.conditions):
            return None
        return Card(title=f"{name_of(hub)}: {what}", tone=tone, lines=(_line(notice.message),))

    return build


def _budget(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
    if meter.month_of(notice.at) != meter.month_of(now):
        return None
    return Card(
        title="Your hubs have cost most of what they may cost this month",
        tone=Tone.WARNING,
        lines=(_line(notice.message),),
        code=("cost",),
    )


def deadline_of(notice: Notice) -> datetime | None:
    """The moment that the notice warns of, if of any."""
    return moment_of(notice.data.get("deadline"))


def moment_of(text: object) -> datetime | None:
    """An aware time that was written with `isoformat` or `rfc3339`; None for anything else."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None


type Builder = Callable[[Notice, Hub | None, Rules, datetime], Card | None]

FOLLOWED: Mapping[str, str] = MappingProxyType(
    {
        "progress": "The message that follows the hub shows how far it is.",
        "ready": "The message that follows the hub becomes the one with its address.",
    }
)
"""Kinds without a message of their own, and why."""

NOTICES: Mapping[str, Builder] = MappingProxyType(
    {
        "stopping-soon": _stopping_soon,
        "ending-soon": _ending_soon,
        "failed": _failed,
        "start-failed": _start_failed,
        "stopped": _stopped,
        "started": _started,
        "deleted": _deleted,
        "capacity-changed": _capacity_changed,
        "action-needed": _while_shown(stuck.ACTION_NEEDED, "somebody must do something in Azure", Tone.BAD),
        "budget-nearly-spent": _budget,
        "stop-stuck": _while_shown(stuck.STOP, "it cannot be turned off", Tone.BAD),
        "deletion-stuck": _while_shown(stuck.DELETION, "it cannot be deleted", Tone.BAD),
    }
)


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
        parts += [f"{label.lower()} {value}" for label, value in _ahead(hub, rules, now)]
    if hub.url and hub.state is HubState.READY:
        parts.append(hub.url)
    return _line(" · ".join(parts))


def cost_card(hubs: Sequence[Hub], now: datetime) -> Card:
    """One hub in detail, or all with their sum. Retail prices times time, as the API has it."""
    if not hubs:
        return Card(title="You have no hubs", lines=("So none costs anything now.",))
    if len(hubs) == 1:
        return _cost_of_one(hubs[0], now)
    details = [cost_view.cost_view(hub, now) for hub in hubs]
    lines = [
        _line(f"{name_of(hub)}: {_money(one['thisMonth'])} this month, {_money(one['soFar'])} so far, {_rate(one)}")
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


# ------------------------------------------------------------------ what is said about commands


def help_card(said: str = "", *, try_this: str = "", about: Order | None = None) -> Card:
    """Every command with an example. `said`: what was not understood; `try_this`: what may have been meant instead.
    `about`: one command in detail."""
    if said:
        try_this = _line(try_this, 200)
        meant = f"Did you mean {try_this}?" if try_this else "These are the commands:"
        code = (try_this, str(Order.HELP)) if try_this else _examples()
        return Card(title=_line(said, 200) or "That was not understood.", tone=Tone.WARNING, lines=(meant,), code=code)
    if about is not None:
        usage = USAGES[about]
        facts = [Fact(example, what) for example, what in OPTIONS.values()] if about is Order.CREATE else []
        return Card(title=usage.form, lines=(usage.does,), facts=tuple(facts), code=(usage.example,))
    return Card(
        title="What you can send",
        lines=(
            "In Slack after /hub, in Teams after a mention of this app. Everybody sees and steers their own hubs only.",
            *(f"{usage.form.partition(' [size')[0]}: {usage.does}" for usage in USAGES.values()),
        ),
        code=_examples(),
    )


def misread_card(misread: Misread) -> Card:
    return help_card(misread.said, try_this=misread.try_this)


def mistakes_card(order: Order, wrong: Sequence[str]) -> Card:
    """Every mistake of one command, and how it is written."""
    told = [_line(one) for one in dict.fromkeys(wrong)]
    more = len(told) - grammar.MAX_SAID
    if more > 0:
        told = [*told[: grammar.MAX_SAID], f"And {more} more."]
    count = min(len(wrong), len(dict.fromkeys(wrong)))
    title = "One thing is not right" if count == 1 else f"{count} things are not right"
    return Card(
        title=f"{title}. Nothing was done.", tone=Tone.WARNING, lines=tuple(told), code=(USAGES[order].example,)
    )


def _examples() -> tuple[str, ...]:
    return tuple(usage.example for usage in USAGES.values())


def link_card(user: ChatUser, code: str, minutes: int, api: str, *, owner: str = "") -> Card:
    """How to link this chat account to an owner: the one-time code, and the line to send; the account's ids for an
    administrator, who must not send the code: that would link it to the administrator's own hubs. `owner`: to whom it
    is linked now."""
    now = f"is linked to {_line(owner, 80)}" if owner else "is not linked to an owner of hubs yet"
    first = "To link it to somebody else, send" if owner else "Send"
    return Card(
        title=f"This chat account {now}",
        lines=(
            f"{first} this with the API token of the hubs' owner, within {minutes} minutes.",
            "The code is for you alone: who sends it decides whose hubs this chat account steers.",
            f"Without a token, ask whoever runs this service to link the {user.platform} user {user.user} of team "
            f"{user.team}.",
        ),
        code=(_link_line(api, json.dumps({"code": code})),),
    )


def _link_line(api: str, body: str) -> str:
    return (
        f"curl -X POST {api or '$HUBLET_URL'}/api/chat/links -H 'Content-Type: application/json' "
        f"-H \"Authorization: Bearer $HUBLET_TOKEN\" -d '{body}'"
    )


def ask_admin_card(user: ChatUser, api: str) -> Card:
    """How an account is linked whose answers a whole channel reads: no code in it, only the account's ids."""
    body = json.dumps({"platform": user.platform, "team": user.team, "user": user.user, "owner": "OWNER"})
    return Card(
        title="This chat account is not linked to an owner of hubs yet",
        lines=(
            "Ask whoever runs this service to send this, with your owner id in place of OWNER.",
            "A code of your own is not shown here: the whole channel would read it.",
        ),
        code=(_link_line(api, body),),
    )


def linked_card(owner: str) -> Card:
    return Card(title=f"This chat account is linked to {_line(owner, 80)}", lines=("It steers their hubs.",))


# ------------------------------------------------------------------ errors

_FIXES: Mapping[str, str] = MappingProxyType(
    {
        "HubNotFound": "Send list to see your hubs.",
        "HubAlreadyExists": "Choose another name, or leave the name out to get a free one.",
        "HubNameNeeded": "Write a name after create.",
        "HubHasFailed": "Send retry with its name to try again from an empty start, or delete with its name.",
        "HubHasNotFailed": "Send start or restart with its name.",
        "HubHasExpired": "Move its end date with the API: a PATCH of expiresAt.",
        "HubIsBeingDeleted": "Wait until it is gone: then its name is free.",
        "HubIsStopped": "Send start with its name, or wait until it is ready.",
        "NotReadyYet": "Try again when it is ready.",
    }
)
"""What to do next, where the API's own words name routes and fields."""

_API_WORDS = re.compile(r"`|/api/|\b(?:PATCH|POST|GET|PUT)\b")
_END_DATE = "Move its end date with the API: a PATCH of expiresAt."


def error_card(error: HubletError) -> Card:
    """What went wrong and what to do next. Of a bug not more than that it is one: a channel reads it."""
    if isinstance(error, RowTooNew):
        title, line = "A newer version of this service wrote this", "Nothing of it is lost. Try again in some minutes."
        return Card(title=title, tone=Tone.WARNING, lines=(line,))
    if isinstance(error, FatalError):
        line = "Whoever runs this service finds more in its log."
        return Card(title="That failed because of a bug", tone=Tone.BAD, lines=(line,))
    if isinstance(error, ConcurrentUpdate):
        title = "Somebody else changed the same thing at this moment"
        return Card(title=title, tone=Tone.WARNING, lines=("Look how it is now, and send it again if need be.",))
    lines = [fix] if (fix := fix_of(error)) else []
    if isinstance(error, RetryableError) and error.retry_after_s is not None and not fix:
        lines.append(f"Try again in {words.duration(max(60.0, error.retry_after_s))}.")
    return Card(title=_line(error.message, 300) or "That did not work.", tone=Tone.WARNING, lines=tuple(lines))


def fix_of(error: HubletError) -> str:
    """What to do next, in a chat user's words; empty when there is nothing to say."""
    if error.code == "HubIsStopped" and error.fix and not _API_WORDS.search(error.fix):
        return _line(error.fix)  # says more than the code: whether to wait or to start
    if error.code in _FIXES:
        return _FIXES[error.code]
    if error.code == "NothingToExtend" and "expiresAt" in error.fix:
        return _END_DATE
    return "" if _API_WORDS.search(error.fix) else _line(error.fix)


_OPTION_OF: Mapping[str, str] = MappingProxyType(
    {
        "name": "name",
        "size": "size",
        "region": "region",
        "people": "people",
        "idleMinutes": "idle",
        "expiresAt": "until",
        "schedule/timeZone": "zone",
        "schedule/stop": "stop",
        "schedule/start": "start",
        "schedule/days": "days",
    }
)
"""Of a place in the API's document."""


def mistake_words(mistake: Mistake) -> str:
    """One of the API's mistakes as somebody understands it who typed options."""
    place = mistake.pointer.strip("/")
    name = next((option for field, option in _OPTION_OF.items() if place == field or place.startswith(f"{field}/")), "")
    if not name:
        name = "start, stop, days" if place == "schedule" else place.replace("/", " ")
    return _line(f"{name}: {mistake.detail}")


def _line(text: str, limit: int = MAX_LINE) -> str:
    """Text from elsewhere."""
    return shown(text, limit)
