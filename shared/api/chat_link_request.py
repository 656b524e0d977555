"""What a request for a link between a chat account and an owner may say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from shared.api import names
from shared.api.mistakes import of_validation, private_keys, refuse
from shared.api.models import Strict, rule
from shared.api.problems import Mistake
from shared.chat.links import chat_user
from shared.hubs.ports import ChatUser


def _owner(text: str) -> str | None:
    if not names.OWNER.fullmatch(text):
        return "An owner has 1 to 64 lower-case letters, digits, `.`, `_`, `@`, `+` and `-`."
    return None


def _id(text: str) -> str | None:
    return None if chat_user("slack", text, text) else "An id of the platform has 1 to 64 letters, digits and hyphens."


class ChatLinkRequest(Strict):
    """Either `code`, which a chat showed you, or, for admins, the other four."""

    code: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    platform: Literal["slack", "teams"] | None = None
    team: Annotated[str, rule(_id, "InvalidValue")] | None = None
    user: Annotated[str, rule(_id, "InvalidValue")] | None = None
    owner: Annotated[str, rule(_owner, "InvalidName")] | None = None


@dataclass(frozen=True, slots=True)
class ParsedLink:
    """`code`, or `user` and `owner`."""

    code: str | None = field(default=None, repr=False)
    user: ChatUser | None = None
    owner: str = ""


def parse_chat_link_request(document: Mapping[str, Any]) -> ParsedLink:
    """Raises Problem `InvalidRequest` with every mistake."""
    mistakes = private_keys(document)
    try:
        request = ChatLinkRequest.model_validate(dict(document))
    except ValidationError as error:
        refuse([*mistakes, *of_validation(error)])
        raise
    others = {
        "platform": request.platform,
        "team": request.team,
        "user": request.user,
        "owner": request.owner,
    }
    sent = [name for name, value in others.items() if value is not None]
    if request.code is not None:
        detail = "Send either `code`, or `platform`, `team`, `user` and `owner`."
        mistakes += [Mistake(f"/{name}", "Contradiction", detail) for name in sent]
    elif not sent:
        mistakes.append(Mistake("/code", "MissingField", "Send the code that the chat showed you."))
    else:
        mistakes += [
            Mistake(f"/{name}", "MissingField", "This field must be sent.") for name in others if name not in sent
        ]
    refuse(mistakes)
    if request.code is not None:
        return ParsedLink(code=request.code)
    user = chat_user(request.platform or "", request.team or "", request.user or "")
    return ParsedLink(user=user, owner=request.owner or "")
