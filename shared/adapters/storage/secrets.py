"""Rows `secret!<hub id>` in table `hubs`: every field sealed on its own, also those that are not secret.

Sealing the public keys and the hand-out times too means that who can write rows cannot slip in a key or a hand-out.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

from shared.adapters.storage import carried, codec, documents, keys
from shared.adapters.storage.client import StorageClients
from shared.adapters.storage.errors import RowExists
from shared.adapters.storage.hub_table import TABLE
from shared.adapters.storage.sealing import Sealer
from shared.adapters.storage.table import Entity, Row, Table
from shared.errors import ConcurrentUpdate, FatalError
from shared.hubs.ports import HubSecrets
from shared.settings import SealKey

_SEALED = "sealed_"
_LEFT_OUT = {"etag": True, "carried": True}


class SealedSecretStore:
    """`SecretStore` on Table Storage. `bury` of the hub store deletes the row."""

    def __init__(self, storage: StorageClients, seal_keys: Sequence[SealKey]) -> None:
        self._table = Table(storage, TABLE)
        self._sealer = Sealer(seal_keys)

    async def get(self, owner: str, hub_id: str) -> HubSecrets | None:
        """Raises FatalError when the row was tampered with or its key is unknown."""
        row = await self._table.get(keys.owner_partition(owner), keys.secret(hub_id))
        return self._open(hub_id, row) if row else None

    async def create(self, owner: str, hub_id: str, secrets: HubSecrets) -> HubSecrets:
        try:
            etag = await self._table.insert(self._seal(owner, hub_id, secrets), _what(hub_id))
        except RowExists:
            first = await self.get(owner, hub_id)
            if first is None:  # inserted and buried by others between our two requests
                raise ConcurrentUpdate(_what(hub_id)) from None
            return first
        return replace(secrets, etag=etag)

    async def save(self, owner: str, hub_id: str, secrets: HubSecrets) -> HubSecrets:
        if secrets.etag is None:
            raise ConcurrentUpdate(_what(hub_id))
        etag = await self._table.replace(self._seal(owner, hub_id, secrets), secrets.etag, _what(hub_id))
        return replace(secrets, etag=etag)

    def _seal(self, owner: str, hub_id: str, secrets: HubSecrets) -> Entity:
        kept = carried.of(secrets.carried)
        fields = codec.to_json(HubSecrets, secrets, leave_out=_LEFT_OUT)
        if kept is not None:
            kept.into(fields)
        sealed = {
            f"{_SEALED}{name}": self._sealer.seal(documents.to_text(value), hub_id=hub_id, field=name)
            for name, value in fields.items()
        }
        return {
            **(kept.columns if kept else {}),
            "PartitionKey": keys.owner_partition(owner),
            "RowKey": keys.secret(hub_id),
            "v": kept.version if kept else codec.SCHEMA_VERSION,
            **sealed,
        }

    def _open(self, hub_id: str, row: Row) -> HubSecrets:
        what = _what(hub_id)
        codec.check_version(row, what)
        columns = frozenset(name for name in row.values if name.startswith(_SEALED))
        fields = {name.removeprefix(_SEALED): value for name in columns if isinstance(value := row.values[name], str)}
        opened = {name: self._sealer.open(value, hub_id=hub_id, field=name) for name, value in fields.items()}
        try:
            document = {name: json.loads(text) for name, text in opened.items()}
        except ValueError:
            raise FatalError("RowUnreadable", f"{what} cannot be read.") from None
        # What a newer release added was opened too: it is sealed anew with the rest, under the newest key.
        secrets, kept = codec.with_remainder(HubSecrets, document, what, row, columns, _LEFT_OUT)
        return replace(secrets, etag=row.etag, carried=kept)


def _what(hub_id: str) -> str:
    return f"The secrets of hub {hub_id}"
