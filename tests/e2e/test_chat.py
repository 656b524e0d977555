"""A hub's whole life by chat: in Slack with one message and buttons, in Teams with cards and links."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest

from tests.e2e.chat_life import Talked, talk
from tests.e2e.chat_people import BOT_USER, action_pages, shown


@pytest.fixture(scope="module")
def talked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talked]:
    yield talk(tmp_path_factory.mktemp("chat"))


# ------------------------------------------------------------------ who one is


def test_somebody_who_is_linked_to_nobody_gets_help_and_no_hub(talked: Talked):
    seen = talked.slack
    assert seen.stranger_help["onlyFor"] == seen.stranger_create["onlyFor"] == "U3"
    assert "list" in shown(seen.stranger_help) and "create" in shown(seen.stranger_help)
    assert seen.stranger_hubs == []


def test_a_chat_user_is_linked_by_a_code_that_works_once(talked: Talked):
    seen = talked.slack
    assert seen.link_answer["onlyFor"] == "U1"
    assert seen.linked in (200, 201)
    assert seen.code_again in (400, 404, 409, 410, 422)


# ------------------------------------------------------------------ Slack


def test_a_hub_that_is_made_is_followed_by_one_message(talked: Talked):
    seen = talked.slack
    assert seen.followers == 1
    said = shown(seen.follows)
    assert seen.hub["url"] in said or seen.hub["url"].rstrip("/") in said
    before = {shown({**seen.follows, **edit}) for edit in seen.follows["edits"]}
    assert len(before - {said}) >= 4, "the same may be shown again when two workers meet"


def test_the_same_command_delivered_twice_makes_one_hub(talked: Talked):
    assert talked.slack.replayed == 200
    assert talked.slack.hubs_after_replay == ["demo"]


def test_the_admin_login_is_for_the_one_who_may_press_and_is_shown_once(talked: Talked):
    seen = talked.slack
    assert seen.login["onlyFor"] == "U1"
    assert [action_pages(message) for message in seen.stranger_login if action_pages(message)] == []
    assert seen.told is not None and seen.told_again is not None
    assert [page.status for page in seen.looked] == [200, 200], "looking changes nothing"
    assert seen.password not in "".join(page.source for page in seen.looked)
    assert (seen.told.status, seen.told_again.status) == (200, 410)
    assert seen.told.headers["cache-control"] == "no-store"
    assert seen.password not in seen.told_again.source


def test_that_login_opens_the_real_hub(talked: Talked):
    assert talked.slack.logged_in == 302


def test_snooze_moves_the_stop_by_an_hour_and_says_who_did(talked: Talked):
    seen = talked.slack
    assert seen.stop_before is not None and seen.stop_after is not None
    assert f"{seen.stop_before:%H:%M}" == "12:00"
    assert seen.stop_after - seen.stop_before == timedelta(hours=1)
    assert "jay" in seen.snoozed and "13:00" in seen.snoozed


def test_a_colleague_stops_it_and_azure_shows_it_deallocated(talked: Talked):
    seen = talked.slack
    assert (seen.stopped["state"], seen.stopped["goal"]) == ("stopped", "stopped")
    assert seen.power_stopped == "deallocated"
    assert "stopped" in seen.stopped_said


def test_start_brings_it_back(talked: Talked):
    seen = talked.slack
    assert (seen.started["state"], seen.started["id"]) == ("ready", seen.hub["id"])
    assert "ready" in seen.started_said


def test_delete_asks_first_and_leaves_nothing_in_azure(talked: Talked):
    seen = talked.slack
    assert seen.delete_answer["onlyFor"] == "U1"
    assert seen.state_before_button == "ready"
    assert seen.left_in_azure == set()
    assert "demo is deleted" in seen.deleted_said


# ------------------------------------------------------------------ Teams


def test_a_hub_is_made_listed_and_shown_by_mentions(talked: Talked):
    seen = talked.teams
    for answer in (seen.create_answer, seen.list_answer, seen.status_answer):
        assert "lab" in answer
    assert seen.hub["url"] in seen.ready_push
    assert "ready" in seen.list_answer and "ready" in seen.status_answer


def test_a_link_to_an_action_page_shows_first_and_acts_once(talked: Talked):
    seen = talked.teams
    assert seen.looked is not None and seen.pressed is not None and seen.pressed_again is not None
    assert seen.looked.status == 200 and "lab" in seen.looked.text
    assert seen.stop_before == seen.stop_after_look, "looking changes nothing"
    assert seen.stop_before is not None and seen.stop_after is not None
    assert (seen.pressed.status, seen.pressed_again.status) == (200, 410)
    assert seen.stop_after - seen.stop_before == timedelta(hours=1)
    assert seen.stop_at_the_end == seen.stop_after


def test_stop_and_delete_by_mentions(talked: Talked):
    seen = talked.teams
    assert seen.stopped["state"] == "stopped"
    assert seen.power_stopped == "deallocated"
    assert "Nothing was deleted" in seen.wrong_code
    assert seen.state_before_code == "stopped"
    assert seen.left_in_azure == set()


def test_teams_could_show_everything_it_was_sent(talked: Talked):
    told = [each for name in ("local", "conversation") for each in talked.everything["teams"][name]]
    assert len(told) > 10
    assert [each["refused"] for each in told if each["refused"]] == []


# ------------------------------------------------------------------ both


def test_no_credential_is_in_any_message(talked: Talked):
    everything = json.dumps(talked.everything)
    assert "demo" in everything and "lab" in everything
    for secret in (talked.slack.password, *talked.tokens):
        assert len(secret) > 8
        assert secret not in everything
    assert "PRIVATE KEY" not in everything


def test_what_is_for_one_person_was_seen_by_nobody_else(talked: Talked):
    """The linking code and the way to the admin login."""
    others = [message for message in talked.everything["slack"] if message["onlyFor"] != "U1"]
    assert talked.slack.code not in json.dumps(others)
    assert [message for message in others if action_pages(message)] == []


def test_slack_refused_nothing_the_app_sent(talked: Talked):
    wrong = [each for each in talked.received if each["status"] not in (200, 202) or each["error"]]
    assert wrong == []


def test_every_command_and_press_was_answered_well_within_slacks_three_seconds(talked: Talked):
    assert len(talked.latencies_ms) >= 15
    assert max(talked.latencies_ms) < 3000


def test_nothing_secret_is_in_the_hosts_log(talked: Talked):
    for secret in (talked.slack.password, talked.slack.code, *talked.tokens):
        assert secret not in talked.log


def test_messages_come_from_the_app_alone(talked: Talked):
    kinds = {(message["user"], message["kind"]) for message in talked.everything["slack"]}
    assert (BOT_USER, "message") in kinds
    assert {user for user, kind in kinds if kind == "command"} <= {"U1", "U2", "U3"}
