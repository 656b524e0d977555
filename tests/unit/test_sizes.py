"""Sizes by need: TLJH's formula both ways, and the smallest allowed one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.hubs.sizes import KNOWN_SIZES, choose, needed_gib, people_fit, shape_of
from shared.settings import DEFAULT_SIZES

ALLOWED = DEFAULT_SIZES.split(",")


@pytest.mark.parametrize(("people", "each", "needed"), [(1, 1, 1.128), (12, 1, 8.128), (20, 0.5, 6.128), (1, 0.1, 1)])
def test_memory_for_a_class(people: int, each: float, needed: float):
    assert needed_gib(people, each) == pytest.approx(needed)


@given(st.integers(1, 1000), st.sampled_from([0.25, 0.5, 1, 2, 4]))
def test_a_machine_of_the_needed_size_fits_the_class_and_the_class_it_fits_fits_it(people: int, each: float):
    memory = needed_gib(people, each)
    assert people_fit(memory, each) >= people
    assert needed_gib(people_fit(memory, each), each) <= memory + 1e-9


def test_every_default_size_is_known():
    assert all(shape_of(size) for size in ALLOWED)
    assert shape_of("standard_d2S_V3") == KNOWN_SIZES["Standard_D2s_v3"]
    assert shape_of("Standard_Z9") is None


@pytest.mark.parametrize(
    ("people", "size"),
    [(1, "Standard_B2s"), (8, "Standard_D2s_v3"), (12, "Standard_E2s_v3"), (30, "Standard_D8s_v3"), (300, None)],
)
def test_the_smallest_size_that_fits_is_chosen_the_default_first_among_equals(people: int, size: str | None):
    choice = choose(ALLOWED, people, 1.0, preferred="Standard_D2s_v3")
    assert choice.size == size
    assert {rejected.size for rejected in choice.rejected} == set(ALLOWED) - {size}
    assert all(rejected.why for rejected in choice.rejected)


def test_a_size_of_unknown_memory_is_never_guessed():
    choice = choose(["Standard_Z9"], 1, 1.0, preferred="Standard_Z9")
    assert choice.size is None
    assert "not known" in choice.rejected[0].why
