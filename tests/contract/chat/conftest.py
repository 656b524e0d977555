from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.chat.running_chat import Chat, running_chat


@pytest.fixture
async def chat(tmp_path: Path) -> AsyncIterator[Chat]:
    async with running_chat(tmp_path) as running:
        yield running
