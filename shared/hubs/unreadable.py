"""Queue messages that cannot be read: malformed, too large, of a version nobody here knows.

Such a body is no better at its fifth delivery, so it is acknowledged, with the reason in the log. What it asked for is
not lost where its hub can still be made out: a work message says no more than "look at this hub", so the same is said
anew, in words that can be read. Rows of a due batch are in the due table still, and are handed over again.
"""

import json
from typing import TYPE_CHECKING

from shared import log
from shared.errors import ConcurrentUpdate, HubletError, RetryableError
from shared.hubs.alerts import alert
from shared.hubs.dispatch import due_after, work_message
from shared.hubs.model import Hub
from shared.hubs.visit import Visit

if TYPE_CHECKING:
    from shared.app import App

_MAX_BYTES = 64 * 1024
"""What a queue holds at most. https://learn.microsoft.com/rest/api/storageservices/put-message"""

_MAX_TEXT = 256


async def park(app: "App", body: bytes) -> None:
    """Drives the hub a message was about, and notes it in the hub's history; one alert when it cannot be told whose
    message it was. Twice = the hub is driven twice, which its fences take. Raises RetryableError."""
    hub = await _hub_of(app, body)
    if hub is None:
        await alert(
            app,
            "UnreadableMessage",
            "A message on the work queue cannot be read, and whose it is cannot be told. Whoever waits for it is "
            "found by the due table within minutes; look who else writes to that queue.",
            size=len(body),
        )
        return
    now = app.clock.now()
    await app.due.put(due_after(hub, now, 0, redrive_s=app.settings.redrive_s))
    await app.queue.put(work_message(hub, now))
    log.warning("message_parked", hub_id=hub.id)
    visit = Visit(app, hub)
    visit.tell("queue", "A message about this hub could not be read; the hub was looked at again instead.")
    try:
        await visit.checkpoint()
    except ConcurrentUpdate:
        log.info("visit_lost_race", hub_id=hub.id)  # whoever was faster is at it


async def _hub_of(app: "App", body: bytes) -> Hub | None:
    """By owner and name, or by its id. A message about an earlier hub of that name is about none."""
    owner, name, hub_id = _names_in(body)
    try:
        entry = await app.index.find(hub_id) if hub_id and not (owner and name) else None
        owner, name = (entry.owner, entry.name) if entry else (owner, name)
        hub = await app.hubs.get(owner, name) if owner and name else None
    except RetryableError:
        raise
    except (HubletError, ValueError):  # a row nobody can read, or text that is no key
        return None
    return hub if hub is not None and hub_id in ("", hub.id) else None


def _names_in(body: bytes) -> tuple[str, str, str]:
    """Owner, name and hub id, each empty where the body has none."""
    try:
        document = json.loads(body) if len(body) <= _MAX_BYTES else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        return "", "", ""
    found = [document.get(field) for field in ("owner", "name", "hubId")]
    owner, name, hub_id = (text if isinstance(text, str) and len(text) <= _MAX_TEXT else "" for text in found)
    return owner, name, hub_id
