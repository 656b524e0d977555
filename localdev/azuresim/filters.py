"""The part of OData's ``$filter`` that Azure's own clients use: ``name eq 'value'``, joined by ``and``."""

import re
from dataclasses import dataclass

_TERM = re.compile(
    r"\s*(?P<field>[A-Za-z][\w/]*)\s+eq\s+(?:'(?P<text>(?:[^']|'')*)'|(?P<word>true|false))\s*", re.ASCII
)
_AND = re.compile(r"and\b", re.IGNORECASE)


class BadFilter(ValueError):
    """The filter uses something this grammar does not have."""


@dataclass(frozen=True)
class Equals:
    """One comparison."""

    field: str
    value: str


def parse_filter(text: str) -> tuple[Equals, ...]:
    """The comparisons of a filter; none for an empty one.

    Raises:
        BadFilter: anything but ``field eq 'value'`` joined by ``and``.
    """
    if not text.strip():
        return ()
    terms: list[Equals] = []
    at = 0
    while True:
        term = _TERM.match(text, at)
        if term is None:
            raise BadFilter(text)
        value = term["text"].replace("''", "'") if term["text"] is not None else term["word"]
        terms.append(Equals(term["field"], value))
        at = term.end()
        if at == len(text):
            return tuple(terms)
        joined = _AND.match(text, at)
        if joined is None:
            raise BadFilter(text)
        at = joined.end()
