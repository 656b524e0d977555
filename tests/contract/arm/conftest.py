"""Each contract test runs on both Azures."""

import pytest

from tests.contract.arm.backends import Azure, FakeAzure, SimulatedAzure


@pytest.fixture(params=["fakes", "simulator"])
def azure(request: pytest.FixtureRequest) -> Azure:
    return FakeAzure() if request.param == "fakes" else SimulatedAzure()


@pytest.fixture
def simulated() -> SimulatedAzure:
    return SimulatedAzure()
