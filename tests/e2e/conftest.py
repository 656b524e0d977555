"""One environment for all tests of this folder, and three hubs that are made in it at the same time and shared.

Which test uses which: `tutorial` is looked at and logged in to, never changed; `secure` (HTTPS) likewise; `spare` is
deleted by the one test about that.
"""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import readme
from tests.e2e.api import Answer, Api
from tests.e2e.azure import InboundRule
from tests.e2e.environment import Environment, running_environment
from tests.e2e.life import Lived, live

PIP_PACKAGE = "cowsay"
SCHEDULE = {"timeZone": "Europe/Berlin", "stop": "19:00", "start": "08:30", "days": ["mon", "tue", "wed"]}
EXPIRES_AT = "2099-02-01T00:00:00Z"


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    with running_environment(tmp_path_factory.mktemp("e2e")) as running:
        yield running


@dataclass(frozen=True)
class Three:
    """Three hubs as they were accepted, all within a moment."""

    jaydoe: Api
    ada: Api
    tutorial: dict[str, Any]
    secure: dict[str, Any]
    spare: dict[str, Any]


@dataclass(frozen=True)
class OwnKey:
    private: Path
    public: str


@pytest.fixture(scope="session")
def own_key(tmp_path_factory: pytest.TempPathFactory) -> OwnKey:
    """A key pair that a person made."""
    private = tmp_path_factory.mktemp("own-key") / "id_ed25519"
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada@laptop", "-f", str(private)]
    subprocess.run(argv, check=True, timeout=30)
    return OwnKey(private, private.with_suffix(".pub").read_text().strip())


@pytest.fixture(scope="session")
def three(environment: Environment, own_key: OwnKey) -> Three:
    jaydoe, ada = environment.caller("jaydoe"), environment.caller("ada")
    wish = readme.create_request()
    wish["packages"]["pip"] = [PIP_PACKAGE]
    secure = {
        "name": "secure",
        "https": {"mode": "auto", "email": "ada@example.org"},
        "sshPublicKey": own_key.public,
        "schedule": SCHEDULE,
        "idleMinutes": 60,
        "expiresAt": EXPIRES_AT,
        "tags": {"course": "bio101"},
    }
    return Three(jaydoe, ada, jaydoe.create(wish), ada.create(secure), ada.create({"name": "spare"}))


@dataclass(frozen=True)
class Moment:
    """What could be seen at one change of a hub that is being made."""

    hub: dict[str, Any]
    operation: dict[str, Any]
    rules: list[InboundRule]


@dataclass
class TutorialHub:
    """The ready hub and what was seen on its way. `key_again`: the answer when the key was asked for a second time.
    `custom_data`: as the simulated machine received it."""

    api: Api
    hub: dict[str, Any]
    password: str
    pem: Path
    key_again: Answer
    known_hosts: Path
    custom_data: bytes = field(repr=False)
    moments: list[Moment] = field(repr=False)

    @property
    def name(self) -> str:
        return str(self.hub["name"])

    @property
    def id(self) -> str:
        return str(self.hub["id"])

    @property
    def group(self) -> str:
        return f"hublet-{self.id}-a1"

    @property
    def vm_name(self) -> str:
        return f"{self.id}-a1-vm"

    def ssh(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command on the machine by the real OpenSSH client, which may ask nothing and trusts only this file."""
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "ConnectTimeout": "10",
        }
        flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        target = f"{self.hub['adminUser']}@{self.hub['ip']}"
        argv = ["ssh", "-F", "/dev/null", *flags, "-i", str(self.pem), target, *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)


@pytest.fixture(scope="session")
def tutorial(three: Three, environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> TutorialHub:
    api, name, hub_id = three.jaydoe, three.tutorial["name"], three.tutorial["id"]
    received = environment.disk(f"{hub_id}-a1-vm") / "var/lib/cloud/instance/user-data.txt"
    custom_data, moments = b"", []
    hub = three.tutorial
    for hub in api.follow(name):
        if not custom_data and received.exists():
            custom_data = received.read_bytes()
        operation = api.call("GET", f"/operations/{hub_id}.1").json()
        moments.append(Moment(hub, operation, environment.azure.inbound_rules(f"hublet-{hub_id}-a1")))
    assert hub["state"] == "ready", (hub["reason"], hub["progress"], environment.stack.host.log_text()[-3000:])
    folder = tmp_path_factory.mktemp("tutorial")
    pem, known_hosts = folder / f"{name}.pem", folder / "known_hosts"
    pem.touch(0o600)
    pem.write_bytes(api.call("POST", f"/hubs/{name}/ssh-key").body)
    key_again = api.call("POST", f"/hubs/{name}/ssh-key")  # now: it is repeated for ten minutes only
    known_hosts.write_text(hub["knownHosts"])
    password = api.call("POST", f"/hubs/{name}/admin-password").json()["password"]
    return TutorialHub(api, hub, password, pem, key_again, known_hosts, custom_data, moments)


@pytest.fixture(scope="session")
def secure(three: Three, tutorial: TutorialHub) -> dict[str, Any]:
    """The hub with HTTPS, ready. (`tutorial` must be watched first, while it is made.)"""
    return three.ada.until_ready("secure")


@pytest.fixture(scope="session")
def spare(three: Three, tutorial: TutorialHub) -> dict[str, Any]:
    """The hub that is there to be deleted, as it was when it was ready."""
    return three.ada.until_ready("spare")


@pytest.fixture(scope="session")
def mallory(environment: Environment) -> Api:
    """Somebody who owns nothing, and must own nothing after every mistake."""
    return environment.caller("mallory")


@pytest.fixture
def nothing_happens(environment: Environment, mallory: Api) -> Iterator[None]:
    """Around a test: nothing is written for Mallory, nothing new is in Azure, and the host goes on."""
    groups = environment.azure.groups()
    yield
    assert mallory.names() == []
    assert environment.azure.groups() <= groups
    assert environment.stack.host.running


class Beside:
    """The life after `ready`, in a thread of its own: it waits for minutes while other tests use the machine."""

    def __init__(self, folder: Path) -> None:
        self._lived: Lived | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(folder,), name="life", daemon=True)
        self._thread.start()

    def _run(self, folder: Path) -> None:
        try:
            self._lived = live(folder)
        except BaseException as error:
            self._error = error

    def lived(self) -> Lived:
        """Waits for its end. Raises what went wrong there."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._lived is not None
        return self._lived


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever wants what was seen in the life beside comes last, when it is over or nearly so."""
    items.sort(key=lambda item: "lived" in getattr(item, "fixturenames", ()))


@pytest.fixture(scope="session", autouse=True)
def beside(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside | None]:
    """Begins with the first test, when any test wants what it sees."""
    wanted = any("lived" in getattr(item, "fixturenames", ()) for item in request.session.items)
    running = Beside(tmp_path_factory.mktemp("life")) if wanted else None
    yield running
    if running is not None:
        with suppress(BaseException):
            running.lived()


@pytest.fixture(scope="session")
def lived(beside: Beside | None) -> Lived:
    assert beside is not None
    return beside.lived()
