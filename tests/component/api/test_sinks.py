"""Web hooks: made, shown, rotated, removed by their owners, and what they did not take is sent again."""

import base64
import json
import logging
from datetime import timedelta
from typing import Any

import pytest

from shared.adapters.outbound import GuardedOutbound
from shared.errors import ConcurrentUpdate, RetryableError
from shared.hubs import notify, sinks
from shared.hubs.model import Notice
from shared.hubs.notice_kinds import KINDS
from shared.hubs.ports import SinkRecord
from shared.hubs.sink_rules import key_of
from tests.component.api.client import ADMIN_TOKEN, BASE, Answer, Api
from tests.support.builders import a_failed_delivery, a_notice, a_sink, some_settings
from tests.support.world import World
from tests.unit.sinks.url_tricks import OTHER, PRIVATE_4, PRIVATE_6

URL = "https://hooks.example.org/hublet/u-4711?sig=s-4711"
GIVEN = "whsec_" + base64.b64encode(b"0123456789" * 4).decode()


@pytest.fixture
def world() -> World:
    settings = some_settings(HUBLET_ADMIN_TOKEN=ADMIN_TOKEN, HUBLET_MAX_SINKS_PER_OWNER="3")
    world = World(settings=settings)
    world.outbound.check = GuardedOutbound(settings).check  # type: ignore[method-assign]  # the rules are the real ones
    return world


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Notice id and target of everything that was put into the outbox again."""
    kept: list[tuple[str, str]] = []

    async def redeliver(app: object, notice: Notice, target_key: str) -> None:
        kept.append((notice.id, target_key))

    monkeypatch.setattr(notify, "redeliver", redeliver, raising=False)
    return kept


async def create(api: Api, **more: Any) -> Answer:
    owner = more.pop("owner", "jaydoe")
    answer = await api.post("/api/sinks", {"url": URL, **more}, owner=owner)
    assert answer.status == 201, answer.json
    return answer


def stored(world: World, sink_id: str, owner: str = "jaydoe") -> SinkRecord:
    return world.storage.sink_store.records[owner, sink_id]


async def seed(world: World, **changes: Any) -> SinkRecord:
    return await world.storage.sink_store.create(a_sink(owner="jaydoe", **changes))


async def fail(world: World, *seqs: int, owner: str = "jaydoe", sink_id: str = a_sink().id) -> None:
    for seq in seqs:
        at = world.clock.now() + timedelta(seconds=seq)
        failed = a_failed_delivery(a_notice(seq=seq), sink_id=sink_id, failed_at=at)
        await world.storage.sink_store.add_failed(owner, failed)


# ---- made


async def test_a_web_hook_is_made_and_its_secret_shown_once(api: Api, world: World):
    made = await create(api, events=["ready", "failed"], description="the course's calendar")
    secret = made.json["secret"]
    assert len(key_of(secret)) == 32
    assert made.headers["cache-control"] == "no-store"
    assert made.headers["location"] == f"{BASE}/api/sinks/{made.json['id']}"
    shown = {name: value for name, value in made.json.items() if name != "secret"}
    assert shown == {
        "id": made.json["id"],
        "url": URL,
        "events": ["ready", "failed"],
        "description": "the course's calendar",
        "everybody": False,
        "createdAt": "2026-03-02T09:30:00Z",
        "createdBy": "jaydoe",
        "previousSecretUntil": None,
        "disabledAt": None,
        "disabledWhy": "",
        "state": "active",
        "fix": "",
    }
    assert stored(world, made.json["id"]).secret == secret
    assert (await api.get(f"/api/sinks/{made.json['id']}")).json == shown
    assert (await api.get("/api/sinks")).json == {"value": [shown], "nextLink": None}


async def test_two_web_hooks_have_two_secrets(api: Api):
    assert (await create(api)).json["secret"] != (await create(api)).json["secret"]


async def test_a_secret_of_ones_own_is_taken(api: Api, world: World):
    made = await create(api, secret=GIVEN)
    assert made.json["secret"] == stored(world, made.json["id"]).secret == GIVEN


async def test_null_is_as_not_sent(api: Api):
    made = await create(api, events=None, description=None, everybody=None, secret=None)
    assert (made.json["events"], made.json["description"], made.json["everybody"]) == ([], "", False)


async def test_every_kind_may_be_heard(api: Api):
    assert (await create(api, events=list(KINDS))).json["events"] == list(KINDS)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"/url": "MissingField"}),
        ({"url": None}, {"/url": "WrongType"}),
        ({"url": 5, "events": "ready"}, {"/url": "WrongType", "/events": "WrongType"}),
        ({"url": URL, "kinds": ["ready"]}, {"/kinds": "UnknownField"}),
        ({"url": URL, "id": "x", "owner": "ada"}, {"/id": "UnknownField", "/owner": "UnknownField"}),
        ({"url": URL, "events": ["ready", "exploded"]}, {"/events/1": "InvalidValue"}),
        ({"url": URL, "events": ["ready", "ready"]}, {"/events": "Duplicate"}),
        ({"url": URL, "description": "x" * 201}, {"/description": "TooLong"}),
        ({"url": URL, "description": "a\nb"}, {"/description": "InvalidValue"}),
        ({"url": URL, "everybody": "yes"}, {"/everybody": "WrongType"}),
        ({"url": URL, "secret": "whsec_c2hvcnQ="}, {"/secret": "InvalidSecret"}),
        ({"url": URL, "secret": GIVEN.removeprefix("whsec_")}, {"/secret": "InvalidSecret"}),
        ({"url": "http://hooks.example.org/", "x": 1}, {"/url": "AddressNotAllowed", "/x": "UnknownField"}),
        ({"url": f"https://hooks.example.org/{'x' * 2048}"}, {"/url": "TooLong"}),
    ],
)
async def test_a_wrong_request_gets_all_its_mistakes(api: Api, world: World, body, expected):
    answer = await api.post("/api/sinks", body)
    assert (answer.status, answer.code, answer.pointers) == (400, "InvalidRequest", expected)
    assert world.storage.tape.writes == []


@pytest.mark.parametrize(
    "url",
    [
        *(url for url in OTHER if len(url) <= 2048),
        *(f"https://{address}/x" for address in PRIVATE_4),
        *(f"https://[{address}]/x" for address in PRIVATE_6),
    ],
)
async def test_an_address_that_must_not_be_reached_is_refused_and_not_quoted(api: Api, world: World, url: str):
    answer = await api.post("/api/sinks", {"url": url})
    assert (answer.status, answer.pointers) == (400, {"/url": "AddressNotAllowed"})
    assert len(url) < 12 or json.dumps(url)[1:-1] not in answer.body.decode()
    assert world.storage.tape.writes == []


async def test_the_domain_checks_the_address_too(world: World):
    from shared.errors import UserError
    from tests.support.world import OWNER

    with pytest.raises(UserError, match="AddressNotAllowed"):
        await sinks.create_sink(world.app, OWNER, sinks.Wanted(url="https://127.0.0.1/"))


async def test_a_private_key_is_refused_wherever_it_is(api: Api, world: World):
    answer = await api.post("/api/sinks", {"url": URL, "description": "-----BEGIN PRIVATE KEY-----"})
    assert (answer.code, answer.pointers) == ("PrivateKeySent", {"/description": "PrivateKeySent"})


@pytest.mark.parametrize("path", ["/api/sinks", "/api/sinks/abcdefghijkl/rotate"])
async def test_routes_that_show_a_secret_refuse_an_idempotency_key(api: Api, world: World, path: str):
    await seed(world)
    before = list(world.storage.tape.writes)
    answer = await api.post(path, {"url": URL}, headers={"Idempotency-Key": "k"})
    assert (answer.status, answer.code) == (400, "IdempotencyKeyNotAllowed")
    assert world.storage.tape.writes == before


async def test_an_owner_has_as_many_as_the_setting_says(api: Api, world: World):
    ids = [(await create(api)).json["id"] for _ in range(3)]
    answer = await api.post("/api/sinks", {"url": URL})
    assert (answer.status, answer.code) == (409, "SinkQuotaExceeded")
    await create(api, owner="ada")
    await api.delete(f"/api/sinks/{ids[0]}")
    await create(api)


async def test_of_two_requests_at_the_same_moment_none_gets_over_the_limit(api: Api, world: World):
    for sink_id in ("aaaaaaaaaaaa", "bbbbbbbbbbbb", "cccccccccccc"):
        await seed(world, id=sink_id)
    real, asked = world.storage.sink_store.list, 0

    async def late(owner: str) -> Any:
        nonlocal asked
        asked += 1
        return [] if asked == 1 else await real(owner)

    world.storage.sink_store.list = late  # type: ignore[method-assign]
    assert (await api.post("/api/sinks", {"url": URL})).code == "SinkQuotaExceeded"
    assert len(await real("jaydoe")) == 3


# ---- everybody


async def test_admins_may_hear_of_everybody(api: Api, world: World):
    made = await create(api, everybody=True, owner="admin")
    assert stored(world, made.json["id"], "admin").everybody


async def test_nobody_else_may(api: Api, world: World):
    answer = await api.post("/api/sinks", {"url": URL, "everybody": True})
    assert (answer.status, answer.code) == (403, "Forbidden")
    assert world.storage.tape.writes == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/rotate", None),
        ("GET", "/failed", None),
        ("POST", "/redeliver", {}),
        ("POST", "/redeliver", {"id": a_notice().id}),
    ],
)
async def test_a_users_token_of_an_admins_owner_hears_nothing_of_others(
    api: Api, world: World, sent: list[tuple[str, str]], method: str, path: str, body: Any
):
    record = await seed(world, everybody=True, disabled_at=world.clock.now())
    await fail(world, 2)  # of somebody else's hub
    at, before = f"/api/sinks/{record.id}{path}", list(world.storage.tape.writes)
    answer = await api.send(method, at, body)
    assert (answer.status, answer.code) == (403, "Forbidden")
    assert a_notice().hub_name not in answer.body.decode()
    assert (world.storage.tape.writes, sent, stored(world, record.id)) == (before, [], record)
    admin = api.token("jaydoe", role="admin", token_id="adm")
    assert (await api.send(method, at, body, token=admin)).status < 300
    assert (await api.delete(f"/api/sinks/{record.id}")).status == 204  # to end it is for the owner


# ---- whose


REQUESTS = [
    ("GET", "", None),
    ("DELETE", "", None),
    ("POST", "/rotate", None),
    ("GET", "/failed", None),
    ("POST", "/redeliver", {}),
    ("POST", "/redeliver", {"id": a_notice().id}),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
async def test_somebody_elses_web_hook_answers_like_one_that_is_not_there(
    api: Api, world: World, sent: list[tuple[str, str]], method: str, path: str, body: Any
):
    record = await seed(world, disabled_at=world.clock.now())
    await fail(world, 2)
    before = list(world.storage.tape.writes)
    for owner in ("ada", "admin"):
        theirs = await api.send(method, f"/api/sinks/{record.id}{path}", body, owner=owner)
        missing = await api.send(method, f"/api/sinks/zzzzzzzzzzzz{path}", body, owner=owner)
        assert (theirs.status, theirs.code) == (404, "SinkNotFound")
        assert without_ids(theirs) == without_ids(missing)
    assert (world.storage.tape.writes, sent) == (before, [])
    assert stored(world, record.id) == record


def without_ids(answer: Answer) -> dict[str, Any]:
    return {name: value for name, value in answer.json.items() if name not in ("requestId", "instance")}


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
@pytest.mark.parametrize("sink_id", ["x", "ABCDEFGHIJKL", "a%2Fb", "abcdefghijk1", "..", "ä" * 12])
async def test_what_no_web_hook_can_be_called_is_not_there(
    api: Api, world: World, method: str, path: str, body: Any, sink_id: str
):
    answer = await api.send(method, f"/api/sinks/{sink_id}{path}", body)
    assert (answer.status, answer.code) == (404, "SinkNotFound")


async def test_lists_show_ones_own_only(api: Api, world: World):
    for sink_id in ("cccccccccccc", "aaaaaaaaaaaa"):
        await seed(world, id=sink_id)
    await create(api, owner="ada")
    assert [entry["id"] for entry in (await api.get("/api/sinks")).json["value"]] == ["aaaaaaaaaaaa", "cccccccccccc"]
    assert (await api.get("/api/sinks", owner="admin")).json["value"] == []
    first = (await api.get("/api/sinks?top=1")).json
    assert [entry["id"] for entry in first["value"]] == ["aaaaaaaaaaaa"]
    second = (await api.get(first["nextLink"].removeprefix(BASE))).json
    assert ([entry["id"] for entry in second["value"]], second["nextLink"]) == (["cccccccccccc"], None)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/sinks", {"url": URL}),
        ("GET", "/api/sinks", None),
        *((method, f"/api/sinks/{a_sink().id}{path}", body) for method, path, body in REQUESTS),
    ],
)
async def test_without_a_token_nothing_is_told(api: Api, world: World, method: str, path: str, body: Any):
    await seed(world)
    assert (await api.send(method, path, body, owner=None)).status == 401


# ---- removed, rotated


async def test_a_removed_web_hook_is_gone(api: Api, world: World):
    record = await seed(world)
    await fail(world, 1)
    assert (await api.delete(f"/api/sinks/{record.id}")).status == 204
    assert (await api.delete(f"/api/sinks/{record.id}")).code == "SinkNotFound"
    assert (world.storage.sink_store.records, world.storage.sink_store.failures) == ({}, {})


async def test_a_new_secret_is_shown_once_and_the_old_one_stays_for_a_day(api: Api, world: World):
    record = await seed(world)
    answer = await api.post(f"/api/sinks/{record.id}/rotate")
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json["previousSecretUntil"] == "2026-03-03T09:30:00Z"
    now = stored(world, record.id)
    assert now.secret == answer.json["secret"] != record.secret
    assert (now.previous_secret, now.previous_until) == (record.secret, world.clock.now() + timedelta(hours=24))


async def test_an_old_secret_is_told_of_as_long_as_it_signs(api: Api, world: World):
    record = await seed(world)
    await api.post(f"/api/sinks/{record.id}/rotate")
    world.clock.advance(timedelta(hours=24).total_seconds() - 1)
    assert (await api.get(f"/api/sinks/{record.id}")).json["previousSecretUntil"] == "2026-03-03T09:30:00Z"
    world.clock.advance(1)
    assert (await api.get(f"/api/sinks/{record.id}")).json["previousSecretUntil"] is None
    assert (await api.get("/api/sinks")).json["value"][0]["previousSecretUntil"] is None


async def test_rotating_twice_keeps_the_secret_between(api: Api, world: World):
    record = await seed(world)
    first = (await api.post(f"/api/sinks/{record.id}/rotate")).json["secret"]
    await api.post(f"/api/sinks/{record.id}/rotate", {})
    assert stored(world, record.id).previous_secret == first


async def test_a_rotation_says_nothing_but_its_name(api: Api, world: World):
    record = await seed(world)
    answer = await api.post(f"/api/sinks/{record.id}/rotate", {"secret": GIVEN})
    assert (answer.code, answer.pointers) == ("InvalidRequest", {"/secret": "UnknownField"})


async def test_a_rotation_that_meets_another_change_is_made_on_top_of_it(api: Api, world: World):
    record = await seed(world)
    world.storage.tape.fail("sinks.save", ConcurrentUpdate("Sink"))
    assert (await api.post(f"/api/sinks/{record.id}/rotate")).status == 200
    world.storage.tape.fail("sinks.save", ConcurrentUpdate("Sink"), times=9)
    answer = await api.post(f"/api/sinks/{record.id}/rotate")
    assert (answer.status, answer.code) == (503, "Busy")


async def test_no_secret_is_ever_shown_again_nor_logged(
    api: Api, world: World, sent: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
):
    with caplog.at_level(logging.DEBUG):
        made = await create(api)
        at = f"/api/sinks/{made.json['id']}"
        rotated = await api.post(f"{at}/rotate")
        await fail(world, 1, sink_id=made.json["id"])
        answers = [
            await api.get("/api/sinks"),
            await api.get(at),
            await api.get(f"{at}/failed"),
            await api.post(f"{at}/redeliver"),
            await api.post("/api/sinks", {"url": URL, "secret": made.json["secret"], "x": 1}),
            await api.post("/api/sinks", {"url": f"{URL} ", "secret": made.json["secret"][:-9]}),
        ]
    secrets = [answer.json["secret"].removeprefix("whsec_") for answer in (made, rotated)]
    for text in (*(answer.body.decode() for answer in answers), caplog.text):
        assert not [secret for secret in secrets if secret[:20] in text]
    assert "4711" not in caplog.text
    assert "4711" not in answers[-1].body.decode()


# ---- the key was taken off


async def locked(world: World, **changes: Any) -> SinkRecord:
    record = await seed(world, **changes)
    world.storage.sink_store.closed[record.owner, record.id] = "SealKeyUnknown"
    return record


async def test_a_locked_web_hook_says_so_and_what_to_do(api: Api, world: World):
    record = await locked(world, events=("ready",))
    shown = (await api.get(f"/api/sinks/{record.id}")).json
    assert (shown["state"], shown["url"], shown["events"]) == ("locked", "", ["ready"])
    assert "Ask whoever runs this service" in shown["fix"]
    assert (await api.get("/api/sinks")).json["value"] == [shown]
    world.storage.sink_store.closed.clear()
    opened = (await api.get(f"/api/sinks/{record.id}")).json
    assert (opened["state"], opened["url"], opened["fix"]) == ("active", record.url, "")


async def test_one_that_is_locked_and_disabled_says_what_is_to_be_done_first(api: Api, world: World):
    record = await locked(world, disabled_at=world.clock.now())
    assert (await api.get(f"/api/sinks/{record.id}")).json["state"] == "locked"


@pytest.mark.parametrize("path", ["/rotate", "/redeliver"])
async def test_what_cannot_be_done_while_it_is_locked_is_refused_and_changes_nothing(
    api: Api, world: World, sent: list[tuple[str, str]], path: str
):
    record = await locked(world, disabled_at=world.clock.now())
    await fail(world, 1)
    before = list(world.storage.tape.writes)
    answer = await api.post(f"/api/sinks/{record.id}{path}")
    assert (answer.status, answer.code) == (409, "SinkLocked")
    assert "Ask whoever runs this service" in answer.json["fix"]
    assert (world.storage.tape.writes, sent) == (before, [])


async def test_a_locked_web_hook_shows_what_it_did_not_take_and_can_be_deleted(api: Api, world: World):
    record = await locked(world)
    await fail(world, 1)
    assert len((await api.get(f"/api/sinks/{record.id}/failed")).json["value"]) == 1
    assert (await api.delete(f"/api/sinks/{record.id}")).status == 204
    assert (await api.get("/api/sinks")).json["value"] == []


# ---- what was not delivered


async def test_failed_deliveries_are_shown_oldest_first(api: Api, world: World):
    record = await seed(world)
    await fail(world, 7, 3, 5)
    answer = await api.get(f"/api/sinks/{record.id}/failed")
    assert [entry["id"].rpartition(".")[2] for entry in answer.json["value"]] == ["3", "5", "7"]
    assert answer.json["value"][0] == {
        "id": a_notice(seq=3).id,
        "event": "stopping-soon",
        "hubId": a_notice().hub_id,
        "hubName": a_notice().hub_name,
        "message": a_notice().message,
        "at": "2026-03-02T09:30:00Z",
        "failedAt": "2026-03-02T09:30:03Z",
        "code": "SinkRefused",
        "why": "hooks.example.org answered with status 500.",
    }
    first = (await api.get(f"/api/sinks/{record.id}/failed?top=2")).json
    second = (await api.get(first["nextLink"].removeprefix(BASE))).json
    assert [len(page["value"]) for page in (first, second)] == [2, 1]
    assert second["nextLink"] is None


async def test_one_failed_notice_is_sent_again(api: Api, world: World, sent: list[tuple[str, str]]):
    record = await seed(world)
    await fail(world, 1, 2)
    answer = await api.post(f"/api/sinks/{record.id}/redeliver", {"id": a_notice(seq=2).id})
    assert (answer.status, answer.json) == (202, {"redelivered": 1, "left": 0})
    assert sent == [(a_notice(seq=2).id, "webhook:amF5ZG9l.abcdefghijkl")]
    assert [entry["id"] for entry in (await api.get(f"/api/sinks/{record.id}/failed")).json["value"]] == [
        a_notice(seq=1).id
    ]


@pytest.mark.parametrize("body", [None, {}, {"id": None}])
async def test_all_failed_notices_are_sent_again(api: Api, world: World, sent: list[tuple[str, str]], body: Any):
    record = await seed(world)
    await fail(world, 2, 1)
    answer = await api.post(f"/api/sinks/{record.id}/redeliver", body)
    assert (answer.status, answer.json) == (202, {"redelivered": 2, "left": 0})
    assert [notice_id for notice_id, _ in sent] == [a_notice(seq=1).id, a_notice(seq=2).id]
    again = await api.post(f"/api/sinks/{record.id}/redeliver", body)
    assert (again.json, len(sent)) == ({"redelivered": 0, "left": 0}, 2)


async def test_what_is_too_much_for_one_request_is_left_for_the_next(
    api: Api, world: World, sent: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sinks, "MAX_REDELIVERED", 2)
    record = await seed(world)
    await fail(world, *range(5))
    lefts = [(await api.post(f"/api/sinks/{record.id}/redeliver")).json["left"] for _ in range(3)]
    assert (lefts, len(sent)) == ([3, 1, 0], 5)


async def test_redelivery_enables_a_disabled_web_hook(api: Api, world: World, sent: list[tuple[str, str]]):
    record = await seed(world, disabled_at=world.clock.now(), disabled_why="hooks.example.org answered 410 (gone).")
    shown = (await api.get(f"/api/sinks/{record.id}")).json
    assert (shown["disabledAt"], shown["disabledWhy"]) == ("2026-03-02T09:30:00Z", record.disabled_why)
    assert (shown["state"], "redeliver" in shown["fix"]) == ("disabled", True)
    world.storage.tape.fail("sinks.save", ConcurrentUpdate("Sink"))
    assert (await api.post(f"/api/sinks/{record.id}/redeliver")).status == 202
    enabled = (await api.get(f"/api/sinks/{record.id}")).json
    assert (enabled["disabledAt"], enabled["disabledWhy"]) == (None, "")
    assert (enabled["state"], enabled["fix"]) == ("active", "")


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"id": 5}, "/id", "WrongType"),
        ({"id": "x"}, "/id", "InvalidValue"),
        ({"id": "x" * 65}, "/id", "TooLong"),
        ({"all": True}, "/all", "UnknownField"),
    ],
)
async def test_a_wrong_redelivery_is_refused(
    api: Api, world: World, sent: list[tuple[str, str]], body: Any, pointer: str, code: str
):
    record = await seed(world, disabled_at=world.clock.now())
    await fail(world, 1)
    answer = await api.post(f"/api/sinks/{record.id}/redeliver", body)
    assert (answer.code, answer.pointers) == ("InvalidRequest", {pointer: code})
    assert (sent, stored(world, record.id)) == ([], record)


async def test_a_notice_that_did_not_fail_is_not_sent_again(api: Api, world: World, sent: list[tuple[str, str]]):
    record = await seed(world, disabled_at=world.clock.now())
    answer = await api.post(f"/api/sinks/{record.id}/redeliver", {"id": a_notice(seq=9).id})
    assert (answer.status, answer.code, sent) == (404, "DeliveryNotFound", [])
    assert stored(world, record.id) == record


async def test_whoever_dies_between_sending_again_and_forgetting_sends_twice_and_never_not_at_all(
    api: Api, world: World, sent: list[tuple[str, str]]
):
    record = await seed(world)
    await fail(world, 1)
    world.storage.tape.fail("sinks.remove_failed", RetryableError("StorageBusy", "Storage is busy."))
    assert (await api.post(f"/api/sinks/{record.id}/redeliver")).status == 503
    assert (await api.post(f"/api/sinks/{record.id}/redeliver")).json["redelivered"] == 1
    assert len(sent) == 2
