"""The one table of routes. Functions are registered from it, `/api/openapi.json` is generated from it, and the answer
to everything else (404, 405 with Allow) is decided by it: a route that is not here does not exist.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from shared.api.body import JSON_TYPES
from shared.hubs.states import HubState

PREFIX = "/api"
"""The Functions host's `routePrefix`."""


class Access(StrEnum):
    ANONYMOUS = "anonymous"
    USER = "user"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Query:
    """A query parameter: its JSON schema and one sentence."""

    name: str
    schema: Mapping[str, object]
    about: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer: the name of its schema in `openapi.SCHEMAS`, or a media type without one."""

    about: str
    schema: str | None = None
    media_type: str = "application/json"
    headers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path. `name` is the operation id, also the function's name.

    `codes`: the errors of its own; the ones every route can give are added by the generator.
    `body_types`: the media types of the body. `secret`: the answer holds a secret: no Idempotency-Key, no body,
    `no-store`. `page`: its answers, errors too, are HTML for a person with a browser.
    """

    method: str
    path: str
    name: str
    summary: str
    access: Access = Access.USER
    query: tuple[Query, ...] = ()
    body: str | None = None
    body_required: bool = False
    body_types: tuple[str, ...] = JSON_TYPES
    answers: Mapping[int, Answer] = field(default_factory=dict)
    codes: tuple[str, ...] = ()
    request_headers: tuple[str, ...] = ()
    secret: bool = False
    page: bool = False
    timeout_s: float = 20.0


_TEXT: Mapping[str, object] = MappingProxyType({"type": "string"})
"""Without a minimum length: the Functions host drops empty query values, so nobody can refuse them."""

_OFFSET: Mapping[str, object] = MappingProxyType({"type": "integer", "minimum": 0, "maximum": 2**40})

_TOP = Query("top", MappingProxyType({"type": "integer", "minimum": 1, "maximum": 500}), "Entries on one page.")
_SKIP = Query("skipToken", _TEXT, "Where the next page begins; taken from `nextLink`.")
_STATES = [str(state) for state in HubState]

_ACCEPTED = ("Location", "Operation-Location", "Retry-After", "ETag")
_REPLAYED = "Idempotent-Replayed"
_REPEATABLE = ("Idempotency-Key", "If-Match")

_CHANGES = ("InvalidRequest", "PrivateKeySent", "HubNotFound", "HubIsBeingDeleted", "PreconditionFailed", "Busy")
"""Errors of every change of a hub that is there."""

ACCEPT_TIMEOUT_S = 15.0
"""DESIGN 4: accept has 15 s in all; past that 503, never 202."""

MERGE_PATCH = "application/merge-patch+json"


def _power(verb: str, summary: str, *codes: str) -> Route:
    """A route that changes a hub's goal."""
    return Route(
        method="POST",
        path=f"hubs/{{name}}/{verb}",
        name=f"hub_{verb}",
        summary=f"{summary} Twice is once, while it goes on.",
        body="Nothing",
        answers=MappingProxyType(
            {202: Answer("It is on its way, or as asked already.", "Hub", headers=(*_ACCEPTED, _REPLAYED))}
        ),
        codes=(*_CHANGES, *codes, "IdempotencyKeyReused"),
        request_headers=_REPEATABLE,
    )


_MAY_NOT_START = ("HubHasExpired", "MachineGone", "BudgetExceeded")

