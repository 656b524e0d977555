"""What a request for an API token may say."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from shared.api import names
from shared.api.hub_request import FutureTime
from shared.api.mistakes import of_validation, private_keys, refuse
from shared.api.models import Rules, Strict, rule
from shared.hubs.model import Role
from shared.settings import Settings


def _owner(text: str) -> str | None:
    if not names.OWNER.fullmatch(text):
        return "An owner has 1 to 64 lower-case letters, digits, `.`, `_`, `@`, `+` and `-`."
    return None


def _label(text: str) -> str | None:
    return None if text.strip() and text.isprintable() else "A name is printable text that is not empty."


class TokenRequest(Strict):
    owner: Annotated[str, rule(_owner, "InvalidName")]
    role: Literal["user", "admin"] | None = None
    name: Annotated[str, Field(max_length=64), rule(_label, "InvalidValue")] | None = None
    expires_at: FutureTime | None = None


@dataclass(frozen=True, slots=True)
class ParsedToken:
    owner: str
    role: Role
    name: str
    expires_at: datetime | None


def parse_token_request(document: Mapping[str, Any], *, settings: Settings, now: datetime) -> ParsedToken:
    """Raises Problem `InvalidRequest` with every mistake."""
    mistakes = private_keys(document)
    try:
        request = TokenRequest.model_validate(dict(document), context=Rules(settings, now))
    except ValidationError as error:
        refuse([*mistakes, *of_validation(error)])
        raise
    refuse(mistakes)
    return ParsedToken(
        owner=request.owner,
        role=Role(request.role or Role.USER),
        name=request.name or "",
        expires_at=names.timestamp(request.expires_at) if request.expires_at else None,
    )
