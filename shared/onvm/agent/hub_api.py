"""JupyterHub's API on the VM's loopback address."""

import json
from typing import Any, NamedTuple

from shared.onvm.agent.errors import AgentError
from shared.onvm.agent.files import read_capped
from shared.onvm.agent.vm import ACCEPTANCE, HUB_PORT, KIB, LOOPBACK, PORTS, PROXY_PORT, token_file


class Answer(NamedTuple):
    status: int
    body: Any
    location: str


def ask(port: int, method: str, path: str, token: str = "", body: object = None, limit_s: float = 5) -> Answer | None:
    """One HTTP request on the VM's loopback; None when nobody answers. At most 64 KiB are read."""
    import http.client  # half of the agent's start-up time, and most calls do not need it

    connection = http.client.HTTPConnection(LOOPBACK, PORTS.get(str(port), port), timeout=limit_s)
    headers = {"Content-Type": "application/json", **({"Authorization": f"token {token}"} if token else {})}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        content = response.read(64 * KIB)
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    try:
        document = json.loads(content) if content else None
    except ValueError:
        document = None
    return Answer(response.status, document, response.getheader("Location", "") or "")


def hub_api() -> dict[str, Any] | None:
    """What `GET /hub/api` says through the proxy, as a visitor would get it; with HTTPS on, the proxy only redirects
    there, so then the hub itself is asked."""
    answer = ask(PROXY_PORT, "GET", "/hub/api", limit_s=3)
    if answer is not None and answer.location.startswith("https://"):
        answer = ask(HUB_PORT, "GET", "/hub/api", limit_s=3)
    if answer is None:
        return None
    version = answer.body.get("version") if isinstance(answer.body, dict) else None
    return {"status": answer.status, "version": version[:40] if isinstance(version, str) else None}


def hub_is_up() -> bool:
    answer = ask(HUB_PORT, "GET", "/hub/api", limit_s=3)
    return answer is not None and answer.status == 200


def call_hub(method: str, path: str, body: object = None, limit_s: float = 30) -> Answer:
    """One call with the acceptance token. Raises HubNotAnswering, or HubRefused for 401, 403 and 5xx."""
    token = read_capped(token_file(ACCEPTANCE), KIB).decode("ascii", "replace").strip()
    if not token:
        raise AgentError("NoAcceptanceToken", "The acceptance token is not on this VM: run configure first.")
    answer = ask(HUB_PORT, method, "/hub/api" + path, token, body, limit_s)
    if answer is None:
        raise AgentError("HubNotAnswering", "JupyterHub does not answer on the VM's loopback address.")
    if answer.status in (401, 403) or answer.status >= 500:
        why = answer.body.get("message") if isinstance(answer.body, dict) else None
        raise AgentError("HubRefused", f"JupyterHub answered {answer.status} to {method} {path}: {why}")
    return answer
