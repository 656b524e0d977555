"""One process's gate over the shared row: what it costs, what it remembers, and that trouble with it stops nobody."""

import asyncio
import logging

import pytest

from shared.errors import FatalError, HubletError, RetryableError
from shared.hubs.gate import DEBT, FAILURES, KNOWN_FOR_S, SharedGate
from shared.hubs.gate_state import FIRST_PROBE_S, AzurePaused, Cause, GateState
from shared.hubs.write_budget import BUCKETS, Lane
from tests.support.clock import FakeClock
from tests.support.fake_chance import FakeEntropy
from tests.support.fake_storage import FakeCache, FakeGateRow
from tests.support.tape import Tape

UNREACHABLE = RetryableError("AzureUnreachable", "no answer")
TROUBLED = RetryableError("InternalServerError", "one resource's")
DISABLED = RetryableError("ReadOnlyDisabledSubscription", "not paid for")
STORAGE_DOWN = RetryableError("StorageUnavailable", "no")


class Probe:
    """Azure as a probe sees it."""

    def __init__(self) -> None:
        self.error: HubletError | None = None
        self.asked = 0

    async def ask(self) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error


class SlowRow(FakeGateRow):
    """A row whose write lets others run, as every real one does."""

    async def write(self, state: GateState, etag: str | None) -> str:
        await asyncio.sleep(0)
        return await super().write(state, etag)


class Setting:
    """One row, and as many processes as a test needs."""

    def __init__(self) -> None:
        self.clock, self.tape, self.probe = FakeClock(), Tape(), Probe()
        self.row, self.cache = SlowRow(self.tape), FakeCache(self.clock)

    def process(self, seed: int = 1) -> SharedGate:
        return SharedGate(self.row, self.probe, self.clock, FakeEntropy(seed), self.cache)


@pytest.fixture
def setting() -> Setting:
    return Setting()


async def opened(setting: Setting, error: HubletError = UNREACHABLE) -> SharedGate:
    setting.probe.error = error
    gate = setting.process()
    for number in range(FAILURES):
        await gate.failed(error, f"hub{number}")
    assert setting.row.state.pause is not None
    return gate


async def opened_alone(setting: Setting) -> SharedGate:
    setting.probe.error = UNREACHABLE
    gate = setting.process()
    for _ in range(FAILURES):
        await gate.failed(UNREACHABLE, "hub")
    await refused(gate)
    return gate


async def refused(gate: SharedGate) -> float:
    """How long a hub is told to wait."""
    with pytest.raises(AzurePaused) as pause:
        await gate.admit()
    assert pause.value.retry_after_s is not None
    return pause.value.retry_after_s


# ------------------------------------------------------------------ the budget


async def test_a_reservation_costs_one_request_and_the_first_of_a_process_two(setting: Setting):
    gate = setting.process()
    assert await gate.reserve(Lane.LINE, 4) == setting.clock.now()
    assert setting.row.requests == 2
    await gate.reserve(Lane.LINE, 4)
    assert setting.row.requests == 3


async def test_reservations_of_the_same_moment_share_one_write(setting: Setting):
    gate = setting.process()
    slots = await asyncio.gather(*(gate.reserve(Lane.LINE, 4) for _ in range(100)))
    assert setting.row.requests <= 3
    assert slots == sorted(slots)
    assert (slots[-1] - setting.clock.now()).total_seconds() == pytest.approx(250 / 9.5, abs=0.01)


async def test_a_few_writes_outside_of_the_line_cost_no_request_and_are_entered_later(setting: Setting):
    gate = setting.process()
    for _ in range(DEBT):
        assert await gate.reserve(Lane.CHANGE, 1) == setting.clock.now()
    assert setting.row.requests == 0
    await gate.reserve(Lane.CHANGE, 1)
    left = setting.row.state.budget.left(Lane.CHANGE, setting.clock.now().timestamp())
    own = BUCKETS[Lane.CHANGE]
    assert setting.row.requests == 2
    assert left == BUCKETS[Lane.LINE].size and setting.row.state.budget.full_at[Lane.CHANGE] == pytest.approx(
        setting.clock.now().timestamp() + (DEBT + 1) / own.per_second
    )


