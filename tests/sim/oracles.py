"""The invariants I1-I10 as judges: some watch every effect as it happens, the others look when all is quiet."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from weakref import WeakKeyDictionary

from shared.hubs.deliveries import key_of
from shared.hubs.dispatch import PASS
from shared.hubs.meter import Billing
from shared.hubs.model import Hub, Notice, OperationStatus
from shared.hubs.states import STABLE, TRANSITIONS, Goal, HubState
from shared.hubs.tags import HUB
from shared.hubs.ticks import matches
from tests.sim.process import Process
from tests.sim.receivers import TARGETS, Receivers, hears
from tests.sim.witness import Witness
from tests.support.fake_arm import FakeGroups
from tests.support.fake_cloud import Call, FakeCloud
from tests.support.fake_storage import FakeStorage

_MOVES = {(str(state), str(move.to)) for (state, _), move in TRANSITIONS.items()}
SPENDING = frozenset(
    {
        *("groups.put", "compute.begin_vm", "compute.begin_start", "compute.begin_restart", "compute.begin_resize"),
        *("compute.begin_deallocate", "shutdowns.put"),
    }
)
"""What is only sent right after its intention was saved: a worker that was overtaken must not send it."""

HARMLESS = frozenset({"identity.get", "secrets.get", "gate_row.read", "gate_row.write", "probe.ask"})
"""What may lie between saving and sending."""

LONGEST_STATE = timedelta(hours=4)
"""The longest way through a state with a deadline: making a machine twice, installing twice."""

MOST_WRITES_OF_A_HUB = 120
"""No endless spend: what a hub may ask of Azure in one run, however much goes wrong."""


@dataclass
class Watch:
    """Judges what happens while it happens. `broken`: violations, each with its invariant's number."""

    cloud: FakeCloud
    storage: FakeStorage
    broken: list[str] = field(default_factory=list)
    buried: dict[str, Hub] = field(default_factory=dict)
    lost_in_portal: set[str] = field(default_factory=set)
    _said_last: WeakKeyDictionary[asyncio.Task[Any], str] = field(default_factory=WeakKeyDictionary)

    def __post_init__(self) -> None:
        self.cloud.after_write = self._azure_wrote

    def _azure_wrote(self, call: Call) -> None:
        if call.verb == "vm":
            hub_id = call.group.removeprefix("hublet-").rpartition("-a")[0]
            vms = [vm for vm in self.cloud.vms() if vm.plan.group.startswith(f"hublet-{hub_id}-a")]
            if len(vms) > 1:
                self.broken.append(f"I2: {len(vms)} machines of {hub_id} at once")
            made = Counter(self.cloud.vms_created)
            for vm_id, times in made.items():
                if times > 1 and vm_id not in self.lost_in_portal:
                    self.broken.append(f"I2: the machine {vm_id} was made {times} times")
            if hub_id in self.buried:
                self.broken.append(f"I3: a machine was made for {hub_id}, which is deleted")

    def sends(self, port: str, method: str) -> None:
        """By a worker, before anything of it is on its way."""
        task, what = asyncio.current_task(), f"{port}.{method}"
        if task is None or what in HARMLESS:
            return
        if what in SPENDING and self._said_last.get(task) != "hubs.commit":
            self.broken.append(f"I4: {what} is sent after {self._said_last.get(task)}, its intention was not saved")
        self._said_last[task] = what

    def heard(self, process: Process, port: str, method: str, args: tuple[Any, ...]) -> None:
        """Before an effect."""
        if port == "hubs" and method == "bury":
            self._burial(args[0].hub)
        elif port == "hubs" and method == "commit":
            self._commit(args[0].hub)

    def _commit(self, hub: Hub) -> None:
        stored = self.storage.hubs.hubs.get((hub.owner, hub.name))
        if stored is None or stored.etag != hub.etag:
            return  # it will be refused
        if stored.goal is Goal.DELETED and hub.goal is not Goal.DELETED:
            self.broken.append(f"I4: the deletion of {hub.id} was taken back")
        if hub.generation < stored.generation:
            self.broken.append(f"I4: {hub.id} went back to generation {hub.generation}")

    def _burial(self, hub: Hub) -> None:
        stored = self.storage.hubs.hubs.get((hub.owner, hub.name))
        if stored is None or stored.etag != hub.etag:
            return
        self.cloud.settle()
        left = [ref.id for ref in FakeGroups(self.cloud).references() if ref.tags.get(HUB) == hub.id]
        if left:
            self.broken.append(f"I3: {hub.id} is called deleted, and {len(left)} resources of it are left")
        self.buried[hub.id] = hub


