"""Table `chat`: links, what was seen, codes, conversations.

| partition | row | holds |
|---|---|---|
| `link` | chat user's id | whom they act for |
| `seen!<2 hex>` | SHA-256 of what was seen | nothing: that it could be inserted says it is the first time |
| `code` | SHA-256 of a code | whom it proves |
| `thread` | its id | a conversation; `response_url`, which whoever has it may post to, is sealed |
"""

from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared import log
from shared.adapters.storage import codec, keys
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.errors import RowExists, TransactionRefused
from shared.adapters.storage.sealing import Sealer
from shared.adapters.storage.table import Entity, KeyRange, Row, Table, Verb, Write
from shared.clock import Clock
from shared.errors import ConcurrentUpdate, FatalError
from shared.hubs.ports import ChatLink, ChatUser, LinkCode, Thread
from shared.settings import SealKey

TABLE = "chat"
_LINK, _SEEN, _CODE, _THREAD = "link", "seen!", "code", "thread"

CACHE_S = 60.0
"""How long a link, or that there is none, is remembered: so long another process's change may stay unnoticed."""

CACHE_SIZE = 4096
"""Answers remembered of each kind. Users without a link have a cache of their own and cannot push out the others."""

SEEN_KEPT = timedelta(days=2)
THREADS_KEPT = timedelta(days=100)

_URL = "response_url"
_SEALED_URL = "sealed_response_url"
_THREAD_LEAVES_OUT = {"etag": True, _URL: True}


@dataclass(frozen=True, slots=True)
class _Answer:
    link: ChatLink | None
    read_at: datetime


