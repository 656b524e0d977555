"""PATCH /api/hubs/{name}: a merge patch of schedule, idle stop and end date."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from shared.hubs.model import Block, HubSpec, Schedule
from shared.hubs.states import HubState
from tests.component.api.client import Answer, Api
from tests.component.api.hubs import NOW, meanwhile, sent, stored, touched
from tests.support.builders import a_schedule, some_settings
from tests.support.world import World

HUB = "/api/hubs/physics"
WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
LECTURES = [{"days": ["tue"], "start": "09:00", "stop": "12:30"}, {"days": ["thu"], "start": "14:00", "stop": "18:00"}]


async def patch(api: Api, body: Any, **more: Any) -> Answer:
    return await api.send("PATCH", HUB, body, **more)


# ---- what it changes


async def test_one_field_changes_and_the_others_stay(api: Api, world: World):
    stored(world, schedule=a_schedule(), idle_minutes=60, expires_at=NOW + timedelta(days=9))
    answer = await patch(api, {"idleMinutes": 30})
    assert answer.status == 200
    spec = world.hub.spec
    assert (spec.idle_minutes, spec.schedule, spec.expires_at) == (30, a_schedule(), NOW + timedelta(days=9))
    assert answer.json["idleMinutes"] == 30
    assert answer.headers["etag"] == (await api.get(HUB)).headers["etag"]


async def test_a_new_stop_is_effective_at_once_and_the_rest_of_the_schedule_stays(api: Api, world: World):
    stored(world, schedule=a_schedule())
    answer = await patch(api, {"schedule": {"stop": "20:00"}})
    assert world.hub.spec.schedule == a_schedule(stop="20:00")
    assert answer.json["nextStop"] == {"at": "2026-03-02T19:00:00Z", "why": "schedule"}
    assert [message.hub_id for message in sent(world)] == [world.hub.id]


async def test_null_removes(api: Api, world: World):
    stored(world, schedule=a_schedule(), idle_minutes=60, expires_at=NOW + timedelta(days=9))
    answer = await patch(api, {"schedule": None, "idleMinutes": None, "expiresAt": None})
    assert [answer.json[name] for name in ("schedule", "idleMinutes", "expiresAt", "nextStop")] == [None] * 4
    spec = world.hub.spec
    assert (spec.schedule, spec.idle_minutes, spec.expires_at) == (None, None, None)


@pytest.mark.parametrize(
    ("patched", "expected"),
    [
        ({"start": None}, a_schedule(start=None)),
        ({"days": None}, a_schedule(days=tuple(WEEK))),
        ({"days": ["sat"], "timeZone": "UTC"}, a_schedule(days=("sat",), time_zone="UTC")),
        (
            {"until": "2026-07-31", "skip": ["2026-04-03"]},
            a_schedule(until=date(2026, 7, 31), skip=(date(2026, 4, 3),)),
        ),
        ({}, a_schedule()),
        (
            {"start": None, "stop": None, "days": None, "blocks": LECTURES},
            Schedule(
                time_zone="Europe/Berlin",
                blocks=(
                    Block(days=("tue",), start="09:00", stop="12:30"),
                    Block(days=("thu",), start="14:00", stop="18:00"),
                ),
            ),
        ),
    ],
)
async def test_a_schedule_is_merged(api: Api, world: World, patched: dict[str, Any], expected: Schedule):
    stored(world, schedule=a_schedule())
    answer = await patch(api, {"schedule": patched})
    assert answer.status == 200, answer.json
    assert world.hub.spec.schedule == expected


async def test_lists_are_replaced_not_merged(api: Api, world: World):
    stored(world, schedule=a_schedule(skip=(date(2026, 4, 3), date(2026, 4, 6))))
    await patch(api, {"schedule": {"skip": ["2026-05-01"]}})
    assert world.hub.spec.schedule == a_schedule(skip=(date(2026, 5, 1),))


async def test_what_is_shown_can_be_sent_back(api: Api, world: World):
    before = stored(world, schedule=a_schedule(until=date(2026, 7, 31), skip=(date(2026, 4, 3),)), idle_minutes=60)
    shown = (await api.get(HUB)).json
    answer = await patch(api, {name: shown[name] for name in ("schedule", "idleMinutes", "expiresAt")})
    assert answer.status == 200
    assert world.hub == before


async def test_a_hub_without_a_schedule_gets_one(api: Api, world: World):
    stored(world)
    answer = await patch(api, {"schedule": {"timeZone": "UTC", "blocks": LECTURES}})
    assert answer.status == 200
    assert answer.json["schedule"] == {
        "timeZone": "UTC",
        "stop": None,
        "start": None,
        "days": [],
        "blocks": LECTURES,
        "until": None,
        "skip": [],
    }
    assert answer.json["nextStop"] == {"at": "2026-03-03T12:30:00Z", "why": "schedule"}


@pytest.mark.parametrize("content_type", ["application/merge-patch+json", "application/json; charset=utf-8"])
async def test_both_media_types_are_taken(api: Api, world: World, content_type: str):
    stored(world)
    answer = await api.send("PATCH", HUB, raw=b'{"idleMinutes": 45}', headers={"content-type": content_type})
    assert (answer.status, world.hub.spec.idle_minutes) == (200, 45)


async def test_a_merge_patch_is_for_patch_only(api: Api, world: World):
    headers = {"content-type": "application/merge-patch+json"}
    assert (await api.post("/api/hubs", raw=b"{}", headers=headers)).code == "UnsupportedMediaType"
    stored(world)
    refused = await api.send("PATCH", HUB, raw=b"[]", headers={"content-type": "application/json-patch+json"})
    assert refused.code == "UnsupportedMediaType"
    assert "application/merge-patch+json" in refused.json["detail"]


@pytest.mark.parametrize("body", [None, {}])
async def test_a_patch_of_nothing_changes_nothing(api: Api, world: World, body: Any):
    before = stored(world, schedule=a_schedule())
    assert (await patch(api, body)).status == 200
    assert (world.hub, world.storage.tape.writes) == (before, [])


@pytest.mark.parametrize("state", [state for state in HubState if state not in (HubState.DELETING, HubState.DELETED)])
async def test_a_hub_can_be_changed_in_every_state(api: Api, world: World, state: HubState):
    stored(world, state)
    answer = await patch(api, {"idleMinutes": 45})
    assert (answer.status, answer.json["state"], world.hub.spec.idle_minutes) == (200, str(state), 45)


async def test_a_hub_that_is_being_deleted_is_not_changed(api: Api, world: World):
    before = stored(world, HubState.DELETING)
    answer = await patch(api, {"idleMinutes": 45})
    assert (answer.status, answer.code) == (409, "HubIsBeingDeleted")
    assert world.hub == before


# ---- what it refuses

BAD_BLOCKS = [
    {"days": ["mon"], "start": "08:00", "stop": "12:00"},
    {"days": ["mon", "tue"], "start": "11:00", "stop": "18:00"},
    {"days": ["wed"], "start": "18:00", "stop": "08:00"},
]

CASES: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    ("unknown field", {"colour": "red"}, {"/colour": "UnknownField"}),
    ("limits", {"limits": {"memory": "2G"}}, {"/limits": "NotChangeable"}),
    ("size and region", {"size": "B2", "region": "x"}, {"/size": "NotChangeable", "/region": "NotChangeable"}),
    (
        "name, owner, tags",
        {"name": "a", "owner": "b", "tags": None},
        {f"/{n}": "NotChangeable" for n in ("name", "owner", "tags")},
    ),
    ("state", {"state": "stopped"}, {"/state": "NotChangeable"}),
    ("unknown zone", {"schedule": {"timeZone": "Mars/Olympus"}}, {"/schedule/timeZone": "UnknownTimeZone"}),
    ("stop before start", {"schedule": {"stop": "08:00"}}, {"/schedule/stop": "StopBeforeStart"}),
    ("stop at the start", {"schedule": {"stop": "08:30"}}, {"/schedule/stop": "StopBeforeStart"}),
    (
        "overlapping blocks and a night",
        {"schedule": {"start": None, "stop": None, "days": None, "blocks": BAD_BLOCKS}},
        {"/schedule/blocks/1": "OverlappingBlocks", "/schedule/blocks/2/stop": "StopBeforeStart"},
    ),
    ("both forms", {"schedule": {"blocks": LECTURES}}, {"/schedule/blocks": "Contradiction"}),
    ("no time left", {"schedule": {"start": None, "stop": None}}, {"/schedule": "MissingField"}),
    ("no zone", {"schedule": {"timeZone": None}}, {"/schedule/timeZone": "MissingField"}),
    ("unknown field of a schedule", {"schedule": {"end": "19:00"}}, {"/schedule/end": "UnknownField"}),
    ("a misspelt removal", {"schedule": {"Until": None}}, {"/schedule/Until": "UnknownField"}),
    ("a schedule that is none", {"schedule": "19:00"}, {"/schedule": "WrongType"}),
    ("a time that is none", {"schedule": {"stop": "24:00"}}, {"/schedule/stop": "InvalidTime"}),
    ("a day that is none", {"schedule": {"days": ["Mon"]}}, {"/schedule/days/0": "InvalidValue"}),
    ("no days", {"schedule": {"days": []}}, {"/schedule/days": "InvalidValue"}),
    ("an end in the past", {"schedule": {"until": "2026-03-01"}}, {"/schedule/until": "InThePast"}),
    ("an end that is no date", {"schedule": {"until": "2026-02-30"}}, {"/schedule/until": "InvalidTime"}),
    ("a date of another form", {"schedule": {"skip": ["20261225"]}}, {"/schedule/skip/0": "InvalidTime"}),
    ("a date twice", {"schedule": {"skip": ["2026-12-25"] * 2}}, {"/schedule/skip/1": "Duplicate"}),
    ("too many blocks", {"schedule": {"blocks": [{"stop": "19:00"}] * 15}}, {"/schedule/blocks": "TooLong"}),
    ("too many dates", {"schedule": {"skip": ["2026-12-25"] * 401}}, {"/schedule/skip": "TooLong"}),
    ("idle too soon", {"idleMinutes": 14}, {"/idleMinutes": "OutOfRange"}),
    ("idle at once", {"idleMinutes": 0}, {"/idleMinutes": "OutOfRange"}),
    ("idle too late", {"idleMinutes": 10081}, {"/idleMinutes": "OutOfRange"}),
    ("idle in words", {"idleMinutes": "60"}, {"/idleMinutes": "WrongType"}),
    ("an end date in the past", {"expiresAt": "2026-03-02T11:30:00Z"}, {"/expiresAt": "InThePast"}),
    ("an end date that is none", {"expiresAt": "tomorrow"}, {"/expiresAt": "InvalidTime"}),
]


@pytest.mark.parametrize(("body", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
async def test_a_wrong_patch_is_refused_and_changes_nothing(api: Api, world: World, body: Any, expected: Any):
    before = stored(world, schedule=a_schedule())
    answer = await patch(api, body)
    assert (answer.status, answer.code, answer.pointers) == (400, "InvalidRequest", expected)
    assert answer.json["detail"].endswith("Nothing was changed.")
    assert (world.hub, world.storage.tape.writes) == (before, [])


async def test_everything_wrong_is_told_at_once(api: Api, world: World):
    stored(world)
    body = {
        "size": "Standard_B2s",
        "limits": None,
        "colour": 1,
        "idleMinutes": 1,
        "expiresAt": "2020-01-01T00:00:00Z",
        "schedule": {"timeZone": "Mars/Olympus", "start": "19:00", "stop": "08:00"},
    }
    assert (await patch(api, body)).pointers == {
        "/size": "NotChangeable",
        "/limits": "NotChangeable",
        "/colour": "UnknownField",
        "/idleMinutes": "OutOfRange",
        "/expiresAt": "InThePast",
        "/schedule/timeZone": "UnknownTimeZone",
        "/schedule/stop": "StopBeforeStart",
    }


async def test_what_cannot_be_changed_here_says_where_it_can(api: Api, world: World):
    stored(world)
    errors = (await patch(api, {"limits": {"memory": "2G"}, "users": ["ada"], "size": "x"})).json["errors"]
    said = {error["pointer"]: error["detail"] for error in errors}
    assert "tljh-config set limits.memory" in said["/limits"]
    assert "Admin" in said["/users"]
    assert "another hub" in said["/size"]


async def test_the_other_form_of_a_schedule_needs_the_first_one_removed_and_is_told_so(api: Api, world: World):
    stored(world, schedule=a_schedule())
    (error,) = (await patch(api, {"schedule": {"blocks": LECTURES}})).json["errors"]
    assert "null" in error["detail"]


async def test_until_is_a_date_in_the_schedules_zone(api: Api, world: World):
    stored(world, schedule=a_schedule())
    world.clock.advance_to(datetime(2026, 3, 9, 23, 30, tzinfo=UTC))  # the 10th in Berlin
    late = await patch(api, {"schedule": {"until": "2026-03-09"}})
    assert late.pointers == {"/schedule/until": "InThePast"}
    assert (await patch(api, {"schedule": {"until": "2026-03-09", "timeZone": "UTC"}})).status == 200


async def test_the_least_idle_time_is_a_setting(world: World):
    stored(world)
    own = World(settings=some_settings(HUBLET_MIN_IDLE_MINUTES="5"))
    stored(own)
    assert (await patch(Api(own), {"idleMinutes": 5})).status == 200
    assert (await patch(Api(own), {"idleMinutes": 4})).pointers == {"/idleMinutes": "OutOfRange"}


# ---- a mandatory end date


@pytest.fixture
def strict() -> World:
    """Hubs live 10 days at most here. The builders' hub was made on Monday, March 2, at 09:30 UTC."""
    return World(settings=some_settings(HUBLET_MAX_LIFETIME_DAYS="10"))


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("2026-03-12T09:30:00Z", {}),
        ("2026-03-12T09:30:01Z", {"/expiresAt": "OutOfRange"}),
        (None, {"/expiresAt": "OutOfRange"}),
        ("2026-03-02T11:00:00Z", {"/expiresAt": "InThePast"}),
    ],
)
async def test_the_longest_life_counts_from_the_hubs_creation(strict: World, end: str | None, expected: dict[str, str]):
    stored(strict)
    answer = await patch(Api(strict), {"expiresAt": end})
    assert (answer.status, answer.pointers) == (400 if expected else 200, expected)
    if "OutOfRange" in expected.values():
        assert "2026-03-12T09:30:00Z" in answer.json["errors"][0]["detail"]


