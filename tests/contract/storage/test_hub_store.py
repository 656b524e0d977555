"""`HubStore`: transactions, ETags, and what stays of a deleted hub."""

from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import ConcurrentUpdate, FatalError, RetryableError
from shared.hubs.meter import Meter, Spent
from shared.hubs.model import Hub, LongOperation, Notice, OperationStatus, Reason, StepName, StepRecord
from shared.hubs.ports import (
    Delivery,
    HubChange,
    HubExists,
    IdempotencyKeyTaken,
    Pending,
    Quota,
    QuotaChanged,
    UnreadableRow,
)
from shared.hubs.states import HubState
from tests.contract.storage.worlds import World
from tests.support.builders import (
    HUB_ID,
    HUB_NAME,
    OWNER,
    a_hub,
    a_notice,
    a_ready_hub,
    an_accept,
    an_event,
    an_idempotency,
    an_operation,
    some_secrets,
)
from tests.support.clock import MONDAY_MORNING


async def accept(world: World, hub: Hub | None = None) -> Hub:
    """Creates a hub as an accepted request does."""
    hub = hub or a_hub()
    quota, _ = await world.hubs.admission(hub.owner, None)
    return await world.hubs.create(an_accept(hub), with_hub(quota, hub), None)


def with_hub(quota: Quota, hub: Hub) -> Quota:
    return replace(quota, hubs={**quota.hubs, hub.name: hub.id})


# ------------------------------------------------------------------ create


async def test_an_owner_without_rows_is_admitted_with_an_empty_quota(world: World):
    assert await world.hubs.admission(OWNER, "1" * 64) == (Quota(owner=OWNER), None)


async def test_a_created_hub_is_there_with_quota_operation_event_and_idempotency(world: World):
    quota, _ = await world.hubs.admission(OWNER, None)
    created = await world.hubs.create(an_accept(), with_hub(quota, a_hub()), an_idempotency())

    assert created.etag is not None
    assert replace(created, etag=None) == a_hub()
    assert await world.hubs.get(OWNER, HUB_NAME) == created
    assert await world.hubs.operation(OWNER, HUB_ID, 1) == an_operation()
    assert await world.hubs.events(OWNER, HUB_ID) == [an_event(1)]
    quota, remembered = await world.hubs.admission(OWNER, an_idempotency().key)
    assert quota.hubs == {HUB_NAME: HUB_ID}
    assert quota.etag is not None
    assert remembered == an_idempotency()


async def test_a_second_hub_of_the_same_name_is_refused_and_changes_nothing(world: World):
    first = await accept(world)
    quota, _ = await world.hubs.admission(OWNER, None)
    other = a_hub(id="physics-zzzzzz")
    with pytest.raises(HubExists):
        await world.hubs.create(an_accept(other), with_hub(quota, other), an_idempotency())

    assert await world.hubs.get(OWNER, HUB_NAME) == first
    assert await world.hubs.operation(OWNER, other.id, 1) is None
    assert await world.hubs.admission(OWNER, an_idempotency().key) == (quota, None)


async def test_a_create_that_read_an_old_quota_is_refused_and_changes_nothing(world: World):
    await accept(world)
    old, _ = await world.hubs.admission(OWNER, None)
    await accept(world, a_hub(name="chemistry"))
    biology = a_hub(name="biology")
    with pytest.raises(QuotaChanged):
        await world.hubs.create(an_accept(biology), with_hub(old, biology), None)

    assert await world.hubs.get(OWNER, "biology") is None
    fresh, _ = await world.hubs.admission(OWNER, None)
    assert set(fresh.hubs) == {HUB_NAME, "chemistry"}
    await world.hubs.create(an_accept(biology), with_hub(fresh, biology), None)


async def test_two_first_creates_of_one_owner_cannot_both_win(world: World):
    empty, _ = await world.hubs.admission(OWNER, None)
    await world.hubs.create(an_accept(), with_hub(empty, a_hub()), None)
    chemistry = a_hub(name="chemistry")
    with pytest.raises(QuotaChanged):
        await world.hubs.create(an_accept(chemistry), with_hub(empty, chemistry), None)