HUB_CREATE = Route(
    method="POST",
    path="hubs",
    name="hub_create",
    summary="Create a hub. Every field is optional; a wrong request gets all its mistakes at once.",
    query=(
        Query(
            "validateOnly",
            MappingProxyType({"type": "string", "enum": ["true", "false"]}),
            "`true`: check everything, create nothing, answer with the estimate.",
        ),
    ),
    body="HubRequest",
    answers=MappingProxyType(
        {
            200: Answer("Only validated: what it would be and cost.", "Estimate"),
            202: Answer("Accepted and queued.", "Hub", headers=(*_ACCEPTED, _REPLAYED)),
        }
    ),
    codes=(
        "InvalidRequest",
        "PrivateKeySent",
        "HubAlreadyExists",
        "HubIsBeingDeleted",
        "HubNameNeeded",
        "HubQuotaExceeded",
        "BudgetExceeded",
        "SizeNotAvailable",
        "NoCapacity",
        "IdempotencyKeyReused",
        "TooManyConcurrentCreates",
    ),
    request_headers=("Idempotency-Key",),
    timeout_s=ACCEPT_TIMEOUT_S,
)
HUB_LIST = Route(
    method="GET",
    path="hubs",
    name="hub_list",
    summary="Your hubs. Admins may name another owner, or `*` for everybody.",
    query=(
        Query("owner", _TEXT, "Another owner, or `*`; admins only."),
        Query("state", MappingProxyType({"type": "string", "enum": _STATES}), "Only hubs in this state."),
        _TOP,
        _SKIP,
    ),
    answers=MappingProxyType(
        {200: Answer("One page of hubs.", "HubList", headers=("ETag",)), 304: Answer("Nothing changed.")}
    ),
    codes=("Forbidden",),
    request_headers=("If-None-Match",),
)
HUB_GET = Route(
    method="GET",
    path="hubs/{name}",
    name="hub_get",
    summary="One hub. `Prefer: wait=25` answers at its next change.",
    answers=MappingProxyType(
        {
            200: Answer("The hub as it is now.", "Hub", headers=("ETag", "Preference-Applied")),
            304: Answer("It has not changed."),
        }
    ),
    codes=("HubNotFound",),
    request_headers=("If-None-Match", "Prefer"),
    timeout_s=45.0,
)
HUB_DELETE = Route(
    method="DELETE",
    path="hubs/{name}",
    name="hub_delete",
    summary="Delete a hub: works in every state, wins over everything. Twice is once.",
    answers=MappingProxyType({202: Answer("It is being deleted.", "Hub", headers=_ACCEPTED)}),
    codes=("HubNotFound", "PreconditionFailed", "Busy"),
    request_headers=("If-Match",),
)
HUB_CHANGE = Route(
    method="PATCH",
    path="hubs/{name}",
    name="hub_change",
    summary="Change schedule, idle stop or end date, effective at once. A JSON merge patch (RFC 7396): null removes.",
    body="HubPatch",
    body_types=(MERGE_PATCH, *JSON_TYPES),
    answers=MappingProxyType({200: Answer("The hub as it is now.", "Hub", headers=("ETag",))}),
    codes=_CHANGES,
    request_headers=("If-Match",),
)
HUB_STOP = _power(
    "stop", "Stop the hub: its machine is deallocated, people's files stay.", "HubIsBeingMade", "HubHasFailed"
)
HUB_START = _power("start", "Start a hub that is stopped.", "HubHasFailed", *_MAY_NOT_START)
HUB_RESTART = _power(
    "restart",
    "Boot the hub's machine anew. A stopped hub is started.",
    "HubIsBeingMade",
    "HubHasFailed",
    *_MAY_NOT_START,
)
HUB_RETRY = _power("retry", "Try again to make a hub that failed, from nothing.", "HubHasNotFailed", *_MAY_NOT_START)
HUB_EXTEND = Route(
    method="POST",
    path="hubs/{name}/extend",
    name="hub_extend",
    summary="Move the next stop by some hours, or call the next scheduled one off.",
    body="ExtendRequest",
    body_required=True,
    answers=MappingProxyType({200: Answer("The hub with its next stop.", "Hub", headers=("ETag", _REPLAYED))}),
    codes=(
        *_CHANGES,
        "HubIsBeingMade",
        "HubHasFailed",
        "HubIsStopped",
        "NothingToExtend",
        "ExtendedTooFar",
        "IdempotencyKeyReused",
    ),
    request_headers=_REPEATABLE,
)
HUB_COST = Route(
    method="GET",
    path="hubs/{name}/cost",
    name="hub_cost",
    summary="What the hub has cost and will cost, by part. Retail prices times time; no invoice.",
    answers=MappingProxyType({200: Answer("The cost.", "CostDetail")}),
    codes=("HubNotFound",),
)
HUB_EVENTS = Route(
    method="GET",
    path="hubs/{name}/events",
    name="hub_events",
    summary="The hub's history: who did what, when and why.",
    query=(_TOP, _SKIP),
    answers=MappingProxyType({200: Answer("One page of events, oldest first.", "EventList")}),
    codes=("HubNotFound",),
)
HUB_LOG = Route(
    method="GET",
    path="hubs/{name}/log",
    name="hub_log",
    summary="The installer's log from a byte offset on. `Prefer: wait=25` answers when it has grown.",
    query=(Query("offset", _OFFSET, "Where to begin, in bytes; the last answer's `Next-Offset`."),),
    answers=MappingProxyType(
        {200: Answer("The log.", None, "text/plain", headers=("Next-Offset", "Preference-Applied"))}
    ),
    codes=("HubNotFound",),
    request_headers=("Prefer",),
    timeout_s=45.0,
)
HUB_SSH_KEY = Route(
    method="POST",
    path="hubs/{name}/ssh-key",
    name="hub_ssh_key",
    summary="Hands out the generated private key; again to the same caller for 10 minutes, then it is erased.",
    answers=MappingProxyType(
        {200: Answer("The private key.", None, "application/x-pem-file", headers=("Content-Disposition",))}
    ),
    codes=("HubNotFound", "NotReadyYet", "SshKeyIsYours", "AlreadyHandedOut", "IdempotencyKeyNotAllowed", "Busy"),
    secret=True,
)
HUB_ADMIN_PASSWORD = Route(
    method="POST",
    path="hubs/{name}/admin-password",
    name="hub_admin_password",
    summary="Hands out the hub's admin password; again to the same caller for 10 minutes, then it is erased.",
    answers=MappingProxyType({200: Answer("The password.", "AdminPassword")}),
    codes=("HubNotFound", "NotReadyYet", "AlreadyHandedOut", "IdempotencyKeyNotAllowed", "Busy"),
    secret=True,
)
OPERATION_GET = Route(
    method="GET",
    path="operations/{id}",
    name="operation_get",
    summary="How far an operation is.",
    answers=MappingProxyType({200: Answer("The operation.", "Operation", headers=("Retry-After",))}),
    codes=("OperationNotFound",),
)
TOKEN_CREATE = Route(
    method="POST",
    path="tokens",
    name="token_create",
    summary="Issue an API token. The token itself is shown here and never again.",
    access=Access.ADMIN,
    body="TokenRequest",
    body_required=True,
    answers=MappingProxyType({201: Answer("The token.", "IssuedToken", headers=("Location",))}),
    codes=("InvalidRequest", "IdempotencyKeyNotAllowed"),
    secret=True,
)
TOKEN_LIST = Route(
    method="GET",
    path="tokens",
    name="token_list",
    summary="All API tokens, without their secrets.",
    access=Access.ADMIN,
    query=(_TOP, _SKIP),
    answers=MappingProxyType({200: Answer("One page of tokens.", "TokenList")}),
)
TOKEN_DELETE = Route(
    method="DELETE",
    path="tokens/{id}",
    name="token_delete",
    summary="Revoke an API token. Other processes notice within 60 s.",
    access=Access.ADMIN,
    answers=MappingProxyType({204: Answer("Revoked.")}),
    codes=("TokenNotFound",),
)
SINK_CREATE = Route(
    method="POST",
    path="sinks",
    name="sink_create",
    summary="Have events sent to a URL (web hook). Its signing secret is shown here and never again.",
    body="SinkRequest",
    body_required=True,
    answers=MappingProxyType({201: Answer("The web hook, with its secret.", "IssuedSink", headers=("Location",))}),
    codes=("InvalidRequest", "PrivateKeySent", "Forbidden", "SinkQuotaExceeded", "IdempotencyKeyNotAllowed"),
    secret=True,
)
SINK_LIST = Route(
    method="GET",
    path="sinks",
    name="sink_list",
    summary="Your web hooks, without their secrets.",
    query=(_TOP, _SKIP),
    answers=MappingProxyType({200: Answer("One page of web hooks.", "SinkList")}),
)
SINK_GET = Route(
    method="GET",
    path="sinks/{id}",
    name="sink_get",
    summary="One web hook: where it sends, what it hears, whether it is disabled or locked.",
    answers=MappingProxyType({200: Answer("The web hook.", "Sink")}),
    codes=("SinkNotFound",),
)
SINK_DELETE = Route(
    method="DELETE",
    path="sinks/{id}",
    name="sink_delete",
    summary="Remove a web hook and its failed deliveries.",
    answers=MappingProxyType({204: Answer("Removed.")}),
    codes=("SinkNotFound",),
)
SINK_ROTATE = Route(
    method="POST",
    path="sinks/{id}/rotate",
    name="sink_rotate",
    summary="A new signing secret, shown once. The present one signs beside it for 24 hours.",
    body="Nothing",
    answers=MappingProxyType({200: Answer("The web hook, with its new secret.", "IssuedSink")}),
    codes=(
        *("InvalidRequest", "PrivateKeySent", "SinkNotFound", "Forbidden", "SinkLocked", "IdempotencyKeyNotAllowed"),
        "Busy",
    ),
    secret=True,
)
SINK_FAILED = Route(
    method="GET",
    path="sinks/{id}/failed",
    name="sink_failed",
    summary="What the web hook never took, oldest first. Kept for 30 days, or until it is sent again.",
    query=(_TOP, _SKIP),
    answers=MappingProxyType({200: Answer("One page of failed deliveries.", "FailedDeliveryList")}),
    codes=("SinkNotFound", "Forbidden"),
)
SINK_REDELIVER = Route(
    method="POST",
    path="sinks/{id}/redeliver",
    name="sink_redeliver",
    summary="Send one failed notice again, or all of them. A disabled web hook is enabled.",
    body="RedeliverRequest",
    answers=MappingProxyType({202: Answer("How many are on their way.", "Redelivered")}),
    codes=("InvalidRequest", "PrivateKeySent", "SinkNotFound", "Forbidden", "SinkLocked", "DeliveryNotFound", "Busy"),
)
ESTIMATE = Route(
    method="POST",
    path="estimates",
    name="estimate_create",
    summary="Price and candidates for a hub request. Creates nothing.",
    body="HubRequest",
    answers=MappingProxyType({200: Answer("The estimate.", "Estimate")}),
    codes=("InvalidRequest", "PrivateKeySent", "SizeNotAvailable", "NoCapacity"),
)
SIZES = Route(
    method="GET",
    path="sizes",
    name="size_list",
    summary="Allowed sizes of a region: vCPU, memory, people they fit, price, availability.",
    query=(Query("region", _TEXT, "An allowed region; the service's default when left out."),),
    answers=MappingProxyType({200: Answer("The sizes.", "SizeList")}),
    codes=("NoCapacity",),
)
FORM = "application/x-www-form-urlencoded"

