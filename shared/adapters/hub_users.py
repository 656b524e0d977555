"""The list of a hub's users with a server, page by page, as JupyterHub 2 and newer gives it. Hostile input.

https://jupyterhub.readthedocs.io/en/stable/reference/rest-api.html#operation/get-users: `state=active` also lists
servers that start or stop; without `ACCEPT` the list is cut off in silence at 50 users.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from shared.adapters.web import Page, unusable
from shared.hubs.ports import Activity, Server

ACCEPT = "application/jupyterhub-pagination+json"
PATH = "/hub/api/users?state=active&limit={limit}&offset={offset}"
PAGE_SIZE = 200
"""The most that JupyterHub gives at once unless it is told otherwise (`JupyterHub.api_page_max_limit`)."""

PAGES = 100
_NAME_CAP = 255


async def all_servers(get: Callable[[str], Awaitable[Page]]) -> Activity:
    """`get` fetches a path and raises for every status but 200. Raises RetryableError `HubAnswerUnusable` unless the
    pages together are one complete, well-formed list; somebody who came or left between two pages is a reason too."""
    servers: list[Server] = []
    seen: set[str] = set()
    offset, total = 0, None
    for _ in range(PAGES):
        page = _understood(await get(PATH.format(limit=PAGE_SIZE, offset=offset)))
        names = {user for user, _ in page.users}
        if page.offset != offset or page.total != (page.total if total is None else total) or names & seen:
            raise unusable("pages that do not fit together")
        total = page.total
        seen |= names
        servers += [server for _, found in page.users for server in found]
        offset += len(page.users)
        if not page.more:
            if len(seen) != total:
                raise unusable("fewer users than it says it has")
            return Activity(servers=tuple(servers))
        if not page.users or page.next_offset != offset:
            raise unusable("pages that do not fit together")
    raise unusable("more pages than a hub can have")


@dataclass(frozen=True, slots=True)
class _UserPage:
    offset: int
    total: int
    more: bool
    next_offset: int
    users: tuple[tuple[str, tuple[Server, ...]], ...]


def _understood(page: Page) -> _UserPage:
    now = _http_date(page.date)
    match page.json():
        case {
            "items": list(items),
            "_pagination": {"offset": int(offset), "total": int(total), "next": None | {"offset": int()} as following},
        }:
            users = tuple(_user(item, now) for item in items)
            next_offset = following["offset"] if following is not None else 0
            return _UserPage(offset, total, following is not None, next_offset, users)
        case _:
            raise unusable("a list of users that is none")


def _user(item: Any, now: datetime) -> tuple[str, tuple[Server, ...]]:
    match item:
        case {"name": str(name), "servers": dict(servers)} if 0 < len(name) <= _NAME_CAP:
            # Listed without one, although the hub was asked for users with a server: it is not sure itself.
            found = tuple(_server(name, entry, now) for entry in servers.values())
            return name, found or (Server(user=name, idle_s=None, pending=True),)
        case _:
            raise unusable("a user that is none")


def _server(user: str, entry: Mapping[str, Any], now: datetime) -> Server:
    match entry:
        case {"last_activity": None | str() as last, "ready": bool(ready), "pending": None | str()}:
            idle_s = None if last is None else max(0.0, (now - _moment(last)).total_seconds())
            return Server(user=user, idle_s=idle_s, pending=not ready)
        case _:
            raise unusable("a server that is none")


def _http_date(text: str) -> datetime:
    """The `Date` header: what the hub's machine takes for now. Raises RetryableError when there is none."""
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        raise unusable("an answer without its date") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
        found.astimezone(UTC)
    except (ValueError, OverflowError):
        found = None
    if found is None or found.tzinfo is None:
        raise unusable("a time that is none")
    return found
