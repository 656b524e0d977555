"""How long the rows beside a hub are kept, and their removal from table `hubs`.

The scan reads keys and times only and holds one page; what it must know about an owner's hubs it asks for once it meets
an old row of that owner.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.adapters.storage import keys
from shared.adapters.storage.table import KeyRange, Row, Table

EVENTS_KEPT = timedelta(days=90)
GONE_KEPT = timedelta(days=30)
"""What is left of a deleted hub, its events with it."""
OPERATIONS_KEPT = timedelta(days=30)
IDEMPOTENCY_KEPT = timedelta(days=7)

_KEYS_AND_TIMES = ("PartitionKey", "RowKey", "at", "createdAt", "endedAt", "deletedAt")
_FACTS = ("PartitionKey", "RowKey", "hubId", "generation", "deletedAt")


# ------------------------------------------------------------------ rules


@dataclass(frozen=True, slots=True)
class OwnerFacts:
    """An owner's hubs, by the part of a key that names them: the generation of those that live, and the time of
    deletion (as `keys.timestamp` writes it) of those that are gone."""

    generations: Mapping[str, int] = field(default_factory=dict)
    deleted_at: Mapping[str, str] = field(default_factory=dict)

    def event_is_over(self, hub: str, at: str, now: datetime) -> bool:
        """90 days after it happened, and 30 days after its hub was deleted. An event of a hub nobody knows any more
        lost its `gone!` row to an earlier run that could not finish."""
        if hub in self.generations or at < _before(now, EVENTS_KEPT):
            return at < _before(now, EVENTS_KEPT)
        return self.deleted_at.get(hub, at) < _before(now, GONE_KEPT)

    def operation_is_over(self, hub: str, generation: int, last: str, now: datetime) -> bool:
        """`last`: when it ended, or was created. The present generation's one stays: somebody may be polling it."""
        return last < _before(now, OPERATIONS_KEPT) and self.generations.get(hub) != generation


def perhaps_over(row: Row, now: datetime) -> bool:
    """What the row alone says: False = it stays, True = the owner's facts decide (if they matter)."""
    kind, _, _ = row.key.partition("!")
    kept = {"event": GONE_KEPT, "gone": GONE_KEPT, "idem": IDEMPOTENCY_KEPT, "op": OPERATIONS_KEPT}.get(kind)
    last = _last(row)
    return kept is not None and last is not None and last < _before(now, kept)


def over(row: Row, facts: OwnerFacts, now: datetime) -> bool:
    """Whether a row that is `perhaps_over` is. Rows whose keys are not as ours stay."""
    kind, _, rest = row.key.partition("!")
    hub, _, number = rest.partition("!")
    last = _last(row) or ""
    match kind:
        case "event":
            return facts.event_is_over(hub, last, now)
        case "op":
            return number.isdecimal() and facts.operation_is_over(hub, int(number), last, now)
        case _:
            return kind in ("gone", "idem")


def _last(row: Row) -> str | None:
    """The latest time the row names; None when it names none."""
    times = (row.values.get(name) for name in ("at", "createdAt", "endedAt", "deletedAt"))
    return max((time for time in times if isinstance(time, str)), default=None)


def _before(now: datetime, kept: timedelta) -> str:
    return keys.timestamp(now - kept)


# ------------------------------------------------------------------ removal


async def forget_old(table: Table, now: datetime) -> int:
    """Removes what is over, returns how many rows. Requests: one for each page of the table, and for each owner who
    has an old row one more and one for each 100 of them. Twice = the second finds nothing."""
    # One range holds them all: event!, gone!, hub!, idem!, op!. What is behind it never ages: outbox!, quota, secret!.
    aging = KeyRange(first_row=keys.EVENTS, end_row=keys.after_prefix(keys.OPERATIONS))
    facts: dict[str, OwnerFacts] = {}
    removed = 0
    async for page in table.pages(aging, select=_KEYS_AND_TIMES):
        old: dict[str, list[Row]] = {}
        for row in page:
            if perhaps_over(row, now):
                old.setdefault(str(row.values["PartitionKey"]), []).append(row)
        for partition, rows in old.items():
            if partition not in facts:
                # Rows come by partition: of earlier ones nothing more will come.
                facts = {partition: await _facts(table, partition)}
            found = [row.key for row in rows if over(row, facts[partition], now)]
            await table.delete_all(partition, found)
            removed += len(found)
    return removed


async def _facts(table: Table, partition: str) -> OwnerFacts:
    # `gone!` and `hub!` are neighbours: nothing else sorts between them.
    neighbours = KeyRange.within(partition, first_row=keys.GRAVES, end_row=keys.after_prefix(keys.HUBS))
    generations: dict[str, int] = {}
    deleted_at: dict[str, str] = {}
    async for page in table.pages(neighbours, select=_FACTS):
        for row in page:
            hub = keys.part(str(row.values.get("hubId", "")))
            if row.key.startswith(keys.HUBS):
                generations[hub] = int(row.values.get("generation", -1))
            elif isinstance(at := row.values.get("deletedAt"), str):
                deleted_at[hub] = at
    return OwnerFacts(generations, deleted_at)
