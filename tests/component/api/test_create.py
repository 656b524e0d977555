"""POST /api/hubs: what is accepted, what it answers, and that it can be sent twice."""

import asyncio
from datetime import timedelta

import pytest

from shared.errors import RetryableError
from shared.hubs.states import Goal, HubState
from tests.component.api.client import BASE, Api
from tests.support.fake_chance import ed25519_pair
from tests.support.world import World

FULL = {
    "name": "jaydoe-tljh",
    "size": "Standard_D2s_v3",
    "region": "eastus",
    "people": 12,
    "memoryPerPersonGiB": 1,
    "adminUser": "jaydoe",
    "sshPublicKey": ed25519_pair("somebody").public + " jay@laptop",
    "sshFrom": ["203.0.113.0/24"],
    "osDiskGiB": 64,
    "image": "ubuntu-24.04",
    "https": {"mode": "auto", "email": "jay@example.org", "domain": None},
    "auth": {"type": "firstuse"},
    "packages": {"requirementsUrl": "https://example.org/r.txt", "apt": ["cowsay"], "pip": ["pandas"]},
    "plugins": [],
    "users": ["ada", "bob"],
    "limits": {"memory": "2G", "cpu": 2},
    "sharedFolder": True,
    "schedule": {
        "timeZone": "Europe/Berlin",
        "stop": "19:00",
        "start": "08:30",
        "days": ["mon", "tue", "wed", "thu", "fri"],
    },
    "idleMinutes": 60,
    "expiresAt": "2027-02-01T00:00:00Z",
    "fallback": {"sizes": ["Standard_D2as_v5"], "regions": ["eastus2"], "maxPricePerHour": 0.2},
    "spot": False,
    "tags": {"course": "bio101"},
}


async def test_a_post_without_a_body_makes_the_tutorials_hub(api: Api, world: World):
    answer = await api.post("/api/hubs")
    assert answer.status == 202
    hub = answer.json
    assert (hub["name"], hub["owner"], hub["state"]) == ("jaydoe-tljh", "jaydoe", "accepted")
    assert (hub["size"], hub["region"], hub["image"]) == ("Standard_D2s_v3", "eastus", "ubuntu-24.04")
    assert hub["adminUser"] == "jaydoe"
    assert answer.headers["location"] == f"{BASE}/api/hubs/jaydoe-tljh"
    assert answer.headers["operation-location"] == f"{BASE}/api/operations/{hub['id']}.1"
    assert int(answer.headers["retry-after"]) >= 1
    assert hub["links"]["self"] == f"{BASE}/api/hubs/jaydoe-tljh"
    assert world.storage.hubs.only_hub().id == hub["id"]


async def test_every_field_of_the_contract_is_taken_and_stored(api: Api, world: World):
    answer = await api.post("/api/hubs", FULL)
    assert answer.status == 202, answer.json
    spec = world.storage.hubs.only_hub().spec
    assert spec.ssh_public_key == FULL["sshPublicKey"]
    assert spec.ssh_from == ("203.0.113.0/24",)
    assert (spec.os_disk_gib, spec.people, spec.memory_per_person_gib) == (64, 12, 1)
    assert (spec.https.email, spec.packages.apt, spec.packages.pip) == ("jay@example.org", ("cowsay",), ("pandas",))
    assert spec.schedule is not None and spec.schedule.time_zone == "Europe/Berlin"
    assert spec.expires_at is not None and spec.expires_at.year == 2027
    assert spec.fallback.sizes == ("Standard_D2as_v5",)
    assert dict(spec.tags) == {"course": "bio101"}


async def test_a_schedule_may_have_blocks_a_last_day_and_days_off(api: Api, world: World):
    body = {
        "timeZone": "Europe/Berlin",
        "blocks": [{"days": ["tue"], "start": "09:00", "stop": "12:30"}, {"stop": "22:00"}],
        "until": "2026-07-31",
        "skip": ["2026-04-03"],
    }
    answer = await api.post("/api/hubs", {"schedule": body})
    assert answer.status == 202, answer.json
    everyday = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    blocks = [body["blocks"][0], {"days": everyday, "start": None, "stop": "22:00"}]
    assert answer.json["schedule"] == {**body, "blocks": blocks, "stop": None, "start": None, "days": []}
    stored = world.storage.hubs.only_hub().spec.schedule
    assert stored is not None and stored.until is not None
    assert (stored.until.isoformat(), [day.isoformat() for day in stored.skip]) == ("2026-07-31", ["2026-04-03"])


