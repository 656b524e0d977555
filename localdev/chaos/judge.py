"""The oracles: what must be true when faults and kills have ended and all is quiet (goals I1 to I10). Pure.

I4 (fencing), I7 (budgets) and I9 (notices) show here only by what they would leave behind.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import pairwise

from localdev.chaos.evidence import EventRow, Evidence, HubRow, Violation
from shared.hubs.states import TRANSITIONS, HubState

OVERDUE = timedelta(seconds=30)
"""A due row this long after its time was forgotten by the timer."""

_GROUP = re.compile(r"hublet-(?P<hub>[a-z][a-z0-9-]*-[a-z2-7]{6})-a[0-9]+", re.IGNORECASE)
_MOVES = frozenset((str(state), str(move.to)) for (state, _), move in TRANSITIONS.items())
_POWER = {"ready": "running", "stopped": "deallocated"}
_ENDED = frozenset({"Succeeded", "Failed", "Canceled"})
_SHORTEST_SECRET = 12
"""Shorter texts could stand anywhere by chance."""


def hub_of_group(name: str) -> str | None:
    """The hub a group's name was made from; None for a group that is not ours."""
    found = _GROUP.fullmatch(name)
    return found["hub"].lower() if found else None


def judge(evidence: Evidence) -> list[Violation]:
    """Every violation that is found; an empty list is a pass."""
    return [violation for oracle in ORACLES.values() for violation in oracle(evidence)]


# ------------------------------------------------------------------ I1


def no_lost_accept(evidence: Evidence) -> Iterator[Violation]:
    """I1: each promise was kept. Nothing in these runs is fatal, so a hub that failed is a broken promise too."""
    live = {hub.id: hub for hub in evidence.hubs}
    for life in evidence.lives:
        for broken in life.broken:
            yield Violation("I1", broken, {"hub": life.name})
        if not life.hub_id:
            continue
        hub, gone = live.get(life.hub_id), life.hub_id in evidence.gone
        found = "deleted" if hub is None and gone else "lost" if hub is None else hub.state
        if found != life.wanted:
            facts = {"hub": life.hub_id, "promised": ",".join(life.promised), "notes": "; ".join(life.notes)}
            why = hub.reason if hub is not None else ""
            yield Violation("I1", f"a hub that had to become {life.wanted} is {found} {why}".strip(), facts)
    for (hub_id, generation), status in evidence.operations.items():
        if status not in _ENDED:
            yield Violation("I1", f"an operation never ended: {status}", {"operation": f"{hub_id}.{generation}"})


# ------------------------------------------------------------------ I2


def one_vm(evidence: Evidence) -> Iterator[Violation]:
    """I2: one machine per hub, made once, never two at a time."""
    of_hub = Counter(hub_of_group(vm.group) for vm in evidence.vms)
    for hub_id, count in of_hub.items():
        if hub_id is not None and count > 1:
            yield Violation("I2", f"{count} machines of one hub", {"hub": hub_id})
    for hub_id, most in evidence.most_vms.items():
        if most > 1:
            yield Violation("I2", f"{most} machines of one hub were seen at the same time", {"hub": hub_id})
    for path, statuses in evidence.vm_puts.items():
        if statuses.count(201) > 1:
            yield Violation("I2", f"a machine was made {statuses.count(201)} times", {"path": path})
    for hub in evidence.hubs:
        if hub.attempts > 1:
            yield Violation("I2", f"{hub.attempts} attempts although Azure refused nothing", {"hub": hub.id})


# ------------------------------------------------------------------ I3


def no_orphan(evidence: Evidence) -> Iterator[Violation]:
    """I3: everything in Azure belongs to a hub that is there, and quota and index say what the hubs say."""
    live = {hub.id for hub in evidence.hubs}
    for name, tags in evidence.groups.items():
        owner = hub_of_group(name) or tags.get("hublet-hub", "").lower()
        if owner and owner not in live:
            yield Violation("I3", "a group without a hub", {"group": name})
    for resource in evidence.resources:
        group = re.search(r"/resourcegroups/([^/]+)/", resource, re.IGNORECASE)
        made_for = hub_of_group(group[1]) if group else None
        if made_for is not None and made_for not in live:
            yield Violation("I3", "a resource without a hub", {"resource": resource})
    grouped = {hub_of_group(name) for name in evidence.groups}
    for hub in evidence.hubs:
        if hub.state in _POWER and hub.id not in grouped:
            yield Violation("I3", f"a hub that is {hub.state} has no group", {"hub": hub.id})
    held = {hub_id for hubs in evidence.quotas.values() for hub_id in hubs.values()}
    for hub_id in held ^ live:
        said = "counts in the quota but is not there" if hub_id in held else "does not count in the quota"
        yield Violation("I3", f"a hub {said}", {"hub": hub_id})
    for hub_id in evidence.index - live - evidence.gone:  # of a hub that is gone it is kept as long as its last state
        yield Violation("I3", "an index row without a hub", {"hub": hub_id})


