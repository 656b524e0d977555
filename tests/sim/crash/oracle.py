"""What must be true of every life, wherever its processes died: invariants I1 to I5, I7, I9 and I10.

Each rule gives sentences about what is wrong; none = all is well.
"""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from shared.hubs.audit import audit
from shared.hubs.meter import Billing
from shared.hubs.model import Message, OperationStatus
from shared.hubs.notice_kinds import PROGRESS
from shared.hubs.states import TRANSITIONS, HubState
from shared.hubs.sweep import sweep
from shared.hubs.ticks import drive
from tests.sim.crash.life import QUIET, HesitantSink, Life, nobody_looks
from tests.support.fake_arm import Call
from tests.support.world import OWNER

EXPECTED_MOVES = (
    *("accepted", "provisioning", "installing", "verifying", "ready", "stopping", "stopped", "starting", "ready"),
    *("deleting", "deleted"),
)
EXPECTED_OPERATIONS = [(generation + 1, kind) for generation, kind in enumerate(("create", "stop", "start", "delete"))]
EXPECTED_NOTICES = {"ready": 1, "stopped": 1, "started": 1, "deleted": 1}
POWER = frozenset({"start", "deallocate", "restart", "resize"})
_EDGES = {(str(before), str(after.to)) for (before, _), after in TRANSITIONS.items()}


class Watch:
    """Looks on while a life goes on, and notes what is wrong in `life.script.seen`."""

    def __init__(self, life: Life) -> None:
        self._life = life
        life.cloud.before_write = self._before_write
        life.ended = self._at_rest

    def _wrong(self, sentence: str) -> None:
        self._life.script.seen.append(sentence)

    def _before_write(self, call: Call) -> None:
        """I2, F42: at most one operation on the machine, nothing written for anybody else."""
        if not call.group.startswith("hublet-demo-"):
            self._wrong(f"a write to {call.group}")
        if call.verb in POWER and any(vm.provisioning in ("creating", "updating") for vm in self._life.cloud.vms()):
            self._wrong(f"'{call.verb}' was sent while another change of the machine was under way")

    def _at_rest(self, phase: str) -> None:
        """What an owner finds when they are told that it is done."""
        life = self._life
        if phase == "delete":
            return
        hub, vms = life.hub, life.cloud.vms()
        wanted = ("deallocated", Billing.STOPPED) if phase == "stop" else ("running", Billing.RUNNING)
        found = [(vm.power, hub.meter.billing) for vm in vms]
        if found != [wanted]:
            self._wrong(f"after {phase}: machine and meter are {found}")
        if len(life.cloud.groups) != 1:
            self._wrong(f"after {phase}: {len(life.cloud.groups)} groups")
        entry = life.storage.index.entries.get(hub.id)
        if entry is None or (phase == "stop" and entry.state != str(hub.state)):
            self._wrong(f"after {phase}: the index says {entry}")
        if hub.attempt != 1:
            self._wrong(f"after {phase}: attempt {hub.attempt}")
        machines = list(life.on_vm.machines.values())
        if len(machines) != 1 or not machines[0].locked or machines[0].hub_users or machines[0].unix_accounts:
            self._wrong(f"after {phase}: the acceptance run left something on the machine")


async def at_rest(life: Life) -> list[str]:
    """What is not at rest although there was time for it (I10). Tries sweep, audit, and what still waits for a time
    hours ahead: nothing may come of them."""
    storage = life.storage
    wrong: list[str] = []
    life.app, life.begins = life.plain, nobody_looks  # what is tried from here on is no part of the life
    now = life.clock.now()
    soon = (life.script.over_at or now) + QUIET
    for row in list(storage.due.rows.values()):
        if row.at < soon:
            wrong.append(f"a due row is left: {row}")
    for queued in list(storage.queue.waiting):
        if queued.visible_at < soon or not isinstance(queued.message, Message):
            wrong.append(f"still in the queue: {queued.message}")
    if storage.notices.waiting:
        wrong.append(f"still in the queue of notices: {storage.notices.waiting}")
    if wrong:
        return wrong
    rows = list(storage.due.rows.values())
    life.clock.advance_to(max((row.at for row in rows), default=now) + timedelta(minutes=5))
    await drive(life.app, rows)
    later = [queued.message for queued in storage.queue.waiting]
    storage.queue.waiting.clear()
    for message in later:
        life.clock.advance(timedelta(minutes=2))  # its row will not come any more
        await life.deliver(message)
    await sweep(life.app)
    await audit(life.app)
    if left := [*storage.queue.waiting, *storage.notices.waiting, *storage.due.rows.values()]:
        wrong.append(f"late messages, sweep or audit found work to do: {left}")
    if later_writes := life.cloud.writes[life.script.writes :]:
        wrong.append(f"Azure was written to after the end: {later_writes}")
    return wrong