_CHAT = ("BadSignature", "ChatNotConfigured", "ServiceMisconfigured")
"""Chat requests are anonymous routes: their signature is their authentication."""

CHAT_SLACK_COMMAND = Route(
    method="POST",
    path="chat/slack/command",
    name="chat_slack_command",
    summary="Slack's slash command. Signed by Slack; delivered twice, it is done once.",
    access=Access.ANONYMOUS,
    body="SlackCommand",
    body_required=True,
    body_types=(FORM,),
    answers=MappingProxyType({200: Answer("What is shown in Slack; empty = it was seen before.", "ChatMessage")}),
    codes=(*_CHAT, "InvalidForm"),
)
CHAT_SLACK_INTERACTION = Route(
    method="POST",
    path="chat/slack/interaction",
    name="chat_slack_interaction",
    summary="A button pressed in Slack. Signed by Slack; what came of it is posted to Slack.",
    access=Access.ANONYMOUS,
    body="SlackInteraction",
    body_required=True,
    body_types=(FORM,),
    answers=MappingProxyType({200: Answer("Taken; always empty.", "ChatMessage")}),
    codes=(*_CHAT, "InvalidForm"),
)
CHAT_TEAMS = Route(
    method="POST",
    path="chat/teams",
    name="chat_teams",
    summary="A mention in a Teams channel. Signed by Teams; delivered twice, it is done once.",
    access=Access.ANONYMOUS,
    body="TeamsActivity",
    body_required=True,
    answers=MappingProxyType({200: Answer("What is shown in Teams.", "ChatMessage")}),
    codes=_CHAT,
)
CHAT_LINK_CREATE = Route(
    method="POST",
    path="chat/links",
    name="chat_link_create",
    summary="Link a chat account to an owner: your own by the code it was shown, anybody's as an admin.",
    body="ChatLinkRequest",
    body_required=True,
    answers=MappingProxyType({201: Answer("The link.", "ChatLink", headers=("Location",))}),
    codes=("InvalidRequest", "PrivateKeySent", "Forbidden", "LinkCodeUnknown"),
)
CHAT_LINK_LIST = Route(
    method="GET",
    path="chat/links",
    name="chat_link_list",
    summary="Your chat accounts; for admins everybody's.",
    query=(_TOP, _SKIP),
    answers=MappingProxyType({200: Answer("One page of links.", "ChatLinkList")}),
)
CHAT_LINK_DELETE = Route(
    method="DELETE",
    path="chat/links/{id}",
    name="chat_link_delete",
    summary="Unlink a chat account. Other processes notice within 60 s.",
    answers=MappingProxyType({204: Answer("Unlinked.")}),
    codes=("LinkNotFound",),
)
_PAGE_ANSWERS = MappingProxyType(
    {
        404: Answer("The link is not valid, or too old, or its hub is gone.", None, "text/html"),
        410: Answer("The link was used.", None, "text/html"),
    }
)
ACTION_SHOW = Route(
    method="GET",
    path="chat/actions/{token}",
    name="action_show",
    summary="The page behind a chat button: what a press will do, and until when. Does nothing.",
    access=Access.ANONYMOUS,
    answers=MappingProxyType({200: Answer("What the press will do.", None, "text/html"), **_PAGE_ANSWERS}),
    codes=("ServiceMisconfigured", "TemporarilyUnavailable"),
    page=True,
)
ACTION_PRESS = Route(
    method="POST",
    path="chat/actions/{token}",
    name="action_press",
    summary="Does what the page says, once. The link is the permission: no token is needed.",
    access=Access.ANONYMOUS,
    answers=MappingProxyType(
        {
            200: Answer("It was done.", None, "text/html"),
            409: Answer("It cannot be done, or not yet.", None, "text/html"),
            **_PAGE_ANSWERS,
        }
    ),
    codes=("ServiceMisconfigured", "TemporarilyUnavailable"),
    page=True,
)
HEALTHZ = Route(
    method="GET",
    path="healthz",
    name="meta_healthz",
    summary="Whether the process runs.",
    access=Access.ANONYMOUS,
    answers=MappingProxyType({200: Answer("It does.", "Health")}),
)
READYZ = Route(
    method="GET",
    path="readyz",
    name="meta_readyz",
    summary="Whether the service can take requests: settings are right, storage answers.",
    access=Access.ANONYMOUS,
    answers=MappingProxyType({200: Answer("It can.", "Health")}),
)
OPENAPI = Route(
    method="GET",
    path="openapi.json",
    name="meta_openapi",
    summary="This description.",
    access=Access.ANONYMOUS,
    answers=MappingProxyType({200: Answer("An OpenAPI 3.1 document.", "OpenApi")}),
)

