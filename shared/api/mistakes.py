"""From pydantic's findings to our list of mistakes, all of them at once, none quoting what was sent."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.api.problems import MISTAKES, Mistake, Problem
from shared.log import redact

if TYPE_CHECKING:
    from pydantic import ValidationError

MAX_MISTAKES = 100
"""A body of 32 KiB can hold thousands; nobody reads them."""

_CODES: Mapping[str, str] = {
    "extra_forbidden": "UnknownField",
    "missing": "MissingField",
    "too_long": "TooLong",
    "string_too_long": "TooLong",
    "greater_than": "OutOfRange",
    "greater_than_equal": "OutOfRange",
    "less_than": "OutOfRange",
    "less_than_equal": "OutOfRange",
    "int_from_float": "WrongType",
    "int_parsing_size": "OutOfRange",
    "finite_number": "OutOfRange",
}

_DETAILS: Mapping[str, str] = {
    "extra_forbidden": "There is no such field.",
    "missing": "This field must be sent.",
}


def of_validation(error: "ValidationError") -> list[Mistake]:
    """One mistake for each finding, in the order of the body."""
    mistakes = []
    for found in error.errors(include_url=False, include_input=False, include_context=False):
        kind = found["type"]
        code = kind if kind in MISTAKES else _CODES.get(kind) or _by_suffix(kind)
        detail = _DETAILS.get(kind) or found["msg"].replace("Input should", "The value should")
        mistakes.append(Mistake(pointer(found["loc"]), code, detail))
    return mistakes


def _by_suffix(kind: str) -> str:
    return "WrongType" if kind.endswith(("_type", "_instance_of")) else "InvalidValue"


def pointer(location: Sequence[str | int]) -> str:
    """A JSON pointer (RFC 6901). Names come from the caller, so they are masked and cut like everything else."""
    parts = [str(part) for part in location if part != "[key]"]
    return "".join("/" + redact(part)[:64].replace("~", "~0").replace("/", "~1") for part in parts)


def private_keys(document: Mapping[str, Any]) -> list[Mistake]:
    """Every place of the body that holds a private key, whatever the field: people paste into the wrong one."""
    detail = "This is a private key. Send the public half, and replace this key: it has left your computer."
    return [Mistake(where, "PrivateKeySent", detail) for where in dict.fromkeys(_private_keys(document, ()))]


def _private_keys(value: object, path: tuple[str | int, ...]) -> Iterator[str]:
    if isinstance(value, str) and ("PRIVATE KEY" in value or value.lstrip().startswith("PuTTY-User-Key-File")):
        yield pointer(path)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if "PRIVATE KEY" in name:
                yield pointer(path)
            yield from _private_keys(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _private_keys(inner, (*path, index))


def refuse(mistakes: Sequence[Mistake], *, nothing_was: str = "created") -> None:
    """Raises the Problem for these mistakes, if there are any. The same place and code is told once; where a private
    key was sent, nothing else about that place matters. `nothing_was`: what was not done because of them."""
    exposed = {m.pointer for m in mistakes if m.code == "PrivateKeySent"}
    told = [m for m in mistakes if m.code == "PrivateKeySent" or m.pointer not in exposed]
    unique = list({(m.pointer, m.code): m for m in told}.values())
    if not unique:
        return
    count = len(unique)
    detail = "One thing is wrong." if count == 1 else f"{count} things are wrong."
    code = "PrivateKeySent" if any(m.code == "PrivateKeySent" for m in unique) else "InvalidRequest"
    raise Problem(code, f"{detail} Nothing was {nothing_was}.", errors=unique[:MAX_MISTAKES])
