"""``python -m localdev.azuresim`` as a process: its ready file, and what is left of it after SIGTERM."""

import asyncio
import json
import signal
import socket
import ssl
import stat
import sys
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from tests.support.wait import eventually

_PROJECT = Path(__file__).resolve().parents[3]

_MEMBERS = {
    "arm",
    "sim",
    "ca",
    "identityEndpoint",
    "identityHeader",
    "prices",
    "subscriptionId",
    "tenantId",
    "bootstrapUrl",
    "bootstrapSha256",
    "egressAddress",
    "clockFile",
}


def connects(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((parts.hostname or "", parts.port or 0)) == 0


async def test_process_says_where_it_is_and_leaves_no_port_behind(tmp_path: Path) -> None:
    ready, clock = tmp_path / "run" / "azuresim.json", tmp_path / "run" / "clock-offset"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "localdev.azuresim", "--no-vms", "--state-dir", str(tmp_path / "state"), "--ready-file", str(ready)),
        *("--clock-file", str(clock)),
        cwd=_PROJECT,
    )
    try:
        await eventually(ready.exists, 30)
        said = json.loads(ready.read_text())
        assert set(said) == _MEMBERS
        assert stat.S_IMODE(ready.stat().st_mode) == 0o600
        assert Path(said["ca"]).read_text().startswith("-----BEGIN CERTIFICATE-----")
        assert connects(said["arm"])
        assert connects(said["identityEndpoint"])
        assert said["clockFile"] == str(clock)
        assert float(clock.read_text()) == 0
        trusting = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=said["ca"]))
        async with aiohttp.ClientSession(connector=trusting) as http:
            for moved in (86_400.0, 86_400.5):
                async with http.post(f"{said['sim']}/clock", json={"advance_s": moved}) as answer:
                    assert float(clock.read_text()) == (await answer.json())["offset_s"]
        assert float(clock.read_text()) == 172_800.5
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0
        assert not connects(said["arm"])
        assert not connects(said["identityEndpoint"])
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
