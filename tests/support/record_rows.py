"""Records rows and messages as an earlier release of this repository writes them, by running that release's own code.

    .venv/bin/python -m tests.support.record_rows 36bb581

takes the commit's `shared/` and `tests/support/` out of Git into a folder of its own and runs this file there: hubs are
brought to the moments of tests/support/hub_moments.py in that release's world of fakes, and everything stored then goes
through that release's codec into tests/data/rows/<commit>.json, with the JSON schema of what it reads. Secrets are
those of the fakes, sealed with the test key of `some_settings`. Twice gives the same file but for the sealed texts and
the hash of the start-up data.
"""

import asyncio
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
OUT = ROOT / "tests" / "data" / "rows"


def main(commit: str) -> Path:
    """Writes the file of one commit; returns where it is."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "archive", commit, "shared", "tests"], cwd=ROOT, check=True, capture_output=True
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
        for name in ("hub_moments.py", "record_rows.py"):
            Path(folder, "tests", "support", name).write_bytes((HERE.parent / name).read_bytes())
        found = subprocess.run(
            [sys.executable, "-m", "tests.support.record_rows", "--inside"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": folder},
            check=True,
            stdout=subprocess.PIPE,
        ).stdout
    out = OUT / f"{commit}.json"
    out.write_text(json.dumps({"commit": commit, **json.loads(found)}, indent=1, sort_keys=True) + "\n")
    return out


# ------------------------------------------------------------------ inside that release


def record() -> dict[str, Any]:
    """Every moment, and the schema, of the release that is imported."""
    from tests.support import hub_moments
    from tests.support.world import World

    moments = hub_moments.WITH_LIFE if hub_moments.has_life(World()) else hub_moments.MOMENTS
    found = {}
    for name, bring in moments.items():
        world = World()
        asyncio.run(bring(world))
        found[name] = {"at": world.clock.now().isoformat(), **asyncio.run(everything(world))}
    return {"moments": found, "reads": schemas()}


class _Caught:
    """In place of a table: what would have been written."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    async def upsert(self, entity: dict[str, Any], **_: Any) -> str:
        self.rows.append(entity)
        return ""


async def everything(world: Any) -> dict[str, Any]:
    """All rows and messages of a world as they stand at rest."""
    from shared.adapters.storage import codec
    from shared.adapters.storage.due import TableDue
    from shared.adapters.storage.index import TableHubIndex
    from shared.adapters.storage.secrets import SealedSecretStore

    storage, nothing = world.storage, type("NoClients", (), {})()
    hubs = storage.hubs
    by_id = {hub.id: hub for hub in [*hubs.hubs.values(), *(gone.hub for gone in hubs.graves.values())]}
    sealed = SealedSecretStore(nothing, world.app.settings.seal_keys)
    rows = [codec.hub_entity(hub) for hub in hubs.hubs.values()]
    rows += [codec.operation_entity(owner, found) for (owner, _, _), found in hubs.operations.items()]
    for (_, hub_id), history in hubs.history.items():
        rows += [codec.event_entity(by_id[hub_id], event) for event in history.values()]
    rows += [codec.quota_entity(quota) for quota in hubs.quotas.values()]
    rows += [codec.idempotency_entity(owner, found) for (owner, _), found in hubs.idempotencies.items()]
    rows += [codec.gone_entity(found) for found in hubs.graves.values()]
    rows += [sealed._seal(owner, hub_id, found) for (owner, hub_id), found in hubs.secrets.rows.items()]
    if hasattr(hubs, "outbox"):  # not in the first release; then it held notices alone
        write = codec.pending_entity if hasattr(codec, "pending_entity") else codec.notice_entity
        rows += [write(found) for found in hubs.outbox.values()]
    index, due = TableHubIndex(nothing), TableDue(nothing)
    index._table, due._table = caught = _Caught(), _Caught()  # type: ignore[assignment]
    for entry in storage.index.entries.values():
        await index.put(entry)
    for row in storage.due.rows.values():
        await due.put(row)
    return {
        "tables": {"hubs": rows, "index": caught[0].rows, "due": caught[1].rows},
        "queues": {"hub-work": list(_work(storage)), "hub-notify": list(_notices(storage))},
    }


def _work(storage: Any) -> Iterator[dict[str, str]]:
    from shared.hubs import messages

    for queued in storage.queue.waiting:
        rows = getattr(queued.message, "rows", None)
        texts = [messages.encode(queued.message)] if rows is None else messages.encode_due(rows)
        yield from ({"text": text, "visible_at": queued.visible_at.isoformat()} for text in texts)


def _notices(storage: Any) -> Iterator[dict[str, str]]:
    if not hasattr(storage, "notices"):
        return
    from shared.hubs import notice_messages

    for queued in storage.notices.waiting:
        yield {"text": notice_messages.encode(queued.ref), "visible_at": queued.visible_at.isoformat()}


def schemas() -> dict[str, Any]:
    """What this release reads: the fields it knows, and those that must be there."""
    from pydantic import TypeAdapter

    from shared.hubs import model, ports

    kinds: list[Any] = [model.Hub, model.Operation, model.Event, ports.Quota, ports.Idempotency, ports.HubSecrets]
    kinds += [getattr(model, "Notice", None)]  # not in the first release
    return {kind.__name__: TypeAdapter(kind).json_schema() for kind in kinds if kind is not None}


if __name__ == "__main__":
    if sys.argv[1:] == ["--inside"]:
        json.dump(record(), sys.stdout)
    else:
        for asked in sys.argv[1:]:
            sys.stdout.write(f"{main(asked).relative_to(ROOT)}\n")
