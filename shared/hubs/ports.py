"""What the domain needs from the outside, in its own types. Adapters implement these; tests use fakes with memory.

Every method may raise `RetryableError`; ARM ports also `CapacityError`, `UserError`, `FatalError` (shared/errors.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared.errors import HubletError
from shared.hubs.model import Event, Hub, Message, Operation

# ------------------------------------------------------------------ storage


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """An owner's hubs by name -> hub id. `etag` None = no row yet."""

    owner: str
    hubs: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """A remembered answer. `key` is the hash of caller, route and header; `body_sha256` of the canonical body."""

    key: str
    body_sha256: str
    hub_id: str
    hub_name: str
    generation: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HubChange:
    """One entity group transaction in the owner's partition."""

    hub: Hub
    events: tuple[Event, ...] = ()
    operations: tuple[Operation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """What stays readable of a deleted hub for 30 days."""

    hub: Hub
    deleted_at: datetime


class QuotaChanged(Exception):
    """The quota row changed between read and transaction: read again, decide again."""


class HubExists(Exception):
    """A hub row of that name is already there."""


class IdempotencyKeyTaken(Exception):
    """The idempotency row appeared meanwhile: read it and answer from it."""


class HubStore(Protocol):
    """Table `hubs`: the truth. Every write is conditional on an ETag."""

    async def admission(
        self, owner: str, idempotency_key: str | None, *, fresh: bool = False
    ) -> tuple[Quota, Idempotency | None]:
        """Quota row and, when a key is given, its idempotency row: one wait.

        The quota may be one this process saw earlier, unless `fresh`: refuse nobody because of an old one. Writing it
        back is safe in any case, because it is done on its ETag.
        """
        ...

    async def create(self, change: HubChange, quota: Quota, idempotency: Idempotency | None) -> Hub:
        """hub + operation + first event + quota + idempotency in one transaction.

        `quota` is the new content with the ETag that was read. Raises QuotaChanged, HubExists, IdempotencyKeyTaken.
        An unknown outcome (timeout) is read back before it raises RetryableError.
        """
        ...

    async def get(self, owner: str, name: str) -> Hub | None: ...
    async def list(self, owner: str) -> Sequence[Hub]: ...
    async def commit(self, change: HubChange) -> Hub:
        """Saves hub (by its etag), events and operations; returns the hub with its new etag.

        Raises ConcurrentUpdate."""
        ...

    async def bury(self, change: HubChange) -> None:
        """Removes `hub!<name>`, inserts `gone!<hub id>`, saves events and operations, lowers the quota, removes the
        secrets: one transaction. Raises ConcurrentUpdate. Twice = the second finds nothing and does nothing."""
        ...

    async def gone(self, owner: str, hub_id: str) -> Gone | None: ...
    async def operation(self, owner: str, hub_id: str, generation: int) -> Operation | None: ...
    async def events(self, owner: str, hub_id: str, *, top: int = 500) -> Sequence[Event]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    hub_id: str
    owner: str
    name: str
    state: str


class HubIndex(Protocol):
    """Table `index`: hub id -> owner and name. Written by the first pass, before any ARM call."""

    async def put(self, entry: IndexEntry) -> None: ...
    async def find(self, hub_id: str) -> IndexEntry | None: ...
    async def remove(self, hub_id: str) -> None: ...
    async def list(self) -> Sequence[IndexEntry]: ...


class WorkQueue(Protocol):
    """Queue `hub-work`."""

    async def put(self, message: Message, *, delay_s: float = 0) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRow:
    """ "Look at this hub at `at`." One that matches nothing is a no-op."""

    at: datetime
    hub_id: str
    owner: str
    name: str
    kind: str
    generation: int
    pass_number: int


class DueTable(Protocol):
    """Table `due`, time-bucketed: partition = UTC hour, row = minute + hub + kind + pass."""

    async def put(self, row: DueRow) -> None: ...
    async def due(self, now: datetime) -> Sequence[DueRow]:
        """Rows at or before `now` from the watermark's bucket (and the one before it) on."""
        ...

    async def forget(self, rows: Sequence[DueRow]) -> None: ...
    async def advance_watermark(self, now: datetime) -> None: ...


class LogStore(Protocol):
    """Table `logs`: the installer log by byte offset. Appending the same bytes twice changes nothing."""

    async def append(self, hub_id: str, offset: int, data: bytes) -> None: ...
    async def read(self, hub_id: str, offset: int, *, limit: int = 1 << 20) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSecrets:
    """Everything secret of one hub; stored sealed. Private keys in OpenSSH PEM, public keys in one line."""

    host_private_key: str = field(repr=False)
    host_public_key: str
    installer_private_key: str = field(repr=False)
    installer_public_key: str
    tunnel_private_key: str = field(repr=False)
    tunnel_public_key: str
    owner_private_key: str | None = field(repr=False)
    owner_public_key: str
    admin_password: str | None = field(repr=False)
    admin_password_hash: str = field(repr=False)
    hub_token: str = field(repr=False)
    acceptance_token: str = field(repr=False)
    acceptance_user: str
    acceptance_password: str = field(repr=False)
    acceptance_password_hash: str = field(repr=False)
    handed_out: Mapping[str, datetime] = field(default_factory=dict)
    handed_to: Mapping[str, str] = field(default_factory=dict)
    etag: str | None = None


class SecretStore(Protocol):
    """Row `secret!<hub id>` in the owner's partition, sealed with AES-GCM (associated data = hub id + field)."""

    async def get(self, owner: str, hub_id: str) -> HubSecrets | None: ...
    async def create(self, owner: str, hub_id: str, secrets: HubSecrets) -> HubSecrets:
        """Inserts; when a row is already there, returns that one unchanged (the first writer wins)."""
        ...

    async def save(self, owner: str, hub_id: str, secrets: HubSecrets) -> HubSecrets:
        """Replaces by etag. Raises ConcurrentUpdate."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """An API token as stored: the hash, never the secret."""

    id: str
    owner: str
    role: str
    name: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None = None


class TokenStore(Protocol):
    """Table `tokens`. A token reads `hlt_<id>_<secret>`; only SHA-256 of the secret is kept."""

    async def issue(self, record: TokenRecord, secret_sha256: str) -> None: ...
    async def verify(self, token_id: str, secret_sha256: str) -> TokenRecord | None:
        """Constant-time comparison; cached 60 s."""
        ...

    async def list(self) -> Sequence[TokenRecord]: ...
    async def revoke(self, token_id: str) -> bool: ...


class Cache(Protocol):
    """Table `cache`: small JSON documents with an age."""

    async def get(self, key: str, *, max_age_s: float) -> object | None: ...
    async def put(self, key: str, value: object) -> None: ...


class DeploymentIdentity(Protocol):
    """The deployment id: made once in our storage, carried by every Azure resource we make."""

    async def get(self) -> str: ...


# ------------------------------------------------------------------ Azure


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A long operation was begun. `retry_after_s` is Azure's wish for the first look. `handle` None = already over."""

    handle: str | None
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """One look at a long operation. `failure` (one of the four kinds) when it is over and did not succeed."""

    done: bool
    retry_after_s: float | None = None
    failure: HubletError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    name: str
    region: str
    tags: Mapping[str, str]
    deleting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRef:
    id: str
    type: str
    tags: Mapping[str, str]


class ResourceGroups(Protocol):
    async def put(self, name: str, region: str, tags: Mapping[str, str]) -> None: ...
    async def get(self, name: str) -> GroupView | None: ...
    async def begin_delete(self, name: str) -> Begun:
        """Absent = `Begun(handle=None)`. The caller has checked the tags."""
        ...

    async def tagged(self, tag: str, value: str) -> Sequence[ResourceRef]:
        """All resources of the subscription with that tag (groups included)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundRule:
    """Allow TCP from `sources` (CIDRs or service tags; `*` only for the web ports) to `ports`."""

    name: str
    priority: int
    sources: tuple[str, ...]
    ports: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NsgPlan:
    group: str
    name: str
    region: str
    tags: Mapping[str, str]
    rules: tuple[InboundRule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VnetPlan:
    group: str
    name: str
    region: str
    tags: Mapping[str, str]
    address_prefix: str
    subnet: str
    subnet_prefix: str
    nsg_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressView:
    nic_id: str
    public_ip_id: str
    ip: str
    fqdn: str


class Network(Protocol):
    async def begin_nsg(self, plan: NsgPlan) -> Begun: ...
    async def begin_vnet(self, plan: VnetPlan) -> Begun: ...
    async def address(self, nic_id: str) -> AddressView | None:
        """NIC -> public IP, two reads. None while a field that comes late is not there yet."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VmPlan:
    group: str
    name: str
    region: str
    size: str
    tags: Mapping[str, str]
    image: str
    os_disk_gib: int
    admin_username: str
    ssh_public_keys: tuple[str, ...]
    custom_data: bytes = field(repr=False)
    vnet_name: str
    subnet: str
    nsg_name: str
    dns_label: str
    spot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VmView:
    """`provisioning`: creating updating succeeded failed deleting; `power`: running starting stopping stopped
    deallocating deallocated, or None when Azure does not say. `stopped` still bills; only `deallocated` does not."""

    vm_id: str
    size: str
    provisioning: str
    power: str | None
    nic_ids: tuple[str, ...]
    tags: Mapping[str, str]


class Compute(Protocol):
    async def begin_vm(self, plan: VmPlan) -> Begun: ...
    async def vm(self, group: str, name: str, *, with_power: bool = False) -> VmView | None: ...
    async def begin_deallocate(self, group: str, name: str) -> Begun: ...


class LongOperations(Protocol):
    async def poll(self, handle: str) -> Poll:
        """Exactly one GET. A handle that Azure no longer knows (or that cannot be read) is `done`: the caller looks
        at the resource itself. An operation that failed is `done` with its classified `failure`; what is raised is
        trouble with the look itself (RetryableError), and says nothing about the operation."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeInfo:
    name: str
    region: str
    vcpus: int
    memory_gib: float
    family: str
    arm64: bool
    trusted_launch: bool
    available: bool
    restriction: str | None = None


class Catalog(Protocol):
    """Sizes and retail prices, cached."""

    async def sizes(self, region: str) -> Sequence[SizeInfo]: ...
    async def hourly_price(self, region: str, size: str, *, os_disk_gib: int, spot: bool) -> "PriceParts | None":
        """Retail price; None when the price list does not know the combination or cannot be reached."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceParts:
    vm: float
    disk: float
    ip: float
    currency: str
    as_of: datetime


# ------------------------------------------------------------------ the machine


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


# ------------------------------------------------------------------ chance


class Entropy(Protocol):
    """Randomness. `hub_suffix`: 6 characters of lower-case base32; `secret`: URL-safe, at least 128 bits."""

    def hub_suffix(self) -> str: ...
    def secret(self, bits: int = 256) -> str: ...
    def jitter(self) -> float:
        """Uniform in [0, 1)."""
        ...


class KeyMaker(Protocol):
    """Makes key pairs and password hashes (in a worker, never before a 202)."""

    async def make(self, hub: Hub, entropy: Entropy) -> HubSecrets: ...
