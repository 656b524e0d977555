"""The simulator beside recorded ARM traffic and official examples.

Collected only where those lie beside the checkout (see `recordings`).
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.contract.azuresim.differences import KNOWN_EXTRA, KNOWN_MISSING, STATUS_ONLY_IN_EXAMPLES
from tests.contract.azuresim.recordings import Exchange, examples, recorded, shape
from tests.contract.azuresim.refusals import ELSEWHERE, NOT_SIMULATED, REFUSALS, group_delete_failed
from tests.contract.azuresim.scenario import everything, watched
from tests.support.azure_requests import new_caller

_DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "azuresim-differences.md"

RECORDED = recorded(watched().simulator.router)
REAL = [*RECORDED, *examples()]


@pytest.fixture
async def simulated() -> list[Exchange]:
    return await everything()


def _family(operation: str) -> str:
    """What a body is a body of: one VM looks alike in PUT, GET and in lists."""
    family, _, verb = operation.partition("_")
    return operation if verb in ("InstanceView", "RetrieveBootDiagnosticsData") else family


def _shapes(exchanges: Iterable[Exchange]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for exchange in exchanges:
        if exchange.status < 400 and exchange.code is None:
            paths = {path.removeprefix("value.") for path in shape(exchange.body)}
            found[_family(exchange.operation)] |= paths - {"value"}
    return found


def _known(path: str, patterns: Iterable[str]) -> bool:
    return any(re.fullmatch(f"{pattern}(\\..*)?", path) for pattern in patterns)


async def test_every_recorded_field_is_answered_or_a_listed_difference(simulated: list[Exchange]) -> None:
    ours = _shapes(simulated)
    unknown = {
        family: sorted(path for path in paths - ours[family] if not _known(path, KNOWN_MISSING.get(family, {})))
        for family, paths in _shapes(REAL).items()
        if family in ours
    }
    assert {family: paths for family, paths in unknown.items() if paths} == {}


async def test_no_field_is_made_up(simulated: list[Exchange]) -> None:
    real = _shapes(REAL)
    unknown = {
        family: sorted(path for path in paths - real[family] if not _known(path, KNOWN_EXTRA.get(family, {})))
        for family, paths in _shapes(simulated).items()
        if family in real
    }
    assert {family: paths for family, paths in unknown.items() if paths} == {}


async def test_every_recorded_status_of_success_occurs(simulated: list[Exchange]) -> None:
    ours = {exchange.key for exchange in simulated}
    real = {exchange.key for exchange in REAL if exchange.status < 400}
    covered = {operation for operation, _ in ours}
    assert {key for key in real - ours if key[0] in covered} == set(STATUS_ONLY_IN_EXAMPLES)


async def test_long_running_operations_carry_the_recorded_headers(simulated: list[Exchange]) -> None:
    ours: dict[tuple[str, int], set[frozenset[str]]] = defaultdict(set)
    for exchange in simulated:
        ours[exchange.key].add(exchange.lro_headers)
    for exchange in RECORDED:
        if exchange.status < 400 and exchange.key in ours and exchange.operation != "VirtualMachines_Update":
            assert ours[exchange.key] == {exchange.lro_headers}, (exchange.source, exchange.key)


async def test_operation_addresses_are_as_long_as_recorded_ones_and_hold_the_same_parameters(
    simulated: list[Exchange],
) -> None:
    addresses = [
        value
        for exchange in simulated
        for name, value in exchange.headers.items()
        if name.lower() in ("location", "azure-asyncoperation")
    ]
    assert addresses
    for address in addresses:
        assert 3100 <= len(address) <= 3600
        assert [part.partition("=")[0] for part in address.partition("?")[2].split("&")][-5:] == [
            "api-version",
            "t",
            "c",
            "s",
            "h",
        ]


@pytest.mark.parametrize(
    "exchange", [e for e in RECORDED if e.code is not None], ids=lambda e: f"{e.operation}-{e.code}"
)
async def test_refusal_is_answered_as_recorded(exchange: Exchange) -> None:
    assert exchange.code is not None
    key = (exchange.operation, exchange.status, exchange.code)
    if key in NOT_SIMULATED:
        assert key not in REFUSALS
        return
    call = new_caller()
    provoke = REFUSALS.get(key) or ELSEWHERE[exchange.status, exchange.code]
    answer = await provoke(call)
    assert answer.status == exchange.status
    assert _error_shape(answer.json()["error"]) == _error_shape(exchange.body["error"])
    assert answer.json()["error"]["code"] == exchange.code
    assert _gateway(answer.headers) == _gateway(exchange.headers) or not exchange.headers


def _error_shape(error: dict[str, object]) -> set[str]:
    # Compute adds "innererror" to some throttled answers only.
    return set(error) - {"innererror"}


def _gateway(headers: object) -> bool:
    return isinstance(headers, dict) and "gateway" in headers.values()


async def test_failed_group_delete_answers_in_pascal_case() -> None:
    real = [e for e in RECORDED if e.operation == "ResourceGroups_DeleteResult" and e.status == 409]
    answer = await group_delete_failed(new_caller())
    assert answer.status == 409
    assert real
    for exchange in real:
        assert set(answer.json()["Error"]) == set(exchange.body["Error"])


def test_every_known_difference_is_documented() -> None:
    text = _DOCUMENT.read_text()
    for differences in (KNOWN_MISSING, KNOWN_EXTRA):
        for family, patterns in differences.items():
            assert f"`{family}`" in text
            for reason in patterns.values():
                assert reason in text, f"{family}: {reason}"
