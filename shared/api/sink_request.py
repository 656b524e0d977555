"""What requests for web hooks may say."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

from pydantic import AfterValidator, Field, ValidationError, ValidationInfo

from shared.api import names
from shared.api.mistakes import of_validation, private_keys, refuse
from shared.api.models import Strict, mistake, rule, unique
from shared.errors import UserError
from shared.hubs.notice_kinds import KINDS
from shared.hubs.sink_rules import key_of
from shared.hubs.sinks import Wanted

Kind = Literal[
    "ready",
    "failed",
    "started",
    "start-failed",
    "stopped",
    "stopping-soon",
    "ending-soon",
    "deleted",
    "capacity-changed",
    "budget-nearly-spent",
    "action-needed",
    "stop-stuck",
    "deletion-stuck",
    "progress",
]
"""`notice_kinds.KINDS`, which a test compares: a type cannot be made of values."""


@dataclass(frozen=True, slots=True)
class _Rules:
    """`check` raises UserError for a URL that nothing is sent to."""

    check: Callable[[str], None]


def _url(text: str, info: ValidationInfo) -> str:
    try:
        cast(_Rules, info.context).check(text)
    except UserError as error:
        raise mistake("AddressNotAllowed", error.message) from None
    return text


def _secret(text: str) -> str | None:
    try:
        key_of(text)
    except ValueError:
        return "Write whsec_ and the base64 of 24 to 64 random bytes, or leave it out to get one."
    return None


def _description(text: str) -> str | None:
    return None if text.isprintable() else "A description is one line of printable text."


def _notice_id(text: str) -> str | None:
    return None if names.NOTICE_ID.fullmatch(text) else "Take the id from the list of failed deliveries."


class SinkRequest(Strict):
    """`events`: the kinds that are sent; left out or empty = all but `progress`. `everybody`: of all owners' hubs,
    admins only. `secret`: `whsec_` and the base64 of 24 to 64 bytes; made when left out."""

    url: Annotated[str, Field(max_length=2048), AfterValidator(_url)]
    events: Annotated[list[Kind], Field(max_length=len(KINDS)), unique] | None = None
    description: Annotated[str, Field(max_length=200), rule(_description, "InvalidValue")] | None = None
    everybody: bool | None = None
    secret: Annotated[str, Field(max_length=128), rule(_secret, "InvalidSecret")] | None = None


class RedeliverRequest(Strict):
    """`id`: the one notice; all that failed when left out."""

    id: Annotated[str, Field(max_length=64), rule(_notice_id, "InvalidValue")] | None = None


def parse_sink_request(document: Mapping[str, Any], *, check: Callable[[str], None]) -> Wanted:
    """Raises Problem `InvalidRequest` with every mistake."""
    mistakes = private_keys(document)
    try:
        request = SinkRequest.model_validate(dict(document), context=_Rules(check))
    except ValidationError as error:
        refuse([*mistakes, *of_validation(error)])
        raise
    refuse(mistakes)
    return Wanted(
        url=request.url,
        events=tuple(request.events or ()),
        description=request.description or "",
        everybody=bool(request.everybody),
        secret=request.secret,
    )


def parse_redeliver_request(document: Mapping[str, Any]) -> str | None:
    """The notice's id; None = all. Raises Problem `InvalidRequest` with every mistake."""
    mistakes = private_keys(document)
    try:
        request = RedeliverRequest.model_validate(dict(document))
    except ValidationError as error:
        refuse([*mistakes, *of_validation(error)], nothing_was="sent")
        raise
    refuse(mistakes, nothing_was="sent")
    return request.id
