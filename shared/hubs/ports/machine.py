"""The VM and the JupyterHub on it: what the domain asks of a hub's machine."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a host name and port really are. `local_address`: the address to connect from, or None."""

    address: str
    port: int
    local_address: str | None = None


class Reach(Protocol):
    """Maps a public host name and port to a socket address: the DNS in Azure, a look-up in the simulated one."""

    async def endpoint(self, host: str, port: int) -> Endpoint: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SshTarget:
    host: str
    port: int
    username: str
    private_key: str = field(repr=False)
    host_public_keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SshProbe:
    """What an unauthenticated look at a port saw: a banner at all, and the host key it offered."""

    banner: bool
    host_public_key: str | None = None


class OnVm(Protocol):
    """The agent on the VM, over SSH with a pinned host key (shared/onvm/agent lists verbs and tasks)."""

    async def call(
        self, target: SshTarget, verb: str, payload: Mapping[str, object], *, timeout_s: float = 30.0
    ) -> Mapping[str, object]: ...
    async def probe(self, host: str, port: int, *, timeout_s: float = 10.0) -> SshProbe: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsCheck:
    """`ok`: the chain verifies for that name; else `reason` says what was served instead."""

    ok: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A person's notebook server. `idle_s`: seconds since its last activity by the hub's own clock, None = never
    active. `pending`: it is starting or stopping."""

    user: str
    idle_s: float | None
    pending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """Every server that runs, starts or stops on a hub: complete, or the look has failed."""

    servers: tuple[Server, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HubAccess:
    """How to ask a hub's JupyterHub API. With `tunnel` (a hub without TLS) over SSH to the VM's loopback, else over
    its https URL. The token may list users and servers, nothing else."""

    url: str
    token: str = field(repr=False)
    tunnel: SshTarget | None = None


class HubApi(Protocol):
    """JupyterHub's REST API of one hub. Its answers are hostile input."""

    async def activity(self, access: HubAccess) -> Activity:
        """All pages of the users with a server. Raises RetryableError for everything that is not a complete and
        well-formed answer (unreachable, 500, HTML, another JSON, a page missing)."""
        ...


class HubHttp(Protocol):
    """A hub as a browser sees it: through its public URL, cookies and forms. Its answers are hostile input."""

    async def api_version(self, url: str) -> str | None:
        """`GET <url>hub/api` -> version, or None when it is not a JupyterHub that answers 200 JSON."""
        ...

    async def tls(self, fqdn: str) -> TlsCheck: ...
    async def start_server(self, url: str, user: str, password: str) -> bool:
        """Logs in by the form and starts the user's server. True = it is ready; False = still starting (ask again)."""
        ...

    async def compute_in_kernel(self, url: str, user: str, password: str, expression: str) -> str:
        """Logs in, starts a real kernel, evaluates `expression`, returns what it printed, removes the kernel."""
        ...