async def test_accept_writes_message_due_row_and_one_transaction_and_asks_azure_nothing(api: Api, world: World):
    await api.post("/api/hubs")
    assert sorted(world.storage.tape.writes) == ["due.put", "hubs.create", "queue.put"]
    assert (world.cloud.reads, world.cloud.writes) == ([], [])


async def test_the_request_id_is_taken_returned_and_stamped_on_the_hub(api: Api, world: World):
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = await api.post("/api/hubs", headers={"x-request-id": "mine-7", "traceparent": trace})
    assert answer.headers["x-request-id"] == "mine-7"
    assert answer.headers["traceparent"] == trace
    assert world.storage.hubs.only_hub().request_id == "mine-7"


@pytest.mark.parametrize("sent", ["a b", "x" * 65, "ü", "a\nb"])
async def test_a_request_id_that_is_no_id_is_replaced(api: Api, sent: str):
    answer = await api.get("/api/healthz", headers={"x-request-id": sent, "traceparent": sent})
    assert answer.headers["x-request-id"] != sent
    assert len(answer.headers["x-request-id"]) == 32
    assert answer.headers["traceparent"].startswith("00-")


async def test_people_without_a_size_get_the_smallest_size_that_fits(api: Api, world: World):
    await api.post("/api/hubs", {"people": 12})
    assert world.storage.hubs.only_hub().spec.size == "Standard_E2s_v3"


async def test_an_owner_whose_name_is_reserved_gets_another_admin_user(api: Api, world: World):
    await api.post("/api/hubs", owner="admin")
    assert world.storage.hubs.only_hub().spec.admin_user == "hubadmin"


# ---- the same again


async def test_the_same_key_and_body_give_the_same_hub(api: Api, world: World):
    key = {"Idempotency-Key": "k-1"}
    first = await api.post("/api/hubs", {"name": "demo", "people": 3}, headers=key)
    second = await api.post("/api/hubs", {"people": 3, "name": "demo"}, headers=key)
    assert (first.status, second.status) == (202, 202)
    assert first.json["id"] == second.json["id"]
    assert second.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert world.storage.tape.count("hubs.create") == 1


async def test_what_was_taken_once_is_answered_so_although_it_would_be_refused_by_now(api: Api, world: World):
    """Who lost the answer would believe that nothing was made."""
    key = {"Idempotency-Key": "k-1"}
    body = {"name": "demo", "expiresAt": (world.clock.now() + timedelta(days=1)).isoformat()}
    first = await api.post("/api/hubs", body, headers=key)
    world.clock.advance(timedelta(days=2).total_seconds())
    again = await api.post("/api/hubs", body, headers=key)
    assert (again.status, again.json["id"]) == (202, first.json["id"])
    assert again.headers["idempotent-replayed"] == "true"
    assert (await api.post("/api/hubs", body, headers={"Idempotency-Key": "k-2"})).status == 400
    assert (await api.post("/api/hubs?validateOnly=true", body, headers=key)).status == 400
    assert (await api.post("/api/hubs", {"name": "X"}, headers=key)).code == "InvalidRequest"


async def test_the_same_key_with_another_body_is_refused(api: Api, world: World):
    key = {"Idempotency-Key": "k-1"}
    await api.post("/api/hubs", {"name": "demo"}, headers=key)
    answer = await api.post("/api/hubs", {"name": "other"}, headers=key)
    assert (answer.status, answer.code) == (422, "IdempotencyKeyReused")
    assert len(world.storage.hubs.hubs) == 1


async def test_keys_of_two_callers_do_not_meet(api: Api, world: World):
    key = {"Idempotency-Key": "k-1"}
    await api.post("/api/hubs", {"name": "demo"}, headers=key)
    answer = await api.post("/api/hubs", {"name": "demo"}, headers=key, owner="ada")
    assert answer.status == 202
    assert len(world.storage.hubs.hubs) == 2


@pytest.mark.parametrize("key", ["a b", "x" * 256, "ü"])
async def test_a_malformed_key_is_refused(api: Api, world: World, key: str):
    answer = await api.post("/api/hubs", headers={"Idempotency-Key": key})
    assert (answer.status, answer.code) == (400, "InvalidParameter")
    assert world.storage.tape.writes == []


async def test_a_taken_name_is_refused(api: Api, world: World):
    await api.post("/api/hubs", {"name": "demo"})
    answer = await api.post("/api/hubs", {"name": "demo"})
    assert (answer.status, answer.code) == (409, "HubAlreadyExists")
    assert answer.pointers == {"/name": "HubAlreadyExists"}
    assert answer.json["retryable"] is False