class TableChatStore:
    """`ChatStore` on Table Storage. Remembers links and their absence for CACHE_S in this process."""

    def __init__(self, storage: StorageClients, clock: Clock, seal_keys: Sequence[SealKey]) -> None:
        self._table = Table(storage, TABLE)
        self._clock = clock
        self._sealer = Sealer(seal_keys)
        self._linked: OrderedDict[str, _Answer] = OrderedDict()
        self._unlinked: OrderedDict[str, _Answer] = OrderedDict()
        self._changes = 0

    # ---- links ----
    async def link(self, user: ChatUser) -> ChatLink | None:
        """At most one read in 60 s for each user."""
        answer = self._linked.get(user.id) or self._unlinked.get(user.id)
        if answer is None or not 0 <= (self._clock.now() - answer.read_at).total_seconds() < CACHE_S:
            answer = await self._look_up(user)
        return answer.link

    async def links(self, owner: str | None = None) -> Sequence[ChatLink]:
        found = [_link(row) for row in await self._table.query(KeyRange.within(_LINK))]
        return [link for link in found if owner in (None, link.owner)]

    async def save_link(self, link: ChatLink) -> None:
        row = codec.entity(_LINK, keys.part(link.user.id), codec.to_json(ChatLink, link), owner=link.owner)
        try:
            await self._table.upsert(row)
        finally:
            self._forget(link.user)  # also when it is not known whether it was stored

    async def remove_link(self, user: ChatUser) -> bool:
        """False = there was none. Of two who remove the same one, one hears True."""
        try:
            return await self._take(await self._table.get(_LINK, keys.part(user.id)))
        finally:
            self._forget(user)

    async def _look_up(self, user: ChatUser) -> _Answer:
        # Stamped before the read: what is written while it runs may be missed for CACHE_S, never for longer.
        asked_at, changes = self._clock.now(), self._changes
        row = await self._table.get(_LINK, keys.part(user.id))
        answer = _Answer(_link(row) if row else None, asked_at)
        if changes == self._changes:  # else this process wrote meanwhile, and the answer may be of before
            self._drop(user)
            cache = self._linked if answer.link else self._unlinked
            cache[user.id] = answer
            if len(cache) > CACHE_SIZE:
                cache.popitem(last=False)
        return answer

    def _forget(self, user: ChatUser) -> None:
        self._changes += 1
        self._drop(user)

    def _drop(self, user: ChatUser) -> None:
        self._linked.pop(user.id, None)
        self._unlinked.pop(user.id, None)

    # ---- what was seen ----
    async def first_sight(self, key: str, now: datetime) -> bool:
        """One insert. Its answer is lost = RetryableError: it may be stored, and then no later call is the first."""
        digest = keys.hashed(key)
        row = {"PartitionKey": _SEEN + digest[:2], "RowKey": digest, "at": keys.timestamp(now)}
        try:
            await self._table.insert(row, "A sight")
        except RowExists:
            return False
        return True

    async def seen(self, key: str) -> bool:
        digest = keys.hashed(key)
        return await self._table.get(_SEEN + digest[:2], digest, select=("RowKey",)) is not None

    # ---- codes ----
    async def put_code(self, code_sha256: str, code: LinkCode) -> None:
        expires = keys.timestamp(code.expires_at)
        row = codec.entity(_CODE, keys.part(code_sha256), codec.to_json(LinkCode, code), expiresAt=expires)
        await self._table.upsert(row)

    async def take_code(self, code_sha256: str, now: datetime) -> LinkCode | None:
        row = await self._table.get(_CODE, keys.part(code_sha256))
        if not await self._take(row) or row is None:
            return None
        code = codec.from_json(LinkCode, codec.document_of(row, "A code"), "A code")
        return code if now < code.expires_at else None

    async def _take(self, row: Row | None) -> bool:
        """Deletes the row if it is still as it was read. A plain delete says nothing of who was first."""
        if row is None:
            return False
        named = {"PartitionKey": row.values["PartitionKey"], "RowKey": row.key}
        try:
            await self._table.transact([Write(Verb.DELETE, named, "row", row.etag)])
        except (TransactionRefused, ConcurrentUpdate):
            return False
        return True

    # ---- conversations ----
    async def thread(self, thread_id: str) -> Thread | None:
        row = await self._table.get(_THREAD, keys.part(thread_id))
        return self._opened(row) if row else None

    async def create_thread(self, thread: Thread) -> Thread:
        try:
            etag = await self._table.insert(self._sealed(thread), f"Thread {thread.id}")
        except RowExists:
            there = await self.thread(thread.id)
            if there is None:  # removed in between: as good as changed
                raise ConcurrentUpdate(f"Thread {thread.id}") from None
            return there
        return replace(thread, etag=etag)

    async def save_thread(self, thread: Thread) -> Thread:
        if thread.etag is None:
            raise ConcurrentUpdate(f"Thread {thread.id}")
        etag = await self._table.replace(self._sealed(thread), thread.etag, f"Thread {thread.id}")
        return replace(thread, etag=etag)

    def _sealed(self, thread: Thread) -> Entity:
        url = thread.response_url
        document = codec.to_json(Thread, thread, leave_out=_THREAD_LEAVES_OUT)
        at = keys.timestamp(self._clock.now())
        row = codec.entity(_THREAD, keys.part(thread.id), document, savedAt=at)
        if url is not None:
            row[_SEALED_URL] = self._sealer.seal(url, hub_id=thread.id, field=_URL)
        return row

    def _opened(self, row: Row) -> Thread:
        thread = codec.from_json(Thread, codec.document_of(row, "A thread"), "A thread")
        return replace(thread, etag=row.etag, response_url=self._url(row, thread.id))

    def _url(self, row: Row, thread_id: str) -> str | None:
        """None also when it cannot be opened. It is of use for 30 minutes and the conversation for months: a key that
        was retired must not end the conversation, and an address that somebody slipped in is not used."""
        sealed = row.values.get(_SEALED_URL)
        if not isinstance(sealed, str):
            return None
        try:
            return self._sealer.open(sealed, hub_id=thread_id, field=_URL)
        except FatalError as error:
            log.error("response_url_not_opened", thread=thread_id, code=error.code)
            return None

    # ---- the end ----
    async def forget_old(self, now: datetime) -> int:
        """Requests: one for each 1,000 rows, and for each 100 that are old in one partition."""
        seen = KeyRange(first_partition=_SEEN, last_partition=keys.after_prefix(_SEEN))
        return (
            await self._forget_before(seen, "at", keys.timestamp(now - SEEN_KEPT))
            + await self._forget_before(KeyRange.within(_CODE), "expiresAt", keys.timestamp(now))
            + await self._forget_before(KeyRange.within(_THREAD), "savedAt", keys.timestamp(now - THREADS_KEPT))
        )

    async def _forget_before(self, rows: KeyRange, column: str, before: str) -> int:
        removed = 0
        async for page in self._table.pages(rows, select=("PartitionKey", "RowKey", column)):
            old: defaultdict[str, list[str]] = defaultdict(list)
            for row in page:
                if isinstance(at := row.values.get(column), str) and at < before:
                    old[str(row.values["PartitionKey"])].append(row.key)
            for partition, found in old.items():
                await self._table.delete_all(partition, found)
                removed += len(found)
        return removed


def _link(row: Row) -> ChatLink:
    return codec.from_json(ChatLink, codec.document_of(row, "A link"), "A link")
