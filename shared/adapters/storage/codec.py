"""Records of the domain to rows and back. A row is a JSON document next to a few columns that people and queries read.

`v` is the version of a row's format (shared/hubs/versions.py). Fields that a document lacks take their default, rows of
older releases are migrated (migrations.py), and what a newer one added is kept beside the record and saved with it
(carried.py): releases can run side by side for the length of a deployment, and one can be rolled back. A row of a `v`
that is more than one ahead is refused with RowTooNew, because this release would destroy it.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from shared.adapters.storage import carried, documents, keys, migrations
from shared.adapters.storage.carried import Carried
from shared.adapters.storage.table import Entity, Row
from shared.errors import FatalError, RowTooNew
from shared.hubs import versions
from shared.hubs.model import Event, Hub, Notice, Operation
from shared.hubs.ports import Gone, Idempotency, Pending, Quota

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SCHEMA_VERSION = versions.WRITTEN
_HANDLE = "handle"
"""The handle of a long operation has properties of its own: it may be longer than all the rest of the hub."""

_HUB_COLUMNS = frozenset({"hubId", "state", "goal", "generation", "pass", "updatedAt", "deletedAt"})
_QUOTA_COLUMNS = frozenset({"hubs"})
_OPERATION_COLUMNS = frozenset({"status", "createdAt", "endedAt"})
_NOTICE_COLUMNS = frozenset({"type", "at", "next"})
_PENDING_LEAVES_OUT: Mapping[str, Any] = {"etag": True, "carried": True}


# ------------------------------------------------------------------ documents


@cache
def _adapter(kind: Any) -> "TypeAdapter[Any]":
    """Building one takes milliseconds, so each is built once. `kind` is a class."""
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def to_json(kind: type[Any], value: object, *, leave_out: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A frozen dataclass as JSON values. `leave_out` is pydantic's `exclude`."""
    any_kind: Any = kind
    document: dict[str, Any] = _adapter(any_kind).dump_python(value, mode="json", exclude=leave_out)
    return document


def from_json[T](kind: type[T], document: object, what: str) -> T:
    """Raises FatalError `RowUnreadable`; its text names fields, never their values."""
    from pydantic import ValidationError

    any_kind: Any = kind
    try:
        value: T = _adapter(any_kind).validate_python(document)
    except ValidationError as error:
        wrong = ", ".join(".".join(str(step) for step in problem["loc"]) for problem in error.errors()[:5])
        raise FatalError("RowUnreadable", f"{what} cannot be read: {wrong}.") from None
    return value


def with_remainder[T](
    kind: type[T], document: Any, what: str, row: Row, known: frozenset[str], leave_out: Mapping[str, Any]
) -> tuple[T, Carried | None]:
    """The record and what of its row this release does not know. Takes unknown fields out of `document`."""
    from pydantic import ValidationError

    any_kind: Any = kind
    fields: tuple[Any, ...] = ()
    try:
        value: T = _adapter(any_kind).validate_python(document, extra="forbid")
    except ValidationError as refusal:
        taken = carried.take(document, refusal)
        value = from_json(kind, document, what)
        fields = carried.placed(taken, lambda: to_json(kind, value, leave_out=leave_out))
    return value, carried.remainder(row.values, known, fields)


def entity(partition: str, row: str, document: object, *, kept: Carried | None = None, **columns: str | int) -> Entity:
    """`kept`: what the row had that this release does not know. It changes `document` then."""
    if kept is not None and isinstance(document, dict):
        kept.into(document)
    return {
        **(kept.columns if kept else {}),
        "PartitionKey": partition,
        "RowKey": row,
        "v": kept.version if kept else SCHEMA_VERSION,
        **columns,
        **documents.split(documents.to_text(document)),
    }


def check_version(row: Row, what: str) -> None:
    """Raises RowTooNew."""
    if versions.too_new(row.values.get("v")):
        raise RowTooNew(what)


def document_of(row: Row, what: str) -> Any:
    """Raises FatalError `RowUnreadable` or `RowTooNew`."""
    check_version(row, what)
    text = documents.join(row.values)
    try:
        return json.loads(text or "")
    except ValueError:
        raise FatalError("RowUnreadable", f"{what} holds no JSON document.") from None


# ------------------------------------------------------------------ hubs


def hub_entity(hub: Hub) -> Entity:
    """Row `hub!<name>`. The ETag is storage's and not part of it."""
    made = entity(
        keys.owner_partition(hub.owner),
        keys.hub(hub.name),
        to_json(Hub, hub, leave_out=_HUB_LEAVES_OUT),
        kept=carried.of(hub.carried),
        **_hub_columns(hub),
    )
    return {**made, **_handle(hub)}


_HUB_LEAVES_OUT: Mapping[str, Any] = {"etag": True, "carried": True, "operation": {"handle"}}


def hub_from(row: Row) -> Hub:
    return _hub(row, row.etag)


def gone_entity(gone: Gone) -> Entity:
    """Row `gone!<hub id>`: the hub as it was last, without the long operation that is over."""
    hub = replace(gone.hub, operation=None)
    return entity(
        keys.owner_partition(hub.owner),
        keys.gone(hub.id),
        to_json(Hub, hub, leave_out=_HUB_LEAVES_OUT),
        kept=carried.of(hub.carried),
        deletedAt=keys.timestamp(gone.deleted_at),
        **_hub_columns(hub),
    )


