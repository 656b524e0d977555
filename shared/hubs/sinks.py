"""Owners' web hooks: made, shown, rotated, removed; what one did not take is sent again.

Somebody else's web hook answers like one that is not there, for admins too: its URL may be a secret.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from shared.errors import ConcurrentUpdate, FatalError, UserError
from shared.hubs import notify
from shared.hubs.alerts import alert
from shared.hubs.model import Principal
from shared.hubs.ports import FailedDelivery, SinkExists, SinkRecord
from shared.hubs.sink_rules import LOCKED, LOCKED_FIX, SINK, secret_of, target_of

if TYPE_CHECKING:
    from shared.app import App

OLD_SECRET_LIFE = timedelta(hours=24)
"""How long receivers have to learn a new secret."""

MAX_REDELIVERED = 200
"""In one request, which has 20 s: each takes three writes."""

_SAVES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """`secret` None = one is made."""

    url: str = field(repr=False)
    events: tuple[str, ...] = ()
    description: str = ""
    everybody: bool = False
    secret: str | None = field(default=None, repr=False)


async def create_sink(app: "App", principal: Principal, wanted: Wanted) -> SinkRecord:
    """A new web hook with its secret. Raises UserError `AddressNotAllowed`, `Forbidden`, `SinkQuotaExceeded`."""
    if wanted.everybody and not principal.is_admin:
        raise UserError("Forbidden", "Only admins hear of everybody's hubs.", fix="Leave `everybody` out.")
    app.outbound.check(wanted.url)
    limit = app.settings.max_sinks_per_owner
    if len(await app.sink_store.list(principal.owner)) >= limit:
        raise _too_many(limit)
    record = SinkRecord(
        id=app.entropy.hub_suffix() + app.entropy.hub_suffix(),
        owner=principal.owner,
        url=wanted.url,
        secret=wanted.secret or secret_of(app.entropy.secret(256)),
        created_at=app.clock.now(),
        created_by=principal.owner,
        events=wanted.events,
        description=wanted.description,
        everybody=wanted.everybody,
    )
    try:
        created = await app.sink_store.create(record)
    except SinkExists:  # once in 2^60
        raise FatalError("SinkIdTaken", "A web hook of this id is there already.") from None
    if len(await app.sink_store.list(principal.owner)) > limit:  # two requests at the same moment saw room for one
        await app.sink_store.remove(principal.owner, created.id)
        raise _too_many(limit)
    return created


async def list_sinks(app: "App", principal: Principal) -> Sequence[SinkRecord]:
    """The principal's own, by id."""
    return await app.sink_store.list(principal.owner)


async def find_sink(app: "App", principal: Principal, sink_id: str) -> SinkRecord:
    """Raises UserError `SinkNotFound`."""
    record = await app.sink_store.get(principal.owner, sink_id)
    if record is None:
        raise _not_found()
    return record


def _may_use(principal: Principal, record: SinkRecord) -> SinkRecord:
    """What everybody's hubs told is for admins, and so is the secret that makes it believed. An owner may have tokens
    of both roles, and the one of a user is no way to what the admin hears.

    Raises UserError `Forbidden`.
    """
    if record.everybody and not principal.is_admin:
        raise UserError("Forbidden", "This web hook hears of everybody's hubs: that is for admins.")
    return record


def _opened(record: SinkRecord) -> SinkRecord:
    """Raises UserError `SinkLocked`: a new secret would be good for a URL that nobody knows."""
    if record.locked:
        raise UserError("SinkLocked", LOCKED, fix=LOCKED_FIX)
    return record


async def remove_sink(app: "App", principal: Principal, sink_id: str) -> None:
    """With its failed deliveries. Raises UserError `SinkNotFound`."""
    if not await app.sink_store.remove(principal.owner, sink_id):
        raise _not_found()


