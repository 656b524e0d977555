"""A real JupyterHub with JupyterLab and configurable-http-proxy, as a simulated VM runs them: for contract tests."""

import dbm
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from localdev.ports import unused_ports
from shared.steps.configure import ACCEPTANCE_SCOPES, ACCEPTANCE_SERVICE, SERVICE, SERVICE_SCOPES

PROJECT = Path(__file__).parents[2]
HUBENV = PROJECT / ".localdev" / "hubenv" / "bin"
PROXY = PROJECT / "localdev" / "node" / "node_modules" / ".bin" / "configurable-http-proxy"
START_LIMIT_S = 90

_CONFIG = """
import json, os
plan = json.load(open({plan!r}))
c.JupyterHub.bind_url = plan["url"]
c.JupyterHub.hub_bind_url = plan["hubUrl"]
c.ConfigurableHTTPProxy.api_url = plan["proxyApiUrl"]
c.ConfigurableHTTPProxy.command = [plan["proxy"]]
c.JupyterHub.db_url = "sqlite:///" + plan["directory"] + "/hub.sqlite"
c.JupyterHub.cookie_secret_file = plan["directory"] + "/cookie_secret"
c.JupyterHub.authenticator_class = "firstuse"
c.FirstUseAuthenticator.dbm_path = plan["passwords"]
c.FirstUseAuthenticator.create_users = False
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = plan["directory"] + "/home-{{username}}"
c.Spawner.cmd = [plan["singleuser"]]
c.Spawner.args = ["--allow-root"]
c.Spawner.http_timeout = 90
c.Spawner.start_timeout = 90
c.JupyterHub.services = [{{"name": s["name"], "api_token": s["token"]}} for s in plan["services"]]
c.JupyterHub.load_roles = [
    {{"name": s["name"], "services": [s["name"]], "scopes": s["scopes"]}} for s in plan["services"]
]
"""


@dataclass(frozen=True)
class RealHub:
    """`tokens` by service name, with exactly the scopes our hubs give them."""

    url: str
    passwords: Path
    tokens: dict[str, str]

    def api(self, service: str, method: str, path: str, body: object = None) -> tuple[int, object]:
        """Status and JSON of one API call with a service's token."""
        request = urllib.request.Request(
            f"{self.url}hub/api{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.tokens[service]}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                content, status = response.read(), response.status
        except urllib.error.HTTPError as error:
            content, status = error.read(), error.code
        return status, json.loads(content) if content else None

    def add_person(self, name: str, password: str) -> None:
        """As the task accept-prepare does it: the hash first, then the user."""
        import bcrypt

        with dbm.open(str(self.passwords), "c", 0o600) as passwords:
            passwords[name] = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4))
        status, _ = self.api(ACCEPTANCE_SERVICE, "POST", "/users", {"usernames": [name]})
        assert status == 201, f"the hub made no user: {status}"


@contextmanager
def running_hub(directory: Path) -> Iterator[RealHub]:
    """Starts a hub on free ports and stops it, its proxy and its servers at the end."""
    for program in (HUBENV / "jupyterhub", HUBENV / "jupyterhub-singleuser", PROXY):
        if not program.exists():
            raise RuntimeError(f"{program.name} is not installed: run `./dev setup` once, then the tests again.")
    public, hub, proxy_api = unused_ports(3)
    tokens = {SERVICE: "s" * 40, ACCEPTANCE_SERVICE: "a" * 40}
    scopes = {SERVICE: SERVICE_SCOPES, ACCEPTANCE_SERVICE: ACCEPTANCE_SCOPES}
    running = RealHub(f"http://127.0.0.1:{public}/", directory / "passwords", tokens)
    plan = {
        "url": running.url,
        "hubUrl": f"http://127.0.0.1:{hub}/",
        "proxyApiUrl": f"http://127.0.0.1:{proxy_api}",
        "proxy": str(PROXY),
        "singleuser": str(HUBENV / "jupyterhub-singleuser"),
        "directory": str(directory),
        "passwords": str(running.passwords),
        "services": [{"name": name, "token": token, "scopes": list(scopes[name])} for name, token in tokens.items()],
    }
    (directory / "plan.json").write_text(json.dumps(plan))
    (directory / "config.py").write_text(_CONFIG.format(plan=str(directory / "plan.json")))
    environment = {**os.environ, "PATH": f"{HUBENV}{os.pathsep}{os.environ['PATH']}", "JUPYTERHUB_CRYPT_KEY": "0" * 64}
    with (directory / "hub.log").open("wb") as log:
        process = subprocess.Popen(
            [str(HUBENV / "jupyterhub"), "-f", str(directory / "config.py")],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_up(running, process, directory / "hub.log")
        yield running
    finally:
        _stop(process)


def _wait_until_up(hub: RealHub, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        with suppress(OSError), urllib.request.urlopen(f"{hub.url}hub/api", timeout=5) as response:
            if response.status == 200:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"JupyterHub did not start:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.2)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """JupyterHub ends its servers and its proxy when it is asked to end; what is left of its group is killed."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
