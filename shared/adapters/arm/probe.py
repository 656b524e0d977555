"""Whether Azure can be asked at all: one look at the subscription itself.

https://learn.microsoft.com/rest/api/resources/subscriptions/get (2022-12-01): `state` is Enabled, Warned, PastDue,
Disabled or Deleted. A disabled subscription is read-only: reads go on, so only its state tells that it is usable again
(https://learn.microsoft.com/azure/cost-management-billing/manage/subscription-disabled).
"""

from typing import TYPE_CHECKING, Any

from shared.adapters.arm.errors import classify, from_response, text_of, translated
from shared.errors import RetryableError

if TYPE_CHECKING:
    from shared.adapters.arm.client import ArmClients

_API = "2022-12-01"
_NOT_USABLE = frozenset({"disabled", "deleted"})


class ArmProbe:
    """`AzureProbe`: one GET."""

    def __init__(self, arm: "ArmClients") -> None:
        self._arm = arm

    async def ask(self) -> None:
        """An answer that forbids the look proves that ARM answers; then the next write shows whether it may."""
        from azure.core.rest import HttpRequest

        url = f"{self._arm.endpoint}/subscriptions/{self._arm.subscription_id}"
        with translated():
            response: Any = await self._arm.bare().send_request(HttpRequest("GET", url, params={"api-version": _API}))
            body = text_of(response)
            if response.status_code >= 400:
                error = from_response(response.status_code, response.headers, body)
                if isinstance(error, RetryableError):
                    raise error
                return
            state = str(response.json().get("state", ""))
        if state.lower() in _NOT_USABLE:
            raise classify(409, "ReadOnlyDisabledSubscription", f"The subscription's state is {state}.")
