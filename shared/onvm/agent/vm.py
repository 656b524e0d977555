"""The machine the agent runs on: where its files are, its ports.

A root prefix, another loopback address and other ports stand in for a real VM's in tests and in a simulated VM.
"""

import json
import os
from pathlib import Path

ROOT = os.environ.get("HUBLET_ROOT", "")  # empty on a real VM; sudo's env_reset keeps callers from setting it
LOOPBACK = os.environ.get("HUBLET_LOOPBACK", "127.0.0.1")
PORTS: dict[str, int] = json.loads(os.environ.get("HUBLET_PORTS", "{}"))
PROXY_PORT, HUB_PORT = 80, 15001
KIB, MIB = 1 << 10, 1 << 20
ACCEPTANCE = "hublet-acceptance"


def at(path: str) -> Path:
    """An absolute path of the VM as a path of this machine."""
    return Path(ROOT + path)


INPUT = at("/etc/hublet/install.json")
VAR = at("/var/lib/hublet")
STATE = VAR / "install.json"
TASKS = VAR / "tasks"
RELOAD_OWED = VAR / "reload-owed"
PACKAGES = VAR / "packages.json"
NEXT_KEY = VAR / "next_host_key"
TLJH = at("/opt/tljh")
PASSWORDS = TLJH / "state" / "passwords.dbm"
SNIPPETS = TLJH / "config" / "jupyterhub_config.d"
INSTALLER_LOG = TLJH / "installer.log"
OUTPUT_LOG = at("/var/log/cloud-init-output.log")
HOST_KEY = at("/etc/ssh/ssh_host_ed25519_key")
AUTHORIZED_KEYS = at("/home/hublet/.ssh/authorized_keys")


def token_file(service: str) -> Path:
    return TLJH / "state" / f"{service}.token"
