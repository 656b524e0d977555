"""Azure's own daily shutdown of a VM: it stops the machine although this app is down.

A schedule of Microsoft.DevTestLab, which works for any VM, not only for one in a lab. Azure takes it under no other
name than `shutdown-computevm-<VM>`, in the VM's group and region, so a VM has one at most.
Shapes: recorded requests of Azure/azure-cli `test_vm_auto_shutdown.yaml`;
https://learn.microsoft.com/azure/templates/microsoft.devtestlab/2018-09-15/schedules
"""

from typing import TYPE_CHECKING, Any

from shared.adapters.arm.compute import VM_TYPE
from shared.adapters.arm.errors import translated
from shared.adapters.arm.ids import ResourceId
from shared.adapters.arm.operations import begun, one_look_polling
from shared.hubs.ports import DailyShutdown

if TYPE_CHECKING:
    from shared.adapters.arm.client import ArmClients

API_VERSION = "2018-09-15"
SCHEDULE_TYPE = "Microsoft.DevTestLab/schedules"


class ArmDailyShutdowns:
    """`DailyShutdowns` over azure-mgmt-resource's requests by id: the provider has no SDK we ship."""

    def __init__(self, arm: "ArmClients") -> None:
        self._arm = arm

    async def put(self, plan: DailyShutdown) -> None:
        """One PUT, answered at once with the finished schedule (201, also when there is one): nothing to poll."""
        subscription = self._arm.subscription_id
        schedule = ResourceId(subscription, plan.group, SCHEDULE_TYPE, f"shutdown-computevm-{plan.vm_name}")
        polling = one_look_polling()
        with translated():
            poller = await self._arm.resources().resources.begin_create_or_update_by_id(
                str(schedule), shutdown_body(plan, subscription), api_version=API_VERSION, polling=polling
            )
            # For an answer that says it failed. Should Azure ever want to be polled, the schedule is there anyway.
            begun("daily_shutdown", [plan.group, plan.vm_name], poller, polling)


def shutdown_body(plan: DailyShutdown, subscription: str) -> Any:
    """What is PUT: the whole schedule, so one that was changed by hand is put right. Nobody gets a mail from it."""
    return {
        "location": plan.region,
        "tags": dict(plan.tags),
        "properties": {
            "status": "Enabled" if plan.enabled else "Disabled",
            "taskType": "ComputeVmShutdownTask",
            "dailyRecurrence": {"time": plan.time},
            "timeZoneId": "UTC",
            "notificationSettings": {"status": "Disabled", "timeInMinutes": 30},
            "targetResourceId": str(ResourceId(subscription, plan.group, VM_TYPE, plan.vm_name)),
        },
    }
