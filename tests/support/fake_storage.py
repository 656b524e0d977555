"""Storage fakes with a memory: the same promises as the adapters, kept in dictionaries.

`tests/contract/storage` runs one suite against these and against the adapters over Azurite, which keeps them honest.
All of them record their writes on a `Tape` (tests/support/tape.py) that may be shared.
"""

import hmac
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count

from shared import log
from shared.adapters.storage import codec, quotas, retention
from shared.adapters.storage.due import FIRST_LOOK_BACK, LATE
from shared.adapters.storage.keys import timestamp
from shared.adapters.storage.table import Row
from shared.clock import Clock
from shared.errors import ConcurrentUpdate, FatalError, RetryableError, RowTooNew
from shared.hubs import messages
from shared.hubs.gate_state import GateState
from shared.hubs.messages import DueBatch
from shared.hubs.model import Event, Hub, Message, Operation
from shared.hubs.ports import (
    DueRow,
    Gone,
    HubChange,
    HubExists,
    HubSecrets,
    Idempotency,
    IdempotencyKeyTaken,
    IndexEntry,
    NoticeRef,
    Pending,
    Quota,
    QuotaChanged,
    TokenRecord,
    UnreadableRow,
)
from tests.support.fake_chat import FakeChatStore, FakeSinkStore
from tests.support.tape import Tape


class FakeSecrets:
    """`SecretStore` in memory; nothing is sealed."""

    def __init__(self, tape: Tape | None = None) -> None:
        self.tape = tape or Tape()
        self.rows: dict[tuple[str, str], HubSecrets] = {}
        self._etags = count(1)

    async def get(self, owner: str, hub_id: str) -> HubSecrets | None:
        self.tape.begin("secrets.get")
        return self.rows.get((owner, hub_id))

    async def create(self, owner: str, hub_id: str, secrets: HubSecrets) -> HubSecrets:
        self.tape.begin("secrets.create")
        if (owner, hub_id) not in self.rows:
            self._store(owner, hub_id, secrets)
            self.tape.wrote("secrets.create")
        return self.rows[owner, hub_id]

    async def save(self, owner: str, hub_id: str, secrets: HubSecrets) -> HubSecrets:
        self.tape.begin("secrets.save")
        stored = self.rows.get((owner, hub_id))
        if stored is None or stored.etag != secrets.etag:
            raise ConcurrentUpdate(f"The secrets of hub {hub_id}")
        self._store(owner, hub_id, secrets)
        self.tape.wrote("secrets.save")
        return self.rows[owner, hub_id]

    def _store(self, owner: str, hub_id: str, secrets: HubSecrets) -> None:
        self.rows[owner, hub_id] = replace(secrets, etag=f'W/"secret-{next(self._etags)}"')


