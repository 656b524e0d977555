"""What is handed out once: keys, passwords, tokens."""

import pytest

from tests.component.api.client import BASE, Api
from tests.support.builders import a_ready_hub, some_secrets
from tests.support.world import World


@pytest.fixture
async def hub(world: World):
    hub = world.storage.hubs.seed(a_ready_hub(owner="jaydoe"))
    await world.storage.secrets.create("jaydoe", hub.id, some_secrets())
    return hub


async def test_the_key_comes_as_a_file_that_nothing_caches(api: Api, hub):
    answer = await api.post("/api/hubs/physics/ssh-key")
    assert (answer.status, answer.body) == (200, b"owner private key\n")
    assert answer.headers["content-disposition"] == 'attachment; filename="physics.pem"'
    assert answer.headers["content-type"] == "application/x-pem-file"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_the_password_comes_with_name_and_url(api: Api, hub):
    answer = await api.post("/api/hubs/physics/admin-password")
    assert answer.json == {"adminUser": "jaydoe", "password": "correct-horse-battery", "url": hub.url}
    assert answer.headers["cache-control"] == "no-store"


async def test_a_secret_may_be_fetched_again_for_ten_minutes_then_it_is_gone(api: Api, world: World, hub):
    assert (await api.post("/api/hubs/physics/ssh-key")).status == 200
    world.clock.advance(599)
    assert (await api.post("/api/hubs/physics/ssh-key")).status == 200
    world.clock.advance(2)
    gone = await api.post("/api/hubs/physics/ssh-key")
    assert (gone.status, gone.code) == (410, "AlreadyHandedOut")


async def test_before_there_is_one_it_is_409_with_a_time(api: Api):
    await api.post("/api/hubs", {"name": "demo"})
    answer = await api.post("/api/hubs/demo/admin-password")
    assert (answer.status, answer.code) == (409, "NotReadyYet")
    assert int(answer.headers["retry-after"]) >= 1


async def test_there_is_no_key_to_hand_out_when_the_owner_sent_one(api: Api):
    from tests.support.fake_chance import ed25519_pair

    await api.post("/api/hubs", {"name": "demo", "sshPublicKey": ed25519_pair("mine").public})
    answer = await api.post("/api/hubs/demo/ssh-key")
    assert (answer.status, answer.code) == (409, "SshKeyIsYours")


@pytest.mark.parametrize("path", ["/api/hubs/physics/ssh-key", "/api/hubs/physics/admin-password", "/api/tokens"])
async def test_secret_routes_refuse_an_idempotency_key(api: Api, world: World, hub, path: str):
    answer = await api.post(path, {}, owner="admin", headers={"Idempotency-Key": "k"})
    assert (answer.status, answer.code) == (400, "IdempotencyKeyNotAllowed")
    assert world.storage.tape.writes == ["secrets.create"]


# ---- API tokens


async def test_an_issued_token_works_until_it_is_revoked(api: Api, world: World):
    issued = await api.post("/api/tokens", {"owner": "ada", "name": "laptop"}, owner="admin")
    assert issued.status == 201
    assert issued.headers["cache-control"] == "no-store"
    assert issued.headers["location"] == f"{BASE}/api/tokens/{issued.json['id']}"
    token = issued.json["token"]
    assert token.startswith(f"hlt_{issued.json['id']}_")
    created = await api.post("/api/hubs", {"name": "demo"}, token=token)
    assert created.json["owner"] == "ada"
    listed = await api.get("/api/tokens", owner="admin")
    assert [entry["id"] for entry in listed.json["value"]] == [issued.json["id"]]
    assert token.rpartition("_")[2] not in listed.body.decode()
    assert (await api.delete(f"/api/tokens/{issued.json['id']}", owner="admin")).status == 204
    assert (await api.get("/api/hubs", token=token)).status == 401


async def test_a_token_ends_at_its_end_date(api: Api, world: World):
    body = {"owner": "ada", "expiresAt": "2026-03-02T10:00:00Z"}
    token = (await api.post("/api/tokens", body, owner="admin")).json["token"]
    assert (await api.get("/api/hubs", token=token)).status == 200
    world.clock.advance(30 * 60)
    assert (await api.get("/api/hubs", token=token)).status == 401


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"/owner": "MissingField"}),
        ({"owner": "Ada"}, {"/owner": "InvalidName"}),
        ({"owner": "*"}, {"/owner": "InvalidName"}),
        ({"owner": "a/b", "role": "god"}, {"/owner": "InvalidName", "/role": "InvalidValue"}),
        ({"owner": "ada", "id": "x"}, {"/id": "UnknownField"}),
        ({"owner": "ada", "expiresAt": "2020-01-01T00:00:00Z"}, {"/expiresAt": "InThePast"}),
        ({"owner": "ada", "name": "a\nb"}, {"/name": "InvalidValue"}),
    ],
)
async def test_a_wrong_token_request_is_refused(api: Api, world: World, body, expected):
    answer = await api.post("/api/tokens", body, owner="admin")
    assert (answer.code, answer.pointers) == ("InvalidRequest", expected)
    assert world.storage.tape.writes == []


@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/api/tokens"), ("GET", "/api/tokens"), ("DELETE", "/api/tokens/x")]
)
async def test_tokens_are_for_admins(api: Api, world: World, method: str, path: str):
    answer = await api.send(method, path, {"owner": "jaydoe", "role": "admin"} if method == "POST" else None)
    assert (answer.status, answer.code) == (403, "Forbidden")
    assert world.storage.tape.writes == []


@pytest.mark.parametrize("token_id", ["unknown", "A", "a%2Fb", "x" * 40])
async def test_revoking_what_is_not_there_is_404(api: Api, token_id: str):
    assert (await api.delete(f"/api/tokens/{token_id}", owner="admin")).code == "TokenNotFound"


async def test_an_admin_role_in_a_token_makes_an_admin(api: Api):
    assert (await api.get("/api/tokens", token=api.token("root1", role="admin"))).status == 200


async def test_a_token_store_that_does_not_answer_denies(api: Api, world: World):
    from shared.errors import RetryableError

    world.storage.tape.fail("tokens.verify", RetryableError("StorageBusy", "Storage is busy."))
    answer = await api.get("/api/hubs")
    assert (answer.status, answer.code) == (503, "TemporarilyUnavailable")
