"""The files TLJH's installer leaves on a VM, as far as anything looks at them."""

import json
import shlex
from pathlib import Path

from localdev.azuresim.vm import tljh_files
from localdev.azuresim.vm.context import Vm
from localdev.azuresim.vm.processes import here

PIP_SETTINGS = (
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST", "PIP_CERT", "PIP_CONFIG_FILE", "PIP_FIND_LINKS"),
    *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"),
)
PASSWORDS = f"{tljh_files.STATE}/passwords.dbm"

NOT_HERE = '#!/bin/sh\necho "$0: not available in a simulated VM" >&2\nexit 127\n'

SEED = """\
import dbm, json, sys
import bcrypt
given = json.load(sys.stdin)
with dbm.open(given["path"], "c", 0o600) as db:
    for name, password in given["users"].items():
        db[name] = bcrypt.hashpw(password.encode(), bcrypt.gensalt())
"""


def launcher(python: Path, settings: dict[str, str]) -> str:
    """A script that runs the shared interpreter with settings of its own."""
    exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())
    return f'#!/bin/sh\n{exports}exec {shlex.quote(str(python))} "$@"\n'


def write_hub_environment(vm: Vm) -> None:
    """``/opt/tljh/hub``."""
    vm.disk.write(tljh_files.HUB_PYTHON, launcher(vm.tools.python, {}), 0o755)
    vm.disk.write(f"{tljh_files.PREFIX}/hub/bin/pip", NOT_HERE, 0o755)


def write_user_environment(vm: Vm) -> None:
    """``/opt/tljh/user``: what pip installs there goes to the VM's own directory, behind the shared packages."""
    site = vm.disk.directory(tljh_files.USER_SITE)
    settings = {name: vm.tools.environ[name] for name in PIP_SETTINGS if vm.tools.environ.get(name)}
    own = Path(vm.tools.environ.get("HOME", "/nonexistent")) / ".config" / "pip" / "pip.conf"
    if "PIP_CONFIG_FILE" not in settings and own.exists():
        settings["PIP_CONFIG_FILE"] = str(own)
    settings |= {
        "PYTHONPATH": str(here("user_site")),
        "HUBLET_USER_SITE": str(site),
        "PIP_TARGET": str(site),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
        "PIP_ROOT_USER_ACTION": "ignore",
    }
    vm.disk.write(f"{tljh_files.PREFIX}/user/bin/conda", NOT_HERE, 0o755)
    # The settings may hold an index password of whoever runs the simulator, hence not readable by others.
    vm.disk.write(tljh_files.USER_PYTHON, launcher(vm.tools.python, settings), 0o700)


def write_services(vm: Vm) -> None:
    """Unit files, directories with TLJH's modes and the ``tljh-config`` link."""
    for directory in (tljh_files.STATE, f"{tljh_files.PREFIX}/config", tljh_files.SNIPPETS):
        vm.disk.directory(directory, 0o700)
    for unit in ("jupyterhub", "traefik"):
        vm.disk.write(f"/etc/systemd/system/{unit}.service", f"# recorded, not enforced\n[Unit]\nDescription={unit}\n")
    link = vm.disk.path(tljh_files.TLJH_CONFIG_LINK, follow=False)
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to("/opt/tljh/hub/bin/tljh-config")


async def seed_passwords(vm: Vm, users: dict[str, str]) -> int:
    """Store first-use passwords as ``--admin name:password`` does, with the hub's own Python; its exit code."""
    path = vm.disk.path(PASSWORDS)
    vm.disk.directory(tljh_files.STATE, 0o700)
    run = await vm.processes.spawn_piped([str(vm.tools.python), "-c", SEED], env=vm.environment(), cwd=vm.disk.root)
    run.stdin.write(json.dumps({"path": str(path), "users": users}).encode())
    run.stdin.close()
    await run.stderr.read()
    return await run.process.wait()
