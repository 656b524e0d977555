"""Reading hubs, lists, events, logs and operations; long polls; who may see what."""

import asyncio
from dataclasses import replace

import pytest

from shared.hubs.model import Condition, Machine, OperationStatus, Reason, StepName
from shared.hubs.ports import Endpoint, HubChange, IndexEntry
from shared.hubs.states import HubState
from tests.component.api.client import BASE, Api
from tests.support.builders import a_ready_hub, a_spec, an_event, an_operation
from tests.support.fake_vm import FakeReach
from tests.support.world import World


def a_stored_hub(world: World, **changes):
    hub = world.storage.hubs.seed(a_ready_hub(**{"owner": "jaydoe", **changes}))
    world.storage.index.entries[hub.id] = IndexEntry(
        hub_id=hub.id, owner=hub.owner, name=hub.name, state=str(hub.state)
    )
    return hub


# ---- one hub


async def test_a_ready_hub_shows_everything_the_contract_names(api: Api, world: World):
    hub = a_stored_hub(world)
    shown = (await api.get("/api/hubs/physics")).json
    assert {
        "name", "owner", "id", "state", "goal", "reason", "generation", "size", "region", "attempts", "fqdn", "ip",
        "url", "sshCommand", "knownHosts", "adminUser", "progress", "nextStop", "nextStart", "schedule", "idleMinutes",
        "expiresAt", "cost", "acceptance", "ssh", "conditions", "createdAt", "updatedAt", "links",
    } <= set(shown)  # fmt: skip
    assert shown["progress"] == {
        "stage": "ready",
        "percent": 100,
        "etaSeconds": 0,
        "message": "Ready: a real notebook ran on it.",
    }
    assert shown["acceptance"] == {"passedAt": "2026-03-02T09:38:00Z", "seconds": 41.5, "method": "form"}
    assert shown["ssh"] == {"port22": "closed", "closedProvenAt": "2026-03-02T09:38:00Z"}
    assert shown["cost"]["perMonthStopped"] == pytest.approx(8.47, abs=0.01)
    assert shown["links"] == {
        "self": f"{BASE}/api/hubs/physics",
        "events": f"{BASE}/api/hubs/physics/events",
        "log": f"{BASE}/api/hubs/physics/log",
        "operation": f"{BASE}/api/operations/{hub.id}.1",
    }
    assert shown["sshCommand"] is None
    assert shown["knownHosts"] == f"{hub.machine.fqdn} {hub.host_public_keys[0]}\n"


async def test_ssh_is_shown_as_openssh_takes_it_where_the_machine_really_is(api: Api, world: World):
    hub = a_stored_hub(world, spec=a_spec(ssh_from=("127.0.0.1/32",)))
    assert isinstance(world.app.reach, FakeReach)
    world.app.reach.moved[hub.machine.fqdn or "", 22] = Endpoint(address="127.77.1.4", port=20022)
    shown = (await api.get("/api/hubs/physics")).json
    assert shown["sshCommand"] == "ssh -i physics.pem -o UserKnownHostsFile=known_hosts -p 20022 jaydoe@127.77.1.4"
    assert shown["knownHosts"].startswith("[127.77.1.4]:20022 ssh-ed25519 ")


async def test_with_an_own_key_the_command_names_no_file(api: Api, world: World):
    a_stored_hub(world, spec=a_spec(ssh_from=("127.0.0.1/32",), ssh_public_key="ssh-ed25519 AAAA"))
    shown = (await api.get("/api/hubs/physics")).json
    assert shown["sshCommand"].startswith("ssh -o UserKnownHostsFile=known_hosts jaydoe@")


async def test_no_field_of_a_hub_is_a_secret(api: Api, world: World):
    from tests.support.builders import some_secrets

    hub = a_stored_hub(world)
    secrets = await world.storage.secrets.create("jaydoe", hub.id, some_secrets())
    text = (await api.get("/api/hubs/physics")).body.decode()
    for value in (secrets.owner_private_key, secrets.admin_password, secrets.admin_password_hash, secrets.hub_token):
        assert value is not None and value not in text


