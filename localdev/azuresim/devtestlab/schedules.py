"""Daily shutdowns of virtual machines: PUT, GET, PATCH, DELETE and lists, all synchronous."""

import re
from dataclasses import dataclass
from datetime import time
from zoneinfo import ZoneInfo

from localdev.azuresim.compute.models import VirtualMachine
from localdev.azuresim.compute.validation import part
from localdev.azuresim.devtestlab import errors
from localdev.azuresim.devtestlab.firing import Firing
from localdev.azuresim.devtestlab.models import PREFIX, TASK, Schedule
from localdev.azuresim.devtestlab.time_zones import WINDOWS_ZONES, zone_of
from localdev.azuresim.envelope import Json, Response
from localdev.azuresim.identifiers import new_guid
from localdev.azuresim.resources.errors import bad_content, resource_not_found
from localdev.azuresim.routing import Call
from localdev.azuresim.services import Services
from localdev.azuresim.tracked import Tracked, tags_of

_NAME = re.compile(r"[A-Za-z0-9][\w.\-]{0,99}", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3])([0-5]\d)")
_TARGET = re.compile(
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<group>[^/]+)"
    r"/providers/Microsoft\.Compute/virtualMachines/(?P<name>[^/]+)",
    re.IGNORECASE,
)
_SWITCH = ("Enabled", "Disabled")


@dataclass(frozen=True)
class WantedSchedule:
    """``properties`` of a PUT, checked and with defaults filled in."""

    target: str
    vm_name: str
    enabled: bool
    at: time
    time_zone: str
    zone: ZoneInfo
    notification: Json


class Schedules(Tracked[Schedule]):
    """``Microsoft.DevTestLab/schedules``, of which only those of virtual machines outside of labs are there."""

    def __init__(self, services: Services, firing: Firing) -> None:
        super().__init__(services, Schedule, name_rule=_NAME, provider_not_found=errors.not_found)
        self._firing = firing

    def put(self, call: Call) -> Response:
        """201, also for one that is there (as recorded); its age and unique id stay."""
        existing, location = self.check_put(call)
        wanted = self._read(call)
        vm = self.services.store.find(VirtualMachine, wanted.target)
        if vm is None:
            raise resource_not_found(VirtualMachine.TYPE, wanted.vm_name, call.params["group"])
        if vm.location != location:
            raise errors.incorrect("Location", vm.location)
        schedule = Schedule(
            id=existing.id if existing else self.new_id(call),
            name=existing.name if existing else call.params["name"],
            group=self.group_name(call),
            location=location,
            created=existing.created if existing else call.now,
            tags=tags_of(call.body),
            unique_id=existing.unique_id if existing else new_guid(self.services.rng),
            target=wanted.target,
            enabled=wanted.enabled,
            at=wanted.at,
            time_zone=wanted.time_zone,
            zone=wanted.zone,
            notification=wanted.notification,
        )
        self.services.store.touch(existing or schedule, call.now)
        self.services.store.save(schedule)
        self._firing.wait(schedule, call.now)
        return Response(201, schedule.render(self.services.store))

    def patch(self, call: Call) -> Response:
        """Tags only: "all other properties will be ignored"
        (https://learn.microsoft.com/rest/api/dtl/global-schedules/update)."""
        schedule = self.require(call)
        tags = tags_of(call.body)
        self.services.store.touch(schedule, call.now)
        schedule.tags = tags if tags is not None else schedule.tags
        return Response(200, schedule.render(self.services.store))

    def delete(self, call: Call) -> Response:
        """200, or 204 when there is none."""
        schedule = self.find(call)
        if schedule is None:
            return Response(204)
        self.services.store.remove(schedule, call.now)
        return Response(200)

    def _read(self, call: Call) -> WantedSchedule:
        """Check ``properties``.

        Raises:
            ArmError: 400 of the first one that is not accepted.
        """
        properties = call.properties()
        if properties.get("taskType") != TASK:
            raise errors.incorrect("TaskType", TASK)
        target = str(properties.get("targetResourceId"))
        vm = _TARGET.fullmatch(target)
        if vm is None:
            raise errors.incorrect("TargetResourceId", "the resource id of a virtual machine")
        self._check_place(call, vm)
        status = properties.get("status", "Disabled")  # the default of Azure's specification
        if status not in _SWITCH:
            raise errors.incorrect("Status", ", ".join(_SWITCH))
        at = _TIME.fullmatch(str(part(properties, "dailyRecurrence").get("time")))
        if at is None or properties.get("weeklyRecurrence") or properties.get("hourlyRecurrence"):
            raise errors.incorrect("DailyRecurrence", "a time of day as HHmm")
        name = properties.get("timeZoneId")
        zone = zone_of(name)
        if zone is None:
            raise errors.incorrect("TimeZoneId", ", ".join(WINDOWS_ZONES))
        return WantedSchedule(
            target=target,
            vm_name=vm["name"],
            enabled=status == "Enabled",
            at=time(int(at[1]), int(at[2])),
            time_zone=str(name),
            zone=zone,
            notification=_read_notification(properties.get("notificationSettings")),
        )

    def _check_place(self, call: Call, vm: re.Match[str]) -> None:
        wanted = (vm["subscription"], vm["group"], PREFIX + vm["name"])
        given = (call.params["subscription"], call.params["group"], call.params["name"])
        if [each.lower() for each in wanted] != [each.lower() for each in given]:
            raise errors.wrong_place(*wanted)


def _read_notification(settings: object) -> Json:
    if settings is None:
        return {"status": "Disabled", "timeInMinutes": 0}  # as official examples show it
    if not isinstance(settings, dict):
        raise bad_content("notificationSettings must be an object")
    status, minutes = settings.get("status", "Disabled"), settings.get("timeInMinutes", 30)
    if status not in _SWITCH:
        raise errors.incorrect("NotificationSettings.Status", ", ".join(_SWITCH))
    if not isinstance(minutes, int) or isinstance(minutes, bool):
        raise bad_content("timeInMinutes must be an integer")
    if status == "Enabled" and not (settings.get("webhookUrl") or settings.get("emailRecipient")):
        raise errors.incorrect("NotificationSettings", "a webhook URL or an email recipient")
    return {"status": status, "timeInMinutes": minutes} | {
        key: settings[key] for key in ("webhookUrl", "emailRecipient", "notificationLocale") if settings.get(key)
    }
