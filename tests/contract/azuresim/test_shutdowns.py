"""Azure's own daily shutdown (Microsoft.DevTestLab/schedules), in virtual time and without a socket.

The clock starts on a Monday at 08:00 UTC and moves as ``/_sim/clock`` moves it.
"""

from typing import Any

import pytest

from localdev.azuresim.clock import ManualClock
from localdev.azuresim.envelope import Json, Response
from localdev.azuresim.simulator import Simulator
from localdev.azuresim.vm.ports import NullVmRuntime
from tests.support import azure_requests as bodies
from tests.support.azure_requests import GROUP, REGION, SCHEDULE, VM, Caller, changed, code

MINUTE, HOUR, DAY = 60, 3600, 86_400


async def plan(call: Caller, **properties: Any) -> Response:
    return await call("PUT", SCHEDULE, bodies.schedule_body(call.id(VM), **properties))


async def power(call: Caller, vm: str = VM) -> str:
    statuses: list[Json] = (await call("GET", f"{vm}/instanceView")).json()["statuses"]
    return str(statuses[-1]["code"]).removeprefix("PowerState/")


async def move(call: Caller, seconds: float) -> None:
    assert (await call.sim("POST", "clock", {"advance_s": seconds})).status == 200


async def act(call: Caller, action: str) -> None:
    assert (await call.finish(await call("POST", f"{VM}/{action}")))["status"] == "Succeeded"


# the resource


async def test_schedule_is_answered_as_recorded_and_read_back(call: Caller) -> None:
    await call.has_vm()
    made = await plan(call)
    body = made.json()
    properties = body["properties"]
    unique, created = properties.pop("uniqueIdentifier"), properties.pop("createdDate")
    assert (made.status, "Azure-AsyncOperation" in made.headers) == (201, False)
    assert unique
    assert created
    assert body == {
        "id": call.id(SCHEDULE)
        .replace("/resourceGroups/", "/resourcegroups/")
        .replace("Microsoft.DevTestLab", "microsoft.devtestlab"),
        "name": "shutdown-computevm-vm1",
        "type": "microsoft.devtestlab/schedules",
        "location": REGION,
        "tags": {"hublet-hub": "a"},
        "properties": {
            "status": "Enabled",
            "taskType": "ComputeVmShutdownTask",
            "dailyRecurrence": {"time": "1730"},
            "timeZoneId": "UTC",
            "notificationSettings": {"status": "Disabled", "timeInMinutes": 0},
            "targetResourceId": call.id(VM),
            "provisioningState": "Succeeded",
        },
    }
    again = await plan(call, status="Disabled")
    assert again.status == 201  # recorded: not 200
    assert (await call("GET", SCHEDULE)).json() == again.json()
    later = again.json()["properties"]
    assert (later["uniqueIdentifier"], later["createdDate"], later["status"]) == (unique, created, "Disabled")


async def test_schedule_is_listed_tagged_and_deleted(call: Caller) -> None:
    await call.has_vm()
    await plan(call)
    for path in (SCHEDULE.rpartition("/")[0], "/providers/Microsoft.DevTestLab/schedules"):
        assert [each["name"] for each in (await call("GET", path)).json()["value"]] == ["shutdown-computevm-vm1"]
    patched = await call("PATCH", SCHEDULE, {"tags": {"x": "y"}, "properties": {"status": "Disabled"}})
    assert (patched.status, patched.json()["tags"], patched.json()["properties"]["status"]) == (
        200,
        {"x": "y"},
        "Enabled",
    )
    assert [(await call("DELETE", SCHEDULE)).status for _ in range(2)] == [200, 204]
    call.clock.advance(HOUR)
    assert code(await call("GET", SCHEDULE)) == (404, "ResourceNotFound")


async def test_schedule_belongs_to_its_group(call: Caller) -> None:
    await call.has_vm()
    await plan(call)
    kind = "resourceType eq 'Microsoft.DevTestLab/schedules'"
    listed = (await call("GET", f"/resourceGroups/{GROUP}/resources", query=f"$filter={kind}")).json()["value"]
    assert [(each["type"], each["tags"]) for each in listed] == [
        ("microsoft.devtestlab/schedules", {"hublet-hub": "a"})
    ]
    by_tag = await call("GET", "/resources", query="$filter=tagName eq 'hublet-hub' and tagValue eq 'a'")
    assert "microsoft.devtestlab/schedules" in {each["type"] for each in by_tag.json()["value"]}
    await call.finish(await call("DELETE", f"/resourceGroups/{GROUP}"))
    await call.has_group()
    assert (await call("GET", SCHEDULE)).status == 404


