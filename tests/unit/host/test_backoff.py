"""The pause between polls of an empty queue."""

from datetime import timedelta
from random import Random

from localdev.host.backoff import MINIMUM, PollingBackoff

CEILING = timedelta(seconds=2)


def test_pauses_grow_from_100_ms_to_the_ceiling_and_stay_there() -> None:
    backoff = PollingBackoff(CEILING, Random(1))
    delays = [backoff.next_delay(found_messages=False) for _ in range(12)]
    assert delays[0] == MINIMUM
    assert delays == sorted(delays)
    assert timedelta(milliseconds=180) <= delays[1] <= timedelta(milliseconds=220)
    assert set(delays[7:]) == {CEILING}


def test_a_message_starts_it_over() -> None:
    backoff = PollingBackoff(CEILING, Random(1))
    for _ in range(10):
        backoff.next_delay(found_messages=False)
    assert backoff.next_delay(found_messages=True) == MINIMUM
    assert backoff.next_delay(found_messages=False) < CEILING


def test_two_listeners_do_not_poll_in_step() -> None:
    backoffs = [PollingBackoff(CEILING, Random(seed)) for seed in (1, 2)]
    rows = [[backoff.next_delay(found_messages=False) for _ in range(4)] for backoff in backoffs]
    assert rows[0] != rows[1]
