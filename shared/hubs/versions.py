"""Which versions of rows and messages this release of the app reads and writes. Pure.

A release and the ones just before and after it work side by side on the same tables and queues: for the length of a
deployment, and again after a roll-back (F14). `v` says which format a row or message has:

- `v` grows by one for a change that is additive: new fields, new columns, each with a default, nothing known with
  another meaning. The release before reads such a row, works on the hub, and keeps what it does not know.
- `v` grows by two for a change the release before must not touch. It defers what it meets until somebody deploys the
  newer release again; nothing is lost, and no hub is failed for it.

A row that was written at N+1 keeps its `v` when N saves it, because N+1's fields are still in it.
"""

WRITTEN = 2
"""What this release writes."""

OLDEST = 1
"""The oldest it reads. Rows from before `life` say 1 as well: shared/adapters/storage/migrations.py knows them."""

NEWEST = WRITTEN + 1
"""The newest it reads."""

_PLAUSIBLE = 10_000
"""A higher number was not written by any release of this app."""

DEFERRED_S = 600.0
"""After a row or message that cannot be read yet: somebody must act, or a deployment is under way."""


def is_version(value: object) -> bool:
    """Whether this can be a version at all."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _PLAUSIBLE


def too_new(value: object) -> bool:
    """Whether a release more than one ahead wrote it."""
    return isinstance(value, int) and not isinstance(value, bool) and value > NEWEST
