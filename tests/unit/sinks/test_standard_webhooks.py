"""Signatures, read by the reference library of Standard Webhooks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from shared.adapters.notify import standard_webhooks
from shared.hubs.sink_rules import key_of, secret_of
from tests.support.builders import a_sink
from tests.support.fake_chance import FakeEntropy

OLD = "whsec_b2xkIG9sZCBvbGQgb2xkIG9sZCBvbGQgb2xkIG8="
BODY = '{"type":"io.hublet.hub.ready.v1","message":"größer"}'.encode()


def test_the_signature_is_the_one_of_the_reference():
    """The example of the reference implementations' own tests."""
    secret, message_id = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek"
    at = datetime.fromtimestamp(1614265330, UTC)
    signed = standard_webhooks.signature(secret, message_id, at, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def now() -> datetime:
    return datetime.now(UTC)  # the receiver's library looks at the wall clock


def sent(**changes) -> dict[str, str]:
    return dict(standard_webhooks.headers(a_sink(**changes), "physics-ab2cd3.17", now(), BODY))


def test_a_receiver_with_the_secret_verifies():
    assert Webhook(a_sink().secret).verify(BODY, sent())["type"] == "io.hublet.hub.ready.v1"


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("webhook-id", "physics-ab2cd3.18"),
        ("webhook-timestamp", str(int(datetime.now(UTC).timestamp()) - 60)),
        ("webhook-signature", "v1," + "A" * 43 + "="),
    ],
)
def test_what_was_changed_on_the_way_does_not_verify(header: str, value: str):
    with pytest.raises(WebhookVerificationError):
        Webhook(a_sink().secret).verify(BODY, {**sent(), header: value})
    with pytest.raises(WebhookVerificationError):
        Webhook(a_sink().secret).verify(BODY + b" ", sent())


def test_while_a_secret_is_rotated_the_old_and_the_new_one_verify():
    rotating = sent(previous_secret=OLD, previous_until=now() + timedelta(hours=1))
    for secret in (OLD, a_sink().secret):
        assert Webhook(secret).verify(BODY, rotating)
    assert len(rotating["webhook-signature"].split(" ")) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"previous_secret": OLD, "previous_until": datetime(2020, 1, 1, tzinfo=UTC)},
        {"previous_secret": OLD, "previous_until": None},
        {"previous_secret": None, "previous_until": datetime(2099, 1, 1, tzinfo=UTC)},
    ],
)
def test_a_secret_whose_time_is_over_signs_no_more(changes):
    with pytest.raises(WebhookVerificationError):
        Webhook(OLD).verify(BODY, sent(**changes))
    assert Webhook(a_sink().secret).verify(BODY, sent(**changes))


def test_the_old_secret_ends_at_its_very_moment():
    at = now()
    record = replace(a_sink(), previous_secret=OLD, previous_until=at)
    assert " " not in standard_webhooks.headers(record, "x", at, BODY)["webhook-signature"]
    assert " " in standard_webhooks.headers(record, "x", at - timedelta(seconds=1), BODY)["webhook-signature"]


# ---- secrets


@given(st.integers(), st.sampled_from([192, 200, 256, 512]))
def test_a_made_secret_is_one_that_everybody_reads(seed: int, bits: int):
    secret = secret_of(FakeEntropy(seed).secret(bits))
    assert len(key_of(secret)) == bits // 8
    assert Webhook(secret)._whsecret == key_of(secret)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "whsec_" + "A" * 28,  # 21 bytes
        "whsec_" + "A" * 88,  # 66 bytes
        "whsec_" + "A" * 31,
        "whsec_" + "A" * 30 + "-_",
        "whsec_" + "A" * 16 + "\n" + "A" * 16,
        "WHSEC_" + "A" * 32,
        "A" * 32,
        "whsec_" + "Ä" * 32,
    ],
)
def test_what_has_another_form_is_no_secret(secret: str):
    with pytest.raises(ValueError, match="secret"):
        key_of(secret)


def test_24_to_64_bytes_are_a_secret():
    for characters in (32, 84):
        assert key_of("whsec_" + "A" * characters)
