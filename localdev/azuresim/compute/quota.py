"""Cores: how many are used, how many may be, and which sizes are restricted.

Both running and deallocated VMs count
(https://learn.microsoft.com/azure/virtual-machines/quotas: "counts both allocated and deallocated").
"""

from collections.abc import Iterable

from localdev.azuresim.catalogue import FAMILIES, Size, find_size
from localdev.azuresim.compute import errors
from localdev.azuresim.compute.models import VirtualMachine
from localdev.azuresim.envelope import Json
from localdev.azuresim.services import Services

_SPOT = "lowPriorityCores"


def _is_spot(vm: VirtualMachine) -> bool:
    return str(vm.extra.get("priority", "Regular")).lower() in ("spot", "low")


class Quota:
    """Usage and limits of compute in each region."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def cores(self, region: str, *, family: str | None = None, spot: bool = False) -> int:
        """Cores in use in a region: regular ones, of one family, or Spot."""
        total = 0
        for vm in self._services.store.every(VirtualMachine):
            size = find_size(vm.size)
            if vm.location == region and size is not None and _is_spot(vm) is spot and family in (None, size.family):
                total += size.cores
        return total

    def check(self, region: str, size: Size, *, spot: bool, instead_of: Size | None = None) -> None:
        """Refuse a VM of this size when it would exceed a limit; `instead_of` is the size it had.

        Raises:
            ArmError: 409 OperationNotAllowed, first for the region, then for the family.
        """
        freed = instead_of.cores if instead_of else 0
        if spot:
            self._check(region, "LowPriorityCores", _SPOT, self.cores(region, spot=True), size.cores - freed)
            return
        self._check(region, "Total Regional Cores", "cores", self.cores(region), size.cores - freed)
        same_family = instead_of is not None and instead_of.family == size.family
        used = self.cores(region, family=size.family)
        self._check(region, f"{size.family} Cores", size.family, used, size.cores - (freed if same_family else 0))

    def _check(self, region: str, text: str, name: str, used: int, wanted: int) -> None:
        limit = self.limit(region, name)
        if wanted > 0 and used + wanted > limit:
            raise errors.quota_exceeded(text, region, limit, used, wanted)

    def limit(self, region: str, name: str) -> int:
        return self._services.settings.quota(region, name, "cores" if name in ("cores", _SPOT) else "family")

    def check_restrictions(self, vm_id: str, region: str, size: Size, zones: Iterable[str]) -> None:
        """Refuse a size this subscription may not use in the region or zone.

        Raises:
            ArmError: 409 SkuNotAvailable.
        """
        withheld = (size.zones_withheld or {}).get(region, ())
        if region in size.restricted_in or any(zone in withheld for zone in zones):
            raise errors.size_restricted(vm_id, region, zones, self._services.subscription_id)

    def usages(self, region: str) -> list[Json]:
        """The list ``az vm list-usage`` shows."""
        vms = [vm for vm in self._services.store.every(VirtualMachine) if vm.location == region]
        rows = [
            ("availabilitySets", "Availability Sets", 0, 2500),
            ("cores", "Total Regional vCPUs", self.cores(region), self.limit(region, "cores")),
            (
                "virtualMachines",
                "Virtual Machines",
                len(vms),
                self._services.settings.quota(region, "virtualMachines", "virtualMachines"),
            ),
            ("virtualMachineScaleSets", "Virtual Machine Scale Sets", 0, 2500),
            (_SPOT, "Total Regional Spot vCPUs", self.cores(region, spot=True), self.limit(region, _SPOT)),
        ]
        rows += [
            (family, f"{text} vCPUs", self.cores(region, family=family), self.limit(region, family))
            for family, text in FAMILIES.items()
        ]
        return [
            {"limit": limit, "unit": "Count", "currentValue": used, "name": {"value": name, "localizedValue": text}}
            for name, text, used, limit in rows
        ]
