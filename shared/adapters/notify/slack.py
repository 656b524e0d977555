"""Slack."""

from collections.abc import Sequence

from shared.clock import Clock
from shared.errors import HubletError
from shared.hubs.model import Notice
from shared.hubs.ports import ChatStore, HubStore, Outbound
from shared.settings import Settings


class SlackSink:
    """`Sink`."""

    name = "slack"

    def __init__(
        self, *, hubs: HubStore, chat: ChatStore, outbound: Outbound, clock: Clock, settings: Settings
    ) -> None:
        self._stub = True

    async def targets(self, notice: Notice) -> Sequence[str]:
        return ()

    async def deliver(self, notice: Notice, target: str) -> None:
        raise NotImplementedError

    async def gave_up(self, notice: Notice, target: str, error: HubletError) -> None:
        raise NotImplementedError