async def test_a_new_hub_gets_the_latest_end_date_when_it_names_none(strict: World):
    answer = await Api(strict).post("/api/hubs", {"expiresAt": None})
    assert answer.json["expiresAt"] == "2026-03-12T09:30:00Z"
    own = await Api(strict).post("/api/hubs", {"expiresAt": "2026-03-05T00:00:00Z"})
    assert own.json["expiresAt"] == "2026-03-05T00:00:00Z"
    late = await Api(strict).post("/api/hubs", {"expiresAt": "2026-03-13T00:00:00Z"})
    assert late.pointers == {"/expiresAt": "OutOfRange"}


async def test_an_api_tokens_end_has_nothing_to_do_with_it(strict: World):
    body = {"owner": "ada", "expiresAt": "2030-01-01T00:00:00Z"}
    api = Api(strict)
    assert (await api.post("/api/tokens", body, token=api.token("root1", role="admin"))).status == 201


# ---- rivals


async def test_a_patch_with_an_old_etag_is_refused_and_shows_the_present_hub(api: Api, world: World):
    before = stored(world, idle_minutes=60)
    old = await patch(api, {"idleMinutes": 45}, headers={"If-Match": 'W/"old"'})
    assert (old.status, old.code, old.json["hub"]["idleMinutes"]) == (412, "PreconditionFailed", 60)
    assert world.hub == before
    right = await patch(api, {"idleMinutes": 45}, headers={"If-Match": old.headers["etag"]})
    assert (right.status, right.json["idleMinutes"]) == (200, 45)


