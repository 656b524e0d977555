"""One sample host for the tests that only look at it; tests that kill or count start their own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import aiohttp
import pytest
from azure.storage.queue import QueueClient

from localdev.processes import Children
from tests.support.hosts import RunningHost, start_host


class Lab:
    """A folder with the sample app's notes, a queue of its own, and hosts that work on both."""

    def __init__(self, folder: Path, azurite: str, children: Children) -> None:
        self.folder = folder
        self.queue_name = f"q{uuid4().hex[:12]}"
        self.settings = {
            "AzureWebJobsStorage": azurite,
            "SAMPLE_DIR": str(folder),
            "SAMPLE_QUEUE": self.queue_name,
            "AzureFunctionsWebHost__hostid": self.queue_name,
        }
        self._azurite = azurite
        self._children = children
        self._started = 0

    def host(self, *args: str) -> RunningHost:
        self._started += 1
        return start_host(self._children, self.folder, f"host{self._started}", self.settings, *args)

    def queue(self, suffix: str = "") -> QueueClient:
        return QueueClient.from_connection_string(self._azurite, self.queue_name + suffix)

    def notes(self, name: str) -> list[str]:
        file = self.folder / name
        return file.read_text(encoding="utf-8").splitlines() if file.exists() else []


@pytest.fixture
def lab(tmp_path: Path, azurite: str) -> Iterator[Lab]:
    with Children(tmp_path, grace_s=5) as children:
        yield Lab(tmp_path, azurite, children)


@pytest.fixture(scope="session")
def shared_lab(tmp_path_factory: pytest.TempPathFactory, azurite: str) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("sample-host")
    with Children(folder, grace_s=5) as children:
        yield Lab(folder, azurite, children)


@pytest.fixture(scope="session")
def sample(shared_lab: Lab) -> RunningHost:
    return shared_lab.host("--http-limit-seconds", "1")


@pytest.fixture
async def http(sample: RunningHost) -> AsyncIterator[aiohttp.ClientSession]:
    """A client whose base is the sample host."""
    async with aiohttp.ClientSession(sample.url) as session:
        yield session
