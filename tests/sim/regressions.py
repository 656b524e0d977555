"""Runs that broke an invariant once, and what it was. A seed means another life as soon as the code asks for chance in
another order, so each of these bugs also has a test of its own, named here."""

from tests.sim.plan import FAULTS, Plan, draw, only

REGRESSIONS: tuple[tuple[Plan, str], ...] = (
    (
        only(79, *FAULTS, strength=2.0),
        "I3: a worker whose clock was ahead believed that no late PUT could come, and called a hub deleted whose group "
        "was made a moment later (test_f15 in tests/component/faults/test_time.py)",
    ),
    (
        only(99, *FAULTS, strength=1.0),
        "I3: the same, by a stale read of Azure within that minute (the same tests)",
    ),
    (
        draw(106),
        "I10: due rows in the buckets behind a watermark that a wrong clock had moved stood there for ever "
        "(test_f15_a_row_that_a_clock_ahead_made_the_ticks_pass_by_is_handed_over_by_the_audit)",
    ),
    (
        only(25, *FAULTS, strength=1.0),
        "I10: the same, of rows that were written late",
    ),
)