async def test_reason_conditions_and_failed_steps_are_shown(api: Api, world: World):
    hub = a_ready_hub(owner="jaydoe")
    reason = Reason(code="InstallFailed", message="apt was locked.", fix="Retry.")
    record = replace(hub.step(StepName.INSTALL), finished_at=None, last_error=reason, tries=2)
    a_stored_hub(
        world,
        state=HubState.FAILED,
        reason=reason,
        steps={**hub.steps, StepName.INSTALL: record},
        conditions=(Condition(type="EgressNotPinned", message="Open to Azure.", since=hub.created_at),),
        machine=Machine(),
        acceptance=None,
        price=None,
    )
    shown = (await api.get("/api/hubs/physics")).json
    assert shown["reason"] == {"code": "InstallFailed", "message": "apt was locked.", "fix": "Retry."}
    assert shown["progress"]["stage"] == "install"
    assert shown["progress"]["etaSeconds"] is None
    assert shown["conditions"][0]["type"] == "EgressNotPinned"
    install = next(stage for stage in shown["stages"] if stage["name"] == "install")
    assert (install["status"], install["tries"], install["lastError"]["code"]) == ("failed", 2, "InstallFailed")
    assert (shown["cost"], shown["acceptance"], shown["knownHosts"]) == (None, None, None)


async def test_a_hub_is_found_by_its_id_too(api: Api, world: World):
    hub = a_stored_hub(world)
    assert (await api.get(f"/api/hubs/{hub.id}")).json["id"] == hub.id


async def test_unknown_and_foreign_hubs_answer_alike(api: Api, world: World):
    hub = a_stored_hub(world)
    for method, tail in [
        ("GET", ""),
        ("DELETE", ""),
        ("GET", "/events"),
        ("GET", "/log"),
        ("POST", "/ssh-key"),
        ("POST", "/admin-password"),
    ]:
        foreign = await api.send(method, f"/api/hubs/{hub.id}{tail}", owner="mallory")
        absent = await api.send(method, f"/api/hubs/physics-zz2zz3{tail}", owner="mallory")
        by_name = await api.send(method, f"/api/hubs/physics{tail}", owner="mallory")
        assert {foreign.status, absent.status, by_name.status} == {404}
        assert foreign.code == absent.code == "HubNotFound"
        same = [
            {k: v for k, v in answer.json.items() if k not in ("requestId", "instance")} for answer in (foreign, absent)
        ]
        assert same[0]["detail"].replace(hub.id, "X") == same[1]["detail"].replace("physics-zz2zz3", "X")
    assert world.storage.tape.writes == []


@pytest.mark.parametrize("name", ["%2E%2E", "Demo", "a" * 60, "a'b", "<script>", "hub!x", "a%00b"])
async def test_what_cannot_be_a_name_is_a_missing_hub(api: Api, name: str):
    answer = await api.get(f"/api/hubs/{name}")
    assert (answer.status, answer.code) == (404, "HubNotFound")
    assert "<script>" not in answer.json["detail"]


async def test_admins_reach_any_hub_by_id_and_get_links_that_work_for_them(api: Api, world: World):
    hub = a_stored_hub(world)
    shown = await api.get(f"/api/hubs/{hub.id}", owner="admin")
    assert shown.status == 200
    assert shown.json["links"]["self"] == f"{BASE}/api/hubs/{hub.id}"
    assert (await api.get("/api/hubs/physics", owner="admin")).status == 404


# ---- ETags and long polls


async def test_an_unchanged_hub_is_304_without_a_body(api: Api, world: World):
    a_stored_hub(world)
    tag = (await api.get("/api/hubs/physics")).headers["etag"]
    again = await api.get("/api/hubs/physics", headers={"If-None-Match": f'"other", {tag}'})
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == tag


async def test_computed_fields_do_not_change_the_etag(api: Api, world: World):
    a_stored_hub(world)
    tag = (await api.get("/api/hubs/physics")).headers["etag"]
    world.clock.advance(600)
    assert (await api.get("/api/hubs/physics")).headers["etag"] == tag


async def test_a_wait_answers_at_the_next_change(api: Api, world: World):
    hub = a_stored_hub(world)

    async def third_second() -> None:
        if api.sleeps == 3:
            await world.app.hubs.commit(HubChange(hub=replace(hub, state=HubState.FAILED)))

    api.while_waiting.append(third_second)
    answer = await api.get("/api/hubs/physics", headers={"Prefer": "wait=25"})
    assert answer.status == 200
    assert answer.json["state"] == "failed"
    assert answer.headers["preference-applied"] == "wait=25"
    assert api.sleeps == 3


async def test_a_wait_with_the_present_etag_ends_in_304_when_nothing_happens(api: Api, world: World):
    a_stored_hub(world)
    tag = (await api.get("/api/hubs/physics")).headers["etag"]
    answer = await api.get("/api/hubs/physics", headers={"Prefer": "wait=5", "If-None-Match": tag})
    assert (answer.status, api.sleeps) == (304, 5)


