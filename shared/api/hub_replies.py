"""Answers about hubs, put together from the domain's records."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from shared.api import etags, names, prefer
from shared.api.hub_view import ahead_of, hub_view, reference
from shared.api.log_text import MAX_BYTES, log_text
from shared.api.problems import Problem, retry_after
from shared.api.progress import look_again_s
from shared.api.ssh_access import ssh_access
from shared.hubs import commands
from shared.hubs.agenda import Rules

if TYPE_CHECKING:
    from shared.api.http import Call, Edge, Reply
    from shared.api.hub_view import HubView
    from shared.hubs.model import Hub, Operation

TEXT = "text/plain; charset=utf-8"


async def find(call: "Call") -> "Hub":
    """The hub named in the path. What cannot be a name or an id is answered like a missing hub, and asks nobody."""
    name = call.path_part("name")
    if not names.HUB_ID.fullmatch(name) and names.hub_name(name) is not None:
        raise Problem("HubNotFound", "There is no hub of that name that you may see.")
    return await commands.find_hub(call.app, call.principal, name)


async def view(call: "Call", hub: "Hub") -> "HubView":
    app, now = call.app, call.app.clock.now()
    ahead = ahead_of(hub, Rules.of(app.settings), now)
    return hub_view(hub, call.principal, now, call.url("").rstrip("/"), await ssh_access(app, hub), ahead)


async def views(call: "Call", hubs: Sequence["Hub"]) -> list["HubView"]:
    return list(await asyncio.gather(*(view(call, hub) for hub in hubs)))


async def accepted(call: "Call", hub: "Hub", operation: "Operation", more: Mapping[str, str] | None = None) -> "Reply":
    """202 with where to look next, and when."""
    from shared.api.http import Reply

    headers = {
        "Location": call.url(f"hubs/{reference(hub, call.principal)}"),
        "Operation-Location": call.url(f"operations/{operation.id}"),
        "Retry-After": retry_after(look_again_s(hub), call.app.entropy.jitter()),
        "ETag": etags.of_hub(hub),
        **(more or {}),
    }
    return Reply.of(202, await view(call, hub), headers)


async def taken(call: "Call", created: commands.Created) -> "Reply":
    """202 for a hub that was accepted now, or by the same request before."""
    more = {"Idempotent-Replayed": "true"} if created.replayed else None
    return await accepted(call, created.hub, created.operation, more)


async def present(call: "Call", hub: "Hub", more: Mapping[str, str] | None = None) -> "Reply":
    """200 with the hub as it is now."""
    from shared.api.http import Reply

    return Reply.of(200, await view(call, hub), {"ETag": etags.of_hub(hub), **(more or {})})


async def changed(edge: "Edge", call: "Call", hub: "Hub") -> "Reply":
    """The hub at its next change, or now: `Prefer: wait`, `If-None-Match`. One point read a second while waiting."""
    from shared.api.http import Reply

    known = call.header("if-none-match")
    first = etags.of_hub(hub)

    def is_new(found: "Hub") -> bool:
        tag = etags.of_hub(found)
        return not etags.matches(known, tag) if known is not None else tag != first

    async def read() -> "Hub":
        found = await call.app.hubs.get(hub.owner, hub.name)
        if found is None or found.id != hub.id:
            raise Problem("HubNotFound", f"The hub '{hub.name}' is gone.")
        return found

    seconds = prefer.wait_seconds(call.header("prefer"))
    found, honoured = await edge.waits.until_changed(call.app.clock, seconds, hub, read, is_new)
    tag = etags.of_hub(found)
    headers = {"ETag": tag, **({"Preference-Applied": f"wait={seconds}"} if honoured else {})}
    if etags.matches(known, tag):
        return Reply(304, headers=headers)
    return Reply.of(200, await view(call, found), headers)


async def log_piece(edge: "Edge", call: "Call", hub: "Hub", offset: int) -> "Reply":
    """The log from `offset` on; with `Prefer: wait` as soon as there is any."""
    from shared.api.http import Reply

    async def read() -> bytes:
        return await call.app.logs.read(hub.log_id, offset, limit=MAX_BYTES)

    seconds = prefer.wait_seconds(call.header("prefer"))
    data, honoured = await edge.waits.until_changed(call.app.clock, seconds, await read(), read, bool)
    piece = log_text(data, offset)
    headers = {"Next-Offset": str(piece.next_offset)}
    if honoured:
        headers["Preference-Applied"] = f"wait={seconds}"
    return Reply(200, piece.text.encode(), TEXT, headers)
