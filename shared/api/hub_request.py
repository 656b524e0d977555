"""What a request for a hub may say (API.md, "A hub request"), and the specification it becomes.

Every field is optional. `parse_hub_request` finds all mistakes at once: first each field by itself, then what the
fields mean together, judged on those that are right by themselves.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from shared.api import names
from shared.api.mistakes import of_validation, pointer, private_keys, refuse
from shared.api.models import Rules, Strict, listed, mistake, rule, unique, with_rules
from shared.api.problems import Mistake
from shared.api.progress import rfc3339
from shared.api.schedule_request import ScheduleRequest, mistakes_of, schedule_of, zone_mistake
from shared.hubs import model, sizes
from shared.hubs.model import RESERVED_NAME
from shared.hubs.sshkey import InvalidPublicKey, parse_public_key
from shared.settings import Settings

IMAGES = ("ubuntu-24.04", "ubuntu-22.04")
"""TLJH's installer works on these two (24.10 and later lack /usr/bin/systemd, which its bootstrap looks for)."""

DEFAULT_OS_DISK_GIB = 30
"""Size of Canonical's images, and what the portal's default makes."""

MAX_IDLE_MINUTES = 7 * 24 * 60

_UNITS_GIB = {"K": 2.0**-20, "M": 2.0**-10, "G": 1.0, "T": 2.0**10}


# ------------------------------------------------------------------ rules of single fields


def _size(text: str, rules: Rules) -> str:
    for allowed in rules.settings.allowed_sizes:
        if allowed.lower() == text.lower():
            return allowed
    raise mistake("SizeNotAllowed", f"Allowed sizes: {listed(rules.settings.allowed_sizes)}.")


def _region(text: str, rules: Rules) -> str:
    if text not in rules.settings.allowed_regions:
        raise mistake("RegionNotAllowed", f"Allowed regions: {listed(rules.settings.allowed_regions)}.")
    return text


def _not_reserved(text: str) -> str | None:
    return "This name is taken by Azure, Ubuntu or the service." if names.is_reserved_admin(text) else None


def _not_trademarked(text: str) -> str | None:
    return "Azure refuses names with this word in them." if RESERVED_NAME.fullmatch(text) else None


def _public_key(text: str) -> str:
    try:
        return parse_public_key(text).line
    except InvalidPublicKey as error:
        raise mistake(error.code, error.message) from None


def _network(text: str) -> str:
    code, found = names.network(text)
    if code:
        raise mistake(code, found)
    return found


def _future(text: str, rules: Rules) -> str:
    moment = names.timestamp(text)
    if moment is None:
        raise mistake("InvalidTime", "Write a time as in RFC 3339 with its offset, such as 2027-02-01T00:00:00Z.")
    if moment <= rules.now:
        raise mistake("InThePast", "The end date has passed.")
    return text


def _end_date(text: str, rules: Rules) -> str:
    moment, latest = names.timestamp(_future(text, rules)), rules.latest_end
    if moment is not None and latest is not None and moment > latest:
        days = rules.settings.max_lifetime_days
        raise mistake("OutOfRange", f"A hub may live {days} days here: until {rfc3339(latest)} at the latest.")
    return text


def _idle_minutes(minutes: int, rules: Rules) -> int:
    least = rules.settings.min_idle_minutes
    if minutes < least:
        because = "JupyterHub hears of a person's last activity only every 5 minutes"
        raise mistake("OutOfRange", f"At least {least} minutes: {because}.")
    return minutes


def _no_twins(tags: dict[str, str]) -> dict[str, str]:
    if len({name.lower() for name in tags}) != len(tags):
        raise mistake("Duplicate", "Azure does not tell capital from small letters in the names of tags.")
    return tags


Text = Annotated[str, Field(max_length=2048)]
FutureTime = Annotated[Text, with_rules(_future)]
EndDate = Annotated[Text, with_rules(_end_date)]
IdleMinutes = Annotated[int, Field(le=MAX_IDLE_MINUTES, json_schema_extra={"minimum": 1}), with_rules(_idle_minutes)]
Size = Annotated[Text, with_rules(_size)]
Region = Annotated[Text, with_rules(_region)]
Person = Annotated[Text, rule(names.person, "InvalidName")]
AptPackage = Annotated[Text, rule(names.apt_package, "InvalidPackage")]
PipPackage = Annotated[Text, rule(names.pip_package, "InvalidPackage")]
TagKey = Annotated[str, rule(names.tag_key, "InvalidTag")]
TagValue = Annotated[str, rule(names.tag_value, "InvalidTag")]


