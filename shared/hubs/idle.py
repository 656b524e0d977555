"""When a hub is idle. Pure: what a look at its servers means, and when to look again.

Jupyter itself decides what a person's idleness is: the machine ends kernels and terminals that did nothing for the
rule's time (never a kernel that computes), and a server with none left ends itself (docs/design/0005-idle-stop.md). So
a hub is idle when no server has run for a grace time, and every doubt counts as activity.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.hubs.model import Hub, Idle
from shared.hubs.ports import Activity, Server

USUAL_MINUTES = 60
"""The machine's rule for a hub that does not stop when idle: forgotten kernels should not fill its memory."""

SHARE_OF_GRACE = 3
"""The grace time, in which people are warned, is at most this part of the hub's idle time."""

LOOKS = 12
SHORTEST_LOOK = timedelta(seconds=5)
LONGEST_LOOK = timedelta(minutes=5)
"""Looks at a hub are a twelfth of its idle time apart, within these limits."""

UNSEEN = 3 * LONGEST_LOOK
"""After so long without a look (this app was down) nobody knows what ran meanwhile: the grace time begins anew."""

MISSES_SHOWN = 3
"""After so many looks in a row that failed, the owner is shown that idle stop does not work."""

CONDITION = "IdleStopNotWorking"


def rule_minutes(idle_minutes: int | None, warning_minutes: float) -> float:
    """After how many minutes without activity the machine ends kernels, terminals and servers by itself, so that
    with the grace time it is `idle_minutes` in all."""
    whole = idle_minutes or USUAL_MINUTES
    return whole - min(warning_minutes, whole / SHARE_OF_GRACE)


def grace(hub: Hub, warning: timedelta) -> timedelta:
    """How long no server must have run. What the machine's rule leaves of the idle time, and never less than the
    shortest warning: an owner who later asks for less than the machine's rule gets the rule plus that."""
    whole = timedelta(minutes=hub.spec.idle_minutes or USUAL_MINUTES)
    least = min(warning, whole / SHARE_OF_GRACE)
    rule = hub.life.idle.rule_minutes
    return least if rule is None else max(least, whole - timedelta(minutes=rule))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a look means: the new record, one sentence with the numbers, whether the hub has been idle long enough."""

    idle: Idle
    message: str
    stop: bool = False


def judge(hub: Hub, activity: Activity | None, now: datetime, *, warning: timedelta) -> Verdict:
    """`activity` None = the look failed, which counts as active."""
    known = replace(hub.life.idle, looked_at=now)
    limit = f"limit {hub.spec.idle_minutes} min"
    pause = _pause(hub)
    if activity is None:
        misses = known.misses + 1
        seen = replace(
            known, misses=misses, no_server_since=None, look_again_at=now + min(pause * misses, LONGEST_LOOK)
        )
        return Verdict(seen, f"Nobody's activity could be read ({misses} times in a row), {limit}: stays.")
    seen = replace(known, misses=0)
    if activity.servers:
        again = max(now + pause, _earliest_end(activity.servers, seen, now))
        seen = replace(seen, no_server_since=None, look_again_at=again)
        return Verdict(seen, f"{_people(activity.servers)}, {limit}: stays.")
    looked_at = hub.life.idle.looked_at
    since = seen.no_server_since if looked_at is not None and now - looked_at <= UNSEEN else None
    since = since or now
    ends = since + grace(hub, warning)
    # Looked at on the way, too: the grace time may be longer than a server that nobody uses lives.
    seen = replace(seen, no_server_since=since, look_again_at=min(ends, now + pause))
    minutes = (now - since).total_seconds() / 60
    if now < ends:
        left = (ends - now).total_seconds() / 60
        return Verdict(seen, f"No server runs since {minutes:.0f} min, {limit}: stops in {_minutes(left)}.")
    return Verdict(seen, f"No server has run for {_minutes(minutes)}, {limit}: stops.", stop=True)


def _people(servers: Sequence[Server]) -> str:
    count = len({server.user for server in servers})
    people = "1 person" if count == 1 else f"{count} people"
    ages = [server.idle_s for server in servers if server.idle_s is not None]
    if not ages:
        return f"{people}, not active yet"
    return f"{people}, last activity {_minutes(min(ages) / 60)} ago"


def _minutes(minutes: float) -> str:
    return f"{minutes:.0f} min" if minutes >= 1 else f"{60 * minutes:.0f} s"


def _pause(hub: Hub) -> timedelta:
    whole = timedelta(minutes=hub.spec.idle_minutes or USUAL_MINUTES)
    return max(SHORTEST_LOOK, min(LONGEST_LOOK, whole / LOOKS))


def _earliest_end(servers: Sequence[Server], idle: Idle, now: datetime) -> datetime:
    """Before this the machine's rule cannot have ended the last server; to look earlier would be for nothing."""
    ages = [server.idle_s for server in servers if server.idle_s is not None]
    if idle.rule_minutes is None or not ages or any(server.pending for server in servers):
        return now
    return now + timedelta(minutes=idle.rule_minutes) - timedelta(seconds=min(ages))
