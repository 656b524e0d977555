"""A stand-in for JupyterHub, for runs in which the control plane is under test and hubs are many (``--hub small``).

It answers exactly the calls that Hublet makes: the API with the tokens and scopes found in the machine's real
configuration snippets, users, the login form against the real password file, a server, and a kernel that multiplies.
No user's process is started, and a server does not outlive the hub's process. It runs as a process of the VM, ends
with it, and crashes on a broken snippet as JupyterHub does. Runs in JupyterHub's environment (tornado, traitlets,
bcrypt are there), so it imports nothing of the project.

Answers as in https://jupyterhub.readthedocs.io/en/stable/reference/rest-api.html and
https://jupyter-server.readthedocs.io/en/stable/developers/rest-api.html.
"""

import asyncio
import contextlib
import dbm
import hmac
import http.client
import json
import re
import runpy
import secrets
import signal
import sys
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bcrypt
import tornado.web
import tornado.websocket
from traitlets.config import Config

VERSION = "5.0.0"
SESSION = "small-hub-session"
_PRODUCT = re.compile(r"print\((\d+) \* (\d+)\)")


@dataclass
class Hub:
    """What the hub knows. Users are kept on the disk; sessions and servers end with the process."""

    state: Path
    tokens: dict[str, frozenset[str]]
    """Token of a service -> its scopes."""
    users: set[str] = field(default_factory=set)
    servers: dict[str, str] = field(default_factory=dict)
    """User -> last activity."""
    sessions: dict[str, str] = field(default_factory=dict)

    @property
    def _file(self) -> Path:
        return self.state / "small-hub-users.json"

    def load(self) -> None:
        if self._file.exists():
            self.users = set(json.loads(self._file.read_text()))

    def save(self) -> None:
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(sorted(self.users)))
        part.replace(self._file)

    def password_is(self, user: str, password: str) -> bool:
        """By TLJH's password file, as FirstUseAuthenticator reads it."""
        try:
            with contextlib.closing(dbm.open(str(self.state / "passwords.dbm"), "r")) as passwords:
                known = passwords.get(user.lower().encode())
        except dbm.error:
            return False
        return known is not None and bcrypt.checkpw(password.encode(), known)

    def scopes_of(self, header: str) -> frozenset[str] | None:
        kind, _, given = header.partition(" ")
        if kind.lower() not in ("token", "bearer"):
            return None
        found = [scopes for token, scopes in self.tokens.items() if hmac.compare_digest(token, given.strip())]
        return found[0] if found else None


def service_tokens(snippets: Path) -> dict[str, frozenset[str]]:
    """Runs the configuration snippets as JupyterHub does. Raises what they raise."""
    config: Any = Config()
    config.JupyterHub.services = []
    config.JupyterHub.load_roles = []
    for snippet in sorted(snippets.glob("*.py")):
        runpy.run_path(str(snippet), {"c": config, "get_config": lambda: config})
    scopes: dict[str, set[str]] = {}
    for role in config.JupyterHub.load_roles:
        for name in role.get("services", []):
            scopes.setdefault(name, set()).update(role["scopes"])
    return {
        service["api_token"]: frozenset(scopes.get(service["name"], ()))
        for service in config.JupyterHub.services
        if service.get("api_token")
    }


class Page(tornado.web.RequestHandler):  # type: ignore[misc]
    """What is the same for all answers."""

    def initialize(self, hub: Hub) -> None:
        self.hub = hub

    def check_xsrf_cookie(self) -> None:
        """Ours is below: tornado's own would refuse the services' calls."""

    def person(self) -> str | None:
        return self.hub.sessions.get(self.get_cookie(SESSION) or "")

    def has_xsrf(self) -> bool:
        given = self.request.headers.get("X-XSRFToken") or self.get_body_argument("_xsrf", "")
        known = self.get_cookie("_xsrf") or ""
        return bool(known) and hmac.compare_digest(known, given)

    def say(self, status: int, document: object = None) -> None:
        self.set_status(status)
        if document is not None:
            self.set_header("Content-Type", "application/json")
            self.write(json.dumps(document))
        self.finish()

    def refused(self, status: int, message: str) -> None:
        self.say(status, {"status": status, "message": message})

    def may(self, *scopes: str) -> bool:
        """Whether the caller's token has one of `scopes`; if not, the refusal was sent."""
        found = self.hub.scopes_of(self.request.headers.get("Authorization", ""))
        if found is None or not found.intersection(scopes):
            self.refused(403, "Missing or invalid credentials." if found is None else "Action is not authorized")
            return False
        return True


class Version(Page):
    def get(self) -> None:
        self.say(200, {"version": VERSION})


class Login(Page):
    def get(self) -> None:
        self.set_cookie("_xsrf", secrets.token_hex(16), path="/")
        self.finish("<form method='post'><input name='username'><input name='password' type='password'></form>")

    async def post(self) -> None:
        if not self.has_xsrf():
            self.refused(403, "XSRF cookie does not match POST argument")
            return
        user, password = self.get_body_argument("username", ""), self.get_body_argument("password", "")
        right = await asyncio.get_running_loop().run_in_executor(None, self.hub.password_is, user, password)
        if not right or user not in self.hub.users:
            self.refused(403, "Invalid username or password")
            return
        session = secrets.token_hex(16)
        self.hub.sessions[session] = user
        self.set_cookie(SESSION, session, path="/", httponly=True)
        self.set_cookie("_xsrf", secrets.token_hex(16), path="/")
        self.redirect("/hub/home", status=302)


class Home(Page):
    def get(self) -> None:
        if self.person() is None:
            self.redirect("/hub/login", status=302)
        else:
            self.finish("<h1>home</h1>")