async def test_two_processes_never_give_the_same_tokens_twice(setting: Setting):
    one, other = setting.process(1), setting.process(2)
    for _ in range(19):
        await one.reserve(Lane.LINE, 4)
        await other.reserve(Lane.LINE, 4)
    slot = await one.reserve(Lane.LINE, 4)  # 156 of 150
    assert (slot - setting.clock.now()).total_seconds() == pytest.approx(6 / 9.5, abs=0.5)


@pytest.mark.parametrize("verb", ["gate.read", "gate.write"])
async def test_storage_trouble_lets_everything_through_and_is_said(
    setting: Setting, verb: str, caplog: pytest.LogCaptureFixture
):
    setting.tape.fail(verb, STORAGE_DOWN, times=50)
    gate = setting.process()
    for _ in range(60):
        if not setting.tape._failures[verb]:
            break
        assert await gate.reserve(Lane.LINE, 100) == setting.clock.now()
    assert any("azure_gate_unavailable" in record.getMessage() for record in caplog.records)


async def test_a_lost_answer_of_a_write_is_read_back(setting: Setting):
    gate = setting.process()
    await gate.reserve(Lane.LINE, 4)
    setting.tape.lose_answer("gate.write", STORAGE_DOWN)
    await gate.reserve(Lane.LINE, 4)
    await gate.reserve(Lane.LINE, 4)
    left = setting.row.state.budget.left(Lane.LINE, setting.clock.now().timestamp())
    assert left == pytest.approx(BUCKETS[Lane.LINE].size - 12, abs=1e-3)


# ------------------------------------------------------------------ throttling


async def test_a_429_holds_every_process_until_the_time_azure_named(setting: Setting):
    one, other = setting.process(1), setting.process(2)
    before = await one.reserve(Lane.LINE, 4)
    await one.failed(RetryableError("AzureThrottled", "slow down", retry_after_s=30), "hub")
    for gate in (one, other):
        slot = await gate.reserve(Lane.LINE, 4)
        assert 30 <= (slot - setting.clock.now()).total_seconds() < 35
    assert one.void(before), "a slot from before the refusal counts no more"


async def test_a_429_that_names_an_absurd_time_does_not_stop_everybody_for_hours(setting: Setting):
    gate = setting.process()
    await gate.failed(RetryableError("AzureThrottled", "", retry_after_s=86_400), "hub")
    assert (await gate.reserve(Lane.CHANGE, 1) - setting.clock.now()).total_seconds() < 310


async def test_many_hubs_that_are_told_the_same_write_it_down_once(setting: Setting):
    gate = setting.process()
    for _ in range(20):
        await gate.failed(RetryableError("AzureThrottled", "", retry_after_s=30), "hub")
    assert setting.row.requests == 2


# ------------------------------------------------------------------ the circuit


async def test_failures_in_a_row_open_the_circuit_and_an_answer_in_between_does_not(setting: Setting):
    gate = setting.process()
    for _ in range(5):
        for _ in range(FAILURES - 1):
            assert await gate.failed(UNREACHABLE, "hub") is UNREACHABLE
        gate.answered()
    assert setting.row.state.pause is None
    errors = [await gate.failed(UNREACHABLE, "hub") for _ in range(FAILURES)]
    assert isinstance(errors[-1], AzurePaused) and errors[-1].cause is Cause.OUTAGE


async def test_one_hubs_own_500s_never_open_it_and_those_of_several_do(setting: Setting):
    gate = setting.process()
    for _ in range(50):
        await gate.failed(TROUBLED, "hub1")
    assert setting.row.state.pause is None
    await gate.failed(TROUBLED, "hub2")
    await gate.failed(TROUBLED, "hub3")
    assert setting.row.state.pause is not None


