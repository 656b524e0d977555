"""What callers may ask of hubs. Every function is given the principal and decides what it may see and do.

Another owner's hub answers exactly like a missing one (`HubNotFound`).
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from shared.errors import RetryableError, UserError
from shared.hubs import budget
from shared.hubs.dispatch import due_after, work_message
from shared.hubs.goals import operation_of
from shared.hubs.model import (
    HUB_NAME,
    RESERVED_NAME,
    Event,
    Hub,
    HubSpec,
    Operation,
    OperationStatus,
    Price,
    Principal,
)
from shared.hubs.ports import (
    HubChange,
    HubExists,
    Idempotency,
    IdempotencyKeyTaken,
    Quota,
    QuotaChanged,
)
from shared.hubs.states import Goal, HubState

if TYPE_CHECKING:
    from shared.app import App

CREATE_TRIES = 8
"""How often a create is decided again after the quota row changed under it (DESIGN: at most 8)."""

ACCEPT_DELAY_S = 0
"""The row is there some ten milliseconds after its message; a worker that is faster looks again a second later."""


@dataclass(frozen=True, slots=True)
class IdempotencyRequest:
    """`key_sha256` = hash of caller, route and header; `body_sha256` = hash of the canonical body."""

    key_sha256: str
    body_sha256: str

    def record(self, hub: Hub, now: datetime) -> Idempotency:
        """What is remembered of the answer: the hub and its generation."""
        return Idempotency(
            key=self.key_sha256,
            body_sha256=self.body_sha256,
            hub_id=hub.id,
            hub_name=hub.name,
            generation=hub.generation,
            created_at=now,
        )


@dataclass(frozen=True, slots=True)
class Created:
    hub: Hub
    operation: Operation
    replayed: bool = False


def not_found(name: str) -> UserError:
    """The one answer for unknown and for foreign."""
    return UserError(
        "HubNotFound", f"There is no hub '{name}' that you may see.", fix="GET /api/hubs lists the hubs you may see."
    )


# ------------------------------------------------------------------ create


async def create_hub(
    app: "App",
    principal: Principal,
    spec: HubSpec,
    *,
    name: str | None,
    idempotency: IdempotencyRequest | None,
    request_id: str,
    price: Price | None = None,
    thread: str | None = None,
) -> Created:
    """Accepts a hub: durable before it returns, at most 5 storage requests in 3 waits, no Azure call, no keys made.

    The order makes a lost accept impossible: message and due row first, then one transaction. A message whose row
    never comes is dropped after a minute; a row without a message cannot have been acknowledged. `thread`: the chat
    conversation it is asked for in.
    Raises UserError `HubAlreadyExists`, `HubIsBeingDeleted`, `HubQuotaExceeded`, `BudgetExceeded`,
    `IdempotencyKeyReused`, and
    RetryableError when storage does not answer in time, or `AzureSubscriptionDisabled`.
    """
    import asyncio

    owner = principal.owner
    queued: tuple[str, str] | None = None  # hub id and name the message was put for
    fresh = False
    for _ in range(CREATE_TRIES):
        key = idempotency.key_sha256 if idempotency else None
        (quota, remembered), paused = await asyncio.gather(
            app.hubs.admission(owner, key, fresh=fresh), app.gate.refusal()
        )
        if remembered is not None and idempotency is not None:
            return await replay(app, owner, remembered, idempotency)
        if paused is not None:
            raise paused
        if (refusal := await budget.refusal(app, owner)) is not None:
            raise refusal
        chosen = name or _free_name(owner, quota)
        try:
            await check_admission(app, owner, chosen, quota)
        except UserError:
            if fresh:
                raise
            fresh = True  # the quota may be an old one: nobody is refused because of that
            continue
        hub = replace(_new_hub(app, principal, spec, chosen, request_id, price), thread=thread)
        if queued is not None and queued[1] == chosen:
            hub = replace(hub, id=queued[0])
        else:
            await _announce(app, hub)
            queued = (hub.id, chosen)
        event = Event(
            seq=1,
            at=hub.created_at,
            actor=principal.actor,
            kind="state",
            message="The request was accepted and queued.",
            from_state=None,
            to_state=str(hub.state),
        )
        operation = operation_of(hub, OperationStatus.NOT_STARTED)
        record = idempotency.record(hub, hub.created_at) if idempotency else None
        try:
            stored = await app.hubs.create(
                HubChange(hub=hub, events=(event,), operations=(operation,)),
                replace(quota, hubs={**quota.hubs, hub.name: hub.id}),
                record,
            )
        except (QuotaChanged, IdempotencyKeyTaken, HubExists):
            fresh = True
            continue  # a rival was faster: what it wrote is seen at the next reading, and judged there
        return Created(stored, operation)
    raise RetryableError(
        "TooManyConcurrentCreates",
        "Other hubs of this owner were being created at the same moment.",
        fix="Send the request again.",
        retry_after_s=2,
    )


async def _announce(app: "App", hub: Hub) -> None:
    """Queue message and due row, side by side."""
    import asyncio

    await asyncio.gather(
        app.queue.put(work_message(hub, app.clock.now()), delay_s=ACCEPT_DELAY_S),
        app.due.put(due_after(hub, app.clock.now(), ACCEPT_DELAY_S)),
    )


def _new_hub(app: "App", principal: Principal, spec: HubSpec, name: str, request_id: str, price: Price | None) -> Hub:
    now = app.clock.now()
    return Hub(
        owner=principal.owner,
        name=name,
        id=f"{name}-{app.entropy.hub_suffix()}",
        state=HubState.ACCEPTED,
        goal=Goal.RUNNING,
        generation=1,
        pass_number=1,
        spec=spec,
        created_at=now,
        updated_at=now,
        state_since=now,
        created_by=principal.owner,
        request_id=request_id,
        price=price,
        event_seq=1,
    )


def _free_name(owner: str, quota: Quota) -> str:
    """`<owner>-tljh`, then `-2`, `-3`, ...: as the tutorial names the machine after its user."""
    base = "".join(c if c.isascii() and (c.isalnum() or c == "-") else "-" for c in owner.lower().split("@")[0])
    base = base.strip("-")[:20].strip("-") or "hub"
    if not base[0].isalpha():
        base = f"u{base}"[:20].strip("-")
    if RESERVED_NAME.fullmatch(base):
        base = "hub"
    for number in range(1, 1000):
        candidate = f"{base}-tljh" if number == 1 else f"{base}-tljh-{number}"
        if candidate not in quota.hubs and HUB_NAME.fullmatch(candidate):
            return candidate
    raise UserError("HubNameNeeded", "No free default name is left.", fix="Send a `name`.", pointer="/name")


async def check_admission(app: "App", owner: str, name: str | None, quota: Quota) -> None:
    """Raises UserError `HubAlreadyExists`, `HubIsBeingDeleted` or `HubQuotaExceeded`. `name` None = a free one."""
    if name is not None and name in quota.hubs:
        raise await _taken(app, owner, name)
    limit = app.settings.max_hubs_per_owner
    if len(quota.hubs) >= limit:
        raise UserError(
            "HubQuotaExceeded",
            f"You have {len(quota.hubs)} hubs and may have {limit}.",
            fix="Delete a hub you no longer need, or ask whoever runs this service for more.",
        )


async def _taken(app: "App", owner: str, name: str) -> UserError:
    hub = await app.hubs.get(owner, name)
    if hub is None or hub.goal is Goal.DELETED:  # None: it went after the names were read
        return UserError(
            "HubIsBeingDeleted",
            f"A hub named '{name}' is still being deleted.",
            fix="Wait until it is gone, or choose another name.",
            pointer="/name",
        )
    return UserError(
        "HubAlreadyExists",
        f"You already have a hub named '{name}'.",
        fix="Choose another name, or leave `name` out to get a free one.",
        pointer="/name",
    )


async def taken_before(app: "App", owner: str, request: IdempotencyRequest) -> Created | None:
    """The answer that was given to this key and body, None when there is none. Raises as `replay`."""
    _, remembered = await app.hubs.admission(owner, request.key_sha256)
    if remembered is None or not _is_same(remembered, request):
        return None
    return await replay(app, owner, remembered, request)


async def replay(app: "App", owner: str, remembered: Idempotency, request: IdempotencyRequest) -> Created:
    """The answer that was given to the same request. Raises UserError `IdempotencyKeyReused`, `HubNotFound`."""
    if not _is_same(remembered, request):
        raise UserError(
            "IdempotencyKeyReused",
            "This Idempotency-Key was used before with another request body.",
            fix="Use a new key for a new request.",
        )
    hub = await app.hubs.get(owner, remembered.hub_name)
    if hub is None or hub.id != remembered.hub_id:
        gone = await app.hubs.gone(owner, remembered.hub_id)
        if gone is None:
            raise not_found(remembered.hub_name)
        hub = gone.hub
    operation = await app.hubs.operation(owner, remembered.hub_id, remembered.generation)
    if operation is None:
        operation = operation_of(hub, OperationStatus.NOT_STARTED)
    return Created(hub, operation, replayed=True)


def _is_same(remembered: Idempotency, request: IdempotencyRequest) -> bool:
    return hmac.compare_digest(remembered.body_sha256, request.body_sha256)


# ------------------------------------------------------------------ find


async def find_hub(app: "App", principal: Principal, name_or_id: str) -> Hub:
    """The caller's hub by name or id; any hub by id for admins; by id also one that is gone, as it was last, for 30
    days. Raises UserError `HubNotFound` otherwise.

    One point read for a name; more only for something that looks like an id.
    """
    if HUB_NAME.fullmatch(name_or_id):
        hub = await app.hubs.get(principal.owner, name_or_id)
        if hub is not None:
            return hub
    entry = await app.index.find(name_or_id)
    if entry is None or not (principal.is_admin or entry.owner == principal.owner):
        raise not_found(name_or_id)
    hub = await app.hubs.get(entry.owner, entry.name)
    if hub is not None and hub.id == name_or_id:
        return hub
    gone = await app.hubs.gone(entry.owner, name_or_id)
    if gone is None:
        raise not_found(name_or_id)
    return gone.hub


async def list_hubs(app: "App", principal: Principal, *, owner: str | None = None) -> Sequence[Hub]:
    """The caller's hubs by name: one partition query. Admins may name an owner, or `*` for everybody.

    Raises UserError `Forbidden` when somebody else names an owner.
    """
    if owner is None or owner == principal.owner:
        return await app.hubs.list(principal.owner)
    if not principal.is_admin:
        raise UserError("Forbidden", "Only admins list the hubs of other owners.", fix="Leave `owner` out.")
    if owner != "*":
        return await app.hubs.list(owner)
    owners = sorted({entry.owner for entry in await app.index.list()} | {principal.owner})
    return [hub for one in owners for hub in await app.hubs.list(one)]


async def find_operation(app: "App", principal: Principal, operation_id: str) -> tuple[Operation, Hub | None]:
    """Operation and, while it is there, its hub. Raises UserError `OperationNotFound` for unknown and foreign."""
    missing = UserError("OperationNotFound", f"There is no operation '{operation_id}' that you may see.")
    hub_id, dot, number = operation_id.rpartition(".")
    if not dot or not (number.isascii() and number.isdecimal()) or len(number) > 9:
        raise missing
    owners = [principal.owner]
    entry = await app.index.find(hub_id)
    if entry is not None and entry.owner != principal.owner:
        if not principal.is_admin:
            raise missing
        owners = [entry.owner]
    operation = await app.hubs.operation(owners[0], hub_id, int(number))
    if operation is None:
        raise missing
    hub = await app.hubs.get(operation.owner, operation.hub_name)
    if hub is None or hub.id != hub_id:
        gone = await app.hubs.gone(operation.owner, hub_id)
        hub = gone.hub if gone else None
    return operation, hub
