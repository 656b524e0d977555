"""Token buckets of Azure Resource Manager and of Microsoft.Compute, with their headers and refusals.

Numbers: https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling (reads 250,
25/s; writes and deletes 200, 10/s; per subscription and principal) and
https://learn.microsoft.com/azure/virtual-machines/compute-throttling-limits (per VM and per subscription and region;
the numbers per minute are the refill, those in brackets the bucket).
The buckets of Compute's expensive reads, operation polls and disks are estimates of ours: no document gives them.
Time is Azure's: a time scale fills the buckets faster, since it also makes clients come faster.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from localdev.azuresim.clock import Clock
from localdev.azuresim.envelope import ArmError, gateway_error, timestamp
from localdev.azuresim.routing import Call, Charge, Route


@dataclass(frozen=True)
class Limit:
    """A bucket's size and how many tokens flow in per second."""

    size: float
    per_second: float


ARM_LIMITS: Mapping[Charge, Limit] = {
    Charge.READS: Limit(250, 25),
    Charge.WRITES: Limit(200, 10),
    Charge.DELETES: Limit(200, 10),
}

#: What the subscription-wide counters were seen to start from (recorded 2025); they are never the first to run dry.
_GLOBAL_SEEN: Mapping[Charge, int] = {Charge.READS: 16500, Charge.WRITES: 12000, Charge.DELETES: 12000}


@dataclass(frozen=True)
class Policy:
    """One of compute's policies: a bucket for each VM, if any, and one for the subscription in a region."""

    name: str
    per_vm: Limit | None
    per_region: Limit


_PUT_VM = Policy("PutVM", Limit(12, 4 / 60), Limit(1500, 500 / 60))
_UPDATE_VM = Policy("UpdateVM", Limit(12, 4 / 60), Limit(1500, 500 / 60))
_DELETE_VM = Policy("DeleteVM", Limit(12, 4 / 60), Limit(1500, 500 / 60))
_LOW_COST_GET = Policy("LowCostGet", Limit(36, 12 / 60), Limit(24000, 8000 / 60))
_HIGH_COST_GET = Policy("HighCostGet", None, Limit(900, 300 / 60))
_GET_OPERATION = Policy("GetOperation", None, Limit(45000, 15000 / 60))
_DISK_WRITE = Policy("CreateUpdateDisks", None, Limit(3000, 1000 / 60))
_DISK_DELETE = Policy("DeleteDisks", None, Limit(3000, 1000 / 60))

COMPUTE_POLICIES: Mapping[str, Policy] = {
    "VirtualMachines_CreateOrUpdate": _PUT_VM,
    "VirtualMachines_Update": _PUT_VM,
    "VirtualMachines_Start": _UPDATE_VM,
    "VirtualMachines_Restart": _UPDATE_VM,
    "VirtualMachines_PowerOff": _UPDATE_VM,
    "VirtualMachines_RetrieveBootDiagnosticsData": _UPDATE_VM,
    "VirtualMachines_Delete": _DELETE_VM,
    "VirtualMachines_Deallocate": _DELETE_VM,
    "VirtualMachines_Get": _LOW_COST_GET,
    "VirtualMachines_InstanceView": _LOW_COST_GET,
    "VirtualMachines_List": _HIGH_COST_GET,
    "VirtualMachines_ListAll": _HIGH_COST_GET,
    "VirtualMachines_ListByLocation": _HIGH_COST_GET,
    "ComputeOperations_Get": _GET_OPERATION,
    "DiskOperations_Get": _GET_OPERATION,
    "Disks_Get": _LOW_COST_GET,
    "Disks_Delete": _DISK_DELETE,
    "Disks_Update": _DISK_WRITE,
}


class TokenBucket:
    """Holds up to ``limit.size`` tokens and gains ``limit.per_second`` of them; full at first."""

    def __init__(self, limit: Limit, now: datetime) -> None:
        self._limit = limit
        self._tokens = limit.size
        self._filled = now

    def fill(self, now: datetime, speed: float = 1.0) -> None:
        """Add what flowed in since the last time; a clock that went backwards adds nothing."""
        gained = max(0.0, (now - self._filled).total_seconds()) * speed * self._limit.per_second
        self._tokens = min(self._limit.size, self._tokens + gained)
        self._filled = max(now, self._filled)

    @property
    def left(self) -> int:
        return int(self._tokens)

    def take(self) -> bool:
        """Take one token; False when there is none."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def wait_s(self) -> float:
        """Seconds of Azure's time until there is a token again."""
        return max(0.0, (1 - self._tokens) / self._limit.per_second)


