import pytest

from shared.hubs.states import (
    CREATING,
    STABLE,
    TRANSITIONS,
    HubEvent,
    HubState,
    IllegalTransition,
    next_state,
)

GOING = (HubState.DELETING, HubState.DELETED)

BY_ITSELF = frozenset(
    {
        HubEvent.BEGIN,
        HubEvent.MACHINE_REACHABLE,
        HubEvent.INSTALLED,
        HubEvent.VERIFIED,
        HubEvent.DEALLOCATED,
        HubEvent.ANSWERS,
        HubEvent.START_FAILED,
        HubEvent.FAIL,
        HubEvent.GONE,
    }
)
"""What a worker reports of work under way; the other events are somebody's wish or something that was found."""


def leads_to(state: HubState, events: frozenset[HubEvent]) -> set[HubState]:
    """Every state that these events alone can lead to from here."""
    reached: set[HubState] = set()
    new = {state}
    while new:
        reached |= new
        new = {move.to for (at, event), move in TRANSITIONS.items() if at in reached and event in events} - reached
    return reached - {state}


def test_every_state_but_the_first_can_be_reached():
    reached = {transition.to for transition in TRANSITIONS.values()}
    assert reached == set(HubState) - {HubState.ACCEPTED}


def test_every_event_is_in_the_table():
    assert {event for _, event in TRANSITIONS} == set(HubEvent)


def test_every_move_says_what_happened():
    for move in TRANSITIONS.values():
        assert move.sentence.endswith(".")


def test_deleted_absorbs_everything():
    assert not [event for state, event in TRANSITIONS if state is HubState.DELETED]


@pytest.mark.parametrize("state", [s for s in HubState if s not in GOING])
def test_delete_wins_in_every_state(state: HubState):
    assert next_state(state, HubEvent.DELETE) is HubState.DELETING


def test_deleting_ends_only_when_nothing_is_left():
    assert {event for state, event in TRANSITIONS if state is HubState.DELETING} == {HubEvent.GONE}


@pytest.mark.parametrize("state", sorted(CREATING))
def test_a_hub_that_is_being_made_can_fail(state: HubState):
    assert next_state(state, HubEvent.FAIL) is HubState.FAILED


@pytest.mark.parametrize("state", sorted(set(HubState) - CREATING))
def test_a_hub_that_was_ready_never_fails(state: HubState):
    """People's files are on its disk, and what failed is deleted after a day."""
    with pytest.raises(IllegalTransition):
        next_state(state, HubEvent.FAIL)


@pytest.mark.parametrize("state", sorted(set(HubState) - STABLE))
def test_no_work_goes_on_for_ever(state: HubState):
    assert leads_to(state, BY_ITSELF) & STABLE


@pytest.mark.parametrize("state", sorted(STABLE))
def test_a_hub_at_rest_stays_as_it_is_until_somebody_wants_or_finds_something(state: HubState):
    assert not leads_to(state, BY_ITSELF)


@pytest.mark.parametrize(
    ("state", "event", "to"),
    [
        (HubState.READY, HubEvent.STOP, HubState.STOPPING),
        (HubState.STARTING, HubEvent.STOP, HubState.STOPPING),
        (HubState.STOPPING, HubEvent.START, HubState.STARTING),
        (HubState.STOPPED, HubEvent.START, HubState.STARTING),
        (HubState.READY, HubEvent.RESTART, HubState.STARTING),
        (HubState.FAILED, HubEvent.RETRY, HubState.PROVISIONING),
    ],
)
def test_the_newest_goal_wins_also_while_an_older_one_is_worked_for(state: HubState, event: HubEvent, to: HubState):
    assert next_state(state, event) is to


@pytest.mark.parametrize("state", sorted(CREATING | {HubState.FAILED}))
def test_a_hub_that_was_never_ready_cannot_be_stopped_or_started(state: HubState):
    for event in (HubEvent.STOP, HubEvent.START, HubEvent.RESTART):
        with pytest.raises(IllegalTransition):
            next_state(state, event)


def test_only_a_hub_that_failed_is_tried_again():
    assert [state for state, event in TRANSITIONS if event is HubEvent.RETRY] == [HubState.FAILED]


def test_a_start_that_fails_ends_in_a_hub_that_is_off_and_not_in_a_failed_one():
    assert next_state(HubState.STARTING, HubEvent.START_FAILED) is HubState.STOPPING
    assert leads_to(HubState.STOPPING, BY_ITSELF) == {HubState.STOPPED}


def test_stopped_is_reached_only_by_seeing_the_machine_deallocated():
    assert [key for key, move in TRANSITIONS.items() if move.to is HubState.STOPPED] == [
        (HubState.STOPPING, HubEvent.DEALLOCATED)
    ]


def test_ready_is_reached_only_by_verifying_or_by_an_answer_after_a_start():
    assert {key for key, move in TRANSITIONS.items() if move.to is HubState.READY} == {
        (HubState.VERIFYING, HubEvent.VERIFIED),
        (HubState.STARTING, HubEvent.ANSWERS),
    }


def test_what_somebody_did_in_azure_is_followed():
    assert next_state(HubState.READY, HubEvent.FOUND_OFF) is HubState.STOPPING
    assert next_state(HubState.STOPPED, HubEvent.FOUND_ON) is HubState.STARTING


def test_a_stopped_hub_that_bills_is_stopped_again():
    assert next_state(HubState.STOPPED, HubEvent.STOP) is HubState.STOPPING


def test_a_move_that_is_not_in_the_table_is_refused():
    with pytest.raises(IllegalTransition, match="a hub that is ready cannot begin"):
        next_state(HubState.READY, HubEvent.BEGIN)


def test_the_sets_of_states_do_not_overlap():
    assert not STABLE & CREATING
