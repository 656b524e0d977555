"""Whatever a hub may be, its row gives it back."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.adapters.storage import codec, documents
from shared.adapters.storage.table import Row
from shared.errors import FatalError
from shared.hubs import versions
from shared.hubs.model import Attempt, Hub, HubSpec, LongOperation, Place, Rung, StepName, StepRecord
from shared.hubs.ports import Delivery, Gone, HubSecrets, Pending, Quota
from tests.support.builders import a_hub, a_notice, a_ready_hub, an_event, an_idempotency, an_operation
from tests.support.clock import MONDAY_MORNING
from tests.support.often import examples

TEXT = st.text(max_size=30)
TIMES = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
st.register_type_strategy(datetime, TIMES)


def hubs() -> st.SearchStrategy[Hub]:
    steps = st.fixed_dictionaries(
        {},
        optional={
            name: st.builds(
                StepRecord,
                name=st.just(name),
                started_at=st.none() | TIMES,
                finished_at=st.none() | TIMES,
                tries=st.integers(0, 1000),
                data=st.dictionaries(TEXT, JSON, max_size=3),
            )
            for name in StepName
        },
    )
    numbers = st.integers(0, 2**31 - 1)
    return st.builds(
        Hub,
        generation=numbers,
        pass_number=numbers,
        steps=steps,
        spec=st.builds(
            HubSpec,
            memory_per_person_gib=st.none() | NUMBERS,
            tags=st.dictionaries(TEXT, TEXT, max_size=2),
            fallback=st.just(a_hub().spec.fallback),
        ),
        operation=st.none() | st.builds(LongOperation, handle=st.text(max_size=20)),
        price=st.just(a_ready_hub().price),
        acceptance=st.just(a_ready_hub().acceptance),
        etag=st.none(),
    )


def read_back(entity: dict[str, Any]) -> Row:
    assert all(isinstance(value, str | int | bytes) for value in entity.values())
    return Row(entity, "etag")


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(hubs())
def test_a_hub_comes_back_from_its_row(hub: Hub):
    assert codec.hub_from(read_back(codec.hub_entity(hub))) == replace(hub, etag="etag")


@settings(max_examples=examples(20), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(hubs(), TIMES)
def test_a_deleted_hub_comes_back_without_its_long_operation(hub: Hub, deleted_at: datetime):
    gone = codec.gone_from(read_back(codec.gone_entity(Gone(hub=hub, deleted_at=deleted_at))))
    assert gone == Gone(hub=replace(hub, operation=None), deleted_at=deleted_at)


def test_the_rows_beside_a_hub_come_back():
    hub = a_hub()
    assert codec.event_from(read_back(codec.event_entity(hub, an_event(3)))) == an_event(3)
    assert codec.operation_from(read_back(codec.operation_entity(hub.owner, an_operation()))) == an_operation()
    record = an_idempotency()
    assert codec.idempotency_from(read_back(codec.idempotency_entity(hub.owner, record))) == record
    quota = Quota(owner=hub.owner, hubs={"a": "a-ab2cd3"}, spent={"2026-03": 1.25}, etag="etag")
    assert codec.quota_from(hub.owner, read_back(codec.quota_entity(quota))) == quota
    pending = Pending(notice=a_notice(), etag="etag")
    assert codec.pending_from(read_back(codec.notice_entity(a_notice()))) == pending


def test_how_far_a_notice_is_comes_back_with_it_and_its_column_says_when_it_is_looked_at():
    at = a_notice().at
    deliveries = {
        "console": Delivery(),
        "webhook:w-1": Delivery(tries=3, next_at=at + timedelta(hours=1), code="SinkUnavailable"),
        "teams:ü/x": Delivery(next_at=at + timedelta(minutes=30), since=at),
    }
    pending = Pending(notice=a_notice(data={"deliveries": 3}), deliveries=deliveries, etag="etag")
    entity = codec.pending_entity(pending)
    assert codec.pending_from(read_back(entity)) == pending
    assert (entity["at"], entity["next"]) == ("2026-03-02T09:30:00.000000Z", "2026-03-02T10:00:00.000000Z")


def test_a_notice_that_an_older_version_wrote_was_looked_at_by_nobody():
    entity = codec.notice_entity(a_notice())
    assert "deliveries" not in (documents.join(entity) or "")
    del entity["next"]
    assert codec.pending_from(read_back(entity)).deliveries is None


def test_what_a_newer_version_knows_of_a_notice_and_its_targets_is_kept():
    pending = Pending(notice=a_notice(), deliveries={"a": Delivery(tries=1), "b": Delivery(tries=2)})
    entity = codec.pending_entity(pending)
    document = json.loads(documents.join(entity) or "")
    document["mood"] = "fine"
    document["deliveries"]["b"]["proof"] = [1]
    newer = Row({**entity, **documents.split(json.dumps(document)), "colour": "red", "v": versions.NEWEST}, "e")
    read = codec.pending_from(newer)
    assert read.deliveries == pending.deliveries
    again = codec.pending_entity(replace(read, deliveries={"a": Delivery(tries=2), "b": Delivery(tries=3)}))
    document = json.loads(documents.join(again) or "")
    assert (again["colour"], again["v"], document["mood"]) == ("red", versions.NEWEST, "fine")
    assert document["deliveries"]["b"] == {"tries": 3, "next_at": None, "code": "", "since": None, "proof": [1]}
    assert "proof" not in document["deliveries"]["a"]


def test_a_quota_that_an_older_version_wrote_has_spent_nothing():
    entity = codec.quota_entity(Quota(owner="o", hubs={"a": "a-ab2cd3"}))
    entity["doc0"] = '{"hubs":{"a":"a-ab2cd3"}}'
    assert codec.quota_from("o", Row(entity, "e")) == Quota(owner="o", hubs={"a": "a-ab2cd3"}, etag="e")


def test_an_operation_names_its_end_only_when_it_ended():
    assert "endedAt" not in codec.operation_entity("o", an_operation())
    ended = an_operation(ended_at=a_hub().created_at)
    assert codec.operation_entity("o", ended)["endedAt"] == "2026-03-02T09:30:00.000000Z"


def test_a_long_handle_has_properties_of_its_own():
    operation = LongOperation(kind="vm", handle="h" * 70_000, begun_at=a_hub().created_at)
    entity = codec.hub_entity(a_hub(operation=operation))
    assert {name for name in entity if name.startswith("handle")} == {"handle0", "handle1", "handle2"}
    assert "hhh" not in (documents.join(entity) or "")
    assert codec.hub_from(Row(entity, "e")).operation == operation


def test_times_come_back_in_utc():
    found = codec.hub_from(Row(codec.hub_entity(a_hub()), "e"))
    assert found.created_at.utcoffset() == a_hub().created_at.utcoffset()
    assert found.created_at.isoformat() == a_hub().created_at.isoformat()


def test_a_field_that_an_older_version_did_not_write_takes_its_default():
    entity = codec.hub_entity(a_hub())
    entity["doc0"] = entity["doc0"].replace('"conditions":[],', "").replace('"url":null,', "")
    assert codec.hub_from(Row(entity, "e")) == a_hub(etag="e")


def test_a_hub_of_an_older_version_is_made_as_it_was_asked_for():
    """Its row has no place, and its attempts no zone."""
    hub = a_hub(attempts=(Attempt(number=1, region="eastus", size="Standard_D2s_v3", started_at=MONDAY_MORNING),))
    document = codec.to_json(Hub, hub, leave_out={"etag": True, "place": True})
    del document["attempts"][0]["zone"]
    found = codec.from_json(Hub, document, "A hub")
    assert found == hub
    assert (found.region, found.size, found.zone, found.dns_label) == ("eastus", "Standard_D2s_v3", None, hub.id)


def test_where_a_hub_was_placed_comes_back():
    place = Place(rung=Rung(region="westus2", size="Standard_D4s_v3", zone="2"), first_try=3, remade=True, label=1)
    assert codec.hub_from(Row(codec.hub_entity(a_hub(place=place)), "e")).place == place


def test_an_unreadable_document_names_its_fields_and_none_of_its_values():
    with pytest.raises(FatalError, match="host_private_key") as caught:
        codec.from_json(HubSecrets, {"admin_password": "correct-horse-battery"}, "The secrets")
    assert "correct-horse-battery" not in str(caught.value)
    assert caught.value.__cause__ is None