async def test_a_refusal_with_a_reason_is_an_answer(setting: Setting):
    gate = setting.process()
    for _ in range(5):
        await gate.failed(UNREACHABLE, "hub")
        await gate.failed(FatalError("ScopeLocked", "a lock"), "hub")
    assert setting.row.state.pause is None


async def test_while_it_is_open_one_probe_at_a_time_is_sent_by_whoever_claims_it(setting: Setting):
    one = await opened(setting)
    other = setting.process(2)
    await other.refusal()  # it has read the row
    setting.clock.advance(FIRST_PROBE_S)
    await asyncio.gather(*(refused(gate) for gate in (one, other) for _ in range(20)))
    assert setting.probe.asked == 1


async def test_when_azure_answers_the_next_one_goes_through_and_other_processes_learn_it(setting: Setting):
    one = await opened(setting)
    other = setting.process(2)
    await other.refusal()
    setting.probe.error = None
    await refused(one)
    setting.clock.advance(FIRST_PROBE_S)
    await one.admit()
    await other.admit()
    assert setting.probe.asked == 1 and setting.row.state.pause is None


@pytest.mark.parametrize(("age_s", "shortest", "longest"), [(0, 22.5, 37.5), (1000, 37.5, 62.5), (9000, 67.5, 112.5)])
async def test_hubs_are_told_different_times_to_come_back_later_in_a_long_outage(
    setting: Setting, age_s: float, shortest: float, longest: float
):
    gate = await opened(setting)
    setting.clock.advance(age_s)
    waits = [await refused(gate) for _ in range(200)]
    assert shortest <= min(waits) and max(waits) <= longest
    assert max(waits) - min(waits) > 0.8 * (longest - shortest)


async def test_an_open_circuit_costs_waiting_hubs_no_requests_between_probes(setting: Setting):
    gate = await opened(setting)
    before = setting.row.requests
    for _ in range(100):
        await refused(gate)
    assert setting.row.requests == before


async def test_without_storage_a_process_stops_asking_by_itself_and_goes_on_by_itself(setting: Setting):
    setting.tape.fail("gate.read", STORAGE_DOWN, times=1000)
    gate = await opened_alone(setting)
    setting.clock.advance(FIRST_PROBE_S)
    for _ in range(20):
        await refused(gate)
    assert setting.probe.asked == 1
    setting.probe.error = None
    setting.clock.advance(FIRST_PROBE_S)
    await gate.admit()


# ------------------------------------------------------------------ a disabled subscription, and alerts


async def test_one_refusal_says_that_the_subscription_is_disabled(setting: Setting):
    await setting.process().failed(DISABLED, "hub")
    refusal = await setting.process(2).refusal()
    assert isinstance(refusal, RetryableError)
    assert (refusal.code, refusal.retry_after_s) == ("AzureSubscriptionDisabled", 300)


async def test_an_outage_refuses_no_accept(setting: Setting):
    assert await (await opened(setting)).refusal() is None


async def test_accepts_ask_the_row_once_a_minute(setting: Setting):
    gate = setting.process()
    await asyncio.gather(*(gate.refusal() for _ in range(50)))
    assert setting.row.requests == 1
    setting.clock.advance(KNOWN_FOR_S + 1)
    await gate.refusal()
    assert setting.row.requests == 2


async def test_accepts_go_on_when_the_row_cannot_be_read(setting: Setting):
    setting.tape.fail("gate.read", STORAGE_DOWN)
    gate = setting.process()
    assert await gate.refusal() is None
    assert await gate.refusal() is None
    assert setting.row.requests == 1


async def test_what_a_person_must_act_on_is_said_once_for_all_hubs(setting: Setting, caplog: pytest.LogCaptureFixture):
    forbidden = FatalError("AuthorizationFailed", "not allowed", fix="Operator: the role.")
    with caplog.at_level(logging.ERROR):
        for number in range(10):
            assert await setting.process(number).failed(forbidden, f"hub{number}") is forbidden
    assert sum("operator_alert" in record.getMessage() for record in caplog.records) == 1
