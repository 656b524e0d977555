"""Microsoft.Compute on the wire."""

from collections.abc import Sequence

from localdev.azuresim.compute import errors
from localdev.azuresim.compute.disks import Disks
from localdev.azuresim.compute.machines import VirtualMachines
from localdev.azuresim.compute.offers import Offers
from localdev.azuresim.compute.power import PowerActions
from localdev.azuresim.compute.provisioning import Provisioning
from localdev.azuresim.compute.quota import Quota
from localdev.azuresim.envelope import Response
from localdev.azuresim.network.routes import Network
from localdev.azuresim.routing import Call, Route
from localdev.azuresim.services import Services

_SUB = "/subscriptions/{subscription}"
_PROVIDER = "providers/Microsoft.Compute"


class Compute:
    """All of Microsoft.Compute."""

    def __init__(self, services: Services, network: Network) -> None:
        self._services = services
        quota = Quota(services)
        self.provisioning = Provisioning(services, network)
        self.machines = VirtualMachines(services, network, self.provisioning, quota)
        self.power = PowerActions(services, self.machines)
        self.disks = Disks(services)
        self.offers = Offers(services, quota)

    def routes(self) -> Sequence[Route]:
        return (*self._machine_routes(), *self._disk_routes(), *self._region_routes())

    def _machine_routes(self) -> Sequence[Route]:
        vms = f"{_SUB}/resourceGroups/{{group}}/{_PROVIDER}/virtualMachines"
        vm = f"{vms}/{{name}}"
        machines, power = self.machines, self.power
        return (
            Route("PUT", vm, "VirtualMachines_CreateOrUpdate", machines.put),
            Route("GET", vm, "VirtualMachines_Get", machines.get),
            Route("PATCH", vm, "VirtualMachines_Update", machines.patch),
            Route("DELETE", vm, "VirtualMachines_Delete", machines.delete),
            Route("GET", vms, "VirtualMachines_List", machines.list_in_group),
            Route("GET", f"{_SUB}/{_PROVIDER}/virtualMachines", "VirtualMachines_ListAll", machines.list_all),
            Route("GET", f"{vm}/instanceView", "VirtualMachines_InstanceView", machines.view),
            Route("POST", f"{vm}/start", "VirtualMachines_Start", power.start),
            Route("POST", f"{vm}/restart", "VirtualMachines_Restart", power.restart),
            Route("POST", f"{vm}/powerOff", "VirtualMachines_PowerOff", power.power_off),
            Route("POST", f"{vm}/deallocate", "VirtualMachines_Deallocate", power.deallocate),
            Route(
                "POST",
                f"{vm}/retrieveBootDiagnosticsData",
                "VirtualMachines_RetrieveBootDiagnosticsData",
                machines.boot_diagnostics,
            ),
        )

    def _disk_routes(self) -> Sequence[Route]:
        disks = f"{_SUB}/resourceGroups/{{group}}/{_PROVIDER}/disks"
        disk = f"{disks}/{{name}}"
        return (
            Route("GET", disk, "Disks_Get", self.disks.get),
            Route("PATCH", disk, "Disks_Update", self.disks.patch),
            Route("DELETE", disk, "Disks_Delete", self.disks.delete),
            Route("GET", disks, "Disks_ListByResourceGroup", self.disks.list_in_group),
            Route("GET", f"{_SUB}/{_PROVIDER}/disks", "Disks_List", self.disks.list_all),
        )

    def _region_routes(self) -> Sequence[Route]:
        place = f"{_SUB}/{_PROVIDER}/locations/{{location}}"
        images = f"{place}/publishers/{{publisher}}/artifacttypes/vmimage/offers/{{offer}}/skus"
        offers = self.offers
        return (
            Route("GET", f"{_SUB}/{_PROVIDER}/skus", "ResourceSkus_List", offers.skus),
            Route("GET", f"{place}/usages", "Usage_List", offers.usages),
            Route("GET", f"{place}/vmSizes", "VirtualMachineSizes_List", offers.sizes),
            Route("GET", f"{place}/virtualMachines", "VirtualMachines_ListByLocation", self.machines.list_by_location),
            Route("GET", images, "VirtualMachineImages_ListSkus", offers.image_skus),
            Route("GET", f"{images}/{{sku}}/versions", "VirtualMachineImages_List", offers.image_versions),
            Route("GET", f"{place}/operations/{{operation}}", "ComputeOperations_Get", self.operation),
            Route("GET", f"{place}/DiskOperations/{{operation}}", "DiskOperations_Get", self.operation),
        )

    def operation(self, call: Call) -> Response:
        """The status of an operation, or with ``monitor=true`` its result."""
        operations = self._services.operations
        operation = operations.find(call.params["operation"])
        if operation is None:
            raise errors.operation_not_found(call.params["operation"])
        if call.query.get("monitor", "").lower() == "true":
            return operations.result(operation)
        return operations.compute_status(operation)
