"""The hourly audit: what got lost is found, what is wrong is put right, what is old goes, and trouble stays small."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.errors import ConcurrentUpdate, FatalError, RetryableError
from shared.hubs.audit import AHEAD, audit
from shared.hubs.model import Hub, Machine, Notice
from shared.hubs.ports import FailedDelivery, Gone, HubChange, IndexEntry
from shared.hubs.states import HubState
from shared.settings import Settings
from tests.component.lifecycle.days import (
    HOUR,
    MINUTE,
    a_ready_world,
    alert_fields,
    alerts,
    be_down,
    conditions,
    lose_everything,
    present,
    resting,
    run_to,
    state,
    told,
    utc,
)
from tests.support.builders import (
    a_notice,
    a_ready_hub,
    a_schedule,
    a_sink,
    a_spec,
    an_event,
    an_idempotency,
    an_operation,
    some_settings,
)
from tests.support.standing import seed, seed_ready, seed_stopped
from tests.support.world import World

pytestmark = pytest.mark.slow

MONDAY = utc("2026-03-02 06:00")


def entry_of(hub: Hub, **changes: Any) -> IndexEntry:
    return replace(IndexEntry(hub_id=hub.id, owner=hub.owner, name=hub.name, state=str(hub.state)), **changes)


# ------------------------------------------------------------------ the index


async def test_missing_and_wrong_index_entries_are_made_anew():
    world = World(start=MONDAY)
    hubs = [seed_ready(world, "a"), seed_stopped(world, "b"), seed_ready(world, "c"), seed_stopped(world, "d")]
    entries = world.storage.index.entries
    del entries[hubs[0].id]
    entries[hubs[1].id] = entry_of(hubs[1], state="ready")
    entries[hubs[2].id] = entry_of(hubs[2], owner="nobody", name="other")
    await audit(world.app)
    assert entries == {hub.id: entry_of(hub) for hub in hubs}
    assert world.storage.tape.count("index.put") == 3


async def test_a_hub_that_was_only_accepted_needs_no_entry():
    world = World(start=MONDAY)
    await world.create("demo")
    await audit(world.app)
    assert world.storage.index.entries == {}


async def test_entries_of_hubs_long_gone_are_removed_and_of_recent_ones_kept():
    world = World(start=MONDAY)
    hub, recent, old = seed_ready(world, "here"), a_ready_hub(name="recent"), a_ready_hub(name="old")
    world.storage.index.entries |= {gone.id: entry_of(gone, state="deleted") for gone in (recent, old)}
    world.storage.hubs.graves[recent.owner, recent.id] = Gone(hub=recent, deleted_at=MONDAY - timedelta(days=3))
    await audit(world.app)
    assert sorted(world.storage.index.entries) == [hub.id, recent.id]


async def test_the_entry_of_an_older_hub_of_the_same_name_is_removed():
    world = World(start=MONDAY)
    hub = seed_ready(world, "here")
    older = replace(hub, id="here-zzzzzz")
    world.storage.index.entries[older.id] = entry_of(older)
    await audit(world.app)
    assert list(world.storage.index.entries) == [hub.id]


async def test_a_deleted_hub_leaves_nothing_behind_after_its_keep_time():
    world = await a_ready_world(MONDAY, schedule=a_schedule())
    await world.delete(world.hub)
    await world.run_until_gone()
    await run_to(world, "2026-04-05 00:00")
    assert world.storage.index.entries == {}
    assert world.storage.hubs.graves == {}
    assert world.storage.hubs.operations == {}
    assert not any(world.storage.hubs.history.values())
    assert world.storage.due.rows == {}
    assert world.storage.queue.waiting == []
    assert world.storage.outbox.rows == {}


# ------------------------------------------------------------------ what is old


async def test_rows_past_their_keep_time_are_forgotten():
    world = World(start=MONDAY)
    hub = seed_ready(world, "here")
    storage = world.storage.hubs
    days = timedelta(days=1)
    storage.history[hub.owner, hub.id] = {seq: an_event(seq, at=MONDAY - age * days) for seq, age in ((1, 91), (2, 89))}
    for generation, age in ((0, 31), (1, 31), (2, 29)):
        operation = an_operation(hub_id=hub.id, generation=generation, created_at=MONDAY - age * days)
        storage.operations[hub.owner, hub.id, generation] = operation
    for key, age in (("1" * 64, 8), ("2" * 64, 6)):
        storage.idempotencies[hub.owner, key] = an_idempotency(key=key, created_at=MONDAY - age * days)
    audited = await audit(world.app)
    assert audited.forgotten == 3
    assert list(storage.history[hub.owner, hub.id]) == [2]
    assert sorted(generation for _, _, generation in storage.operations) == [1, 2]  # 1: of the present generation
    assert [key for _, key in storage.idempotencies] == ["2" * 64]


# ------------------------------------------------------------------ timers


async def test_due_rows_of_the_coming_two_hours_are_put_again_and_no_others():
    world = World(start=MONDAY)
    for name, ahead in (("a", MINUTE), ("b", AHEAD - MINUTE), ("c", AHEAD + MINUTE)):
        ends = MONDAY + ahead + timedelta(days=7)  # the look is for its warning
        seed_ready(world, name, next_look_at=MONDAY + ahead, spec=a_spec(expires_at=ends))
    await audit(world.app)
    assert sorted((row.name, row.at) for row in world.storage.due.rows.values()) == [
        ("a", MONDAY + MINUTE),
        ("b", MONDAY + AHEAD - MINUTE),
    ]


async def test_the_second_audit_finds_nothing_to_do():
    world = await a_ready_world(MONDAY, schedule=a_schedule(), expires_at=utc("2026-03-20 12:00"), idle_minutes=60)
    await audit(world.app)
    before, rows = len(world.storage.tape.writes), dict(world.storage.due.rows)
    audited = await audit(world.app)
    assert world.storage.due.rows == rows
    assert set(world.storage.tape.writes[before:]) <= {"due.put"}
    assert (audited.driven, audited.forgotten) == (0, 0)


async def test_audits_all_day_make_no_row_twice():
    world = await a_ready_world(MONDAY, schedule=a_schedule())
    rows = dict(world.storage.due.rows)
    for _ in range(8):
        await audit(world.app)
    assert world.storage.due.rows == rows


async def test_a_hub_whose_time_zone_changed_its_rules_is_looked_at_by_the_new_ones():
    """It was planned by an older edition of the database: an hour too late."""
    world = await a_ready_world(MONDAY, schedule=a_schedule())
    late = utc("2026-03-02 18:30")
    lose_everything(world)
    await world.app.hubs.commit(HubChange(hub=replace(world.hub, next_look_at=late)))
    await run_to(world, "2026-03-02 18:01")
    assert told(world, "stopping-soon") == ["02 17:30"]
    assert resting(world)[-1] == "02 18:00 stopping"


async def test_a_stop_that_new_rules_have_put_into_the_past_is_done_by_the_next_audit():
    world = await a_ready_world(MONDAY, schedule=a_schedule())
    await run_to(world, "2026-03-02 17:45")
    lose_everything(world)
    await world.app.hubs.commit(HubChange(hub=replace(world.hub, next_look_at=utc("2026-03-02 19:00"))))
    await run_to(world, "2026-03-02 18:08")
    assert resting(world)[-1] == "02 18:07 stopping"


async def test_a_look_that_was_planned_too_early_costs_a_look():
    world = await a_ready_world(MONDAY, schedule=a_schedule())
    lose_everything(world)
    await world.app.hubs.commit(HubChange(hub=replace(world.hub, next_look_at=utc("2026-03-02 16:30"))))
    await run_to(world, "2026-03-02 18:01")
    assert told(world, "stopping-soon") == ["02 17:30"]
    assert resting(world)[-1] == "02 18:00 stopping"


async def test_a_hub_whose_next_look_was_never_planned_is_driven():
    world = await a_ready_world(MONDAY, schedule=a_schedule())
    lose_everything(world)
    await world.app.hubs.commit(HubChange(hub=replace(world.hub, next_look_at=None)))
    assert (await audit(world.app)).driven == 1
    await run_to(world, "2026-03-02 18:01")
    assert resting(world)[-1] == "02 18:00 stopping"


async def test_a_hub_that_was_accepted_and_then_lost_by_everybody_gets_ready_all_the_same():
    world = World(start=MONDAY)
    await world.create("demo")
    lose_everything(world)
    await world.run_to_rest(HubState.READY, limit_s=2 * 3600)


async def test_a_deletion_that_everybody_lost_is_done_all_the_same():
    world = await a_ready_world(MONDAY)
    await world.delete(world.hub)
    lose_everything(world)
    await world.run_until_gone(limit_s=2 * 3600)


async def test_a_hub_that_is_being_changed_in_time_is_left_alone():
    world = World(start=MONDAY)
    seed(world, a_ready_hub(name="h", state=HubState.STARTING, next_look_at=MONDAY + MINUTE), "running")
    audited = await audit(world.app)
    assert audited.driven == 0
    assert world.storage.queue.waiting == []


# ------------------------------------------------------------------ notices


async def test_a_notice_whose_message_got_lost_is_delivered_by_the_next_audit_and_once():
    world = await a_ready_world(MONDAY)
    await world.run(lambda: not world.storage.outbox.rows, limit_s=60)  # that it is ready
    await world.stop()
    await world.run(lambda: bool(world.storage.outbox.rows), limit_s=600)
    world.storage.notices.waiting.clear()
    await run_to(world, "2026-03-02 06:50")
    assert told(world, "stopped") == []
    await run_to(world, "2026-03-02 08:00")
    assert told(world, "stopped") == ["02 06:05"]
    assert world.storage.outbox.rows == {}


async def test_a_fresh_notice_is_left_to_its_own_message():
    world = await a_ready_world(MONDAY)
    await world.run(lambda: not world.storage.outbox.rows, limit_s=60)  # that it is ready
    await world.stop()
    await world.run(lambda: bool(world.storage.outbox.rows), limit_s=600)
    sent = len(world.storage.notices.sent)
    await audit(world.app)
    assert len(world.storage.notices.sent) == sent


async def test_a_sink_that_is_down_all_day_hears_everything_once_when_it_is_back():
    world = await a_ready_world(MONDAY, schedule=a_schedule())
    await world.run(lambda: bool(told(world, "ready")), limit_s=60)
    real, refuse = world.told.deliver, [True]

    async def deliver(notice: Notice, target: str) -> None:
        if refuse[0]:
            raise RetryableError("SinkDown", "Not now.")
        await real(notice, target)

    world.told.deliver = deliver  # type: ignore[method-assign]
    most = 0
    for _ in range(20):  # longer than three days would be too late (F43)
        await run_to(world, world.clock.now() + HOUR)
        most = max(most, len(world.storage.notices.waiting))
    assert told(world, "stopping-soon") == []
    assert state(world) is HubState.STOPPED
    kept = len(world.storage.outbox.rows)
    assert kept >= 2
    assert most <= 2 * kept
    refuse[0] = False
    await run_to(world, world.clock.now() + 13 * HOUR)  # the longest pause by then is ten hours, and a fifth
    assert sorted(notice.id for notice in world.told.notices) == sorted({notice.id for notice in world.told.notices})
    assert len(world.told.notices) >= 1 + kept
    assert world.storage.outbox.rows == {}


# ------------------------------------------------------------------ what is old beside the hubs


async def test_the_audit_forgets_what_is_old_of_web_hooks_and_chats():
    world = World(start=MONDAY)
    await world.app.sink_store.add_failed("jaydoe", a_failed_delivery(MONDAY - timedelta(days=31)))
    await world.app.chat.first_sight("slack.T1.42", MONDAY - timedelta(days=3))
    audited = await audit(world.app)
    assert audited.forgotten == 2
    assert await world.app.sink_store.failed("jaydoe", "w-1") == []
    assert world.storage.chat.sights == {}


@pytest.mark.parametrize(
    "error", [RetryableError("StorageUnavailable", "No answer."), NotImplementedError()], ids=["storage", "bug"]
)
@pytest.mark.parametrize("port", ["sink_store", "chat"])
async def test_trouble_with_what_is_old_there_does_not_stop_the_audit(port: str, error: Exception):
    world = World(start=MONDAY)
    await world.app.sink_store.add_failed("jaydoe", a_failed_delivery(MONDAY - timedelta(days=31)))
    await world.app.chat.first_sight("slack.T1.42", MONDAY - timedelta(days=3))

    async def fails(now: datetime) -> int:
        raise error

    setattr(getattr(world.app, port), "forget_old", fails)  # noqa: B010
    assert (await audit(world.app)).forgotten == 1


async def test_each_web_hook_that_does_not_open_is_told_to_the_operator_while_that_lasts(
    caplog: pytest.LogCaptureFixture,
):
    world = World(start=MONDAY)
    store = world.storage.sink_store
    for sink_id, code in (("aaaaaaaaaaaa", "SealKeyUnknown"), ("bbbbbbbbbbbb", "SealBroken"), ("cccccccccccc", None)):
        await store.create(a_sink(owner="jaydoe", id=sink_id))
        if code:
            store.closed["jaydoe", sink_id] = code
    await audit(world.app)
    await audit(world.app)
    kinds = ["WebHookUnreadable/aaaaaaaaaaaa", "WebHookUnreadable/bbbbbbbbbbbb"]
    assert alerts(caplog) == kinds, "once within the hour"
    first, second = alert_fields(caplog)
    assert (first["owner"], first["sink"], first["code"]) == ("jaydoe", "aaaaaaaaaaaa", "SealKeyUnknown")
    assert "HUBLET_SEAL_KEYS" in str(first["message"])
    assert (second["sink"], second["code"]) == ("bbbbbbbbbbbb", "SealBroken")
    world.clock.advance(HOUR.total_seconds() - 1)  # a timer may be a moment early
    del store.closed["jaydoe", "aaaaaaaaaaaa"]
    await audit(world.app)
    assert alerts(caplog) == [*kinds, kinds[1]], "the key is there again"


@pytest.mark.parametrize("error", [RetryableError("StorageUnavailable", "No answer."), NotImplementedError()])
async def test_trouble_with_looking_for_them_does_not_stop_the_audit(error: Exception):
    world = World(start=MONDAY)
    await world.app.sink_store.add_failed("jaydoe", a_failed_delivery(MONDAY - timedelta(days=31)))
    world.storage.tape.fail("sinks.unreadable", error)
    assert (await audit(world.app)).forgotten == 1


def a_failed_delivery(at: datetime) -> FailedDelivery:
    return FailedDelivery(sink_id="w-1", notice=a_notice(), failed_at=at, code="SinkUnavailable", message="503.")


# ------------------------------------------------------------------ budget


def limited(**environment: str) -> Settings:
    return some_settings(**{"HUBLET_MONTHLY_BUDGET": "1.00", "HUBLET_EGRESS_CIDRS": "198.51.100.7/32", **environment})


async def spending(**environment: str) -> World:
    """One dollar a month; a hub costs 10.8 cents an hour."""
    settings = limited(**environment)
    return await a_ready_world(MONDAY, world=World(settings=settings, start=MONDAY))


async def test_an_owner_is_warned_once_at_four_fifths_of_the_month():
    world = await spending()
    await run_to(world, "2026-03-02 13:00")
    assert conditions(world) == []
    await run_to(world, "2026-03-03 13:00")
    (notice,) = world.told.of("budget-nearly-spent")
    assert utc("2026-03-02 13:26") < notice.at < utc("2026-03-02 14:30")
    assert 0.8 <= notice.data["spent"] < 0.92
    assert notice.data["limit"] == 1.0
    assert conditions(world) == ["BudgetNearlySpent"]


async def test_a_new_month_is_a_new_budget_and_a_new_warning():
    world = await spending()
    await run_to(world, "2026-03-02 15:00")
    await world.stop()
    await run_to(world, "2026-03-03 00:00")
    world.clock.advance_to(utc("2026-03-31 23:00"))
    await run_to(world, "2026-04-01 06:00")
    assert conditions(world) == []
    await world.start()
    await run_to(world, "2026-04-01 20:00")
    assert [notice.at.month for notice in world.told.of("budget-nearly-spent")] == [3, 4]


async def test_more_budget_takes_the_warning_back():
    world = await spending()
    await run_to(world, "2026-03-02 15:00")
    assert conditions(world) == ["BudgetNearlySpent"]
    object.__setattr__(world.app, "settings", limited(HUBLET_MONTHLY_BUDGET="100"))
    await run_to(world, "2026-03-02 16:30")
    assert conditions(world) == []
    assert len(told(world, "budget-nearly-spent")) == 1


def two_that_cost(world: World) -> list[Hub]:
    """Two hubs of one owner that have cost a good part of the month."""
    hubs = [seed_ready(world, name) for name in ("a", "b")]
    return [world.storage.hubs.seed(replace(hub, meter=replace(hub.meter, since=MONDAY - 4 * HOUR))) for hub in hubs]


async def test_all_hubs_of_an_owner_show_it_and_the_owner_hears_it_once():
    world = World(settings=limited(), start=MONDAY)
    hubs = two_that_cost(world)
    for _ in range(3):
        await audit(world.app)
    assert [[one.type for one in present(world, hub).conditions] for hub in hubs] == [["BudgetNearlySpent"]] * 2
    assert len(world.storage.outbox.rows) == 1


@pytest.mark.parametrize("error", [ConcurrentUpdate("Hub a"), RetryableError("StorageUnavailable", "no")])
async def test_a_warning_that_could_not_be_stored_is_given_with_another_hub_or_later(error: Exception):
    world = World(settings=limited(), start=MONDAY)
    two_that_cost(world)
    world.storage.tape.fail("hubs.commit", error)
    for _ in range(3):
        await audit(world.app)
    assert len(world.storage.outbox.rows) == 1
    assert {condition.type for hub in world.storage.hubs.hubs.values() for condition in hub.conditions} == {
        "BudgetNearlySpent"
    }


async def test_without_a_budget_nobody_is_warned():
    world = World(start=MONDAY)
    two_that_cost(world)
    await audit(world.app)
    assert world.storage.outbox.rows == {}


async def test_a_scheduled_start_over_budget_is_called_off_and_said():
    settings = limited()
    world = await a_ready_world(MONDAY, world=World(settings=settings, start=MONDAY), schedule=a_schedule())
    await run_to(world, "2026-03-04 12:00")
    assert state(world) is HubState.STOPPED
    assert "BudgetSpent" in conditions(world)
    assert told(world, "started") == []
    world.storage.hubs.seed(replace(world.hub, meter=replace(world.hub.meter, months={})))
    await run_to(world, "2026-03-05 12:00")
    assert state(world) is HubState.READY
    assert "BudgetSpent" not in conditions(world)


# ------------------------------------------------------------------ trouble


async def test_rows_that_cannot_be_read_are_counted_and_stop_nothing():
    world = World(start=MONDAY)
    old = a_ready_hub(name="old")
    hubs = [seed_ready(world, name, next_look_at=MONDAY + HOUR) for name in ("a", "b", "c")]
    world.storage.hubs.unreadable[hubs[1].owner, "b"] = "RowTooNew"
    del world.storage.index.entries[hubs[2].id]
    world.storage.index.entries[old.id] = entry_of(old, state="deleted")
    audited = await audit(world.app)
    assert (audited.hubs, audited.unreadable) == (2, 1)
    assert sorted(world.storage.index.entries) == [hub.id for hub in hubs]  # the unreadable one's stays
    assert sorted(row.name for row in world.storage.due.rows.values()) == ["a", "c"]


@pytest.mark.parametrize("call", ["index.put", "due.put"])
async def test_storage_trouble_with_one_hub_does_not_stop_the_others(call: str):
    world = World(start=MONDAY)
    for name in ("a", "b", "c"):
        hub = seed_ready(world, name, next_look_at=MONDAY + HOUR)
        del world.storage.index.entries[hub.id]
    world.storage.tape.fail(call, RetryableError("StorageUnavailable", "no"))
    await audit(world.app)
    assert sorted(row.name for row in world.storage.due.rows.values()) == ["b", "c"]


async def test_a_bug_with_one_hub_does_not_stop_the_others():
    """Its time zone is no longer in the database, say."""
    world = World(start=MONDAY)
    seed_ready(world, "a", spec=a_spec(schedule=a_schedule(time_zone="Atlantis/Poseidonis")))
    seed_ready(world, "b", next_look_at=MONDAY + HOUR)
    await audit(world.app)
    assert [row.name for row in world.storage.due.rows.values()] == ["b"]


async def test_azure_out_of_reach_does_not_stop_the_audit():
    world = World(start=MONDAY)
    seed_stopped(world, "a", None, machine=Machine(vm_id="x", missing_since=MONDAY - HOUR))
    seed_ready(world, "b", next_look_at=MONDAY + HOUR)
    world.cloud.fail_read("vm_get", RetryableError("AzureUnreachable", "No answer."))
    await audit(world.app)
    assert [row.name for row in world.storage.due.rows.values()] == ["b"]


async def test_only_a_list_and_hubs_that_miss_their_machine_cost_an_arm_read():
    world = World(start=MONDAY)
    for number in range(20):
        seed_ready(world, f"h{number}")
    seed_stopped(world, "drifted", None, machine=Machine(vm_id="x", missing_since=MONDAY - HOUR))
    await audit(world.app)
    assert [call.verb for call in world.cloud.reads] == ["sizes_list", "vm_get"]


async def test_a_start_that_did_not_find_the_machine_can_be_repeated_an_hour_after_it_is_back():
    world = await a_ready_world(MONDAY)
    await world.stop()
    await run_to(world, "2026-03-02 08:00")
    there = world.cloud.groups[world.hub.group_name.lower()].vms
    vm = there.pop(world.hub.vm_name.lower())
    await world.start()
    await world.run_to_rest(HubState.STOPPED, limit_s=900)
    assert "Drifted" in conditions(world)
    there[world.hub.vm_name.lower()] = vm
    await run_to(world, world.clock.now() + HOUR)
    assert state(world) is HubState.STOPPED
    assert "Drifted" not in conditions(world)
    await world.start()
    await world.run_to_rest(HubState.READY)
    assert conditions(world) == []


async def test_storage_out_of_reach_costs_a_run_and_nothing_else():
    world = World(start=MONDAY)
    seed_ready(world, "a", next_look_at=MONDAY + HOUR)
    world.storage.tape.fail("index.list", RetryableError("StorageUnavailable", "no"))
    with pytest.raises(RetryableError):
        await audit(world.app)
    await audit(world.app)
    assert len(world.storage.due.rows) == 1


async def test_the_first_audit_after_a_week_without_the_app_does_nothing_twice():
    world = await a_ready_world(MONDAY, schedule=a_schedule())
    await be_down(world, "2026-03-11 03:00")
    since = world.clock.now()
    await audit(world.app)
    await run_to(world, since + 30 * MINUTE)
    assert resting(world, since) == ["11 03:00 stopping"]
    assert len(told(world, "stopped")) == 1


async def test_a_notice_that_cannot_be_read_does_not_stop_the_audit():
    world = World(start=MONDAY)
    seed_ready(world, "a")
    world.storage.tape.fail("outbox.get", FatalError("RowTooNew", "Written by a newer version."))
    await audit(world.app)
