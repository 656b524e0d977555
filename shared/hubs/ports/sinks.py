"""Who is told of what happens to hubs: sinks, owners' web hooks, and the way out to other people's servers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared.clock import http_date
from shared.errors import HubletError
from shared.hubs.model import Notice
from shared.hubs.ports.storage import UnreadableRow


class Sink(Protocol):
    """One kind of receiver. Each notice has its own state for every target of every sink, so that a target that is down
    delays nobody else, and nobody hears a notice again because another did not."""

    name: str
    """Lower case, without `:`. A target of its own is named `<name>:<target>` in the outbox."""

    async def targets(self, notice: Notice) -> Sequence[str]:
        """Whom of its receivers this notice is for; none = nobody, "" = it has only one, never "*". Asked once; the
        outbox keeps the answer. Raises as `deliver`; then it is asked again."""
        ...

    async def deliver(self, notice: Notice, target: str) -> None:
        """Tells it. May be called twice for the same notice. Returns also when the notice is out of date, and nothing
        need be told any more. Raises RetryableError to be asked again later (`retry_after_s` is honoured); any other
        HubletError = this target will never take this notice, but for ConcurrentUpdate and RowTooNew, which say nothing
        about it. Has a time limit."""
        ...

    async def gave_up(self, notice: Notice, target: str, error: HubletError) -> None:
        """The notice was not delivered to this target and will not be tried again. Twice is once. Raises RetryableError
        when that could not be noted: then the target is asked once more half an hour later."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkRecord:
    """An owner's web hook. `events`: the kinds it hears (`ready`, `stopping-soon`, ...), none = all. `previous_secret`
    signs beside `secret` until `previous_until` (rotation). `everybody`: hears of all owners' hubs (admins only).
    `locked`: the code of why its URL and secrets cannot be opened (`SealKeyUnknown`: their key is not given any more;
    `SealBroken`: another key under its id, or changed); they are empty then, and a save leaves them as they are
    stored. `carried` is storage's own, as a hub's."""

    id: str
    owner: str
    url: str = field(repr=False)
    secret: str = field(repr=False)
    created_at: datetime
    created_by: str
    events: tuple[str, ...] = ()
    description: str = ""
    everybody: bool = False
    previous_secret: str | None = field(default=None, repr=False)
    previous_until: datetime | None = None
    disabled_at: datetime | None = None
    disabled_why: str = ""
    locked: str = ""
    etag: str | None = None
    carried: object = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedDelivery:
    """A notice one web hook never took. Kept 30 days, or until it is redelivered. `etag`: of the entry it was read
    from; what it tells of is the same under another."""

    sink_id: str
    notice: Notice
    failed_at: datetime
    code: str
    message: str
    etag: str | None = field(default=None, compare=False)


class SinkExists(Exception):
    """A sink of this id is there already."""


class SinkStore(Protocol):
    """Table `sinks`. URL and secrets are stored sealed: a URL may be a secret by itself. One that does not open is
    told as `locked`; any other that cannot be read is a FatalError to `get` and left out of lists."""

    async def create(self, record: SinkRecord) -> SinkRecord:
        """Returns it with its ETag. Raises SinkExists."""
        ...

    async def get(self, owner: str, sink_id: str) -> SinkRecord | None: ...
    async def list(self, owner: str) -> Sequence[SinkRecord]:
        """By id."""
        ...

    async def hearing(self, owner: str) -> Sequence[SinkRecord]:
        """The owner's sinks and those that hear everybody, disabled ones too. May be up to 60 s old."""
        ...

    async def unreadable(self) -> Sequence[UnreadableRow]:
        """All owners' that are locked or cannot be read (`name` is the id), but for those that a newer release can
        read. For the hourly audit only."""
        ...

    async def save(self, record: SinkRecord) -> SinkRecord:
        """Replaces by ETag. Raises ConcurrentUpdate."""
        ...

    async def remove(self, owner: str, sink_id: str) -> bool:
        """With its failed deliveries. False = it was not there."""
        ...

    async def add_failed(self, owner: str, failed: FailedDelivery) -> None:
        """`owner` is the sink's. Twice = the second replaces the first."""
        ...

    async def failed(self, owner: str, sink_id: str) -> Sequence[FailedDelivery]:
        """Oldest first, at most 1000."""
        ...

    async def remove_failed(self, owner: str, failed: FailedDelivery) -> None:
        """Absent is fine, and an entry that was replaced since this one was read stays. Raises FatalError `NotStored`
        for one that was never read."""
        ...

    async def forget_old(self, now: datetime) -> int:
        """Removes failed deliveries older than 30 days; returns how many."""
        ...


@dataclass(frozen=True, slots=True)
class Answered:
    """What somebody else's server answered. `body`: at most its first 64 KiB. Header names are lower case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def retry_after_s(self) -> float | None:
        """Of `Retry-After`: seconds, or a date, which is compared with the answer's own `Date` (no clock of ours is
        asked). None when there is none, or it is neither. May be years: who honours it sets the limit."""
        value = self.headers.get("retry-after", "")
        if value.isascii() and value.isdecimal():
            return float(value[:_DIGITS])
        until, now = http_date(value), http_date(self.headers.get("date"))
        return max(0.0, (until - now).total_seconds()) if until is not None and now is not None else None


_DIGITS = 9
"""Of a number of seconds: what is cut from a longer one leaves a pause of years still."""


class Outbound(Protocol):
    """The only way to a URL that somebody gave us: https alone, addresses checked after resolution and then used, no
    redirect followed, no proxy from the environment, a time limit, a limit on what is read."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, limit_s: float = 8.0) -> Answered:
        """Any status is an answer. Raises RetryableError (`Unreachable`, `TimedOut`) and UserError `AddressNotAllowed`,
        in whose text nothing of the URL but its host stands."""
        ...

    def check(self, url: str) -> None:
        """What can be known without asking anybody: scheme, port, user info, a literal address. Raises UserError
        `AddressNotAllowed`."""
        ...
