"""Starts the local Functions host as a child process, for contract and e2e tests."""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from localdev.paths import ROOT
from localdev.processes import Child, Children

SAMPLE_APP = Path(__file__).parent / "sample_app"


@dataclass(frozen=True)
class RunningHost:
    """`url` without a trailing slash."""

    child: Child
    url: str


def start_host(
    children: Children, folder: Path, name: str, settings: Mapping[str, str], *args: str, app_dir: Path = SAMPLE_APP
) -> RunningHost:
    """A host that serves; `args` are further command line options. Raises ChildFailed."""
    env_file, ready = folder / f"{name}.env.json", folder / f"{name}.ready.json"
    env_file.write_text(json.dumps(dict(settings)), encoding="utf-8")
    ready.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "localdev.host", "--app-dir", str(app_dir), "--port", "0"]
    argv += ["--env-file", str(env_file), "--ready-file", str(ready), *args]
    child = children.start(name, argv, cwd=ROOT)
    return RunningHost(child, json.loads(child.wait_for_file(ready, 60))["url"])
