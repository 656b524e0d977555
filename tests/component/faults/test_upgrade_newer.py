"""F14: rows that a newer release wrote, and what an older one reads after a roll-back."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jsonschema_rs
import pytest

from shared.adapters.storage import codec, documents
from shared.adapters.storage.table import Row
from shared.errors import RowTooNew
from shared.hubs.model import Attempt, Condition
from shared.hubs.ports import HubSecrets
from shared.hubs.states import HubState
from shared.hubs.versions import DEFERRED_S, NEWEST, WRITTEN
from tests.component.api.client import ADMIN_TOKEN, Api
from tests.support import hub_moments, old_rows
from tests.support.builders import a_due_row, a_hub, a_ready_hub, a_spec, some_settings
from tests.support.clock import MONDAY_MORNING
from tests.support.record_rows import everything
from tests.support.world import ADMIN, World

# ------------------------------------------------------------------ rows of the next release, and roll-back

UNKNOWN: list[tuple[tuple[str | int, ...], object]] = [
    (("weather",), {"is": "fine"}),
    (("life", "mood"), 7),
    (("life", "idle", "cpu"), 0.5),
    (("spec", "gpu"), None),
    (("spec", "schedule", "blocks", 0, "room"), "A"),
    (("machine", "rack"), "2"),
    (("steps", "boot", "proof"), [1]),
    (("steps", "warm-up"), {"name": "warm-up", "data": {}}),
    (("attempts", 0, "rack"), "1"),
    (("attempts", 1, "rack"), "2"),
    (("conditions", 1, "seen_by"), ["a"]),
    (("operation", "token"), "t"),
    (("meter", "earlier", "egress"), 0.25),
]
"""Of every kind of place there is: the hub, objects, lists, a mapping of known keys."""


def a_hub_with_everything() -> Any:
    from shared.hubs.model import Block, LongOperation, Schedule

    plan = Schedule(time_zone="Europe/Berlin", blocks=(Block(days=("mon",), start="08:00"), Block(days=("tue",))))
    at = MONDAY_MORNING
    return a_ready_hub(
        spec=a_spec(schedule=plan),
        attempts=tuple(Attempt(number=n, region="eastus", size="s", started_at=at) for n in (1, 2)),
        conditions=tuple(Condition(type=kind, message="m", since=at) for kind in ("Drifted", "HttpsRefused")),
        operation=LongOperation(kind="start", handle="h", begun_at=at),
    )


def newer_row(hub: Any, unknown: Any = UNKNOWN, **columns: Any) -> Row:
    """The hub's row as the next release would have written it."""
    entity = codec.hub_entity(hub)
    document = json.loads(documents.join(entity) or "")
    for place, value in unknown:
        node = document
        for step in place[:-1]:
            node = node[step]
        assert place[-1] not in node
        node[place[-1]] = value
    return Row({**entity, **documents.split(json.dumps(document)), "v": NEWEST, **columns}, "e")


def left_in(hub: Any) -> dict[tuple[str | int, ...], object]:
    """Which of UNKNOWN are in the hub's row as this release writes it, and with which value."""
    document = json.loads(documents.join(codec.hub_entity(hub)) or "")
    found: dict[tuple[str | int, ...], object] = {}
    for place, _ in UNKNOWN:
        node = document
        for step in place[:-1]:
            try:
                node = node[step]
            except (KeyError, IndexError, TypeError):
                node = None
        if isinstance(node, dict) and place[-1] in node:
            found[place] = node[place[-1]]
    return found


def test_f14_unknown_fields_at_any_depth_and_unknown_columns_survive_a_save():
    hub = codec.hub_from(newer_row(a_hub_with_everything(), colour="red"))
    assert replace(hub, carried=None, etag=None) == a_hub_with_everything()
    changed = replace(hub, state=HubState.STOPPING, life=replace(hub.life, stop_why="schedule"))
    entity = codec.hub_entity(changed)
    assert (entity["colour"], entity["v"], entity["state"]) == ("red", NEWEST, "stopping")
    assert left_in(changed) == dict(UNKNOWN)
    again = codec.hub_from(Row(entity, "e"))
    assert again == replace(changed, etag="e")
    assert left_in(again) == dict(UNKNOWN)


