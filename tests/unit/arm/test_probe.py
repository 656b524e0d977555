"""The one read that says whether Azure can be asked again."""

import pytest
from azure.core.exceptions import ServiceRequestError

from shared.adapters.arm.probe import ArmProbe
from shared.errors import RetryableError
from tests.support.arm_wire import Answer
from tests.unit.arm.wire_world import Wire, refused


def a_subscription(state: str) -> Answer:
    return Answer(200, {"subscriptionId": "s", "state": state})


@pytest.mark.parametrize("state", ["Enabled", "Warned", "PastDue"])
async def test_a_subscription_that_takes_writes_is_well(state: str) -> None:
    wire = Wire(a_subscription(state))

    await ArmProbe(wire.arm).ask()

    (sent,) = wire.transport.sent
    assert (sent.method, sent.path) == ("GET", "/subscriptions/00000000-0000-0000-0000-000000000001")
    assert sent.headers["Authorization"] == "Bearer a-token"


async def test_an_answer_that_forbids_the_look_proves_that_azure_answers() -> None:
    await ArmProbe(Wire(refused(403, "AuthorizationFailed")).arm).ask()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (a_subscription("Disabled"), "ReadOnlyDisabledSubscription"),
        (Answer(503, b"<html>", {"Content-Type": "text/html"}), "AzureHttp503"),
        (refused(429, "TooManyRequests"), "AzureThrottled"),
        (refused(401, "InvalidAuthenticationToken"), "AzureIdentityUnavailable"),
        (ServiceRequestError("reset"), "AzureUnreachable"),
        (Answer(200, b"<html>", {"Content-Type": "text/html"}), "AzureUnreadableAnswer"),
    ],
)
async def test_anything_else_is_what_any_other_call_would_meet(answer: Answer | Exception, code: str) -> None:
    with pytest.raises(RetryableError) as trouble:
        await ArmProbe(Wire(answer).arm).ask()
    assert trouble.value.code == code