async def test_an_idempotency_key_is_used_once(world: World):
    quota, _ = await world.hubs.admission(OWNER, None)
    await world.hubs.create(an_accept(), with_hub(quota, a_hub()), an_idempotency())
    quota, _ = await world.hubs.admission(OWNER, None)
    chemistry = a_hub(name="chemistry")
    with pytest.raises(IdempotencyKeyTaken):
        await world.hubs.create(an_accept(chemistry), with_hub(quota, chemistry), an_idempotency())
    assert await world.hubs.get(OWNER, "chemistry") is None


async def test_a_hub_id_that_came_up_before_must_be_chosen_again(world: World):
    hub = await accept(world)
    await world.hubs.bury(HubChange(hub=replace(hub, state=HubState.DELETED)))
    quota, _ = await world.hubs.admission(OWNER, None)
    with pytest.raises(RetryableError, match="HubIdTaken"):
        await world.hubs.create(an_accept(), with_hub(quota, a_hub()), None)


async def test_owners_do_not_see_each_other(world: World):
    await accept(world)
    assert await world.hubs.get("somebody-else", HUB_NAME) is None
    assert await world.hubs.list("somebody-else") == []
    assert await world.hubs.operation("somebody-else", HUB_ID, 1) is None
    assert await world.hubs.events("somebody-else", HUB_ID) == []
    assert (await world.hubs.admission("somebody-else", None))[0].hubs == {}


async def test_hubs_are_listed_by_name_without_any_other_row(world: World):
    for name in ("zoology", "algebra", "music"):
        await accept(world, a_hub(name=name))
    assert [hub.name for hub in await world.hubs.list(OWNER)] == ["algebra", "music", "zoology"]


@pytest.mark.parametrize("name", ["", "a/b", "a#b?c", "..", "x" * 2000, "hub!physics", "ü\n", "a'b or true"])
async def test_names_that_nobody_can_have_are_simply_not_found(world: World, name: str):
    await accept(world)
    assert await world.hubs.get(OWNER, name) is None
    assert await world.hubs.operation(OWNER, name, 1) is None
    assert await world.hubs.gone(name, name) is None
    assert await world.hubs.events(OWNER, name) == []


@pytest.mark.parametrize("owner", ["a/b#c?d\\e", "Ärzte & Söhne", "x" * 900, "o'hara"])
async def test_any_text_can_be_an_owner(world: World, owner: str):
    await accept(world, a_hub(owner=owner))
    assert [hub.owner for hub in await world.hubs.list(owner)] == [owner]


# ------------------------------------------------------------------ commit


async def test_a_saved_hub_comes_back_as_it_was(world: World):
    hub = await accept(world)
    saved = await world.hubs.commit(HubChange(hub=a_ready_hub(etag=hub.etag), events=(an_event(12),)))
    assert saved.etag not in (None, hub.etag)
    assert await world.hubs.get(OWNER, HUB_NAME) == saved == a_ready_hub(etag=saved.etag)


async def test_a_stale_save_is_refused_and_changes_nothing(world: World):
    stale = await accept(world)
    saved = await world.hubs.commit(HubChange(hub=replace(stale, pass_number=2)))
    finished = an_operation(status=OperationStatus.SUCCEEDED)
    with pytest.raises(ConcurrentUpdate):
        await world.hubs.commit(HubChange(hub=stale, events=(an_event(2),), operations=(finished,)))
    assert await world.hubs.get(OWNER, HUB_NAME) == saved
    assert await world.hubs.events(OWNER, HUB_ID) == [an_event(1)]
    assert await world.hubs.operation(OWNER, HUB_ID, 1) == an_operation()


async def test_a_save_of_a_hub_that_is_gone_is_a_concurrent_update(world: World):
    hub = await accept(world)
    await world.hubs.bury(HubChange(hub=hub))
    with pytest.raises(ConcurrentUpdate):
        await world.hubs.commit(HubChange(hub=hub))


async def test_a_hub_that_was_never_read_cannot_be_saved(world: World):
    with pytest.raises(FatalError, match="NotStored"):
        await world.hubs.commit(HubChange(hub=a_hub()))


async def test_an_event_number_is_used_once(world: World):
    hub = await accept(world)
    with pytest.raises(ConcurrentUpdate):
        await world.hubs.commit(HubChange(hub=replace(hub, pass_number=2), events=(an_event(1),)))
    assert await world.hubs.get(OWNER, HUB_NAME) == hub


