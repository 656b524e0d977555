"""What the requests may say that steer a hub: `extend`, and those that say nothing but their name."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from shared.api.mistakes import of_validation, private_keys, refuse
from shared.api.models import Strict, mistake
from shared.api.problems import Mistake


def _only_true(value: bool) -> bool:
    if not value:
        raise mistake("InvalidValue", "Send `true`, or leave it out.")
    return value


class ExtendRequest(Strict):
    """Exactly one of the two: `hours` moves the next stop, `skipNextStop` calls the next scheduled one off."""

    hours: Annotated[float, Field(ge=0.25, le=168)] | None = None
    skip_next_stop: Annotated[bool, AfterValidator(_only_true), Field(json_schema_extra={"const": True})] | None = None


class Nothing(Strict):
    """No body is needed; an empty object is taken."""


@dataclass(frozen=True, slots=True)
class ParsedExtend:
    """`hours` None = the next scheduled stop is called off."""

    hours: float | None


def parse_extend(document: Mapping[str, Any]) -> ParsedExtend:
    """Raises Problem `InvalidRequest` with every mistake."""
    mistakes = private_keys(document)
    try:
        request = ExtendRequest.model_validate(dict(document))
    except ValidationError as error:
        refuse([*mistakes, *of_validation(error)], nothing_was="changed")
        raise
    if request.hours is None and request.skip_next_stop is None:
        mistakes.append(Mistake("/hours", "MissingField", "Send `hours`, or `skipNextStop`."))
    if request.hours is not None and request.skip_next_stop is not None:
        detail = "Send either `hours` or `skipNextStop`, not both."
        mistakes.append(Mistake("/skipNextStop", "Contradiction", detail))
    refuse(mistakes, nothing_was="changed")
    return ParsedExtend(request.hours)


def parse_nothing(document: Mapping[str, Any]) -> None:
    """Raises Problem `InvalidRequest` for a body that says anything."""
    mistakes = private_keys(document)
    try:
        Nothing.model_validate(dict(document))
    except ValidationError as error:
        mistakes += of_validation(error)
    refuse(mistakes, nothing_was="changed")
