"""Buttons in a chat, over the real domain: each does one thing once, and everybody is told the truth."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.chat import actions
from shared.chat.actions import Outcome
from shared.chat.card import Verb
from shared.errors import ConcurrentUpdate, RetryableError, RowTooNew
from shared.hubs import steer
from shared.hubs.gate_state import AzurePaused, Cause
from shared.hubs.meter import Meter, Spent
from shared.hubs.model import Hub, Idle, Life
from shared.hubs.ports import Thread
from shared.hubs.states import Goal, HubState
from tests.component.chat.people import (
    JAY_IN_TEAMS,
    MALLORY,
    Chat,
    fresh_key,
    in_turns,
    present,
    there_is,
    there_is_a_class,
)
from tests.support.builders import a_hub, a_ready_hub, a_spec, a_stopped_hub, some_settings
from tests.support.world import OWNER, World

STOP_AT = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
"""19:00 in Berlin."""

DEADLINE = "2026-03-02T18:00:00Z"
HOUR = timedelta(hours=1)


BEFORE = STOP_AT - timedelta(minutes=15)
SEEDS = range(12)


@pytest.fixture
def world() -> World:
    """A quarter of an hour before the stop."""
    return World(start=BEFORE)


@pytest.fixture
def jay(world: World) -> Chat:
    return Chat(world)


@pytest.fixture
def ada(world: World) -> Chat:
    """Acts for the same owner, from Teams."""
    return Chat(world, JAY_IN_TEAMS, "teams")


def titles(outcomes: list[Outcome], *, done: bool) -> list[str]:
    return [outcome.card.title for outcome in outcomes if outcome.done is done]


async def side_by_side(seed: int, *verbs: Verb) -> tuple[World, Hub, list[Outcome]]:
    """One press of each at the same moment, the first by Jay on Slack, the others on Teams."""
    world = in_turns(seed, start=BEFORE)
    hub = await there_is_a_class(world)
    people = [Chat(world) if number == 0 else Chat(world, JAY_IN_TEAMS, "teams") for number in range(len(verbs))]
    presses = (one.presses(verb, hub, DEADLINE) for one, verb in zip(people, verbs, strict=True))
    return world, hub, list(await asyncio.gather(*presses))


def moves(world: World, hub: Hub) -> int:
    """Changes of the next stop in the hub's history."""
    return sum(event.kind == "changed" for event in world.storage.hubs.history.get((hub.owner, hub.id), {}).values())


# ---- snooze


async def test_snooze_moves_the_stop_by_an_hour_and_says_who_did(world: World, jay: Chat):
    hub = await there_is_a_class(world)
    outcome = await jay.presses(Verb.SNOOZE, hub, DEADLINE)
    assert outcome.done
    assert outcome.card.title == "jaydoe (Slack) moved the stop of physics to 20:00 (Europe/Berlin)"
    assert present(world, hub).life.keep_until == STOP_AT + HOUR


@pytest.mark.parametrize("deadline", [DEADLINE, "2026-03-02T18:00:00+00:00", "2026-03-02T19:00:00+01:00"])
async def test_a_deadline_is_a_moment_however_it_is_written(world: World, jay: Chat, deadline: str):
    hub = await there_is_a_class(world)
    assert (await jay.presses(Verb.SNOOZE, hub, deadline)).done


@pytest.mark.parametrize("seed", SEEDS)
async def test_the_same_press_delivered_again_moves_it_once(seed: int):
    world, key = in_turns(seed, start=BEFORE), fresh_key()
    jay, hub = Chat(world), await there_is_a_class(world)
    outcomes = [await jay.presses(Verb.SNOOZE, hub, DEADLINE, key=key) for _ in range(3)]
    outcomes += await asyncio.gather(*(jay.presses(Verb.SNOOZE, hub, DEADLINE, key=key) for _ in range(3)))
    assert all(outcome.done for outcome in outcomes)
    assert present(world, hub).life.keep_until == STOP_AT + HOUR
    assert moves(world, hub) == 1


def told_who_did(outcomes: list[Outcome], after: str) -> None:
    """One did it, and the others were told so by name."""
    (moved,) = titles(outcomes, done=True)
    mover = moved.partition(" moved")[0].partition(" keeps")[0]
    assert set(titles(outcomes, done=False)) == {f"{mover} {after}"}


