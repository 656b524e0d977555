"""Stop, start, restart, retry, extend and delete: what each answers in every state, and that it can be repeated."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.api import openapi
from shared.api.problems import CODES
from shared.api.routes import ROUTES
from shared.hubs.model import PROVISION, Machine, Operation, OperationStatus, StepName, StepRecord
from shared.hubs.ports import HubChange
from shared.hubs.states import Goal, HubState
from tests.component.api.client import BASE, Answer, Api
from tests.component.api.hubs import NOW, a_hub_in, meanwhile, sent, stored, touched
from tests.support.builders import a_schedule, a_spec, some_settings
from tests.support.world import World

S = HubState
HUB = "/api/hubs/physics"
COMMANDS = ("stop", "start", "restart", "retry", "extend", "delete")

MADE, FAILED, NOT_FAILED, OFF, GOING = (
    "HubIsBeingMade",
    "HubHasFailed",
    "HubHasNotFailed",
    "HubIsStopped",
    "HubIsBeingDeleted",
)

EXPECTED: dict[HubState, tuple[str, ...]] = {
    # what each command leads to, in the order of COMMANDS: the state after it, or the code of the refusal
    S.ACCEPTED: (MADE, "accepted", MADE, NOT_FAILED, MADE, "deleting"),
    S.PROVISIONING: (MADE, "provisioning", MADE, NOT_FAILED, MADE, "deleting"),
    S.INSTALLING: (MADE, "installing", MADE, NOT_FAILED, MADE, "deleting"),
    S.VERIFYING: (MADE, "verifying", MADE, NOT_FAILED, MADE, "deleting"),
    S.READY: ("stopping", "ready", "starting", NOT_FAILED, "ready", "deleting"),
    S.STOPPING: ("stopping", "starting", "starting", NOT_FAILED, OFF, "deleting"),
    S.STOPPED: ("stopped", "starting", "starting", NOT_FAILED, OFF, "deleting"),
    S.STARTING: ("stopping", "starting", "starting", NOT_FAILED, OFF, "deleting"),
    S.FAILED: (FAILED, FAILED, FAILED, "provisioning", FAILED, "deleting"),
    S.DELETING: (GOING, GOING, GOING, GOING, GOING, "deleting"),
}

CASES = [
    pytest.param(state, command, outcome, id=f"{command}-{state}")
    for state, outcomes in EXPECTED.items()
    for command, outcome in zip(COMMANDS, outcomes, strict=True)
]


async def send(api: Api, command: str, **more: object) -> Answer:
    if command == "delete":
        return await api.delete(HUB, **more)
    return await api.post(f"{HUB}/{command}", {"hours": 2} if command == "extend" else None, **more)


def test_every_state_has_a_row():
    assert set(EXPECTED) == set(HubState) - {HubState.DELETED}


@pytest.mark.parametrize(("state", "command", "outcome"), CASES)
async def test_each_command_in_each_state(api: Api, world: World, state: HubState, command: str, outcome: str):
    before = stored(world, state, schedule=a_schedule())
    answer = await send(api, command)
    after = world.hub
    if outcome in CODES:
        assert (answer.status, answer.code) == (409, outcome)
        assert answer.json["retryable"] == ("retry-after" in answer.headers)
        assert (after, world.storage.queue.sent) == (before, [])
        route = next(route for route in ROUTES if route.name == f"hub_{command}")
        assert outcome in openapi.codes_of(route)
        return
    assert answer.status == (200 if command == "extend" else 202)
    assert (answer.json["state"], after.state) == (outcome, outcome)
    assert answer.headers["etag"]
    if outcome == state and command != "extend":  # it is as asked already
        assert (after, world.storage.queue.sent) == (before, [])
    else:
        assert after.pass_number != before.pass_number or after.generation == before.generation + 1
        assert [message.generation for message in sent(world)] == [after.generation]
    if command != "extend":
        assert answer.headers["location"] == f"{BASE}{HUB}"
        assert answer.headers["operation-location"] == f"{BASE}/api/operations/{after.operation_id}"
        assert int(answer.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("command", "state", "kind", "stage"),
    [
        ("stop", S.READY, "stop", "stopping"),
        ("start", S.STOPPED, "start", "starting"),
        ("restart", S.READY, "restart", "starting"),
        ("retry", S.FAILED, "retry", "clearing"),
        ("delete", S.READY, "delete", "deleting"),
    ],
)
async def test_the_operation_of_a_command_can_be_polled_to_its_end(
    api: Api, world: World, command: str, state: HubState, kind: str, stage: str
):
    stored(world, state)
    path = (await send(api, command)).headers["operation-location"].removeprefix(BASE)
    running = (await api.get(path)).json
    assert (running["kind"], running["status"], running["stage"]) == (kind, "Running", stage)
    assert (running["resource"], running["percent"]) == (f"{BASE}{HUB}", 0)
    assert running["etaSeconds"] >= 5
    hub = world.hub
    key = hub.owner, hub.id, hub.generation
    ended = replace(world.storage.hubs.operations[key], status=OperationStatus.SUCCEEDED, ended_at=NOW)
    world.storage.hubs.operations[key] = ended
    answer = await api.get(path)
    assert (answer.json["status"], answer.json["percent"], answer.json["etaSeconds"]) == ("Succeeded", 100, 0)
    assert "retry-after" not in answer.headers


# ---- one after the other


async def test_a_second_stop_is_the_first_one(api: Api, world: World):
    stored(world)
    first, second = await send(api, "stop"), await send(api, "stop")
    assert (first.status, second.status) == (202, 202)
    assert first.headers["operation-location"] == second.headers["operation-location"]
    assert world.hub.generation == 2


async def test_a_stop_while_it_starts_wins_and_the_start_is_canceled(api: Api, world: World):
    stored(world, S.STOPPED)
    started = await send(api, "start")
    stopped = await send(api, "stop")
    assert (stopped.json["state"], stopped.json["goal"], stopped.json["generation"]) == ("stopping", "stopped", 4)
    old = (await api.get(started.headers["operation-location"].removeprefix(BASE))).json
    assert (old["status"], old["error"]["code"]) == ("Canceled", "Superseded")


async def test_a_start_while_it_stops_wins_and_the_stop_is_canceled(api: Api, world: World):
    stored(world)
    stopped = await send(api, "stop")
    started = await send(api, "start")
    assert (started.json["state"], started.json["goal"]) == ("starting", "running")
    assert started.json["stopReason"] is None
    old = (await api.get(stopped.headers["operation-location"].removeprefix(BASE))).json
    assert (old["status"], old["error"]["code"]) == ("Canceled", "Superseded")


async def test_a_start_while_it_is_deleted_is_refused_and_changes_nothing(api: Api, world: World):
    stored(world)
    await send(api, "delete")
    answer = await send(api, "start")
    assert (answer.status, answer.code) == (409, GOING)
    assert world.hub.goal is Goal.DELETED


async def test_the_history_names_who_asked(api: Api, world: World):
    stored(world)
    await send(api, "stop")
    events = (await api.get(f"{HUB}/events")).json["value"]
    assert [(event["actor"], event["from"], event["to"]) for event in events] == [("jaydoe", "ready", "stopping")]


async def test_a_hub_that_is_gone_cannot_be_asked_for_anything(api: Api, world: World):
    hub = stored(world, S.STOPPED)
    await world.app.hubs.bury(HubChange(hub=replace(hub, state=S.DELETED, goal=Goal.DELETED)))
    path = f"/api/hubs/{hub.id}"
    assert (await api.get(path)).status == 200
    for answer in (await api.post(f"{path}/start"), await api.send("PATCH", path, {"idleMinutes": 60})):
        assert (answer.status, answer.code) == (404, "HubNotFound")
        assert "gone" in answer.json["detail"]


async def test_who_asks_too_early_is_sent_away_as_long_as_the_stage_takes_to_change(api: Api, world: World):
    done = StepRecord(name=StepName.BOOT, started_at=NOW, finished_at=NOW)
    before_install = {name: replace(done, name=name) for name in PROVISION[: PROVISION.index(StepName.INSTALL)]}
    stored(world, S.INSTALLING, steps=before_install)
    assert int((await send(api, "stop")).headers["retry-after"]) >= 15


# ---- what is in the way of a start


async def test_a_hub_past_its_end_date_is_not_started(api: Api, world: World):
    stored(world, S.STOPPED, expires_at=NOW - timedelta(days=1))
    answer = await send(api, "start")
    assert (answer.status, answer.code) == (409, "HubHasExpired")
    assert "expiresAt" in answer.json["fix"]


async def test_a_hub_whose_machine_was_deleted_is_not_started(api: Api, world: World):
    stored(world, S.STOPPED, machine=Machine(missing_since=NOW))
    answer = await send(api, "start")
    assert (answer.status, answer.code) == (409, "MachineGone")


@pytest.mark.parametrize("path", ["/api/hubs", "/api/hubs?validateOnly=true", f"{HUB}/start"])
async def test_a_spent_budget_refuses_creates_and_starts(path: str):
    world = World(settings=some_settings(HUBLET_MONTHLY_BUDGET="10"))
    hub = stored(world, S.STOPPED)
    world.storage.hubs.quotas["jaydoe"] = replace(world.storage.hubs.quotas["jaydoe"], spent={"2026-03": 10.5})
    answer = await Api(world).post(path)
    assert (answer.status, answer.code) == (409, "BudgetExceeded")
    assert answer.json["retryable"] is False
    assert world.hub == hub


# ---- the body


@pytest.mark.parametrize("command", ["stop", "start", "restart", "retry"])
async def test_a_command_takes_an_empty_object_and_nothing_else(api: Api, world: World, command: str):
    stored(world, S.FAILED if command == "retry" else S.STOPPED)
    wrong = await api.post(f"{HUB}/{command}", {"force": True})
    assert (wrong.status, wrong.code, wrong.pointers) == (400, "InvalidRequest", {"/force": "UnknownField"})
    assert wrong.json["detail"].endswith("Nothing was changed.")
    assert world.storage.queue.sent == []
    assert (await api.post(f"{HUB}/{command}", {})).status == 202


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"/hours": "MissingField"}),
        ({"hours": None}, {"/hours": "MissingField"}),
        ({"hours": 2, "skipNextStop": True}, {"/skipNextStop": "Contradiction"}),
        ({"hours": 0.2}, {"/hours": "OutOfRange"}),
        ({"hours": 168.1}, {"/hours": "OutOfRange"}),
        ({"hours": "2"}, {"/hours": "WrongType"}),
        ({"hours": True}, {"/hours": "WrongType"}),
        ({"skipNextStop": False}, {"/skipNextStop": "InvalidValue"}),
        ({"skipNextStop": 1}, {"/skipNextStop": "WrongType"}),
        ({"hours": 0, "minutes": 3}, {"/hours": "OutOfRange", "/minutes": "UnknownField"}),
    ],
)
async def test_an_extend_that_says_something_else_is_refused(
    api: Api, world: World, body: dict[str, Any], expected: dict[str, str]
):
    before = stored(world, schedule=a_schedule())
    answer = await api.post(f"{HUB}/extend", body)
    assert (answer.status, answer.code, answer.pointers) == (400, "InvalidRequest", expected)
    assert world.hub == before


# ---- extend


async def test_extend_moves_the_next_stop_and_says_so(api: Api, world: World):
    stored(world, schedule=a_schedule())
    shown = (await api.get(HUB)).json
    assert shown["nextStop"] == {"at": "2026-03-02T18:00:00Z", "why": "schedule"}
    answer = await api.post(f"{HUB}/extend", {"hours": 1.5})
    assert answer.json["nextStop"] == {"at": "2026-03-02T19:30:00Z", "why": "extended"}
    assert (await api.get(HUB)).headers["etag"] == answer.headers["etag"]
    again = await api.post(f"{HUB}/extend", {"hours": 1})
    assert again.json["nextStop"] == {"at": "2026-03-02T20:30:00Z", "why": "extended"}


async def test_extend_too_far_is_refused_with_the_limit(api: Api, world: World):
    stored(world, schedule=a_schedule())
    answer = await api.post(f"{HUB}/extend", {"hours": 18})
    assert (answer.status, answer.code) == (409, "ExtendedTooFar")
    assert "24 hours" in answer.json["fix"]


@pytest.mark.parametrize("end", [None, NOW + timedelta(hours=3)], ids=["nothing stops it", "its end date does"])
async def test_extend_where_there_is_no_stop_to_move(api: Api, world: World, end):
    stored(world, expires_at=end)
    answer = await api.post(f"{HUB}/extend", {"hours": 1})
    assert (answer.status, answer.code) == (409, "NothingToExtend")


async def test_skip_calls_one_stop_off_and_twice_is_once(api: Api, world: World):
    stored(world, schedule=a_schedule())
    for _ in range(2):
        answer = await api.post(f"{HUB}/extend", {"skipNextStop": True})
        assert answer.status == 200
        assert answer.json["nextStop"] == {"at": "2026-03-03T18:00:00Z", "why": "schedule"}


async def test_skip_without_a_schedule_is_refused(api: Api, world: World):
    stored(world)
    assert (await api.post(f"{HUB}/extend", {"skipNextStop": True})).code == "NothingToExtend"


# ---- the same again

KEY = {"Idempotency-Key": "k-1"}


async def test_a_repeated_extend_moves_the_stop_once(api: Api, world: World):
    stored(world, schedule=a_schedule())
    first = await api.post(f"{HUB}/extend", {"hours": 2}, headers=KEY)
    second = await api.post(f"{HUB}/extend", {"hours": 2}, headers=KEY)
    assert "idempotent-replayed" not in first.headers
    assert (second.status, second.headers["idempotent-replayed"]) == (200, "true")
    assert first.json["nextStop"] == second.json["nextStop"] == {"at": "2026-03-02T20:00:00Z", "why": "extended"}


async def test_a_repeated_stop_gives_the_first_ones_operation_though_the_hub_was_started_since(api: Api, world: World):
    stored(world)
    first = await send(api, "stop", headers=KEY)
    await send(api, "start")
    again = await send(api, "stop", headers=KEY)
    assert (again.status, again.headers["idempotent-replayed"]) == (202, "true")
    assert again.headers["operation-location"] == first.headers["operation-location"]
    assert world.hub.state is S.STARTING


async def test_the_key_with_another_body_is_refused(api: Api, world: World):
    stored(world, schedule=a_schedule())
    await api.post(f"{HUB}/extend", {"hours": 2}, headers=KEY)
    before = world.hub
    answer = await api.post(f"{HUB}/extend", {"hours": 3}, headers=KEY)
    assert (answer.status, answer.code) == (422, "IdempotencyKeyReused")
    assert world.hub == before


async def test_one_key_on_two_routes_or_two_hubs_is_two_requests(api: Api, world: World):
    stored(world, schedule=a_schedule())
    stored(world, name="art", schedule=a_schedule())
    answers = [
        await api.post(f"{HUB}/extend", {"hours": 2}, headers=KEY),
        await api.post("/api/hubs/art/extend", {"hours": 2}, headers=KEY),
        await api.post(f"{HUB}/stop", headers=KEY),
    ]
    assert [answer.status for answer in answers] == [200, 200, 202]
    assert not [answer for answer in answers if "idempotent-replayed" in answer.headers]


async def test_a_refused_request_is_not_remembered(api: Api, world: World):
    hub = stored(world, S.INSTALLING)
    assert (await send(api, "stop", headers=KEY)).code == MADE
    world.storage.hubs.seed(replace(a_hub_in(S.READY), id=hub.id))
    answer = await send(api, "stop", headers=KEY)
    assert (answer.status, "idempotent-replayed" in answer.headers) == (202, False)


# ---- If-Match


@pytest.mark.parametrize("command", ["stop", "restart", "extend", "delete"])
async def test_a_command_with_an_old_etag_is_refused_and_shows_the_present_hub(api: Api, world: World, command: str):
    before = stored(world, schedule=a_schedule())
    old = await send(api, command, headers={"If-Match": 'W/"old"'})
    assert (old.status, old.code) == (412, "PreconditionFailed")
    assert (old.json["hub"]["id"], old.json["hub"]["nextStop"]["why"]) == (before.id, "schedule")
    assert world.hub == before
    right = await send(api, command, headers={"If-Match": old.headers["etag"]})
    assert right.status in (200, 202)


async def test_a_hub_that_changes_under_a_conditional_request_is_412(api: Api, world: World):
    stored(world)
    tag = (await api.get(HUB)).headers["etag"]
    meanwhile(world, touched(world, pass_number=99))
    answer = await send(api, "stop", headers={"If-Match": tag})
    assert (answer.status, answer.code) == (412, "PreconditionFailed")
    assert answer.headers["etag"] == (await api.get(HUB)).headers["etag"] != tag
    assert world.hub.state is S.READY


async def test_a_hub_that_changes_under_an_unconditional_request_is_decided_again(api: Api, world: World):
    stored(world)
    meanwhile(world, touched(world, pass_number=99))
    assert (await send(api, "stop")).status == 202
    assert world.hub.state is S.STOPPING


# ---- who asks


@pytest.mark.parametrize(
    ("method", "tail"),
    [
        *(("POST", f"/{command}") for command in COMMANDS if command != "delete"),
        ("PATCH", ""),
        ("GET", "/cost"),
    ],
)
async def test_a_foreign_hub_answers_like_a_missing_one(api: Api, world: World, method: str, tail: str):
    hub = stored(world, schedule=a_schedule())
    body = {"hours": 1} if tail == "/extend" else None
    for path in (hub.id, "physics", "nothing"):
        answer = await api.send(method, f"/api/hubs/{path}{tail}", body, owner="mallory")
        assert (answer.status, answer.code) == (404, "HubNotFound")
        assert answer.json["detail"].replace(path, "X") == "There is no hub 'X' that you may see."
    assert world.hub == hub


async def test_an_admin_stops_anybodys_hub_by_its_id(api: Api, world: World):
    hub = stored(world)
    answer = await api.post(f"/api/hubs/{hub.id}/stop", owner="admin")
    assert answer.status == 202
    assert answer.headers["location"] == f"{BASE}/api/hubs/{hub.id}"
    operation: Operation = world.operation()
    assert (operation.owner, operation.kind) == ("jaydoe", "stop")


# ---- cost


async def test_the_cost_of_a_hub_has_its_parts(api: Api, world: World):
    stored(world)
    answer = await api.get(f"{HUB}/cost")
    assert answer.status == 200
    assert {"soFar", "perHourNow", "perMonthIfLeftOn", "perMonthStopped", "parts", "method", "asOf"} <= set(answer.json)
    assert set(answer.json["parts"]) == {"vm", "disk", "ip"}


# ---- what is shown


async def test_a_hub_that_stops_shows_why_how_far_and_when_it_comes_back(api: Api, world: World):
    stored(world, schedule=a_schedule())
    shown = (await send(api, "stop")).json
    assert (shown["stopReason"], shown["goal"], shown["nextStop"]) == ("asked for", "stopped", None)
    assert shown["nextStart"] == "2026-03-03T07:30:00Z"
    assert shown["progress"]["stage"] == "stopping"
    assert 5 <= shown["progress"]["etaSeconds"] <= 40


@pytest.mark.parametrize(
    ("state", "works"), [(S.READY, True), (S.STARTING, True), (S.STOPPING, False), (S.STOPPED, False)]
)
async def test_a_hub_that_is_off_shows_no_ssh_command_but_keeps_its_host_key(
    api: Api, world: World, state: HubState, works: bool
):
    stored(world, state, ssh_from=("203.0.113.0/24",))
    shown = (await api.get(HUB)).json
    assert (shown["sshCommand"] is not None) == works
    assert "ssh-ed25519" in shown["knownHosts"]
    assert shown["url"]


async def test_a_hub_that_is_being_made_has_nothing_ahead(api: Api, world: World):
    stored(world, S.INSTALLING, schedule=a_schedule())
    shown = (await api.get(HUB)).json
    assert (shown["nextStop"], shown["nextStart"]) == (None, None)
    assert shown["schedule"]["stop"] == "19:00"


async def test_a_machine_that_is_gone_is_not_started_by_the_schedule_and_no_start_is_shown(api: Api, world: World):
    stored(world, S.STOPPED, schedule=a_schedule(), machine=Machine(missing_since=NOW))
    assert (await api.get(HUB)).json["nextStart"] is None


async def test_the_size_is_the_real_one_and_the_one_asked_for_stands_beside_it(api: Api, world: World):
    stored(world, S.STOPPED, spec=a_spec(size="Standard_D2s_v3"), machine=Machine(size="Standard_D2as_v5"))
    shown = (await api.get(HUB)).json
    assert (shown["size"], shown["requestedSize"]) == ("Standard_D2as_v5", "Standard_D2s_v3")


async def test_time_alone_does_not_change_the_etag_of_a_hub_with_a_schedule(api: Api, world: World):
    stored(world, schedule=a_schedule())
    first = await api.get(HUB)
    world.clock.advance(timedelta(hours=30))
    second = await api.get(HUB)
    assert first.headers["etag"] == second.headers["etag"]
    assert first.json["nextStop"] != second.json["nextStop"]


async def test_a_wait_returns_when_the_hub_is_stopped(api: Api, world: World):
    stored(world, S.STOPPING)
    api.while_waiting.append(lambda: touched(world, state=S.STOPPED)() if api.sleeps == 2 else None)
    answer = await api.get(HUB, headers={"Prefer": "wait=25"})
    assert (answer.json["state"], api.sleeps) == ("stopped", 2)
    assert answer.json["progress"]["percent"] == 100


@pytest.mark.parametrize("state", [S.STOPPING, S.STOPPED, S.STARTING])
async def test_hubs_can_be_listed_by_their_new_states(api: Api, world: World, state: HubState):
    stored(world, state)
    stored(world, name="other")
    assert [hub["name"] for hub in (await api.get(f"/api/hubs?state={state}")).json["value"]] == ["physics"]
