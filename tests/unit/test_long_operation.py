"""One long operation of Azure's: begun once, looked at once a visit, and when the next look is."""

from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from shared.app import App
from shared.errors import CapacityError
from shared.hubs.long_operation import run_long
from shared.hubs.model import LongOperation
from shared.hubs.pace import Blocked
from shared.hubs.ports import Begun, Poll
from shared.hubs.states import HubState
from shared.hubs.visit import Done, Visit, Wait
from shared.hubs.write_budget import Lane
from tests.support.builders import a_hub, some_settings
from tests.support.clock import MONDAY_MORNING, FakeClock

KIND = "machine"
NO_ROOM = CapacityError("AllocationFailed", "No room.")


class Azure:
    """Answers the same every time; remembers what it was asked."""

    def __init__(self, scale: float = 1.0) -> None:
        self.begun, self.answer = Begun(handle="h1"), Poll(done=False)
        self.begins, self.polled, self.reserved = 0, list[str](), list[tuple[str, int]]()
        self.clock, self.turn_in_s = FakeClock(), 0.0
        settings = some_settings(HUBLET_POLL_SCALE=str(scale))
        app = SimpleNamespace(clock=self.clock, settings=settings, operations=self, gate=self)
        self.visit = Visit(cast(App, app), a_hub(state=HubState.PROVISIONING))

    async def begin(self) -> Begun:
        self.begins += 1
        return self.begun

    async def poll(self, handle: str) -> Poll:
        self.polled.append(handle)
        return self.answer

    async def reserve(self, lane: Lane, writes: int) -> object:
        self.reserved.append((lane, writes))
        return self.clock.now() + timedelta(seconds=self.turn_in_s)

    async def run(self, first_look_s: float | None = None, kind: str = KIND) -> Done | Wait:
        return await run_long(self.visit, kind, self.begin, first_look_s=first_look_s)

    def running(self, age_s: float = 0.0, kind: str = KIND) -> "Azure":
        begun_at = MONDAY_MORNING - timedelta(seconds=age_s)
        self.visit.update(operation=LongOperation(kind=kind, handle="h0", begun_at=begun_at))
        return self


@pytest.fixture
def azure() -> Azure:
    return Azure()


async def test_it_is_begun_and_remembered_and_not_looked_at_yet(azure: Azure):
    await azure.run()
    assert azure.visit.hub.operation == LongOperation(kind=KIND, handle="h1", begun_at=MONDAY_MORNING)
    assert (azure.begins, azure.polled) == (1, [])


async def test_it_takes_one_write_of_the_lane_of_its_kind(azure: Azure):
    await azure.run()
    assert azure.reserved == [(Lane.LINE, 1)]


async def test_nothing_is_begun_before_it_is_this_hubs_turn(azure: Azure):
    azure.turn_in_s = 12.0
    outcome = await azure.run()
    assert isinstance(outcome, Blocked)
    assert outcome.after_s == 12.0
    assert (azure.begins, azure.visit.hub.operation) == (0, None)


async def test_what_is_over_at_once_is_done_and_leaves_no_operation(azure: Azure):
    azure.begun = Begun(handle=None)
    assert await azure.run() == Done()
    assert azure.visit.hub.operation is None


async def test_a_running_one_is_looked_at_and_not_begun_again(azure: Azure):
    azure.running()
    assert isinstance(await azure.run(), Wait)
    assert (azure.begins, azure.polled) == (0, ["h0"])
    assert azure.reserved == []


async def test_a_running_one_stays_until_it_is_over(azure: Azure):
    azure.running(age_s=30.0)
    before = azure.visit.hub.operation
    await azure.run()
    assert azure.visit.hub.operation == before


async def test_an_operation_of_another_kind_is_no_reason_to_wait(azure: Azure):
    azure.running(kind="vnet")
    await azure.run()
    assert azure.begins == 1
    assert azure.visit.hub.operation is not None
    assert azure.visit.hub.operation.kind == KIND


async def test_when_it_is_over_it_is_done_and_forgotten(azure: Azure):
    azure.running().answer = Poll(done=True)
    assert await azure.run() == Done()
    assert azure.visit.hub.operation is None


async def test_a_failed_one_raises_its_cause_and_is_forgotten(azure: Azure):
    azure.running().answer = Poll(done=True, failure=NO_ROOM)
    with pytest.raises(CapacityError) as raised:
        await azure.run()
    assert raised.value is NO_ROOM
    assert azure.visit.hub.operation is None


# ---- when the next look is


@pytest.mark.parametrize(
    ("scale", "wish_s", "expected_s"),
    [(1, None, 5.0), (10, None, 0.5), (1, 3.0, 3.0), (10, 1.0, 1.0), (1, 50.0, 20.0), (10, 50.0, 2.0)],
    ids=["none", "none, scaled", "short", "short, not scaled", "long", "long, scaled"],
)
async def test_azures_wish_is_obeyed_but_for_long_ones(scale: float, wish_s: float | None, expected_s: float):
    begun = Azure(scale)
    begun.begun = Begun(handle="h1", retry_after_s=wish_s)
    assert await begun.run() == Wait(expected_s)

    running = Azure(scale).running()
    running.answer = Poll(done=False, retry_after_s=wish_s)
    assert await running.run() == Wait(expected_s)


@pytest.mark.parametrize(("scale", "expected_s"), [(1, 4.0), (10, 0.4)])
async def test_the_first_look_is_when_the_kind_usually_ends(scale: float, expected_s: float):
    azure = Azure(scale)
    azure.begun = Begun(handle="h1", retry_after_s=50.0)
    assert await azure.run(first_look_s=4.0) == Wait(expected_s)


@pytest.mark.parametrize(
    ("scale", "age_s", "expected_s"),
    [(1, 0.0, 1.5), (1, 10.0, 3.5), (1, 100.0, 20.0), (10, 1.0, 0.35), (10, 0.0, 0.15), (10, 100.0, 2.0)],
    ids=["young", "older", "old", "scaled", "young, scaled", "old, scaled"],
)
async def test_later_looks_are_after_a_share_of_its_age(scale: float, age_s: float, expected_s: float):
    azure = Azure(scale).running(age_s)
    azure.answer = Poll(done=False, retry_after_s=50.0)
    outcome = await azure.run(first_look_s=4.0)
    assert isinstance(outcome, Wait)
    assert outcome.after_s == pytest.approx(expected_s)
