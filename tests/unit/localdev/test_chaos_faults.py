"""The plan of a chaos run's faults: small, seeded, and off when it is told so."""

import pytest

from localdev.chaos.faults import ARM_RATES, STORAGE_RATES, FaultKind, FaultPlan, fault_of, scaled


def kinds(seed: str, requests: int = 2000) -> list[FaultKind | None]:
    plan = FaultPlan(seed, ARM_RATES)
    return [fault.kind if fault else None for fault in (plan.next() for _ in range(requests))]


def test_the_same_seed_gives_the_same_faults_and_another_one_others() -> None:
    assert kinds("7") == kinds("7")
    assert kinds("7") != kinds("8")


def test_a_fault_depends_on_nothing_but_seed_and_number() -> None:
    plan = FaultPlan("7", ARM_RATES)
    for number in range(1, 500):
        assert plan.next() == fault_of("7", number, ARM_RATES)


@pytest.mark.parametrize("rates", [ARM_RATES, STORAGE_RATES])
def test_every_kind_of_a_service_happens_about_as_often_as_its_rate_says(rates: dict[FaultKind, float]) -> None:
    plan = FaultPlan("7", rates)
    for _ in range(20_000):
        plan.next()
    assert set(plan.struck) == set(rates)
    for kind, rate in rates.items():
        assert 0.6 * rate < plan.struck[kind] / 20_000 < 1.5 * rate, kind


def test_a_quiet_plan_has_no_faults() -> None:
    plan = FaultPlan("7", scaled(ARM_RATES, 6), quiet=True)
    assert {plan.next() for _ in range(500)} == {None}
    assert not plan.struck


def test_storage_never_says_429_because_azure_storage_does_not() -> None:
    assert not {FaultKind.THROTTLED, FaultKind.THROTTLED_BARE} & set(STORAGE_RATES)


def test_rates_that_are_no_shares_are_refused() -> None:
    with pytest.raises(ValueError, match="shares"):
        scaled(ARM_RATES, 100)
    with pytest.raises(ValueError, match="shares"):
        scaled(ARM_RATES, -1)
