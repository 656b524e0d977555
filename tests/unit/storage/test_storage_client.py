"""Where the clients connect to, and what importing them costs."""

import subprocess
import sys
from pathlib import Path

import pytest

from shared.adapters.storage.client import StorageClients
from shared.errors import FatalError
from tests.support.builders import some_settings

ROOT = Path(__file__).parents[3]

MODULES = sorted(file.stem for file in (ROOT / "shared" / "adapters" / "storage").glob("[a-z]*.py"))
HEAVY = ("azure", "aiohttp", "cryptography", "bcrypt", "pydantic", "asyncssh", "yaml")


def test_importing_the_adapters_loads_no_sdk():
    imports = [f"shared.adapters.storage.{name}" for name in MODULES] + [
        "shared.adapters.entropy",
        "shared.adapters.keys",
    ]
    program = (
        f"import sys\nimport {', '.join(imports)}\n"
        f"print(*sorted({{name.partition('.')[0] for name in sys.modules}} & set({HEAVY!r})))"
    )
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


async def test_development_storage_means_the_local_emulator():
    clients = StorageClients(some_settings(AzureWebJobsStorage="UseDevelopmentStorage=true;"))
    assert clients.table_client("hubs").url == "http://127.0.0.1:10002/devstoreaccount1"
    assert clients.queue_client("hub-work").url == "http://127.0.0.1:10001/devstoreaccount1/hub-work"
    await clients.close()


async def test_in_azure_a_managed_identity_opens_both_services():
    settings = some_settings(
        AzureWebJobsStorage="",
        AzureWebJobsStorage__tableServiceUri="https://acct.table.core.windows.net",
        AzureWebJobsStorage__queueServiceUri="https://acct.queue.core.windows.net",
        AZURE_CLIENT_ID="11111111-1111-1111-1111-111111111111",
    )
    clients = StorageClients(settings)
    assert clients.table_client("hubs").url == "https://acct.table.core.windows.net"
    assert clients.queue_client("hub-work").url == "https://acct.queue.core.windows.net/hub-work"
    await clients.close()


async def test_a_missing_queue_endpoint_is_named():
    settings = some_settings(
        AzureWebJobsStorage="", AzureWebJobsStorage__tableServiceUri="https://acct.table.core.windows.net"
    )
    with pytest.raises(FatalError, match="queueServiceUri"):
        StorageClients(settings).queue_client("hub-work")