def test_f14_what_belongs_to_an_element_of_a_list_stays_with_it_wherever_it_stands():
    hub = codec.hub_from(newer_row(a_hub_with_everything()))
    third = replace(hub.attempts[0], number=3)
    moved = replace(hub, attempts=(third, *hub.attempts)).without_condition("Drifted")
    document = json.loads(documents.join(codec.hub_entity(moved)) or "")
    assert [attempt.get("rack") for attempt in document["attempts"]] == [None, "1", "2"]
    assert [condition.get("seen_by") for condition in document["conditions"]] == [["a"]]


def test_f14_what_belongs_to_an_object_that_was_replaced_or_ended_goes_with_it():
    hub = codec.hub_from(newer_row(a_hub_with_everything()))
    assert hub.operation is not None
    later = replace(hub.operation, begun_at=hub.operation.begun_at + timedelta(hours=1))
    assert ("operation", "token") not in left_in(replace(hub, operation=later))
    assert ("operation", "token") not in left_in(replace(hub, operation=None))
    assert ("conditions", 1, "seen_by") not in left_in(replace(hub, conditions=()))


def test_f14_what_belongs_to_an_attempt_does_not_enter_the_next_one():
    hub = codec.hub_from(newer_row(a_hub_with_everything()))
    left = left_in(replace(hub, attempt=hub.attempt + 1, steps={}))
    assert not {place for place in left if place[0] in ("steps", "machine")}
    assert ("weather",) in left


def test_f14_a_field_that_this_release_writes_is_never_overwritten():
    first = codec.hub_from(newer_row(a_hub_with_everything()))
    assert first.url is not None
    stale = replace(first, carried=codec.hub_from(newer_row(a_hub_with_everything(), [(("rack",), "1")])).carried)
    document = json.loads(documents.join(codec.hub_entity(replace(stale, url="http://new/"))) or "")
    assert (document["url"], document["rack"]) == ("http://new/", "1")


def test_f14_a_newer_row_that_is_damaged_too_is_unreadable_and_not_repaired():
    row = newer_row(a_hub_with_everything())
    document = json.loads(documents.join(row.values) or "")
    document["generation"] = "many"
    with pytest.raises(Exception, match=r"RowUnreadable.*generation"):
        codec.hub_from(Row({**row.values, **documents.split(json.dumps(document))}, "e"))


async def test_f14_a_hub_of_the_next_release_lives_on_under_this_one_and_loses_nothing():
    world = World()
    await hub_moments.making_the_machine(world)
    hub = world.hub
    row = newer_row(hub, [(("weather",), 1), (("life", "mood"), 2), (("steps", "group", "proof"), 3)], colour="red")
    world.storage.hubs.hubs[hub.owner, hub.name] = replace(codec.hub_from(row), etag=hub.etag)
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY
    await world.stop()
    hub = await world.run_to_rest(HubState.STOPPED)
    entity = codec.hub_entity(hub)
    document = json.loads(documents.join(entity) or "")
    assert (entity["colour"], entity["v"]) == ("red", NEWEST)
    assert (document["weather"], document["life"]["mood"], document["steps"]["group"]["proof"]) == (1, 2, 3)


KINDS = {"hub": "Hub", "gone": "Hub", "op": "Operation", "event": "Event", "idem": "Idempotency", "outbox": "Notice"}


@pytest.mark.parametrize("moment", sorted(hub_moments.WITH_LIFE))
async def test_f14_after_a_roll_back_the_release_before_reads_what_this_one_wrote(moment: str):
    """By the schema of what it reads, recorded with its rows: it does not forbid fields it does not know."""
    world = World()
    await hub_moments.WITH_LIFE[moment](world)
    reads = old_rows.reads(old_rows.THIRD)
    written = (await everything(world))["tables"]["hubs"]
    for entity in written:
        assert entity["v"] == WRITTEN == 2, "the release before reads 1 and 2"
        kind = entity["RowKey"].split("!")[0]
        if kind == "quota":
            schema, document = reads["Quota"], {**json.loads(entity["doc0"]), "owner": "o"}
        elif kind == "secret":
            secrets = old_rows.opened(world, Row(entity, "e"))
            left_out = {"etag": True, "carried": True}
            schema, document = reads["HubSecrets"], codec.to_json(HubSecrets, secrets, leave_out=left_out)
        else:
            schema, document = reads[KINDS[kind]], json.loads(documents.join(entity) or "")
        if isinstance(document.get("operation"), dict):
            document["operation"]["handle"] = entity["handle0"]
        jsonschema_rs.validator_for(schema).validate(document)
    assert {"hub", "gone"} & {entity["RowKey"].split("!")[0] for entity in written}