async def rotate_secret(app: "App", principal: Principal, sink_id: str) -> SinkRecord:
    """A new secret; the present one signs beside it for OLD_SECRET_LIFE. Of three secrets within that time the first
    one ends at once: only two sign. Raises UserError `SinkNotFound`, `Forbidden`, `SinkLocked`."""
    secret, now = secret_of(app.entropy.secret(256)), app.clock.now()

    def rotated(record: SinkRecord) -> SinkRecord:
        return replace(record, secret=secret, previous_secret=record.secret, previous_until=now + OLD_SECRET_LIFE)

    for _ in range(_SAVES):
        record = _opened(_may_use(principal, await find_sink(app, principal, sink_id)))
        try:
            return await app.sink_store.save(rotated(record))
        except ConcurrentUpdate:
            continue
    raise ConcurrentUpdate(f"Sink {sink_id}")


async def failed_deliveries(app: "App", principal: Principal, sink_id: str) -> Sequence[FailedDelivery]:
    """Oldest first. Raises UserError `SinkNotFound`, `Forbidden`."""
    record = _may_use(principal, await find_sink(app, principal, sink_id))
    return await app.sink_store.failed(record.owner, record.id)


@dataclass(frozen=True, slots=True)
class Redelivered:
    """`left`: failed ones that are still in the list, because they were too many for one request."""

    count: int
    left: int


async def redeliver(app: "App", principal: Principal, sink_id: str, notice_id: str | None) -> Redelivered:
    """Puts failed notices into the outbox again, oldest first, and enables the web hook. None = all of them.

    Twice is once for those that are on their way. Raises UserError `SinkNotFound`, `Forbidden`, `SinkLocked`,
    `DeliveryNotFound`.
    """
    record = _opened(_may_use(principal, await find_sink(app, principal, sink_id)))
    failed = await app.sink_store.failed(record.owner, record.id)
    chosen = [one for one in failed if notice_id in (None, one.notice.id)]
    if notice_id is not None and not chosen:
        raise UserError("DeliveryNotFound", "This web hook has no failed notice of that id.")
    await _enable(app, record)
    for one in chosen[:MAX_REDELIVERED]:
        # In this order: whoever dies in between sends a notice twice, never not at all.
        await notify.redeliver(app, one.notice, f"{SINK}:{target_of(record)}")
        # What was refused for good by now is a new entry, which stays.
        await app.sink_store.remove_failed(record.owner, one)
    return Redelivered(min(len(chosen), MAX_REDELIVERED), max(0, len(chosen) - MAX_REDELIVERED))


async def _enable(app: "App", record: SinkRecord | None) -> None:
    while record is not None and record.disabled_at is not None:
        try:
            await app.sink_store.save(replace(record, disabled_at=None, disabled_why=""))
            return
        except ConcurrentUpdate:
            record = await app.sink_store.get(record.owner, record.id)


_MENDS = {
    "SealKeyUnknown": "Give the key that sealed it back in HUBLET_SEAL_KEYS, after the newest one.",
    "SealBroken": "A key in HUBLET_SEAL_KEYS has other bytes under its old id, or somebody wrote into the table.",
}


async def tell_of_unreadable(app: "App") -> None:
    """An alert for each web hook that nobody can open, at every audit while that lasts: its owner hears
    of nothing meanwhile, and only who runs the service has the keys. Raises RetryableError."""
    for row in await app.sink_store.unreadable():
        await alert(
            app,
            f"WebHookUnreadable/{row.name}",
            f"Web hook {row.name} of {row.owner} cannot be opened ({row.code}): it is sent nothing. "
            f"{_MENDS.get(row.code, 'Its row is damaged: its owner must make it again.')}",
            owner=row.owner,
            sink=row.name,
            code=row.code,
        )


def _too_many(limit: int) -> UserError:
    return UserError(
        "SinkQuotaExceeded", f"You have {limit} web hooks, which is as many as you may have.", fix="Delete one first."
    )


def _not_found() -> UserError:
    return UserError("SinkNotFound", "You have no web hook of that id.")
