"""Route templates of HTTP triggers, matched as the Functions host matches them.

Two facts that surprise: routes are tried in alphabetical order of the *function names*, not by how specific they are
(https://github.com/Azure/azure-functions-host/issues/9876), and a known path with a method that no function lists is
404, HEAD and OPTIONS included (https://github.com/Azure/azure-functions-host/issues/10098 and /11625).
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote
from uuid import UUID

from localdev.host.functions import Function, HttpTrigger
from localdev.host.settings import SettingsError

_PARAMETER = re.compile(
    r"^\{(?P<star>\*{0,2})(?P<name>[A-Za-z_]\w*)(?P<rest>[^{}?=]*)(?:=(?P<default>[^{}]*))?(?P<optional>\?)?\}$"
)


def _is_guid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


CONSTRAINTS: Mapping[str, Callable[[str], bool]] = {
    "int": lambda text: re.fullmatch(r"-?\d{1,10}", text) is not None,
    "long": lambda text: re.fullmatch(r"-?\d{1,19}", text) is not None,
    "alpha": lambda text: re.fullmatch(r"[A-Za-z]*", text) is not None,
    "bool": lambda text: text.lower() in {"true", "false"},
    "guid": _is_guid,
}


@dataclass(frozen=True)
class Segment:
    """One part between slashes: a literal, or a parameter when `name` is set."""

    literal: str = ""
    name: str = ""
    catch_all: bool = False
    optional: bool = False
    default: str | None = None
    constraints: tuple[str, ...] = ()

    def accepts(self, value: str) -> bool:
        """Literals compare without regard to case, as in ASP.NET."""
        if not self.name:
            return value.lower() == self.literal.lower()
        return all(CONSTRAINTS[constraint](value) for constraint in self.constraints)


@dataclass(frozen=True)
class Template:
    """A parsed route such as `hubs/{name}/users/{user?}` or `files/{*rest}`."""

    segments: tuple[Segment, ...]

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Raises SettingsError for what this host does not know, so that nobody tests against another route."""
        segments = tuple(_segment(part, text) for part in text.strip("/").split("/") if part)
        for index, segment in enumerate(segments[:-1]):
            if segment.catch_all:
                raise SettingsError(f"route {text!r}: a catch-all parameter must come last")
            after = segments[index + 1]
            if segment.optional and not (after.optional or after.default is not None or after.catch_all):
                raise SettingsError(f"route {text!r}: only parameters at the end may be optional")
        return cls(segments)

    def match(self, path: Sequence[str]) -> dict[str, str] | None:
        """Route values for the path's segments, None when it does not fit; an absent optional parameter has none."""
        values: dict[str, str] = {}
        for index, segment in enumerate(self.segments):
            if segment.catch_all:
                rest = "/".join(path[index:])
                if rest:
                    values[segment.name] = rest
                return values
            if index >= len(path):
                if segment.default is not None:
                    values[segment.name] = segment.default
                elif not segment.optional:
                    return None
                continue
            if not segment.accepts(path[index]):
                return None
            if segment.name:
                values[segment.name] = path[index]
        return values if len(path) <= len(self.segments) else None


def _segment(part: str, template: str) -> Segment:
    if "{" not in part and "}" not in part:
        return Segment(literal=part)
    match = _PARAMETER.match(part)
    constraints = tuple(match["rest"].lstrip(":").split(":")) if match and match["rest"] else ()
    if match is None or any(constraint not in CONSTRAINTS for constraint in constraints):
        raise SettingsError(f"route {template!r}: {part!r} is not supported by the local host")
    return Segment(
        name=match["name"],
        catch_all=bool(match["star"]),
        optional=bool(match["optional"]),
        default=match["default"],
        constraints=constraints,
    )


def split_path(raw_path: str) -> list[str]:
    """Decoded segments of a raw URL path. `%2F` stays encoded, as Kestrel leaves it, so it never splits a segment."""
    parts = [part for part in raw_path.split("/") if part]
    return ["%2F".join(unquote(piece) for piece in re.split("%2[Ff]", part)) for part in parts]


@dataclass(frozen=True)
class Match:
    """The function that serves a request, with its route values."""

    function: Function
    trigger: HttpTrigger
    values: dict[str, str]


class RouteTable:
    """All HTTP functions of an app, in the order the real host tries them."""

    def __init__(self, functions: Iterable[Function], prefix: str) -> None:
        self._prefix = [part for part in prefix.split("/") if part]
        self._routes = [
            (function, function.trigger, Template.parse(function.trigger.route))
            for function in sorted(functions, key=lambda function: function.name.lower())
            if isinstance(function.trigger, HttpTrigger)
        ]

    def find(self, method: str, raw_path: str) -> Match | None:
        path = split_path(raw_path)
        head = len(self._prefix)
        if [part.lower() for part in path[:head]] != [part.lower() for part in self._prefix]:
            return None
        for function, trigger, template in self._routes:
            if trigger.methods is not None and method.upper() not in trigger.methods:
                continue
            values = template.match(path[head:])
            if values is not None:
                return Match(function, trigger, values)
        return None