# ------------------------------------------------------------------ the request


class HttpsRequest(Strict):
    mode: Literal["auto", "none"] | None = None
    email: Annotated[Text, rule(names.email, "InvalidValue")] | None = None
    domain: Annotated[Text, rule(names.domain, "InvalidValue")] | None = None


class AuthRequest(Strict):
    type: Literal["firstuse"] | None = None


class PackagesRequest(Strict):
    requirements_url: Annotated[str, rule(names.requirements_url, "InvalidUrl")] | None = None
    apt: Annotated[list[AptPackage], Field(max_length=100), unique] | None = None
    pip: Annotated[list[PipPackage], Field(max_length=100), unique] | None = None


class LimitsRequest(Strict):
    memory: Annotated[str, Field(pattern=r"^[1-9][0-9]{0,6}[KMGT]$")] | None = None
    cpu: Annotated[int, Field(ge=1, le=128)] | None = None
    """Whole cores: TLJH 2.0.0 refuses fractions."""


class FallbackRequest(Strict):
    sizes: Annotated[list[Size], Field(max_length=20), unique] | None = None
    regions: Annotated[list[Region], Field(max_length=20), unique] | None = None
    max_price_per_hour: Annotated[float, Field(gt=0, le=1000)] | None = None


class NotifyRequest(Strict):
    slack_channel: Annotated[Text, rule(names.slack_channel, "InvalidValue")] | None = None
    teams_webhook: Annotated[Text, rule(names.teams_webhook, "InvalidValue")] | None = None


class HubRequest(Strict):
    name: Annotated[Text, rule(names.hub_name, "InvalidName"), rule(_not_trademarked, "ReservedName")] | None = None
    size: Size | None = None
    region: Region | None = None
    people: Annotated[int, Field(ge=1, le=1000)] | None = None
    memory_per_person_gib: Annotated[float, Field(ge=0.1, le=256)] | None = None
    admin_user: Annotated[Text, rule(names.admin_user, "InvalidName"), rule(_not_reserved, "ReservedName")] | None = (
        None
    )
    ssh_public_key: Annotated[str, AfterValidator(_public_key)] | None = None
    ssh_from: Annotated[list[Annotated[str, AfterValidator(_network)]], Field(max_length=20), unique] | None = None
    os_disk_gib: Annotated[int, Field(ge=30, le=1024)] | None = None
    image: Literal["ubuntu-24.04", "ubuntu-22.04"] | None = None
    https: HttpsRequest | None = None
    auth: AuthRequest | None = None
    packages: PackagesRequest | None = None
    plugins: Annotated[list[PipPackage], Field(max_length=10), unique] | None = None
    users: Annotated[list[Person], Field(max_length=200), unique] | None = None
    limits: LimitsRequest | None = None
    shared_folder: bool | None = None
    schedule: ScheduleRequest | None = None
    idle_minutes: IdleMinutes | None = None
    expires_at: EndDate | None = None
    fallback: FallbackRequest | None = None
    spot: bool | None = None
    notify: NotifyRequest | None = None
    tags: Annotated[dict[TagKey, TagValue], Field(max_length=names.MAX_TAGS), AfterValidator(_no_twins)] | None = None


# ------------------------------------------------------------------ what it becomes


@dataclass(frozen=True, slots=True)
class ParsedHub:
    """`name` None = made from the owner's. `choice` says how the size was chosen when only `people` was sent."""

    name: str | None
    spec: model.HubSpec
    choice: sizes.Choice | None


def parse_hub_request(document: Mapping[str, Any], *, settings: Settings, owner: str, now: datetime) -> ParsedHub:
    """The specification with every default filled in.

    Raises Problem `InvalidRequest` (or `PrivateKeySent`) with every mistake. Pure: asks nobody, spends nothing.
    """
    mistakes = private_keys(document)
    rules = Rules(settings, now)
    try:
        request = HubRequest.model_validate(dict(document), context=rules)
    except ValidationError as error:
        mistakes += of_validation(error)
        wrong = {str(found["loc"][0]) for found in error.errors(include_url=False, include_input=False)}
        if "schedule" in wrong:
            mistakes += zone_mistake(document)
        right = {name: value for name, value in document.items() if name not in wrong}
        request = HubRequest.model_validate(right, context=rules)
    choice = _choose_size(request, settings)
    size = request.size or (choice.size if choice else settings.size) or settings.size
    admin_user = request.admin_user or names.default_admin_user(owner)
    mistakes += _together(request, settings, choice, size, admin_user)
    schedule = schedule_of(request.schedule) if request.schedule else None
    if schedule is not None:
        mistakes += mistakes_of(schedule, now)
    refuse(mistakes)
    spec = replace(
        _spec(request, settings, size, admin_user),
        schedule=schedule,
        expires_at=names.timestamp(request.expires_at) if request.expires_at else rules.latest_end,
    )
    return ParsedHub(request.name, spec, choice)


