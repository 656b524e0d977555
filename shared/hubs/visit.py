"""One visit of a worker to one hub: what a step is given, and what it may answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from shared.errors import ConcurrentUpdate
from shared.hubs import meter
from shared.hubs.meter import Billing
from shared.hubs.model import Condition, Event, Hub, Notice, Operation, Price, Reason, StepName, StepRecord
from shared.hubs.ports import HubChange, HubSecrets, Idempotency, NoticeRef
from shared.hubs.states import HubEvent, next_state

if TYPE_CHECKING:
    from shared.app import App

NOTICE_DELAY_S = 2.0
"""The row is there some ten milliseconds after its message."""

WORKER = "hublet"
"""The actor of everything a worker does by itself."""


@dataclass(frozen=True, slots=True)
class Done:
    """The step's thing is as it should be. Asked again it would change nothing."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: look again after `after_s` seconds."""

    after_s: float
    note: str = ""


class Step(Protocol):
    """One idempotent thing to ensure. Steps are stateless; all they know is on the hub."""

    name: StepName

    async def ensure(self, visit: "Visit") -> Done | Wait:
        """Begins, continues or finds it done; at most one long operation, a few seconds. A second call after
        `Done` makes no write. Raises one of the four kinds of shared/errors.py."""
        ...


@dataclass(slots=True)
class Visit:
    """The hub as this visit sees and changes it. Nothing is stored before `checkpoint` or the end of the visit."""

    app: "App"
    hub: Hub
    actor: str = WORKER
    events: list[Event] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    idempotency: Idempotency | None = None
    """The request this change answers, remembered in the same transaction."""
    saved: Hub | None = None
    """What this visit saved last: while it is there, no other worker can be ahead of it unseen."""
    _secrets: HubSecrets | None = None

    @property
    def now(self) -> datetime:
        return self.app.clock.now()

    def update(self, **changes: Any) -> None:
        """Replaces fields of the hub."""
        self.hub = replace(self.hub, **changes)

    def memory(self, step: StepName) -> Mapping[str, Any]:
        """What the step remembered on earlier visits (JSON values)."""
        return self.hub.step(step).data

    def remember(self, step: StepName, **data: Any) -> None:
        """Adds to the step's memory; None removes a key."""
        record = self.hub.step(step)
        merged = {key: value for key, value in {**record.data, **data}.items() if value is not None}
        self.hub = self.hub.with_step(replace(record, data=merged))

    def record(self, record: StepRecord) -> None:
        self.hub = self.hub.with_step(record)

    def tell(self, kind: str, message: str, *, step: StepName | None = None, cause: Reason | None = None) -> None:
        """Adds a line to the hub's history."""
        self._append(kind, message, step=step, cause=cause, from_state=None)

    def condition(self, kind: str, message: str) -> None:
        """Shows (or renews) a condition; told in the history when it is new."""
        known = any(c.type == kind and c.message == message for c in self.hub.conditions)
        self.hub = self.hub.with_condition(Condition(type=kind, message=message, since=self.now))
        if not known:
            self.tell("condition", f"{kind}: {message}")

    def move(self, event: HubEvent, message: str, *, cause: Reason | None = None, actor: str | None = None) -> None:
        """Takes the transition the table lists for this event. Raises IllegalTransition."""
        before = self.hub.state
        after = next_state(before, event)
        self.update(state=after, state_since=self.now)
        self._append("state", message, cause=cause, from_state=str(before), actor=actor)

    def no_condition(self, kind: str) -> None:
        """Takes a condition back; told in the history when it was shown."""
        if any(c.type == kind for c in self.hub.conditions):
            self.hub = self.hub.without_condition(kind)
            self.tell("condition", f"{kind} is over.")

    def steer(self, **changes: Any) -> None:
        """Replaces fields of the hub's `life`."""
        self.update(life=replace(self.hub.life, **changes))

    def bill(self, billing: Billing) -> None:
        """From now on this much of the hub bills."""
        self.update(meter=meter.switched(self.hub.meter, billing, self.hub.price, self.now))

    def reprice(self, price: Price | None) -> None:
        """From now on this price holds; what was billed until now is billed at the old one."""
        self.update(meter=meter.settled(self.hub.meter, self.hub.price, self.now), price=price)

    def notify(self, kind: str, message: str, **data: Any) -> None:
        """Puts a notice into the outbox, with the change it tells of. `kind` without prefix: `stopping-soon`."""
        seq = self.hub.event_seq + 1
        self.hub = replace(self.hub, event_seq=seq)
        self.notices.append(
            Notice(
                hub_id=self.hub.id,
                owner=self.hub.owner,
                seq=seq,
                type=f"io.hublet.hub.{kind}.v1",
                at=self.now,
                hub_name=self.hub.name,
                message=message,
                data=data,
            )
        )

    def progress(self, message: str) -> None:
        """For who follows the hub in a chat: one message there shows how far it is. Nobody follows = no notice."""
        if self.hub.thread is not None or self.hub.spec.notify.slack_channel is not None:
            self.notify("progress", message)

    def _append(
        self,
        kind: str,
        message: str,
        *,
        step: StepName | None = None,
        cause: Reason | None = None,
        from_state: str | None,
        actor: str | None = None,
    ) -> None:
        seq = self.hub.event_seq + 1
        self.hub = replace(self.hub, event_seq=seq)
        self.events.append(
            Event(
                seq=seq,
                at=self.now,
                actor=actor or self.actor,
                kind=kind,
                message=message,
                from_state=from_state,
                to_state=str(self.hub.state) if from_state is not None else None,
                step=str(step) if step else None,
                cause=cause,
            )
        )

    async def checkpoint(self) -> None:
        """Saves what is known so far, on the hub's ETag. Call it before a request that spends money or cannot be
        found again. Raises ConcurrentUpdate when another worker was faster: then nothing must be begun."""
        self.update(updated_at=self.now)
        await self.announce()
        change = self.change()
        self.hub = await self.app.hubs.commit(change)
        self.events.clear()
        self.operations.clear()
        self.notices.clear()
        self.idempotency = None
        self.saved = self.hub

    def change(self) -> HubChange:
        return HubChange(
            hub=self.hub,
            events=tuple(self.events),
            operations=tuple(self.operations),
            notices=tuple(self.notices),
            idempotency=self.idempotency,
        )

    async def announce(self) -> None:
        """Messages for the notices that are about to be stored: first, so that no crash can lose one. A message
        without its row is dropped after a minute."""
        for notice in self.notices:
            ref = NoticeRef(owner=notice.owner, hub_id=notice.hub_id, seq=notice.seq, first_seen=self.now)
            await self.app.notices.put(ref, delay_s=NOTICE_DELAY_S)

    async def keep(self) -> None:
        """`checkpoint` if there is anything new."""
        if self.events or self.operations or self.notices or self.saved != self.hub:
            await self.checkpoint()

    async def make_sure(self) -> None:
        """Raises ConcurrentUpdate when another worker saved the row meanwhile. Costs a read only in a visit that has
        not saved anything itself."""
        if self.saved is None:
            present = await self.app.hubs.get(self.hub.owner, self.hub.name)
            if present is None or present.etag != self.hub.etag:
                raise ConcurrentUpdate(f"Hub {self.hub.id}")

    async def secrets(self) -> HubSecrets:
        """The hub's secrets, made on the first visit that needs them. Two workers end with the same ones."""
        if self._secrets is None:
            found = await self.app.secrets.get(self.hub.owner, self.hub.id)
            if found is None:
                made = await self.app.keys.make(self.hub, self.app.entropy)
                found = await self.app.secrets.create(self.hub.owner, self.hub.id, made)
            self._secrets = found
        return self._secrets

    async def save_secrets(self, secrets: HubSecrets) -> None:
        """Replaces the hub's secrets by ETag. Raises ConcurrentUpdate."""
        self._secrets = await self.app.secrets.save(self.hub.owner, self.hub.id, secrets)
