"""The simulation itself: it repeats to the byte, its net holds, and ten thousand lives break nothing."""

import os
import subprocess
import sys

import pytest

from localdev.paths import ROOT
from tests.sim import accepts, duplicates, sieve
from tests.sim.batch import Tally, many, pairs, replay_command, summary
from tests.sim.plan import FAULTS, Plan, draw, only
from tests.sim.regressions import REGRESSIONS
from tests.sim.run import simulate

LIVES = 10_000
LIVES_OF_A_RUN = 5
LONGEST_S = 3600
"""`./dev test` lets these only have what the tests against real servers leave of the machine."""


def digest_of(seed: int, hash_seed: str) -> str:
    """The trace of a run in a fresh interpreter."""
    code = f"from tests.sim.plan import draw; from tests.sim.run import simulate; print(simulate(draw({seed})).digest)"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return run.stdout.strip()


@pytest.mark.parametrize("seed", [5, pytest.param(20, marks=pytest.mark.slow)])
def test_the_same_seed_gives_the_same_trace_to_the_byte_in_every_process(seed: int):
    assert digest_of(seed, "1") == digest_of(seed, "2") == simulate(draw(seed)).digest


def test_another_seed_gives_another_trace():
    assert simulate(only(1)).digest != simulate(only(2)).digest


def test_a_world_without_trouble_makes_every_hub_and_nothing_else():
    outcome = simulate(only(1))
    assert outcome.violations == ()
    assert outcome.hubs == LIVES_OF_A_RUN
    assert outcome.struck == {}
    assert outcome.kills == 0


def test_who_is_in_trouble_for_days_is_given_up_and_nobody_else_misses_a_notice():
    outcome = simulate(only(1, "sink", "sink-down", "sink-never", "sink-gone", "sink-slow", "sink-bug"))
    assert outcome.violations == ()
    assert outcome.notices > 20
    assert outcome.given_up >= outcome.notices, "the one that is in trouble for ever, all of them"
    assert outcome.virtual_s > 3 * 86_400
    assert simulate(only(1)).given_up == 0


def test_some_lives_are_followed_in_slack_whatever_goes_wrong():
    followed = [draw(seed) for seed in range(1, 40) if draw(seed).slack][:3]
    assert followed
    assert [simulate(plan).violations for plan in followed] == [()] * len(followed)


def test_a_failing_seed_is_lived_again_by_one_command():
    assert replay_command(draw(17)) == "./dev sim --seed 17"
    two = only(17, "kill-after", "azure-stale")
    assert replay_command(two) == "./dev sim --seed 17 --faults kill-after,azure-stale"


@pytest.mark.slow
@pytest.mark.timeout(LONGEST_S)
def test_ten_thousand_lives_in_which_everything_goes_wrong_break_no_invariant():
    tally = Tally()
    for outcome in many([draw(seed) for seed in range(1, LIVES // LIVES_OF_A_RUN + 120)]):
        tally.add(outcome)
    assert not tally.failed, "\n".join(
        [f"{replay_command(one.plan)}: {one.violations[0]}" for one in tally.failed] + [summary(tally, 1)]
    )
    assert tally.lives >= LIVES
    assert set(tally.struck) >= {"kill-before", "kill-after", "storage-forgets", "azure-late", "machine-forgets"}
    assert {"ready", "stopped", "deleted", "failed"} <= set(tally.states)


@pytest.mark.slow
@pytest.mark.timeout(LONGEST_S)
def test_every_two_faults_together_break_no_invariant():
    outcomes = list(many(pairs(1)))
    assert len(outcomes) == len(FAULTS) * (len(FAULTS) - 1) // 2
    assert not [f"{replay_command(one.plan)}: {one.violations[0]}" for one in outcomes if one.violations]


@pytest.mark.slow
def test_no_single_bent_observation_changes_how_a_life_ends():
    reference = sieve.reference()
    assert reference.violations == ()
    assert all(count > 10 for count in reference.occasions.values()), "the twists have nothing to bend"
    outcomes = list(many(list(sieve.bent(reference))))
    assert len(outcomes) > 500
    assert not [f"{one.plan.perturbation}: {why}" for one in outcomes if (why := sieve.differs(one, reference))]


@pytest.mark.slow
def test_messages_that_come_five_times_and_days_late_make_one_machine_and_the_same_end():
    for outcome in many([duplicates.plan(seed) for seed in range(1, 201)]):
        assert outcome.violations == (), replay_command(outcome.plan)
        assert outcome.machines == outcome.hubs, replay_command(outcome.plan)


@pytest.mark.slow
def test_no_accept_is_lost_and_a_worker_begins_within_two_minutes_after_the_last_fault():
    waits: list[float] = []
    for outcome in many([accepts.plan(seed) for seed in range(1, 21)]):
        assert outcome.violations == (), outcome.plan.seed
        waits += outcome.begun_after_s
    waits.sort()
    assert len(waits) > 1900
    assert accepts.share(waits, 0.5) <= 60
    assert waits[-1] <= accepts.MOST_S


@pytest.mark.parametrize(("plan", "bug"), REGRESSIONS)
def test_a_run_that_once_broke_an_invariant_breaks_none_any_more(plan: Plan, bug: str):
    assert simulate(plan).violations == (), bug
