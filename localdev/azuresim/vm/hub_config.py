"""JupyterHub's configuration on a simulated VM: what TLJH's own does, from the same files.

Source of the behaviour: jupyterhub/the-littlest-jupyterhub, tljh/jupyterhub_config.py, tljh/configurer.py and
tljh/user_creating_spawner.py.  Runs inside JupyterHub's environment, so it imports nothing of the project.

Not enforced here: Unix accounts (every server runs as whoever runs the simulator; homes are directories of the VM's
disk), systemd units, memory and CPU limits (handed to the servers as the variables JupyterHub sets, nothing more).
Terminals in JupyterLab are off, because they would be a shell on the machine that runs the simulator.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

DEFAULT_AUTHENTICATOR = "firstuseauthenticator.FirstUseAuthenticator"
CULL_DEFAULTS = {
    "enabled": True,
    "timeout": 600,
    "every": 60,
    "concurrency": 5,
    "users": False,
    "max_age": 0,
    "remove_named_servers": False,
}
START_LIMIT_S = 120
"""Both start limits of a user's server; TLJH keeps JupyterHub's defaults of 60 and 30 s, on a machine of its own."""


def configure(c: Any, load_subconfig: Callable[[str], None], settings_path: str) -> None:
    """Fill JupyterHub's configuration object; raises what TLJH's configuration would raise."""
    import yaml

    settings = json.loads(Path(settings_path).read_text())
    root = Path(settings["root"])
    tljh = root / "opt" / "tljh"
    file = tljh / "config" / "config.yaml"
    config = (yaml.safe_load(file.read_text()) if file.exists() else None) or {}

    apply_fixed(c, settings, tljh)
    apply_base_url(c, config)
    apply_users(c, config)
    apply_authenticator(c, config, tljh)
    apply_limits(c, config)
    apply_default_app(c, config)
    apply_culler(c, config)
    for snippet in sorted((tljh / "config" / "jupyterhub_config.d").glob("*.py")):
        load_subconfig(str(snippet))


def apply_fixed(c: Any, settings: dict[str, Any], tljh: Path) -> None:
    """Everything config.yaml has no say in."""
    state = tljh / "state"
    c.JupyterHub.hub_bind_url = f"http://{settings['address']}:{settings['hubPort']}"
    c.JupyterHub.db_url = f"sqlite:///{state / 'jupyterhub.sqlite'}"
    c.JupyterHub.cookie_secret_file = str(state / "jupyterhub_cookie_secret")
    c.JupyterHub.cleanup_servers = False
    c.JupyterHub.cleanup_proxy = False
    c.JupyterHub.init_spawners_timeout = 10
    # traefik tells the hub nothing about activity (configurable-http-proxy would): never ask.
    c.JupyterHub.last_activity_interval = 10**8
    c.ConfigurableHTTPProxy.should_start = False
    c.ConfigurableHTTPProxy.api_url = settings["proxyApi"]
    c.ConfigurableHTTPProxy.auth_token = settings["proxySecret"]

    c.JupyterHub.spawner_class = spawner_class(settings)
    c.Spawner.ip = settings["address"]
    c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
    c.Spawner.args = ["--allow-root"] if settings["asRoot"] else []
    c.Spawner.start_timeout = START_LIMIT_S
    c.Spawner.http_timeout = START_LIMIT_S
    c.Spawner.environment = {
        "JUPYTERHUB_SINGLEUSER_APP": "jupyter_server.serverapp.ServerApp",
        # Ours is read first and wins, so that nothing on the VM's disk can turn terminals on.
        "JUPYTER_CONFIG_PATH": os.pathsep.join([settings["jupyterConfig"], str(tljh / "user" / "etc" / "jupyter")]),
        "PYTHONPATH": settings["siteHook"],
        "HUBLET_USER_SITE": settings["userSite"],
        "PIP_TARGET": settings["userSite"],
        "HUBLET_ROOT": settings["root"],
        "SHELL": "/bin/false",
    }


def apply_base_url(c: Any, config: dict[str, Any]) -> None:
    """``base_url``."""
    c.JupyterHub.base_url = config.get("base_url", "/")


def apply_users(c: Any, config: dict[str, Any]) -> None:
    """``users.admin``, ``users.allowed``, ``users.banned``."""
    users = config.get("users") or {}
    c.Authenticator.admin_users = set(users.get("admin") or [])
    c.Authenticator.allowed_users = set(users.get("allowed") or [])
    c.Authenticator.blocked_users = set(users.get("banned") or [])


def apply_authenticator(c: Any, config: dict[str, Any], tljh: Path) -> None:
    """``auth.type`` and ``auth.<Class>.<trait>``; the default lets nobody create an account by logging in."""
    auth = {"type": DEFAULT_AUTHENTICATOR, "FirstUseAuthenticator": {"create_users": False}}
    for key, value in (config.get("auth") or {}).items():
        if isinstance(value, dict) and isinstance(auth.get(key), dict):
            auth[key] = {**auth[key], **value}  # type: ignore[dict-item]
        else:
            auth[key] = value
    kind = auth["type"]
    c.JupyterHub.authenticator_class = kind
    c.FirstUseAuthenticator.dbm_path = str(tljh / "state" / "passwords.dbm")
    for name, traits in auth.items():
        if name == "type":
            continue
        if not name[:1].isupper():
            raise ValueError(f"Error: auth.{name} was ignored, it didn't look like a valid configuration")
        for trait, value in (traits or {}).items():  # type: ignore[attr-defined]
            if value is not None:
                setattr(c[name], trait, value)
    # TLJH lets everybody in exactly for its default authenticator without a list of allowed users.
    if kind == DEFAULT_AUTHENTICATOR and not c.Authenticator.allowed_users:
        c.Authenticator.allow_all = True


def apply_limits(c: Any, config: dict[str, Any]) -> None:
    """``limits``: recorded, and told to the servers; nothing enforces them here."""
    limits = config.get("limits") or {}
    if limits.get("memory") is not None:
        c.Spawner.mem_limit = limits["memory"]
    if limits.get("cpu") is not None:
        c.Spawner.cpu_limit = limits["cpu"]


def apply_default_app(c: Any, config: dict[str, Any]) -> None:
    """``user_environment.default_app``."""
    app = (config.get("user_environment") or {}).get("default_app", "jupyterlab")
    c.Spawner.default_url = {"jupyterlab": "/lab", "classic": "/tree"}.get(app, "/lab")


def apply_culler(c: Any, config: dict[str, Any]) -> None:
    """``services.cull``: the real idle culler, as a service of the hub."""
    cull = {**CULL_DEFAULTS, **((config.get("services") or {}).get("cull") or {})}
    if not cull["enabled"]:
        return
    command = [
        sys.executable,
        "-m",
        "jupyterhub_idle_culler",
        f"--timeout={cull['timeout']}",
        f"--cull-every={cull['every']}",
        f"--concurrency={cull['concurrency']}",
        f"--max-age={cull['max_age']}",
    ]
    command += ["--cull-users"] if cull["users"] else []
    command += ["--remove-named-servers"] if cull["remove_named_servers"] else []
    scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
    scopes += ["admin:users"] if cull["users"] else []
    c.JupyterHub.services.append({"name": "cull-idle", "command": command})
    c.JupyterHub.load_roles.append({"name": "tljh-idle-culler", "services": ["cull-idle"], "scopes": scopes})


def account_name(username: str) -> str:
    """The Unix account of a hub user.

    tljh/normalize.py: from 26 characters on it is cut there and gets a dash and five hex digits.
    """
    full = f"jupyter-{username}"
    if len(full) < 26:
        return full
    return f"{full[:26]}-{hashlib.sha256(full.encode()).hexdigest()[:5]}"


def spawner_class(settings: dict[str, Any]) -> Any:
    """A local spawner that makes the user's account and home on the VM's disk at the first start."""
    import importlib

    base = importlib.import_module("jupyterhub.spawner").SimpleLocalProcessSpawner

    class AccountSpawner(base):  # type: ignore[misc, valid-type]
        """Runs a user's server as the user who runs the simulator, in the VM's home directory for that user."""

        def _default_home_dir(self) -> str:
            return str(Path(settings["root"]) / "home" / account_name(self.user.name))

        async def start(self) -> Any:
            """Make the account, then start the server."""
            account = account_name(self.user.name)
            self.home_dir = self._default_home_dir()
            subprocess.run([f"{settings['bin']}/useradd", "--create-home", account], check=True)
            return await super().start()

    return AccountSpawner
