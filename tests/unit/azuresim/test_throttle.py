"""Token buckets in virtual time."""

import json

import pytest

from localdev.azuresim.clock import ManualClock
from localdev.azuresim.envelope import ArmError
from localdev.azuresim.throttle import Limit, Throttle, TokenBucket

SUB = "11111111-1111-1111-1111-111111111111"


def drain_vm(throttle: Throttle, vm: str = "g/vm", operation: str = "VirtualMachines_CreateOrUpdate") -> int:
    """How many requests get through before the first refusal."""
    for count in range(10_000):
        try:
            throttle.admit_compute(operation, vm, "eastus")
        except ArmError:
            return count
    raise AssertionError("never refused")


def test_bucket_is_full_at_first_and_empty_after_its_size() -> None:
    bucket = TokenBucket(Limit(3, 1), ManualClock().now())
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]


def test_bucket_refills_at_its_rate_and_never_above_its_size() -> None:
    clock = ManualClock()
    bucket = TokenBucket(Limit(200, 10), clock.now())
    while bucket.take():
        pass
    clock.advance(1)
    bucket.fill(clock.now())
    assert bucket.left == 10
    clock.advance(3600)
    bucket.fill(clock.now())
    assert bucket.left == 200


def test_bucket_ignores_a_clock_that_went_backwards() -> None:
    clock = ManualClock()
    bucket = TokenBucket(Limit(2, 1), clock.now())
    bucket.take()
    clock.advance(-100)
    bucket.fill(clock.now())
    assert bucket.left == 1


@pytest.mark.parametrize(
    ("operation", "burst"),
    [
        ("VirtualMachines_CreateOrUpdate", 12),
        ("VirtualMachines_Start", 12),
        ("VirtualMachines_Deallocate", 12),
        ("VirtualMachines_InstanceView", 36),
    ],
)
def test_one_vm_takes_the_documented_burst(operation: str, burst: int) -> None:
    assert drain_vm(Throttle(ManualClock(), SUB), operation=operation) == burst


def test_another_vm_has_its_own_bucket() -> None:
    throttle = Throttle(ManualClock(), SUB)
    drain_vm(throttle, "g/one")
    assert drain_vm(throttle, "g/two") == 12


def test_vm_names_share_a_bucket_whatever_their_case() -> None:
    throttle = Throttle(ManualClock(), SUB)
    drain_vm(throttle, "g/One")
    assert drain_vm(throttle, "G/ONE") == 0


def test_region_limit_holds_over_all_vms() -> None:
    throttle = Throttle(ManualClock(), SUB)
    admitted = 0
    with pytest.raises(ArmError):
        for number in range(2000):
            throttle.admit_compute("VirtualMachines_CreateOrUpdate", f"g/vm{number}", "eastus")
            admitted += 1
    assert admitted == 1500
    throttle.admit_compute("VirtualMachines_CreateOrUpdate", "g/elsewhere", "westeurope")


def test_refusal_of_compute_hides_its_code_in_the_details() -> None:
    throttle = Throttle(ManualClock(), SUB)
    drain_vm(throttle)
    with pytest.raises(ArmError) as refused:
        throttle.admit_compute("VirtualMachines_CreateOrUpdate", "g/vm", "eastus")
    error = refused.value
    assert (error.status, error.code) == (429, "OperationNotAllowed")
    assert error.details is not None
    assert error.details[0]["code"] == "TooManyRequests"
    assert json.loads(error.details[0]["message"])["operationGroup"] == "PutVM3Min"
    # 4 a minute flow in, so the next token is 15 s away.
    assert error.headers["Retry-After"] == "15"


def test_waiting_as_told_is_enough() -> None:
    clock = ManualClock()
    throttle = Throttle(clock, SUB)
    drain_vm(throttle)
    clock.advance(15)
    assert drain_vm(throttle) == 1


def test_time_scale_fills_buckets_faster_and_shortens_the_wait() -> None:
    clock = ManualClock(time_scale=15)
    throttle = Throttle(clock, SUB)
    drain_vm(throttle)
    with pytest.raises(ArmError) as refused:
        throttle.admit_compute("VirtualMachines_CreateOrUpdate", "g/vm", "eastus")
    assert refused.value.headers["Retry-After"] == "1"
    clock.advance(1)
    assert drain_vm(throttle) == 1


def test_switched_off_counts_but_never_refuses() -> None:
    throttle = Throttle(ManualClock(), SUB)
    throttle.enabled = False
    for _ in range(100):
        headers = throttle.admit_compute("VirtualMachines_CreateOrUpdate", "g/vm", "eastus")
    assert headers["x-ms-ratelimit-remaining-resource"].startswith("Microsoft.Compute/PutVM3Min;")


def test_operation_without_a_policy_is_not_counted() -> None:
    assert Throttle(ManualClock(), SUB).admit_compute("VirtualNetworks_Get", "g/vm", "eastus") == {}
