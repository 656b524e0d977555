"""Fixtures that more than one tier uses. Expensive ones live for the session."""

from collections.abc import Iterator

import pytest

from tests.support.azurite import running_azurite


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Connection string of a real Azurite (blob, queue, table), started at first use and stopped at the end."""
    with running_azurite(tmp_path_factory.mktemp("azurite")) as connection_string:
        yield connection_string
