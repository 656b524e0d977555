"""Owners' web hooks: CloudEvents under Standard Webhooks signatures."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from shared import log
from shared.adapters.notify import cloud_events, standard_webhooks
from shared.adapters.notify.silence import Silence
from shared.clock import Clock
from shared.errors import ConcurrentUpdate, FatalError, HubletError, RetryableError
from shared.hubs.model import Notice
from shared.hubs.ports import Answered, FailedDelivery, Outbound, SinkRecord, SinkStore
from shared.hubs.sink_rules import LOCKED, LOCKED_FIX, SINK, hears, owner_and_id, target_of

GONE = 410
ASKS_TO_WAIT = (429, 503)

_SAVES = 4


class WebhookSink:
    """`Sink`. A target is one web hook (`sink_rules.target_of`)."""

    name = SINK

    def __init__(self, store: SinkStore, outbound: Outbound, clock: Clock) -> None:
        self._store = store
        self._outbound = outbound
        self._clock = clock
        self._silence = Silence(clock)

    async def targets(self, notice: Notice) -> Sequence[str]:
        return [target_of(record) for record in await self._store.hearing(notice.owner) if hears(record, notice)]

    async def deliver(self, notice: Notice, target: str) -> None:
        """One POST. Done with what was removed meanwhile.

        Raises RetryableError `SinkBusy` (429, 503: with the time it names), `SinkRefused` (any other status but 2xx
        and 410, redirects too), `SinkSilent` (it let others wait in vain lately), `SinkLocked` (its key is not there),
        and what the way out raises; FatalError `SinkGone` (410; the web hook is disabled), `SinkDisabled`.
        """
        record = await self._store.get(*owner_and_id(target))
        if record is None:
            return
        if record.disabled_at is not None:
            raise FatalError("SinkDisabled", f"The web hook is disabled: {record.disabled_why}")
        if record.locked:  # giving the key back is all it needs
            raise RetryableError("SinkLocked", LOCKED, fix=LOCKED_FIX)
        body = cloud_events.encode(notice)
        signed = standard_webhooks.headers(record, notice.id, self._clock.now(), body)
        answered = await self._post(target, record.url, body, {"content-type": cloud_events.MEDIA_TYPE, **signed})
        if answered.status == GONE:
            await self._disable(record)
            raise FatalError("SinkGone", f"{_host(record)} answered that it takes no more (410): disabled.")
        _check(record, answered)

    async def _post(self, target: str, url: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        self._silence.respect(target)
        try:
            answered = await self._outbound.post(url, body, headers)
        except RetryableError as error:
            if error.code == "TimedOut":
                self._silence.unanswered(target)
            raise
        self._silence.answered(target)
        return answered

    async def gave_up(self, notice: Notice, target: str, error: HubletError) -> None:
        """Adds to the list of failed deliveries, from where the owner can send it again."""
        owner, sink_id = owner_and_id(target)
        try:
            if await self._store.get(owner, sink_id) is None:
                return
        except FatalError:
            pass  # it is there, and cannot be read: perhaps that is why
        failed = FailedDelivery(
            sink_id=sink_id, notice=notice, failed_at=self._clock.now(), code=error.code, message=error.message
        )
        await self._store.add_failed(owner, failed)

    async def _disable(self, record: SinkRecord) -> None:
        """Whoever changed it meanwhile may have rotated its secret: what they saved stays."""
        present: SinkRecord | None = record
        for _ in range(_SAVES):
            if present is None or present.disabled_at is not None:
                return
            why = f"{_host(present)} answered 410 (gone)."
            try:
                await self._store.save(replace(present, disabled_at=self._clock.now(), disabled_why=why))
            except ConcurrentUpdate:
                present = await self._store.get(record.owner, record.id)
            else:
                log.warning("sink_disabled", sink=present.id, owner=present.owner, host=_host(present))
                return
        raise RetryableError("SinkBusy", "The web hook is being changed.")


def _check(record: SinkRecord, answered: Answered) -> None:
    """Raises RetryableError for every status but 2xx. The body is not shown: it is somebody else's text."""
    if 200 <= answered.status < 300:
        return
    code = "SinkBusy" if answered.status in ASKS_TO_WAIT else "SinkRefused"
    wait_s = answered.retry_after_s if answered.status in ASKS_TO_WAIT else None
    raise RetryableError(code, f"{_host(record)} answered with status {answered.status}.", retry_after_s=wait_s)


def _host(record: SinkRecord) -> str:
    """The one part of a URL that may be shown."""
    return urlsplit(record.url).hostname or "The web hook"
