"""Generated tests: how often the quick run (`./dev check`) does what `./dev test` does at length, and how long it may
take."""

import pytest
from hypothesis import HealthCheck, settings

OF_A_HUNDRED = 30
"""Examples of a generated test that the quick run tries, of a hundred."""

EVERY = pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 3])
"""Crash sweeps: at each point; in the quick run at every third one."""


def is_quick(config: pytest.Config) -> bool:
    return str(config.getoption("markexpr")) == "not slow"


def examples(full: int) -> int:
    """So many in `./dev test`; its share in the quick run."""
    return max(1, full * settings().max_examples // 100)


def be_patient() -> None:
    """No limit by the clock for a single example, which would be a judgement of the machine: these tests run beside
    others. To be called before test modules are imported: their settings are made of the default ones."""
    settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")


def be_quick() -> None:
    """Fewer examples of each generated test. Before test modules are imported too, and after `be_patient`."""
    settings.register_profile("quick", settings(), max_examples=OF_A_HUNDRED)
    settings.load_profile("quick")
