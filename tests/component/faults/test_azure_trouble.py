"""Azure throttles, is away, forbids, or is not paid for: rows F19, F20, F31, F32, F33 of the fault matrix."""

import logging
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from shared.errors import FatalError, HubletError, RetryableError
from shared.hubs import steer
from shared.hubs.deadlines import DEADLINES
from shared.hubs.model import Hub, StepName
from shared.hubs.pace import CONDITION
from shared.hubs.states import HubState
from shared.hubs.write_budget import BUCKETS, Budget, Lane
from tests.component.api.client import ADMIN_TOKEN, Api
from tests.support.builders import some_settings
from tests.support.fake_cloud import Call
from tests.support.world import World

UNREACHABLE = RetryableError("AzureUnreachable", "Azure could not be reached.")
NO_TOKEN = RetryableError("AzureIdentityUnavailable", "This service cannot sign in.", retry_after_s=60)
FORBIDDEN = FatalError("RequestDisallowedByPolicy", "A policy forbids this.", fix="Operator: exempt it.")
GATEWAY = RetryableError("AzureHttp503", "Azure had an internal problem.")


def throttled(retry_after_s: float | None = None) -> RetryableError:
    return RetryableError("AzureThrottled", "Azure asks for fewer requests.", retry_after_s=retry_after_s)


def writes(world: World, verb: str) -> list[Call]:
    return [call for call in world.cloud.writes if call.verb == verb]


def seconds_between(calls: list[Call]) -> list[float]:
    return [(after.at - before.at).total_seconds() for before, after in pairwise(calls)]


def asked(world: World) -> int:
    """Calls that hubs made; probes and sweeps belong to none."""
    nobodys = ("probe", "powers", "price", "tagged", "within", "sizes", "sizes_list")
    return len(world.cloud.writes) + sum(call.verb not in nobodys for call in world.cloud.reads)


def failures(hub: Hub) -> list[str]:
    return [f"{name}: {step.last_error.code}" for name, step in hub.steps.items() if step.last_error]


