"""How long Azure's work takes, in nominal seconds.

Medians: compute from recorded operations (startTime to endTime in the test recordings of Azure/azure-sdk-for-python
and Azure/azure-libraries-for-java: VM create 74 s, deallocate 44 s, start 26 s, delete 43 s) and from public Terraform
apply logs (VM create 49 s; VNet 5 s; NSG 3 s; public IP 2-4 s; NIC 3-10 s).  VM create stands between the two sources.
Each operation is spread by a seeded log-normal factor.
"""

import math
import random
from collections.abc import Mapping

MEDIAN_S: Mapping[str, float] = {
    "ResourceGroups_Delete": 150.0,
    "VirtualNetworks_CreateOrUpdate": 5.0,
    "VirtualNetworks_Delete": 8.0,
    "Subnets_CreateOrUpdate": 5.0,
    "Subnets_Delete": 8.0,
    "NetworkSecurityGroups_CreateOrUpdate": 3.0,
    "NetworkSecurityGroups_Delete": 5.0,
    "PublicIPAddresses_CreateOrUpdate": 3.0,
    "PublicIPAddresses_Delete": 8.0,
    "NetworkInterfaces_CreateOrUpdate": 4.0,
    "NetworkInterfaces_Delete": 5.0,
    "VirtualMachines_CreateOrUpdate": 60.0,
    "VirtualMachines_Update": 4.0,
    "VirtualMachines_Start": 26.0,
    "VirtualMachines_Restart": 30.0,
    "VirtualMachines_PowerOff": 12.0,
    "VirtualMachines_Deallocate": 44.0,
    "VirtualMachines_Delete": 43.0,
    "Disks_Delete": 2.0,
}

#: Width of the spread: 90 % of operations take between 0.66 and 1.5 times the median.
SIGMA = 0.25
_NARROWEST, _WIDEST = 0.5, 2.5


class Durations:
    """Draws the duration of each operation; single operations can be set to an exact number of seconds."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._exact: dict[str, float] = {}

    def draw(self, operation: str) -> float:
        """Nominal seconds for one run of `operation`."""
        if operation in self._exact:
            return self._exact[operation]
        if "*" in self._exact:
            return self._exact["*"]
        spread = math.exp(self._rng.gauss(0.0, SIGMA))
        return MEDIAN_S.get(operation, 2.0) * min(_WIDEST, max(_NARROWEST, spread))

    def exact(self) -> dict[str, float]:
        """What was set, by operation."""
        return dict(self._exact)

    def set(self, operation: str, seconds: float) -> None:
        """From now on `operation` (``*`` = all) takes exactly this long; 0 = done before its answer is read."""
        self._exact[operation] = seconds

    def clear(self) -> None:
        """Back to the medians."""
        self._exact.clear()
