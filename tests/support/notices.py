"""A deployment as far as telling people is about: sinks, the outbox, and a worker for the messages on their queue."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from shared.app import App
from shared.errors import RetryableError, UserError
from shared.hubs.model import Notice
from shared.hubs.notify import deliver
from shared.hubs.ports import Delivery, HubChange, NoticeRef
from tests.support.builders import HUB_ID, OWNER, a_hub, a_notice
from tests.support.clock import FakeClock
from tests.support.fake_sink import FakeSink
from tests.support.fake_storage import fake_storage

NOT_NOW = RetryableError("SinkUnavailable", "The chat did not answer.")
DAY = timedelta(days=1)
REFUSED = UserError("SinkGone", "It was deleted (410).")
STORAGE_DOWN = RetryableError("StorageUnavailable", "No answer.")
ID = f"{HUB_ID}.2"
"""Of `a_notice()`."""


class Chance:
    """`Entropy`, as far as it is asked. In the middle: no pause is longer or shorter."""

    def __init__(self) -> None:
        self.coming: list[float] = []

    def jitter(self) -> float:
        return self.coming.pop(0) if self.coming else 0.5


class Deployment:
    """`ref` is what the visit that stored the notice put on the queue."""

    def __init__(self, *sinks: FakeSink) -> None:
        self.clock = FakeClock()
        self.storage = fake_storage(self.clock)
        self.sinks = sinks or (FakeSink(),)
        self.chance = Chance()
        self.app = self.app_with(self.sinks)
        self.ref = NoticeRef(owner=OWNER, hub_id=HUB_ID, seq=2, first_seen=self.clock.now())

    def app_with(self, sinks: Sequence[FakeSink], **changed: object) -> App:
        ports = {**self.storage.ports(), **changed}
        return cast(App, SimpleNamespace(clock=self.clock, sinks=sinks, entropy=self.chance, **ports))

    async def store(self, notice: Notice | None = None) -> None:
        hub = self.storage.hubs.seed(a_hub())
        await self.storage.hubs.commit(HubChange(hub=hub, notices=(notice or a_notice(),)))

    async def work(self, within: timedelta = timedelta(days=1)) -> int:
        """Delivers everything that becomes visible in this time; returns how many messages that were."""
        end = self.clock.now() + within
        delivered = 0
        while (at := self.storage.notices.next_visible_at()) is not None and at <= end:
            self.clock.advance_to(at)
            ref = self.storage.notices.take()
            assert ref is not None
            await deliver(self.app, ref)
            delivered += 1
        return delivered

    @property
    def told(self) -> list[list[Notice]]:
        return [sink.delivered for sink in self.sinks]

    @property
    def states(self) -> dict[str, Delivery]:
        """Of the only notice in the outbox, by target."""
        (pending,) = self.storage.outbox.rows.values()
        return dict(pending.deliveries or {})

    @property
    def pauses(self) -> list[float]:
        """Of the messages that wait now."""
        return [(waiting.visible_at - self.clock.now()).total_seconds() for waiting in self.storage.notices.waiting]


class Moments(FakeSink):
    """Notes when it was asked."""

    def __init__(self, clock: FakeClock, name: str = "fake") -> None:
        super().__init__(name)
        self.clock = clock
        self.asked: list[datetime] = []

    async def deliver(self, notice: Notice, target: str) -> None:
        self.asked.append(self.clock.now())
        await super().deliver(notice, target)

    @property
    def pauses(self) -> list[float]:
        return [(after - before).total_seconds() for before, after in zip(self.asked, self.asked[1:], strict=False)]


def watched(here: Deployment) -> Moments:
    """In place of all other sinks."""
    sink = Moments(here.clock)
    here.sinks = (sink,)
    here.app = here.app_with(here.sinks)
    return sink


async def a_deployment(*sinks: FakeSink) -> Deployment:
    here = Deployment(*sinks)
    await here.store()
    return here


async def an_audit(here: Deployment) -> None:
    """As far as it is about notices."""
    now = here.clock.now()
    for pending in await here.storage.outbox.older_than(now - timedelta(minutes=5)):
        ref = NoticeRef(owner=OWNER, hub_id=HUB_ID, seq=pending.notice.seq, first_seen=now)
        await here.storage.notices.put(ref)


def alerts(caplog: pytest.LogCaptureFixture, kind: str) -> list[dict[str, object]]:
    """The fields of each alert of this kind."""
    return [fields for fields in logged(caplog, "operator_alert") if fields["kind"] == kind]


def logged(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, object]]:
    """The fields of each line of this event."""
    return [vars(record)["hublet_fields"] for record in caplog.records if record.getMessage() == event]
