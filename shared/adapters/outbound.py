"""The only way to a URL that somebody gave us."""

from collections.abc import Mapping

from shared.hubs.ports import Answered
from shared.settings import Settings


class GuardedOutbound:
    """`Outbound` on aiohttp."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def check(self, url: str) -> None:
        raise NotImplementedError

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, limit_s: float = 8.0) -> Answered:
        raise NotImplementedError
