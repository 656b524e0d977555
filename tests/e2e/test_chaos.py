"""Ten kills of two hosts over six lives, through a bad network: nothing is wrong at the end. See `./dev chaos`."""

from dataclasses import replace

import pytest

from localdev.chaos.run import QUICK, Outcome, run_chaos


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return run_chaos(replace(QUICK, seed="test"), tmp_path_factory.mktemp("chaos"))


def test_r8_ten_kills_and_a_bad_network_violate_nothing(outcome: Outcome) -> None:
    assert outcome.ok, outcome.text()
    assert not outcome.never_quiet, outcome.text()


def test_r8_the_trouble_was_real(outcome: Outcome) -> None:
    """A run in which nothing happened would pass too."""
    assert outcome.kills == QUICK.kills, outcome.text()
    assert len(outcome.evidence.lives) >= QUICK.lives
    assert all(life.hub_id for life in outcome.evidence.lives)
    assert len(outcome.struck) >= 4, outcome.text()
    assert sum(outcome.struck.values()) >= 10
    assert outcome.looks >= 10
