"""`/api/openapi.json`: OpenAPI 3.1, generated from the table of routes, the list of error codes and the typed views."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypedDict

from shared.api import problems
from shared.api.examples import EXAMPLES
from shared.api.routes import PREFIX, ROUTES, Access, Answer, Route

VERSION = "0.1.0"
JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema"

_COMMON = ("InvalidParameter", "InternalError", "TimedOut")
_AUTHENTICATED = ("Unauthorized", "ServiceMisconfigured", "TemporarilyUnavailable")
_WITH_BODY = ("InvalidJson", "BodyTooLarge", "UnsupportedMediaType")

_REQUEST_HEADERS: Mapping[str, tuple[str, dict[str, object]]] = {
    "Idempotency-Key": (
        "Any text that names this request: sent again within 7 days with the same body it gives the same answer.",
        {"type": "string", "maxLength": 255, "pattern": "^[!-~]*$"},
    ),
    "If-None-Match": ("The ETag you have; unchanged = 304.", {"type": "string"}),
    "If-Match": ("The ETag the hub must still have; else 412.", {"type": "string"}),
    "Prefer": ("`wait=N`: answer at the next change, after N seconds at the latest (25 at most).", {"type": "string"}),
}
_RESPONSE_HEADERS: Mapping[str, tuple[str, dict[str, object]]] = {
    "Location": ("The resource.", {"type": "string", "format": "uri"}),
    "Operation-Location": ("The operation to poll.", {"type": "string", "format": "uri"}),
    "Retry-After": ("Seconds.", {"type": "string", "pattern": "^[0-9]+$"}),
    "ETag": ("Weak: the version of what is stored.", {"type": "string"}),
    "Idempotent-Replayed": (
        "`true`: the request was made before, this is its answer.",
        {"type": "string", "enum": ["true"]},
    ),
    "Preference-Applied": ("The preference that was honoured.", {"type": "string"}),
    "Next-Offset": ("The byte offset of what comes next.", {"type": "string", "pattern": "^[0-9]+$"}),
    "Content-Disposition": ("The file's name.", {"type": "string"}),
}
_PATH_PARAMETERS: Mapping[str, tuple[str, dict[str, object]]] = {
    "hubs": ("The hub's name, or its id.", {"type": "string", "minLength": 1}),
    "operations": ("The operation's id.", {"type": "string", "minLength": 1}),
    "tokens": ("The token's id.", {"type": "string", "minLength": 1}),
    "chat/links": ("The link's id.", {"type": "string", "minLength": 1}),
    "chat/actions": ("The link's signed part.", {"type": "string", "minLength": 1}),
    "sinks": ("The web hook's id.", {"type": "string", "minLength": 1}),
}
"""By what stands before the parameter in the path."""


class MistakeView(TypedDict):
    pointer: str
    code: str
    detail: str


@cache
def document_bytes() -> bytes:
    """The document as sent. Made once a process, at the first request: it never changes while the code does not."""
    return json.dumps(document(), ensure_ascii=False, sort_keys=True).encode() + b"\n"


def document(routes: Sequence[Route] = ROUTES) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(f"{PREFIX}/{route.path}", {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": JSON_SCHEMA,
        "info": {
            "title": "Hublet",
            "version": VERSION,
            "summary": "A working, secured JupyterHub on its own Azure VM for one POST.",
        },
        "paths": paths,
        "security": [{"token": []}],
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "hlt_<id>_<secret>"}},
            "schemas": _schemas(),
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": _parameters(route),
        "responses": _responses(route),
    }
    if route.access is Access.ANONYMOUS:
        operation["security"] = []
    if route.body is not None:
        schema = {"$ref": f"#/components/schemas/{route.body}"}
        content: dict[str, Any] = {"schema": schema}
        if route.body in EXAMPLES:
            content["examples"] = {name: {"value": value} for name, value in EXAMPLES[route.body].items()}
        operation["requestBody"] = {
            "required": route.body_required,
            "content": dict.fromkeys(route.body_types, content),
        }
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    for part in route.path.split("/"):
        if part.startswith("{"):
            about, schema = _PATH_PARAMETERS[route.path.split("/{")[0]]
            parameters.append(
                {"name": part[1:-1], "in": "path", "required": True, "description": about, "schema": schema}
            )
    for query in route.query:
        parameters.append({"name": query.name, "in": "query", "description": query.about, "schema": dict(query.schema)})
    for name in route.request_headers:
        about, schema = _REQUEST_HEADERS[name]
        parameters.append({"name": name, "in": "header", "description": about, "schema": schema})
    return parameters


def codes_of(route: Route) -> list[str]:
    """Every error code this route can answer with."""
    codes = [*route.codes, *_COMMON]
    if route.access is not Access.ANONYMOUS or route.name == "meta_readyz":
        codes += _AUTHENTICATED
    if route.access is Access.ADMIN:
        codes.append("Forbidden")
    if route.body is not None:
        codes += _WITH_BODY
    return sorted(set(codes))


def _responses(route: Route) -> dict[str, Any]:
    responses = {str(status): _answer(answer) for status, answer in route.answers.items()}
    by_status: dict[int, list[str]] = {}
    for code in codes_of(route):
        by_status.setdefault(problems.CODES[code].status, []).append(code)
    content: dict[str, Any] = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    if route.page:
        content = {"text/html": {"schema": {"type": "string"}}}
    for status, codes in sorted(by_status.items()):
        response: dict[str, Any] = {"description": ", ".join(codes), "content": content}
        if any(problems.CODES[code].retryable for code in codes):
            response["headers"] = _headers(("Retry-After",))
        responses[str(status)] = response
    return responses


def _answer(answer: Answer) -> dict[str, Any]:
    response: dict[str, Any] = {"description": answer.about}
    if answer.headers:
        response["headers"] = _headers(answer.headers)
    if answer.schema is not None:
        response["content"] = {answer.media_type: {"schema": {"$ref": f"#/components/schemas/{answer.schema}"}}}
    elif answer.media_type != "application/json":
        response["content"] = {answer.media_type: {"schema": {"type": "string"}}}
    return response


def _headers(names: Sequence[str]) -> dict[str, Any]:
    return {
        name: {"description": _RESPONSE_HEADERS[name][0], "schema": dict(_RESPONSE_HEADERS[name][1])} for name in names
    }


# ------------------------------------------------------------------ schemas


def _schemas() -> dict[str, Any]:
    from pydantic import TypeAdapter

    from shared.api.chat_link_request import ChatLinkRequest
    from shared.api.chat_link_view import ChatLinkView
    from shared.api.cost_view import CostDetail
    from shared.api.estimates import EstimateView, SizeView
    from shared.api.hub_patch import HubPatch
    from shared.api.hub_request import HubRequest
    from shared.api.hub_view import EventView, HubView
    from shared.api.operation_view import OperationView
    from shared.api.sink_request import RedeliverRequest, SinkRequest
    from shared.api.sink_view import FailedDeliveryView, IssuedSinkView, RedeliveredView, SinkView
    from shared.api.steer_request import ExtendRequest, Nothing
    from shared.api.token_request import TokenRequest
    from shared.api.token_view import AdminPasswordView, IssuedTokenView, TokenView

    kinds: dict[str, Any] = {
        "HubRequest": HubRequest,
        "HubPatch": HubPatch,
        "ExtendRequest": ExtendRequest,
        "Nothing": Nothing,
        "TokenRequest": TokenRequest,
        "ChatLinkRequest": ChatLinkRequest,
        "SinkRequest": SinkRequest,
        "RedeliverRequest": RedeliverRequest,
        "Hub": HubView,
        "CostDetail": CostDetail,
        "Event": EventView,
        "Operation": OperationView,
        "Estimate": EstimateView,
        "Size": SizeView,
        "Token": TokenView,
        "ChatLink": ChatLinkView,
        "IssuedToken": IssuedTokenView,
        "AdminPassword": AdminPasswordView,
        "Sink": SinkView,
        "IssuedSink": IssuedSinkView,
        "FailedDelivery": FailedDeliveryView,
        "Redelivered": RedeliveredView,
        "Mistake": MistakeView,
    }
    schemas: dict[str, Any] = {}
    for name, kind in kinds.items():
        schema = TypeAdapter(kind).json_schema(by_alias=True, ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[name] = {**schema, "title": name}
    for name in ("Hub", "Event", "Token", "ChatLink", "Sink", "FailedDelivery"):
        schemas[f"{name}List"] = _page_of(name)
    schemas["SizeList"] = {**_page_of("Size"), "required": ["value"]}
    schemas["Health"] = _object({"status": {"type": "string"}}, ["status"])
    schemas["OpenApi"] = {"type": "object"}
    schemas |= _chat()
    schemas["Problem"] = _problem()
    return schemas


def _chat() -> dict[str, Any]:
    """What the platforms send and take: their formats, of which only what is read here is named."""
    text: dict[str, Any] = {"type": "string"}
    anything: dict[str, Any] = {"type": "object"}
    return {
        "SlackCommand": _object(
            dict.fromkeys(("team_id", "channel_id", "user_id", "command", "text", "response_url"), text),
            ["team_id", "channel_id", "user_id"],
        ),
        "SlackInteraction": _object({"payload": text}, ["payload"]),
        "TeamsActivity": _object(
            {"type": text, "timestamp": text, "text": text, "from": anything, "conversation": anything},
            ["type", "timestamp"],
        ),
        "ChatMessage": anything,
    }


def _page_of(name: str) -> dict[str, Any]:
    entries = {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}
    return _object({"value": entries, "nextLink": {"type": ["string", "null"]}}, ["value", "nextLink"])


def _problem() -> dict[str, Any]:
    text: dict[str, Any] = {"type": "string"}
    properties: dict[str, Any] = {
        "type": text,
        "title": text,
        "status": {"type": "integer"},
        "detail": text,
        "instance": text,
        "code": {"type": "string", "enum": sorted(problems.CODES)},
        "requestId": text,
        "retryable": {"type": "boolean"},
        "fix": text,
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Mistake"}},
        "hub": {"$ref": "#/components/schemas/Hub"},
    }
    required = [name for name in properties if name not in ("errors", "hub")]
    return _object(properties, required)


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}
