"""What may be changed about a hub that is there: a JSON merge patch (RFC 7396) on `schedule`, `idleMinutes` and
`expiresAt`. All mistakes are found at once, as in a request for a hub.
"""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import ConfigDict, Field, ValidationError

from shared.api import names
from shared.api.hub_request import EndDate, IdleMinutes
from shared.api.hub_view import schedule_view
from shared.api.mistakes import of_validation, pointer, private_keys, refuse
from shared.api.models import Rules, Strict
from shared.api.problems import Mistake
from shared.api.progress import rfc3339
from shared.api.schedule_request import (
    MAX_SKIP,
    BlockRequest,
    ClockTime,
    Date,
    Days,
    ScheduleRequest,
    mistakes_of,
    schedule_of,
    zone_mistake,
)
from shared.hubs.model import Hub
from shared.hubs.schedule import MAX_BLOCKS
from shared.settings import Settings

_ANOTHER = "It is chosen when a hub is made. Create another hub."
_ADMIN = "The hub's admin changes it on the machine"

NOT_CHANGEABLE: Mapping[str, str] = MappingProxyType(
    {
        "name": "A hub keeps its name. Create another hub.",
        "owner": "A hub keeps its owner.",
        "state": "Ask for it: POST the hub's `stop`, `start`, `restart` or `retry`.",
        "goal": "Ask for it: POST the hub's `stop`, `start`, `restart` or `retry`.",
        "size": _ANOTHER,
        "region": _ANOTHER,
        "people": "It chose the hub's size when it was made. Create another hub.",
        "memoryPerPersonGiB": "It chose the hub's size when it was made. Create another hub.",
        "adminUser": _ANOTHER,
        "sshPublicKey": f"{_ADMIN}, in `~/.ssh/authorized_keys`.",
        "sshFrom": _ANOTHER,
        "osDiskGiB": _ANOTHER,
        "image": _ANOTHER,
        "https": f"{_ADMIN}: `sudo tljh-config set https....`, then `sudo tljh-config reload proxy`.",
        "auth": f"{_ADMIN}: `sudo tljh-config set auth.type ...`, then `sudo tljh-config reload`.",
        "packages": f"{_ADMIN}, in a terminal of the hub: `sudo -E pip install ...`, `sudo apt install ...`.",
        "plugins": _ANOTHER,
        "users": "The hub's admin adds and removes people in the hub itself: File, Hub Control Panel, Admin.",
        "limits": f"{_ADMIN}: `sudo tljh-config set limits.memory 2G`, then `sudo tljh-config reload`.",
        "sharedFolder": _ANOTHER,
        "fallback": _ANOTHER,
        "spot": _ANOTHER,
        "notify": _ANOTHER,
        "tags": _ANOTHER,
    }
)
"""Fields of a hub that stay as they were made, and what to do instead. `tljh-config`:
https://tljh.jupyter.org/en/latest/topic/tljh-config.html; packages:
https://tljh.jupyter.org/en/latest/howto/user-env/user-environment.html; people:
https://tljh.jupyter.org/en/latest/howto/admin/admin-users.html"""

_NULL_REMOVES = "In this patch, null removes a field."


def _without_defaults(schema: dict[str, Any]) -> None:
    """A client that fills defaults in would remove what it does not name."""
    for field in schema.get("properties", {}).values():
        field.pop("default", None)


class SchedulePatch(Strict):
    """What is named is replaced, null removes it; the rest of the present schedule stays."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    time_zone: Annotated[str, Field(max_length=128)] | None = None
    stop: ClockTime | None = None
    start: ClockTime | None = None
    days: Days | None = None
    blocks: Annotated[list[BlockRequest], Field(max_length=MAX_BLOCKS)] | None = None
    until: Date | None = None
    skip: Annotated[list[Date], Field(max_length=MAX_SKIP)] | None = None


class HubPatch(Strict):
    """What is named changes, null removes it; the rest stays. Of a schedule, the part that is named."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    schedule: SchedulePatch | None = None
    idle_minutes: IdleMinutes | None = None
    expires_at: EndDate | None = None


class _Outcome(Strict):
    """The patch merged on what is there: this is what is checked. The two models above only describe it."""

    schedule: ScheduleRequest | None = None
    idle_minutes: IdleMinutes | None = None
    expires_at: EndDate | None = None


def parse_hub_patch(document: Mapping[str, Any], hub: Hub, *, settings: Settings, now: datetime) -> dict[str, Any]:
    """The new values of fields of `HubSpec`, merged on this hub's present ones.

    Raises Problem `InvalidRequest` (or `PrivateKeySent`) with every mistake. Pure.
    """
    mistakes = [*private_keys(document), *_fixed(document), *_unknown(document.get("schedule"))]
    merged = {name: value for name, value in document.items() if name not in NOT_CHANGEABLE}
    if "schedule" in merged:
        merged["schedule"] = merge_patch(_present_schedule(hub), merged["schedule"])
    rules = Rules(settings, now, born=hub.created_at)
    try:
        outcome = _Outcome.model_validate(merged, context=rules)
    except ValidationError as error:
        mistakes += of_validation(error)
        wrong = {str(found["loc"][0]) for found in error.errors(include_url=False, include_input=False)}
        if "schedule" in wrong:
            mistakes += zone_mistake(merged)
        merged = {name: value for name, value in merged.items() if name not in wrong}
        outcome = _Outcome.model_validate(merged, context=rules)
    changes: dict[str, Any] = {}
    if "schedule" in merged:
        schedule = schedule_of(outcome.schedule) if outcome.schedule else None
        if schedule is not None:
            mistakes += mistakes_of(schedule, now, hint=_NULL_REMOVES)
        changes["schedule"] = schedule
    if "idleMinutes" in merged:
        changes["idle_minutes"] = outcome.idle_minutes
    if "expiresAt" in merged:
        changes["expires_at"] = names.timestamp(outcome.expires_at) if outcome.expires_at else None
        if outcome.expires_at is None and rules.latest_end is not None:
            detail = f"Every hub has an end date here: send one until {rfc3339(rules.latest_end)}."
            mistakes.append(Mistake("/expiresAt", "OutOfRange", detail))
    refuse(mistakes, nothing_was="changed")
    return changes


def merge_patch(target: object, patch: object) -> object:
    """RFC 7396, section 2: objects are merged, null removes, everything else replaces."""
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value)
    return merged


def _present_schedule(hub: Hub) -> dict[str, Any] | None:
    """As the caller sees it, without what is not there."""
    view = schedule_view(hub.spec.schedule)
    return None if view is None else {name: value for name, value in view.items() if value not in (None, [])}


def _fixed(document: Mapping[str, Any]) -> list[Mistake]:
    return [
        Mistake(pointer([name]), "NotChangeable", NOT_CHANGEABLE[name]) for name in document if name in NOT_CHANGEABLE
    ]


def _unknown(schedule: object) -> list[Mistake]:
    """Fields that a schedule does not have. A null would vanish in the merge, and a misspelt removal with it."""
    if not isinstance(schedule, Mapping):
        return []
    known = {field.alias for field in SchedulePatch.model_fields.values()}
    return [
        Mistake(pointer(["schedule", name]), "UnknownField", "There is no such field.")
        for name in schedule
        if name not in known
    ]
