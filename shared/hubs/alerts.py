"""What a person who runs the service must act on: said once, not once for each hub that meets it.

An alert is one line in the log with the constant event `operator_alert`, so that one rule of the log store finds all of
them (docs/reliability.md).
"""

from typing import Protocol

from shared import log
from shared.errors import HubletError
from shared.hubs.ports import Cache

QUIET_S = 55 * 60.0
"""For so long an alert of the same kind is not repeated, whichever process meets it next. Less than the hour from one
audit to the next, which may be a moment short."""


class Remembers(Protocol):
    """Whoever holds the cache: `App`, or a part of it that exists before `App` does."""

    @property
    def cache(self) -> Cache: ...


async def alert(app: Remembers, kind: str, message: str, **facts: object) -> bool:
    """Says it unless the same `kind` was said within QUIET_S by anybody. True = it was said now.

    Never raises: when storage cannot tell whether it was said, it is said. Two processes at the same moment may both
    say it.
    """
    key = f"alert/{kind}"
    try:
        if await app.cache.get(key, max_age_s=QUIET_S) is not None:
            return False
        await app.cache.put(key, {"message": message})
    except HubletError:
        pass  # twice is better than never
    log.error("operator_alert", kind=kind, message=message, **facts)
    return True