async def test_who_snoozes_second_is_told_who_was_first(world: World, jay: Chat, ada: Chat):
    hub = await there_is_a_class(world)
    outcomes = [await one.presses(Verb.SNOOZE, hub, DEADLINE) for one in (jay, ada)]
    assert [outcome.done for outcome in outcomes] == [True, False]
    told_who_did(outcomes, "has already moved the stop to 20:00 (Europe/Berlin)")


@pytest.mark.parametrize("people", [2, 3, 6])
@pytest.mark.parametrize("seed", SEEDS)
async def test_those_who_snooze_at_once_move_the_stop_by_one_hour(seed: int, people: int):
    world, hub, outcomes = await side_by_side(seed, *[Verb.SNOOZE] * people)
    assert present(world, hub).life.keep_until == STOP_AT + HOUR
    assert moves(world, hub) == 1
    told_who_did(outcomes, "has already moved the stop to 20:00 (Europe/Berlin)")


async def test_who_is_told_that_the_stop_was_moved_may_move_the_new_one(world: World, jay: Chat, ada: Chat):
    hub = await there_is_a_class(world)
    await jay.presses(Verb.SNOOZE, hub, DEADLINE)
    told = await ada.presses(Verb.SNOOZE, hub, DEADLINE)
    snooze = told.card.buttons[0]
    assert (snooze.verb, snooze.deadline) == (Verb.SNOOZE, "2026-03-02T19:00:00Z")
    assert (await ada.presses(Verb.SNOOZE, hub, snooze.deadline)).done
    assert present(world, hub).life.keep_until == STOP_AT + 2 * HOUR


async def test_a_stop_that_was_put_back_may_be_snoozed_again(world: World, jay: Chat):
    """Somebody changed the schedule: what was pressed before the change counts no more."""
    hub = await there_is_a_class(world)
    await jay.presses(Verb.SNOOZE, hub, DEADLINE)
    moved = present(world, hub)
    world.storage.hubs.hubs["jaydoe", "physics"] = replace(moved, life=replace(moved.life, keep_until=None))
    assert (await jay.presses(Verb.SNOOZE, hub, DEADLINE)).done
    assert present(world, hub).life.keep_until == STOP_AT + HOUR


async def test_snooze_of_an_idle_stop(world: World, jay: Chat):
    quiet = Life(cursor=world.clock.now(), idle=Idle(rule_minutes=60, no_server_since=world.clock.now()))
    hub = await there_is(world, a_ready_hub(owner="jaydoe", spec=a_spec(idle_minutes=60), life=quiet))
    deadline = world.clock.now() + timedelta(minutes=world.app.settings.idle_warning_minutes)
    assert (await jay.presses(Verb.SNOOZE, hub, deadline.isoformat())).done
    assert present(world, hub).life.keep_until == deadline + HOUR


async def test_an_idle_stop_that_is_off_because_somebody_works_is_said_to_be_off(world: World, jay: Chat):
    hub = await there_is(world, a_ready_hub(owner="jaydoe", spec=a_spec(idle_minutes=60)))
    outcome = await jay.presses(Verb.SNOOZE, hub, DEADLINE)
    assert not outcome.done
    assert outcome.card.title == "physics does not stop then any more"
    assert outcome.card.lines == ("Nothing is planned that would stop it.",)


async def test_a_change_of_the_schedule_is_not_taken_for_a_snooze(world: World, jay: Chat):
    hub = await there_is_a_class(world)
    await steer.change_hub(world.app, hub, world.asking(OWNER), {"schedule": None})
    outcome = await jay.presses(Verb.SNOOZE, hub, DEADLINE)
    assert outcome.card.title == "physics does not stop then any more"
    assert outcome.card.buttons == ()


async def test_as_far_as_it_may_be_and_no_further(world: World):
    world = World(start=STOP_AT - timedelta(minutes=15), settings=some_settings(HUBLET_MAX_EXTEND_HOURS="1"))
    hub = await there_is_a_class(world)
    outcome = await Chat(world).presses(Verb.SNOOZE, hub, DEADLINE)
    assert not outcome.done
    assert "too far" in outcome.card.title


