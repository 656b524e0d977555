"""Lists in pages: ``nextLink`` leads to the next one.

Where a page begins is said by the last row of the one before, not by a number, so nothing is left out when something
that was already listed is deleted in between.  What the real service does then is not known.
"""

import base64
import binascii
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, urlencode

from localdev.azuresim.envelope import Json, gateway_error
from localdev.azuresim.routing import Call
from localdev.azuresim.store import Resource

#: What the real lists of virtual machines and resources hold at most is not documented for all of them; the generic
#: ones say 1000 (https://learn.microsoft.com/rest/api/resources/resources/list, ``$top``).
PAGE_SIZE = 1000

_PLACE = "$skiptoken"


@dataclass(frozen=True)
class Page[T]:
    """One page and the address of the next, if there is one."""

    items: list[T]
    next_link: str | None

    def body(self, rows: Iterable[Json]) -> Json:
        """``{"value": [...]}`` with ``nextLink`` where there is more; a page may be empty and not the last."""
        return {"value": list(rows)} | ({"nextLink": self.next_link} if self.next_link else {})


def by_age(resource: Resource) -> str:
    """Lists are in order of creation."""
    return f"{resource.created.timestamp():020.6f} {resource.id.lower()}"


def page[T](call: Call, base_url: str, size: int, items: Iterable[T], key: Callable[[T], str]) -> Page[T]:
    """The page of `items` that `call` asks for, in the order of `key`, which tells them apart.

    Raises:
        ArmError: 400 of a ``$skiptoken`` that was not given out.
    """
    after = _position(call.query.get(_PLACE))
    rows = sorted(((key(item), item) for item in items), key=lambda row: row[0])
    left = [row for row in rows if after is None or row[0] > after]
    shown = left[:size]
    return Page([item for _, item in shown], _link(call, base_url, shown[-1][0]) if len(left) > size else None)


def _link(call: Call, base_url: str, last: str) -> str:
    asked = [pair for pair in parse_qsl(call.request.query, keep_blank_values=True) if pair[0].lower() != _PLACE]
    token = base64.urlsafe_b64encode(last.encode()).rstrip(b"=").decode()
    return f"{base_url}{call.request.path}?" + urlencode([*asked, (_PLACE, token)], safe="$", quote_via=quote)


def _position(token: str | None) -> str | None:
    if token is None:
        return None
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise gateway_error(
            400, "InvalidSkipToken", f"The skip token '{token}' is not one that was given out."
        ) from error
