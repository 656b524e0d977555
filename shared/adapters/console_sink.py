"""The sink that is always there: a notice as one line of the app's log."""

from shared import log
from shared.hubs.model import Notice


class ConsoleSink:
    """`Sink` on the log. Never refuses."""

    name = "console"

    async def deliver(self, notice: Notice) -> None:
        log.info(
            "notice",
            notice_id=notice.id,
            type=notice.type,
            at=notice.at,
            hub=notice.hub_name,
            hub_id=notice.hub_id,
            message=notice.message,
        )
