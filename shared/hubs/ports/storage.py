"""Storage: what the domain asks of tables and queues."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared.hubs.gate_state import GateState
from shared.hubs.model import Event, Hub, Message, Notice, Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """An owner's hubs by name -> hub id, and what hubs that are gone have cost, US dollars by month (`2026-11`).
    `etag` None = no row yet. `carried` is storage's own, as a hub's."""

    owner: str
    hubs: Mapping[str, str] = field(default_factory=dict)
    spent: Mapping[str, float] = field(default_factory=dict)
    etag: str | None = None
    carried: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """A remembered answer. `key` is the hash of caller, route and header; `body_sha256` of the canonical body."""

    key: str
    body_sha256: str
    hub_id: str
    hub_name: str
    generation: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HubChange:
    """One entity group transaction in the owner's partition."""

    hub: Hub
    events: tuple[Event, ...] = ()
    operations: tuple[Operation, ...] = ()
    notices: tuple[Notice, ...] = ()
    idempotency: Idempotency | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """What stays readable of a deleted hub for 30 days."""

    hub: Hub
    deleted_at: datetime


class QuotaChanged(Exception):
    """The quota row changed between read and transaction: read again, decide again."""


class HubExists(Exception):
    """A hub row of that name is already there."""


class IdempotencyKeyTaken(Exception):
    """The idempotency row appeared meanwhile: read it and answer from it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableRow:
    """A hub's row, or a web hook's, that cannot be read (a newer version's, a damaged one). `name`: the hub's name, or
    the web hook's id. `code` says why."""

    owner: str
    name: str
    code: str


class HubStore(Protocol):
    """Table `hubs`: the truth. Every write is conditional on an ETag."""

    async def admission(
        self, owner: str, idempotency_key: str | None, *, fresh: bool = False
    ) -> tuple[Quota, Idempotency | None]:
        """Quota row and, when a key is given, its idempotency row: one wait.

        The quota may be one this process saw earlier, unless `fresh`: refuse nobody because of an old one. Writing it
        back is safe in any case, because it is done on its ETag.
        """
        ...

    async def create(self, change: HubChange, quota: Quota, idempotency: Idempotency | None) -> Hub:
        """hub + operation + first event + quota + idempotency in one transaction.

        `quota` is the new content with the ETag that was read. Raises QuotaChanged, HubExists, IdempotencyKeyTaken.
        An unknown outcome (timeout) is read back before it raises RetryableError.
        """
        ...

    async def get(self, owner: str, name: str) -> Hub | None: ...
    async def list(self, owner: str) -> Sequence[Hub]:
        """By name. A row that cannot be read is left out, with an error in the log."""
        ...

    async def commit(self, change: HubChange) -> Hub:
        """Saves hub (by its etag), events, operations and notices, inserts the idempotency record; returns the hub
        with its new etag. Raises ConcurrentUpdate, IdempotencyKeyTaken."""
        ...

    async def bury(self, change: HubChange) -> None:
        """One transaction: removes `hub!<name>`, inserts `gone!<hub id>`, saves events, operations and notices, lowers
        the quota (and adds to it what the hub cost in each month), removes the secrets. Raises ConcurrentUpdate.
        Twice = the second finds nothing and does nothing."""
        ...

    async def gone(self, owner: str, hub_id: str) -> Gone | None: ...
    async def operation(self, owner: str, hub_id: str, generation: int) -> Operation | None: ...
    async def events(self, owner: str, hub_id: str, *, top: int = 500) -> Sequence[Event]: ...
    def everything(self) -> AsyncIterator[Hub | UnreadableRow]:
        """Every hub of every owner, page by page: for the hourly audit only, its cost follows how many there are."""
        ...

    async def forget_old(self, now: datetime) -> int:
        """Removes rows past their keep time: events 90 days after they happened or 30 after their hub was deleted,
        `gone!` 30, operations 30 after they ended (but for the hub's present one), idempotency 7. At most 100 in one
        transaction; returns how many. Reads keys and times of the whole table. Twice = the second finds nothing."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """How far one target of one notice is. `next_at`: when it is asked (again); None = it is done with, well or not.
    `since`: from when its time counts until it is given up, if not from when the notice was made (redelivery)."""

    tries: int = 0
    next_at: datetime | None = None
    code: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A notice in the outbox. `deliveries` by target (`<sink>` or `<sink>:<target>`; `<sink>:*` = the sink could not
    say yet); None = nobody looked yet whom it is for. `carried` is storage's own, as a hub's."""

    notice: Notice
    deliveries: Mapping[str, Delivery] | None = None
    etag: str | None = None
    carried: object = field(default=None, repr=False)

    @property
    def next_at(self) -> datetime | None:
        """When the first target is to be asked; None = all are done with. Nobody looked yet: when it was made."""
        if self.deliveries is None:
            return self.notice.at
        return min((one.next_at for one in self.deliveries.values() if one.next_at is not None), default=None)


class Outbox(Protocol):
    """Rows `outbox!<hub id>!<seq>`: written with the change they tell of, removed when every target is done with."""

    async def get(self, owner: str, hub_id: str, seq: int) -> Pending | None: ...
    async def save(self, pending: Pending) -> Pending:
        """Replaces by ETag. Raises ConcurrentUpdate, also when it was removed meanwhile."""
        ...

    async def put(self, pending: Pending) -> bool:
        """Inserts one again that was removed (redelivery). False = one of that number is there; it is left as it is."""
        ...

    async def done(self, owner: str, hub_id: str, seq: int, *, etag: str | None = None) -> None:
        """Removes it; absent is fine. Raises ConcurrentUpdate when it is not of this `etag` any more."""
        ...

    async def older_than(self, moment: datetime) -> Sequence[Pending]:
        """Those that should have been looked at before `moment` (`next_at`), of all owners: a scan of the table, for
        the hourly audit only. Those that cannot be read are left out, with an error in the log."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRef:
    """What travels on `hub-notify`. `first_seen`: a message whose row is not there a minute later is dropped."""

    owner: str
    hub_id: str
    seq: int
    first_seen: datetime


class NoticeQueue(Protocol):
    """Queue `hub-notify`."""

    async def put(self, ref: NoticeRef, *, delay_s: float = 0) -> None: ...
    async def put_back(self, text: str, *, delay_s: float, life_s: float) -> None:
        """As `WorkQueue.put_back`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    hub_id: str
    owner: str
    name: str
    state: str


class HubIndex(Protocol):
    """Table `index`: hub id -> owner and name. Written by the first pass, before any ARM call."""

    async def put(self, entry: IndexEntry) -> None: ...
    async def find(self, hub_id: str) -> IndexEntry | None: ...
    async def remove(self, hub_id: str) -> None: ...
    async def list(self) -> Sequence[IndexEntry]: ...


class WorkQueue(Protocol):
    """Queue `hub-work`."""

    async def put(self, message: Message, *, delay_s: float = 0) -> None: ...
    async def put_due(self, rows: "Sequence[DueRow]") -> None:
        """One message for some 250 due rows (as many messages as their size needs): a worker drives each of them.
        `rows` as they will stand in the due table, where the worker looks for them. No rows = no message."""
        ...

    async def put_back(self, text: str, *, delay_s: float, life_s: float) -> None:
        """A message this release cannot read yet, as it came: visible after `delay_s`, gone after `life_s` (longer than
        `delay_s`) if nobody took it. Twice = two messages."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRow:
    """ "Look at this hub at `at`." One that matches nothing is a no-op."""

    at: datetime
    hub_id: str
    owner: str
    name: str
    kind: str
    generation: int
    pass_number: int


class DueTable(Protocol):
    """Table `due`, time-bucketed: partition = UTC hour, row = second + hub + kind + pass. A row is written before its
    time, or at most minutes late (an adapter says how many): one that comes later is the hourly audit's."""

    async def put(self, row: DueRow) -> None: ...
    async def due(self, now: datetime) -> Sequence[DueRow]:
        """Rows at or before `now` from the watermark's bucket on (and from the one before it while that may still
        grow), oldest first. One query, of the rows up to the present second, when this process ticked minutes ago in
        the same hour; a second one for older buckets else. A clock that was set back skips nothing."""
        ...

    async def overlooked(self, before: datetime) -> Sequence[DueRow]:
        """Every row of the buckets before that of `before`, oldest first: ticks have passed them by (a clock that was
        ahead moved the watermark, or they were written late). For the hourly audit."""
        ...

    async def move(self, rows: Sequence[DueRow], at: datetime) -> None:
        """Each row now stands at `at`: one transaction for 50 rows that stay in their bucket, two for 100 that do not;
        made first, deleted second. What is gone already is made. Twice changes nothing."""
        ...

    async def forget(self, rows: Sequence[DueRow]) -> None: ...
    async def advance_watermark(self, now: datetime) -> None:
        """Everything up to `now` was seen. Costs a request only when that changes what `due` would read."""
        ...


class LogStore(Protocol):
    """Table `logs`: the installer log by byte offset. Appending the same bytes twice changes nothing."""

    async def append(self, hub_id: str, offset: int, data: bytes) -> None: ...
    async def read(self, hub_id: str, offset: int, *, limit: int = 1 << 20) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSecrets:
    """Everything secret of one hub; stored sealed. Private keys in OpenSSH PEM, public keys in one line. `carried` is
    storage's own, as a hub's."""

    host_private_key: str = field(repr=False)
    host_public_key: str
    installer_private_key: str = field(repr=False)
    installer_public_key: str
    tunnel_private_key: str = field(repr=False)
    tunnel_public_key: str
    owner_private_key: str | None = field(repr=False)
    owner_public_key: str
    admin_password: str | None = field(repr=False)
    admin_password_hash: str = field(repr=False)
    hub_token: str = field(repr=False)
    acceptance_token: str = field(repr=False)
    acceptance_user: str
    acceptance_password: str = field(repr=False)
    acceptance_password_hash: str = field(repr=False)
    handed_out: Mapping[str, datetime] = field(default_factory=dict)
    handed_to: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None
    carried: object = field(default=None, repr=False)


class SecretStore(Protocol):
    """Row `secret!<hub id>` in the owner's partition, sealed with AES-GCM (associated data = hub id + field)."""

    async def get(self, owner: str, hub_id: str) -> HubSecrets | None: ...
    async def create(self, owner: str, hub_id: str, secrets: HubSecrets) -> HubSecrets:
        """Inserts; when a row is already there, returns that one unchanged (the first writer wins)."""
        ...

    async def save(self, owner: str, hub_id: str, secrets: HubSecrets) -> HubSecrets:
        """Replaces by etag. Raises ConcurrentUpdate."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """An API token as stored: the hash, never the secret."""

    id: str
    owner: str
    role: str
    name: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None


class TokenStore(Protocol):
    """Table `tokens`. A token reads `hlt_<id>_<secret>`; only SHA-256 of the secret is kept."""

    async def issue(self, record: TokenRecord, secret_sha256: str) -> None: ...
    async def verify(self, token_id: str, secret_sha256: str) -> TokenRecord | None:
        """Constant-time comparison; cached 60 s."""
        ...

    async def list(self) -> Sequence[TokenRecord]: ...
    async def revoke(self, token_id: str) -> bool: ...


class Cache(Protocol):
    """Table `cache`: small JSON documents with an age."""

    async def get(self, key: str, *, max_age_s: float) -> object | None: ...
    async def put(self, key: str, value: object) -> None: ...


class GateRow(Protocol):
    """The one row of table `cache` that all processes' gates share."""

    async def read(self) -> tuple[GateState, str | None]:
        """The state and its ETag; a fresh state and None when there is no row."""
        ...

    async def write(self, state: GateState, etag: str | None) -> str:
        """Replaces the row of that ETag (None = inserts it); returns the new ETag. Raises ConcurrentUpdate."""
        ...


class DeploymentIdentity(Protocol):
    """The deployment id: made once in our storage, carried by every Azure resource we make."""

    async def get(self) -> str: ...
