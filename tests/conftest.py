"""Fixtures that more than one tier uses. Expensive ones live for the session."""

import gc
from collections.abc import Iterator

import pytest

from tests.support.azurite import running_azurite
from tests.support.often import be_patient, be_quick, is_quick


def pytest_configure(config: pytest.Config) -> None:
    be_patient()
    if is_quick(config):
        be_quick()


def pytest_collection_finish() -> None:
    """Thousands of tests live to the end: whoever looks for garbage need not look through them each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Connection string of a real Azurite (blob, queue, table), started at first use and stopped at the end."""
    with running_azurite(tmp_path_factory.mktemp("azurite")) as connection_string:
        yield connection_string
