"""`Idempotency-Key`: what is remembered of it. The key itself is never stored."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from shared.api.body import canonical
from shared.api.problems import Mistake, Problem
from shared.hubs.commands import IdempotencyRequest

_KEY = re.compile(r"[!-~]{1,255}")


def idempotency_of(
    header: str | None, *, caller: str, route: str, document: Mapping[str, Any]
) -> IdempotencyRequest | None:
    """Hash of caller, route and key, and of the body's meaning (spacing and order of names do not count).

    Raises Problem `InvalidParameter` for a key that is not 1 to 255 visible ASCII characters.
    """
    if header is None:
        return None
    if not _KEY.fullmatch(header):
        detail = "An Idempotency-Key has 1 to 255 visible ASCII characters."
        raise Problem("InvalidParameter", detail, errors=[Mistake("?Idempotency-Key", "InvalidValue", detail)])
    key = "\0".join((caller, route, header)).encode()
    return IdempotencyRequest(hashlib.sha256(key).hexdigest(), hashlib.sha256(canonical(document)).hexdigest())
