"""Rows and messages of earlier releases (tests/data/rows), and a world in which a hub of theirs stands."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from shared.adapters.storage import codec, keys
from shared.adapters.storage.due import _readable as due_row
from shared.adapters.storage.index import _entry as index_entry
from shared.adapters.storage.secrets import SealedSecretStore
from shared.adapters.storage.table import Row
from shared.hubs import messages, notice_messages
from shared.hubs.ports import HubSecrets
from tests.support.fake_storage import Queued, QueuedNotice
from tests.support.hub_moments import WITH_LIFE
from tests.support.world import World

FOLDER = Path(__file__).resolve().parents[1] / "data" / "rows"
FIRST, SECOND, THIRD = "36bb581", "22b5622", "d469293"


@dataclass(frozen=True)
class Recorded:
    """What one release had stored at one moment of a hub's life."""

    commit: str
    moment: str
    at: datetime
    tables: Mapping[str, list[dict[str, Any]]]
    queues: Mapping[str, list[dict[str, str]]]

    def rows(self, table: str = "hubs", kind: str = "") -> Iterator[Row]:
        """Those whose key begins with this kind."""
        for entity in self.tables[table]:
            if str(entity["RowKey"]).split("!")[0] == kind or not kind:
                yield Row(entity, 'W/"recorded"')


@cache
def _file(commit: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / f"{commit}.json").read_text())
    return found


def moments(commit: str) -> list[str]:
    return sorted(_file(commit)["moments"])


def reads(commit: str) -> dict[str, Any]:
    """JSON schemas by the name of the record."""
    found: dict[str, Any] = _file(commit)["reads"]
    return found


def recorded(commit: str, moment: str) -> Recorded:
    found = _file(commit)["moments"][moment]
    return Recorded(commit, moment, datetime.fromisoformat(found["at"]), found["tables"], found["queues"])


def every() -> list[tuple[str, str]]:
    """Release and moment of everything that was recorded."""
    return [(commit, moment) for commit in (FIRST, SECOND, THIRD) for moment in moments(commit)]


async def world_of(commit: str, moment: str) -> World:
    """A world whose cloud and machine are as that moment leaves them and whose storage is what that release wrote:
    this release is deployed now."""
    found = recorded(commit, moment)
    world = World()
    await WITH_LIFE[moment](world)
    world.clock.advance_to(max(world.clock.now(), found.at))
    _forget(world)
    _seed(world, found)
    for machine in world.on_vm.machines.values():
        # The fake knows the installer's key by its text, and each writing of a private key has random bytes in it.
        for secrets in world.storage.secrets.rows.values():
            machine.installer_key = machine.installer_key and secrets.installer_private_key
    return world


def opened(world: World, row: Row) -> HubSecrets:
    hub_id = row.key.removeprefix("secret!")
    nothing: Any = None
    return SealedSecretStore(nothing, world.app.settings.seal_keys)._open(hub_id, row)


def _forget(world: World) -> None:
    hubs, storage = world.storage.hubs, world.storage
    for rows in (
        *(hubs.hubs, hubs.operations, hubs.history, hubs.quotas, hubs.idempotencies, hubs.graves, hubs.outbox),
        *(storage.secrets.rows, storage.index.entries, storage.due.rows),
    ):
        rows.clear()
    storage.queue.waiting.clear()
    storage.notices.waiting.clear()


def _seed(world: World, found: Recorded) -> None:
    hubs, storage = world.storage.hubs, world.storage
    for row in found.rows(kind="hub"):
        hub = codec.hub_from(row)
        hubs.hubs[hub.owner, hub.name] = hub
    for row in found.rows():
        owner, (kind, _, rest) = keys.owner_of(str(row.values["PartitionKey"])), row.key.partition("!")
        match kind:
            case "op":
                operation = codec.operation_from(row)
                hubs.operations[owner, operation.hub_id, operation.generation] = operation
            case "event":
                event = codec.event_from(row)
                hubs.history.setdefault((owner, rest.partition("!")[0]), {})[event.seq] = event
            case "quota":
                hubs.quotas[owner] = codec.quota_from(owner, row)
            case "idem":
                record = codec.idempotency_from(row)
                hubs.idempotencies[owner, record.key] = record
            case "gone":
                hubs.graves[owner, rest] = codec.gone_from(row)
            case "outbox":
                pending = codec.pending_from(row)
                hubs.outbox[owner, pending.notice.hub_id, pending.notice.seq] = pending
            case "secret":
                storage.secrets.rows[owner, rest] = opened(world, row)
            case other:
                assert other == "hub"
    for row in found.rows("index"):
        entry = index_entry(row)
        storage.index.entries[entry.hub_id] = entry
    for row in found.rows("due"):
        due = due_row(row)
        assert due is not None
        storage.due.rows[storage.due._key(due)] = due
    for queued in found.queues["hub-work"]:
        message, visible_at = messages.decode(queued["text"]), datetime.fromisoformat(queued["visible_at"])
        storage.queue.waiting.append(Queued(message, visible_at))
    for queued in found.queues["hub-notify"]:
        ref, visible_at = notice_messages.decode(queued["text"]), datetime.fromisoformat(queued["visible_at"])
        storage.notices.waiting.append(QueuedNotice(ref, visible_at))