ROUTES: tuple[Route, ...] = (
    HUB_CREATE,
    HUB_LIST,
    HUB_GET,
    HUB_CHANGE,
    HUB_DELETE,
    HUB_STOP,
    HUB_START,
    HUB_RESTART,
    HUB_RETRY,
    HUB_EXTEND,
    HUB_COST,
    HUB_EVENTS,
    HUB_LOG,
    HUB_SSH_KEY,
    HUB_ADMIN_PASSWORD,
    OPERATION_GET,
    TOKEN_CREATE,
    TOKEN_LIST,
    TOKEN_DELETE,
    SINK_CREATE,
    SINK_LIST,
    SINK_GET,
    SINK_DELETE,
    SINK_ROTATE,
    SINK_FAILED,
    SINK_REDELIVER,
    ESTIMATE,
    SIZES,
    CHAT_SLACK_COMMAND,
    CHAT_SLACK_INTERACTION,
    CHAT_TEAMS,
    CHAT_LINK_CREATE,
    CHAT_LINK_LIST,
    CHAT_LINK_DELETE,
    ACTION_SHOW,
    ACTION_PRESS,
    HEALTHZ,
    READYZ,
    OPENAPI,
)


def allowed_methods(path: str, routes: Sequence[Route] = ROUTES) -> list[str]:
    """The methods of a path below `/api` (no leading slash), sorted; empty = there is no such path."""
    wanted = path.strip("/")
    return sorted(route.method for route in routes if _pattern(route.path).fullmatch(wanted))


def _pattern(template: str) -> re.Pattern[str]:
    parts = ["[^/]+" if part.startswith("{") else re.escape(part) for part in template.split("/")]
    return re.compile("/".join(parts), re.IGNORECASE)  # ASP.NET's literals ignore case
