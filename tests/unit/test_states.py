import pytest

from shared.hubs.states import STABLE, TRANSITIONS, HubEvent, HubState, IllegalTransition, next_state


def test_every_state_but_the_first_can_be_reached():
    reached = {transition.to for transition in TRANSITIONS.values()}
    assert reached == set(HubState) - {HubState.ACCEPTED}


def test_deleted_absorbs_everything():
    assert not [event for state, event in TRANSITIONS if state is HubState.DELETED]


@pytest.mark.parametrize("state", [s for s in HubState if s not in (HubState.DELETING, HubState.DELETED)])
def test_delete_wins_in_every_state(state: HubState):
    assert next_state(state, HubEvent.DELETE) is HubState.DELETING


@pytest.mark.parametrize("state", [s for s in HubState if s not in STABLE and s is not HubState.DELETING])
def test_every_working_state_can_fail(state: HubState):
    assert next_state(state, HubEvent.FAIL) is HubState.FAILED


def test_a_move_that_is_not_in_the_table_is_refused():
    with pytest.raises(IllegalTransition):
        next_state(HubState.READY, HubEvent.BEGIN)


def test_deleting_ends_only_when_nothing_is_left():
    assert {event for state, event in TRANSITIONS if state is HubState.DELETING} == {HubEvent.GONE}
