"""The adapters over a wire whose answers a test lays out."""

from collections.abc import Iterable, Mapping
from typing import Any

from shared.adapters.arm.client import ArmClients
from tests.support.arm_wire import Answer, Sent, StaticCredential, WireTransport
from tests.support.builders import some_settings

OPERATION_URL = (
    "https://arm.test/subscriptions/s/providers/Microsoft.Compute/locations/eastus/operations/1?p=2"
    "&api-version=2026-04-01&t=639&c=MIIH%2Bab%2F%3D%3D&s=a-b_c~d.e&h=%7bx%7d"
)


class Wire:
    """Answers in the order given; the last one for ever."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self._answers: list[Answer | Exception] = list(answers)
        self.transport = WireTransport(self._answer)
        credential: Any = StaticCredential()
        settings = some_settings(HUBLET_ARM_ENDPOINT="https://arm.test")
        self.arm = ArmClients(settings, transport=self.transport, credential=credential)

    @property
    def methods(self) -> list[str]:
        return [sent.method for sent in self.transport.sent]

    def then(self, *answers: Answer | Exception) -> None:
        """Replaces what is still to be answered."""
        self._answers = list(answers)

    async def _answer(self, sent: Sent) -> Answer:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def accepted(headers: Mapping[str, str] | None = None, *, state: str = "Creating", status: int = 201) -> Answer:
    """The first answer to a PUT of a VM."""
    everything = {"Azure-AsyncOperation": OPERATION_URL, "Retry-After": "10", **(headers or {})}
    return Answer(status, {"id": "vm", "properties": {"provisioningState": state}}, everything)


def refused(status: int, code: str, message: str = "", headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, {"error": {"code": code, "message": message}}, headers or {})


def status_of(status: str, error: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer of an operation's address."""
    return Answer(200, {"status": status, **({"error": error} if error else {})}, headers or {})


def urls(sent: Iterable[Sent]) -> list[str]:
    return [request.url for request in sent]
