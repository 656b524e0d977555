"""Microsoft.DevTestLab on the wire."""

from collections.abc import Sequence

from localdev.azuresim.compute.power import PowerActions
from localdev.azuresim.devtestlab import errors
from localdev.azuresim.devtestlab.firing import Firing
from localdev.azuresim.devtestlab.schedules import Schedules
from localdev.azuresim.envelope import Response
from localdev.azuresim.routing import Call, Handler, Route
from localdev.azuresim.services import Services

API_VERSION = "2018-09-15"

_SUB = "/subscriptions/{subscription}"
_PROVIDER = "providers/Microsoft.DevTestLab"


class DevTestLab:
    """The part of Microsoft.DevTestLab that has nothing to do with labs."""

    def __init__(self, services: Services, power: PowerActions) -> None:
        self._services = services
        self.schedules = Schedules(services, Firing(services, power))

    def routes(self) -> Sequence[Route]:
        schedules = f"{_SUB}/resourceGroups/{{group}}/{_PROVIDER}/schedules"
        one, mine, v = f"{schedules}/{{name}}", self.schedules, self._versioned
        everywhere = f"{_SUB}/{_PROVIDER}/schedules"
        return (
            Route("PUT", one, "GlobalSchedules_CreateOrUpdate", v(mine.put)),
            Route("GET", one, "GlobalSchedules_Get", v(mine.get)),
            Route("PATCH", one, "GlobalSchedules_Update", v(mine.patch)),
            Route("DELETE", one, "GlobalSchedules_Delete", v(mine.delete)),
            Route("GET", schedules, "GlobalSchedules_ListByResourceGroup", v(mine.list_in_group)),
            Route("GET", everywhere, "GlobalSchedules_ListBySubscription", v(mine.list_all)),
        )

    def _versioned(self, handler: Handler) -> Handler:
        """Other providers' SDKs send a version that fits; here the caller picks it, and may pick a wrong one."""

        def handle(call: Call) -> Response:
            if call.api_version != API_VERSION:
                group = self._services.store.group(call.params.get("group", ""))
                raise errors.unsupported_version(call.api_version, group.location if group else "", API_VERSION)
            return handler(call)

        return handle
