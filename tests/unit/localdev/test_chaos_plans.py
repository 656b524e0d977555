"""Lives of a chaos run: the same for the same seed, lawful, and of every kind."""

from localdev.chaos.plans import Create, HandOut, Pause, Until, Verb, plan_of, wanted_after
from localdev.chaos.run import QUICK, Options

PLANS = [plan_of("seed", number) for number in range(300)]


def test_the_same_seed_and_number_give_the_same_life_and_others_another() -> None:
    assert [plan_of("seed", number) for number in range(300)] == PLANS
    assert [plan_of("other", number) for number in range(300)] != PLANS


def test_every_way_to_create_and_every_verb_occurs() -> None:
    assert {plan.create for plan in PLANS} == set(Create)
    assert {action for plan in PLANS for action in plan.actions if isinstance(action, Verb)} == set(Verb)
    assert {wanted_after(verb) for verb in Verb} == {"ready", "stopped", "deleted"}


def test_a_few_lives_are_of_many_kinds() -> None:
    for seed in ("a", "b", "c"):
        few = [plan_of(seed, number) for number in range(4)]
        assert {plan.create for plan in few} == set(Create)
        assert len({tuple(type(action) for action in plan.actions) for plan in few}) > 1


def test_only_delete_is_asked_of_a_hub_that_was_not_ready_yet() -> None:
    for plan in PLANS:
        first = next((action for action in plan.actions if isinstance(action, Until | Verb)), None)
        assert first in (Until("ready"), Verb.DELETE)


def test_nothing_is_asked_after_delete() -> None:
    for plan in PLANS:
        assert Verb.DELETE not in plan.actions[:-1]


def test_secrets_are_fetched_only_when_the_hub_was_ready() -> None:
    for plan in PLANS:
        if HandOut() in plan.actions:
            assert plan.actions[plan.actions.index(HandOut()) - 1] == Until("ready")


def test_pauses_stay_below_the_limit() -> None:
    pauses = [
        action.seconds
        for number in range(100)
        for action in plan_of("seed", number, pause_s=3.0).actions
        if isinstance(action, Pause)
    ]
    assert pauses
    assert max(pauses) <= 3.0


def test_a_run_says_how_to_run_it_again() -> None:
    said = "./dev chaos --seed abc --kills 7 --lives 3 --minutes 30 --faults 1 --at-once 6"
    assert Options(seed="abc", kills=7, lives=3).command() == said
    assert "--quick" in Options(seed="abc", quick=True).command()
    assert QUICK.kills == 10
