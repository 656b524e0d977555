"""What a newer release wrote into a row and this one does not know: kept beside the record, put back at its save. Pure.

Nothing of this costs anything while rows hold only what is known: a document is read with unknown fields forbidden, and
only the refusal of one leads here (`take`). Where an unknown field goes back to:

- into the object at the same place, also when this release changed other fields of it;
- never into another object in its place: some objects are replaced as a whole (the operation that runs, a reason), and
  of those the remainder goes back only while the fields that identify them (`_SAME`) are the same;
- into what belongs to an attempt (its steps, its machine) only within that attempt;
- into the element of a list that has the same identity (`attempts`: its number, `conditions`: its type), wherever it
  stands now; of a list without an identity into an element that is unchanged;
- nowhere when its object is gone, and never over a field that this release wrote itself.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shared.adapters.storage.documents import DOCUMENT
from shared.hubs import versions

if TYPE_CHECKING:
    from pydantic import ValidationError

_SAME: Mapping[str, tuple[str, ...]] = {
    "attempts": ("number",),
    "conditions": ("type",),
    "tries": ("size", "at"),
    "operation": ("kind", "begun_at"),
    "acceptance": ("passed_at",),
    "price": ("as_of",),
    "reason": ("code", "message"),
    "last_error": ("code", "message"),
    "error": ("code", "message"),
}
"""By the name of a field: which fields make its object, or an element of its list, the same one as before."""

_OF_AN_ATTEMPT = frozenset({"steps", "machine", "install", "ssh"})
"""What a hub begins anew with each attempt: of these the remainder goes back only within the same attempt."""

_UNKNOWN_FIELD = "unexpected_keyword_argument"
_UNKNOWN_KEY = "enum"
"""Kinds of pydantic's errors: https://docs.pydantic.dev/latest/errors/validation_errors/"""

_SYSTEM = frozenset({"PartitionKey", "RowKey", "Timestamp", "v"})
_PARTS = re.compile(rf"(?:{DOCUMENT}|handle)\d+")


@dataclass(frozen=True, slots=True)
class _Here:
    """No step: stays where it is, if that has these fields."""

    same: Mapping[str, Any]

    def of(self, node: Any) -> Any:
        return node if _has(node, self.same) else None


@dataclass(frozen=True, slots=True)
class _Into:
    """One step down: into the object or list under `name`, if it has these fields (none = whatever it has)."""

    name: str
    same: Mapping[str, Any]

    def of(self, node: Any) -> Any:
        found = node.get(self.name) if isinstance(node, dict) else None
        return found if not self.same or _has(found, self.same) else None


@dataclass(frozen=True, slots=True)
class _Element:
    """One step down: to the element of a list that has these fields."""

    position: int
    same: Mapping[str, Any]

    def of(self, node: Any) -> Any:
        if not isinstance(node, list):
            return None
        here = node[self.position : self.position + 1]
        return next((one for one in (*here, *node) if _has(one, self.same)), None)


@dataclass(frozen=True, slots=True)
class _Kept:
    path: tuple[_Here | _Into | _Element, ...]
    name: str
    value: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class Carried:
    """The remainder of one row. `version`: the row's `v` when that is newer than ours."""

    version: int
    columns: Mapping[str, Any] = field(default_factory=dict, repr=False)
    fields: tuple[_Kept, ...] = ()

    def into(self, document: dict[str, Any]) -> None:
        """Puts the unknown fields back into a document of this release."""
        for kept in self.fields:
            node: Any = document
            for step in kept.path:
                node = step.of(node)
            if isinstance(node, dict):
                node.setdefault(kept.name, kept.value)


def of(value: object) -> Carried | None:
    """What a record's opaque field holds."""
    return value if isinstance(value, Carried) else None


def remainder(row: Mapping[str, Any], known: frozenset[str], fields: tuple[_Kept, ...] = ()) -> Carried | None:
    """What of a row to keep; None when there is nothing. `known`: the columns this release writes."""
    columns = {
        name: value
        for name, value in row.items()
        if name not in known and name not in _SYSTEM and not _PARTS.fullmatch(name)
    }
    version = row.get("v")
    newer = version if isinstance(version, int) and version > versions.WRITTEN else versions.WRITTEN
    if not columns and not fields and newer == versions.WRITTEN:
        return None
    return Carried(version=newer, columns=columns, fields=fields)


# ------------------------------------------------------------------ fields


def take(document: Any, refusal: "ValidationError") -> list[tuple[tuple[str | int, ...], Any]]:
    """Removes from `document` what the refusal calls unknown, and returns it by its place: unknown fields, and unknown
    keys of a mapping whose keys are known (a step that a newer release added)."""
    taken: dict[tuple[str | int, ...], Any] = {}
    for problem in refusal.errors(include_url=False, include_context=False, include_input=False):
        place = tuple(problem["loc"])
        if problem["type"] == _UNKNOWN_KEY and place and place[-1] == "[key]":
            place = place[:-1]
        elif problem["type"] != _UNKNOWN_FIELD:
            continue
        node = document
        for step in place[:-1]:
            node = node[step]
        if isinstance(node, dict) and place[-1] in node:
            taken[place] = node.pop(place[-1])
    return list(taken.items())


def placed(
    taken: Sequence[tuple[tuple[str | int, ...], Any]], known: Callable[[], dict[str, Any]]
) -> tuple[_Kept, ...]:
    """The same with the way back to each. `known`: the document as this release writes it, which identities are told
    by: a newer one may write the same time in another way."""
    if not taken:
        return ()
    document = known()
    return tuple(_kept(place, value, document) for place, value in taken)


def _kept(place: tuple[str | int, ...], value: Any, document: Any) -> _Kept:
    path: list[_Here | _Into | _Element] = []
    node = document
    identity: tuple[str, ...] | None = None
    if place[0] in _OF_AN_ATTEMPT and "attempt" in document:
        path.append(_Here({"attempt": document["attempt"]}))
    for step in place[:-1]:
        node = node[step]
        if isinstance(step, int):
            whole = node if isinstance(node, dict) else {}
            path.append(_Element(step, {name: whole.get(name) for name in identity} if identity else dict(whole)))
            continue
        identity = _SAME.get(step)
        same = {name: node.get(name) for name in identity or ()} if isinstance(node, dict) else {}
        path.append(_Into(step, same))
    return _Kept(tuple(path), str(place[-1]), value)


def _has(node: Any, fields: Mapping[str, Any]) -> bool:
    return isinstance(node, dict) and all(node.get(name) == value for name, value in fields.items())