@pytest.mark.parametrize("deadline", ["rubbish", "2026-03-02T18:00:00", "2026-03-01T18:00:00Z"])
async def test_a_deadline_that_is_no_stop_of_this_hub_moves_nothing(world: World, jay: Chat, deadline: str):
    hub = await there_is_a_class(world)
    outcome = await jay.presses(Verb.SNOOZE, hub, deadline)
    assert not outcome.done
    assert "19:00 (Europe/Berlin)" in outcome.card.lines[0]
    assert present(world, hub).life.keep_until is None


# ---- keep


async def test_keep_calls_the_scheduled_stop_off_and_the_next_one_stands(world: World, jay: Chat):
    hub = await there_is_a_class(world)
    outcome = await jay.presses(Verb.KEEP, hub, DEADLINE)
    assert outcome.done
    assert outcome.card.title == "jaydoe (Slack) keeps physics on tonight"
    assert outcome.card.lines == ("It stops next at Tue 3 Mar, 19:00 (Europe/Berlin), by its schedule.",)
    assert present(world, hub).life.skipped_stop == STOP_AT


async def test_keep_of_a_stop_that_was_snoozed_before(world: World, jay: Chat):
    hub = await there_is_a_class(world)
    await jay.presses(Verb.SNOOZE, hub, DEADLINE)
    assert (await jay.presses(Verb.KEEP, hub, "2026-03-02T19:00:00Z")).done
    assert present(world, hub).life.skipped_stop == STOP_AT + HOUR


async def test_keep_without_a_schedule_is_twelve_hours(world: World, jay: Chat):
    now = world.clock.now()
    quiet = Life(cursor=now, idle=Idle(rule_minutes=60, no_server_since=now))
    hub = await there_is(world, a_ready_hub(owner="jaydoe", spec=a_spec(idle_minutes=60), life=quiet))
    deadline = now + timedelta(minutes=world.app.settings.idle_warning_minutes)
    assert (await jay.presses(Verb.KEEP, hub, deadline.isoformat())).done
    assert present(world, hub).life.keep_until == deadline + 12 * HOUR


async def test_keep_is_no_longer_than_a_stop_may_be_moved():
    world = World(start=STOP_AT, settings=some_settings(HUBLET_MAX_EXTEND_HOURS="3"))
    quiet = Life(cursor=STOP_AT, idle=Idle(rule_minutes=60, no_server_since=STOP_AT))
    hub = await there_is(world, a_ready_hub(owner="jaydoe", spec=a_spec(idle_minutes=60), life=quiet))
    assert (await Chat(world).presses(Verb.KEEP, hub)).done
    assert present(world, hub).life.keep_until == STOP_AT + 3 * HOUR


@pytest.mark.parametrize("seed", SEEDS)
async def test_of_keep_and_keep_one_is_told(seed: int):
    world, hub, outcomes = await side_by_side(seed, Verb.KEEP, Verb.KEEP)
    told_who_did(outcomes, "has already called off the stop of physics")
    assert moves(world, hub) == 1


@pytest.mark.parametrize("seed", SEEDS)
async def test_of_keep_and_snooze_the_first_counts(seed: int):
    world, hub, outcomes = await side_by_side(seed, Verb.KEEP, Verb.SNOOZE)
    assert len(titles(outcomes, done=True)) == moves(world, hub) == 1
    assert "has already" in titles(outcomes, done=False)[0]


async def test_keep_delivered_again_calls_one_stop_off(world: World, jay: Chat):
    hub = await there_is_a_class(world)
    key = fresh_key()
    outcomes = [await jay.presses(Verb.KEEP, hub, DEADLINE, key=key) for _ in range(2)]
    assert all(outcome.done for outcome in outcomes)
    assert moves(world, hub) == 1


# ---- stop, start, delete


async def test_stop_now(world: World, jay: Chat):
    hub = await there_is_a_class(world)
    outcome = await jay.presses(Verb.STOP, hub, DEADLINE)
    assert outcome.done
    assert outcome.card.title == "jaydoe (Slack) stops physics"
    assert present(world, hub).state is HubState.STOPPING


@pytest.mark.parametrize("seed", SEEDS)
async def test_of_stop_and_stop_one_is_told_who_did(seed: int):
    world, hub, outcomes = await side_by_side(seed, Verb.STOP, Verb.STOP)
    (stopped,) = titles(outcomes, done=True)
    (told,) = [outcome.card for outcome in outcomes if not outcome.done]
    assert told.title == "physics is stopping already"
    assert told.lines == (f"{stopped.partition(' stops')[0]} asked for the hub to be stopped.",)
    assert present(world, hub).generation == hub.generation + 1


