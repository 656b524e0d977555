"""Fakes with a memory of what chat and web hooks need: links, conversations, sights, sinks, other people's servers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count

from shared.clock import Clock
from shared.errors import ConcurrentUpdate, FatalError, UserError
from shared.hubs.ports import (
    Answered,
    ChatLink,
    ChatUser,
    FailedDelivery,
    LinkCode,
    SinkExists,
    SinkRecord,
    Thread,
    UnreadableRow,
)
from tests.support.tape import Tape


class FakeChatStore:
    """`ChatStore` in memory, without the cache."""

    def __init__(self, clock: Clock, tape: Tape | None = None) -> None:
        self.tape = tape or Tape()
        self._clock = clock
        self.rows_of_links: dict[str, ChatLink] = {}
        self.sights: dict[str, datetime] = {}
        self.codes: dict[str, LinkCode] = {}
        self.threads: dict[str, Thread] = {}
        self.saved_at: dict[str, datetime] = {}
        self._writes = 0

    async def link(self, user: ChatUser) -> ChatLink | None:
        self.tape.begin("chat.link")
        return self.rows_of_links.get(user.id)

    async def links(self, owner: str | None = None) -> Sequence[ChatLink]:
        self.tape.begin("chat.links")
        return [link for _, link in sorted(self.rows_of_links.items()) if owner in (None, link.owner)]

    async def save_link(self, link: ChatLink) -> None:
        self.tape.begin("chat.save_link")
        self.rows_of_links[link.user.id] = link
        self.tape.wrote("chat.save_link")

    async def remove_link(self, user: ChatUser) -> bool:
        self.tape.begin("chat.remove_link")
        if self.rows_of_links.pop(user.id, None) is None:
            return False
        self.tape.wrote("chat.remove_link")
        return True

    async def first_sight(self, key: str, now: datetime) -> bool:
        self.tape.begin("chat.first_sight")
        if key in self.sights:
            return False
        self.sights[key] = now
        self.tape.wrote("chat.first_sight")
        return True

    async def seen(self, key: str) -> bool:
        self.tape.begin("chat.seen")
        return key in self.sights

    async def put_code(self, code_sha256: str, code: LinkCode) -> None:
        self.tape.begin("chat.put_code")
        self.codes[code_sha256] = code
        self.tape.wrote("chat.put_code")

    async def take_code(self, code_sha256: str, now: datetime) -> LinkCode | None:
        self.tape.begin("chat.take_code")
        code = self.codes.pop(code_sha256, None)
        if code is None:
            return None
        self.tape.wrote("chat.take_code")
        return code if now < code.expires_at else None

    async def thread(self, thread_id: str) -> Thread | None:
        self.tape.begin("chat.thread")
        return self.threads.get(thread_id)

    async def create_thread(self, thread: Thread) -> Thread:
        self.tape.begin("chat.create_thread")
        if thread.id not in self.threads:
            self._store(thread)
            self.tape.wrote("chat.create_thread")
        return self.threads[thread.id]

    async def save_thread(self, thread: Thread) -> Thread:
        self.tape.begin("chat.save_thread")
        stored = self.threads.get(thread.id)
        if stored is None or thread.etag is None or stored.etag != thread.etag:
            raise ConcurrentUpdate(f"Thread {thread.id}")
        self._store(thread)
        self.tape.wrote("chat.save_thread")
        return self.threads[thread.id]

    async def forget_old(self, now: datetime) -> int:
        self.tape.begin("chat.forget_old")
        old_sights = [key for key, at in self.sights.items() if at < now - timedelta(days=2)]
        old_codes = [key for key, code in self.codes.items() if code.expires_at < now]
        old_threads = [key for key, at in self.saved_at.items() if at < now - timedelta(days=100)]
        for key in old_sights:
            del self.sights[key]
        for key in old_codes:
            del self.codes[key]
        for key in old_threads:
            del self.threads[key], self.saved_at[key]
        return len(old_sights) + len(old_codes) + len(old_threads)

    def _store(self, thread: Thread) -> None:
        self._writes += 1
        self.threads[thread.id] = replace(thread, etag=f'W/"thread-{self._writes}"')
        self.saved_at[thread.id] = self._clock.now()


SEAL_CODES = ("SealKeyUnknown", "SealBroken")
"""Of web hooks that are locked; with any other code they cannot be read."""


class FakeSinkStore:
    """`SinkStore` in memory, without the cache. Nothing is sealed; a copy (`copy.copy`) sees the same rows, as another
    process does, and may have other keys."""

    def __init__(self, tape: Tape | None = None) -> None:
        self.tape = tape or Tape()
        self.records: dict[tuple[str, str], SinkRecord] = {}
        self.closed: dict[tuple[str, str], str] = {}
        """Owner and id of web hooks that do not open -> the error's code."""
        self.failures: dict[tuple[str, str, str], FailedDelivery] = {}
        self._etags = count(1)

    async def create(self, record: SinkRecord) -> SinkRecord:
        self.tape.begin("sinks.create")
        if (record.owner, record.id) in self.records:
            raise SinkExists(record.id)
        self._store(record)
        self.tape.wrote("sinks.create")
        return self.records[record.owner, record.id]

    async def get(self, owner: str, sink_id: str) -> SinkRecord | None:
        self.tape.begin("sinks.get")
        record = self.records.get((owner, sink_id))
        if (code := self.closed.get((owner, sink_id))) is not None and code not in SEAL_CODES:
            raise FatalError(code, "The web hook cannot be read.")
        return record and self._seen(record)

    async def list(self, owner: str) -> Sequence[SinkRecord]:
        self.tape.begin("sinks.list")
        return [self._seen(record) for record in self._readable() if record.owner == owner]

    async def hearing(self, owner: str) -> Sequence[SinkRecord]:
        self.tape.begin("sinks.hearing")
        return [self._seen(record) for record in self._readable() if record.owner == owner or record.everybody]

    async def unreadable(self) -> Sequence[UnreadableRow]:
        self.tape.begin("sinks.unreadable")
        there = ((key, code) for key, code in sorted(self.closed.items()) if key in self.records)
        return [UnreadableRow(owner=owner, name=sink_id, code=code) for (owner, sink_id), code in there]

    async def save(self, record: SinkRecord) -> SinkRecord:
        self.tape.begin("sinks.save")
        stored = self.records.get((record.owner, record.id))
        if stored is None or stored.etag != record.etag:
            raise ConcurrentUpdate(f"Sink {record.id}")
        if record.locked:
            record = replace(record, url=stored.url, secret=stored.secret, previous_secret=stored.previous_secret)
            record = replace(record, locked="")
        self._store(record)
        self.tape.wrote("sinks.save")
        return self._seen(self.records[record.owner, record.id])

    async def remove(self, owner: str, sink_id: str) -> bool:
        self.tape.begin("sinks.remove")
        if self.records.pop((owner, sink_id), None) is None:
            return False
        for key in [key for key in self.failures if key[:2] == (owner, sink_id)]:
            del self.failures[key]
        self.tape.wrote("sinks.remove")
        return True

    async def add_failed(self, owner: str, failed: FailedDelivery) -> None:
        self.tape.begin("sinks.add_failed")
        etag = f'W/"failed-{next(self._etags)}"'
        self.failures[owner, failed.sink_id, failed.notice.id] = replace(failed, etag=etag)
        self.tape.wrote("sinks.add_failed")

    async def failed(self, owner: str, sink_id: str) -> Sequence[FailedDelivery]:
        self.tape.begin("sinks.failed")
        mine = [failed for key, failed in self.failures.items() if key[:2] == (owner, sink_id)]
        return sorted(mine, key=lambda failed: (failed.failed_at, failed.notice.id))[:1000]

    async def remove_failed(self, owner: str, failed: FailedDelivery) -> None:
        self.tape.begin("sinks.remove_failed")
        if failed.etag is None:
            raise FatalError("NotStored", "A failed delivery that was never read cannot be removed.")
        key = (owner, failed.sink_id, failed.notice.id)
        if (stored := self.failures.get(key)) is not None and stored.etag == failed.etag:
            del self.failures[key]
            self.tape.wrote("sinks.remove_failed")

    async def forget_old(self, now: datetime) -> int:
        self.tape.begin("sinks.forget_old")
        old = [key for key, failed in self.failures.items() if failed.failed_at < now - timedelta(days=30)]
        for key in old:
            del self.failures[key]
        return len(old)

    def _store(self, record: SinkRecord) -> None:
        self.records[record.owner, record.id] = replace(record, etag=f'W/"sink-{next(self._etags)}"')

    def _readable(self) -> Sequence[SinkRecord]:
        """In order, but for those that are damaged and not only locked."""
        rows = sorted(self.records.items())
        return [record for key, record in rows if self.closed.get(key) in (None, *SEAL_CODES)]

    def _seen(self, record: SinkRecord) -> SinkRecord:
        """As far as it opens."""
        code = self.closed.get((record.owner, record.id))
        if code is None:
            return record
        return replace(record, locked=code, url="", secret="", previous_secret=None)


@dataclass(frozen=True)
class Posted:
    url: str
    body: bytes
    headers: Mapping[str, str]


class FakeOutbound:
    """`Outbound` to servers that a test plays: `answer` is asked for each request and may raise. 200 without one.

    `check` refuses only what is not https."""

    def __init__(self, tape: Tape | None = None) -> None:
        self.tape = tape or Tape()
        self.posted: list[Posted] = []
        self.answer: Callable[[Posted], Answered] = lambda _: Answered(200, b'{"ok":true}')

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, limit_s: float = 8.0) -> Answered:
        self.tape.begin("outbound.post")
        self.check(url)
        sent = Posted(url, body, dict(headers))
        self.posted.append(sent)
        answered = self.answer(sent)
        self.tape.wrote("outbound.post")
        return answered

    def check(self, url: str) -> None:
        if not url.startswith("https://"):
            raise UserError("AddressNotAllowed", "Only https addresses are sent to.")