async def test_a_conditional_patch_loses_against_a_rival_who_was_faster(api: Api, world: World):
    hub = stored(world, schedule=a_schedule())
    tag = (await api.get(HUB)).headers["etag"]
    rival = a_schedule(start="10:00")
    meanwhile(world, touched(world, spec=_with(hub.spec, rival)))
    answer = await patch(api, {"schedule": {"stop": "20:00"}}, headers={"If-Match": tag})
    assert (answer.status, answer.json["hub"]["schedule"]["start"]) == (412, "10:00")
    assert world.hub.spec.schedule == rival


async def test_two_patches_of_one_schedule_both_count(api: Api, world: World):
    hub = stored(world, schedule=a_schedule())
    meanwhile(world, touched(world, spec=_with(hub.spec, a_schedule(start="10:00"))))
    assert (await patch(api, {"schedule": {"stop": "20:00"}})).status == 200
    assert world.hub.spec.schedule == a_schedule(start="10:00", stop="20:00")


async def test_two_patches_that_are_right_alone_and_wrong_together_are_refused(api: Api, world: World):
    hub = stored(world, schedule=a_schedule())
    rival = a_schedule(start="18:30")
    meanwhile(world, touched(world, spec=_with(hub.spec, rival)))
    answer = await patch(api, {"schedule": {"stop": "18:00"}})
    assert answer.pointers == {"/schedule/stop": "StopBeforeStart"}
    assert world.hub.spec.schedule == rival


def _with(spec: HubSpec, schedule: Schedule) -> HubSpec:

    return replace(spec, schedule=schedule)
