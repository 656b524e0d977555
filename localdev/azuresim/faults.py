"""Failures on request: "answer the next two VM creates with 409", "lose the answer of this delete".

A fault waits for an operation by its name (``*`` = any) and, with `match`, for certain requests only.  It strikes at
one of three moments: ``begin`` (before anything happens), ``poll`` (the request is accepted, its long-running operation
fails), ``after`` (it happens, but the answer is replaced or lost).  To break a poll itself, name the poll's own
operation, such as ``ComputeOperations_Get``, with ``begin``.
"""

import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from localdev.azuresim.envelope import ArmError, Json, Response


class Moment(StrEnum):
    """When a fault strikes."""

    BEGIN = "begin"
    POLL = "poll"
    AFTER = "after"


#: Texts of codes that are usually injected, as Azure words them (quoted in public issues of Azure/azure-cli,
#: Azure/AKS, hashicorp/terraform-provider-azurerm; see tests/data for the sources).
USUAL_MESSAGES: Mapping[str, str] = {
    "AllocationFailed": "Allocation failed. We do not have sufficient capacity for the requested VM size in this "
    "region. Read more about improving likelihood of allocation success at http://aka.ms/allocation-guidance",
    "ZonalAllocationFailed": "Allocation failed. We do not have sufficient capacity for the requested VM size in this "
    "zone. Read more about improving likelihood of allocation success at http://aka.ms/allocation-guidance",
    "OverconstrainedAllocationRequest": "Allocation failed. VM(s) with the following constraints cannot be allocated, "
    "because the condition is too restrictive. Please remove some constraints and try again. Constraints applied are:\n"
    " - Networking Constraints (such as Accelerated Networking or IPv6)\n - VM Size\n",
    "OverconstrainedZonalAllocationRequest": "Allocation failed. VM(s) with the following constraints cannot be "
    "allocated, because the condition is too restrictive. Please remove some constraints and try again. Constraints "
    "applied are:\n  - Availability Zone\n  - VM Size\n",
    "OSProvisioningTimedOut": "OS Provisioning for VM did not finish in the allotted time. The VM may still finish "
    "provisioning successfully. Please check provisioning state later.",
    "AnotherOperationInProgress": "Another operation on this or dependent resource is in progress. To retrieve status "
    "of the operation use uri: .",
    "InternalExecutionError": "An internal execution error occurred.",
    "InternalServerError": "An error occurred.",
    "TooManyRequests": "The request is being throttled.",
}


class BadFault(ValueError):
    """The description of a fault does not make sense; the message says why."""


@dataclass
class Fault:
    """One failure, and how many times it is still to happen."""

    operation: str = "*"
    times: int = 1
    when: Moment = Moment.BEGIN
    status: int | None = None
    code: str = "InternalServerError"
    message: str | None = None
    details: list[Json] | None = None
    body: str | None = None
    """Sent instead of an error envelope, such as a proxy's HTML page."""
    delay_s: float = 0.0
    retry_after: int | None = None
    reset_connection: bool = False
    match: dict[str, str] = field(default_factory=dict)
    struck: int = 0

    @classmethod
    def parse(cls, description: Mapping[str, Any]) -> "Fault":
        """Read a fault from JSON.

        Raises:
            BadFault: an unknown field, an unknown moment, or nothing that would fail.
        """
        unknown = set(description) - set(cls.__dataclass_fields__) | ({"struck"} & set(description))
        if unknown:
            raise BadFault(f"unknown field: {', '.join(sorted(unknown))}")
        try:
            when = Moment(description.get("when", "begin"))
        except ValueError as error:
            raise BadFault("'when' is one of begin, poll, after") from error
        fault = cls(**{**description, "when": when})
        if fault.status is None and "code" in description:
            fault.status = 409
        if fault.status is None and not fault.delay_s and not fault.reset_connection:
            raise BadFault("give at least one of status, code, delay_s, reset_connection")
        return fault

    def describe(self) -> Json:
        """The fault as JSON."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def fits(self, operation: str, when: Moment, facts: Mapping[str, str]) -> bool:
        """Whether it is this fault's turn; `match` values are patterns, compared without regard to case."""
        return (
            self.times > 0
            and self.when is when
            and fnmatch.fnmatchcase(operation.lower(), self.operation.lower())
            and all(
                fnmatch.fnmatchcase(facts.get(key, "").lower(), str(pattern).lower())
                for key, pattern in self.match.items()
            )
        )

    def error(self) -> ArmError:
        """The refusal this fault stands for."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        message = self.message or USUAL_MESSAGES.get(self.code, f"Injected fault {self.code}.")
        return ArmError(self.status or 409, self.code, message, details=self.details, headers=headers)

    def response(self) -> Response:
        """What goes over the wire instead of the true answer."""
        if self.reset_connection:
            return Response(0, delay_s=self.delay_s, reset=True)
        if self.body is not None:
            return Response(self.status or 500, self.body.encode(), {"Content-Type": "text/html"}, self.delay_s)
        plain = self.error().response()
        return Response(plain.status, plain.body, plain.headers, self.delay_s)


class Faults:
    """The faults in force, oldest first."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def describe(self) -> list[Json]:
        return [fault.describe() for fault in self._faults]

    def strike(self, operation: str, when: Moment, facts: Mapping[str, str]) -> Fault | None:
        """The fault whose turn it is, counted down; None when all is well."""
        for fault in self._faults:
            if fault.fits(operation, when, facts):
                fault.times -= 1
                fault.struck += 1
                return fault
        return None
