"""P3: what reading costs: storage requests by kind, and bytes when nothing changed."""

import asyncio
from pathlib import Path

from localdev.bench.api import Api, open_api, running_azurite
from localdev.bench.report import Report

HUBS = 10


def measure(folder: Path) -> Report:
    report = Report(f"P3 reads (an owner with {HUBS} hubs)")
    with running_azurite(folder / "reads") as connection_string:
        asyncio.run(_count(connection_string, report))
    return report


async def _count(connection_string: str, report: Report) -> None:
    async with open_api(connection_string) as api:
        token = await api.token("jaydoe@example.com")
        for number in range(HUBS):
            made = await api.send("hub_create", "POST", "hubs", token, body={"name": f"hub{number}"})
            assert made.status_code == 202, made.get_body()
        etag = await _read(api, report, token, "hub3")
        await _read(api, report, token, "hub3", etag)
        etag = await _read(api, report, token, None)
        await _read(api, report, token, None, etag)


async def _read(api: Api, report: Report, token: str, hub: str | None, etag: str | None = None) -> str:
    """Reads that hub, or the list: a line for the requests and, with an ETag, one for the bytes. Returns the ETag."""
    name = ("GET one hub" if hub else "GET the list") + (", unchanged" if etag else "")
    api.watched.clear()
    answer = await api.send(
        "hub_get" if hub else "hub_list",
        "GET",
        f"hubs/{hub}" if hub else "hubs",
        token,
        route={"name": hub} if hub else {},
        headers={"if-none-match": etag} if etag else None,
    )
    assert answer.status_code == (304 if etag else 200), (answer.status_code, answer.get_body())
    report.at_most(f"{name}: storage requests", len(api.watched.requests), 1, exact=True)
    if etag:
        report.at_most(f"{name}: bytes of body", len(answer.get_body()), 0, exact=True)
    return str(answer.headers["ETag"])
