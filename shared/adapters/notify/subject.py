"""The hub that a notice is about: by the time somebody is told it may be gone, and its name another hub's."""

from shared.hubs.model import Hub, Notice
from shared.hubs.ports import HubStore


async def present(hubs: HubStore, notice: Notice) -> Hub | None:
    """The hub as it is now; None = it is gone, also when another one has its name meanwhile."""
    hub = await hubs.get(notice.owner, notice.hub_name)
    return hub if hub is not None and hub.id == notice.hub_id else None


async def buried(hubs: HubStore, notice: Notice) -> Hub | None:
    """The hub as it was when it was deleted; None = it was not, or that is forgotten."""
    gone = await hubs.gone(notice.owner, notice.hub_id)
    return gone.hub if gone is not None else None
