"""API tokens and handed-out secrets as callers see them."""

from typing import TypedDict

from shared.api.progress import rfc3339
from shared.hubs.ports import TokenRecord


class TokenView(TypedDict):
    id: str
    owner: str
    role: str
    name: str
    createdAt: str
    createdBy: str
    expiresAt: str | None


class IssuedTokenView(TokenView):
    """`token` is shown in this answer and never again."""

    token: str


class AdminPasswordView(TypedDict):
    adminUser: str
    password: str
    url: str | None


def token_view(record: TokenRecord) -> TokenView:
    return TokenView(
        id=record.id,
        owner=record.owner,
        role=record.role,
        name=record.name,
        createdAt=rfc3339(record.created_at),
        createdBy=record.created_by,
        expiresAt=rfc3339(record.expires_at) if record.expires_at else None,
    )


def issued_token_view(record: TokenRecord, token: str) -> IssuedTokenView:
    return {**token_view(record), "token": token}