async def test_an_operation_ends_in_the_transaction_of_its_hub(world: World):
    hub = await accept(world)
    ended = an_operation(status=OperationStatus.SUCCEEDED, ended_at=MONDAY_MORNING + timedelta(minutes=8))
    following = an_operation(generation=2, kind="delete", status=OperationStatus.RUNNING)
    await world.hubs.commit(HubChange(hub=hub, operations=(an_operation(), ended, following)))
    assert await world.hubs.operation(OWNER, HUB_ID, 1) == ended
    assert await world.hubs.operation(OWNER, HUB_ID, 2) == following


async def test_events_come_oldest_first_and_the_newest_are_kept_when_there_are_too_many(world: World):
    hub = await accept(world)
    hub = await world.hubs.commit(HubChange(hub=hub, events=tuple(an_event(seq) for seq in range(2, 12))))
    await world.hubs.commit(HubChange(hub=hub, events=(an_event(12, cause=Reason(code="C", message="m")),)))
    events = await world.hubs.events(OWNER, HUB_ID)
    assert [event.seq for event in events] == list(range(1, 13))
    assert events[-1].cause == Reason(code="C", message="m")
    assert [event.seq for event in await world.hubs.events(OWNER, HUB_ID, top=3)] == [10, 11, 12]


async def test_a_hub_larger_than_one_property_comes_back_whole(world: World):
    hub = await accept(world)
    large = replace(
        hub,
        operation=LongOperation(kind="vm", handle="https://example.test/" + "h" * 40_000, begun_at=MONDAY_MORNING),
        steps={StepName.INSTALL: StepRecord(name=StepName.INSTALL, data={"text": "\U0001f680ä" * 20_000})},
    )
    saved = await world.hubs.commit(HubChange(hub=large))
    assert await world.hubs.get(OWNER, HUB_NAME) == saved == replace(large, etag=saved.etag)
    smaller = await world.hubs.commit(HubChange(hub=replace(hub, etag=saved.etag)))
    assert await world.hubs.get(OWNER, HUB_NAME) == smaller
    assert smaller.operation is None


async def test_a_steps_memory_comes_back_as_json(world: World):
    hub = await accept(world)
    record = StepRecord(name=StepName.HTTPS, data={"tuple": (1, 2), "none": None, "nested": {"x": [True, 1.5]}})
    await world.hubs.commit(HubChange(hub=hub.with_step(record)))
    found = await world.hubs.get(OWNER, HUB_NAME)
    assert found is not None
    assert found.step(StepName.HTTPS).data == {"tuple": [1, 2], "none": None, "nested": {"x": [True, 1.5]}}


async def test_a_change_is_remembered_under_its_idempotency_key_or_not_made_at_all(world: World):
    hub = await accept(world)
    saved = await world.hubs.commit(HubChange(hub=hub, idempotency=an_idempotency()))
    assert (await world.hubs.admission(OWNER, an_idempotency().key))[1] == an_idempotency()
    again = HubChange(
        hub=replace(saved, pass_number=9), events=(an_event(2),), idempotency=an_idempotency(generation=2)
    )
    with pytest.raises(IdempotencyKeyTaken):
        await world.hubs.commit(again)
    assert await world.hubs.get(OWNER, HUB_NAME) == saved
    assert await world.hubs.events(OWNER, HUB_ID) == [an_event(1)]


# ------------------------------------------------------------------ outbox


async def test_a_notice_is_in_the_outbox_with_its_change_until_it_was_delivered(world: World):
    hub = await accept(world)
    assert await world.outbox.get(OWNER, HUB_ID, 2) is None
    await world.hubs.commit(HubChange(hub=hub, events=(an_event(2),), notices=(a_notice(3), a_notice(4))))
    assert await in_outbox(world, 3) == a_notice(3)
    await world.outbox.done(OWNER, HUB_ID, 3)
    await world.outbox.done(OWNER, HUB_ID, 3)
    assert await world.outbox.get(OWNER, HUB_ID, 3) is None
    assert await in_outbox(world, 4) == a_notice(4)
    assert await world.outbox.get("somebody-else", HUB_ID, 4) is None


