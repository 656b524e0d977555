"""The sink that is always there: a notice as one line of the app's log."""

from collections.abc import Sequence

from shared import log
from shared.errors import HubletError
from shared.hubs.model import Notice


class ConsoleSink:
    """`Sink` on the log. Never refuses."""

    name = "console"

    async def targets(self, notice: Notice) -> Sequence[str]:
        return ("",)

    async def gave_up(self, notice: Notice, target: str, error: HubletError) -> None:
        """Cannot happen."""

    async def deliver(self, notice: Notice, target: str) -> None:
        log.info(
            "notice",
            notice_id=notice.id,
            type=notice.type,
            at=notice.at,
            hub=notice.hub_name,
            hub_id=notice.hub_id,
            message=notice.message,
        )