class FakeHubStore:
    """`HubStore` in memory, with ETags and all-or-nothing transactions.

    `through_json`: hubs come back as their JSON says (a tuple in a step's memory as a list), and what cannot be stored
    fails here too. Simulations of many thousand hubs turn it off: it takes about 0.2 ms a write.
    """

    def __init__(
        self, *, secrets: FakeSecrets | None = None, tape: Tape | None = None, through_json: bool = True
    ) -> None:
        self.tape = tape or Tape()
        self.secrets = secrets or FakeSecrets(self.tape)
        self.hubs: dict[tuple[str, str], Hub] = {}
        self.operations: dict[tuple[str, str, int], Operation] = {}
        self.history: dict[tuple[str, str], dict[int, Event]] = {}
        self.quotas: dict[str, Quota] = {}
        self.idempotencies: dict[tuple[str, str], Idempotency] = {}
        self.graves: dict[tuple[str, str], Gone] = {}
        self.outbox: dict[tuple[str, str, int], Pending] = {}
        self.unreadable: dict[tuple[str, str], str] = {}
        """Owner and name of hubs whose rows cannot be read -> the error's code."""
        self._etags = count(1)
        self._through_json = through_json

    # ---- what tests ask ----
    def only_hub(self) -> Hub:
        """The one hub there is."""
        (hub,) = self.hubs.values()
        return hub

    def seed(self, hub: Hub) -> Hub:
        """Puts a hub there as if it had been created earlier; returns it with its ETag."""
        stored = self._stored(hub)
        self.hubs[hub.owner, hub.name] = stored
        quota = self.quotas.get(hub.owner) or Quota(owner=hub.owner)
        self.quotas[hub.owner] = replace(quota, hubs={**quota.hubs, hub.name: hub.id}, etag=self._etag())
        return stored

    # ---- the port ----
    async def admission(
        self, owner: str, idempotency_key: str | None, *, fresh: bool = False
    ) -> tuple[Quota, Idempotency | None]:
        self.tape.begin("hubs.admission")
        quota = self.quotas.get(owner) or Quota(owner=owner)
        return quota, self.idempotencies.get((owner, idempotency_key)) if idempotency_key else None

    async def create(self, change: HubChange, quota: Quota, idempotency: Idempotency | None) -> Hub:
        self.tape.begin("hubs.create")
        hub = change.hub
        if (hub.owner, hub.name) in self.hubs:
            raise HubExists(hub.name)
        self._check_new_id(change)
        stored_quota = self.quotas.get(hub.owner)
        if quota.etag != (stored_quota.etag if stored_quota else None):
            raise QuotaChanged(hub.owner)
        if idempotency is not None and (hub.owner, idempotency.key) in self.idempotencies:
            raise IdempotencyKeyTaken(idempotency.key)
        stored = self._store(change)
        self.quotas[hub.owner] = replace(quota, hubs=dict(quota.hubs), etag=self._etag())
        if idempotency is not None:
            self.idempotencies[hub.owner, idempotency.key] = idempotency
        self.tape.wrote("hubs.create")
        return stored

    async def get(self, owner: str, name: str) -> Hub | None:
        self.tape.begin("hubs.get")
        if (code := self.unreadable.get((owner, name))) is not None:
            if code == "RowTooNew":
                raise RowTooNew("The row of the hub")
            raise FatalError(code, "The row of the hub cannot be read.")
        return self.hubs.get((owner, name))

    async def list(self, owner: str) -> Sequence[Hub]:
        self.tape.begin("hubs.list")
        for (of, name), code in self.unreadable.items():
            if of == owner:
                log.error("hub_row_unreadable", owner=owner, hub=name, code=code)
        mine = (key for key in sorted(self.hubs) if key[0] == owner and key not in self.unreadable)
        return [self.hubs[key] for key in mine]

    async def everything(self) -> AsyncIterator[Hub | UnreadableRow]:
        self.tape.begin("hubs.everything")
        for owner, name in sorted(self.hubs.keys() | self.unreadable.keys()):
            if (code := self.unreadable.get((owner, name))) is not None:
                yield UnreadableRow(owner=owner, name=name, code=code)
            elif (hub := self.hubs.get((owner, name))) is not None:
                yield hub

    async def commit(self, change: HubChange) -> Hub:
        self.tape.begin("hubs.commit")
        hub = change.hub
        if hub.etag is None:
            raise FatalError("NotStored", "A hub that was never read cannot be saved.")
        current = self.hubs.get((hub.owner, hub.name))
        if current is None or current.etag != hub.etag:
            raise ConcurrentUpdate(f"Hub {hub.name}")
        self._check_inserts(change)
        if change.idempotency is not None and (hub.owner, change.idempotency.key) in self.idempotencies:
            raise IdempotencyKeyTaken(hub.owner)
        stored = self._store(change)
        self.tape.wrote("hubs.commit")
        return stored

    async def bury(self, change: HubChange) -> None:
        self.tape.begin("hubs.bury")
        hub = change.hub
        current = self.hubs.get((hub.owner, hub.name))
        if current is None or current.id != hub.id:
            return
        if current.etag != hub.etag:
            raise ConcurrentUpdate(f"Hub {hub.name}")
        self._check_inserts(change)
        self._store(change)
        del self.hubs[hub.owner, hub.name]
        deleted_at = max(hub.updated_at, hub.state_since)
        self.graves[hub.owner, hub.id] = Gone(hub=replace(hub, etag=None, operation=None), deleted_at=deleted_at)
        quota = self.quotas.get(hub.owner) or Quota(owner=hub.owner)
        if (left := quotas.without(quota, hub)) != quota:
            self.quotas[hub.owner] = replace(left, etag=self._etag())
        self.secrets.rows.pop((hub.owner, hub.id), None)
        self.tape.wrote("hubs.bury")

    async def gone(self, owner: str, hub_id: str) -> Gone | None:
        self.tape.begin("hubs.gone")
        return self.graves.get((owner, hub_id))

    async def operation(self, owner: str, hub_id: str, generation: int) -> Operation | None:
        self.tape.begin("hubs.operation")
        return self.operations.get((owner, hub_id, generation))

    async def events(self, owner: str, hub_id: str, *, top: int = 500) -> Sequence[Event]:
        self.tape.begin("hubs.events")
        history = self.history.get((owner, hub_id), {})
        return [history[seq] for seq in sorted(history)][-top:]

    async def forget_old(self, now: datetime) -> int:
        """By the rules of the adapter; rows are looked at where they lie."""
        self.tape.begin("hubs.forget_old")
        old_events = [
            (at, seq)
            for at, history in self.history.items()
            for seq, event in history.items()
            if self._facts(at[0]).event_is_over(at[1], timestamp(event.at), now)
        ]
        old_operations = [
            key
            for key, operation in self.operations.items()
            if self._facts(key[0]).operation_is_over(
                key[1], key[2], timestamp(max(operation.created_at, operation.ended_at or operation.created_at)), now
            )
        ]
        old_graves = [key for key, gone in self.graves.items() if gone.deleted_at < now - retention.GONE_KEPT]
        old_keys = [
            key for key, found in self.idempotencies.items() if found.created_at < now - retention.IDEMPOTENCY_KEPT
        ]
        for at, seq in old_events:
            del self.history[at][seq]
        for operation_key in old_operations:
            del self.operations[operation_key]
        for grave in old_graves:
            del self.graves[grave]
        for idempotency_key in old_keys:
            del self.idempotencies[idempotency_key]
        forgotten = len(old_events) + len(old_operations) + len(old_graves) + len(old_keys)
        if forgotten:
            self.tape.wrote("hubs.forget_old")
        return forgotten

    # ---- inside ----
    def _facts(self, owner: str) -> retention.OwnerFacts:
        return retention.OwnerFacts(
            {hub.id: hub.generation for (of, _), hub in self.hubs.items() if of == owner},
            {hub_id: timestamp(gone.deleted_at) for (of, hub_id), gone in self.graves.items() if of == owner},
        )

    def _stored(self, hub: Hub) -> Hub:
        etag = self._etag()
        if self._through_json:
            return codec.hub_from(Row(codec.hub_entity(hub), etag))
        return replace(hub, etag=etag)

    def stored_notice(self, pending: Pending) -> Pending:
        """As its row says, with an ETag of its own."""
        etag = self._etag()
        if self._through_json:
            return codec.pending_from(Row(codec.pending_entity(pending), etag))
        return replace(pending, etag=etag)

    def _etag(self) -> str:
        return f'W/"hub-{next(self._etags)}"'

    def _check_inserts(self, change: HubChange) -> None:
        hub = change.hub
        taken = self.history.get((hub.owner, hub.id), {})
        if any(event.seq in taken for event in change.events) or any(
            (notice.owner, notice.hub_id, notice.seq) in self.outbox for notice in change.notices
        ):
            raise ConcurrentUpdate(f"The history of hub {hub.name}")

    def _check_new_id(self, change: HubChange) -> None:
        owner, hub_id = change.hub.owner, change.hub.id
        taken = self.history.get((owner, hub_id), {})
        if any(event.seq in taken for event in change.events) or any(
            (owner, operation.hub_id, operation.generation) in self.operations for operation in change.operations
        ):
            raise RetryableError("HubIdTaken", "Send the request again.", retry_after_s=1)

    def _store(self, change: HubChange) -> Hub:
        hub = self._stored(change.hub)
        self.hubs[hub.owner, hub.name] = hub
        history = self.history.setdefault((hub.owner, hub.id), {})
        history.update({event.seq: event for event in change.events})
        for operation in change.operations:
            self.operations[hub.owner, operation.hub_id, operation.generation] = operation
        for notice in change.notices:
            self.outbox[notice.owner, notice.hub_id, notice.seq] = self.stored_notice(Pending(notice=notice))
        if change.idempotency is not None:
            self.idempotencies[hub.owner, change.idempotency.key] = change.idempotency
        return hub


