"""Entity tags (RFC 9110 section 8.8.3). Ours are weak: they name a row's version, computed fields do not count."""

import hashlib
import re
from collections.abc import Iterable

from shared.hubs.model import Hub

_TAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


def of_hub(hub: Hub) -> str:
    """Changes exactly when the stored row changes."""
    return _weak([hub.id, hub.etag or f"{hub.generation}.{hub.pass_number}.{hub.event_seq}"])


def of_hubs(hubs: Iterable[Hub], *more: str) -> str:
    """Changes when a hub of the list changes, comes or goes; `more` = what else shapes the list (filters, paging)."""
    return _weak([*more, *(of_hub(hub) for hub in hubs)])


def of_bytes(body: bytes) -> str:
    return _weak([hashlib.sha256(body).hexdigest()])


def matches(header: str | None, tag: str) -> bool:
    """Whether an If-None-Match or If-Match value lists the tag (or is `*`). Compared weakly, as our tags are weak."""
    if header is None:
        return False
    if header.strip() == "*":
        return True
    wanted = _TAG.fullmatch(tag)
    return wanted is not None and any(found == wanted[1] for found in _TAG.findall(header))


def _weak(parts: Iterable[str]) -> str:
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return f'W/"{digest[:24]}"'
