"""Pages of a list: `top` entries, then `skipToken` for the next ones (Microsoft REST guidelines)."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlencode

from shared.api.problems import Mistake, Problem

DEFAULT_TOP = 100
MAX_TOP = 500


def parameter(name: str, detail: str) -> Problem:
    """What is answered when a query parameter is wrong."""
    return Problem("InvalidParameter", detail, errors=[Mistake(f"?{name}", "InvalidValue", detail)])


def integer(query: Mapping[str, str], name: str, *, default: int, low: int, high: int) -> int:
    """A whole number in decimal digits. Raises Problem `InvalidParameter`."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) <= 18 and low <= int(text) <= high):
        raise parameter(name, f"`{name}` is a whole number from {low} to {high}.")
    return int(text)


def page[T](
    items: Sequence[T], query: Mapping[str, str], key: Callable[[T], list[str]], url: str
) -> tuple[Sequence[T], str | None]:
    """The entries of this page and the address of the next one, or None. `items` are sorted by `key`.

    The token holds the last key that was shown, so an entry that comes or goes never shifts the pages.
    """
    top = integer(query, "top", default=DEFAULT_TOP, low=1, high=MAX_TOP)
    after = _decode(query["skipToken"]) if "skipToken" in query else None
    rest = [item for item in items if after is None or key(item) > after]
    shown = rest[:top]
    if len(rest) <= top:
        return shown, None
    values = {**query, "skipToken": _encode(key(shown[-1]))}
    return shown, f"{url}?{urlencode(sorted(values.items()))}"


def _encode(key: list[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(key).encode()).decode().rstrip("=")


def _decode(token: str) -> list[str]:
    wrong = parameter("skipToken", "`skipToken` must be taken from a `nextLink`, unchanged.")
    if len(token) > 1024:
        raise wrong
    try:
        key = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise wrong from None
    if not isinstance(key, list) or not key or not all(isinstance(part, str) for part in key):
        raise wrong
    return key
