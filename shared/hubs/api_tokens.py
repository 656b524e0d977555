"""API tokens per person: issued and revoked by admins, shown once, kept as a hash."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from shared.errors import UserError
from shared.hubs.model import Principal, Role
from shared.hubs.ports import TokenRecord

if TYPE_CHECKING:
    from shared.app import App


async def issue_token(
    app: "App", principal: Principal, *, owner: str, role: Role, name: str, expires_at: datetime | None
) -> tuple[TokenRecord, str]:
    """A new API token `hlt_<id>_<secret>`; the secret is returned once and only its hash is kept. Admins only."""
    _admins_only(principal)
    token_id = app.entropy.hub_suffix() + app.entropy.hub_suffix()
    secret = app.entropy.secret(256)
    record = TokenRecord(
        id=token_id,
        owner=owner,
        role=str(role),
        name=name,
        created_at=app.clock.now(),
        created_by=principal.owner,
        expires_at=expires_at,
    )
    await app.tokens.issue(record, hashlib.sha256(secret.encode()).hexdigest())
    return record, f"hlt_{token_id}_{secret}"


async def list_tokens(app: "App", principal: Principal) -> Sequence[TokenRecord]:
    """All tokens, without secrets. Admins only."""
    _admins_only(principal)
    return await app.tokens.list()


async def revoke_token(app: "App", principal: Principal, token_id: str) -> None:
    """Revokes; other processes notice within their cache time of 60 s. Raises UserError `TokenNotFound`."""
    _admins_only(principal)
    if not await app.tokens.revoke(token_id):
        raise UserError("TokenNotFound", f"There is no token '{token_id}'.")


def _admins_only(principal: Principal) -> None:
    if not principal.is_admin:
        raise UserError("Forbidden", "Only admins manage API tokens.", fix="Ask whoever runs this service.")
