"""The hub request: the grammars of names, packages, networks and times, and the defaults."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.api import names
from shared.api.hub_request import ParsedHub, parse_hub_request
from shared.api.problems import CODES, MISTAKES, Problem
from shared.hubs.model import HttpsMode
from tests.support.builders import some_settings
from tests.support.clock import MONDAY_MORNING

SETTINGS = some_settings()


def parse(document: dict[str, Any], *, owner: str = "jaydoe", **environment: str) -> ParsedHub:
    settings = some_settings(**environment) if environment else SETTINGS
    return parse_hub_request(document, settings=settings, owner=owner, now=MONDAY_MORNING)


def refused(document: dict[str, Any], **environment: str) -> dict[str, str]:
    with pytest.raises(Problem) as caught:
        parse(document, **environment)
    return {mistake.pointer: mistake.code for mistake in caught.value.errors}


# ---- defaults


def test_defaults_come_from_the_settings():
    spec = parse(
        {},
        HUBLET_REGION="westeurope",
        HUBLET_SIZE="Standard_B2s",
        HUBLET_HTTPS_DEFAULT_MODE="none",
        HUBLET_HTTPS_EMAIL="ops@example.org",
    ).spec
    assert (spec.region, spec.size, spec.https.mode, spec.https.email) == (
        "westeurope",
        "Standard_B2s",
        HttpsMode.NONE,
        "ops@example.org",
    )


@pytest.mark.parametrize("name", ["windows", "my-windows-class", "microsoft-101", "login", "login2", "xbox-lab"])
def test_names_that_azure_refuses_are_refused_before_anything_is_made(name: str):
    assert refused({"name": name}) == {"/name": "ReservedName"}


@pytest.mark.parametrize("name", ["window", "my-login", "micro-soft", "azure-notes"])
def test_names_that_only_look_reserved_are_taken(name: str):
    assert parse({"name": name}).name == name


def test_null_means_not_sent():
    document = dict.fromkeys(("name", "size", "people", "sshFrom", "https", "schedule", "tags", "users"), None)
    assert parse(document) == parse({})


def test_a_size_is_found_whatever_its_case_and_stored_as_allowed():
    assert parse({"size": "standard_d2S_V3"}).spec.size == "Standard_D2s_v3"


def test_a_named_size_wins_over_people():
    parsed = parse({"size": "Standard_D2s_v3", "people": 200})
    assert (parsed.spec.size, parsed.choice) == ("Standard_D2s_v3", None)


def test_a_schedule_without_days_is_every_day():
    schedule = parse({"schedule": {"timeZone": "Europe/Berlin", "stop": "19:00"}}).spec.schedule
    assert schedule is not None
    assert len(schedule.days) == 7


def test_end_dates_are_kept_in_utc():
    parsed = parse({"expiresAt": "2027-02-01T01:00:00+01:00"})
    assert parsed.spec.expires_at is not None
    assert parsed.spec.expires_at.isoformat() == "2027-02-01T00:00:00+00:00"


def test_an_end_date_of_this_very_moment_has_passed():
    assert refused({"expiresAt": "2026-03-02T09:30:00Z"}) == {"/expiresAt": "InThePast"}
    assert parse({"expiresAt": "2026-03-02T09:30:01Z"})


@pytest.mark.parametrize(
    ("owner", "admin_user"),
    [
        ("jaydoe", "jaydoe"),
        ("jay.doe@example.org", "jay-doe"),
        ("a-very-long-owner-name-indeed", "a-very-long-owner"),
        ("admin", "hubadmin"),
        ("root", "hubadmin"),
        ("hublet-team", "hubadmin"),
        ("7up", "hubadmin"),
        ("Übung", "bung"),
    ],
)
def test_the_admin_is_named_after_the_owner_where_that_is_possible(owner: str, admin_user: str):
    assert parse({}, owner=owner).spec.admin_user == admin_user


# ---- grammars


@pytest.mark.parametrize("name", ["a", "demo", "a-b", "a1", "a" * 30, "a--b"])
def test_good_hub_names(name: str):
    assert names.hub_name(name) is None


@pytest.mark.parametrize("name", ["", "1a", "-a", "a-", "A", "a_b", "a.b", "a" * 31, "a\n", "ä", "a b"])
def test_bad_hub_names(name: str):
    assert names.hub_name(name)


@pytest.mark.parametrize("user", sorted(names.AZURE_RESERVED))
def test_every_name_that_azure_reserves_is_refused(user: str):
    assert names.admin_user(user) or names.is_reserved_admin(user)


TOLD = {"HUBLET_SLACK_BOT_TOKEN": "xoxb-1-a", "HUBLET_TEAMS_WEBHOOKS": "physics-1=https://hooks.example.org/x"}


@pytest.mark.parametrize("channel", ["C0123456789", "G01AB23CD", "C024BE91L", "C123"])
def test_a_slack_channel_is_named_by_its_id(channel: str):
    assert parse({"notify": {"slackChannel": channel}}, **TOLD).spec.notify.slack_channel == channel


def test_a_channel_is_refused_where_nobody_may_write_into_slack():
    assert refused({"notify": {"slackChannel": "C0123456789"}}) == {"/notify/slackChannel": "InvalidValue"}


NO_CHANNELS = (
    "U2CERLKJA W012A3CDE D024BE91L #general general @everybody @jay C c0123456789 C0123456789,C0123456788 <!channel>"
)


@pytest.mark.parametrize("channel", [*NO_CHANNELS.split(), "", "C0123456789\n", "C" * 300, "\u0421024BE91L"])
def test_nobody_has_the_bot_write_to_people_or_to_what_a_name_happens_to_mean(channel: str):
    assert refused({"notify": {"slackChannel": channel}}, **TOLD) == {"/notify/slackChannel": "InvalidValue"}


@pytest.mark.parametrize("name", ["", "https://hooks.example.org/x", "../x", "Physics", "*", "a" * 41, "webhook:x"])
def test_a_teams_webhook_is_named_as_in_the_settings_and_never_by_its_address(name: str):
    assert refused({"notify": {"teamsWebhook": name}}, **TOLD) == {"/notify/teamsWebhook": "InvalidValue"}
    assert parse({"notify": {"teamsWebhook": "physics-1"}}, **TOLD).spec.notify.teams_webhook == "physics-1"


@pytest.mark.parametrize("environment", [{}, TOLD])
def test_a_teams_webhook_that_is_not_in_the_settings_is_refused(environment: dict[str, str]):
    """Nobody would ever be told of the hub, and nobody would say so."""
    assert refused({"notify": {"teamsWebhook": "staff"}}, **environment) == {"/notify/teamsWebhook": "InvalidValue"}


@pytest.mark.parametrize("name", ["cowsay", "g++", "libstdc++6", "python3.12", "nodejs=18.19.1+dfsg-6ubuntu5", "7zip"])
def test_good_apt_packages(name: str):
    assert names.apt_package(name) is None


@pytest.mark.parametrize(
    "name", ["", "a", "-f", "--yes", "sudo-", "a b", "A", "./x.deb", "x/y", "a;b", "a=", "a=-1", "$(id)", "a\n", "ü"]
)
def test_bad_apt_packages(name: str):
    assert names.apt_package(name)


@pytest.mark.parametrize(
    "name", ["pandas", "pandas>=2,<3", "scikit-learn==1.5.*", "jupyterlab[docs,test]~=4.0", "a", "zope.interface!=6"]
)
def test_good_pip_packages(name: str):
    assert names.pip_package(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "-r x",
        "--pre",
        "a b",
        "a @ https://x",
        "git+https://x",
        "./x",
        "x.whl",
        "x.tar.gz",
        "a;b",
        "a[",
        "a>",
        "a\n",
    ],
)
def test_bad_pip_packages(name: str):
    assert names.pip_package(name)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/requirements.txt",
        "https://raw.githubusercontent.com/a/b/main/r.txt?token=x",
        "https://a.example:8443/r",
    ],
)
def test_good_requirements_urls(url: str):
    assert names.requirements_url(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/r",
        "HTTPS://example.org/r",
        "ftp://example.org/r",
        "file:///etc/passwd",
        "https://",
        "https:///r",
        "https://localhost/r",
        "https://127.0.0.1/r",
        "https://0x7f.1/r",
        "https://2130706433/r",
        "https://[::1]/r",
        "https://[::1/r",
        "https://user@example.org/r",
        "https://user:pw@example.org/r",
        "https://example.org@evil.example/r",
        "https://example.org\\@evil.example/r",
        "https://example.org/a b",
        "https://example.org/\n",
        "https://example.org/r#x",
        "https://example.org:0/r",
        "https://example.org:99999/r",
        "https://exämple.org/r",
        "https://-a.example/r",
        "https://example.org/" + "r" * 2048,
    ],
)
def test_bad_requirements_urls(url: str):
    assert names.requirements_url(url)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("203.0.113.0/24", ""),
        ("203.0.113.7", ""),
        ("127.0.0.1/32", ""),
        ("10.0.0.0/8", ""),
        ("10.0.0.0/7", "CidrTooWide"),
        ("0.0.0.0/0", "CidrTooWide"),
        ("0.0.0.0/00", "CidrTooWide"),
        ("*", "CidrTooWide"),
        ("Internet", "CidrTooWide"),
        ("::/0", "CidrTooWide"),
        ("2001:db8::/32", "InvalidCidr"),
        ("::ffff:0:0/96", "InvalidCidr"),
        ("AzureCloud", "InvalidCidr"),
        ("1.2.3.4/24", "InvalidCidr"),
        ("1.2.3", "InvalidCidr"),
        ("010.0.0.0/8", "InvalidCidr"),
        ("", "InvalidCidr"),
    ],
)
def test_networks_for_ssh(text: str, code: str):
    found, value = names.network(text)
    assert found == code
    assert code or "/" in value


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"])
def test_good_time_zones(zone: str):
    assert parse({"schedule": {"timeZone": zone, "stop": "19:00"}})


@pytest.mark.parametrize(
    "zone",
    ["", "Mars/X", "../UTC", "/etc/localtime", "posix/UTC", "Europe", "W. Europe Standard Time", "UTC\n", "tzdata.zi"],
)
def test_bad_time_zones(zone: str):
    assert refused({"schedule": {"timeZone": zone, "stop": "19:00"}}) == {"/schedule/timeZone": "UnknownTimeZone"}


def test_all_mistakes_of_a_schedule_are_told_at_once():
    schedule = {"timeZone": "Mars/X", "start": "19:00", "stop": "08:00", "skip": ["2026-12-25", "2026-12-25"]}
    assert refused({"schedule": schedule}) == {
        "/schedule/timeZone": "UnknownTimeZone",
        "/schedule/stop": "StopBeforeStart",
        "/schedule/skip/1": "Duplicate",
    }


def test_the_last_day_of_a_schedule_is_a_date_in_its_own_zone():
    """At 09:30 UTC on March 2 it is still March 1 in Pago Pago, and 23:30 on March 2 in Kiritimati."""
    schedule = {"stop": "19:00", "until": "2026-03-01"}
    assert parse({"schedule": {**schedule, "timeZone": "Pacific/Pago_Pago"}})
    assert refused({"schedule": {**schedule, "timeZone": "Pacific/Kiritimati"}}) == {"/schedule/until": "InThePast"}


@pytest.mark.parametrize(
    "text", ["2026-1-1", "20260101", "2026-W10-1", "2026-02-29", "0000-01-01", "", "2026-01-01Z", "²026-01-01"]
)
def test_what_is_no_date(text: str):
    assert refused({"schedule": {"timeZone": "UTC", "stop": "19:00", "skip": [text]}}) == {
        "/schedule/skip/0": "InvalidTime"
    }


def test_the_longest_life_is_a_setting_and_the_end_date_of_those_who_name_none():
    assert parse({}).spec.expires_at is None
    named_none = parse({}, HUBLET_MAX_LIFETIME_DAYS="10").spec.expires_at
    assert named_none == MONDAY_MORNING + timedelta(days=10)
    last = parse({"expiresAt": "2026-03-12T09:30:00Z"}, HUBLET_MAX_LIFETIME_DAYS="10").spec.expires_at
    assert last == named_none


# ---- whatever is sent

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)
_NAMES = (
    "name size region people memoryPerPersonGiB adminUser sshPublicKey sshFrom osDiskGiB image https auth packages "
    "plugins users limits sharedFolder schedule idleMinutes expiresAt fallback spot notify tags other"
)
FIELDS = st.sampled_from(_NAMES.split())


@given(st.dictionaries(FIELDS, JSON_VALUES))
def test_any_document_is_a_specification_or_a_problem_of_known_codes(document: dict[str, Any]):
    try:
        parsed = parse(document)
    except Problem as problem:
        assert problem.code in CODES
        assert problem.errors
        assert {mistake.code for mistake in problem.errors} <= set(MISTAKES)
        assert all(mistake.pointer.startswith("/") for mistake in problem.errors)
    else:
        assert parsed.spec.size in SETTINGS.allowed_sizes
        assert parsed.spec.region in SETTINGS.allowed_regions


CANARY = "c4n4ry-v4lu3"


@pytest.mark.parametrize(
    "field", ["name", "size", "region", "adminUser", "sshPublicKey", "image", "expiresAt", "people"]
)
def test_a_mistake_never_quotes_the_value(field: str):
    with pytest.raises(Problem) as caught:
        parse({field: CANARY + "!"})
    assert CANARY not in json.dumps([(mistake.detail, mistake.code) for mistake in caught.value.errors])


def test_the_name_of_an_unknown_field_is_cut_and_escaped():
    assert refused({"a/b~c": 1}) == {"/a~1b~0c": "UnknownField"}
    (pointer,) = refused({"x" * 500: 1})
    assert len(pointer) == 65


def test_thousands_of_mistakes_are_not_all_told():
    with pytest.raises(Problem) as caught:
        parse({f"f{number}": 1 for number in range(3000)})
    assert len(caught.value.errors) == 100
    assert caught.value.detail.startswith("3000 things are wrong.")