async def test_a_wait_without_an_etag_ends_in_the_present_state(api: Api, world: World):
    a_stored_hub(world)
    answer = await api.get("/api/hubs/physics", headers={"Prefer": "wait=5"})
    assert (answer.status, api.sleeps) == (200, 5)


async def test_a_wait_with_an_old_etag_answers_at_once(api: Api, world: World):
    a_stored_hub(world)
    answer = await api.get("/api/hubs/physics", headers={"Prefer": "wait=5", "If-None-Match": 'W/"old"'})
    assert (answer.status, api.sleeps) == (200, 0)


async def test_a_wait_never_exceeds_25_seconds(api: Api, world: World):
    a_stored_hub(world)
    answer = await api.get("/api/hubs/physics", headers={"Prefer": "wait=3600"})
    assert (api.sleeps, answer.headers["preference-applied"]) == (25, "wait=25")


async def test_a_wait_for_a_hub_that_goes_away_is_404(api: Api, world: World):
    hub = a_stored_hub(world)
    api.while_waiting.append(lambda: world.storage.hubs.hubs.clear())
    answer = await api.get("/api/hubs/physics", headers={"Prefer": "wait=5"})
    assert (answer.status, answer.code) == (404, "HubNotFound")
    assert hub.name in answer.json["detail"]