def alerts(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Their kinds."""
    said = [record for record in caplog.records if record.getMessage() == "operator_alert"]
    return [str(record.__dict__["hublet_fields"]["kind"]) for record in said]


async def at_step(world: World, step: StepName) -> Hub:
    await world.create("demo")
    await world.run(lambda: world.hub.next_step is step and world.hub.step(step).started_at is not None)
    return world.hub


async def away_for(world: World, error: HubletError, minutes: float) -> None:
    world.cloud.outage = error
    await world.run(limit_s=minutes * 60)
    world.cloud.outage = None


# ------------------------------------------------------------------ F19, F20: throttling


async def test_f19_a_429_with_retry_after_is_put_off_by_that_time_plus_jitter():
    world = World()
    world.cloud.fail_begin("vm", throttled(40))
    await world.create("demo")
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY
    (pause,) = seconds_between(writes(world, "vm"))
    assert 40 <= pause <= 40 * 1.1 + 5


async def test_f19_a_429_lowers_the_budget_of_all_hubs():
    world = World()
    world.cloud.fail_begin("vm", throttled(40))
    await world.create("demo")
    await world.run(lambda: bool(writes(world, "vm")))
    refused_at = writes(world, "vm")[0].at
    await world.create("other")
    await world.run(limit_s=120)
    (first,) = [call for call in writes(world, "group_put") if "other" in call.group]
    assert first.at >= refused_at + timedelta(seconds=40)


async def test_f19_no_worker_sleeps_through_a_retry_after(monkeypatch: pytest.MonkeyPatch):
    world, slept = World(), list[float]()

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        world.clock.advance(seconds)

    monkeypatch.setattr(world.clock, "sleep", sleep)
    world.cloud.fail_begin("vm", throttled(40))
    await world.create("demo")
    await world.run_to_rest()
    assert slept and max(slept) <= 8


@pytest.mark.parametrize("error", [throttled(), GATEWAY], ids=["429", "503"])
async def test_f20_without_retry_after_it_backs_off_exponentially_with_jitter_and_a_cap(error: RetryableError):
    pauses: list[list[float]] = []
    for seed in range(8):
        world = World(seed=seed)
        world.cloud.before_write = lambda call, gate=world.app.gate: gate.answered()
        world.cloud.fail_begin("vm", error, times=9)
        await world.create("demo")
        await world.run_to_rest()
        pauses.append(seconds_between(writes(world, "vm")))
    first, last = [one[0] for one in pauses], [one[-1] for one in pauses]
    assert max(first) < 12 and max(last) > 20, "it grows"
    assert max(pause for one in pauses for pause in one) < 75, "it is capped"
    assert len({round(pause) for pause in last}) > 4, "it is spread"


async def test_f20_it_counts_against_the_steps_deadline():
    world = World()
    world.cloud.fail_begin("vm", throttled(), times=100_000)
    await world.create("demo")
    hub = await world.run_to_rest(HubState.FAILED)
    assert hub.reason is not None and hub.reason.code == "DeadlinePassed"
    assert "fewer requests" in hub.reason.message
    spent = hub.state_since - (hub.step(StepName.MACHINE).started_at or hub.created_at)
    assert spent <= DEADLINES[StepName.MACHINE].limit + timedelta(minutes=3)


# ------------------------------------------------------------------ the line of creates


async def test_hubs_in_a_long_line_wait_for_their_slot_without_asking_and_no_deadline_counts_it():
    world = World()
    line = BUCKETS[Lane.LINE]
    ahead = Budget().reserve(Lane.LINE, int(line.size + 3600 * line.per_second), world.clock.now().timestamp())[0]
    state, etag = await world.gate_row.read()
    await world.gate_row.write(type(state)(budget=ahead), etag)
    await world.create("demo")
    await world.run(limit_s=3500)
    assert asked(world) == 0 and world.hub.state is HubState.PROVISIONING
    assert world.gate_row.requests <= 2 + 2, "coming back does not queue anew"
    assert [condition.type for condition in world.hub.conditions] == [CONDITION]
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY and hub.conditions == ()


async def test_one_hub_from_accept_to_gone_costs_the_gate_at_most_two_requests_for_each_of_its_two_turns():
    world = World()
    await world.create("demo")
    await world.run_to_rest()
    created = world.gate_row.requests
    assert created <= 3  # what an accept reads once a minute, one read and one write of the reservation
    await world.delete(world.hub)
    await world.run_until_gone()
    assert world.gate_row.requests - created <= 2


# ------------------------------------------------------------------ F31: no token, no answer


@pytest.mark.parametrize("error", [NO_TOKEN, UNREACHABLE], ids=["no token", "no answer"])
async def test_f31_hubs_wait_and_nothing_fails_however_long_it_lasts(error: RetryableError):
    world = World()
    await at_step(world, StepName.MACHINE)
    await world.run(lambda: world.hub.operation is not None)
    longest = DEADLINES[StepName.MACHINE].limit
    await away_for(world, error, minutes=2 * longest.total_seconds() / 60)
    assert world.hub.state is HubState.PROVISIONING
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY
    assert len(world.cloud.vms()) == 1 and hub.conditions == ()


async def test_f31_an_identity_endpoint_that_is_down_leaves_no_failure_on_any_hub():
    world = World()
    for number in range(5):
        await world.create(f"hub{number}")
    await world.run(limit_s=20)
    world.cloud.outage = NO_TOKEN
    await world.run(limit_s=1800)
    hubs = list(world.storage.hubs.hubs.values())
    assert [failures(hub) for hub in hubs] == [[]] * 5
    assert [step.tries for hub in hubs for step in hub.steps.values() if step.tries] == []
    assert all([condition.type for condition in hub.conditions] == [CONDITION] for hub in hubs)


async def test_f31_while_the_circuit_is_open_only_probes_ask_azure():
    world = World()
    for number in range(10):
        await world.create(f"hub{number}")
    world.cloud.outage = UNREACHABLE
    await world.run(lambda: world.gate_row.state.pause is not None)
    before, reads = asked(world), len(world.cloud.reads)
    await world.run(limit_s=1800)
    assert asked(world) == before
    assert 50 < len(world.cloud.reads) - reads < 140, "ever more seldom, and never given up"


async def test_f31_steps_that_need_no_azure_go_on():
    world = World()
    await at_step(world, StepName.INSTALL)
    await away_for(world, UNREACHABLE, minutes=60)
    assert world.hub.step(StepName.CONFIGURE).done, "installed and configured over SSH meanwhile"
    assert world.hub.next_step is StepName.EXPOSE
    assert (await world.run_to_rest()).state is HubState.READY


async def test_f31_one_hubs_own_trouble_stops_nobody_else():
    world = World()
    world.cloud.fail_begin("vm", RetryableError("InternalServerError", "its own"), times=30)
    await world.create("demo")
    await world.run(limit_s=600)
    assert world.gate_row.state.pause is None
    assert failures(world.hub) == ["machine: InternalServerError"]


async def test_f31_a_start_is_not_given_up_for_an_outage():
    world = World()
    await world.create("demo")
    await world.run_to_rest()
    await world.stop()
    await world.run_to_rest(HubState.STOPPED)
    await world.start()
    await away_for(world, UNREACHABLE, minutes=120)
    assert world.hub.state is HubState.STARTING
    assert (await world.run_to_rest(HubState.READY, HubState.STOPPED)).state is HubState.READY


async def test_f31_after_an_outage_the_step_has_the_rest_of_its_time_and_no_more():
    world = World()
    world.cloud.fail_begin("vnet", throttled(20), times=100_000)
    await world.create("demo")
    await world.run(lambda: bool(writes(world, "vnet")))
    await away_for(world, UNREACHABLE, minutes=120)
    assert world.hub.state is HubState.PROVISIONING
    began = world.clock.now()
    await world.run_to_rest(HubState.FAILED)
    limit = DEADLINES[StepName.NETWORK].limit
    assert limit - timedelta(minutes=6) < world.clock.now() - began < limit + timedelta(minutes=6)


async def test_f31_a_hub_that_waited_stands_in_line_behind_those_that_came_back_before_it():
    world = World()
    await world.create("demo")
    await away_for(world, UNREACHABLE, minutes=30)
    state, etag = await world.gate_row.read()
    assert state.pause is not None
    now = world.clock.now().timestamp()
    resumed = state.resumed(now)
    await world.gate_row.write(replace(resumed, budget=resumed.budget.reserve(Lane.RETURN, 1000, now)[0]), etag)
    await world.app.gate.admit()  # the process hears of it; whose call that was, goes on at once
    before = asked(world)
    await world.run(limit_s=250)
    assert asked(world) == before, "a thousand hubs, two or three a second"
    await world.run(limit_s=300)
    assert asked(world) > before and world.hub.slot is None
    assert (await world.run_to_rest()).state is HubState.READY


async def test_f31_the_outage_is_said_once(caplog: pytest.LogCaptureFixture):
    world = World()
    for number in range(5):
        await world.create(f"hub{number}")
    with caplog.at_level(logging.ERROR):
        await away_for(world, NO_TOKEN, minutes=30)
    assert len(alerts(caplog)) == 1


# ------------------------------------------------------------------ F32: forbidden


async def test_f32_a_policy_fails_a_hub_at_once_as_something_for_the_operator_and_is_said_once(
    caplog: pytest.LogCaptureFixture,
):
    world = World()
    world.cloud.fail_begin("group_put", FORBIDDEN, times=10)
    for number in range(10):
        await world.create(f"hub{number}")
    with caplog.at_level(logging.ERROR):
        await world.run(limit_s=60)
    hubs = list(world.storage.hubs.hubs.values())
    assert {(hub.state, hub.reason.code, hub.reason.fix) for hub in hubs if hub.reason} == {
        (HubState.FAILED, "RequestDisallowedByPolicy", "Operator: exempt it.")
    }
    assert len(hubs) == 10 and len(writes(world, "group_put")) == 10, "nothing is tried again"
    assert len(alerts(caplog)) == 1


async def test_f32_a_policy_that_speaks_up_in_the_operation_is_said_too(caplog: pytest.LogCaptureFixture):
    world = World()
    world.cloud.fail_poll("vnet", FORBIDDEN)
    await world.create("demo")
    with caplog.at_level(logging.ERROR):
        hub = await world.run_to_rest()
    assert hub.state is HubState.FAILED and len(alerts(caplog)) == 1


# ------------------------------------------------------------------ F33: not paid for


async def test_f33_a_disabled_subscription_pauses_everything_and_nothing_is_deleted(caplog: pytest.LogCaptureFixture):
    world = World()
    await world.create("old")
    await world.run_to_rest()
    old = world.hub
    await world.delete(old)
    world.cloud.disabled = True
    with caplog.at_level(logging.ERROR):
        await world.run(limit_s=12 * 3600)
    assert len(world.cloud.groups) == 1 and len(world.cloud.vms()) == 1
    assert world.hub.state is HubState.DELETING
    assert len(writes(world, "group_delete")) == 1, "asked once, refused once"
    assert alerts(caplog) == ["AzureSubscriptionDisabled"]
    world.cloud.disabled = False
    await world.run_until_gone()


async def test_f33_hubs_in_the_middle_of_their_creation_go_on_when_it_is_paid():
    world = World()
    await world.create("demo")
    world.cloud.disabled = True
    await world.run(limit_s=24 * 3600)
    assert world.hub.state is HubState.PROVISIONING and failures(world.hub) == []
    world.cloud.disabled = False
    assert (await world.run_to_rest()).state is HubState.READY


async def test_f33_accepts_answer_503_with_a_time_and_go_on_when_it_is_paid():
    world = World(settings=some_settings(HUBLET_ADMIN_TOKEN=ADMIN_TOKEN, HUBLET_EGRESS_CIDRS="198.51.100.7/32"))
    api = Api(world)
    await world.create("demo")
    world.cloud.disabled = True
    await world.run(lambda: world.gate_row.state.pause is not None)
    refused = await api.post("/api/hubs", {"name": "other"})
    assert (refused.status, refused.code) == (503, "AzureSubscriptionDisabled")
    assert int(refused.headers["retry-after"]) >= 300
    assert len(world.storage.hubs.hubs) == 1 and not any("other" in str(one) for one in world.storage.queue.waiting)
    world.cloud.disabled = False
    await world.run_to_rest()
    assert (await api.post("/api/hubs", {"name": "other"})).status == 202


async def test_f33_starts_and_retries_are_refused_and_stops_and_deletes_are_taken():
    world = World()
    await world.create("demo")
    await world.run_to_rest()
    await world.stop()
    await world.run_to_rest(HubState.STOPPED)
    await world.app.gate.failed(RetryableError("ReadOnlyDisabledSubscription", ""), "")
    for ask in (steer.start_hub, steer.restart_hub):
        with pytest.raises(RetryableError) as refused:
            await ask(world.app, world.hub, world.asking())
        assert refused.value.code == "AzureSubscriptionDisabled"
    assert (await world.delete(world.hub)).state is HubState.DELETING
