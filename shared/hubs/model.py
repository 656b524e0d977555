"""A hub and what was asked for, as frozen records. Pure: no I/O, no SDK types.

Times are aware UTC datetimes, sizes are in the unit their name says, money is US dollars unless named otherwise.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from shared.hubs.meter import Meter
from shared.hubs.states import Goal, HubState


class StepName(StrEnum):
    """The things to ensure, in the order of `PROVISION`."""

    GROUP = "group"
    NETWORK = "network"
    MACHINE = "machine"
    ADDRESS = "address"
    BOOT = "boot"
    INSTALL = "install"
    CONFIGURE = "configure"
    EXPOSE = "expose"
    HTTPS = "https"
    ACCEPT = "accept"
    LOCK = "lock"


PROVISION: tuple[StepName, ...] = tuple(StepName)


class HttpsMode(StrEnum):
    AUTO = "auto"
    NONE = "none"


class Role(StrEnum):
    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls: the owner id their hubs belong to, and what they may do."""

    owner: str
    role: Role = Role.USER
    via: str = ""
    """How they came when it was not our API: `Slack`, `Teams`."""

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN

    @property
    def actor(self) -> str:
        """As a hub's history names them."""
        return f"{self.owner} ({self.via})" if self.via else self.owner


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpsSpec:
    mode: HttpsMode
    email: str | None = None
    domain: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    requirements_url: str | None = None
    apt: tuple[str, ...] = ()
    pip: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Per person. `memory` as TLJH writes it (`2G`), `cpu` in cores."""

    memory: str | None = None
    cpu: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Start and stop (wall clock, `HH:MM`; at least one) on days `mon`..`sun`. With both, start is before stop."""

    days: tuple[str, ...]
    start: str | None = None
    stop: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a hub starts and stops, in an IANA zone. `until`: the last local date it holds on. `skip`: local dates
    without starts and stops. `stop`, `start` and `days` are one block in short, as older rows have it."""

    time_zone: str
    stop: str | None = None
    start: str | None = None
    days: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    until: date | None = None
    skip: tuple[date, ...] = ()

    @property
    def all_blocks(self) -> tuple[Block, ...]:
        short = (Block(days=self.days, start=self.start, stop=self.stop),) if self.stop or self.start else ()
        return (*short, *self.blocks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """What may be tried when Azure has no room for what was asked for, in this order (shared/hubs/ladder.py). A start
    tries the sizes only: its disk stays where it is. `max_price_per_hour`: US dollars, machine, disk and address."""

    sizes: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    max_price_per_hour: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notify:
    """Where the owner wants to be told: a Slack channel's id, the name of a configured Teams webhook
    (`HUBLET_TEAMS_WEBHOOKS`)."""

    slack_channel: str | None = None
    teams_webhook: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HubSpec:
    """What was asked for, with every default filled in. Never changes during an attempt."""

    size: str
    region: str
    admin_user: str
    image: str
    os_disk_gib: int
    https: HttpsSpec
    ssh_public_key: str | None = None
    ssh_from: tuple[str, ...] = ()
    packages: Packages = Packages()
    plugins: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    limits: Limits = Limits()
    auth_type: str = "firstuse"
    shared_folder: bool = False
    schedule: Schedule | None = None
    idle_minutes: int | None = None
    expires_at: datetime | None = None
    fallback: Fallback = Fallback()
    notify: Notify = Notify()
    spot: bool = False
    people: int | None = None
    memory_per_person_gib: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why something is as it is, for people: a stable code, one sentence, what to do next."""

    code: str
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something an owner should know that is not a state (`EgressNotPinned`, `HttpsRefused`, ...)."""

    type: str
    message: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """What is known about one step. `data` is the step's own small memory (JSON values only)."""

    name: StepName
    started_at: datetime | None = None
    finished_at: datetime | None = None
    tries: int = 0
    last_error: Reason | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    excused_s: float = 0.0
    """Seconds in which Azure could not be asked: its deadline does not count them."""

    @property
    def done(self) -> bool:
        return self.finished_at is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteSlot:
    """Writes to Azure that were reserved for this hub: `left` of them, from `at` on, in this lane of the budget."""

    lane: str
    at: datetime
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LongOperation:
    """An ARM operation that runs. `handle` is opaque to all but the adapter that made it (several kB)."""

    kind: str
    handle: str
    begun_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One way to get a machine. `zone` None = Azure chooses."""

    region: str
    size: str
    zone: str | None = None

    def __str__(self) -> str:
        return f"{self.size} in {self.region}" + (f", zone {self.zone}" if self.zone else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What the present attempt is made as, where that is not simply what was asked for.

    `rung` None = not chosen yet (or an older row): as asked for. `following`: what the next attempt is made as, once
    this one is cleared away. `first_try`: where in the hub's `attempts` this create (or retry) begins. `remade`: the
    one re-creation of the same machine was used. `label`: how many DNS labels this attempt found taken, `labels`: how
    many the whole create did.
    """

    rung: Rung | None = None
    following: Rung | None = None
    first_try: int = 0
    remade: bool = False
    label: int = 0
    labels: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to get a machine, shown to the owner. Several may have one `number`: what Azure refuses at once leaves
    nothing behind, so the next try is made under the same names. `outcome`: `running`, `refused`, `ready`, `failed` or
    `canceled`."""

    number: int
    region: str
    size: str
    started_at: datetime
    zone: str | None = None
    ended_at: datetime | None = None
    outcome: str = "running"
    reason: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What Azure told us about the VM. NIC, public IP and disk get their names from ARM: read, never computed.

    `size`: what it has since it was resized; None = as asked for. `missing_since`: since when Azure does not show it.
    """

    vm_id: str | None = None
    size: str | None = None
    missing_since: datetime | None = None
    nic_id: str | None = None
    public_ip_id: str | None = None
    ip: str | None = None
    fqdn: str | None = None
    custom_data_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallRecord:
    """How far the installer log was read, in bytes, and what it said."""

    log_bytes: int = 0
    output_bytes: int = 0
    phase: str = ""
    percent: int = 0
    message: str = ""
    agent_attempt: int = 1
    last_growth_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """The run that made the hub fit to be `ready`."""

    passed_at: datetime
    seconds: float
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SshAccess:
    """`port22`: `installing` (control plane and sshFrom), `sshFrom`, `controlPlane` or `closed`."""

    port22: str = "installing"
    closed_proven_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Retail price per hour by part, US dollars, and when it was read."""

    vm: float
    disk: float
    ip: float
    as_of: datetime

    @property
    def per_hour_running(self) -> float:
        return self.vm + self.disk + self.ip

    @property
    def per_hour_stopped(self) -> float:
        return self.disk + self.ip


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """What is known of people's activity. `rule_minutes`: after how many minutes without activity the machine itself
    ends kernels and servers (set at `configure`; None = nothing was set)."""

    rule_minutes: float | None = None
    looked_at: datetime | None = None
    look_again_at: datetime | None = None
    no_server_since: datetime | None = None
    misses: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTry:
    """One size that was tried at a start, and why Azure refused it."""

    size: str
    at: datetime
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoShutdown:
    """Azure's own daily shutdown of a VM. `time`: `HHMM` in UTC."""

    enabled: bool
    time: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """What steers a hub after its first `ready`.

    `cursor`: starts and stops of the schedule up to here are dealt with. `keep_until`: no scheduled or idle stop
    before. `skipped_stop`: the one stop that was called off. `warned`: deadline by kind of warning that was given.
    `stop_why`: what the last stop was for. `restart`: a restart is owed. `clearing`: the last attempt's resources go
    first. `tries`: refusals of the start under way. `auto_shutdown`: as it was last written to Azure, and when writing
    it is tried again. `excused_s`: for how long the start under way could not ask Azure.
    """

    cursor: datetime | None = None
    keep_until: datetime | None = None
    skipped_stop: datetime | None = None
    warned: Mapping[str, datetime] = field(default_factory=dict)
    stop_why: str = ""
    restart: bool = False
    clearing: bool = False
    tries: tuple[StartTry, ...] = ()
    idle: Idle = Idle()
    auto_shutdown: AutoShutdown | None = None
    auto_shutdown_retry_at: datetime | None = None
    excused_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """The truth about one hub. `etag` belongs to the stored row it was read from; None = not stored yet. `carried` is
    storage's own: what a newer release wrote into that row and this one does not know."""

    owner: str
    name: str
    id: str
    state: HubState
    goal: Goal
    generation: int
    pass_number: int
    spec: HubSpec
    created_at: datetime
    updated_at: datetime
    state_since: datetime
    created_by: str
    request_id: str = ""
    attempt: int = 1
    attempts: tuple[Attempt, ...] = ()
    place: Place = Place()
    steps: Mapping[StepName, StepRecord] = field(default_factory=dict)
    operation: LongOperation | None = None
    machine: Machine = Machine()
    install: InstallRecord = InstallRecord()
    host_public_keys: tuple[str, ...] = ()
    reason: Reason | None = None
    conditions: tuple[Condition, ...] = ()
    acceptance: Acceptance | None = None
    ssh: SshAccess = SshAccess()
    url: str | None = None
    price: Price | None = None
    meter: Meter = field(default_factory=Meter)
    life: Life = field(default_factory=Life)
    goal_since: datetime | None = None
    operation_kind: str = "create"
    ready_at: datetime | None = None
    failed_at: datetime | None = None
    deallocated_at: datetime | None = None
    next_look_at: datetime | None = None
    event_seq: int = 0
    slot: WriteSlot | None = None
    thread: str | None = None
    """The chat conversation that steered it last (table `chat`); what happens to it is told there."""
    blocked_since: datetime | None = None
    """Since when it waits for Azure, or for its turn to write to it: nothing of its own."""
    etag: str | None = None
    carried: object = field(default=None, repr=False)

    # ---- names in Azure: all derive from the hub id and the attempt ----
    @property
    def group_name(self) -> str:
        return f"hublet-{self.id}-a{self.attempt}"

    @property
    def vm_name(self) -> str:
        return f"{self.id}-a{self.attempt}-vm"

    @property
    def dns_label(self) -> str:
        """`<id>` for the first attempt, then `<id>-a2`: unique per region while older ones may still exist. One that is
        taken gets a number, which is stored: a repeated PUT repeats it."""
        return f"{self.id}-a{self.attempt}-{self.place.label + 1}" if self.place.label else self.log_id

    @property
    def log_id(self) -> str:
        """Where the installer log is kept: each attempt has its own."""
        return self.id if self.attempt == 1 else f"{self.id}-a{self.attempt}"

    @property
    def operation_id(self) -> str:
        return f"{self.id}.{self.generation}"

    @property
    def size(self) -> str:
        """The VM's size as it is (or is being made), which a create or a start may have changed."""
        return self.machine.size or (self.place.rung.size if self.place.rung else self.spec.size)

    @property
    def region(self) -> str:
        """Where the present attempt's resources are, which need not be where they were asked for."""
        return self.place.rung.region if self.place.rung else self.spec.region

    @property
    def zone(self) -> str | None:
        """The availability zone the machine is pinned to; None = to none."""
        return self.place.rung.zone if self.place.rung else None

    # ---- steps ----
    def step(self, name: StepName) -> StepRecord:
        return self.steps.get(name) or StepRecord(name=name)

    def with_step(self, record: StepRecord) -> "Hub":
        return replace(self, steps={**self.steps, record.name: record})

    @property
    def next_step(self) -> StepName | None:
        """The first step of `PROVISION` that is not done; None when all are."""
        return next((name for name in PROVISION if not self.step(name).done), None)

    def with_condition(self, condition: Condition) -> "Hub":
        """Adds or renews a condition; the time it was first seen stays."""
        kept = tuple(c for c in self.conditions if c.type != condition.type)
        known = next((c for c in self.conditions if c.type == condition.type), None)
        since = known.since if known else condition.since
        return replace(self, conditions=(*kept, replace(condition, since=since)))

    def without_condition(self, kind: str) -> "Hub":
        return replace(self, conditions=tuple(c for c in self.conditions if c.type != kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a hub's history, written in the same transaction as the change it tells of."""

    seq: int
    at: datetime
    actor: str
    kind: str
    message: str
    from_state: str | None = None
    to_state: str | None = None
    step: str | None = None
    cause: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Something to be told to people, in the outbox until it was delivered. `type` as in API.md, "What we send"."""

    hub_id: str
    owner: str
    seq: int
    type: str
    at: datetime
    hub_name: str
    message: str
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The same at every delivery: who gets it twice can tell."""
        return f"{self.hub_id}.{self.seq}"


class OperationStatus(StrEnum):
    NOT_STARTED = "NotStarted"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELED = "Canceled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The thin monitor a caller polls: one per generation, id `<hub id>.<generation>`."""

    hub_id: str
    hub_name: str
    owner: str
    generation: int
    kind: str
    status: OperationStatus
    created_at: datetime
    ended_at: datetime | None = None
    error: Reason | None = None

    @property
    def id(self) -> str:
        return f"{self.hub_id}.{self.generation}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What travels on `hub-work`: names a hub and fences, nothing else. All the rest is re-read from the row."""

    owner: str
    name: str
    hub_id: str
    generation: int
    pass_number: int
    first_seen: datetime


RESERVED_NAME = re.compile(r"(?:login|xbox).*|.*(?:microsoft|windows).*")
"""Azure refuses resources named so: the names of all of a hub's resources begin with the hub's.
https://learn.microsoft.com/azure/azure-resource-manager/troubleshooting/error-reserved-resource-name"""

HUB_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,28}[a-z0-9])?")
"""Hub names (API.md): a letter first, no hyphen at the end, at most 30 characters."""