async def test_schedule_outlives_its_machine_and_does_nothing(call: Caller) -> None:
    await call.has_vm()
    await plan(call)
    await call.finish(await call("DELETE", VM))
    await move(call, 2 * DAY)
    assert (await call("GET", SCHEDULE)).status == 200


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("location", "westeurope", "IncorrectRequiredProperties"),
        ("location", None, "LocationRequired"),
        ("location", "atlantis", "LocationNotAvailableForResourceType"),
        ("properties.taskType", "LabVmsShutdownTask", "IncorrectRequiredProperties"),
        ("properties.taskType", None, "IncorrectRequiredProperties"),
        ("properties.status", "On", "IncorrectRequiredProperties"),
        ("properties.targetResourceId", None, "IncorrectRequiredProperties"),
        ("properties.dailyRecurrence", None, "IncorrectRequiredProperties"),
        ("properties.dailyRecurrence.time", "17:30", "IncorrectRequiredProperties"),
        ("properties.dailyRecurrence.time", "2400", "IncorrectRequiredProperties"),
        ("properties.dailyRecurrence.time", 1730.5, "IncorrectRequiredProperties"),
        ("properties.weeklyRecurrence", {"time": "1730", "weekdays": ["Monday"]}, "IncorrectRequiredProperties"),
        ("properties.timeZoneId", None, "IncorrectRequiredProperties"),
        ("properties.timeZoneId", "Europe/Berlin", "IncorrectRequiredProperties"),
        ("properties.notificationSettings", {"status": "Enabled"}, "IncorrectRequiredProperties"),
        ("properties.notificationSettings", {"timeInMinutes": "30"}, "InvalidRequestContent"),
        ("tags", {"a/b": "c"}, "InvalidTags"),
    ],
)
async def test_bad_schedule_is_refused(call: Caller, path: str, value: Any, expected: str) -> None:
    await call.has_vm()
    refused = await call("PUT", SCHEDULE, changed(bodies.schedule_body(call.id(VM)), path, value))
    assert code(refused) == (400, expected)
    assert (await call("GET", SCHEDULE)).status == 404


@pytest.mark.parametrize("name", ["auto-shutdown", "shutdown-computevm-vm2", "shutdown-vm1"])
async def test_schedule_has_the_name_its_machine_demands(call: Caller, name: str) -> None:
    await call.has_vm()
    path = SCHEDULE.rpartition("/")[0]
    assert code(await call("PUT", f"{path}/{name}", bodies.schedule_body(call.id(VM)))) == (400, "InvalidScheduleId")


async def test_schedule_is_in_the_group_of_its_machine(call: Caller) -> None:
    await call.has_vm()
    await call("PUT", "/resourceGroups/other", {"location": REGION})
    elsewhere = SCHEDULE.replace(GROUP, "other")
    assert code(await call("PUT", elsewhere, bodies.schedule_body(call.id(VM)))) == (400, "InvalidScheduleId")
    nobody = bodies.schedule_body(call.id(VM.replace(GROUP, "other")))
    assert code(await call("PUT", elsewhere, nobody)) == (404, "ResourceNotFound")


async def test_ids_are_compared_in_any_case(call: Caller) -> None:
    await call.has_vm()
    body = bodies.schedule_body(call.id(VM).upper())
    assert (await call("PUT", SCHEDULE.upper(), body, version="2018-09-15")).status == 201
    assert (await call("GET", SCHEDULE)).status == 200


async def test_only_the_version_the_type_has_is_served(call: Caller) -> None:
    await call.has_vm()
    body = bodies.schedule_body(call.id(VM))
    refused = await call("PUT", SCHEDULE, body, version="2025-04-01")
    assert code(refused) == (400, "NoRegisteredProviderFound")


async def test_provider_that_is_not_registered_takes_nothing_in(call: Caller) -> None:
    await call.has_vm()
    await call.sim("POST", "settings", {"unregistered": ["Microsoft.DevTestLab"]})
    refused = await plan(call)
    assert code(refused) == (409, "MissingSubscriptionRegistration")
    assert refused.json()["error"]["details"][0]["target"] == "Microsoft.DevTestLab"
    await call("POST", "/providers/Microsoft.DevTestLab/register")
    assert (await plan(call)).status == 201


