"""The verb `status`."""

import base64
import os
from pathlib import Path
from typing import Any

from shared.onvm.agent.checks import number
from shared.onvm.agent.clock import utc_now
from shared.onvm.agent.files import read_json
from shared.onvm.agent.hub_api import hub_api
from shared.onvm.agent.install import install_state
from shared.onvm.agent.vm import INSTALLER_LOG, KIB, OUTPUT_LOG, at


def part_of(path: Path, offset: int, cap: int) -> dict[str, Any]:
    """The file from a byte offset on. A file that shrank is read from its beginning: compare `offset` with the wish."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            offset = offset if offset <= size else 0
            file.seek(offset)
            data = file.read(cap)
    except OSError:
        return {"offset": 0, "size": 0, "data": ""}
    return {"offset": offset, "size": size, "data": base64.b64encode(data).decode()}


def cloud_init_state() -> str | None:
    run_dir = at("/run/cloud-init")
    result = read_json(run_dir / "result.json").get("v1")
    if isinstance(result, dict):
        return "error" if result.get("errors") else "done"
    if (run_dir / "status.json").exists():
        return "running"
    return "disabled" if (run_dir / "disabled").exists() else None


def verb_status(source: dict[str, Any]) -> dict[str, Any]:
    cap = int(number(source, "maxBytes", 1, 128 * KIB, 64 * KIB))
    return {
        "v": 1,
        "time": utc_now(),
        "install": install_state(),
        "log": part_of(INSTALLER_LOG, int(number(source, "logOffset", 0, 1 << 40, 0)), cap),
        "output": part_of(OUTPUT_LOG, int(number(source, "outputOffset", 0, 1 << 40, 0)), cap),
        "hubApi": hub_api(),
        "cloudInit": cloud_init_state(),
    }
