"""What all processes know together about asking Azure: the write budget, and whether Azure can be asked at all. Pure.

Times are seconds since 1970.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from shared.errors import HubletError, RetryableError
from shared.hubs.write_budget import Budget, Lane


class Cause(StrEnum):
    """Why nobody asks Azure. The value is the public code."""

    OUTAGE = "AzureUnavailable"
    IDENTITY = "AzureIdentityUnavailable"
    DISABLED = "AzureSubscriptionDisabled"


SENTENCES: Mapping[Cause, str] = {
    Cause.OUTAGE: "Azure does not answer at the moment; all hubs that need it wait.",
    Cause.IDENTITY: "This service cannot sign in to Azure at the moment; all hubs that need Azure wait.",
    Cause.DISABLED: "The Azure subscription is disabled (not paid for, or at its spending limit); all hubs wait.",
}
FIXES: Mapping[Cause, str] = {
    Cause.OUTAGE: "Nothing to do: it goes on by itself when Azure answers again.",
    Cause.IDENTITY: "Operator: check that the app's managed identity exists and is assigned.",
    Cause.DISABLED: "Operator: enable the Azure subscription again; nothing is deleted meanwhile.",
}


class AzurePaused(RetryableError):
    """Azure was not asked: it is known not to answer. Nobody's failure, and nobody's deadline runs meanwhile."""

    def __init__(self, cause: Cause, retry_after_s: float) -> None:
        super().__init__(cause.value, SENTENCES[cause], fix=FIXES[cause], retry_after_s=retry_after_s)
        self.cause = cause


FIRST_PROBE_S, SLOWER, RAREST_PROBE_S = 5.0, 1.5, 15.0
"""When it is tried whether Azure answers again: a single small read each time, by one process."""

FLAPPING_S = 180.0

PROBE_LEASE_S = 45.0
"""Longer than a probe may take (10 s to connect and 30 s to read): whoever dies in it is replaced after this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """The circuit is open. Nobody probes before `probe_at`; `probes` were in vain so far."""

    cause: Cause
    since: float
    probe_at: float
    probes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GateState:
    """`resumed_at`: when the last pause was over. Slots from before it are void: Azure's bucket is not what it was."""

    budget: Budget = field(default_factory=Budget)
    pause: Pause | None = None
    resumed_at: float = 0.0

    @property
    def void_before(self) -> float:
        """A slot for an earlier moment must be asked for again."""
        return max(self.resumed_at, self.budget.hold_until)

    def paused(self, cause: Cause, now: float) -> "GateState":
        """Opens the circuit. An open one stays as it is, but for a cause that is known better now."""
        if self.pause is None:  # just over and open again: the probe is answered, what hubs ask is not
            first_s = RAREST_PROBE_S if now - self.resumed_at < FLAPPING_S else FIRST_PROBE_S
            return replace(self, pause=Pause(cause=cause, since=now, probe_at=now + first_s))
        return replace(self, pause=replace(self.pause, cause=cause))

    def probing(self, now: float) -> "GateState | None":
        """The state of whoever may probe now; None when it is not time, or nothing is paused."""
        if self.pause is None or self.pause.probe_at > now:
            return None
        return replace(self, pause=replace(self.pause, probe_at=now + PROBE_LEASE_S))

    def still_paused(self, cause: Cause, now: float) -> "GateState":
        """A probe was in vain."""
        if self.pause is None:
            return self
        pause_s = min(RAREST_PROBE_S, FIRST_PROBE_S * SLOWER**self.pause.probes)
        pause = replace(self.pause, cause=cause, probes=self.pause.probes + 1, probe_at=now + pause_s)
        return replace(self, pause=pause)

    def resumed(self, now: float) -> "GateState":
        """Closes the circuit; the line begins without anything in store, so that what has waited does not come all at
        once. Twice changes nothing."""
        if self.pause is None:
            return self
        return replace(self, pause=None, resumed_at=now, budget=self.budget.emptied(Lane.LINE, now))

    # ---- as it is stored

    def document(self) -> dict[str, Any]:
        """JSON values."""
        pause = self.pause
        return {
            "fullAt": {str(lane): at for lane, at in self.budget.full_at.items()},
            "holdUntil": self.budget.hold_until,
            "resumedAt": self.resumed_at,
            "pause": pause
            and {"cause": str(pause.cause), "since": pause.since, "probeAt": pause.probe_at, "probes": pause.probes},
        }

    @classmethod
    def from_document(cls, document: Any) -> "GateState":
        """Whatever cannot be read (another version's, a damaged row) is a fresh state: it must not stop a hub."""
        try:
            lanes = {Lane(lane): float(at) for lane, at in document["fullAt"].items() if lane in set(Lane)}
            said = document["pause"]
            pause = said and Pause(
                cause=Cause(said["cause"]),
                since=float(said["since"]),
                probe_at=float(said["probeAt"]),
                probes=int(said["probes"]),
            )
            budget = Budget(full_at=lanes, hold_until=float(document["holdUntil"]))
            return cls(budget=budget, pause=pause or None, resumed_at=float(document["resumedAt"]))
        except (AttributeError, KeyError, TypeError, ValueError):
            return cls()


# ------------------------------------------------------------------ what an answer of Azure's says


class Verdict(StrEnum):
    """What a failed call says about Azure as a whole."""

    NOTHING = "nothing"
    ANSWERED = "answered"
    THROTTLED = "throttled"
    SILENT = "silent"
    """ARM's front door: no connection, no answer in time, a gateway's page without an error code."""
    TROUBLED = "troubled"
    """One resource provider's trouble, or one resource's: an outage only when several hubs in a row meet it."""
    UNSIGNED = "unsigned"
    DISABLED = "disabled"
    FORBIDDEN = "forbidden"
    """A person must act, for all hubs at once: roles, policies, locks."""


_BY_CODE: Mapping[str, Verdict] = {
    "AzureThrottled": Verdict.THROTTLED,
    "AzureUnreachable": Verdict.SILENT,
    "AzureHttp502": Verdict.SILENT,
    "AzureHttp503": Verdict.SILENT,
    "AzureHttp504": Verdict.SILENT,
    "AzureIdentityUnavailable": Verdict.UNSIGNED,
    "ReadOnlyDisabledSubscription": Verdict.DISABLED,
    "AzureHttp500": Verdict.TROUBLED,
    "InternalServerError": Verdict.TROUBLED,
    "InternalExecutionError": Verdict.TROUBLED,
    "ServiceUnavailable": Verdict.TROUBLED,
    "GatewayTimeout": Verdict.TROUBLED,
    "ServerTimeout": Verdict.TROUBLED,
    "AzureForbidden": Verdict.FORBIDDEN,
    "AuthorizationFailed": Verdict.FORBIDDEN,
    "LinkedAuthorizationFailed": Verdict.FORBIDDEN,
    "RequestDisallowedByPolicy": Verdict.FORBIDDEN,
    "MissingSubscriptionRegistration": Verdict.FORBIDDEN,
}

CAUSES: Mapping[Verdict, Cause] = {
    Verdict.SILENT: Cause.OUTAGE,
    Verdict.TROUBLED: Cause.OUTAGE,
    Verdict.UNSIGNED: Cause.IDENTITY,
    Verdict.DISABLED: Cause.DISABLED,
}


def verdict_of(error: HubletError) -> Verdict:
    """A refusal with a reason proves that Azure answers. What is retryable and unknown proves nothing."""
    known = _BY_CODE.get(error.code)
    if known is not None:
        return known
    return Verdict.NOTHING if isinstance(error, RetryableError) else Verdict.ANSWERED