async def test_a_notice_of_a_change_that_was_refused_is_never_told(world: World):
    stale = await accept(world)
    await world.hubs.commit(HubChange(hub=replace(stale, pass_number=2)))
    with pytest.raises(ConcurrentUpdate):
        await world.hubs.commit(HubChange(hub=stale, notices=(a_notice(),)))
    assert await world.outbox.get(OWNER, HUB_ID, 2) is None


async def test_a_notices_number_is_used_once(world: World):
    hub = await accept(world)
    hub = await world.hubs.commit(HubChange(hub=hub, notices=(a_notice(),)))
    with pytest.raises(ConcurrentUpdate):
        await world.hubs.commit(HubChange(hub=hub, notices=(a_notice(message="Something else."),)))
    assert await in_outbox(world, 2) == a_notice()


async def test_creating_and_burying_tell_too(world: World):
    quota, _ = await world.hubs.admission(OWNER, None)
    hub = await world.hubs.create(replace(an_accept(), notices=(a_notice(2),)), with_hub(quota, a_hub()), None)
    await world.hubs.bury(replace(burial(hub), notices=(a_notice(3),)))
    assert await in_outbox(world, 2) == a_notice(2)
    assert await in_outbox(world, 3) == a_notice(3)


async def test_the_audit_finds_old_notices_of_all_owners(world: World):
    early, late = MONDAY_MORNING, MONDAY_MORNING + timedelta(minutes=10)
    for owner in (OWNER, "somebody-else"):
        hub = await accept(world, a_hub(owner=owner))
        notices = (a_notice(2, owner=owner, at=early), a_notice(3, owner=owner, at=late))
        await world.hubs.commit(HubChange(hub=hub, notices=notices))
    found = await world.outbox.older_than(late)
    assert {(one.notice.owner, one.notice.seq) for one in found} == {(OWNER, 2), ("somebody-else", 2)}
    assert await world.outbox.older_than(early) == []


async def in_outbox(world: World, seq: int) -> Notice | None:
    pending = await world.outbox.get(OWNER, HUB_ID, seq)
    return None if pending is None else pending.notice


async def waiting(world: World) -> Pending:
    """One notice that nobody has looked at yet."""
    await world.hubs.commit(HubChange(hub=await accept(world), notices=(a_notice(3),)))
    pending = await world.outbox.get(OWNER, HUB_ID, 3)
    assert pending is not None
    return pending


AN_HOUR_LATER = MONDAY_MORNING + timedelta(hours=1)
STATES = {
    "console": Delivery(),
    "webhook:w-1": Delivery(tries=2, next_at=AN_HOUR_LATER, code="Unreachable"),
    "slack:C1/ü": Delivery(next_at=AN_HOUR_LATER + timedelta(hours=1), since=AN_HOUR_LATER),
}


async def test_how_far_each_target_of_a_notice_is_can_be_saved_again_and_again(world: World):
    pending = await waiting(world)
    assert (pending.deliveries, pending.next_at) == (None, MONDAY_MORNING)
    saved = await world.outbox.save(replace(pending, deliveries=STATES))
    assert await world.outbox.get(OWNER, HUB_ID, 3) == saved
    assert (saved.notice, saved.deliveries, saved.next_at) == (a_notice(3), STATES, AN_HOUR_LATER)
    assert saved.etag != pending.etag
    again = await world.outbox.save(replace(saved, deliveries={**STATES, "console": Delivery(tries=1)}))
    assert await world.outbox.get(OWNER, HUB_ID, 3) == again


async def test_of_two_who_save_one_notice_the_second_is_refused(world: World):
    pending = await waiting(world)
    saved = await world.outbox.save(replace(pending, deliveries=STATES))
    with pytest.raises(ConcurrentUpdate):
        await world.outbox.save(replace(pending, deliveries={}))
    assert await world.outbox.get(OWNER, HUB_ID, 3) == saved


async def test_a_notice_that_is_gone_is_not_saved(world: World):
    pending = await waiting(world)
    await world.outbox.done(OWNER, HUB_ID, 3)
    with pytest.raises(ConcurrentUpdate):
        await world.outbox.save(replace(pending, deliveries=STATES))
    assert await world.outbox.get(OWNER, HUB_ID, 3) is None


