"""One installed VM that the tests of this directory share, and a maker of others."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.contract.vm.lab import Authority, Keys, Lab, Rules, cloud_config, custom_data, runtime, spec

type MakeLab = Callable[..., Awaitable[Lab]]


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def make_lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MakeLab]:
    """Boots a VM of its own runtime; `config` changes customData's document, `data` replaces it whole."""
    labs: list[Lab] = []

    async def make(*, config: dict[str, object] | None = None, data: bytes | None = None, **options: Any) -> Lab:
        folder: Path = tmp_path_factory.mktemp("vm")
        authority, keys, rules = Authority(), Keys(), Rules()
        faults = options.pop("faults", {})
        vms = runtime(folder / "vms", authority, **options)
        described = spec(keys, custom_data(cloud_config(keys, **(config or {}))) if data is None else data)
        for kind, times in faults.items():
            vms.inject_fault(kind, times)
        address = await vms.reserve_address(described.vm_id)
        lab = Lab(vms, described, rules, keys, folder, authority)
        labs.append(lab)
        await vms.create(described, address, rules)
        return lab

    yield make
    for lab in labs:
        await lab.runtime.close()


@pytest_asyncio.fixture(loop_scope="package", scope="package")
async def shared_lab(make_lab: MakeLab) -> Lab:
    lab = await make_lab()
    status = await lab.installed()
    assert status["hubApi"]["status"] == 200, status
    return lab


@pytest_asyncio.fixture(loop_scope="package")
async def lab(shared_lab: Lab) -> AsyncIterator[Lab]:
    """The shared VM, with its security rules as they were."""
    yield shared_lab
    shared_lab.rules.closed.clear()
    shared_lab.rules.refused.clear()
