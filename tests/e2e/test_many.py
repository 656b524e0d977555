"""Hubs that are made at the same time do not get into each other's way."""

from datetime import datetime
from typing import Any

from tests.e2e.api import READY_LIMIT_S
from tests.e2e.conftest import TutorialHub
from tests.e2e.environment import Environment


def test_three_hubs_at_once_all_become_ready_each_with_what_is_its_own(
    environment: Environment, tutorial: TutorialHub, secure: dict[str, Any], spare: dict[str, Any]
) -> None:
    hubs = [tutorial.hub, secure, spare]
    assert [hub["state"] for hub in hubs] == ["ready"] * 3
    for own in ("id", "fqdn", "ip", "url", "knownHosts"):
        assert len({hub[own] for hub in hubs}) == 3, own
    for hub in hubs:
        made = [request["status"] for request in environment.azure.asked("VirtualMachines_CreateOrUpdate", hub["id"])]
        assert made == [201], hub["name"]
        assert len(hub["attempts"]) == 1


def test_three_hubs_at_once_are_made_side_by_side(
    tutorial: TutorialHub, secure: dict[str, Any], spare: dict[str, Any]
) -> None:
    hubs = [tutorial.hub, secure, spare]
    started = max(datetime.fromisoformat(hub["attempts"][0]["startedAt"]) for hub in hubs)
    first_ready = min(datetime.fromisoformat(hub["readyAt"]) for hub in hubs)
    assert started < first_ready
    accepted = min(datetime.fromisoformat(hub["createdAt"]) for hub in hubs)
    last_ready = max(datetime.fromisoformat(hub["readyAt"]) for hub in hubs)
    assert (last_ready - accepted).total_seconds() < READY_LIMIT_S