# ------------------------------------------------------------------ at the end


def judge_hubs(cloud: FakeCloud, storage: FakeStorage, now: datetime) -> Iterator[str]:
    """I1, I3, I5, I6, I7: every hub is at its goal, and Azure shows just what belongs to it."""
    hubs = list(storage.hubs.hubs.values())
    cloud.settle()
    expected_groups = set()
    for hub in hubs:
        if hub.state not in STABLE:
            yield f"I1: {hub.id} is still {hub.state} (goal {hub.goal}, step {hub.next_step}, since {hub.state_since})"
            if now - hub.state_since > LONGEST_STATE:
                yield f"I7: {hub.id} is {hub.state} for {now - hub.state_since}"
            continue
        yield from _at_its_goal(hub)
        group = cloud.groups.get(hub.group_name.lower())
        if group is not None:
            expected_groups.add(hub.group_name.lower())
        vm = group.vms.get(hub.vm_name.lower()) if group else None
        yield from _machine_as_stated(hub, vm.power if vm else None, there=vm is not None)
        status = storage.hubs.operations[hub.owner, hub.id, hub.generation].status
        if status in (OperationStatus.NOT_STARTED, OperationStatus.RUNNING):
            yield f"I7: the operation of {hub.id} is {status} although the hub is {hub.state}"
        entry = storage.index.entries.get(hub.id)
        if entry is None or entry.state != hub.state:
            yield f"I10: the index says {entry.state if entry else 'nothing'} of {hub.id}, which is {hub.state}"
    for name in cloud.groups:
        if name not in expected_groups:
            yield f"I3: the group {name} belongs to no hub"
    for hub_id, times in Counter(
        call.group.removeprefix("hublet-").rpartition("-a")[0] for call in cloud.writes if call.group
    ).items():
        if times > MOST_WRITES_OF_A_HUB:
            yield f"I7: {times} writes to Azure for {hub_id}"


def _at_its_goal(hub: Hub) -> Iterator[str]:
    fits = {
        HubState.READY: hub.goal is Goal.RUNNING,
        HubState.STOPPED: hub.goal is Goal.STOPPED,
        HubState.FAILED: hub.goal is Goal.RUNNING and hub.reason is not None,
    }
    if not fits.get(hub.state, False):
        yield f"I1: {hub.id} is {hub.state} but its goal is {hub.goal}"
    if hub.state is HubState.READY and hub.acceptance is None:
        yield f"I1: {hub.id} is called ready without an acceptance run"


def _machine_as_stated(hub: Hub, power: str | None, *, there: bool) -> Iterator[str]:
    gone = hub.machine.missing_since is not None
    match hub.state:
        case HubState.READY if power != "running":
            yield f"I6: {hub.id} is ready, its machine is {power}"
        case HubState.STOPPED if there and power != "deallocated":
            yield f"I6: {hub.id} is stopped, its machine is {power}"
        case HubState.STOPPED if not there and not gone and hub.meter.billing is not Billing.NOTHING:
            yield f"I6: {hub.id} is stopped, its machine is gone, and nobody says so"
        case HubState.FAILED if there and power in ("running", "stopped", "starting"):
            yield f"I6: {hub.id} has failed, its machine is {power} and bills"
        case _:
            pass
    billing = {HubState.READY: (Billing.RUNNING,), HubState.STOPPED: (Billing.STOPPED, Billing.NOTHING)}
    allowed = billing.get(hub.state)
    if allowed and hub.meter.billing not in allowed:
        yield f"I7: {hub.id} is {hub.state} and its meter says {hub.meter.billing}"


