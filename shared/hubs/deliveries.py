"""How far a notice is with each of its targets: when one that did not take it is asked again or given up. Pure.

Each target has a state of its own (`Delivery`), because a web hook that is down for a day must neither make the others
hear the same again nor be forgotten itself.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from shared.errors import ConcurrentUpdate, HubletError, RetryableError, RowTooNew
from shared.hubs.model import Notice
from shared.hubs.ports import Delivery

RETRY_AFTER_S = (5, 30, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 72_000)
"""Seconds from each try that was not taken to the next one: about three days in all. A schedule of this kind, quick
first and then over days, is what Standard Webhooks asks for
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md)."""

JITTER = 0.2
"""Each pause is up to so much shorter or longer: what failed together need not come again together."""

LONGEST_WISH_S = 86_400.0
"""A target may ask for a longer pause than ours, up to this."""

GIVEN_UP_AFTER = timedelta(days=3)
"""What somebody could not be told by then is of the past. The hub's history keeps it."""

LET_GO_AFTER = timedelta(days=6)
"""By then even a notice whose giving up meets trouble again and again is over: nothing stays in the outbox for ever."""

LOOK_AGAIN_S = 1800.0
"""After a giving up that could not be noted."""

UNKNOWN = "*"
"""In place of a sink's targets, until it said whom a notice is for. No target is named so."""


def key_of(sink: str, target: str) -> str:
    """The name of a target in the outbox."""
    return f"{sink}:{target}" if target else sink


def parts_of(key: str) -> tuple[str, str]:
    """Sink and target: `key_of` backwards."""
    sink, _, target = key.partition(":")
    return sink, target


def fresh(notice: Notice, now: datetime) -> Delivery:
    """Nobody was asked yet. Two workers that look at the same moment begin with the same state."""
    return Delivery(next_at=min(notice.at, now))


def due(deliveries: Mapping[str, Delivery], now: datetime) -> dict[str, Delivery]:
    """Whom to ask now."""
    return {key: one for key, one in deliveries.items() if one.next_at is not None and one.next_at <= now}


def passes(error: HubletError) -> bool:
    """Whether it may be otherwise the next time. Somebody else's save, and a hub's row of a newer release, say nothing
    about the target."""
    return isinstance(error, RetryableError | ConcurrentUpdate | RowTooNew)


def age(notice: Notice, one: Delivery, now: datetime) -> timedelta:
    """How long this target has been waiting for it."""
    return now - (one.since or notice.at)


def told(one: Delivery) -> Delivery:
    """It took it: never asked again."""
    return replace(one, next_at=None, code="")


def given_up(one: Delivery, error: HubletError) -> Delivery:
    return replace(one, next_at=None, code=error.code)


def after_refusal(notice: Notice, one: Delivery, error: HubletError, now: datetime, chance: float) -> Delivery | None:
    """The target's state after a try that it did not take; None = it is to be given up. `chance`: in [0, 1).

    By its own schedule, the last try at the end of the three days; or when it wishes to be asked, if that is later.
    """
    tries = one.tries + 1
    if age(notice, one, now) >= GIVEN_UP_AFTER or tries > len(RETRY_AFTER_S):
        return None
    pause = timedelta(seconds=RETRY_AFTER_S[tries - 1] * (1.0 - JITTER + 2 * JITTER * chance))
    next_at = min(now + pause, (one.since or notice.at) + GIVEN_UP_AFTER)
    if isinstance(error, RetryableError) and error.retry_after_s is not None:
        next_at = max(next_at, now + timedelta(seconds=min(error.retry_after_s, LONGEST_WISH_S)))
    return replace(one, tries=tries, next_at=next_at, code=error.code)


def merged(
    before: Mapping[str, Delivery], after: Mapping[str, Delivery], stored: Mapping[str, Delivery] | None
) -> dict[str, Delivery]:
    """What to save when the row changed during a visit that found `before` and ended with `after`: the visit's word
    about what nobody else touched, and that a target took it unless it was put in again meanwhile; else what is
    stored."""
    if stored is None:
        return dict(after)
    ours = {
        key: one
        for key, one in after.items()
        if key not in stored
        or stored[key] == before.get(key)
        or (one.next_at is None and stored[key].since == one.since)
    }
    gone = before.keys() - after.keys()  # the place of a sink's targets, which are known by now
    return {**{key: one for key, one in stored.items() if key not in gone}, **ours}
