"""`./dev up --host func`: Azure Functions Core Tools in place of our own host."""

import json
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from localdev import paths
from localdev.processes import Child, ChildFailed, Children
from localdev.stack import write_private

_LIMIT_S = 180.0
"""The first start downloads the extension bundle."""

_MARK = "./dev up"
LOCAL_SETTINGS = paths.ROOT / "local.settings.json"


def find() -> str:
    """The path of `func`. Raises ChildFailed, saying how to get it."""
    func = shutil.which("func")
    if func is None:
        raise ChildFailed(
            "`func` is not on PATH. Azure Functions Core Tools 4 are needed for --host func: "
            "https://learn.microsoft.com/azure/azure-functions/functions-run-local (leave --host out to do without)"
        )
    return func


def start(children: Children, func: str, settings: Mapping[str, str], *, port: int) -> tuple[Child, str]:
    """`func start` on the project folder, with a `local.settings.json` made from the sample. Raises ChildFailed."""
    write_local_settings(LOCAL_SETTINGS, settings)
    bin_dir = Path(sys.executable).parent
    environment = {"PATH": f"{bin_dir}{os.pathsep}{os.environ.get('PATH', '')}", "VIRTUAL_ENV": str(bin_dir.parent)}
    child = children.start("host", [func, "start", "--port", str(port)], cwd=paths.ROOT, env=environment)
    api = f"http://127.0.0.1:{port}/api"
    child.wait_until(lambda: True if _answers(f"{api}/healthz") else None, _LIMIT_S)
    return child, api


def write_local_settings(file: Path, settings: Mapping[str, str]) -> None:
    """Never over a file somebody else wrote: that one raises ChildFailed."""
    if file.exists() and json.loads(file.read_text(encoding="utf-8")).get("MadeBy") != _MARK:
        raise ChildFailed(f"{file} was not made by `{_MARK}`; move it away, or run `func start` with it yourself")
    write_private(file, {"MadeBy": _MARK, "IsEncrypted": False, "Values": dict(settings)})


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except (OSError, urllib.error.HTTPError):
        return False
