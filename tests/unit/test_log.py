"""Logs: one JSON object a line, no secret in it, no control character that acts."""

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from shared import log
from tests.support.fake_chance import ed25519_pair, quick_hash

type Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """A handler of its own on our logger and on a foreign one; returns what was written, parsed."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log.RedactingFormatter(literals=("the-admin-token-itself",)))
    loggers = [logging.getLogger(log.LOGGER), logging.getLogger("foreign")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    for logger in loggers:
        logger.removeHandler(handler)


def test_a_line_is_an_event_with_its_fields(lines: Lines):
    log.info("step_waiting", step="vm", retry_after_s=15, nothing=None)
    (line,) = lines()
    assert (line["event"], line["level"], line["step"], line["retry_after_s"]) == ("step_waiting", "info", "vm", 15)
    assert line["nothing"] is None
    assert line["time"].endswith("Z")
    assert "logger" not in line


def test_bound_fields_are_on_every_line_inside_and_none_outside(lines: Lines):
    with log.bound(hub_id="demo-ab2cd3"):
        with log.bound(step="vm"):
            log.info("one")
        log.warning("two")
    log.info("three")
    assert [(line.get("hub_id"), line.get("step")) for line in lines()] == [
        ("demo-ab2cd3", "vm"),
        ("demo-ab2cd3", None),
        (None, None),
    ]


async def test_bound_fields_of_tasks_side_by_side_do_not_mix(lines: Lines):
    async def work(name: str) -> None:
        with log.bound(hub_id=name):
            await asyncio.sleep(0)
            log.info("worked", name_seen=name)

    await asyncio.gather(work("a"), work("b"))
    assert {(line["hub_id"], line["name_seen"]) for line in lines()} == {("a", "a"), ("b", "b")}


PEM = ed25519_pair("owner").private
SECRETS = {
    "a web hook's secret": ("whsec_" + "S+/s" * 8 + "Q==", "S+/s" * 8),
    "an API token": ("hlt_abcdefghijkl_" + "s" * 43, "s" * 43),
    "a bearer header": ("Authorization: Bearer abcdef123456.xyz", "abcdef123456"),
    "a private key": (f"key is {PEM} there", PEM.split("\n")[1]),
    "a private key cut off": (PEM[:200], PEM.split("\n")[1][:40]),
    "a private key's body": (PEM.split("\n")[1] + "\n" + PEM.split("\n")[2], PEM.split("\n")[2]),
    "a password hash": (quick_hash("secret"), quick_hash("secret")[7:]),
    "a web token": ("token eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.c2ln", "eyJzdWIiOiJtZSJ9"),
    "a storage key": ("AccountName=a;AccountKey=Eby8vdM02xNO/q==;X=1", "Eby8vdM02xNO"),
    "a signed URL": ("https://a.example/b?sv=1&sig=abc%2Bdef&x=1", "abc%2Bdef"),
    "a bot token of Slack": ("it sent xoxb-1234567890-AbCdEf12345 and", "AbCdEf12345"),
    "a response URL of Slack": ("at https://hooks.slack.com/commands/T1/397/96rGlfmib failed", "96rGlfmib"),
    "a link to an action page": ("see https://h.example/api/chat/actions/k1.WzEsInN0.uuggv8fu8ZQ-_q now", "WzEsInN0"),
    "a known value": ("it was the-admin-token-itself here", "the-admin-token-itself"),
}


@pytest.mark.parametrize(("text", "secret"), SECRETS.values(), ids=SECRETS.keys())
def test_secrets_are_masked_wherever_they_stand(lines: Lines, text: str, secret: str):
    log.info("event", detail=text, nested={"list": [text], text: 1})
    log.info(text)
    logging.getLogger("foreign").info("said %s", text)
    logging.getLogger("foreign").info(text)
    try:
        raise ValueError(text)
    except ValueError:
        log.error("failed")
    written = json.dumps(lines())
    assert secret not in written
    assert json.dumps(secret)[1:-1] not in written
    assert log.MASK in written
    assert len(lines()) == 5


@pytest.mark.parametrize(
    "name",
    ["password", "admin_password", "adminPassword", "secret", "token", "hub_token", "Authorization", "privateKey"],
)
def test_fields_named_like_secrets_are_masked_whatever_they_hold(lines: Lines, name: str):
    log.info("event", **{name: "harmless"})
    log.info("event", nested={name: "harmless"})
    assert "harmless" not in json.dumps(lines())


@pytest.mark.parametrize("name", ["token_id", "passed", "secretary", "key_count"])
def test_fields_that_only_sound_alike_are_shown(lines: Lines, name: str):
    log.info("event", **{name: "shown"})
    assert lines()[0][name] == "shown"


def test_masking_twice_changes_nothing():
    for text, _ in SECRETS.values():
        assert log.redact(log.redact(text)) == log.redact(text)


@pytest.mark.parametrize(
    "evil", ["a\nb", "a\rb", "\x1b[31mred", "\x00", "\x7f", "\x9b1m", "\u2028", '"},{"event":"forged']
)
def test_nothing_in_a_value_can_act_on_a_terminal_or_forge_a_line(evil: str):
    record = logging.LogRecord(log.LOGGER, logging.INFO, "x", 1, "event", None, None)
    record.hublet_fields = {"evil": evil}
    text = log.RedactingFormatter().format(record)
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text)["evil"] == evil


def test_an_exception_is_told_with_its_traceback_in_one_line(lines: Lines):
    try:
        raise ValueError("boom")
    except ValueError:
        log.error("failed")
    log.error("nothing_is_being_handled")
    told, other = lines()
    assert "ValueError: boom" in told["exception"]
    assert "exception" not in other


def test_a_long_value_is_cut(lines: Lines):
    log.info("event", detail="x" * 100_000)
    assert len(lines()[0]["detail"]) < 5000


def test_values_that_are_no_json_become_text(lines: Lines):
    log.info("event", number=float("nan"), thing=object, deep=[[[[[[[[1]]]]]]]])
    assert lines()[0]["number"] == "nan"
    assert isinstance(lines()[0]["thing"], str)


def test_a_field_cannot_replace_the_event(lines: Lines):
    logging.getLogger(log.LOGGER).info("real", extra={"hublet_fields": {"event": "forged", "time": "x"}})
    assert lines()[0]["event"] == "real"
    assert lines()[0]["field_event"] == "forged"


def test_a_broken_format_string_of_somebody_else_is_no_crash():
    record = logging.LogRecord("foreign", logging.INFO, "x", 1, "%d of %s", ("x",), None)
    line = json.loads(log.RedactingFormatter().format(record))
    assert (line["event"], line["logger"]) == ("%d of %s", "foreign")


def test_install_formats_every_handler_of_the_root_and_twice_is_once(monkeypatch):
    root = logging.Logger("root-for-a-test")
    monkeypatch.setattr(logging, "root", root)
    monkeypatch.setattr(logging.Logger.manager, "root", root)
    stream = io.StringIO()
    log.install(stream=stream)
    log.install(literals=("long-secret-value",))
    assert len(root.handlers) == 1
    root.warning("it is long-secret-value")
    assert json.loads(stream.getvalue())["event"] == "it is ***"