class FakeOutbox:
    """`Outbox` over the rows of a FakeHubStore, which writes them with its changes."""

    def __init__(self, hubs: FakeHubStore, tape: Tape | None = None) -> None:
        self.tape = tape or Tape()
        self._hubs = hubs

    @property
    def rows(self) -> dict[tuple[str, str, int], Pending]:
        """By owner, hub id and number."""
        return self._hubs.outbox

    async def get(self, owner: str, hub_id: str, seq: int) -> Pending | None:
        self.tape.begin("outbox.get")
        return self.rows.get((owner, hub_id, seq))

    async def save(self, pending: Pending) -> Pending:
        self.tape.begin("outbox.save")
        if pending.etag is None:
            raise FatalError("NotStored", "A notice that was never read cannot be saved.")
        key = _notice_key(pending)
        if key not in self.rows or self.rows[key].etag != pending.etag:
            raise ConcurrentUpdate(f"Notice {pending.notice.id}")
        self.rows[key] = stored = self._hubs.stored_notice(pending)
        self.tape.wrote("outbox.save")
        return stored

    async def put(self, pending: Pending) -> bool:
        self.tape.begin("outbox.put")
        if _notice_key(pending) in self.rows:
            return False
        self.rows[_notice_key(pending)] = self._hubs.stored_notice(pending)
        self.tape.wrote("outbox.put")
        return True

    async def done(self, owner: str, hub_id: str, seq: int, *, etag: str | None = None) -> None:
        self.tape.begin("outbox.done")
        there = self.rows.get((owner, hub_id, seq))
        if there is None:
            return
        if etag is not None and there.etag != etag:
            raise ConcurrentUpdate(f"Notice {there.notice.id}")
        del self.rows[owner, hub_id, seq]
        self.tape.wrote("outbox.done")

    async def older_than(self, moment: datetime) -> Sequence[Pending]:
        self.tape.begin("outbox.older_than")
        return [one for _, one in sorted(self.rows.items()) if (one.next_at or one.notice.at) < moment]