class Users(Page):
    def get(self) -> None:
        """Users with a server, on one page."""
        if not self.may("list:users"):
            return
        items = [{"name": user, "servers": {"": self._server(seen)}} for user, seen in self.hub.servers.items()]
        page = {"offset": 0, "limit": 200, "total": len(items), "next": None}
        self.say(200, {"items": items, "_pagination": page})

    @staticmethod
    def _server(seen: str) -> dict[str, object]:
        return {"last_activity": seen, "ready": True, "pending": None}

    def post(self) -> None:
        if not self.may("admin:users"):
            return
        names = [str(name) for name in json.loads(self.request.body)["usernames"]]
        fresh = [name for name in names if name not in self.hub.users]
        self.hub.users.update(fresh)
        self.hub.save()
        self.say(201 if fresh else 409, [{"name": name} for name in fresh])


class User(Page):
    def get(self, name: str) -> None:
        if self.person() != name:
            self.refused(403, "Missing or invalid credentials.")
            return
        servers = {"": Users._server(self.hub.servers[name])} if name in self.hub.servers else {}
        self.say(200, {"name": name, "pending": None, "servers": servers})

    def delete(self, name: str) -> None:
        if not self.may("admin:users", "delete:users"):
            return
        known = name in self.hub.users
        self.hub.users.discard(name)
        self.hub.servers.pop(name, None)
        self.hub.sessions = {key: user for key, user in self.hub.sessions.items() if user != name}
        self.hub.save()
        self.say(204 if known else 404)


class Server(Page):
    def post(self, name: str) -> None:
        if self.person() != name or not self.has_xsrf():
            self.refused(403, "Missing or invalid credentials.")
            return
        self.hub.servers[name] = datetime.now(UTC).isoformat()
        self.say(201)

    def delete(self, name: str) -> None:
        if not self.may("admin:users", "delete:servers"):
            return
        if name not in self.hub.users:
            self.say(404)
            return
        self.hub.servers.pop(name, None)
        self.say(204)


class Lab(Page):
    def get(self, name: str) -> None:
        if self.person() != name or name not in self.hub.servers:
            self.refused(503, "The server is not running")
            return
        self.finish("<h1>lab</h1>")


class Kernels(Page):
    def post(self, name: str) -> None:
        if self.person() != name or name not in self.hub.servers or not self.has_xsrf():
            self.refused(403, "Forbidden")
            return
        self.say(201, {"id": str(uuid.uuid4()), "name": "python3"})


class Kernel(Page):
    def delete(self, name: str, kernel: str) -> None:
        self.say(204 if self.person() == name and self.has_xsrf() else 403)


class Channels(tornado.websocket.WebSocketHandler):  # type: ignore[misc]
    """Multiplies two numbers; everything else is an error of the code."""

    def initialize(self, hub: Hub) -> None:
        self.hub = hub

    def prepare(self) -> None:
        name = self.path_args[0]
        if self.hub.sessions.get(self.get_cookie(SESSION) or "") != name or name not in self.hub.servers:
            raise tornado.web.HTTPError(403)

    async def on_message(self, message: str | bytes) -> None:
        asked = json.loads(message)
        header = asked["header"]

        async def tell(kind: str, content: dict[str, object]) -> None:
            await self.write_message(
                json.dumps({"msg_type": kind, "parent_header": header, "metadata": {}, "content": content})
            )

        found = _PRODUCT.fullmatch(asked["content"]["code"])
        await tell("status", {"execution_state": "busy"})
        if found is None:
            await tell("error", {"ename": "NotImplementedError", "evalue": "this kernel only multiplies"})
            return
        await tell("stream", {"name": "stdout", "text": f"{int(found[1]) * int(found[2])}\n"})
        await tell("execute_reply", {"status": "ok"})
        await tell("status", {"execution_state": "idle"})


def application(hub: Hub) -> tornado.web.Application:
    """The routes. Raises nothing."""
    known = {"hub": hub}
    name, kernel = "([^/]+)", "([0-9a-f-]{36})"
    return tornado.web.Application(
        [
            (r"/hub/api/?", Version, known),
            (r"/(?:hub/?)?", Home, known),
            (r"/hub/login", Login, known),
            (r"/hub/home", Home, known),
            (r"/hub/api/users", Users, known),
            (rf"/hub/api/users/{name}", User, known),
            (rf"/hub/api/users/{name}/server", Server, known),
            (rf"/user/{name}/lab", Lab, known),
            (rf"/user/{name}/api/kernels", Kernels, known),
            (rf"/user/{name}/api/kernels/{kernel}", Kernel, known),
            (rf"/user/{name}/api/kernels/{kernel}/channels", Channels, known),
        ]
    )


def add_route(settings: dict[str, Any]) -> None:
    """Tells the proxy to send everything here, as JupyterHub does at its start. Raises OSError."""
    target = json.dumps({"target": f"http://{settings['address']}:{settings['hubPort']}"})
    headers = {"Authorization": f"token {settings['proxySecret']}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(urlsplit(settings["proxyApi"]).netloc, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", "/api/routes/", target, headers)
        status = connection.getresponse().status
    if status != 201:
        raise OSError(f"the proxy answers {status}")


async def main(settings_path: str) -> None:
    """Serves until SIGTERM. Raises what a broken snippet raises, and OSError when the proxy is not there."""
    settings = json.loads(Path(settings_path).read_text())
    tljh = Path(settings["root"]) / "opt" / "tljh"
    hub = Hub(tljh / "state", service_tokens(tljh / "config" / "jupyterhub_config.d"))
    hub.load()
    server = application(hub).listen(settings["hubPort"], settings["address"])
    add_route(settings)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    server.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
