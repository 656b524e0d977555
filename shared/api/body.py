"""Reading a request's body: JSON in UTF-8, small, shallow, and meaning one thing only."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from shared.api.problems import Mistake, Problem

MAX_BYTES = 32 * 1024
MAX_DEPTH = 16
JSON_TYPES = ("application/json",)

_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"?', re.DOTALL)
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^";\s]+)"?', re.IGNORECASE)


def read_object(
    body: bytes, headers: Mapping[str, str], *, types: Sequence[str] = JSON_TYPES, most: int = MAX_BYTES
) -> dict[str, Any]:
    """The body's JSON object; no body at all is an empty one. `types`: the media types that are taken; `most`: bytes.

    Raises Problem `BodyTooLarge`, `UnsupportedMediaType` or `InvalidJson`. Duplicate names, NaN and infinities, numbers
    that do not fit a double and halves of surrogate pairs are refused: other readers would read something else.
    """
    if len(body) > most:
        raise Problem("BodyTooLarge", f"The body has {len(body)} bytes; at most {most} are taken.")
    if not body.strip():
        return {}
    _check_type(headers, types)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem("UnsupportedMediaType", "The body is not UTF-8.") from None
    if text.startswith("\ufeff"):
        raise Problem("InvalidJson", "The body begins with a byte order mark; JSON has none.")
    if _depth(text) > MAX_DEPTH:
        raise Problem("InvalidJson", f"The JSON is nested deeper than {MAX_DEPTH} levels.")
    return _parse(text)


def object_at(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """The object of that name; an empty one when there is none: for bodies whose form is not ours to judge."""
    value = document.get(name)
    return value if isinstance(value, dict) else {}


def canonical(document: Mapping[str, Any]) -> bytes:
    """The same bytes for the same JSON value, whatever its spacing and order of names."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _check_type(headers: Mapping[str, str], types: Sequence[str]) -> None:
    if headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Problem("UnsupportedMediaType", "Compressed bodies are not taken.")
    content_type = headers.get("content-type", "application/json")
    if content_type.partition(";")[0].strip().lower() not in types:
        wanted = " or ".join(f"`Content-Type: {name}`" for name in types)
        raise Problem("UnsupportedMediaType", f"The body must be sent as {wanted}.")
    charset = _CHARSET.search(content_type)
    if charset and charset[1].lower() not in ("utf-8", "utf8"):
        raise Problem("UnsupportedMediaType", "JSON is sent in UTF-8, nothing else (RFC 8259 section 8.1).")


def _depth(text: str) -> int:
    """Deepest nesting, found without recursion; text that is not JSON may give any number."""
    depth = deepest = 0
    for character in _STRINGS.sub("", text):
        if character in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "}]":
            depth -= 1
    return deepest


class _Duplicate(ValueError):
    pass


def _parse(text: str) -> dict[str, Any]:
    try:
        document = json.loads(
            text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant, parse_float=_finite
        )
    except _Duplicate:
        raise Problem(
            "InvalidJson",
            "The same name stands twice in one object.",
            errors=[Mistake("", "Duplicate", "Every name may stand only once in an object.")],
        ) from None
    except json.JSONDecodeError as error:
        # error.msg is one of the parser's constant phrases; what was sent is not repeated.
        raise Problem("InvalidJson", f"{error.msg} at line {error.lineno}, column {error.colno}.") from None
    except (ValueError, RecursionError):
        raise Problem("InvalidJson", "The body holds a number that JSON readers do not agree on.") from None
    if not isinstance(document, dict):
        raise Problem("InvalidJson", "The body must be one JSON object.")
    try:
        canonical(document)
    except UnicodeEncodeError:
        raise Problem("InvalidJson", "The body holds half of a surrogate pair, which is no character.") from None
    return document


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise _Duplicate
    return document


def _no_constant(_: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("too large")
    return number