def _notice_key(pending: Pending) -> tuple[str, str, int]:
    return pending.notice.owner, pending.notice.hub_id, pending.notice.seq


@dataclass(frozen=True)
class QueuedText:
    """A message nobody could read yet, as it was put back."""

    text: str
    visible_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class QueuedNotice:
    ref: NoticeRef
    visible_at: datetime


class FakeNoticeQueue:
    """`NoticeQueue` in virtual time. `sent` is every message ever put, `waiting` what nobody has taken yet, `back` the
    texts that were put back."""

    def __init__(self, clock: Clock, tape: Tape | None = None) -> None:
        self.tape = tape or Tape()
        self._clock = clock
        self.sent: list[QueuedNotice] = []
        self.waiting: list[QueuedNotice] = []
        self.back: list[QueuedText] = []

    async def put(self, ref: NoticeRef, *, delay_s: float = 0) -> None:
        self.tape.begin("notices.put")
        queued = QueuedNotice(ref, _visible_at(self._clock, delay_s))
        self.sent.append(queued)
        self.waiting.append(queued)
        self.tape.wrote("notices.put")

    async def put_back(self, text: str, *, delay_s: float, life_s: float) -> None:
        self.tape.begin("notices.put_back")
        self.back.append(_put_back(self._clock, text, delay_s, life_s))
        self.tape.wrote("notices.put_back")

    def take_text(self) -> str | None:
        """As FakeQueue.take_text."""
        return _take_text(self._clock, self.back)

    def next_visible_at(self) -> datetime | None:
        """When the next message can be taken (maybe already); None when nothing waits."""
        return min((queued.visible_at for queued in self.waiting), default=None)

    def take(self) -> NoticeRef | None:
        """Takes the message that became visible first; None when none is visible yet."""
        visible = [queued for queued in self.waiting if queued.visible_at <= self._clock.now()]
        if not visible:
            return None
        first = min(visible, key=lambda queued: queued.visible_at)
        self.waiting.remove(first)
        return first.ref


