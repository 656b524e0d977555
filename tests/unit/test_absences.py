"""What one sweep tells the next about machines that could not be found."""

from datetime import timedelta

import pytest

from shared.errors import FatalError, RetryableError
from shared.hubs.absences import CONFIRMED_AFTER, KEY, REMEMBERED, Absences
from tests.support.clock import MONDAY_MORNING, FakeClock
from tests.support.fake_storage import FakeCache
from tests.support.tape import Tape

HUB, OTHER = "physics-ab2cd3", "maths-ab2cd3"


class Sweeps:
    """Sweeps five minutes apart, with a cache between them."""

    def __init__(self) -> None:
        self.clock, self.tape = FakeClock(MONDAY_MORNING), Tape()
        self.cache = FakeCache(self.clock, self.tape)

    async def sweep(self, *missing: str, not_looked_at: tuple[str, ...] = ()) -> list[str]:
        """Those that are confirmed to be missing."""
        absences = await Absences.known(self.cache)
        confirmed = [hub for hub in missing if absences.confirmed(hub, self.clock.now())]
        await absences.keep(self.cache, also=not_looked_at)
        self.clock.advance(300)
        return confirmed


@pytest.fixture
def sweeps() -> Sweeps:
    return Sweeps()


async def test_one_look_confirms_nothing(sweeps: Sweeps):
    assert await sweeps.sweep(HUB) == []


async def test_the_second_sweep_in_a_row_confirms_it(sweeps: Sweeps):
    await sweeps.sweep(HUB, OTHER)
    assert await sweeps.sweep(HUB) == [HUB]


async def test_two_looks_right_after_each_other_confirm_nothing(sweeps: Sweeps):
    await sweeps.sweep(HUB)
    sweeps.clock.advance(CONFIRMED_AFTER - timedelta(minutes=5, seconds=1))
    assert await sweeps.sweep(HUB) == []


async def test_a_machine_that_was_seen_in_between_is_as_new(sweeps: Sweeps):
    await sweeps.sweep(HUB)
    await sweeps.sweep(OTHER)
    assert await sweeps.sweep(HUB) == []


async def test_a_machine_whose_turn_did_not_come_stays_under_suspicion(sweeps: Sweeps):
    await sweeps.sweep(HUB)
    await sweeps.sweep(OTHER, not_looked_at=(HUB,))
    assert await sweeps.sweep(HUB) == [HUB]


async def test_a_sighting_from_before_a_long_pause_does_not_count(sweeps: Sweeps):
    await sweeps.sweep(HUB)
    sweeps.clock.advance(REMEMBERED)
    assert await sweeps.sweep(HUB) == []


async def test_while_nothing_is_missing_nothing_is_written(sweeps: Sweeps):
    await sweeps.sweep()
    assert sweeps.tape.writes == []
    await sweeps.sweep(HUB)
    await sweeps.sweep()
    await sweeps.sweep()
    assert sweeps.tape.writes == ["cache.put", "cache.put"]


@pytest.mark.parametrize("error", [RetryableError("StorageUnavailable", "no"), FatalError("RowTooNew", "no")])
@pytest.mark.parametrize("call", ["cache.get", "cache.put"])
async def test_trouble_with_the_cache_costs_one_more_sweep(sweeps: Sweeps, call: str, error: Exception):
    sweeps.tape.fail(call, error)
    await sweeps.sweep(HUB)
    assert await sweeps.sweep(HUB) == ([HUB] if call == "cache.get" else [])
    assert await sweeps.sweep(HUB) == [HUB]


@pytest.mark.parametrize(
    "document",
    [None, "text", [HUB], {HUB: 7}, {HUB: "yesterday"}, {HUB: "2026-03-02T09:00:00"}, {HUB: None}],
    ids=str,
)
async def test_what_cannot_be_read_was_not_seen(sweeps: Sweeps, document: object):
    await sweeps.cache.put(KEY, document)
    assert await sweeps.sweep(HUB) == []
    assert await sweeps.sweep(HUB) == [HUB]


async def test_what_was_forgotten_is_seen_for_the_first_time_again(sweeps: Sweeps):
    await sweeps.sweep(HUB)
    absences = await Absences.known(sweeps.cache)
    assert absences.confirmed(HUB, sweeps.clock.now())
    absences.forget(HUB)
    await absences.keep(sweeps.cache, also=())
    assert await sweeps.sweep(HUB) == []


async def test_sightings_of_different_things_do_not_mix(sweeps: Sweeps):
    await sweeps.sweep(HUB)
    others = await Absences.known(sweeps.cache, "sweep-others")
    assert not others.confirmed(HUB, sweeps.clock.now())
    await others.keep(sweeps.cache, also=())
    assert await sweeps.sweep(HUB) == [HUB]


async def test_what_is_not_noted_any_more_is_over(sweeps: Sweeps):
    await sweeps.sweep(HUB, OTHER)
    absences = await Absences.known(sweeps.cache)
    absences.confirmed(HUB, sweeps.clock.now())
    assert list(absences.over) == [OTHER]
