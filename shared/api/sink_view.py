"""Web hooks and what they did not take, as their owners see them."""

from datetime import datetime
from typing import Literal, TypedDict

from shared.api.progress import rfc3339
from shared.hubs.notice_kinds import kind_of
from shared.hubs.ports import FailedDelivery, SinkRecord
from shared.hubs.sink_rules import LOCKED, LOCKED_FIX
from shared.hubs.sinks import Redelivered


class SinkView(TypedDict):
    """`events` empty = all but `progress`. `previousSecretUntil`: how long the secret before this one signs
    too, None when it does not. `locked`: the service cannot read its URL (empty then) and secret, what it should hear
    waits for three days. `fix`: what to do unless it is `active`."""

    id: str
    url: str
    events: list[str]
    description: str
    everybody: bool
    createdAt: str
    createdBy: str
    previousSecretUntil: str | None
    disabledAt: str | None
    disabledWhy: str
    state: Literal["active", "disabled", "locked"]
    fix: str


class IssuedSinkView(SinkView):
    """`secret` is shown in this answer and never again."""

    secret: str


class FailedDeliveryView(TypedDict):
    """`id` is the notice's, as the web hook sees it in `webhook-id`."""

    id: str
    event: str
    hubId: str
    hubName: str
    message: str
    at: str
    failedAt: str
    code: str
    why: str


class RedeliveredView(TypedDict):
    """`left`: failed notices that are still to be sent again, by one more request."""

    redelivered: int
    left: int


def sink_view(record: SinkRecord, now: datetime) -> SinkView:
    until = record.previous_until
    state, fix = _state(record)
    return SinkView(
        id=record.id,
        url=record.url,
        events=list(record.events),
        description=record.description,
        everybody=record.everybody,
        createdAt=rfc3339(record.created_at),
        createdBy=record.created_by,
        previousSecretUntil=rfc3339(until) if until is not None and now < until else None,
        disabledAt=rfc3339(record.disabled_at) if record.disabled_at else None,
        disabledWhy=record.disabled_why,
        state=state,
        fix=fix,
    )


def _state(record: SinkRecord) -> tuple[Literal["active", "disabled", "locked"], str]:
    """With what to do. One that is locked cannot be enabled before it is opened."""
    if record.locked:
        return "locked", f"{LOCKED} {LOCKED_FIX}"
    if record.disabled_at is not None:
        return "disabled", "POST its `redeliver`: that enables it and sends what it did not take."
    return "active", ""


def issued_sink_view(record: SinkRecord, now: datetime) -> IssuedSinkView:
    return {**sink_view(record, now), "secret": record.secret}


def failed_view(failed: FailedDelivery) -> FailedDeliveryView:
    notice = failed.notice
    return FailedDeliveryView(
        id=notice.id,
        event=kind_of(notice.type),
        hubId=notice.hub_id,
        hubName=notice.hub_name,
        message=notice.message,
        at=rfc3339(notice.at),
        failedAt=rfc3339(failed.failed_at),
        code=failed.code,
        why=failed.message,
    )


def redelivered_view(done: Redelivered) -> RedeliveredView:
    return RedeliveredView(redelivered=done.count, left=done.left)