async def test_a_notice_that_somebody_saved_meanwhile_is_not_removed(world: World):
    pending = await waiting(world)
    saved = await world.outbox.save(replace(pending, deliveries=STATES))
    with pytest.raises(ConcurrentUpdate):
        await world.outbox.done(OWNER, HUB_ID, 3, etag=pending.etag)
    assert await world.outbox.get(OWNER, HUB_ID, 3) == saved
    await world.outbox.done(OWNER, HUB_ID, 3, etag=saved.etag)
    await world.outbox.done(OWNER, HUB_ID, 3, etag=saved.etag)
    assert await world.outbox.get(OWNER, HUB_ID, 3) is None


async def test_a_notice_can_be_put_in_again_unless_it_is_there(world: World):
    pending = await waiting(world)
    again = Pending(notice=pending.notice, deliveries={"webhook:w-1": Delivery(next_at=AN_HOUR_LATER)})
    assert not await world.outbox.put(again)
    assert await world.outbox.get(OWNER, HUB_ID, 3) == pending
    await world.outbox.done(OWNER, HUB_ID, 3)
    assert await world.outbox.put(again)
    stored = await world.outbox.get(OWNER, HUB_ID, 3)
    assert stored is not None
    assert replace(stored, etag=None) == again
    assert not await world.outbox.put(again)


async def test_the_audit_finds_a_notice_by_when_somebody_should_have_been_asked(world: World):
    saved = await world.outbox.save(replace(await waiting(world), deliveries=STATES))
    assert await world.outbox.older_than(AN_HOUR_LATER) == []
    assert await world.outbox.older_than(AN_HOUR_LATER + timedelta(seconds=1)) == [saved]
    saved = await world.outbox.save(replace(saved, deliveries={"console": Delivery()}))
    assert await world.outbox.older_than(MONDAY_MORNING + timedelta(seconds=1)) == [saved], "nobody is left to be asked"


# ------------------------------------------------------------------ bury


def burial(hub: Hub) -> HubChange:
    deleted = replace(hub, state=HubState.DELETED, state_since=MONDAY_MORNING + timedelta(hours=1))
    ended = an_operation(generation=2, kind="delete", status=OperationStatus.SUCCEEDED)
    return HubChange(hub=deleted, events=(an_event(2, to_state="deleted"),), operations=(ended,))


async def test_a_buried_hub_leaves_its_history_and_frees_its_name(world: World):
    hub = await accept(world)
    await world.secrets.create(OWNER, HUB_ID, some_secrets())
    await world.hubs.bury(burial(hub))

    assert await world.hubs.get(OWNER, HUB_NAME) is None
    assert await world.hubs.list(OWNER) == []
    assert await world.secrets.get(OWNER, HUB_ID) is None
    gone = await world.hubs.gone(OWNER, HUB_ID)
    assert gone is not None
    assert gone.deleted_at == MONDAY_MORNING + timedelta(hours=1)
    assert gone.hub == replace(burial(hub).hub, etag=None)
    assert [event.seq for event in await world.hubs.events(OWNER, HUB_ID)] == [1, 2]
    operation = await world.hubs.operation(OWNER, HUB_ID, 2)
    assert operation is not None
    assert operation.status is OperationStatus.SUCCEEDED
    quota, _ = await world.hubs.admission(OWNER, None)
    assert quota.hubs == {}
    again = a_hub(id="physics-zzzzzz")
    await world.hubs.create(an_accept(again), with_hub(quota, again), None)


async def test_burying_without_secrets_works(world: World):
    await world.hubs.bury(burial(await accept(world)))
    assert await world.hubs.gone(OWNER, HUB_ID) is not None


async def test_burying_twice_does_nothing_even_when_the_name_is_taken_again(world: World):
    hub = await accept(world)
    await world.hubs.bury(burial(hub))
    await world.hubs.bury(burial(hub))
    again = await accept(world, a_hub(id="physics-zzzzzz"))
    await world.hubs.bury(burial(hub))
    assert await world.hubs.get(OWNER, HUB_NAME) == again
    assert (await world.hubs.admission(OWNER, None))[0].hubs == {HUB_NAME: again.id}


