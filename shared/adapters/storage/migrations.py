"""Rows of older releases, brought to the present format when they are read. Pure: JSON document in, JSON document out.

A field that is only missing needs no migration: it takes its default. A migration is for a row whose *meaning* would be
wrong by the defaults. The row itself changes at its next save.

To add one: write the function, name it in MIGRATIONS with the question that tells the rows it is for, and record rows
of the release before (tests/data/rows/README.md). It may be dropped when OLDEST passes it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

type Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Migration:
    """`needed(v, document)` tells whether `run` is for this document. Both leave the document as it is."""

    name: str
    needed: Callable[[int, Document], bool]
    run: Callable[[Document], Document]


def up_to_date(version: int, document: Document) -> Document:
    """A hub's document in the present format: the same object when nothing has to change."""
    for migration in MIGRATIONS:
        if migration.needed(version, document):
            document = migration.run(document)
    return document


# ------------------------------------------------------------------ before `life`


def with_life(document: Document) -> Document:
    """Hubs of the first release had neither a meter nor the kind and time of their last goal.

    By the defaults a hub that runs would cost nothing until its next start (and its owner's budget would never be
    spent), and a deletion under way would end as the operation `create`. A machine bills from its first request on,
    as the present release counts it; what a failed hub cost before it was deallocated is not made up.
    """
    made = {**document, "life": {}, "meter": _meter(document)}
    if document.get("goal") == "deleted":
        made["operation_kind"] = "delete"
        made["goal_since"] = document.get("state_since")
    return made


def _meter(document: Document) -> dict[str, Any]:
    machine = (document.get("steps") or {}).get("machine") or {}
    if not (machine.get("data") or {}).get("begun"):
        return {}  # Azure was never asked for a machine
    if document.get("state") == "deleted":
        return {}
    if document.get("deallocated_at"):
        return {"billing": "stopped", "since": document["deallocated_at"]}
    return {"billing": "running", "since": machine.get("started_at") or document.get("created_at")}


MIGRATIONS: tuple[Migration, ...] = (
    Migration("before life", lambda version, document: version <= 1 and "life" not in document, with_life),
)
"""Oldest first."""