def _choose_size(request: HubRequest, settings: Settings) -> sizes.Choice | None:
    if request.people is None or request.size is not None:
        return None  # a named size is an order, whoever sits in front of it
    each = request.memory_per_person_gib or sizes.DEFAULT_GIB_PER_PERSON
    return sizes.choose(settings.allowed_sizes, request.people, each, preferred=settings.size)


def _together(
    request: HubRequest, settings: Settings, choice: sizes.Choice | None, size: str, admin_user: str
) -> Iterator[Mistake]:
    """What is wrong between fields that are right by themselves."""
    if choice is not None and choice.size is None:
        yield Mistake(
            "/people", "SizeOrPeople", f"No allowed size has the {choice.needed_gib:g} GiB that so many people need."
        )
    shape = sizes.shape_of(size)
    memory = request.limits.memory if request.limits else None
    if memory and shape and int(memory[:-1]) * _UNITS_GIB[memory[-1]] > shape.memory_gib:
        yield Mistake("/limits/memory", "Contradiction", f"{size} has only {shape.memory_gib:g} GiB of memory.")
    https = request.https
    if https and https.mode == "none" and https.domain:
        yield Mistake("/https/domain", "Contradiction", "Without HTTPS there is no certificate for a domain.")
    for index, user in enumerate(request.users or ()):
        if user == admin_user:
            yield Mistake(pointer(["users", index]), "Duplicate", "The hub's admin has an account already.")
    mode = (https and https.mode) or settings.https_default_mode
    if mode == "auto" and not ((https and https.email) or settings.https_email):
        yield Mistake("/https/email", "MissingField", "A certificate needs a contact address.")
    yield from _untold(request.notify or NotifyRequest(), settings)


def _untold(notify: NotifyRequest, settings: Settings) -> Iterator[Mistake]:
    """Where this service cannot write: nobody would hear of the hub, and nobody would know why."""
    if notify.slack_channel is not None and not settings.slack_bot_token:
        yield Mistake("/notify/slackChannel", "InvalidValue", "This service cannot write into Slack: leave it out.")
    webhook = notify.teams_webhook
    # What can be no name at all was refused before.
    if webhook is not None and webhook not in dict(settings.teams_webhooks):
        detail = f"This service has no Teams webhook named '{webhook}': ask whoever runs it."
        yield Mistake("/notify/teamsWebhook", "InvalidValue", detail)


def _spec(request: HubRequest, settings: Settings, size: str, admin_user: str) -> model.HubSpec:
    https = request.https or HttpsRequest()
    packages = request.packages or PackagesRequest()
    limits = request.limits or LimitsRequest()
    fallback = request.fallback or FallbackRequest()
    notify = request.notify or NotifyRequest()
    return model.HubSpec(
        size=size,
        region=request.region or settings.region,
        admin_user=admin_user,
        image=request.image or IMAGES[0],
        os_disk_gib=request.os_disk_gib or DEFAULT_OS_DISK_GIB,
        https=model.HttpsSpec(
            mode=model.HttpsMode(https.mode or settings.https_default_mode),
            email=https.email or settings.https_email or None,
            domain=https.domain,
        ),
        ssh_public_key=request.ssh_public_key,
        ssh_from=tuple(request.ssh_from or ()),
        packages=model.Packages(
            requirements_url=packages.requirements_url,
            apt=tuple(packages.apt or ()),
            pip=tuple(packages.pip or ()),
        ),
        plugins=tuple(request.plugins or ()),
        users=tuple(request.users or ()),
        limits=model.Limits(memory=limits.memory, cpu=limits.cpu),
        shared_folder=bool(request.shared_folder),
        idle_minutes=request.idle_minutes,
        fallback=model.Fallback(
            sizes=tuple(fallback.sizes or ()),
            regions=tuple(fallback.regions or ()),
            max_price_per_hour=fallback.max_price_per_hour,
        ),
        notify=model.Notify(slack_channel=notify.slack_channel, teams_webhook=notify.teams_webhook),
        spot=bool(request.spot),
        people=request.people,
        memory_per_person_gib=request.memory_per_person_gib,
        tags=dict(request.tags or {}),
    )
