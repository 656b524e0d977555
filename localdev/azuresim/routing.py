"""From method and path to one REST operation; paths match case-insensitively, as ARM's do."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import cast
from urllib.parse import unquote

from localdev.azuresim.envelope import Json, Request, Response, gateway_error


class Charge(StrEnum):
    """Which of ARM's token buckets a request is taken from."""

    READS = "reads"
    WRITES = "writes"
    DELETES = "deletes"


@dataclass(frozen=True)
class Call:
    """One request, taken apart for a handler."""

    request: Request
    operation: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    now: datetime
    content: Json | None

    @property
    def api_version(self) -> str:
        return self.query["api-version"]

    @property
    def body(self) -> Json:
        """The JSON object that was sent.

        Raises:
            ArmError: 400 InvalidRequestContent when nothing was sent.
        """
        if self.content is None:
            raise gateway_error(
                400,
                "InvalidRequestContent",
                "The request content was invalid and could not be deserialized: 'The request body is empty.'.",
            )
        return self.content

    def header(self, name: str) -> str | None:
        return self.request.header(name)

    def location(self) -> str:
        """``location`` of the body, normalised as ARM does (``East US`` = ``eastus``).

        Raises:
            ArmError: 400 LocationRequired when it is missing.
        """
        location = self.body.get("location")
        if not isinstance(location, str) or not location.strip():
            raise gateway_error(400, "LocationRequired", "The location property is required for this definition.")
        return normal_location(location)

    def properties(self) -> Json:
        """``properties`` of the body; empty when absent."""
        properties = self.body.get("properties")
        return cast(Json, properties) if isinstance(properties, dict) else {}


type Handler = Callable[[Call], Response]


@dataclass(frozen=True)
class Route:
    """One REST operation: its name is the ``operationId`` of the Azure REST API specification."""

    method: str
    template: str
    operation: str
    handler: Handler
    needs_subscription: bool = field(init=False)
    in_group: bool = field(init=False)

    def __post_init__(self) -> None:
        parts = self.template.lower().split("/")
        object.__setattr__(self, "needs_subscription", len(parts) > 2 and parts[1] == "subscriptions")
        object.__setattr__(self, "in_group", len(parts) > 5 and parts[3] == "resourcegroups")

    @property
    def charge(self) -> Charge:
        if self.method in ("GET", "HEAD"):
            return Charge.READS
        return Charge.DELETES if self.method == "DELETE" else Charge.WRITES


@dataclass
class _Node:
    fixed: dict[str, "_Node"] = field(default_factory=dict)
    variable: "tuple[str, _Node] | None" = None
    routes: dict[str, Route] = field(default_factory=dict)


class Router:
    """A tree of path segments."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        self.routes = tuple(routes)
        for route in self.routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in _segments(route.template):
            if segment.startswith("{"):
                name = segment[1:-1]
                if node.variable is None:
                    node.variable = (name, _Node())
                if node.variable[0] != name:
                    raise ValueError(f"{route.template}: two names for one path segment")
                node = node.variable[1]
            else:
                node = node.fixed.setdefault(segment.lower(), _Node())
        if route.method in node.routes:
            raise ValueError(f"{route.method} {route.template} is there twice")
        node.routes[route.method] = route

    def match(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The operation behind `method` and `path` with its path parameters, or None."""
        found = _walk(self._root, _segments(path), 0, {})
        if found is None:
            return None
        node, params = found
        route = node.routes.get(method)
        return (route, params) if route else None


def _segments(path: str) -> list[str]:
    # ARM forgives doubled slashes, and recorded clients send them.
    return [unquote(part) for part in path.split("/") if part]


def _walk(node: _Node, parts: list[str], at: int, params: dict[str, str]) -> tuple[_Node, dict[str, str]] | None:
    if at == len(parts):
        return (node, params) if node.routes else None
    fixed = node.fixed.get(parts[at].lower())
    if fixed is not None:
        found = _walk(fixed, parts, at + 1, params)
        if found is not None:
            return found
    if node.variable is None:
        return None
    name, child = node.variable
    return _walk(child, parts, at + 1, {**params, name: parts[at]})


def normal_location(location: str) -> str:
    """``East US`` and ``EASTUS`` are the region ``eastus``."""
    return location.replace(" ", "").lower()