async def test_a_stale_burial_is_refused_and_changes_nothing(world: World):
    stale = await accept(world)
    await world.secrets.create(OWNER, HUB_ID, some_secrets())
    saved = await world.hubs.commit(HubChange(hub=replace(stale, pass_number=2)))
    with pytest.raises(ConcurrentUpdate):
        await world.hubs.bury(burial(stale))
    assert await world.hubs.get(OWNER, HUB_NAME) == saved
    assert await world.hubs.gone(OWNER, HUB_ID) is None
    assert await world.secrets.get(OWNER, HUB_ID) is not None
    assert (await world.hubs.admission(OWNER, None))[0].hubs == {HUB_NAME: HUB_ID}


async def test_burying_one_hub_leaves_the_others_in_the_quota(world: World):
    hub = await accept(world)
    await accept(world, a_hub(name="chemistry"))
    await world.hubs.bury(burial(hub))
    assert set((await world.hubs.admission(OWNER, None))[0].hubs) == {"chemistry"}


async def test_a_buried_hubs_cost_stays_with_its_owner_by_month(world: World):
    first = Meter(months={"2026-01": Spent(vm=1.0, ip=0.5), "2026-02": Spent(disk=2.0)})
    second = Meter(months={"2026-02": Spent(vm=0.25), "2026-03": Spent(unpriced_s=60.0)})
    for name, meter in (("algebra", first), ("music", second)):
        hub = await accept(world, a_hub(name=name))
        await world.hubs.bury(HubChange(hub=replace(hub, meter=meter)))
    assert (await world.hubs.admission(OWNER, None))[0].spent == {"2026-01": 1.5, "2026-02": 2.25}


async def test_burying_twice_counts_the_cost_once(world: World):
    hub = await accept(world)
    burying = HubChange(hub=replace(hub, meter=Meter(months={"2026-01": Spent(vm=1.0)})))
    await world.hubs.bury(burying)
    await world.hubs.bury(burying)
    assert (await world.hubs.admission(OWNER, None))[0].spent == {"2026-01": 1.0}


async def test_creating_a_hub_keeps_what_earlier_ones_cost(world: World):
    hub = await accept(world)
    await world.hubs.bury(HubChange(hub=replace(hub, meter=Meter(months={"2026-01": Spent(vm=1.0)}))))
    await accept(world, a_hub(name="music"))
    quota, _ = await world.hubs.admission(OWNER, None, fresh=True)
    assert (set(quota.hubs), quota.spent) == ({"music"}, {"2026-01": 1.0})


# ------------------------------------------------------------------ all of them


async def test_one_unreadable_row_hides_no_other_hub_of_its_owner(world: World):
    for name in ("algebra", "music", "zoology"):
        await accept(world, a_hub(name=name))
    await world.damage(a_hub(name="music"))
    assert [hub.name for hub in await world.hubs.list(OWNER)] == ["algebra", "zoology"]
    with pytest.raises(FatalError, match="RowUnreadable"):
        await world.hubs.get(OWNER, "music")


async def test_the_audit_sees_every_hub_and_every_row_that_cannot_be_read(world: World):
    for owner in (OWNER, "o'hara/ü"):
        for name in ("algebra", "music"):
            await accept(world, a_hub(owner=owner, name=name))
    await world.hubs.bury(burial(await accept(world, a_hub(owner="third", name="gone"))))
    await world.damage(a_hub(owner="o'hara/ü", name="music"))
    found = [row async for row in world.hubs.everything()]
    assert {(row.owner, row.name) for row in found if isinstance(row, Hub)} == {
        (OWNER, "algebra"),
        (OWNER, "music"),
        ("o'hara/ü", "algebra"),
    }
    unreadable = [row for row in found if isinstance(row, UnreadableRow)]
    assert unreadable == [UnreadableRow(owner="o'hara/ü", name="music", code="RowUnreadable")]


async def test_of_no_hub_there_is_nothing_to_see_and_nothing_to_forget(world: World):
    assert [row async for row in world.hubs.everything()] == []
    assert await world.outbox.older_than(MONDAY_MORNING) == []
    assert await world.hubs.forget_old(MONDAY_MORNING) == 0


# ------------------------------------------------------------------ keep times


