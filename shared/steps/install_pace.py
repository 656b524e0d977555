"""When to look at a running installer again: seldom while it is far from its end, often when it may end. Pure.

The reference is a recorded install of TLJH 2.0.0 on two cores (tests/data/tljh): at which second each percentage of
shared/hubs/install_log.py was reached. An installer that is slower or faster so far is assumed to stay so.
"""

from bisect import bisect_right

_PERCENTS = (0, 18, 20, 22, 30, 42, 70, 88, 93, 99)
_SECONDS = (0.0, 47.6, 55.9, 60.6, 94.4, 95.4, 152.5, 200.5, 202.7, 203.2)
REFERENCE_S = _SECONDS[-1]

_TELLING_S = 40.0
"""Before this much of the reference the measured pace says nothing: it is the time of one apt run."""

SHORTEST_PAUSE_S = 2.0
"""Spent within a visit; each look is one SSH round trip (`./dev bench ready` shows what another number costs)."""

LONGEST_PAUSE_S = 60.0
_SHARE_OF_REST = 0.6
_SHARE_OF_OVERDUE = 0.5
_SHARE_OF_ELAPSED = 0.12
"""An install that takes very long is looked at every eighth of its age: the number of looks stays small."""


def seconds_left(percent: int, phase_began_s: float, elapsed_s: float) -> float:
    """How long the installer will still run, negative when it should have ended. Seconds since its beginning:
    `phase_began_s` when it reached `percent`, `elapsed_s` now."""
    reference = _SECONDS[bisect_right(_PERCENTS, percent) - 1]
    pace = min(10.0, max(0.1, phase_began_s / reference)) if reference >= _TELLING_S else 1.0
    return (REFERENCE_S - reference) * pace - (elapsed_s - phase_began_s)


def pause_s(percent: int, phase_began_s: float, elapsed_s: float) -> float:
    """Seconds until the next look, between 2 and 60 (more only after 7 minutes)."""
    left = seconds_left(percent, phase_began_s, elapsed_s)
    wish = _SHARE_OF_REST * left if left > 0 else _SHARE_OF_OVERDUE * -left
    return max(SHORTEST_PAUSE_S, min(wish, max(LONGEST_PAUSE_S, _SHARE_OF_ELAPSED * elapsed_s)))
