"""The daily shutdown on the wire."""

from typing import Any

import pytest

from shared.adapters.arm.shutdowns import ArmDailyShutdowns
from shared.errors import FatalError, RetryableError
from shared.hubs.ports import DailyShutdown
from tests.support.arm_wire import Answer
from tests.support.builders import some_settings
from tests.unit.arm.wire_world import Wire, refused

GROUP, VM = "hublet-physics-ab2cd3-a1", "physics-ab2cd3-a1-vm"
SUBSCRIPTION = some_settings().subscription_id
IN_GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers"


def a_plan(**changes: Any) -> DailyShutdown:
    everything: dict[str, Any] = {
        "group": GROUP,
        "vm_name": VM,
        "region": "eastus",
        "tags": {"hublet-hub": "physics-ab2cd3"},
        "time": "2130",
        "enabled": True,
        **changes,
    }
    return DailyShutdown(**everything)


def made(status: int = 201, state: str | None = "Succeeded", **headers: str) -> Answer:
    """What Azure answers, to the first PUT and to later ones: 201, in lower case (recorded)."""
    properties = {"status": "Enabled", "taskType": "ComputeVmShutdownTask"}
    if state is not None:
        properties["provisioningState"] = state
    identifier = IN_GROUP.replace("resourceGroups", "resourcegroups")
    body = {"id": f"{identifier}/microsoft.devtestlab/schedules/shutdown-computevm-{VM}", "properties": properties}
    return Answer(status, body, headers)


async def test_a_daily_shutdown_is_one_put_under_the_only_name_azure_takes() -> None:
    wire = Wire(made())

    await ArmDailyShutdowns(wire.arm).put(a_plan())

    (sent,) = wire.transport.sent
    assert sent.method == "PUT"
    assert sent.path == f"{IN_GROUP}/Microsoft.DevTestLab/schedules/shutdown-computevm-{VM}"
    assert sent.query == "api-version=2018-09-15"


async def test_the_whole_schedule_is_sent() -> None:
    wire = Wire(made())

    await ArmDailyShutdowns(wire.arm).put(a_plan())

    assert wire.transport.sent[0].json() == {
        "location": "eastus",
        "tags": {"hublet-hub": "physics-ab2cd3"},
        "properties": {
            "status": "Enabled",
            "taskType": "ComputeVmShutdownTask",
            "dailyRecurrence": {"time": "2130"},
            "timeZoneId": "UTC",
            "notificationSettings": {"status": "Disabled", "timeInMinutes": 30},
            "targetResourceId": f"{IN_GROUP}/Microsoft.Compute/virtualMachines/{VM}",
        },
    }


async def test_one_that_is_switched_off_stays_with_its_time() -> None:
    wire = Wire(made())

    await ArmDailyShutdowns(wire.arm).put(a_plan(enabled=False))

    properties = wire.transport.sent[0].json()["properties"]
    assert (properties["status"], properties["dailyRecurrence"]) == ("Disabled", {"time": "2130"})


@pytest.mark.parametrize("answer", [made(201), made(200), made(201, state=None), made(201, "Creating")])
async def test_nothing_is_polled_whatever_the_answer_promises(answer: Answer) -> None:
    wire = Wire(answer)

    await ArmDailyShutdowns(wire.arm).put(a_plan())

    assert wire.methods == ["PUT"]


async def test_an_answer_that_says_it_failed_is_not_taken_for_success() -> None:
    wire = Wire(made(state="Failed"))

    with pytest.raises(RetryableError):
        await ArmDailyShutdowns(wire.arm).put(a_plan())


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (409, "MissingSubscriptionRegistration"),
        (403, "RequestDisallowedByPolicy"),
        (403, "AuthorizationFailed"),
        (400, "LocationNotAvailableForResourceType"),
        (400, "IncorrectRequiredProperties"),
        (400, "InvalidScheduleId"),
    ],
)
async def test_what_trying_again_cannot_cure_is_fatal_and_registers_nothing(status: int, code: str) -> None:
    wire = Wire(refused(status, code, "No."))

    with pytest.raises(FatalError) as no:
        await ArmDailyShutdowns(wire.arm).put(a_plan())

    assert no.value.code == code
    assert wire.methods == ["PUT"]


@pytest.mark.parametrize(("status", "code"), [(404, "ResourceNotFound"), (429, "TooManyRequests"), (503, "Busy")])
async def test_what_ends_by_itself_is_tried_again(status: int, code: str) -> None:
    wire = Wire(refused(status, code))

    with pytest.raises(RetryableError):
        await ArmDailyShutdowns(wire.arm).put(a_plan())
