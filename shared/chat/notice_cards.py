"""Cards of their own for what somebody must notice. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from shared.api.progress import rfc3339
from shared.chat import cards
from shared.chat.card import Card, Fact, Tone
from shared.hubs import agenda, conditions, meter, words
from shared.hubs.agenda import Rules, Why
from shared.hubs.model import Hub, Notice
from shared.hubs.notice_kinds import kind_of
from shared.hubs.states import Goal, HubState


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
    return Card(title=cards.line(notice.hub_name, 60) or notice.hub_id, lines=(cards.line(notice.message),))


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
        title=f"{cards.name_of(hub)} stops at {words.moment(deadline, hub.spec.schedule, now)}",
        tone=Tone.WARNING,
        lines=tuple(lines),
        buttons=cards.put_off_buttons(hub, deadline),
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
        title=f"{cards.name_of(hub)} ends: {words.moment(deadline, plan, now)}",
        tone=Tone.WARNING,
        lines=(
            f"That is its end date, in {words.duration((deadline - now).total_seconds())}. It is stopped then, and "
            f"deleted with all files on it: {words.moment(removed, plan, now)}.",
            "To keep it longer, move its end date with the API:",
        ),
        code=(f'PATCH /api/hubs/{cards.name_of(hub)} {{"expiresAt": "{rfc3339(removed.replace(microsecond=0))}"}}',),
    )


def _failed(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
    if hub is None or hub.state is not HubState.FAILED:
        return None
    return Card(
        title=f"{cards.name_of(hub)} failed",
        tone=Tone.BAD,
        lines=cards.how_it_is(hub, now),
        code=cards.what_to_send(hub),
    )


def _start_failed(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
    if hub is None or hub.state not in (HubState.STOPPING, HubState.STOPPED):
        return None
    return Card(
        title=f"{cards.name_of(hub)} could not be started",
        tone=Tone.BAD,
        lines=(cards.line(notice.message), "Its files are kept."),
        buttons=cards.hub_buttons(hub),
    )


def _stopped(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
    if hub is None or hub.state is not HubState.STOPPED:
        return None
    ahead = [Fact(label, value) for label, value in cards.what_is_ahead(hub, rules, now)]
    cost = cards.cost_words(hub, now)
    return Card(
        title=f"{cards.name_of(hub)} is stopped",
        lines=cards.how_it_is(hub, now),
        facts=(*ahead, *((Fact("Cost", cost),) if cost else ())),
        buttons=cards.hub_buttons(hub),
    )


def _started(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
    if hub is None or hub.state is not HubState.READY:
        return None
    return Card(
        title=f"{cards.name_of(hub)} is ready again",
        tone=Tone.GOOD,
        lines=(cards.next_stop_words(hub, rules, now),),
        facts=(Fact("Address", cards.line(hub.url, 300)),) if hub.url else (),
        buttons=cards.hub_buttons(hub),
    )


def _deleted(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
    return Card(
        title=f"{cards.line(notice.hub_name, 60) or notice.hub_id} is deleted",
        lines=("Nothing of it is left in Azure.",),
    )


def _capacity_changed(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
    size = notice.data.get("size")
    if hub is None or hub.goal is Goal.DELETED or (isinstance(size, str) and size.lower() != hub.size.lower()):
        return None
    cost = cards.cost_words(hub, now)
    return Card(
        title=f"{cards.name_of(hub)} has another machine: {hub.size} in {hub.region}",
        tone=Tone.WARNING,
        lines=(cards.line(notice.message),),
        facts=(Fact("Cost", cost),) if cost else (),
    )


def _while_shown(condition: str, what: str, tone: Tone) -> "Builder":
    """A card for as long as the hub shows the condition."""

    def build(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
        if hub is None or not any(one.type == condition for one in hub.conditions):
            return None
        return Card(title=f"{cards.name_of(hub)}: {what}", tone=tone, lines=(cards.line(notice.message),))

    return build


def _budget(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
    if meter.month_of(notice.at) != meter.month_of(now):
        return None
    return Card(
        title="Your hubs have cost most of what they may cost this month",
        tone=Tone.WARNING,
        lines=(cards.line(notice.message),),
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
        "action-needed": _while_shown(conditions.ACTION_NEEDED, "somebody must do something in Azure", Tone.BAD),
        "budget-nearly-spent": _budget,
        "stop-stuck": _while_shown(conditions.STOP_STUCK, "it cannot be turned off", Tone.BAD),
        "deletion-stuck": _while_shown(conditions.DELETION_STUCK, "it cannot be deleted", Tone.BAD),
    }
)