def test_f14_the_roll_back_check_sees_a_field_that_was_dropped_or_changed():
    schema = old_rows.reads(old_rows.THIRD)["Hub"]
    document = json.loads(documents.join(codec.hub_entity(a_ready_hub())) or "")
    validator = jsonschema_rs.validator_for(schema)
    validator.validate({**document, "weather": "fine"})
    for wrong in ({**document, "state": "hibernating"}, {k: v for k, v in document.items() if k != "generation"}):
        assert not validator.is_valid(wrong)


# ------------------------------------------------------------------ rows too new


def too_new(world: World) -> None:
    hub = world.hub
    world.storage.hubs.unreadable[hub.owner, hub.name] = "RowTooNew"


async def test_f14_a_hub_too_new_is_put_off_again_and_again_and_never_failed():
    world = World()
    await world.create()
    hub = world.hub
    too_new(world)
    await world.run(limit_s=5 * 3600)
    assert world.storage.hubs.hubs[hub.owner, hub.name] == hub
    world.storage.hubs.unreadable.clear()  # the newer release is back
    assert (await world.run_to_rest()).state is HubState.READY


async def test_f14_a_poisoned_message_about_a_hub_too_new_does_not_fail_it():
    world = World()
    await world.create()
    before = world.hub
    message = world.storage.queue.take_message()
    too_new(world)
    await world.poison(message)
    assert world.storage.hubs.hubs[before.owner, before.name] == before
    (again,) = world.storage.queue.waiting
    assert again.message == message
    assert again.visible_at == world.clock.now() + timedelta(seconds=DEFERRED_S)


async def test_f14_secrets_too_new_put_a_visit_off_and_fail_no_hub():
    world = World()
    await world.create()
    world.storage.tape.fail("secrets.get", RowTooNew("The secrets"), times=3)
    hub = await world.run_to_rest()
    assert hub.state is HubState.READY
    assert hub.ready_at is not None
    assert hub.ready_at - hub.created_at > timedelta(minutes=9), "each visit was put off"


async def test_f14_a_quota_too_new_puts_a_deletion_off_and_poisons_no_message():
    world = World()
    await hub_moments.deleting(world)
    began = world.clock.now()
    world.storage.tape.fail("hubs.bury", RowTooNew("The quota"), times=3)
    await world.run_until_gone()
    assert not world.storage.hubs.hubs
    assert world.clock.now() - began > timedelta(minutes=4), "each visit was put off"


async def test_f14_a_due_row_of_a_kind_nobody_knows_yet_is_put_off_not_forgotten():
    world = World()
    hub = world.storage.hubs.seed(a_hub())
    row = a_due_row(kind="weather", at=world.clock.now(), pass_number=7)
    await world.app.due.put(row)
    assert hub.pass_number != row.pass_number
    await world.tick()
    (left,) = world.storage.due.rows.values()
    assert replace(left, at=row.at) == row
    assert left.at >= world.clock.now() + timedelta(minutes=10)


async def test_f14_the_api_answers_503_with_retry_after_for_a_hub_too_new():
    world = World(settings=some_settings(HUBLET_ADMIN_TOKEN=ADMIN_TOKEN))
    await world.create(principal=ADMIN)
    too_new(world)
    answer = await Api(world).send("GET", "/api/hubs/demo", owner="admin")
    assert (answer.status, answer.code) == (503, "TemporarilyUnavailable")
    assert "newer version" in answer.json["detail"]
    assert int(answer.headers["retry-after"]) >= DEFERRED_S
