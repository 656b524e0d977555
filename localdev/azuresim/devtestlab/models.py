"""A daily shutdown, how it looks on the wire, and when its time comes.

Shape as recorded (Azure/azure-cli, ``test_vm_auto_shutdown``): id and type in lower case where others are not.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from localdev.azuresim.envelope import Json, timestamp
from localdev.azuresim.store import Resource, Store

TASK = "ComputeVmShutdownTask"
PREFIX = "shutdown-computevm-"


@dataclass(kw_only=True)
class Schedule(Resource):
    """``Microsoft.DevTestLab/schedules`` of one virtual machine."""

    TYPE: ClassVar[str] = "microsoft.devtestlab/schedules"

    unique_id: str
    target: str
    """Id of the VM, as sent."""
    enabled: bool
    at: time
    """Without a zone."""
    time_zone: str
    """Windows name."""
    zone: ZoneInfo
    notification: Json
    """As sent; nobody is notified here."""

    def render(self, store: Store) -> Json:
        properties: Json = {
            "status": "Enabled" if self.enabled else "Disabled",
            "taskType": TASK,
            "dailyRecurrence": {"time": f"{self.at:%H%M}"},
            "timeZoneId": self.time_zone,
            "notificationSettings": dict(self.notification),
            "createdDate": timestamp(self.created),
            "targetResourceId": self.target,
            "provisioningState": self.state.value,
            "uniqueIdentifier": self.unique_id,
        }
        body: Json = {"properties": properties, "location": self.location}
        if self.tags is not None:
            body["tags"] = dict(self.tags)
        return body | {
            "id": self.id.replace("/resourceGroups/", "/resourcegroups/"),
            "name": self.name,
            "type": self.TYPE,
        }

    def next_time(self, after: datetime) -> datetime:
        """The first moment after `after` at which the zone's clocks show the schedule's time, in UTC.

        A time that a change of clocks leaves out comes as much later as the clocks jump; one that comes twice counts
        the first time.
        """
        local = after.astimezone(self.zone).date()
        days = (datetime.combine(local + timedelta(days=n), self.at, tzinfo=self.zone) for n in (-1, 0, 1, 2))
        return next(moment for day in days if (moment := day.astimezone(UTC)) > after)
