"""Notices as CloudEvents, read by the reference library."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_http_event

from shared.adapters.notify import cloud_events
from shared.hubs.model import Notice
from shared.hubs.notice_kinds import KINDS, kind_of
from tests.support.builders import HUB_ID, HUB_NAME, OWNER, a_notice


def read(notice: Notice) -> Any:
    message = HTTPMessage(headers={"content-type": cloud_events.MEDIA_TYPE}, body=cloud_events.encode(notice))
    return from_http_event(message)


def test_the_reference_reads_what_was_meant():
    event = read(a_notice(seq=17))
    assert event.get_specversion() == "1.0"
    assert event.get_id() == f"{HUB_ID}.17"
    assert event.get_source() == f"/api/hubs/{HUB_ID}"
    assert event.get_type() == "io.hublet.hub.stopping-soon.v1"
    assert event.get_subject() == HUB_NAME
    assert event.get_time() == a_notice().at
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data() == {
        "hubId": HUB_ID,
        "name": HUB_NAME,
        "owner": OWNER,
        "event": "stopping-soon",
        "message": "The hub stops in 15 minutes.",
        "details": {"minutes": 15},
    }


def test_a_notice_gives_the_same_bytes_each_time():
    assert cloud_events.encode(a_notice()) == cloud_events.encode(a_notice())


def test_time_is_utc_whatever_zone_the_notice_has():
    at = datetime(2026, 3, 2, 10, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
    assert json.loads(cloud_events.encode(a_notice(at=at)))["time"] == "2026-03-02T09:00:00.123456Z"
    assert read(a_notice(at=at)).get_time() == at.astimezone(UTC)


def test_no_secret_leaves_with_a_notice():
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAA\n-----END OPENSSH PRIVATE KEY-----"
    notice = a_notice(
        message=f"It said: Authorization: Bearer abcdefgh12345 {key}",
        data={
            "adminPassword": "p-1234",
            "hub_token": "t-1234",
            "note": key,
            "url": "https://me:s-1234@hub.example.org",
        },
    )
    text = cloud_events.encode(notice).decode()
    for secret in ("abcdefgh12345", "b3BlbnNzaC1", "p-1234", "t-1234", "s-1234"):
        assert secret not in text


@pytest.mark.parametrize("text", ["größer", "\u2028", '"', "\\", "\x00\x1f", "\ud800", "a" * 5000])
def test_any_text_is_carried(text: str):
    data = json.loads(cloud_events.encode(a_notice(message=text)))["data"]
    assert data["message"] == text.replace("\ud800", "?")


@pytest.mark.parametrize("value", [None, True, 3, 2.5, "x"])
def test_plain_values_stay_what_they_are(value):
    assert read(a_notice(data={"value": value})).get_data()["details"] == {"value": value}


def test_other_values_are_told_as_text():
    assert read(a_notice(data={"value": ["a", 1]})).get_data()["details"] == {"value": "['a', 1]"}


def test_the_kind_of_a_type():
    assert {kind_of(f"io.hublet.hub.{kind}.v1") for kind in KINDS} == set(KINDS)
    assert kind_of("io.hublet.hub.ready.v2") == "ready"
    assert kind_of("com.example.ready") == "com.example.ready"
