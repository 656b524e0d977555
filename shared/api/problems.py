"""The one list of error codes, and how an error is written (RFC 9457, `application/problem+json`).

A code says the same thing for ever: its status, its title, whether the same request may work later, what to do next.
`CODES` are answers; `MISTAKES` are the codes of single wrong fields inside `InvalidRequest`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Code:
    """`fix` is what to do when the error itself does not say anything better."""

    status: int
    title: str
    retryable: bool
    fix: str


def _later(status: int, title: str, fix: str = "Send the same request again after Retry-After seconds.") -> Code:
    return Code(status, title, True, fix)


def _never(status: int, title: str, fix: str) -> Code:
    return Code(status, title, False, fix)


CODES: Mapping[str, Code] = MappingProxyType(
    {
        # ---- the request itself
        "InvalidRequest": _never(400, "The request has mistakes", "Correct every entry of `errors` and send it again."),
        "PrivateKeySent": _never(
            400,
            "A private key was sent",
            "Send the public half (the file that ends in .pub) and replace this key pair: it has left your computer.",
        ),
        "InvalidJson": _never(400, "The body is not JSON", "Send one JSON object in UTF-8."),
        "InvalidParameter": _never(400, "A parameter is wrong", "Look it up in /api/openapi.json and send it again."),
        "IdempotencyKeyNotAllowed": _never(
            400,
            "Idempotency-Key is not taken here",
            "Leave the header out: this answer holds a secret and is not kept.",
        ),
        "BodyTooLarge": _never(413, "The body is too large", "Send at most 32 KiB."),
        "UnsupportedMediaType": _never(
            415, "The body has another type or encoding", "Send `Content-Type: application/json` in UTF-8."
        ),
        "InvalidForm": _never(
            400,
            "The body is not the form that is expected",
            "Send a URL-encoded form in UTF-8, as Slack does.",
        ),
        # ---- who asks
        "Unauthorized": _never(401, "No valid token was sent", "Send `Authorization: Bearer <your API token>`."),
        "BadSignature": _never(
            401,
            "The request is not signed as it must be",
            "Compare the platform's signing secret or security token with this service's settings, and clocks.",
        ),
        "Forbidden": _never(403, "This is for admins", "Ask whoever runs this service."),
        # ---- what is not there
        "RouteNotFound": _never(404, "There is no such route", "GET /api/openapi.json lists every route."),
        "MethodNotAllowed": _never(405, "This route has other methods", "Use one of the methods in the Allow header."),
        "HubNotFound": _never(404, "There is no such hub", "GET /api/hubs lists the hubs you may see."),
        "OperationNotFound": _never(404, "There is no such operation", "Operations are kept for 30 days."),
        "TokenNotFound": _never(404, "There is no such token", "GET /api/tokens lists all tokens."),
        "ChatNotConfigured": _never(
            404,
            "This chat is not set up here",
            "Ask whoever runs this service to set HUBLET_SLACK_SIGNING_SECRET or HUBLET_TEAMS_SECURITY_TOKENS.",
        ),
        "LinkCodeUnknown": _never(
            404,
            "There is no such code",
            "Write `/hub link` in the chat: it shows a new one, good for 15 minutes, once.",
        ),
        "LinkNotFound": _never(404, "There is no such link", "GET /api/chat/links lists the links you may see."),
        "SinkNotFound": _never(404, "There is no such web hook", "GET /api/sinks lists yours."),
        "DeliveryNotFound": _never(
            404, "There is no such failed notice", "GET /api/sinks/{id}/failed lists what can be sent again."
        ),
        # ---- what cannot be done now
        "HubAlreadyExists": _never(
            409, "The name is taken", "Choose another name, or leave `name` out to get a free one."
        ),
        "HubIsBeingDeleted": _later(409, "The hub is being deleted", "Wait until it is gone: then its name is free."),
        "HubNameNeeded": _never(409, "No free default name is left", "Send a `name`."),
        "HubQuotaExceeded": _never(409, "You have as many hubs as you may have", "Delete one you no longer need."),
        "SinkQuotaExceeded": _never(409, "You have as many web hooks as you may have", "Delete one first."),
        "SinkLocked": _never(
            409, "This service cannot open the web hook", "Ask whoever runs it to give its key back, or make it again."
        ),
        "HubIsBeingMade": _later(
            409, "The hub is still being made", "Wait until it is ready, or delete it: that works at any time."
        ),
        "HubHasFailed": _never(409, "The hub failed", "POST its `retry`, or delete it."),
        "HubHasNotFailed": _never(409, "The hub did not fail", "Use `start` or `restart`."),
        "HubIsStopped": _never(409, "The hub does not run", "POST its `start`."),
        "HubHasExpired": _never(409, "The hub's end date is past", "PATCH `expiresAt` to a later time, then start it."),
        "MachineGone": _never(
            409, "The hub's machine was deleted in Azure", "Delete the hub, and create it again if it is needed."
        ),
        "NothingToExtend": _never(
            409, "There is no stop to move", "Look at the hub's `nextStop`, `schedule` and `expiresAt`."
        ),
        "ExtendedTooFar": _never(409, "The stop would be too far away", "Ask for fewer hours, or PATCH the schedule."),
        "BudgetExceeded": _never(
            409,
            "Your hubs have cost what they may cost this month",
            "Wait for the next month (UTC), or ask whoever runs this service for more.",
        ),
        "SizeNotAvailable": _never(
            409, "Azure does not offer this size here", "Choose another size or region: GET /api/sizes?region=<region>."
        ),
        "NoSizeFits": _never(409, "No allowed size is large enough", "Ask for fewer people or less memory for each."),
        "NoCapacity": _later(409, "Azure has no room for this", "Choose another size or region, or try again later."),
        "NotReadyYet": _later(409, "It is not made yet", "Ask again after Retry-After seconds."),
        "SshKeyIsYours": _never(
            409, "The key is your own", "Use the private key that belongs to the `sshPublicKey` you sent."
        ),
        "AlreadyHandedOut": _never(410, "It was handed out and erased", "Use the copy that was saved then."),
        "PreconditionFailed": _never(
            412, "The hub has changed", "Look at `hub`, its present state, decide again, send its present ETag."
        ),
        "IdempotencyKeyReused": _never(
            422, "The key belongs to another request", "Use a new Idempotency-Key for a new request."
        ),
        # ---- our side
        "InternalError": _never(500, "Something is broken here", "Report the request id to whoever runs this service."),
        "ServiceMisconfigured": _later(503, "The service is not configured", "Its log names every wrong setting."),
        "TemporarilyUnavailable": _later(503, "Something we need does not answer"),
        "AzureSubscriptionDisabled": _later(
            503,
            "The Azure subscription is disabled",
            "Ask whoever runs this service to enable it; then send the same request again.",
        ),
        "Busy": _later(503, "Others change the same thing at this moment"),
        "TooManyConcurrentCreates": _later(503, "Many hubs of yours are being made at this moment"),
        "TimedOut": _later(
            503,
            "It took too long",
            "Send it again. With the same Idempotency-Key it is never done twice.",
        ),
    }
)


MISTAKES: Mapping[str, str] = MappingProxyType(
    {
        "UnknownField": "No such field; the API ignores nothing.",
        "MissingField": "A field that must be there is not.",
        "WrongType": "Another JSON type is needed.",
        "InvalidValue": "The value is outside its rules.",
        "TooLong": "Text or list longer than its limit.",
        "OutOfRange": "A number below or above its limits.",
        "Duplicate": "The same thing twice.",
        "InvalidName": "A name that breaks its grammar.",
        "ReservedName": "A name that Azure, Ubuntu or this service needs.",
        "SizeNotAllowed": "A VM size that this service does not allow.",
        "RegionNotAllowed": "A region that this service does not allow.",
        "SizeOrPeople": "No allowed size fits so many people.",
        "InvalidSshPublicKey": "Not a usable public key, or a weak one.",
        "PrivateKeySent": "A private key where something public belongs.",
        "InvalidCidr": "Not an IPv4 network in CIDR form.",
        "CidrTooWide": "A network so wide that port 22 would be open to the world.",
        "InvalidUrl": "Not an https URL of a public host name.",
        "AddressNotAllowed": "A URL that nothing is sent to: not https, not port 443, not a public address.",
        "InvalidSecret": "Not a signing secret of the form asked for.",
        "InvalidPackage": "Not a package name (with a version, if wanted).",
        "InvalidTime": "Not a time in the form asked for.",
        "InThePast": "A moment that has passed.",
        "UnknownTimeZone": "Not a name of the IANA time zone database.",
        "InvalidTag": "A tag that Azure refuses, or that is ours.",
        "Contradiction": "Two fields that cannot both be as they are.",
        "StopBeforeStart": "A stop that is not after the start of the same block.",
        "OverlappingBlocks": "Two blocks of a schedule that overlap on a common day.",
        "NotChangeable": "A field of a hub that stays as it was made.",
    }
)


@dataclass(frozen=True, slots=True)
class Mistake:
    """One wrong place. `pointer`: JSON pointer into the body, or `?name` for a parameter. `detail` quotes no value."""

    pointer: str
    code: str
    detail: str


class Problem(Exception):
    """An answer that is an error. `code` must be in `CODES`; `extra` adds members, `headers` adds headers."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        fix: str = "",
        errors: Sequence[Mistake] = (),
        headers: Mapping[str, str] | None = None,
        retry_after_s: float | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code)
        self.code = code
        self.entry = CODES[code]
        self.detail = detail
        self.fix = fix or self.entry.fix
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        self.retry_after_s = retry_after_s
        self.extra = dict(extra or {})


