"""The ports that ask Azure Resource Manager, each call through the gate: the one place where it is asked, and told.

What needs no Azure (SSH, the hub over HTTP, storage, the price list) never comes by here, so it goes on in an outage.
"""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from shared.errors import FatalError, HubletError
from shared.hubs.ports import AzureGate, Poll


def gated[Port](port: Port, gate: AzureGate) -> Port:
    """The same port. Its methods raise what they raise, and AzurePaused when Azure is known not to answer."""
    return cast(Port, _Gated(port, gate))


class _Gated:
    """All methods of these ports are coroutines, so one rule fits them all."""

    def __init__(self, port: Any, gate: AzureGate) -> None:
        self._port, self._gate = port, gate

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        if name.startswith("_"):  # a half-made copy has no port yet
            raise AttributeError(name)
        method = getattr(self._port, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            await self._gate.admit()
            try:
                answer = await method(*args, **kwargs)
            except HubletError as error:
                raise await self._gate.failed(error, _whose(args)) from error
            self._gate.answered()
            if isinstance(answer, Poll) and isinstance(answer.failure, FatalError):
                await self._gate.failed(answer.failure, "")  # some policies speak up in the operation only
            return answer

        return call


def _whose(args: tuple[Any, ...]) -> str:
    """The resource group (or the operation, the resource) that a call is about."""
    first = args[0] if args else ""
    return first if isinstance(first, str) else str(getattr(first, "group", first))