async def test_a_name_whose_hub_is_being_deleted_is_refused_for_now(api: Api, world: World):
    await api.post("/api/hubs", {"name": "demo"})
    await api.delete("/api/hubs/demo")
    answer = await api.post("/api/hubs", {"name": "demo"})
    assert (answer.status, answer.code) == (409, "HubIsBeingDeleted")
    assert int(answer.headers["retry-after"]) >= 1


async def test_one_hub_too_many_is_refused(api: Api, world: World):
    for number in range(10):
        assert (await api.post("/api/hubs", {"name": f"h{number}"})).status == 202
    answer = await api.post("/api/hubs", {"name": "h10"})
    assert (answer.status, answer.code) == (409, "HubQuotaExceeded")


# ---- validateOnly


async def test_validate_only_answers_with_the_estimate_and_writes_nothing(api: Api, world: World):
    answer = await api.post("/api/hubs?validateOnly=true", {"name": "demo"})
    assert answer.status == 200
    assert answer.json["size"] == "Standard_D2s_v3"
    assert answer.json["price"]["perHourRunning"] > 0.1
    assert world.storage.tape.writes == []


async def test_validate_only_fails_where_a_real_call_would(api: Api):
    await api.post("/api/hubs", {"name": "demo"})
    taken = await api.post("/api/hubs?validateOnly=true", {"name": "demo"})
    assert (taken.status, taken.code) == (409, "HubAlreadyExists")
    wrong = await api.post("/api/hubs?validateOnly=true", {"size": "Standard_X"})
    assert (wrong.status, wrong.code) == (400, "InvalidRequest")


async def test_a_price_seen_by_validate_only_is_shown_by_the_next_create(api: Api, world: World):
    await api.post("/api/hubs?validateOnly=true", {"name": "demo"})
    answer = await api.post("/api/hubs", {"name": "demo"})
    assert answer.json["cost"]["perMonthStopped"] > 0


@pytest.mark.parametrize("query", ["validateonly=true", "validateOnly=yes", "dryRun=true", "code=abc"])
async def test_a_misspelt_parameter_creates_nothing(api: Api, world: World, query: str):
    answer = await api.post(f"/api/hubs?{query}")
    assert (answer.status, answer.code) == (400, "InvalidParameter")
    assert world.storage.tape.writes == []


# ---- when storage fails


async def test_storage_that_does_not_answer_is_503_never_202(api: Api, world: World):
    world.storage.tape.fail("hubs.create", RetryableError("StorageBusy", "Storage is busy.", retry_after_s=7))
    answer = await api.post("/api/hubs")
    assert (answer.status, answer.code) == (503, "TemporarilyUnavailable")
    assert answer.json["retryable"] is True
    assert 7 <= int(answer.headers["retry-after"]) <= 9


async def test_a_create_that_takes_too_long_is_503(api: Api, world: World):
    world.storage.tape.fail("hubs.create", TimeoutError())
    answer = await api.post("/api/hubs")
    assert (answer.status, answer.code) == (503, "TimedOut")


async def test_many_at_once_all_get_their_own_hub(api: Api, world: World):
    answers = await asyncio.gather(*(api.post("/api/hubs") for _ in range(5)))
    assert [answer.status for answer in answers] == [202] * 5
    assert len({answer.json["id"] for answer in answers}) == 5


async def test_the_same_key_twice_at_the_same_moment_is_one_hub(api: Api, world: World):
    send = [api.post("/api/hubs", {"name": "demo"}, headers={"Idempotency-Key": "k"}) for _ in range(3)]
    answers = await asyncio.gather(*send)
    assert [answer.status for answer in answers] == [202] * 3
    assert len({answer.json["id"] for answer in answers}) == 1
    assert world.storage.tape.count("hubs.create") == 1


async def test_delete_works_at_once_and_twice_is_once(api: Api, world: World):
    await api.post("/api/hubs", {"name": "demo"})
    first, second = await api.delete("/api/hubs/demo"), await api.delete("/api/hubs/demo")
    assert (first.status, second.status) == (202, 202)
    assert first.headers["operation-location"] == second.headers["operation-location"]
    hub = world.storage.hubs.only_hub()
    assert (hub.goal, hub.state, hub.generation) == (Goal.DELETED, HubState.DELETING, 2)


async def test_delete_with_an_old_etag_is_refused_and_shows_the_present_hub(api: Api, world: World):
    created = await api.post("/api/hubs", {"name": "demo"})
    old = await api.delete("/api/hubs/demo", headers={"If-Match": 'W/"another"'})
    assert (old.status, old.code) == (412, "PreconditionFailed")
    assert old.json["hub"]["id"] == created.json["id"]
    right = await api.delete("/api/hubs/demo", headers={"If-Match": old.headers["etag"]})
    assert right.status == 202
