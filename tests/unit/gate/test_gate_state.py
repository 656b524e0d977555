"""The circuit, as data: opened by failures, probed by one, closed by an answer."""

import json
from dataclasses import replace

import pytest

from shared.errors import CapacityError, FatalError, HubletError, RetryableError, UserError
from shared.hubs.gate_state import (
    FIRST_PROBE_S,
    FIXES,
    FLAPPING_S,
    PROBE_LEASE_S,
    RAREST_PROBE_S,
    SENTENCES,
    AzurePaused,
    Cause,
    GateState,
    Verdict,
    verdict_of,
)
from shared.hubs.write_budget import BUCKETS, Budget, Lane

NOW = 1_800_000_000.0


def an_open_circuit(since: float = NOW) -> GateState:
    return GateState().paused(Cause.OUTAGE, since)


def probed(state: GateState, now: float) -> GateState:
    claimed = state.probing(now)
    assert claimed is not None
    return claimed


def test_a_probe_is_for_one_at_a_time():
    at = NOW + FIRST_PROBE_S
    assert an_open_circuit().probing(at - 0.1) is None
    claimed = probed(an_open_circuit(), at)
    assert claimed.probing(at) is None
    assert claimed.probing(at + PROBE_LEASE_S) is not None, "whoever died in it is replaced"


def test_probes_come_ever_more_seldom_up_to_a_limit():
    state, now, pauses = an_open_circuit(), NOW + FIRST_PROBE_S, []
    for _ in range(8):
        state = probed(state, now).still_paused(Cause.OUTAGE, now)
        assert state.pause is not None
        pauses.append(state.pause.probe_at - now)
        now = state.pause.probe_at
    assert pauses == [5.0, 7.5, 11.25, 15.0, 15.0, 15.0, 15.0, 15.0]
    assert (pauses[0], pauses[-1]) == (FIRST_PROBE_S, RAREST_PROBE_S)


def test_whoever_died_in_a_probe_is_replaced_when_it_could_not_take_longer():
    """10 s to connect and 30 s to read, and a little."""
    assert PROBE_LEASE_S == 10 + 30 + 5


def test_a_probe_that_was_in_vain_learns_the_cause():
    state = probed(an_open_circuit(), NOW + 5).still_paused(Cause.IDENTITY, NOW + 6)
    assert state.pause is not None
    assert (state.pause.cause, state.pause.since, state.pause.probes) == (Cause.IDENTITY, NOW, 1)


def test_there_is_nothing_to_probe_and_no_failed_probe_without_a_pause():
    assert GateState().probing(NOW) is None
    assert GateState().still_paused(Cause.OUTAGE, NOW) == GateState()


def test_nothing_is_void_that_nobody_held_up():
    assert GateState().void_before == 0.0


def test_three_minutes_after_it_closed_an_outage_is_a_new_one():
    closed = an_open_circuit().resumed(NOW + 60)
    last, first = closed.paused(Cause.OUTAGE, NOW + 239.9), closed.paused(Cause.OUTAGE, NOW + 240)
    assert last.pause and last.pause.probe_at == NOW + 239.9 + RAREST_PROBE_S
    assert first.pause and first.pause.probe_at == NOW + 240 + FIRST_PROBE_S


@pytest.mark.parametrize("cause", Cause)
def test_who_is_refused_learns_the_cause_what_to_do_and_when_to_come_back(cause: Cause):
    paused = AzurePaused(cause, 7.0)
    assert (paused.code, paused.message, paused.fix) == (str(cause), SENTENCES[cause], FIXES[cause])
    assert (paused.cause, paused.retry_after_s) == (cause, 7.0)


def test_a_circuit_that_was_just_closed_and_opens_again_is_probed_seldom_at_once():
    """A provider's outage: the probe is answered, what hubs ask is not."""
    closed = an_open_circuit().resumed(NOW + 60)
    again = closed.paused(Cause.OUTAGE, NOW + 61)
    later = closed.paused(Cause.OUTAGE, NOW + 61 + FLAPPING_S)
    assert again.pause and again.pause.probe_at == NOW + 61 + RAREST_PROBE_S
    assert later.pause and later.pause.probe_at == NOW + 61 + FLAPPING_S + FIRST_PROBE_S


def test_opening_twice_keeps_the_time_and_learns_the_cause():
    twice = an_open_circuit().paused(Cause.DISABLED, NOW + 100)
    assert twice.pause is not None
    assert (twice.pause.since, twice.pause.cause) == (NOW, Cause.DISABLED)


def test_closing_makes_older_slots_void_and_the_line_begin_with_nothing_in_store():
    closed = an_open_circuit().resumed(NOW + 60)
    assert closed.pause is None and closed.void_before == NOW + 60
    _, slot = closed.budget.reserve(Lane.LINE, 95, NOW + 60)
    assert slot == pytest.approx(NOW + 70, abs=1e-5)
    assert closed.resumed(NOW + 90) == closed, "twice changes nothing"


def test_a_hold_makes_older_slots_void():
    assert replace(GateState(), budget=Budget().lowered(NOW + 30)).void_before == NOW + 30


@pytest.mark.parametrize(
    "state",
    [
        GateState(),
        an_open_circuit(),
        probed(an_open_circuit(), NOW + 5).still_paused(Cause.IDENTITY, NOW + 6),
        replace(an_open_circuit().resumed(NOW + 9), budget=Budget().reserve(Lane.LINE, 4, NOW)[0].lowered(NOW + 1)),
    ],
)
def test_it_comes_back_from_its_row_as_it_was(state: GateState):
    assert GateState.from_document(json.loads(json.dumps(state.document()))) == state


@pytest.mark.parametrize("document", [None, 7, [], {}, {"fullAt": 3}, {"fullAt": {}, "pause": {"cause": "x"}}])
def test_what_cannot_be_read_is_a_fresh_state(document: object):
    assert GateState.from_document(document) == GateState()


def test_lanes_of_a_newer_version_are_ignored():
    document = {**GateState().document(), "fullAt": {"express": 1.0, "line": 2.0}}
    assert GateState.from_document(document).budget.full_at == {Lane.LINE: 2.0}


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (RetryableError("AzureUnreachable", ""), Verdict.SILENT),
        (RetryableError("AzureHttp503", ""), Verdict.SILENT),
        (RetryableError("AzureHttp500", ""), Verdict.TROUBLED),
        (RetryableError("InternalServerError", ""), Verdict.TROUBLED),
        (RetryableError("AzureIdentityUnavailable", ""), Verdict.UNSIGNED),
        (RetryableError("AzureThrottled", ""), Verdict.THROTTLED),
        (RetryableError("ReadOnlyDisabledSubscription", ""), Verdict.DISABLED),
        (RetryableError("ResourceGroupNotFound", ""), Verdict.NOTHING),
        (RetryableError("WordOfTheFuture", ""), Verdict.NOTHING),
        (FatalError("AuthorizationFailed", ""), Verdict.FORBIDDEN),
        (FatalError("RequestDisallowedByPolicy", ""), Verdict.FORBIDDEN),
        (FatalError("ScopeLocked", ""), Verdict.ANSWERED),
        (CapacityError("SkuNotAvailable", ""), Verdict.ANSWERED),
        (UserError("InvalidParameter", ""), Verdict.ANSWERED),
    ],
)
def test_what_an_error_says_about_azure_as_a_whole(error: HubletError, verdict: Verdict):
    assert verdict_of(error) is verdict


def test_every_lane_has_its_bucket():
    assert set(BUCKETS) == set(Lane)
