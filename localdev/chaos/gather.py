"""Gathers the evidence: Azure through its own API, storage through its SDK, logs as files. It asks the real services,
never the proxies."""

import asyncio
import json
import ssl
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import aiohttp
from azure.data.tables import TableServiceClient
from azure.storage.queue import QueueServiceClient

from localdev.chaos.evidence import DueRowSeen, EventRow, Evidence, HubRow, Text, Vm
from localdev.chaos.judge import hub_of_group
from localdev.chaos.lives import Life
from shared.adapters.storage import documents, keys
from shared.adapters.storage.sealing import Sealer
from shared.settings import Settings

_ARM = "https://management.azure.com/"
_WATCH_S = 2.0
_PEEKED = 32
_SECRET_FIELDS = ("_private_key", "_password", "_token")


class AzureView:
    """The simulated subscription as its owner sees it."""

    def __init__(self, session: aiohttp.ClientSession, facts: Mapping[str, str]) -> None:
        self._session = session
        self._facts = facts
        self._trust = ssl.create_default_context(cafile=facts["ca"])
        self._token = ""

    async def _get(self, url: str) -> Any:
        headers = {"Authorization": f"Bearer {self._token}"}
        async with self._session.get(url, headers=headers, ssl=self._trust) as answer:
            return json.loads(await answer.read())

    async def _list(self, path: str, version: str, more: str = "") -> list[dict[str, Any]]:
        if not self._token:
            asked = {"resource": _ARM, "api-version": "2019-08-01"}
            secret = {"X-IDENTITY-HEADER": self._facts["identityHeader"]}
            async with self._session.get(self._facts["identityEndpoint"], params=asked, headers=secret) as answer:
                self._token = (await answer.json())["access_token"]
        url = f"{self._facts['arm']}/subscriptions/{self._facts['subscriptionId']}/{path}?api-version={version}{more}"
        found: list[dict[str, Any]] = []
        while url:
            page = await self._get(url)
            found += page["value"]
            url = page.get("nextLink") or ""
        return found

    async def groups(self) -> dict[str, dict[str, str]]:
        return {group["name"]: group.get("tags") or {} for group in await self._list("resourcegroups", "2021-04-01")}

    async def resources(self) -> list[str]:
        return [resource["id"] for resource in await self._list("resources", "2021-04-01")]

    async def vms(self) -> list[Vm]:
        path = "providers/Microsoft.Compute/virtualMachines"
        return [_vm(vm) for vm in await self._list(path, "2024-07-01", "&statusOnly=true")]

    async def vm_puts(self) -> dict[str, list[int]]:
        """Path, in lower case, of each machine -> statuses of the PUTs that arrived."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for request in (await self._get(f"{self._facts['sim']}/requests"))["requests"]:
            if request["operation"] == "VirtualMachines_CreateOrUpdate":
                found[request["path"].lower()].append(request["status"])
        return dict(found)

    async def quotas(self, limits: Mapping[str, int]) -> None:
        url = f"{self._facts['sim']}/settings"
        async with self._session.post(url, json={"quotas": dict(limits)}, ssl=self._trust) as answer:
            answer.raise_for_status()

    async def advance(self, seconds: float) -> None:
        """Moves the clock that Azure and the app share."""
        async with self._session.post(
            f"{self._facts['sim']}/clock", json={"advance_s": seconds}, ssl=self._trust
        ) as answer:
            answer.raise_for_status()

    async def now(self) -> datetime:
        return datetime.fromisoformat((await self._get(f"{self._facts['sim']}/clock"))["now"]).astimezone(UTC)


def _vm(vm: Mapping[str, Any]) -> Vm:
    parts = vm["id"].split("/")
    statuses = ((vm.get("properties") or {}).get("instanceView") or {}).get("statuses") or []
    codes = [str(status["code"]) for status in statuses]
    power = next((code.partition("/")[2] for code in codes if code.startswith("PowerState/")), "")
    return Vm(group=parts[4].lower(), name=parts[8].lower(), power=power)


class StorageView:
    """Azurite's tables and queues. Blocks: for a thread."""

    def __init__(self, storage: str) -> None:
        self._storage = storage

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        with TableServiceClient.from_connection_string(self._storage) as service:
            names = [str(table.name) for table in service.list_tables()]
            return {name: [dict(row) for row in service.get_table_client(name).list_entities()] for name in names}

    def counts(self) -> dict[str, int]:
        """Messages of each queue, hidden ones too."""
        with QueueServiceClient.from_connection_string(self._storage) as service:
            return {
                str(queue.name): int(
                    service.get_queue_client(str(queue.name)).get_queue_properties().approximate_message_count or 0
                )
                for queue in service.list_queues()
            }

    def peeked(self) -> list[tuple[str, str]]:
        """Queue and text of messages that are visible just now."""
        with QueueServiceClient.from_connection_string(self._storage) as service:
            return [
                (str(queue.name), str(message.content))
                for queue in service.list_queues()
                for message in service.get_queue_client(str(queue.name)).peek_messages(_PEEKED)
            ]


class Watcher:
    """Looks while things happen: how many machines a hub has at once, what messages say."""

    def __init__(self, azure: AzureView, storage: StorageView) -> None:
        self.most_vms: dict[str, int] = {}
        self.messages: set[tuple[str, str]] = set()
        self.looks = 0
        self._azure = azure
        self._storage = storage

    async def watch(self) -> None:
        """Until it is cancelled."""
        while True:
            counted: defaultdict[str, int] = defaultdict(int)
            for vm in await self._azure.vms():
                hub = hub_of_group(vm.group)
                if hub is not None:
                    counted[hub] += 1
            for hub, count in counted.items():
                self.most_vms[hub] = max(count, self.most_vms.get(hub, 0))
            self.messages.update(await asyncio.to_thread(self._storage.peeked))
            self.looks += 1
            await asyncio.sleep(_WATCH_S)


