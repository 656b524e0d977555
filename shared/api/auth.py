"""Who sent a request: an API token `hlt_<id>_<secret>`, or the admin token of the settings. Nothing else counts.

Other ways in (App Service Authentication, chat) become further functions here that return a `Principal`.
"""

import hashlib
import hmac
import re
from typing import TYPE_CHECKING

from shared.api.problems import Problem
from shared.hubs.model import Principal, Role

if TYPE_CHECKING:
    from shared.app import App

BOOTSTRAP_OWNER = "admin"
"""Who `HUBLET_ADMIN_TOKEN` makes its bearer (DESIGN: it bootstraps owner `admin`)."""

MAX_HEADER = 1024

_TOKEN = re.compile(r"hlt_([a-z0-9]{1,32})_([A-Za-z0-9_-]{16,256})")
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.IGNORECASE)
"""RFC 6750 section 2.1."""


async def authenticate(app: "App", authorization: str | None) -> Principal:
    """The principal of an `Authorization` header's value.

    Raises Problem `Unauthorized`, the same for every reason. Comparisons take constant time: digests of equal length
    are compared, here and in the token store. A store that does not answer raises its RetryableError: errors deny.
    """
    if authorization is None or not authorization.strip():
        raise _unauthorized("")
    match = _BEARER.fullmatch(authorization.strip()) if len(authorization) <= MAX_HEADER else None
    if match is None:
        raise _unauthorized("invalid_request")
    token = match[1]
    if _is_admin_token(token, app.settings.admin_token):
        return Principal(BOOTSTRAP_OWNER, Role.ADMIN)
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        raise _unauthorized("invalid_token")
    record = await app.tokens.verify(parts[1], hashlib.sha256(parts[2].encode()).hexdigest())
    if record is None or (record.expires_at is not None and app.clock.now() >= record.expires_at):
        raise _unauthorized("invalid_token")
    return Principal(record.owner, Role.ADMIN if record.role == Role.ADMIN else Role.USER)


def _is_admin_token(token: str, admin_token: str) -> bool:
    given, wanted = (hashlib.sha256(text.encode()).digest() for text in (token, admin_token))
    return hmac.compare_digest(given, wanted) and bool(admin_token)


def _unauthorized(error: str) -> Problem:
    challenge = 'Bearer realm="hublet"' + (f', error="{error}"' if error else "")
    detail = "The token is not valid." if error else "This route needs an API token."
    return Problem("Unauthorized", detail, headers={"WWW-Authenticate": challenge})
