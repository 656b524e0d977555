"""The bench of chat commands: its requests are Slack's, its report says what is missed."""

from urllib.parse import parse_qs

import pytest

from localdev.bench.chat import Answer, Kind, form, report_of, signed, user

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"


def kinds(ms: float = 400.0, wrong: int = 0) -> list[Kind]:
    """A floor of 10 ms, and one kind of command of which so many answers are wrong."""
    floor = Kind("floor", [Answer(10.0, right=True)] * 100)
    answers = [Answer(ms, right=False, said="503 busy")] * wrong + [Answer(ms, right=True)] * (100 - wrong)
    return [floor, Kind("/hub list", answers)]


def test_a_request_is_signed_as_slack_signs():
    """The example of https://docs.slack.dev/authentication/verifying-requests-from-slack"""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
        b"channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
        b"response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&"
        b"trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    assert signed(body, 1531420618, SECRET) == {
        "X-Slack-Request-Timestamp": "1531420618",
        "X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
    }


def test_no_two_requests_are_the_same():
    one, other = form(7, "list"), form(7, "list")
    assert one != other
    read = parse_qs(one.decode())
    assert (read["user_id"], read["text"], read["command"]) == ([user(7)], ["list"], ["/hub"])
    assert "response_url" not in read


def test_a_second_is_enough():
    text = report_of(kinds(ms=999.0), 2).text()
    assert "MISSED" not in text
    assert "99.9" in text  # the ratio to the floor


def test_a_slow_answer_is_missed_and_does_not_fail_the_command():
    report = report_of(kinds(ms=1001.0), 2)
    assert "MISSED" in report.text()
    assert report.counts_met


def test_answers_that_say_something_else_are_counted_and_shown():
    text = report_of(kinds(wrong=3), 2).text()
    assert "MISSED" in text
    assert "not what was asked, /hub list: 503 busy" in text


@pytest.mark.parametrize("person", [0, 49])
def test_ids_have_slacks_form(person: int):
    assert user(person).isalnum()
    assert user(person).startswith("U")