async def gather(
    lives: Sequence[Life],
    azure: AzureView,
    storage: StorageView,
    watcher: Watcher,
    logs: Sequence[Path],
    settings: Mapping[str, str],
) -> Evidence:
    """Everything as it is now."""
    rows = await asyncio.to_thread(storage.rows)
    hubs = rows.get("hubs", [])
    secrets = {f"{what} of {life.name}": value for life in lives for what, value in life.secrets.items()}
    secrets |= {f"API token of {life.owner}": life.token for life in lives}
    secrets |= {"admin token": settings["HUBLET_ADMIN_TOKEN"], "seal key": settings["HUBLET_SEAL_KEYS"].split(":")[-1]}
    secrets |= dict(_unsealed(hubs, settings))
    return Evidence(
        lives=lives,
        now=await azure.now(),
        hubs=[_hub(row) for row in _named(hubs, keys.HUBS)],
        gone=frozenset(str(row["hubId"]) for row in _named(hubs, keys.GRAVES)),
        events=_events(hubs),
        operations=_operations(hubs),
        quotas={
            keys.owner_of(str(row["PartitionKey"])): _document(row)["hubs"]
            for row in hubs
            if row["RowKey"] == keys.QUOTA
        },
        index=frozenset(str(row["hubId"]) for row in rows.get("index", []) if "hubId" in row),
        outbox=[str(row["RowKey"]) for row in _named(hubs, keys.OUTBOX)],
        due=due_rows(rows.get("due", [])),
        queues=await asyncio.to_thread(storage.counts),
        groups=await azure.groups(),
        resources=await azure.resources(),
        vms=await azure.vms(),
        vm_puts=await azure.vm_puts(),
        most_vms=watcher.most_vms,
        poisoned=[line for log in logs for line in _poisoned(log)],
        secrets=secrets,
        texts=_texts(rows, watcher.messages, logs),
    )


def due_rows(rows: Sequence[Mapping[str, Any]]) -> list[DueRowSeen]:
    return [
        DueRowSeen(
            hub_id=str(row["hubId"]),
            kind=str(row["kind"]),
            at=datetime.fromisoformat(str(row["at"])).astimezone(UTC),
            key=f"{row['PartitionKey']}/{row['RowKey']}",
        )
        for row in rows
        if "hubId" in row
    ]


def _named(rows: Sequence[dict[str, Any]], prefix: str) -> list[dict[str, Any]]:
    return [row for row in rows if str(row["RowKey"]).startswith(prefix)]


def _document(row: Mapping[str, Any]) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(documents.join(row) or "{}"))


def _hub(row: Mapping[str, Any]) -> HubRow:
    document = _document(row)
    reason = document.get("reason") or {}
    return HubRow(
        id=document["id"],
        owner=document["owner"],
        name=document["name"],
        state=document["state"],
        goal=document["goal"],
        generation=document["generation"],
        pass_number=document["pass_number"],
        attempts=len(document.get("attempts") or ()),
        reason=f"({reason.get('code')}: {reason.get('message')})" if reason else "",
    )


def _events(rows: Sequence[dict[str, Any]]) -> dict[str, list[EventRow]]:
    found: defaultdict[str, list[EventRow]] = defaultdict(list)
    for row in _named(rows, keys.EVENTS):
        document = _document(row)
        found[str(row["RowKey"]).split("!")[1]].append(
            EventRow(
                seq=document["seq"],
                kind=document["kind"],
                actor=document["actor"],
                message=document["message"],
                from_state=document.get("from_state"),
                to_state=document.get("to_state"),
            )
        )
    return dict(found)


def _operations(rows: Sequence[dict[str, Any]]) -> dict[tuple[str, int], str]:
    found: dict[tuple[str, int], str] = {}
    for row in _named(rows, keys.OPERATIONS):
        _, hub_id, generation = str(row["RowKey"]).split("!")
        found[(hub_id, int(generation))] = str(row["status"])
    return found


def _unsealed(rows: Sequence[dict[str, Any]], settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What the sealed rows hold, so that it can be looked for elsewhere."""
    sealer = Sealer(Settings.from_env(settings).seal_keys)
    for row in _named(rows, "secret!"):
        hub_id = str(row["RowKey"]).partition("!")[2]
        for name, value in row.items():
            plain = name.removeprefix("sealed_")
            if plain != name and plain.endswith(_SECRET_FIELDS):
                opened = json.loads(sealer.open(str(value), hub_id=hub_id, field=plain))
                if isinstance(opened, str):
                    yield f"{plain} of {hub_id}", opened


def _texts(
    rows: Mapping[str, Sequence[Mapping[str, Any]]], messages: set[tuple[str, str]], logs: Sequence[Path]
) -> Iterator[Text]:
    for name, found in rows.items():
        for row in found:
            content = "\n".join(
                value.decode(errors="replace") if isinstance(value, bytes) else str(value) for value in row.values()
            )
            yield Text(place=f"table {name}, row {row['RowKey']}", content=content)
    for queue, message in messages:
        yield Text(place=f"queue {queue}", content=message)
    for log in logs:
        yield Text(place=f"log {log.name}", content=log.read_text(encoding="utf-8", errors="replace"))


def _poisoned(log: Path) -> list[str]:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return [f"{log.name}: {line[:300]}" for line in lines if "-poison" in line and "moves to" in line]