class FakeIndex:
    """`HubIndex` in memory."""

    def __init__(self, tape: Tape | None = None) -> None:
        self.tape = tape or Tape()
        self.entries: dict[str, IndexEntry] = {}

    async def put(self, entry: IndexEntry) -> None:
        self.tape.begin("index.put")
        self.entries[entry.hub_id] = entry
        self.tape.wrote("index.put")

    async def find(self, hub_id: str) -> IndexEntry | None:
        self.tape.begin("index.find")
        return self.entries.get(hub_id)

    async def remove(self, hub_id: str) -> None:
        self.tape.begin("index.remove")
        if self.entries.pop(hub_id, None) is not None:
            self.tape.wrote("index.remove")

    async def list(self) -> Sequence[IndexEntry]:
        self.tape.begin("index.list")
        return [entry for _, entry in sorted(self.entries.items())]


@dataclass(frozen=True)
class Queued:
    message: Message | DueBatch
    visible_at: datetime

    @property
    def hub_message(self) -> Message:
        """For a test that knows that it is about one hub."""
        assert isinstance(self.message, Message)
        return self.message


class FakeQueue:
    """`WorkQueue` in virtual time. `sent` is every message ever put, `waiting` what nobody has taken yet, `back` the
    texts that were put back.

    Due rows go through the text of their messages, so that many of them are as many messages as on the real queue."""

    def __init__(self, clock: Clock, tape: Tape | None = None) -> None:
        self.tape = tape or Tape()
        self._clock = clock
        self.sent: list[Queued] = []
        self.waiting: list[Queued] = []
        self.back: list[QueuedText] = []

    async def put(self, message: Message, *, delay_s: float = 0) -> None:
        self.tape.begin("queue.put")
        self._put(message, _visible_at(self._clock, delay_s))
        self.tape.wrote("queue.put")

    async def put_due(self, rows: Sequence[DueRow]) -> None:
        self.tape.begin("queue.put_due")
        for text in messages.encode_due(rows):
            self._put(messages.decode(text), self._clock.now())
            self.tape.wrote("queue.put_due")

    async def put_back(self, text: str, *, delay_s: float, life_s: float) -> None:
        self.tape.begin("queue.put_back")
        self.back.append(_put_back(self._clock, text, delay_s, life_s))
        self.tape.wrote("queue.put_back")

    def take_text(self) -> str | None:
        """Takes a text that was put back, once it is visible and while it lives; None when there is none."""
        return _take_text(self._clock, self.back)

    def _put(self, message: Message | DueBatch, visible_at: datetime) -> None:
        queued = Queued(message, visible_at)
        self.sent.append(queued)
        self.waiting.append(queued)

    def next_visible_at(self) -> datetime | None:
        """When the next message can be taken (maybe already); None when nothing waits."""
        return min((queued.visible_at for queued in self.waiting), default=None)

    def take(self) -> Message | DueBatch | None:
        """Takes the message that became visible first; None when none is visible yet."""
        visible = [queued for queued in self.waiting if queued.visible_at <= self._clock.now()]
        if not visible:
            return None
        first = min(visible, key=lambda queued: queued.visible_at)
        self.waiting.remove(first)
        return first.message

    def take_message(self) -> Message:
        """The same, for a test that knows that a message about a hub is there."""
        message = self.take()
        assert isinstance(message, Message)
        return message