async def test_stop_after_snooze_stops_and_both_were_told_the_truth(world: World, jay: Chat, ada: Chat):
    hub = await there_is_a_class(world)
    first, second = await jay.presses(Verb.SNOOZE, hub, DEADLINE), await ada.presses(Verb.STOP, hub, DEADLINE)
    assert first.done and second.done
    assert present(world, hub).goal is Goal.STOPPED


async def test_snooze_after_stop_is_told_who_stopped_it(world: World, jay: Chat, ada: Chat):
    hub = await there_is_a_class(world)
    await ada.presses(Verb.STOP, hub, DEADLINE)
    for verb in (Verb.SNOOZE, Verb.KEEP):
        outcome = await jay.presses(verb, hub, DEADLINE)
        assert not outcome.done
        assert outcome.card.title == "physics is stopping"
        assert outcome.card.lines == ("jaydoe (Teams) asked for the hub to be stopped.",)
    assert present(world, hub).goal is Goal.STOPPED


@pytest.mark.parametrize("seed", SEEDS)
async def test_stop_and_snooze_at_once_end_stopped(seed: int):
    """The stop wins in whichever order they arrive; whoever snoozed did so, or is told."""
    world, hub, (stop, snooze) = await side_by_side(seed, Verb.STOP, Verb.SNOOZE)
    assert stop.done
    assert present(world, hub).goal is Goal.STOPPED
    assert snooze.done is (moves(world, hub) == 1)
    assert snooze.done or snooze.card.title == "physics is stopping"


async def test_a_stop_delivered_again_after_a_start_stops_nothing(world: World, jay: Chat):
    hub = await there_is_a_class(world)
    key = fresh_key()
    await jay.presses(Verb.STOP, hub, DEADLINE, key=key)
    await jay.presses(Verb.START, hub)
    again = await jay.presses(Verb.STOP, hub, DEADLINE, key=key)
    assert again.done
    assert again.card.title == "physics is starting"
    assert present(world, hub).goal is Goal.RUNNING


async def test_start(world: World, jay: Chat):
    hub = await there_is(world, a_stopped_hub(owner="jaydoe"))
    outcome = await jay.presses(Verb.START, hub)
    assert outcome.card.title == "jaydoe (Slack) starts physics"
    assert present(world, hub).state is HubState.STARTING
    again = await jay.presses(Verb.START, hub)
    assert (again.done, again.card.title) == (False, "physics is starting already")


async def test_start_is_refused_when_the_month_is_spent():
    world = World(settings=some_settings(HUBLET_MONTHLY_BUDGET="4"))
    spent = Meter(months={"2026-03": Spent(vm=5)})
    hub = await there_is(world, a_stopped_hub(owner="jaydoe", meter=spent, price=None))
    outcome = await Chat(world).presses(Verb.START, hub)
    assert not outcome.done
    assert "may cost $4.00" in outcome.card.title


async def test_delete(world: World, jay: Chat):
    hub = await there_is_a_class(world)
    assert (await jay.presses(Verb.DELETE, hub)).card.title == "jaydoe (Slack) deletes physics"
    assert present(world, hub).goal is Goal.DELETED
    again = await jay.presses(Verb.DELETE, hub)
    assert (again.done, again.card.title) == (False, "physics is being deleted already")


@pytest.mark.parametrize("verb", [Verb.SNOOZE, Verb.KEEP, Verb.STOP, Verb.START])
async def test_nothing_brings_a_hub_back_that_is_being_deleted(world: World, jay: Chat, verb: Verb):
    hub = await there_is_a_class(world)
    await jay.presses(Verb.DELETE, hub)
    outcome = await jay.presses(verb, hub, DEADLINE)
    assert not outcome.done
    assert "being deleted" in outcome.card.title
    assert present(world, hub).goal is Goal.DELETED


@pytest.mark.parametrize("verb", [Verb.SNOOZE, Verb.KEEP, Verb.STOP])
async def test_a_hub_being_made_cannot_be_steered(world: World, jay: Chat, verb: Verb):
    hub = await there_is(world, a_hub(owner="jaydoe", state=HubState.INSTALLING))
    outcome = await jay.presses(verb, hub, DEADLINE)
    assert not outcome.done
    assert "still being made" in outcome.card.title