def gone_from(row: Row) -> Gone:
    hub = _hub(row, None)
    return Gone(hub=hub, deleted_at=time_from(row, "deletedAt"))


def _hub_columns(hub: Hub) -> dict[str, str | int]:
    return {
        "hubId": hub.id,
        "state": str(hub.state),
        "goal": str(hub.goal),
        "generation": hub.generation,
        "pass": hub.pass_number,
        "updatedAt": keys.timestamp(hub.updated_at),
    }


def _handle(hub: Hub) -> dict[str, str]:
    return documents.split(hub.operation.handle, _HANDLE) if hub.operation else {}


def _hub(row: Row, etag: str | None) -> Hub:
    what = f"Hub row {row.key}"
    document = document_of(row, what)
    if isinstance(document, dict):
        document = migrations.up_to_date(version_of(row), document)
        if isinstance(document.get("operation"), dict):
            document["operation"]["handle"] = documents.join(row.values, _HANDLE) or ""
    hub, kept = with_remainder(Hub, document, what, row, _HUB_COLUMNS, _HUB_LEAVES_OUT)
    return replace(hub, etag=etag, carried=kept)


def version_of(row: Row) -> int:
    """A row that says none is as old as can be."""
    version = row.values.get("v")
    return version if isinstance(version, int) else versions.OLDEST


def time_from(row: Row, name: str) -> datetime:
    """A column that `keys.timestamp` made. Raises FatalError `RowUnreadable`."""
    return from_json(datetime, row.values.get(name), f"Column {name} of row {row.key}")


# ------------------------------------------------------------------ beside a hub


def event_entity(hub: Hub, event: Event) -> Entity:
    return entity(
        keys.owner_partition(hub.owner),
        keys.event(hub.id, event.seq),
        to_json(Event, event),
        at=keys.timestamp(event.at),
    )


def event_from(row: Row) -> Event:
    return from_json(Event, document_of(row, "An event"), "An event")


def notice_entity(notice: Notice) -> Entity:
    """Row `outbox!<hub id>!<seq>` as it is made with the change it tells of."""
    return pending_entity(Pending(notice=notice))


def pending_entity(pending: Pending) -> Entity:
    """The same row. How far its targets are stands in the notice's document, under `deliveries`: a release that does
    not know of targets reads the notice all the same. Column `next`: when somebody is to be asked."""
    notice, kept = pending.notice, carried.of(pending.carried)
    document = to_json(Pending, pending, leave_out=_PENDING_LEAVES_OUT)
    if kept is not None:
        kept.into(document)
    known = {} if document["deliveries"] is None else {"deliveries": document["deliveries"]}
    columns = {} if pending.next_at is None else {"next": keys.timestamp(pending.next_at)}
    return entity(
        keys.owner_partition(notice.owner),
        keys.outbox(notice.hub_id, notice.seq),
        {**document["notice"], **known},
        kept=None if kept is None else replace(kept, fields=()),
        type=notice.type,
        at=keys.timestamp(notice.at),
        **columns,
    )


def pending_from(row: Row) -> Pending:
    what = "A notice"
    document = document_of(row, what)
    if isinstance(document, dict):
        document = {"deliveries": document.pop("deliveries", None), "notice": document}
    pending, kept = with_remainder(Pending, document, what, row, _NOTICE_COLUMNS, _PENDING_LEAVES_OUT)
    return replace(pending, etag=row.etag, carried=kept)


def operation_entity(owner: str, operation: Operation, kept: Carried | None = None) -> Entity:
    """`kept`: what the row it replaces had that this release does not know (`operation_remainder`)."""
    ended = {} if operation.ended_at is None else {"endedAt": keys.timestamp(operation.ended_at)}
    return entity(
        keys.owner_partition(owner),
        keys.operation(operation.hub_id, operation.generation),
        to_json(Operation, operation),
        kept=kept,
        status=str(operation.status),
        createdAt=keys.timestamp(operation.created_at),
        **ended,
    )


def operation_from(row: Row) -> Operation:
    return from_json(Operation, document_of(row, "An operation"), "An operation")


def operation_remainder(row: Row) -> Carried | None:
    """Raises FatalError `RowUnreadable` or `RowTooNew`."""
    what = "An operation"
    return with_remainder(Operation, document_of(row, what), what, row, _OPERATION_COLUMNS, {})[1]


def quota_entity(quota: Quota) -> Entity:
    document = {"hubs": dict(quota.hubs), "spent": dict(quota.spent)}
    kept = carried.of(quota.carried)
    return entity(keys.owner_partition(quota.owner), keys.QUOTA, document, kept=kept, hubs=len(quota.hubs))


def quota_from(owner: str, row: Row | None) -> Quota:
    if row is None:
        return Quota(owner=owner)
    document = {**document_of(row, "A quota row"), "owner": owner}
    quota, kept = with_remainder(
        Quota, document, "A quota row", row, _QUOTA_COLUMNS, {"owner": True, "etag": True, "carried": True}
    )
    return replace(quota, etag=row.etag, carried=kept)


def idempotency_entity(owner: str, record: Idempotency) -> Entity:
    return entity(
        keys.owner_partition(owner),
        keys.idempotency(record.key),
        to_json(Idempotency, record),
        createdAt=keys.timestamp(record.created_at),
    )


def idempotency_from(row: Row) -> Idempotency:
    return from_json(Idempotency, document_of(row, "An idempotency row"), "An idempotency row")