# ------------------------------------------------------------------ I5


def history(evidence: Evidence) -> Iterator[Violation]:
    """I5: each move is one of the table, each begins where the last one ended, and nothing follows the end."""
    for hub_id, events in evidence.events.items():
        ordered = sorted(events, key=lambda event: event.seq)
        facts = {"hub": hub_id}
        if any(not event.actor or not event.message for event in ordered):
            yield Violation("I5", "an event without actor or cause", facts)
        moves = [event for event in ordered if event.to_state is not None and event.from_state != event.to_state]
        yield from _moves(moves, facts)
        at_end = next((hub.state for hub in evidence.hubs if hub.id == hub_id), None)
        if hub_id in evidence.gone:
            at_end = str(HubState.DELETED)
        if moves and at_end is not None and moves[-1].to_state != at_end:
            yield Violation("I5", f"its history ends in {moves[-1].to_state}, it is {at_end}", facts)


def _moves(moves: Sequence[EventRow], facts: dict[str, str]) -> Iterator[Violation]:
    for event in moves:
        if event.from_state is not None and (event.from_state, event.to_state) not in _MOVES:
            yield Violation("I5", f"no transition leads from {event.from_state} to {event.to_state}", facts)
    for before, after in pairwise(moves):
        if after.from_state != before.to_state:
            said = f"left {after.from_state} although it was {before.to_state}"
            yield Violation("I5", said, facts | {"events": f"{before.seq},{after.seq}"})
    if any(event.to_state == str(HubState.DELETED) for event in moves[:-1]):
        yield Violation("I5", "something happened after the end", facts)


# ------------------------------------------------------------------ I6


def stop_is_honoured(evidence: Evidence) -> Iterator[Violation]:
    """I6: what is stopped does not bill, and what is ready runs."""
    power = {hub_of_group(vm.group): vm.power for vm in evidence.vms}
    for hub in evidence.hubs:
        wanted = _POWER.get(hub.state)
        if wanted is not None and power.get(hub.id) != wanted:
            yield Violation("I6", f"a hub that is {hub.state} has a machine that is {power.get(hub.id)}", _of(hub))


def _of(hub: HubRow) -> dict[str, str]:
    return {"hub": hub.id}


# ------------------------------------------------------------------ I8


def no_secret(evidence: Evidence) -> Iterator[Violation]:
    """I8: no secret stands anywhere in the open. The place is told, never the value."""
    wanted = {what: _searched(value) for what, value in evidence.secrets.items()}
    wanted = {what: value for what, value in wanted.items() if len(value) >= _SHORTEST_SECRET}
    for text in evidence.texts:
        for what, value in wanted.items():
            if value in text.content:
                yield Violation("I8", f"the {what} stands in the open", {"place": text.place})


def _searched(secret: str) -> str:
    """A PEM's last full line, because rows and logs break lines in their own ways; it holds the private half."""
    lines = [line for line in secret.strip().splitlines() if line and not line.startswith("-----")]
    return lines[-2] if len(lines) > 2 else secret.strip()


# ------------------------------------------------------------------ I10


def quiescence(evidence: Evidence) -> Iterator[Violation]:
    """I10: no message, no due row, no notice is left, and nothing was given up."""
    for queue, count in evidence.queues.items():
        if count:
            yield Violation("I10", f"{count} messages are left", {"queue": queue})
    for line in evidence.poisoned:
        yield Violation("I10", "a message was poisoned", {"log": line})
    for row in evidence.due:
        late = " and was forgotten" if row.at + OVERDUE < evidence.now else ""
        yield Violation("I10", f"a due row is left{late}", {"hub": row.hub_id, "kind": row.kind, "row": row.key})
    for key in evidence.outbox:
        yield Violation("I10", "a notice was never told", {"row": key})


ORACLES: dict[str, Callable[[Evidence], Iterator[Violation]]] = {
    "I1 no lost accept": no_lost_accept,
    "I2 at most one VM": one_vm,
    "I3 no orphan": no_orphan,
    "I5 history": history,
    "I6 stop is honoured": stop_is_honoured,
    "I8 no secret in the open": no_secret,
    "I10 quiescence": quiescence,
}


def table(violations: Sequence[Violation]) -> str:
    """A line per invariant, then each violation with its evidence."""
    count = Counter(violation.invariant for violation in violations)
    lines = [f"{name:<28} {count[name.split()[0]] or 'ok'}" for name in ORACLES]
    return "\n".join([*lines, *(violation.line() for violation in violations)])