class Throttle:
    """Takes a token for every request; answers 429 when there is none and the limits are switched on."""

    def __init__(self, clock: Clock, subscription_id: str) -> None:
        self._clock = clock
        self._subscription = subscription_id
        self._buckets: dict[str, TokenBucket] = {}
        self._counted: dict[Charge, int] = dict.fromkeys(Charge, 0)
        self.enabled = True

    def reset(self) -> None:
        """All buckets full again."""
        self._buckets.clear()
        self._counted = dict.fromkeys(Charge, 0)

    def admit_arm(self, route: Route, call: Call, principal: str) -> dict[str, str]:
        """Take the request from ARM's bucket and return the headers that show what is left.

        Raises:
            ArmError: 429 SubscriptionRequestsThrottled with ``Retry-After``.
        """
        bucket = self._bucket(f"arm/{principal}/{route.charge}", ARM_LIMITS[route.charge])
        if not bucket.take() and self.enabled:
            seconds = self._retry_s(bucket)
            where = route.template.upper().translate(str.maketrans("", "", "{}"))
            raise gateway_error(
                429,
                "SubscriptionRequestsThrottled",
                f"Number of requests for subscription '{self._subscription}' and operation "
                f"'{call.request.method}{where}' exceeded the backend storage limit. "
                f"Please try again after '{seconds}' seconds.",
                headers={"Retry-After": str(seconds)},
            )
        self._counted[route.charge] += 1
        left = max(0, _GLOBAL_SEEN[route.charge] - 1 - self._counted[route.charge] % 500)
        return {
            f"x-ms-ratelimit-remaining-subscription-{route.charge}": str(bucket.left),
            f"x-ms-ratelimit-remaining-subscription-global-{route.charge}": str(left),
        }

    def admit_compute(self, operation: str, vm: str, region: str) -> dict[str, str]:
        """Take the request from compute's buckets, if `operation` has a policy.

        Raises:
            ArmError: 429 with compute's top code ``OperationNotAllowed`` and ``TooManyRequests`` inside the details.
        """
        policy = COMPUTE_POLICIES.get(operation)
        if policy is None:
            return {}
        regional = self._bucket(f"{policy.name}/{region}", policy.per_region)
        single = self._bucket(f"{policy.name}/{vm.lower()}", policy.per_vm) if policy.per_vm and vm else None
        for bucket, limit in ((single, policy.per_vm), (regional, policy.per_region)):
            if bucket is not None and limit is not None and not bucket.take() and self.enabled:
                raise self._compute_refusal(policy, bucket, limit)
        left = regional.left
        return {
            "x-ms-ratelimit-remaining-resource": f"Microsoft.Compute/{policy.name}3Min;{left},"
            f"Microsoft.Compute/{policy.name}30Min;{left * 8}"
        }

    def _compute_refusal(self, policy: Policy, bucket: TokenBucket, limit: Limit) -> ArmError:
        now = self._clock.now()
        group = f"{policy.name}3Min"
        measured = {
            "operationGroup": group,
            "startTime": timestamp(now - timedelta(minutes=3)),
            "endTime": timestamp(now),
            "allowedRequestCount": int(limit.size),
            "measuredRequestCount": int(limit.size) + 1,
        }
        return ArmError(
            429,
            "OperationNotAllowed",
            "The server rejected the request because too many requests have been received for this subscription.",
            details=[{"code": "TooManyRequests", "message": json.dumps(measured), "target": group}],
            headers={"Retry-After": str(self._retry_s(bucket))},
        )

    def _bucket(self, key: str, limit: Limit) -> TokenBucket:
        now = self._clock.now()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(limit, now)
        bucket.fill(now, self._clock.time_scale)
        return bucket

    def _retry_s(self, bucket: TokenBucket) -> int:
        return max(1, math.ceil(bucket.wait_s() / self._clock.time_scale))
