"""What looked wrong, remembered from one sweep to the next, because a single look proves nothing: machines that could
not be found, leftovers, hubs that were changed outside.

Kept beside the hubs, not on them: a hub whose machine was absent for a moment must be as if nothing had been.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from shared import log
from shared.errors import HubletError
from shared.hubs.ports import Cache

KEY = "sweep-absences"

CONFIRMED_AFTER = timedelta(minutes=4)
"""A machine that cannot be found is believed to be gone at the second sweep that does not find it."""

REMEMBERED = timedelta(hours=1)
"""After a longer pause of the sweeps the first sighting is not believed any more."""


class Absences:
    """`before`: hub id -> since when its machine was not to be found, as the last sweep left it. `key`: another one
    for other things than machines."""

    def __init__(self, before: Mapping[str, datetime], key: str = KEY) -> None:
        self._before, self._key = before, key
        self._now: dict[str, datetime] = {}

    @classmethod
    async def known(cls, cache: Cache, key: str = KEY) -> "Absences":
        """Trouble with the cache costs a sweep: machines are then seen missing for the first time."""
        try:
            found = await cache.get(key, max_age_s=REMEMBERED.total_seconds())
        except HubletError as error:
            log.warning("absences_unreadable", code=error.code)
            found = None
        return cls(_read(found), key)

    @property
    def over(self) -> Collection[str]:
        """What the last sweep remembered and this one has not noted (yet)."""
        return self._before.keys() - self._now.keys()

    def confirmed(self, hub_id: str, now: datetime) -> bool:
        """Notes that the machine cannot be found now; whether it could not be found at an earlier sweep either."""
        since = self._now[hub_id] = self._before.get(hub_id, now)
        return now - since >= CONFIRMED_AFTER

    def forget(self, hub_id: str) -> None:
        """What was dealt with: should it be there again, it is seen for the first time."""
        self._now.pop(hub_id, None)

    async def keep(self, cache: Cache, *, also: Collection[str]) -> None:
        """For the next sweep. `also`: hubs that are still suspected, but were not looked at this time. No request when
        there is nothing to remember and nothing to forget."""
        kept = {**{hub_id: since for hub_id, since in self._before.items() if hub_id in also}, **self._now}
        if not kept and not self._before:
            return
        try:
            await cache.put(self._key, {hub_id: since.isoformat() for hub_id, since in kept.items()})
        except HubletError as error:
            log.warning("absences_not_kept", code=error.code)


def _read(document: object) -> dict[str, datetime]:
    """What cannot be read was not seen."""
    found: dict[str, datetime] = {}
    for hub_id, text in document.items() if isinstance(document, dict) else ():
        try:
            since = datetime.fromisoformat(text)
        except (TypeError, ValueError):
            continue
        if since.tzinfo is not None:
            found[str(hub_id)] = since
    return found
