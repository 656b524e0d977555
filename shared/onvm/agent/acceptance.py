"""The acceptance user's beginning and end: the tasks `accept-prepare` and `accept-clean`."""

import hashlib
import shutil
from typing import Any

from shared.onvm.agent.checks import RE_HASH, RE_USER, text
from shared.onvm.agent.errors import AgentError
from shared.onvm.agent.hub_api import call_hub
from shared.onvm.agent.passwords import forget_password, store_password
from shared.onvm.agent.programs import run
from shared.onvm.agent.vm import at
from shared.onvm.agent.waiting import wait_until


def task_accept_prepare(source: dict[str, Any]) -> dict[str, Any]:
    """The hash first: a user without one belongs to whoever logs in first. A null hash leaves the password file alone
    (authenticators without passwords)."""
    user = text(source, "user", RE_USER)
    if source.get("passwordHash") is not None:
        store_password(user, text(source, "passwordHash", RE_HASH))
    answer = call_hub("POST", "/users", {"usernames": [user]})
    if answer.status not in (201, 409):
        raise AgentError("HubRefused", f"JupyterHub answered {answer.status} when asked to make a user.")
    return {}


def task_accept_clean(source: dict[str, Any]) -> dict[str, Any]:
    user = text(source, "user", RE_USER)

    def server_is_gone() -> bool:
        return call_hub("DELETE", f"/users/{user}/server").status in (204, 404)  # 202 and 400: still stopping

    if not wait_until(server_is_gone, 60, 1.0):
        raise AgentError("ServerDidNotStop", "The acceptance user's server did not stop within 60 s.")
    if call_hub("DELETE", f"/users/{user}").status not in (204, 404):
        raise AgentError("HubRefused", "JupyterHub did not delete the acceptance user.")
    forget_password(user)
    account = unix_account(user)
    run("pkill", "-KILL", "-u", account, limit_s=15)
    run("userdel", "--remove", account, limit_s=30)  # 6 = no such account: it is made at the first server start
    home = at(f"/home/{account}")
    if home.is_dir() and not home.is_symlink():
        shutil.rmtree(home)
    return {}


def unix_account(user: str) -> str:
    """TLJH's name for a hub user's account: 26 characters, then a piece of the hash (tljh/normalize.py)."""
    name = f"jupyter-{user}"
    return name if len(name) < 26 else f"{name[:26]}-{hashlib.sha256(name.encode()).hexdigest()[:5]}"