async def test_a_living_hubs_events_are_kept_for_90_days(world: World):
    now = MONDAY_MORNING + timedelta(days=200)
    hub = await accept(world)
    ages = {2: 91, 3: 90, 4: 31, 5: 0}
    events = tuple(an_event(seq, at=now - timedelta(days=days)) for seq, days in ages.items())
    await world.hubs.commit(HubChange(hub=hub, events=events))
    assert await world.hubs.forget_old(now) == 2  # the first event of all is 200 days old
    assert [event.seq for event in await world.hubs.events(OWNER, HUB_ID)] == [3, 4, 5]
    assert await world.hubs.forget_old(now) == 0
    assert await world.hubs.get(OWNER, HUB_NAME) is not None
    assert await world.hubs.operation(OWNER, HUB_ID, 1) == an_operation()


async def test_what_is_left_of_a_deleted_hub_goes_30_days_later(world: World):
    hub = await accept(world)
    await world.hubs.bury(replace(burial(hub), notices=(a_notice(3),)))
    other = await accept(world, a_hub(name="music"))
    deleted_at = MONDAY_MORNING + timedelta(hours=1)
    await world.hubs.forget_old(deleted_at + timedelta(days=30))
    assert await world.hubs.gone(OWNER, HUB_ID) is not None
    assert [event.seq for event in await world.hubs.events(OWNER, HUB_ID)] == [1, 2]
    await world.hubs.forget_old(deleted_at + timedelta(days=30, seconds=1))
    assert await world.hubs.gone(OWNER, HUB_ID) is None
    assert await world.hubs.events(OWNER, HUB_ID) == []
    assert await world.hubs.operation(OWNER, HUB_ID, 2) is None
    assert await in_outbox(world, 3) == a_notice(3)
    assert await world.hubs.get(OWNER, "music") == other
    assert len(await world.hubs.events(OWNER, other.id)) == 1


async def test_a_hub_that_was_deleted_yesterday_keeps_its_older_events(world: World):
    hub = await accept(world)
    now = MONDAY_MORNING + timedelta(days=60)
    await world.hubs.bury(HubChange(hub=replace(hub, state=HubState.DELETED, state_since=now - timedelta(days=1))))
    await world.hubs.forget_old(now)
    assert [event.seq for event in await world.hubs.events(OWNER, HUB_ID)] == [1]


async def test_old_operations_go_but_the_present_one_and_one_that_ended_lately_stay(world: World):
    hub = await accept(world)
    now = MONDAY_MORNING + timedelta(days=60)
    operations = (
        an_operation(generation=2, kind="stop"),
        an_operation(generation=3, kind="start", ended_at=now - timedelta(days=1)),
        an_operation(generation=4, kind="stop", ended_at=MONDAY_MORNING),
    )
    await world.hubs.commit(HubChange(hub=replace(hub, generation=4), operations=operations))
    assert await world.hubs.forget_old(now) == 2
    kept = [generation for generation in range(1, 5) if await world.hubs.operation(OWNER, HUB_ID, generation)]
    assert kept == [3, 4]


async def test_an_idempotency_key_is_remembered_for_seven_days(world: World):
    quota, _ = await world.hubs.admission(OWNER, None)
    await world.hubs.create(an_accept(), with_hub(quota, a_hub()), an_idempotency())
    week = timedelta(days=7)
    assert await world.hubs.forget_old(MONDAY_MORNING + week) == 0
    assert await world.hubs.forget_old(MONDAY_MORNING + week + timedelta(seconds=1)) == 1
    quota, remembered = await world.hubs.admission(OWNER, an_idempotency().key)
    assert (set(quota.hubs), remembered) == ({HUB_NAME}, None)


async def test_what_is_old_of_one_owner_says_nothing_about_another(world: World):
    """Rows of several owners come in one page; the hub of the same id is alive for one and gone for the other."""
    now = MONDAY_MORNING + timedelta(days=60)
    await accept(world)
    await world.hubs.bury(burial(await accept(world, a_hub(owner="second"))))
    await accept(world, a_hub(owner="third"))
    assert await world.hubs.forget_old(now) == 5  # two events, two operations, the grave
    for owner, events in ((OWNER, 1), ("second", 0), ("third", 1)):
        assert len(await world.hubs.events(owner, HUB_ID)) == events
