"""What one hub may ask of Azure and of the queue until it is ready, counted in virtual time (`./dev bench ready`):
real domain, adapters and SDKs over the simulated Azure's handlers at realistic durations, a seed for each hub."""

import pytest

from localdev.bench.model.life import Life, Model
from shared.hubs.model import HttpsMode

pytestmark = pytest.mark.slow

SEEDS = range(1, 25)


async def lives(https: HttpsMode) -> list[Life]:
    model = Model()
    return [await model.live(seed, https=https) for seed in SEEDS]


@pytest.mark.parametrize("https", HttpsMode)
async def test_a_hub_stays_within_its_budget(https: HttpsMode):
    found = await lives(https)
    assert {(life.writes_until_vm, life.writes) for life in found} == {(4, 6)}
    assert {life.seed: life.reads for life in found if life.reads > 15} == {}
    assert {life.seed: life.messages for life in found if life.messages > 30} == {}


async def test_the_same_seed_lives_the_same_life():
    model = Model()
    once, _, again = [await model.live(seed) for seed in (7, 8, 7)]
    assert (once.to_ready_s, once.reads, once.messages) == (again.to_ready_s, again.reads, again.messages)


async def test_overhead_is_what_is_left_of_the_time_when_all_work_is_taken_out():
    life = await Model().live(3)
    assert 0 < life.overhead_s < 60 < life.critical_s
    assert life.overhead_s == pytest.approx(sum(gap.seconds for gap in life.gaps))