class FakeDue:
    """`DueTable` in memory, with the buckets and the watermark of the real one. `examined` counts rows looked at."""

    def __init__(self, tape: Tape | None = None) -> None:
        self.tape = tape or Tape()
        self.rows: dict[tuple[object, ...], DueRow] = {}
        self.watermark: datetime | None = None
        self.examined = 0

    async def put(self, row: DueRow) -> None:
        self.tape.begin("due.put")
        self.rows[self._key(row)] = row
        self.tape.wrote("due.put")

    async def due(self, now: datetime) -> Sequence[DueRow]:
        self.tape.begin("due.due")
        since = self.watermark if self.watermark is not None else now - FIRST_LOOK_BACK
        first, second = _hour(min(since, now) - LATE), _second(now)
        window = [row for row in self.rows.values() if first <= _hour(row.at) and _second(row.at) <= second]
        self.examined += len(window)
        return sorted((row for row in window if row.at <= now), key=lambda row: row.at)

    async def overlooked(self, before: datetime) -> Sequence[DueRow]:
        self.tape.begin("due.overlooked")
        last = _hour(before - timedelta(hours=1))
        return sorted((row for row in self.rows.values() if _hour(row.at) <= last), key=lambda row: row.at)

    async def move(self, rows: Sequence[DueRow], at: datetime) -> None:
        self.tape.begin("due.move")
        moved = [replace(row, at=at) for row in rows]
        for row in rows:
            self.rows.pop(self._key(row), None)
        self.rows.update({self._key(row): row for row in moved})
        if rows:
            self.tape.wrote("due.move")

    async def forget(self, rows: Sequence[DueRow]) -> None:
        self.tape.begin("due.forget")
        for row in rows:
            self.rows.pop(self._key(row), None)
        if rows:
            self.tape.wrote("due.forget")

    async def advance_watermark(self, now: datetime) -> None:
        self.tape.begin("due.advance_watermark")
        before, self.watermark = self.watermark, now
        if before is None or _hour(before) != _hour(now):
            self.tape.wrote("due.advance_watermark")

    @staticmethod
    def _key(row: DueRow) -> tuple[object, ...]:
        return _second(row.at), row.hub_id, row.kind, row.generation, row.pass_number


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


def _visible_at(clock: Clock, delay_s: float) -> datetime:
    return clock.now() + timedelta(seconds=max(0.0, delay_s))


def _put_back(clock: Clock, text: str, delay_s: float, life_s: float) -> QueuedText:
    assert life_s > delay_s, "storage refuses a message that is gone before it is visible"
    return QueuedText(text, _visible_at(clock, delay_s), _visible_at(clock, life_s))


def _take_text(clock: Clock, back: list[QueuedText]) -> str | None:
    now = clock.now()
    back[:] = [queued for queued in back if queued.expires_at > now]
    visible = sorted((queued for queued in back if queued.visible_at <= now), key=lambda queued: queued.visible_at)
    if not visible:
        return None
    back.remove(visible[0])
    return visible[0].text


class FakeLogs:
    """`LogStore` in memory: bytes by offset; the first bytes written at an offset stay."""

    def __init__(self, tape: Tape | None = None) -> None:
        self.tape = tape or Tape()
        self._bytes: dict[str, dict[int, int]] = {}

    async def append(self, hub_id: str, offset: int, data: bytes) -> None:
        self.tape.begin("logs.append")
        if not data:
            return
        log = self._bytes.setdefault(hub_id, {})
        for position, byte in enumerate(data, start=offset):
            log.setdefault(position, byte)
        self.tape.wrote("logs.append")

    async def read(self, hub_id: str, offset: int, *, limit: int = 1 << 20) -> bytes:
        self.tape.begin("logs.read")
        log = self._bytes.get(hub_id, {})
        found = bytearray()
        while len(found) < limit and (byte := log.get(offset + len(found))) is not None:
            found.append(byte)
        return bytes(found)


class FakeTokens:
    """`TokenStore` in memory, without the cache."""

    def __init__(self, clock: Clock, tape: Tape | None = None) -> None:
        self.tape = tape or Tape()
        self._clock = clock
        self.rows: dict[str, tuple[TokenRecord, str]] = {}

    async def issue(self, record: TokenRecord, secret_sha256: str) -> None:
        self.tape.begin("tokens.issue")
        if record.id in self.rows:
            raise FatalError("TokenIdTaken", "A token with this id was issued before.")
        self.rows[record.id] = (record, secret_sha256)
        self.tape.wrote("tokens.issue")

    async def verify(self, token_id: str, secret_sha256: str) -> TokenRecord | None:
        self.tape.begin("tokens.verify")
        found = self.rows.get(token_id)
        if found is None or not hmac.compare_digest(found[1].encode(), secret_sha256.encode()):
            return None
        record = found[0]
        return None if record.expires_at is not None and self._clock.now() >= record.expires_at else record

    async def list(self) -> Sequence[TokenRecord]:
        self.tape.begin("tokens.list")
        return [record for _, (record, _) in sorted(self.rows.items())]

    async def revoke(self, token_id: str) -> bool:
        self.tape.begin("tokens.revoke")
        if self.rows.pop(token_id, None) is None:
            return False
        self.tape.wrote("tokens.revoke")
        return True