# its time


async def test_machine_is_deallocated_when_the_time_comes(call: Caller) -> None:
    vm = await call.has_vm()
    await plan(call)
    await call.sim("POST", "transitions", {"VirtualMachines_Deallocate": 5 * MINUTE})
    await move(call, 9 * HOUR)
    assert await power(call) == "running"
    await move(call, 30 * MINUTE)  # 17:30 and what it took to make the VM
    assert await power(call) == "deallocating"
    assert (await call("GET", VM)).json()["properties"]["provisioningState"] == "Updating"
    await move(call, 5 * MINUTE)
    assert await power(call) == "deallocated"
    assert call.simulator.services.runtime.endpoints(vm["id"]) == {}


async def test_clock_moved_over_days_finds_the_machine_deallocated(call: Caller) -> None:
    await call.has_vm()
    await plan(call)
    await move(call, 3 * DAY)
    assert await power(call) == "deallocated"


async def test_shutdown_comes_again_on_the_next_day(call: Caller) -> None:
    await call.has_vm()
    await plan(call)
    await move(call, 10 * HOUR)
    await act(call, "start")
    assert await power(call) == "running"
    await move(call, 23 * HOUR)
    assert await power(call) == "running"
    await move(call, HOUR)
    assert await power(call) == "deallocated"


async def test_time_is_that_of_the_zone(call: Caller) -> None:
    await call.has_vm()
    await plan(call, timeZoneId="W. Europe Standard Time")  # in March 17:30 there is 16:30 UTC
    await move(call, 8 * HOUR)
    assert await power(call) == "running"
    await move(call, HOUR)
    assert await power(call) == "deallocated"


@pytest.mark.parametrize("change", ["disabled", "later", "deleted"])
async def test_schedule_that_was_changed_does_not_fire_as_it_was(call: Caller, change: str) -> None:
    await call.has_vm()
    await plan(call)
    match change:
        case "disabled":
            await plan(call, status="Disabled")
        case "later":
            await plan(call, dailyRecurrence={"time": "2100"})
        case _:
            await call("DELETE", SCHEDULE)
    await move(call, 12 * HOUR)
    assert await power(call) == "running"
    await move(call, 2 * HOUR)
    assert await power(call) == ("deallocated" if change == "later" else "running")


async def test_status_that_is_left_out_means_disabled(call: Caller) -> None:
    await call.has_vm()
    body = changed(bodies.schedule_body(call.id(VM)), "properties.status", None)
    assert (await call("PUT", SCHEDULE, body)).json()["properties"]["status"] == "Disabled"
    await move(call, DAY)
    assert await power(call) == "running"


@pytest.mark.parametrize(("action", "stays"), [("powerOff", "stopped"), ("deallocate", "deallocated")])
async def test_machine_that_is_off_stays_as_it_is(call: Caller, action: str, stays: str) -> None:
    await call.has_vm()
    await plan(call)
    await act(call, action)
    await move(call, DAY)
    assert await power(call) == stays


async def test_busy_machine_is_shut_down_a_minute_after_it_is_free(call: Caller) -> None:
    await call.has_vm()
    await plan(call)
    await move(call, 9.4 * HOUR)
    await call.sim("POST", "transitions", {"VirtualMachines_Restart": 30 * MINUTE})
    begun = await call("POST", f"{VM}/restart")
    await move(call, 20 * MINUTE)
    assert await power(call) == "running"
    assert (await call.finish(begun))["status"] == "Succeeded"
    await move(call, 3 * MINUTE)
    assert await power(call) == "deallocated"


class Counting(NullVmRuntime):
    """Counts how often machines were switched off."""

    def __init__(self) -> None:
        super().__init__()
        self.deallocated = 0

    async def deallocate(self, vm_id: str) -> None:
        self.deallocated += 1
        await super().deallocate(vm_id)


async def test_machine_is_switched_off_once_however_many_days_pass() -> None:
    clock, runtime = ManualClock(), Counting()
    call = Caller(Simulator(clock=clock, runtime=runtime), clock)
    await call.has_vm()
    for _ in range(3):
        await plan(call)  # each takes the place of the one before
    await move(call, 10 * DAY)
    assert runtime.deallocated == 1