@dataclass(frozen=True, slots=True)
class Rendered:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


DEFAULT_RETRY_AFTER_S = 5.0


def render(problem: Problem, *, instance: str, request_id: str, jitter: float) -> Rendered:
    """Status, body and headers of the answer. `jitter` in [0, 1) spreads Retry-After over a quarter."""
    entry = problem.entry
    document: dict[str, Any] = {
        "type": f"urn:hublet:problem:{problem.code}",
        "title": entry.title,
        "status": entry.status,
        "detail": problem.detail or f"{entry.title}.",
        "instance": instance,
        "code": problem.code,
        "requestId": request_id,
        "retryable": entry.retryable,
        "fix": problem.fix,
    }
    if problem.errors:
        document["errors"] = [{"pointer": m.pointer, "code": m.code, "detail": m.detail} for m in problem.errors]
    document.update(problem.extra)
    headers = {"Content-Type": MEDIA_TYPE, "x-ms-error-code": problem.code, **problem.headers}
    if entry.retryable:
        headers["Retry-After"] = retry_after(problem.retry_after_s or DEFAULT_RETRY_AFTER_S, jitter)
    return Rendered(entry.status, json_bytes(document), headers)


def json_bytes(document: object) -> bytes:
    """A JSON body as it is sent: in UTF-8, and with a newline at its end, so that answers on a terminal stay apart."""
    return json.dumps(document, ensure_ascii=False).encode() + b"\n"


def retry_after(seconds: float, jitter: float) -> str:
    """Whole seconds for the header, at least 1; up to a quarter later than asked, so that callers spread out."""
    return str(max(1, round(seconds * (1 + jitter / 4))))
