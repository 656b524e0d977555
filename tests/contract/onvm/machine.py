"""A VM for the agent's tests: a directory as its root, stub programs as its PATH, a small JupyterHub on loopback.

The agent runs for real, as its own process and as the one file a VM gets. Stubs keep what they were called with, and
the hub keeps its people.
"""

import ast
import hashlib
import json
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from shared.onvm.bundle import agent_bytes

# The agent must run on Ubuntu's Python (3.10, 3.12) too; set this to try it with another one.
PYTHON = os.environ.get("HUBLET_TEST_AGENT_PYTHON", sys.executable)

HASH = "$2b$12$" + "N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"
TOKEN, ACCEPTANCE_TOKEN = "lasting-token-0123456789", "acceptance-token-0123456789"
BOOTSTRAP_URL = "https://example.org/bootstrap.py"
CONFIGURE_INPUT: Mapping[str, object] = {
    "limits": {"memory": "2G", "cpu": 2},
    "users": ["ada", "bob"],
    "adminUser": "jaydoe",
    "authType": "firstuse",
    "sharedFolder": True,
    "idleRule": {"minutes": 50},
    "apt": ["cowsay"],
    "pip": ["pandas>=2"],
    "services": [
        {"name": "hublet", "token": TOKEN, "scopes": ["list:users", "read:servers"]},
        {"name": "hublet-acceptance", "token": ACCEPTANCE_TOKEN, "scopes": ["admin:users", "delete:users"]},
    ],
    "https": None,
}

# A stub runs hundreds of times, and importing json would double its time.
RECORD = """
import os, sys
with open({calls!r}, "a") as calls:
    calls.write(repr([os.path.basename(sys.argv[0]), *sys.argv[1:]]) + "\\n")
ROOT = {root!r}
def arg(flag): return sys.argv[sys.argv.index(flag) + 1]
"""

STUBS = {
    "systemctl": "",
    "journalctl": "print('jupyterhub: SyntaxError in a snippet')",
    "apt-get": "",
    "pkill": "",
    "userdel": "sys.exit(6)",
    "curl": "open(arg('-o'), 'w').write(open({served!r}).read())",
    "ssh-keygen": """
        open(arg('-f'), 'w').write('new private key')
        open(arg('-f') + '.pub', 'w').write('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI' + 'B' * 43 + ' hublet\\n')
    """,
    "tljh-config": """
        import json
        path = ROOT + '/opt/tljh/config/config.yaml'
        try: config = json.load(open(path))
        except FileNotFoundError: config = {{}}
        def show(value, indent):
            for key, item in value.items():
                if isinstance(item, dict) and item:
                    print(indent + key + ':'); show(item, indent + '  ')
                elif isinstance(item, list) and item:
                    print(indent + key + ':', *[indent + '- ' + entry for entry in item], sep='\\n')
                else: print(indent + key + ': ' + (item if isinstance(item, str) else json.dumps(item)))
        words = [word for word in sys.argv[1:] if word != '--no-validate']
        if words[0] == 'show': show(config, ''); sys.exit()
        if words[0] == 'reload': sys.exit()
        *parents, last = words[1].split('.')
        here = config
        for name in parents: here = here.setdefault(name, {{}})
        if words[0] == 'set':
            try: here[last] = json.loads(words[2])
            except ValueError: here[last] = words[2]
        elif words[0] == 'unset': del here[last]
        elif words[0] == 'add-item': here.setdefault(last, []).append(words[2])
        elif words[0] == 'remove-item': here[last].remove(words[2])
        json.dump(config, open(path, 'w'))
    """,
}

GOOD_BOOTSTRAP = """
import os, sys
root = os.environ["HUBLET_ROOT"]
print("bootstrap says", " ".join(sys.argv[1:]))
with open(root + "/opt/tljh/installer.log", "a") as log:
    log.write("2026-11-23 00:16:29,947 Done!\\n")
"""


@dataclass
class FakeHub:
    """The few routes of JupyterHub's API that the agent uses, answering as recorded from JupyterHub 5.5.4."""

    users: set[str] = field(default_factory=set)
    servers: set[str] = field(default_factory=set)
    tokens: set[str] = field(default_factory=lambda: {ACCEPTANCE_TOKEN})
    up: bool = True
    port: int = 0

    def answer(self, method: str, path: str, token: str, body: Any) -> tuple[int, object]:
        if not self.up:
            return 502, None
        if path == "/hub/api":
            return 200, {"version": "5.5.4"}
        if token not in self.tokens:
            return 403, {"status": 403, "message": "Missing or invalid credentials."}
        name = path.split("/")[4] if path.count("/") > 3 else ""
        if (method, path) == ("POST", "/hub/api/users"):
            fresh = set(body["usernames"]) - self.users
            self.users |= fresh
            return (201, []) if fresh else (409, {"message": "All users already exist"})
        if name not in self.users:
            return 404, {"message": "Not Found"}
        if path.endswith("/server"):
            stopping = name in self.servers
            self.servers.discard(name)
            return (202 if stopping else 204), None
        self.users.discard(name)
        return 204, None