class FakeCache:
    """`Cache` in memory; values go through JSON as in the real one."""

    def __init__(self, clock: Clock, tape: Tape | None = None) -> None:
        self.tape = tape or Tape()
        self._clock = clock
        self.rows: dict[str, tuple[str, datetime]] = {}

    async def get(self, key: str, *, max_age_s: float) -> object | None:
        self.tape.begin("cache.get")
        found = self.rows.get(key)
        if found is None or (self._clock.now() - found[1]).total_seconds() > max_age_s:
            return None
        value: object = json.loads(found[0])
        return value

    async def put(self, key: str, value: object) -> None:
        self.tape.begin("cache.put")
        self.rows[key] = (json.dumps(value), self._clock.now())
        self.tape.wrote("cache.put")


class FakeGateRow:
    """`GateRow` in memory; the state goes through JSON as in the real one. `requests` were made so far."""

    def __init__(self, tape: Tape | None = None) -> None:
        self.tape = tape or Tape()
        self.requests = 0
        self._text: str | None = None
        self._version = 0

    @property
    def state(self) -> GateState:
        """As all processes would read it now."""
        return GateState.from_document(json.loads(self._text)) if self._text else GateState()

    async def read(self) -> tuple[GateState, str | None]:
        self.requests += 1
        self.tape.begin("gate.read")
        return self.state, str(self._version) if self._text else None

    async def write(self, state: GateState, etag: str | None) -> str:
        self.requests += 1
        self.tape.begin("gate.write")
        if etag != (str(self._version) if self._text else None):
            raise ConcurrentUpdate("The gate's row")
        self._text, self._version = json.dumps(state.document()), self._version + 1
        self.tape.wrote("gate.write")
        return str(self._version)


class FakeIdentity:
    """`DeploymentIdentity` that was made long ago."""

    def __init__(self, deployment_id: str = "fakedeployment") -> None:
        self.deployment_id = deployment_id

    async def get(self) -> str:
        return self.deployment_id


PORTS = (
    *("hubs", "index", "queue", "due", "logs", "secrets", "tokens", "cache", "identity", "outbox", "notices"),
    *("sink_store", "chat"),
)


@dataclass(frozen=True)
class FakeStorage:
    """All storage fakes of one world, sharing one tape."""

    tape: Tape
    hubs: FakeHubStore
    index: FakeIndex
    queue: FakeQueue
    due: FakeDue
    logs: FakeLogs
    secrets: FakeSecrets
    tokens: FakeTokens
    cache: FakeCache
    identity: FakeIdentity
    outbox: FakeOutbox
    notices: FakeNoticeQueue
    sink_store: FakeSinkStore
    chat: FakeChatStore

    def ports(self) -> Mapping[str, object]:
        """The fields of `App` that these fakes fill."""
        return {name: getattr(self, name) for name in PORTS}


def fake_storage(clock: Clock, tape: Tape | None = None, *, through_json: bool = True) -> FakeStorage:
    tape = tape or Tape()
    secrets = FakeSecrets(tape)
    hubs = FakeHubStore(secrets=secrets, tape=tape, through_json=through_json)
    return FakeStorage(
        tape=tape,
        hubs=hubs,
        index=FakeIndex(tape),
        queue=FakeQueue(clock, tape),
        due=FakeDue(tape),
        logs=FakeLogs(tape),
        secrets=secrets,
        tokens=FakeTokens(clock, tape),
        cache=FakeCache(clock, tape),
        identity=FakeIdentity(),
        outbox=FakeOutbox(hubs, tape),
        notices=FakeNoticeQueue(clock, tape),
        sink_store=FakeSinkStore(tape),
        chat=FakeChatStore(clock, tape),
    )
