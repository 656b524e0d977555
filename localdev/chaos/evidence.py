"""What is left behind when all is quiet, gathered from outside: Azure, storage, logs. Judged in `judge.py`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from localdev.chaos.lives import Life


@dataclass(frozen=True, slots=True, kw_only=True)
class HubRow:
    """A row `hub!<name>`, as far as it is judged."""

    id: str
    owner: str
    name: str
    state: str
    goal: str
    generation: int
    pass_number: int
    attempts: int = 1
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    seq: int
    kind: str
    actor: str
    message: str
    from_state: str | None = None
    to_state: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DueRowSeen:
    hub_id: str
    kind: str
    at: datetime
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Vm:
    """`power`: what follows `PowerState/`."""

    group: str
    name: str
    power: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Something that was written somewhere. `place` says where."""

    place: str
    content: str = field(repr=False)


@dataclass(kw_only=True)
class Evidence:
    """All that the oracles look at. `vm_puts`: path -> statuses of the PUTs. `most_vms`: hub id -> the most machines
    that were seen of it at once. `operations`: (hub id, generation) -> status. `secrets`: what it is -> its value."""

    lives: Sequence[Life]
    now: datetime
    hubs: Sequence[HubRow] = ()
    gone: frozenset[str] = frozenset()
    events: Mapping[str, Sequence[EventRow]] = field(default_factory=dict)
    operations: Mapping[tuple[str, int], str] = field(default_factory=dict)
    quotas: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    index: frozenset[str] = frozenset()
    outbox: Sequence[str] = ()
    due: Sequence[DueRowSeen] = ()
    queues: Mapping[str, int] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    resources: Sequence[str] = ()
    vms: Sequence[Vm] = ()
    vm_puts: Mapping[str, Sequence[int]] = field(default_factory=dict)
    most_vms: Mapping[str, int] = field(default_factory=dict)
    poisoned: Sequence[str] = ()
    secrets: Mapping[str, str] = field(default_factory=dict)
    texts: Iterable[Text] = ()


@dataclass(frozen=True, slots=True)
class Violation:
    invariant: str
    what: str
    facts: Mapping[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        facts = " ".join(f"{name}={value}" for name, value in self.facts.items())
        return f"{self.invariant:<4} {self.what}{f'  [{facts}]' if facts else ''}"
