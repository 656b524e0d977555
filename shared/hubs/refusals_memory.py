"""What Azure refused lately, remembered for all hubs: one small document for each region in the cache.

Two processes that write at the same moment may lose one of the two refusals: then one more hub asks Azure once more,
which costs seconds. Trouble with the cache is treated as "nothing is remembered" and never stops a hub.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared import log
from shared.errors import HubletError
from shared.hubs import ladder
from shared.hubs.model import Rung

if TYPE_CHECKING:
    from shared.app import App

_LONGEST_S = max(closing.believed for closing in ladder.CLOSES.values()).total_seconds()

MOST_KEPT = 100
"""Refusals of one region: more sizes and zones than a deployment allows. The oldest go first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """One refusal that is still believed."""

    rung: Rung
    code: str
    until: datetime


async def recall(app: "App", region: str) -> tuple[Remembered, ...]:
    """What is believed about a region now. Never raises for trouble with the cache."""
    try:
        document = await app.cache.get(_key(region), max_age_s=_LONGEST_S)
    except HubletError as error:
        log.warning("refusals_unreadable", region=region, code=error.code)
        return ()
    now = app.clock.now()
    return tuple(one for one in _read(region, document) if one.until > now)


async def remember(app: "App", rung: Rung, code: str) -> None:
    """From now on all hubs skip what this refusal rules out, for as long as `ladder.CLOSES` says. Never raises."""
    until = app.clock.now() + ladder.closing(code).believed
    others = [one for one in await recall(app, rung.region) if (one.rung, one.code) != (rung, code)]
    kept = [*others, Remembered(rung=rung, code=code, until=until)][-MOST_KEPT:]
    try:
        await app.cache.put(_key(rung.region), [_written(one) for one in kept])
    except HubletError as error:
        log.warning("refusal_not_remembered", region=rung.region, code=error.code)


def says_no(memory: Iterable[Remembered], rung: Rung) -> Remembered | None:
    """The refusal that speaks of this rung, if one is remembered."""
    return next((one for one in memory if ladder.ruled_out(rung, one.rung, one.code)), None)


def _key(region: str) -> str:
    return f"refusals/{region.lower()}"


def _written(one: Remembered) -> Mapping[str, Any]:
    return {"size": one.rung.size, "zone": one.rung.zone, "code": one.code, "until": one.until.isoformat()}


def _read(region: str, document: object) -> Iterable[Remembered]:
    """What another version wrote in another form is not believed."""
    for entry in document if isinstance(document, list) else ():
        try:
            rung = Rung(region=region, size=str(entry["size"]), zone=entry["zone"])
            yield Remembered(rung=rung, code=str(entry["code"]), until=datetime.fromisoformat(entry["until"]))
        except (KeyError, TypeError, ValueError):
            continue
