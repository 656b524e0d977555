"""Each oracle of a chaos run passes good evidence, and finds what was planted."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from localdev.chaos.evidence import DueRowSeen, EventRow, Evidence, HubRow, Text, Vm
from localdev.chaos.judge import ORACLES, hub_of_group, judge, table
from localdev.chaos.lives import Life
from localdev.chaos.plans import Create, Plan

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
READY, STOPPED, GONE = "bio-abcdef", "law-bcdefg", "art-cdefgh"
GROUP = f"hublet-{READY}-a1"
PASSWORD = "correct-horse-battery"


def life(hub_id: str, wanted: str) -> Life:
    made = Life(1, "ada", "hlt_token_of_ada_0123456789", Plan(Create.PLAIN, ()), wanted=wanted)
    made.hub_id = hub_id
    made.promised.append("create")
    return made


def hub(hub_id: str, state: str) -> HubRow:
    goal = "stopped" if state == "stopped" else "running"
    name = hub_id.rpartition("-")[0]
    return HubRow(id=hub_id, owner="ada", name=name, state=state, goal=goal, generation=1, pass_number=9)


def events(*states: str) -> list[EventRow]:
    """A history through these states. Every second number belongs to a notice."""
    found, before = [], None
    for number, state in enumerate(states):
        found.append(
            EventRow(
                seq=2 * number + 1,
                kind="state",
                actor="worker",
                message="so it went",
                from_state=before,
                to_state=state,
            )
        )
        before = state
    return found


CREATED = ("accepted", "provisioning", "installing", "verifying", "ready")


def evidence() -> Evidence:
    """Three lives that ended as they should: one hub is ready, one stopped, one deleted."""
    return Evidence(
        lives=[life(READY, "ready"), life(STOPPED, "stopped"), life(GONE, "deleted")],
        now=NOW,
        hubs=[hub(READY, "ready"), hub(STOPPED, "stopped")],
        gone=frozenset({GONE}),
        events={
            READY: events(*CREATED),
            STOPPED: events(*CREATED, "stopping", "stopped"),
            GONE: events("accepted", "provisioning", "deleting", "deleted"),
        },
        operations={(READY, 1): "Succeeded", (GONE, 1): "Canceled"},
        quotas={"ada": {"bio": READY, "law": STOPPED}},
        index=frozenset({READY, STOPPED, GONE}),
        queues={"hub-work": 0},
        groups={GROUP: {"hublet-hub": READY}, f"hublet-{STOPPED}-a1": {"hublet-hub": STOPPED}, "somebody-elses": {}},
        resources=[f"/subscriptions/s/resourceGroups/{GROUP.upper()}/providers/Microsoft.Network/x/y"],
        vms=[
            Vm(group=GROUP.upper(), name="vm", power="running"),
            Vm(group=f"hublet-{STOPPED}-a1", name="vm", power="deallocated"),
        ],
        vm_puts={f"/{READY}": [429, 201, 200], f"/{STOPPED}": [201]},
        most_vms={READY: 1},
        secrets={"password of bio": PASSWORD},
        texts=[Text(place="table hubs", content="sealed and sound")],
    )


def test_good_evidence_passes() -> None:
    assert judge(evidence()) == []
    assert table([]).count("ok") == len(ORACLES)


def broken_promise(good: Evidence) -> Evidence:
    good.lives[0].broken.append("create was answered with another hub")
    return good


def failed(good: Evidence) -> Evidence:
    good.hubs = [replace(good.hubs[0], state="failed"), good.hubs[1]]
    good.events = {**good.events, READY: events(*CREATED[:3], "failed")}
    return good


def with_move(good: Evidence, hub_id: str, *states: str) -> Evidence:
    good.events = {**good.events, hub_id: events(*states)}
    return good


def nameless(good: Evidence) -> Evidence:
    good.events = {**good.events, READY: [replace(event, actor="") for event in good.events[READY]]}
    return good


def torn(good: Evidence) -> Evidence:
    good.events = {**good.events, READY: [*events(*CREATED[:3]), *events(*CREATED)[4:]]}
    return good


def changed(**changes: object) -> Callable[[Evidence], Evidence]:
    return lambda good: replace(good, **changes)  # type: ignore[arg-type]


def two_machines(good: Evidence) -> Evidence:
    return replace(good, vms=[*good.vms, Vm(group=GROUP, name="other", power="running")])


def due(minutes: float) -> DueRowSeen:
    return DueRowSeen(hub_id=READY, kind="pass", at=NOW + timedelta(minutes=minutes), key="2026113012/0000")


PLANTED: list[tuple[str, str, Callable[[Evidence], Evidence]]] = [
    ("I1", "answered with another hub", broken_promise),
    ("I1", "is failed", failed),
    ("I1", "is lost", lambda good: replace(good, gone=frozenset(), index=frozenset({READY, STOPPED}))),
    ("I1", "had to become ready is stopped", lambda good: replace(good, lives=[life(STOPPED, "ready")])),
    ("I1", "never ended", changed(operations={(READY, 2): "Running"})),
    ("I2", "2 machines", two_machines),
    ("I2", "at the same time", changed(most_vms={READY: 2})),
    ("I2", "made 2 times", changed(vm_puts={"/x": [201, 200, 201]})),
    ("I2", "attempts", lambda good: replace(good, hubs=[replace(good.hubs[0], attempts=2), good.hubs[1]])),
    ("I3", "a group without a hub", lambda good: replace(good, groups={**good.groups, f"hublet-{GONE}-a1": {}})),
    ("I3", "a group without a hub", lambda good: replace(good, groups={**good.groups, "x": {"hublet-hub": GONE}})),
    ("I3", "a resource", changed(resources=[f"/subscriptions/s/resourceGroups/hublet-{GONE}-a1/providers/x"])),
    ("I3", "has no group", changed(groups={})),
    ("I3", "counts in the quota", changed(quotas={"ada": {"bio": READY, "law": STOPPED, "art": GONE}})),
    ("I3", "does not count", changed(quotas={"ada": {"bio": READY}})),
    ("I3", "an index row", changed(index=frozenset({"old-aaaaaa"}))),
    ("I5", "no transition leads from accepted to ready", lambda good: with_move(good, READY, "accepted", "ready")),
    ("I5", "although it was", torn),
    ("I5", "after the end", lambda good: with_move(good, GONE, "deleting", "deleted", "deleting", "deleted")),
    ("I5", "its history ends in verifying", lambda good: with_move(good, READY, *CREATED[:4])),
    ("I5", "without actor", nameless),
    (
        "I6",
        "stopped has a machine that is running",
        changed(vms=[Vm(group=f"hublet-{STOPPED}-a1", name="v", power="running")]),
    ),
    ("I8", "password of bio", changed(texts=[Text(place="log host-a", content=f'{{"x":"{PASSWORD}"}}')])),
    ("I10", "3 messages", changed(queues={"hub-work": 3})),
    ("I10", "poisoned", changed(poisoned=["host-a: moves to hub-work-poison"])),
    ("I10", "was forgotten", changed(due=[due(-5)])),
    ("I10", "a due row is left", changed(due=[due(5)])),
    ("I10", "never told", changed(outbox=["outbox!x"])),
]


def planted(case: tuple[str, str, Callable[[Evidence], Evidence]]) -> str:
    return f"{case[0]} {case[1]}"


@pytest.mark.parametrize("case", PLANTED, ids=planted)
def test_what_was_planted_is_found(case: tuple[str, str, Callable[[Evidence], Evidence]]) -> None:
    invariant, words, plant = case
    found = judge(plant(evidence()))
    assert any(one.invariant == invariant and words in one.what for one in found), found
    assert words in table(found)


def test_a_place_is_told_and_never_the_secret() -> None:
    bad = replace(evidence(), texts=[Text(place="log host-a", content=PASSWORD)])
    [found] = judge(bad)
    assert "log host-a" in found.line()
    assert PASSWORD not in found.line()


def test_of_a_private_key_the_private_half_is_looked_for() -> None:
    pem = "-----BEGIN OPENSSH PRIVATE KEY-----\nhead\nmiddle\nprivate-half-0123456789\ntail==\n-----END-----\n"
    bad = replace(
        evidence(),
        secrets={"key": pem},
        texts=[Text(place="row", content="...private-half-0123456789..."), Text(place="harmless", content="head")],
    )
    assert [one.facts["place"] for one in judge(bad)] == ["row"]


def test_every_oracle_has_something_planted() -> None:
    assert {name.split()[0] for name in ORACLES} == {invariant for invariant, _, _ in PLANTED}


def test_only_our_own_groups_have_a_hub() -> None:
    assert hub_of_group("HUBLET-BIO-ABCDEF-A12") == "bio-abcdef"
    assert hub_of_group("hublet-bio-abcdef") is None
    assert hub_of_group("somebody-elses") is None
