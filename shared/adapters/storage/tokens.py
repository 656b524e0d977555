"""Table `tokens`: API tokens by id, with the SHA-256 of their secrets."""

import hmac
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.adapters.storage import codec, keys
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.errors import RowExists
from shared.adapters.storage.table import KeyRange, Row, Table
from shared.clock import Clock
from shared.errors import FatalError
from shared.hubs.ports import TokenRecord

TABLE = "tokens"
_PARTITION = "token"

CACHE_S = 60.0
"""How long an answer is remembered, so how long another process's revocation may stay unnoticed."""

CACHE_SIZE = 4096
"""Answers remembered of each kind. Unknown ids have a cache of their own: who guesses cannot push out real ones."""


@dataclass(frozen=True, slots=True)
class _Known:
    record: TokenRecord
    secret_sha256: str


@dataclass(frozen=True, slots=True)
class _Answer:
    known: _Known | None
    read_at: datetime


class TableTokenStore:
    """`TokenStore` on Table Storage. Remembers rows and their absence for CACHE_S in this process."""

    def __init__(self, storage: StorageClients, clock: Clock) -> None:
        self._table = Table(storage, TABLE)
        self._clock = clock
        self._known: OrderedDict[str, _Answer] = OrderedDict()
        self._unknown: OrderedDict[str, _Answer] = OrderedDict()

    async def issue(self, record: TokenRecord, secret_sha256: str) -> None:
        """Raises FatalError `TokenIdTaken` when the id was used before."""
        entity = codec.entity(
            _PARTITION,
            keys.part(record.id),
            codec.to_json(TokenRecord, record),
            secretSha256=secret_sha256,
            owner=record.owner,
        )
        try:
            await self._table.insert(entity, "A token")
        except RowExists:
            raise FatalError("TokenIdTaken", "A token with this id was issued before.") from None
        finally:
            self._forget(record.id)

    async def verify(self, token_id: str, secret_sha256: str) -> TokenRecord | None:
        """At most one read in 60 s for each id. None for unknown, wrong and expired alike."""
        answer = self._remembered(token_id) or await self._look_up(token_id)
        if answer.known is None:
            return None
        record = answer.known.record
        if not hmac.compare_digest(answer.known.secret_sha256.encode(), secret_sha256.encode("utf-8", "replace")):
            return None
        if record.expires_at is not None and self._clock.now() >= record.expires_at:
            return None
        return record

    async def list(self) -> Sequence[TokenRecord]:
        """By id."""
        return [_read(row).record for row in await self._table.query(KeyRange.within(_PARTITION))]

    async def revoke(self, token_id: str) -> bool:
        """Refused by this process from now on; False when there is no such token (any more)."""
        try:
            row = await self._table.get(_PARTITION, keys.part(token_id), select=("PartitionKey", "RowKey"))
            if row is None:
                return False
            await self._table.delete(_PARTITION, keys.part(token_id))
            return True
        finally:
            self._forget(token_id)

    # ---- the cache ----
    def _remembered(self, token_id: str) -> _Answer | None:
        answer = self._known.get(token_id) or self._unknown.get(token_id)
        if answer is None or not 0 <= (self._clock.now() - answer.read_at).total_seconds() < CACHE_S:
            return None
        return answer

    async def _look_up(self, token_id: str) -> _Answer:
        # Stamped before the read: what is written while it runs may be missed for CACHE_S, never for longer.
        asked_at = self._clock.now()
        row = await self._table.get(_PARTITION, keys.part(token_id))
        return self._remember(token_id, _read(row) if row else None, asked_at)

    def _remember(self, token_id: str, known: _Known | None, at: datetime) -> _Answer:
        self._forget(token_id)
        answer = _Answer(known, at)
        cache = self._known if known else self._unknown
        cache[token_id] = answer
        if len(cache) > CACHE_SIZE:
            cache.popitem(last=False)
        return answer

    def _forget(self, token_id: str) -> None:
        self._known.pop(token_id, None)
        self._unknown.pop(token_id, None)


def _read(row: Row) -> _Known:
    record = codec.from_json(TokenRecord, codec.document_of(row, "A token row"), "A token row")
    return _Known(record, str(row.values.get("secretSha256", "")))