async def test_more_waits_than_allowed_are_answered_at_once(world: World):
    api = Api(world, max_waits=2)
    a_stored_hub(world)
    release = asyncio.Event()

    async def held() -> None:
        await release.wait()

    api.while_waiting.append(held)
    waiting = [asyncio.create_task(api.get("/api/hubs/physics", headers={"Prefer": "wait=1"})) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    refused = await api.get("/api/hubs/physics", headers={"Prefer": "wait=1"})
    release.set()
    assert "preference-applied" not in refused.headers
    assert [answer.headers["preference-applied"] for answer in await asyncio.gather(*waiting)] == ["wait=1"] * 2


# ---- lists


async def test_a_list_holds_own_hubs_only_in_order(api: Api, world: World):
    for name in ("zoo", "art"):
        a_stored_hub(world, name=name)
    a_stored_hub(world, name="other", owner="ada")
    answer = await api.get("/api/hubs")
    assert [hub["name"] for hub in answer.json["value"]] == ["art", "zoo"]
    assert answer.json["nextLink"] is None


async def test_pages_follow_each_other_by_their_links(api: Api, world: World):
    for number in range(5):
        a_stored_hub(world, name=f"h{number}")
    names, link = [], "/api/hubs?top=2"
    while link:
        page = (await api.get(link)).json
        names += [hub["name"] for hub in page["value"]]
        link = (page["nextLink"] or "").removeprefix(BASE)
    assert names == [f"h{number}" for number in range(5)]


async def test_a_list_can_be_of_one_state(api: Api, world: World):
    a_stored_hub(world, name="good")
    a_stored_hub(world, name="bad", state=HubState.FAILED)
    answer = await api.get("/api/hubs?state=failed")
    assert [hub["name"] for hub in answer.json["value"]] == ["bad"]


async def test_an_unchanged_list_is_304(api: Api, world: World):
    a_stored_hub(world)
    tag = (await api.get("/api/hubs")).headers["etag"]
    assert (await api.get("/api/hubs", headers={"If-None-Match": tag})).status == 304
    a_stored_hub(world, name="another")
    assert (await api.get("/api/hubs", headers={"If-None-Match": tag})).status == 200


async def test_admins_list_everybody_or_one_owner(api: Api, world: World):
    a_stored_hub(world, name="one")
    a_stored_hub(world, name="two", owner="ada")
    everybody = await api.get("/api/hubs?owner=*", owner="admin")
    assert [(hub["owner"], hub["name"]) for hub in everybody.json["value"]] == [("ada", "two"), ("jaydoe", "one")]
    one = await api.get("/api/hubs?owner=ada", owner="admin")
    assert [hub["name"] for hub in one.json["value"]] == ["two"]
    refused = await api.get("/api/hubs?owner=ada")
    assert (refused.status, refused.code) == (403, "Forbidden")


@pytest.mark.parametrize(
    "query", ["top=0", "top=501", "top=x", "top=-1", "skipToken=%21", "state=nice", "skipToken=e30"]
)
async def test_a_wrong_parameter_is_named(api: Api, query: str):
    answer = await api.get(f"/api/hubs?{query}")
    assert (answer.status, answer.code) == (400, "InvalidParameter")
    assert list(answer.pointers) == [f"?{query.partition('=')[0]}"]


# ---- events, log


async def test_events_tell_who_what_and_why_oldest_first(api: Api, world: World):
    hub = a_stored_hub(world)
    cause = Reason(code="X", message="because")
    world.storage.hubs.history["jaydoe", hub.id] = {
        1: an_event(1),
        2: an_event(2, actor="hublet", from_state="accepted", to_state="failed", cause=cause),
    }
    page = (await api.get("/api/hubs/physics/events")).json
    assert [event["seq"] for event in page["value"]] == [1, 2]
    assert page["value"][1] == {
        "seq": 2,
        "at": "2026-03-02T09:30:00Z",
        "actor": "hublet",
        "kind": "state",
        "message": "The request was accepted and queued.",
        "from": "accepted",
        "to": "failed",
        "step": None,
        "cause": {"code": "X", "message": "because", "fix": ""},
    }
    first = (await api.get("/api/hubs/physics/events?top=1")).json
    second = (await api.get(first["nextLink"].removeprefix(BASE))).json
    assert [event["seq"] for event in first["value"] + second["value"]] == [1, 2]


async def test_the_log_is_plain_text_from_an_offset_on(api: Api, world: World):
    hub = a_stored_hub(world)
    await world.storage.logs.append(hub.id, 0, b"Setting up\nDone!\n")
    whole = await api.get("/api/hubs/physics/log")
    assert whole.body == b"Setting up\nDone!\n"
    assert whole.headers["content-type"] == "text/plain; charset=utf-8"
    assert whole.headers["x-content-type-options"] == "nosniff"
    assert whole.headers["next-offset"] == "17"
    rest = await api.get("/api/hubs/physics/log?offset=11")
    assert rest.body == b"Done!\n"
    end = await api.get("/api/hubs/physics/log?offset=17")
    assert (end.body, end.headers["next-offset"]) == (b"", "17")


async def test_a_log_cannot_drive_the_readers_terminal(api: Api, world: World):
    hub = a_stored_hub(world)
    await world.storage.logs.append(hub.id, 0, b"\x1b]0;pwned\x07ok\r\n\xff\n")
    answer = await api.get("/api/hubs/physics/log")
    assert answer.body.decode() == "\\u001b]0;pwned\\u0007ok\n\ufffd\n"


async def test_waiting_for_the_log_answers_when_it_has_grown(api: Api, world: World):
    hub = a_stored_hub(world)

    async def grows() -> None:
        if api.sleeps == 2:
            await world.storage.logs.append(hub.id, 0, b"more\n")

    api.while_waiting.append(grows)
    answer = await api.get("/api/hubs/physics/log?offset=0", headers={"Prefer": "wait=20"})
    assert (answer.body, api.sleeps) == (b"more\n", 2)
    assert answer.headers["preference-applied"] == "wait=20"


@pytest.mark.parametrize("offset", ["-1", "x", "1.5", "9999999999999999999"])
async def test_a_wrong_offset_is_refused(api: Api, world: World, offset: str):
    a_stored_hub(world)
    assert (await api.get(f"/api/hubs/physics/log?offset={offset}")).code == "InvalidParameter"


# ---- operations


async def test_an_operation_shows_its_stages_until_it_has_ended(api: Api, world: World):
    created = await api.post("/api/hubs", {"name": "demo"})
    path = created.headers["operation-location"].removeprefix(BASE)
    running = await api.get(path)
    assert running.status == 200
    assert running.json["status"] == "NotStarted"
    assert running.json["resource"] == f"{BASE}/api/hubs/demo"
    assert [stage["name"] for stage in running.json["stages"]][:2] == ["group", "network"]
    assert int(running.headers["retry-after"]) >= 1
    hub = world.storage.hubs.only_hub()
    world.storage.hubs.operations["jaydoe", hub.id, 1] = an_operation(
        hub_id=hub.id, hub_name="demo", owner="jaydoe", status=OperationStatus.SUCCEEDED, ended_at=world.clock.now()
    )
    ended = await api.get(path)
    assert (ended.json["percent"], ended.json["etaSeconds"]) == (100, 0)
    assert "retry-after" not in ended.headers


async def test_an_operation_of_another_owner_is_missing(api: Api):
    created = await api.post("/api/hubs", {"name": "demo"})
    path = created.headers["operation-location"].removeprefix(BASE)
    answer = await api.get(path, owner="mallory")
    assert (answer.status, answer.code) == (404, "OperationNotFound")


@pytest.mark.parametrize("operation_id", ["x", "demo-abcdef", "demo-abcdef.0", "demo-abcdef.1.2", "..%2Fx.1"])
async def test_what_is_no_operation_id_is_missing(api: Api, operation_id: str):
    assert (await api.get(f"/api/operations/{operation_id}")).code == "OperationNotFound"
