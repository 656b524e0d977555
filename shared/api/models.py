"""Building blocks of the request models: closed, strict, camelCase, with our own codes for what is wrong.

Imports pydantic, so it is imported at the first request that has a body, not when functions are listed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from shared.settings import Settings


def _alias(name: str) -> str:
    """camelCase, but units keep their spelling: `osDiskGiB`."""
    camel = to_camel(name)
    return camel[:-3] + "GiB" if camel.endswith("Gib") else camel


class Strict(BaseModel):
    """Unknown fields and wrong types are refused; nothing is converted. null counts as not sent where it is allowed."""

    model_config = ConfigDict(
        alias_generator=_alias,
        extra="forbid",
        strict=True,
        frozen=True,
        hide_input_in_errors=True,
        allow_inf_nan=False,
        validate_by_alias=True,
        validate_by_name=False,
    )


@dataclass(frozen=True, slots=True)
class Rules:
    """What the rules of this moment depend on; handed to pydantic as its context. `born`: when the hub was created,
    None = it is being created."""

    settings: "Settings"
    now: datetime
    born: datetime | None = None

    @property
    def latest_end(self) -> datetime | None:
        """The latest end date a hub may have here; None = it may live for ever."""
        days = self.settings.max_lifetime_days
        return (self.born or self.now).replace(microsecond=0) + timedelta(days=days) if days > 0 else None


def mistake(code: str, detail: str) -> PydanticCustomError:
    return PydanticCustomError(code, "{detail}", {"detail": detail})


def rule(check: Callable[[str], str | None], code: str) -> AfterValidator:
    """A validator from a function that returns a sentence for what is wrong, or None."""

    def validate(value: str) -> str:
        detail = check(value)
        if detail is not None:
            raise mistake(code, detail)
        return value

    return AfterValidator(validate)


def with_rules[T](check: Callable[[T, Rules], T]) -> AfterValidator:
    """A validator that also sees the rules of this moment; `check` returns the value in its normal form or raises."""

    def validate(value: T, info: ValidationInfo) -> T:
        return check(value, cast(Rules, info.context))

    return AfterValidator(validate)


def _no_repeats(values: list[str]) -> list[str]:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise mistake("Duplicate", "The list holds the same entry twice.")
        seen.add(value)
    return values


unique = AfterValidator(_no_repeats)


def listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