def judge_history(storage: FakeStorage) -> Iterator[str]:
    """I5: transitions follow the table, one after the other, each with an actor and a cause."""
    for (_, hub_id), history in storage.hubs.history.items():
        state = None
        for seq in sorted(history):
            event = history[seq]
            if event.to_state is None:
                continue
            if not event.actor or not event.message:
                yield f"I5: event {seq} of {hub_id} has no actor or no cause"
            if event.from_state is None:
                state = event.to_state
                continue
            if event.from_state != state:
                yield f"I5: {hub_id} was {state}, event {seq} begins at {event.from_state}"
            if (event.from_state, event.to_state) not in _MOVES:
                yield f"I5: {hub_id} went from {event.from_state} to {event.to_state}"
            state = event.to_state


def judge_rows(storage: FakeStorage) -> Iterator[str]:
    """I10: quotas name just the hubs there are, and secrets are of hubs there are."""
    for owner, quota in storage.hubs.quotas.items():
        there = {hub.name: hub.id for (of, _), hub in storage.hubs.hubs.items() if of == owner}
        if dict(quota.hubs) != there:
            yield f"I10: the quota of {owner} names {dict(quota.hubs)}, there are {there}"
    ids = {hub.id for hub in storage.hubs.hubs.values()}
    for _, hub_id in storage.secrets.rows:
        if hub_id not in ids:
            yield f"I10: secrets of {hub_id} are left, the hub is not there"


def in_vain(storage: FakeStorage, until: datetime) -> set[tuple[str, int, int]]:
    """Due rows up to that moment that no hub waits for: hub, generation, pass."""
    hubs = {hub.id: hub for hub in storage.hubs.hubs.values()}
    return {
        (row.hub_id, row.generation, row.pass_number)
        for row in storage.due.rows.values()
        if row.at <= until and row.kind == PASS and not (row.hub_id in hubs and matches(row, hubs[row.hub_id]))
    }


CALM_DELIVERIES = 2
"""An owner's wish and a worker that save at the same moment put two messages, and two workers may ask side by side."""
MOST_DELIVERIES = 60
MOST_MESSAGES = 2000
"""Of one notice, in whatever trouble. The most that was seen is 447: a message whose row is not there yet is put again
every five seconds of a minute, and so is each of its copies, of which a message has up to five here."""

MULTIPLIES = frozenset(
    {
        *("kill-before", "kill-after", "slow", "storage-refuses", "storage-forgets", "outage"),
        *("message-lost", "message-twice", "message-late", "timer-twice"),
    }
)
"""Faults by which a notice may be told again, or have more than one message."""

FORGETFUL = frozenset({"simulated:slow"})
"""Takes it, but says so too late."""

MORE_MESSAGES = 40
"""The one that a hub's visit puts before it saves, and those of three that then could not save: a message whose row is
not there is put again every five seconds of a minute."""


def judge_notices(
    storage: FakeStorage, told: Sequence[Notice], receivers: Receivers, witness: Witness
) -> Iterator[str]:
    """I9: everything that was told was taken by everybody it is for, or given up; nothing is told without end."""
    waiting = {pending.notice.id for pending in storage.outbox.rows.values()}
    for notice in told:
        what = f"notice {notice.seq} of {notice.hub_id} ({notice.type})"
        for sink, targets in TARGETS.items():
            for target in targets:
                key = key_of(sink, target)
                heard = receivers.delivered[key, notice.id] + receivers.given_up[key, notice.id]
                if hears(sink, target, notice) and not heard:
                    yield f"I9: {what} was neither taken by {key} nor given up"
                if not hears(sink, target, notice) and heard:
                    yield f"I9: {what} is not for {key}"
        if notice.id in waiting:
            yield f"I9: {what} is still in the outbox"
    yield from _without_end(storage, witness, receivers)


def _without_end(storage: FakeStorage, witness: Witness, receivers: Receivers) -> Iterator[str]:
    plan = receivers.plan
    calm = plan.perturbation is None and not plan.faults.keys() & MULTIPLIES
    for (key, notice_id), times in receivers.delivered.items():
        most = CALM_DELIVERIES if calm and key not in FORGETFUL else MOST_DELIVERIES
        if times > most:
            yield f"I9: {key} was told {notice_id} {times} times"
    messages = Counter((queued.ref.hub_id, queued.ref.seq) for queued in storage.notices.sent)
    for (hub_id, seq), number in messages.items():
        if number > MOST_MESSAGES or (calm and number > witness.visits[hub_id, seq] + MORE_MESSAGES):
            yield f"I9: {number} messages for {witness.visits[hub_id, seq]} visits to notice {seq} of {hub_id}"
