"""The processes behind the local API: Azurite, simulated Azure, pretended chats, the Functions host. For `up`, tests
and benches."""

import base64
import json
import os
import secrets
import shutil
import ssl
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from localdev import azurite, paths
from localdev.ports import unused_port
from localdev.processes import Child, Children
from localdev.setup import NodeParts

_SIMULATOR_LIMIT_S = 60.0
_HOST_LIMIT_S = 60.0
_CHAT_LIMIT_S = 60.0
SAMPLE_SETTINGS = paths.ROOT / "local.settings.sample.json"


@dataclass(frozen=True)
class Secrets:
    """Made for one environment: the admin's API token and the key that seals stored secrets."""

    admin_token: str
    seal_keys: str

    @classmethod
    def make(cls) -> "Secrets":
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        return cls(secrets.token_urlsafe(32), f"local1:{key}")


@dataclass(frozen=True)
class Simulator:
    """Simulated Azure, as its ready file describes it."""

    child: Child
    facts: Mapping[str, str]


@dataclass(frozen=True)
class Chat:
    """The pretended Slack and Teams, as their ready file describes them."""

    child: Child
    facts: Mapping[str, str]

    def app_is_at(self, api: str) -> None:
        """Tells it where to send commands. Raises ChildFailed."""
        trust = ssl.create_default_context(cafile=self.facts["ca"])
        told = Request(f"{self.facts['chat']}/_chat/app", json.dumps({"url": api}).encode())  # noqa: S310 - ours
        try:
            urlopen(told, timeout=10, context=trust).close()  # noqa: S310 - our own loopback address
        except OSError as error:
            raise self.child.failure(f"did not listen: {error}") from None


@dataclass(frozen=True)
class Stack:
    """A running environment; URLs without a trailing slash, `api` including the route prefix. `chat` is empty where
    there is none."""

    api: str
    arm: str
    sim: str
    ca: str
    storage: str
    token: str
    settings: Mapping[str, str]
    host: Child
    chat: str = ""

    def session(self, pid: int) -> dict[str, Any]:
        """What `.localdev/session.json` holds."""
        return {
            "api": self.api,
            "arm": self.arm,
            "sim": self.sim,
            "token": self.token,
            "ca": self.ca,
            "storage": self.storage,
            "chat": self.chat,
            "pid": pid,
        }


def app_settings(storage: str, facts: Mapping[str, str], made: Secrets, time_scale: float) -> dict[str, str]:
    """The app's settings: the sample's values, then what this environment decides."""
    return {
        **sample_values(),
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "AzureWebJobsStorage": storage,
        "HUBLET_ADMIN_TOKEN": made.admin_token,
        "HUBLET_SEAL_KEYS": made.seal_keys,
        "HUBLET_SUBSCRIPTION_ID": facts["subscriptionId"],
        "HUBLET_ARM_ENDPOINT": facts["arm"],
        "HUBLET_CA_FILE": facts["ca"],
        "HUBLET_PRICES_ENDPOINT": facts["prices"],
        "HUBLET_REACH_ENDPOINT": f"{facts['sim']}/reach",
        "HUBLET_EGRESS_ADDRESS": facts["egressAddress"],
        "HUBLET_EGRESS_CIDRS": f"{facts['egressAddress']}/32",
        "HUBLET_TLJH_BOOTSTRAP_URL": facts["bootstrapUrl"],
        "HUBLET_TLJH_BOOTSTRAP_SHA256": facts["bootstrapSha256"],
        "HUBLET_HTTPS_DEFAULT_MODE": "none",  # a browser would warn about the simulator's certificate issuer
        "HUBLET_MIN_IDLE_MINUTES": "1",  # to see it happen
        "HUBLET_POLL_SCALE": f"{time_scale:g}",
        "HUBLET_CLOCK_OFFSET_FILE": facts["clockFile"],
        "IDENTITY_ENDPOINT": facts["identityEndpoint"],
        "IDENTITY_HEADER": facts["identityHeader"],
    }


def chat_settings(facts: Mapping[str, str], port: int) -> dict[str, str]:
    """What the app is told of the pretended chats. `port`: the API's own, which links in messages lead to; 0 when it is
    not known, then messages hold no links."""
    return {
        "HUBLET_SLACK_SIGNING_SECRET": facts["slackSigningSecret"],
        "HUBLET_SLACK_BOT_TOKEN": facts["slackBotToken"],
        "HUBLET_SLACK_API": facts["slackApi"],
        "HUBLET_TEAMS_SECURITY_TOKENS": facts["teamsSecurityToken"],
        "HUBLET_TEAMS_WEBHOOKS": f"local={facts['teamsWebhook']}",
        "HUBLET_SINK_HOSTS": f"{urlsplit(facts['chat']).netloc},127.0.0.1,localhost",  # and web hooks of your own
        "HUBLET_PUBLIC_URL": f"http://127.0.0.1:{port}" if port else "",
    }


def sample_values() -> dict[str, str]:
    if not SAMPLE_SETTINGS.exists():
        return {}
    return dict(json.loads(SAMPLE_SETTINGS.read_text(encoding="utf-8"))["Values"])