def judged(life: Life) -> Iterator[str]:
    """What is wrong at the end of a life that came to rest."""
    yield from _nothing_is_left(life)
    if life.script.gave_up:
        if life.cloud.writes or life.storage.index.entries or life.told.notices or life.storage.hubs.quotas:
            yield "something was made for a hub that was never accepted"
        return
    yield from _one_machine(life)
    yield from _buried(life)
    yield from _history(life)
    yield from _notices(life)


def _nothing_is_left(life: Life) -> Iterator[str]:
    """I3 at the end."""
    life.cloud.settle()
    if life.cloud.groups:
        yield f"groups are left: {list(life.cloud.groups)}"
    hubs = life.storage.hubs
    if hubs.hubs:
        yield "the hub is still there"
    if life.storage.secrets.rows:
        yield "its secrets are still there"
    if hubs.outbox:
        yield "notices are left in the outbox"
    if any(quota.hubs for quota in hubs.quotas.values()):
        yield "it still counts in the quota"


def _one_machine(life: Life) -> Iterator[str]:
    """I2."""
    if len(life.cloud.vms_created) != 1:
        yield f"{len(life.cloud.vms_created)} machines were created"
    groups = {call.group for call in life.cloud.writes}
    if len(groups) != 1:
        yield f"writes went to {groups}"
    if life.on_vm.effects.count("reinstall"):
        yield "TLJH was installed again"


def _buried(life: Life) -> Iterator[str]:
    hubs = life.storage.hubs
    if len(hubs.graves) != 1:
        yield f"{len(hubs.graves)} graves"
        return
    ((owner, hub_id), gone), *_ = hubs.graves.items()
    if (owner, gone.hub.state, gone.hub.meter.billing) != (OWNER.owner, HubState.DELETED, Billing.NOTHING):
        yield f"buried as {gone.hub.state}, billing {gone.hub.meter.billing}"
    entries = [(entry.hub_id, entry.state) for entry in life.storage.index.entries.values()]
    if entries != [(hub_id, "deleted")]:
        yield f"the index holds {entries}"
    cost = sum(month.total for month in gone.hub.meter.months.values())
    if abs(sum(hubs.quotas[owner].spent.values()) - cost) > 1e-9:
        yield "what it cost is not what its owner's month was charged"
    if len(hubs.idempotencies) != len(EXPECTED_OPERATIONS) and life.repeats:
        yield f"{len(hubs.idempotencies)} requests are remembered"
    rows = sorted(hubs.operations.items(), key=lambda item: item[0][2])
    if [(key[2], operation.kind) for key, operation in rows] != EXPECTED_OPERATIONS:
        yield f"operations: {[(key[2], operation.kind) for key, operation in rows]}"
    for _, operation in rows:
        if operation.ended_at is None or operation.status is not OperationStatus.SUCCEEDED:
            yield f"the operation '{operation.kind}' is {operation.status}"


def _history(life: Life) -> Iterator[str]:
    """I5."""
    (events,) = life.storage.hubs.history.values()
    states = [events[seq] for seq in sorted(events) if events[seq].kind == "state"]
    if tuple(event.to_state for event in states) != EXPECTED_MOVES:
        yield f"moves: {[event.to_state for event in states]}"
    for before, event in pairwise(states):
        if event.from_state != before.to_state or (event.from_state, event.to_state) not in _EDGES:
            yield f"no such move: {event.from_state} to {event.to_state}"
    if any(not event.actor or not event.message for event in events.values()):
        yield "an event without an actor or a cause"
    times = [events[seq].at for seq in sorted(events)]
    if times != sorted(times):
        yield "the history goes back in time"
    if any(event.kind in ("retry", "condition", "attempt") for event in events.values()):
        told = [event.message for event in events.values() if event.kind in ("retry", "condition", "attempt")]
        yield f"trouble was shown: {told}"


def _notices(life: Life) -> Iterator[str]:
    """I9: each at least once, under one id however often."""
    for kind, number in EXPECTED_NOTICES.items():
        ids = {notice.id for notice in life.told.of(kind)}
        if len(ids) != number:
            yield f"'{kind}' was told under {len(ids)} ids"
    kinds = {notice.type.split(".")[3] for notice in life.told.notices}
    expected = EXPECTED_NOTICES.keys() | ({PROGRESS} if life.spec.notify.slack_channel else set())
    if kinds != expected:
        yield f"told of {sorted(kinds)}, expected {sorted(expected)}"
    if isinstance(life.told, HesitantSink):
        heard = {notice.id for notice in life.told.notices}
        if missed := {one for one, took in life.told.tried.items() if not took} | heard ^ life.told.tried.keys():
            yield f"one of two targets was not told of {sorted(missed)}"