# ---- whose hub, where, and trouble


@pytest.mark.parametrize("verb", Verb)
async def test_somebody_elses_hub_is_like_none(world: World, verb: Verb):
    hub = await there_is_a_class(world)
    mallory = Chat(world, MALLORY)
    foreign = await mallory.presses(verb, hub, DEADLINE)
    missing = await mallory.presses(verb, replace(hub, id="physics-zzzzzz"), DEADLINE)
    assert not foreign.done
    assert foreign.card == missing.card == actions.NOT_YOURS
    assert present(world, hub) == hub


async def test_a_hub_whose_name_is_anothers_id_is_not_taken_for_it(world: World):
    hub = await there_is_a_class(world)
    own = await there_is(world, replace(a_ready_hub(owner="mallory", name=hub.id), id=f"{hub.id}-aaaaaa"))
    outcome = await Chat(world, MALLORY).presses(Verb.STOP, hub)
    assert not outcome.done
    assert present(world, own).state is HubState.READY


@pytest.mark.parametrize("hub_id", ["", "../x", "a/b#c", "x" * 3000, "physics", "<!channel>"])
async def test_an_id_that_is_none_is_not_looked_for(world: World, jay: Chat, hub_id: str):
    hub = await there_is_a_class(world)
    outcome = await jay.presses(Verb.STOP, replace(hub, id=hub_id))
    assert not outcome.done
    assert len(outcome.card.title) < 120
    assert present(world, hub) == hub


async def test_a_hub_that_is_gone_is_said_to_be_gone(world: World, jay: Chat):
    hub = await there_is_a_class(world)
    del world.storage.hubs.hubs["jaydoe", "physics"]
    assert not (await jay.presses(Verb.STOP, hub)).done


async def test_a_press_leaves_the_conversation_where_it_is_unless_it_names_one(world: World, jay: Chat):
    hub = await there_is_a_class(world, thread="where-it-was-made")
    await jay.presses(Verb.SNOOZE, hub, DEADLINE)
    assert present(world, hub).thread == "where-it-was-made"
    thread = Thread(id="another", platform="slack", team="T1", channel="C2", user="U1", created_at=world.clock.now())
    await jay.presses(Verb.STOP, hub, thread=thread)
    assert present(world, hub).thread == "another"
    assert "another" in world.storage.chat.threads


async def test_a_login_is_not_pressed_here(world: World, jay: Chat):
    hub = await there_is_a_class(world)
    outcome = await jay.presses(Verb.LOGIN, hub)
    assert not outcome.done
    assert world.storage.secrets.rows == {}


async def test_storage_that_does_not_answer_is_raised_and_nothing_is_done_twice(world: World, jay: Chat):
    hub = await there_is_a_class(world)
    key = fresh_key()
    world.storage.tape.lose_answer("hubs.commit", RetryableError("StorageUnavailable", "No answer."))
    with pytest.raises(RetryableError):
        await jay.presses(Verb.SNOOZE, hub, DEADLINE, key=key)
    assert (await jay.presses(Verb.SNOOZE, hub, DEADLINE, key=key)).done
    assert present(world, hub).life.keep_until == STOP_AT + HOUR


@pytest.mark.parametrize("error", [ConcurrentUpdate("Hub"), RowTooNew("Hub")])
async def test_what_passes_by_itself_is_raised_and_no_answer_to_the_press(
    world: World, jay: Chat, error: ConcurrentUpdate | RowTooNew
):
    """An action page uses its link up when it has an answer."""
    hub = await there_is_a_class(world)
    world.storage.tape.fail("hubs.get", error)
    with pytest.raises(type(error)):
        await jay.presses(Verb.STOP, hub, DEADLINE)
    assert (await jay.presses(Verb.STOP, hub, DEADLINE)).done


async def test_a_disabled_subscription_is_said(world: World, jay: Chat):
    hub = await there_is(world, a_stopped_hub(owner="jaydoe"))
    world.storage.tape.fail("hubs.admission", AzurePaused(Cause.DISABLED, 15))
    outcome = await jay.presses(Verb.START, hub)
    assert not outcome.done
    assert "disabled" in outcome.card.title