class Machine:
    """`root` is the VM's disk. Give stubs another body with `stub`; read what they were called with in `calls`."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "root"
        self.bin = directory / "bin"
        self.hub = FakeHub()
        self._calls, self._served = directory / "calls.txt", directory / "served.py"
        self.agent = directory / "agent"
        self.bin.mkdir(parents=True)
        self.agent.write_bytes(agent_bytes())
        for path in (
            "etc/ssh",
            "etc/hublet",
            "home/hublet/.ssh",
            "root",
            "var/log",
            "opt/tljh/user/bin",
            "run/cloud-init",
        ):
            (self.root / path).mkdir(parents=True)
        for name, body in STUBS.items():
            self.stub(name, body)
        self.stub("python", "", directory=self.root / "opt/tljh/user/bin")
        self.serve(GOOD_BOOTSTRAP)
        self.write("/home/hublet/.ssh/authorized_keys", "restrict ssh-ed25519 AAAA installer\n")
        self.write("/etc/ssh/ssh_host_ed25519_key", "boot-time private key")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.hub))
        self._server.daemon_threads = True
        self.hub.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def stub(self, name: str, body: str, *, directory: Path | None = None) -> None:
        record = RECORD.format(calls=str(self._calls), root=str(self.root))
        program = (directory or self.bin) / name
        body = textwrap.dedent(body).format(served=str(self._served))
        program.write_text(f"#!{sys.executable} -IS\n{record}\n{body}\n")
        program.chmod(0o755)

    def serve(self, bootstrap: str, **changes: object) -> None:
        """What curl will find, and an install.json that fits it, with `changes`."""
        self._served.write_text(bootstrap)
        document = {
            "v": 1,
            "adminUser": "jaydoe",
            "adminPasswordHash": HASH,
            "tljhVersion": "2.0.0",
            "bootstrapUrl": BOOTSTRAP_URL,
            "bootstrapSha256": hashlib.sha256(bootstrap.encode()).hexdigest(),
            "requirementsUrl": None,
            "plugins": [],
            "timeoutSeconds": 60,
            "reloadSeconds": 10,
            **changes,
        }
        self.write("/etc/hublet/install.json", json.dumps(document))

    def path(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def write(self, path: str, text: str) -> None:
        self.path(path).parent.mkdir(parents=True, exist_ok=True)
        self.path(path).write_text(text)

    def read(self, path: str) -> str:
        return self.path(path).read_text()

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.read("/var/lib/hublet/install.json"))
        return found

    def calls(self, program: str) -> list[list[str]]:
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        return [call[1:] for call in map(ast.literal_eval, lines) if call[0] == program]

    def environment(self) -> dict[str, str]:
        ports = json.dumps({"80": self.hub.port, "15001": self.hub.port})
        return {"HUBLET_ROOT": str(self.root), "HUBLET_PORTS": ports, "PATH": str(self.bin)}

    def start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [PYTHON, "-I", str(self.agent), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environment(),
        )

    def run(self, *arguments: str, stdin: bytes = b"") -> tuple[int, str]:
        with self.start(*arguments) as process:
            output, _ = process.communicate(stdin, timeout=60)
        return process.returncode, output.decode()

    def install(self) -> tuple[int, str]:
        return self.run("install")

    def verb(self, verb: str, payload: Mapping[str, object] | None = None) -> tuple[int, dict[str, Any]]:
        """As sshd's forced command runs it."""
        code, output = self.run("ssh", verb, stdin=json.dumps(payload or {}).encode())
        answer: dict[str, Any] = json.loads(output)
        return code, answer

    def status(self, **payload: object) -> dict[str, Any]:
        code, answer = self.verb("status", payload)
        assert code == 0, answer
        return answer

    def task(self, name: str, key: str | None = None, wait_s: float = 20, /, **task_input: object) -> dict[str, Any]:
        request = {"name": name, "key": key or name, "input": task_input, "waitSeconds": wait_s}
        code, answer = self.verb("task", request)
        assert code == 0, answer
        return answer

    def configure(self, key: str | None = None, /, **changes: object) -> dict[str, Any]:
        return self.task("configure", key, **{**CONFIGURE_INPUT, **changes})

    def password(self, user: str) -> str:
        """Read back as JupyterHub reads it: with the interpreter that runs the agent."""
        program = "import dbm, sys; print(dbm.open(sys.argv[1], 'r').get(sys.argv[2].encode(), b'').decode())"
        argv = [PYTHON, "-IS", "-c", program, str(self.path("/opt/tljh/state/passwords.dbm")), user]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    def files(self) -> dict[str, bytes]:
        return {str(p.relative_to(self.root)): p.read_bytes() for p in self.root.rglob("*") if p.is_file()}


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"null")
            token = (self.headers.get("Authorization") or "").removeprefix("token ")
            status, document = hub.answer(self.command, self.path, token, body)
            content = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _answer

        def log_message(self, *_: object) -> None:
            pass

    return Handler