def start_storage_and_simulator(
    children: Children,
    node: NodeParts,
    folder: Path,
    *,
    time_scale: float,
    simulator_args: Sequence[str] = (),
) -> tuple[str, Simulator]:
    """The storage connection string and the simulator, started side by side. Raises ChildFailed."""
    folder.mkdir(parents=True, exist_ok=True)
    ready = folder / "simulator.json"
    ready.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "localdev.azuresim", "--host", "127.0.0.1", "--port", "0"]
    argv += ["--state-dir", str(folder / "azure"), "--ready-file", str(ready)]
    argv += ["--clock-file", str(folder / "clock-offset"), "--time-scale", f"{time_scale:g}", *simulator_args]
    child = children.start("simulator", argv, cwd=paths.ROOT, env={"PATH": node.search_path()})
    storage = azurite.start(children, node.node, work_dir=folder / "azurite").connection_string
    facts = json.loads(child.wait_for_file(ready, _SIMULATOR_LIMIT_S))
    return storage, Simulator(child, facts)


def launch_chat(children: Children, folder: Path) -> tuple[Child, Path]:
    """Begins to start the pretended chats: the process, and the file it writes when it serves.

    For `folder` as given to `start_storage_and_simulator`: they wait for the simulator and use its certificate.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ready, azure = folder / "chat.json", folder / "azure"
    for old in (ready, folder / "simulator.json"):
        old.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "localdev.chat", "--state-dir", str(folder / "chat"), "--ready-file", str(ready)]
    argv += ["--clock-file", str(folder / "clock-offset"), "--after", str(folder / "simulator.json")]
    argv += ["--ca", str(azure / "ca.pem"), "--cert", str(azure / "server.pem"), "--key", str(azure / "server.key")]
    return children.start("chat", argv, cwd=paths.ROOT), ready


def await_chat(launched: tuple[Child, Path]) -> Chat:
    """Raises ChildFailed."""
    child, ready = launched
    return Chat(child, json.loads(child.wait_for_file(ready, _CHAT_LIMIT_S)))


def launch_host(
    children: Children,
    folder: Path,
    settings: Mapping[str, str],
    *,
    port: int,
    host_args: Sequence[str] = (),
    name: str = "host",
) -> tuple[Child, Path]:
    """Begins to start the local Functions host on our app: the process, and the file it writes when it serves."""
    env_file, ready = folder / f"{name}.settings.json", folder / f"{name}.ready.json"
    write_private(env_file, dict(settings))
    ready.unlink(missing_ok=True)
    argv = [sys.executable, "-m", "localdev.host", "--app-dir", str(paths.ROOT), "--port", str(port)]
    argv += ["--env-file", str(env_file), "--ready-file", str(ready), *host_args]
    return children.start(name, argv, cwd=paths.ROOT), ready


def start_host(
    children: Children,
    folder: Path,
    settings: Mapping[str, str],
    *,
    port: int,
    host_args: Sequence[str] = (),
    name: str = "host",
) -> tuple[Child, str]:
    """The local Functions host on our app: the process and its API base URL. Raises ChildFailed."""
    child, ready = launch_host(children, folder, settings, port=port, host_args=host_args, name=name)
    url = str(json.loads(child.wait_for_file(ready, _HOST_LIMIT_S))["url"])
    return child, f"{url}/api"


def start_stack(
    children: Children,
    node: NodeParts,
    folder: Path,
    *,
    time_scale: float = 10.0,
    port: int = 0,
    host_args: Sequence[str] = (),
    simulator_args: Sequence[str] = (),
    extra_settings: Mapping[str, str] | None = None,
    with_chat: bool = False,
) -> Stack:
    """Everything, empty, in `folder`: for tests and benches. Raises ChildFailed."""
    launched = launch_chat(children, folder) if with_chat else None
    storage, simulator = start_storage_and_simulator(
        children, node, folder, time_scale=time_scale, simulator_args=simulator_args
    )
    made = Secrets.make()
    settings = app_settings(storage, simulator.facts, made, time_scale)
    chat = await_chat(launched) if launched else None
    if chat:
        port = port or unused_port()  # links in messages name it, so it must be known before
        settings |= chat_settings(chat.facts, port)
    settings |= dict(extra_settings or {})
    host, api = start_host(children, folder, settings, port=port, host_args=host_args)
    return join(storage, simulator, settings, host, api, chat)


def join(
    storage: str,
    simulator: Simulator,
    settings: Mapping[str, str],
    host: Child,
    api: str,
    chat: Chat | None = None,
) -> Stack:
    """The environment; the chats are told where the app is. Raises ChildFailed."""
    if chat:
        chat.app_is_at(api)
    return Stack(
        api=api,
        arm=simulator.facts["arm"],
        sim=simulator.facts["sim"],
        ca=simulator.facts["ca"],
        storage=storage,
        token=settings["HUBLET_ADMIN_TOKEN"],
        settings=settings,
        host=host,
        chat=chat.facts["chat"] if chat else "",
    )


def write_private(file: Path, content: object) -> None:
    """JSON with mode 0600, in place at once."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(file.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as output:
        json.dump(content, output, indent=2)
    part.replace(file)


def empty(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
