"""Commands in a chat, over the real domain."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.chat import confirm, links
from shared.chat.card import Card, Tone, Verb
from shared.chat.commands import how_to_link
from shared.chat.grammar import USAGES, Order
from shared.errors import RetryableError
from shared.hubs.gate_state import AzurePaused, Cause
from shared.hubs.meter import Meter, Spent
from shared.hubs.model import Hub, Price
from shared.hubs.ports import ChatUser
from shared.hubs.states import Goal, HubState
from tests.component.chat.people import (
    JAY_IN_TEAMS,
    MALLORY,
    Chat,
    fresh_key,
    in_turns,
    present,
    there_is,
    there_is_a_class,
)
from tests.support.builders import a_hub, a_ready_hub, a_spec, a_stopped_hub, some_settings
from tests.support.clock import MONDAY_MORNING
from tests.support.world import World

EVENING = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)


def words(card: Card) -> str:
    return "\n".join((card.title, *card.lines, *card.code, *(f"{fact.label} {fact.value}" for fact in card.facts)))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def jay(world: World) -> Chat:
    return Chat(world)


def settings_world(**environment: str) -> World:
    return World(settings=some_settings(HUBLET_EGRESS_CIDRS="198.51.100.7/32", **environment))


# ---- create


async def test_create_makes_the_hub_and_says_what_it_is(world: World, jay: Chat):
    card = await jay.says("create physics people=12 stop=19:00 days=mon-fri zone=Europe/Berlin idle=60")
    hub = world.hub
    assert (hub.name, hub.owner, hub.state, hub.spec.people) == ("physics", "jaydoe", HubState.ACCEPTED, 12)
    assert hub.spec.schedule is not None
    assert (hub.spec.schedule.stop, hub.spec.schedule.time_zone) == ("19:00", "Europe/Berlin")
    assert hub.spec.schedule.days == ("mon", "tue", "wed", "thu", "fri")
    assert hub.spec.idle_minutes == 60
    assert card.title == "physics: accepted and queued"
    assert "fits 12 people" in card.lines[0]
    assert "19:00 (Europe/Berlin)" in words(card)
    assert card.code == ("/hub status physics",)


@pytest.mark.parametrize(
    ("environment", "platform", "said"),
    [
        ({"HUBLET_SLACK_BOT_TOKEN": "xoxb-1"}, "slack", "A message here follows it until it is ready."),
        ({}, "slack", ""),
        ({"HUBLET_TEAMS_WEBHOOKS": "hubs=https://example.org/a"}, "teams", "This channel is told when it is ready."),
        ({}, "teams", ""),
    ],
)
async def test_create_says_what_will_be_told_by_itself(environment: dict[str, str], platform: str, said: str):
    card = await Chat(settings_world(**environment), platform=platform).says("create physics")
    assert card.lines[0] == f"It takes about 10 minutes. {said}".rstrip()


async def test_the_conversation_is_stored_before_the_hub_that_names_it(world: World, jay: Chat):
    await jay.says("create physics")
    writes = world.storage.tape.writes
    assert writes.index("chat.create_thread") < writes.index("hubs.create")
    assert world.hub.thread in world.storage.chat.threads


async def test_create_without_anything_makes_the_tutorials_hub(world: World, jay: Chat):
    await jay.says("create")
    assert (world.hub.name, world.hub.spec.size) == ("jaydoe-tljh", "Standard_D2s_v3")


async def test_hours_without_a_zone_are_the_settings_zone():
    world = settings_world(HUBLET_TIME_ZONE="America/New_York")
    await Chat(world).says("create physics stop=19:00 until=2026-06-30")
    schedule = world.hub.spec.schedule
    assert schedule is not None and schedule.time_zone == "America/New_York"
    assert world.hub.spec.expires_at == datetime(2026, 7, 1, 4, 0, tzinfo=UTC)  # the end of that day in New York


async def test_a_zone_may_be_named_as_people_name_it(world: World, jay: Chat):
    await jay.says("create physics stop=19:00 zone=berlin")
    assert world.hub.spec.schedule is not None and world.hub.spec.schedule.time_zone == "Europe/Berlin"


async def test_all_mistakes_of_grammar_and_of_meaning_come_at_once(world: World, jay: Chat):
    card = await jay.says("create Physics_1 peopel=3 people=0 size=Huge idle=1 stop=19:00 zone=Mars until=2020-01-01")
    told = "\n".join(card.lines)
    for part in (
        "name: ",
        "'peopel'. Did you mean people?",
        "people: ",
        "size: Allowed sizes",
        "idle: ",
        "zone: ",
        "until: ",
    ):
        assert part in told, part
    assert "/" + "people" not in told
    assert card.title.startswith("7 things")
    assert world.storage.hubs.hubs == {}
    assert world.storage.chat.threads == {}


async def test_a_mistake_of_grammar_alone_creates_nothing(world: World, jay: Chat):
    card = await jay.says("create physics lab")
    assert "'lab'" in card.lines[0]
    assert card.code == (f"/hub {USAGES[Order.CREATE].example}",)
    assert world.storage.hubs.hubs == {}


async def test_a_private_key_that_was_pasted_is_not_repeated(world: World, jay: Chat):
    card = await jay.says("create physics region='-----BEGIN OPENSSH PRIVATE KEY-----b3BlbnNzaC1rZXktdjEAAAA'")
    assert "b3Blb" not in words(card)
    assert world.storage.hubs.hubs == {}


async def test_the_last_day_of_the_calendar_is_no_end(jay: Chat):
    assert "until" in (await jay.says("create until=9999-12-31")).lines[0]


async def test_a_price_that_is_known_is_shown_at_once(world: World, jay: Chat):
    price = Price(vm=0.096, disk=0.0066, ip=0.005, as_of=MONDAY_MORNING)
    jay.prices.put(a_spec(), price, MONDAY_MORNING)
    card = await jay.says("create physics")
    assert world.hub.price == price
    assert "$0.1076 an hour while it runs" in words(card)


async def test_a_hub_made_from_teams_is_told_of_in_the_first_webhook():
    world = settings_world(HUBLET_TEAMS_WEBHOOKS="staff=https://example.org/a class=https://example.org/b")
    await Chat(world, JAY_IN_TEAMS, "teams").says("create physics")
    assert world.hub.spec.notify.teams_webhook == "staff"
    await Chat(world).says("create biology")
    assert world.storage.hubs.hubs["jaydoe", "biology"].spec.notify.teams_webhook is None


async def test_without_a_webhook_teams_makes_hubs_too(world: World):
    await Chat(world, JAY_IN_TEAMS, "teams").says("create physics")
    assert world.hub.spec.notify.teams_webhook is None


SEEDS = range(12)


@pytest.mark.parametrize("seed", SEEDS)
async def test_two_creates_are_two_hubs(seed: int):
    world = in_turns(seed)
    jay = Chat(world)
    await asyncio.gather(jay.says("create"), jay.says("create"))
    assert sorted(name for _, name in world.storage.hubs.hubs) == ["jaydoe-tljh", "jaydoe-tljh-2"]


async def test_a_taken_name_is_said(world: World, jay: Chat):
    await jay.says("create physics")
    card = await jay.says("create physics")
    assert card.title == "You already have a hub named 'physics'."
    assert card.lines == ("Choose another name, or leave the name out to get a free one.",)
    assert len(world.storage.hubs.hubs) == 1


async def test_the_quota_is_said():
    world = settings_world(HUBLET_MAX_HUBS_PER_OWNER="1")
    jay = Chat(world)
    await jay.says("create physics")
    card = await jay.says("create biology")
    assert card.title == "You have 1 hubs and may have 1."
    assert "Delete a hub" in card.lines[0]


def spent(hub: Hub) -> Hub:
    """It has cost five dollars this month."""
    return replace(hub, price=None, meter=Meter(months={"2026-03": Spent(vm=5)}))


async def test_a_spent_budget_is_said_for_create_and_start():
    world = settings_world(HUBLET_MONTHLY_BUDGET="4")
    jay = Chat(world)
    await there_is(world, spent(a_stopped_hub(owner="jaydoe")))
    for command in ("create biology", "start physics"):
        card = await jay.says(command)
        assert "may cost $4.00" in card.title, command
        assert card.tone is Tone.WARNING


async def test_a_disabled_subscription_is_said_and_not_raised(world: World, jay: Chat):
    paused = AzurePaused(Cause.DISABLED, 15)
    world.storage.tape.fail("hubs.admission", paused)
    card = await jay.says("create physics")
    assert card.title == paused.message


async def test_storage_that_does_not_answer_is_raised(world: World, jay: Chat):
    for port in ("hubs.admission", "chat.create_thread"):
        world.storage.tape.fail(port, RetryableError("StorageUnavailable", "No answer."))
        with pytest.raises(RetryableError):
            await jay.says("create physics")
    assert world.storage.hubs.hubs == {}


# ---- looking


async def test_list_shows_ones_own_hubs_only(world: World, jay: Chat):
    await there_is(world, a_ready_hub(owner="jaydoe"))
    await there_is(world, a_ready_hub(owner="mallory", name="secret-lab"))
    card = await jay.says("list")
    assert len(card.lines) == 1
    assert card.lines[0].startswith("physics: ready")


async def test_list_of_nothing_is_an_invitation_to_be_copied(jay: Chat):
    assert (await jay.says("list")).code == ("/hub create physics people=12 stop=19:00 days=mon-fri",)


async def test_status_by_name_and_by_id(world: World, jay: Chat):
    hub = await there_is_a_class(world)
    for name in ("physics", "PHYSICS", hub.id):
        card = await jay.says(f"status {name}")
        assert card.title == "physics: ready"
        assert [button.verb for button in card.buttons] == [None, Verb.LOGIN, Verb.STOP]


async def test_cost_of_one_and_of_all(world: World, jay: Chat):
    await there_is(world, a_ready_hub(owner="jaydoe"))
    assert (await jay.says("cost physics")).title.startswith("physics has cost")
    await there_is(world, a_ready_hub(owner="jaydoe", name="biology"))
    assert (await jay.says("cost")).title.startswith("Your 2 hubs cost")


LOOKING = ["list", "status physics", "cost", "cost physics", "help", "help create", "link", "nonsense", "stop", ""]


@pytest.mark.parametrize("text", LOOKING)
async def test_looking_writes_nothing(world: World, jay: Chat, text: str):
    await there_is_a_class(world)
    before = list(world.storage.tape.writes)
    await jay.says(text)
    assert world.storage.tape.writes == before


# ---- steering


STEERED = [
    ("stop physics", a_ready_hub(owner="jaydoe"), "physics: stopping"),
    ("start physics", a_stopped_hub(owner="jaydoe"), "physics: starting"),
    ("restart physics", a_ready_hub(owner="jaydoe"), "physics: starting"),
    ("retry physics", a_hub(owner="jaydoe", state=HubState.FAILED), "physics: being made"),
]


@pytest.mark.parametrize(("text", "hub", "title"), STEERED, ids=[text for text, _, _ in STEERED])
async def test_what_steers_a_hub_is_done_and_told_where_it_was_typed(
    world: World, jay: Chat, text: str, hub: Hub, title: str
):
    hub = await there_is(world, hub)
    card = await jay.says(text)
    assert card.title == title
    after = present(world, hub)
    assert after.generation == hub.generation + 1
    assert after.thread in world.storage.chat.threads
    last = world.storage.hubs.history["jaydoe", hub.id]
    assert {event.actor for event in last.values()} == {"jaydoe (Slack)"}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("text", "hub", "title"), STEERED, ids=[text for text, _, _ in STEERED])
async def test_a_command_delivered_again_is_done_once(text: str, hub: Hub, title: str, seed: int):
    world = in_turns(seed)
    jay, hub = Chat(world), await there_is(world, hub)
    key = fresh_key()
    cards = [await jay.says(text, key=key), *await asyncio.gather(*(jay.says(text, key=key) for _ in range(3)))]
    assert {card.title for card in cards} == {title}
    assert present(world, hub).generation == hub.generation + 1


async def test_extend_moves_the_stop_once_for_each_command(world: World, jay: Chat):
    hub = await there_is_a_class(world)
    key = fresh_key()
    for _ in range(3):
        card = await jay.says("extend physics 1h30m", key=key)
    assert card.lines == ("It stops next at 20:30 (Europe/Berlin), because the extended time is over.",)
    assert present(world, hub).life.keep_until == EVENING + timedelta(minutes=90)
    await jay.says("extend physics")
    assert present(world, hub).life.keep_until == EVENING + timedelta(minutes=150)


async def test_what_is_so_already_is_said_to_be_so(world: World, jay: Chat):
    hub = await there_is(world, a_stopped_hub(owner="jaydoe"))
    card = await jay.says("stop physics")
    assert card.lines[0] == "Nothing changed: it is stopped already."
    assert present(world, hub).generation == hub.generation


MAKING = a_hub(owner="jaydoe", state=HubState.INSTALLING)
FAILED = a_hub(owner="jaydoe", state=HubState.FAILED)
READY = a_ready_hub(owner="jaydoe")
STOPPED = a_stopped_hub(owner="jaydoe")
DELETING = a_ready_hub(owner="jaydoe", state=HubState.DELETING, goal=Goal.DELETED)
ENDED = a_stopped_hub(owner="jaydoe", spec=a_spec(expires_at=MONDAY_MORNING - timedelta(days=1)))

REFUSED = [
    ("stop physics", MAKING, "still being made", "delete it"),
    ("extend physics", MAKING, "still being made", "Wait"),
    ("restart physics", MAKING, "still being made", "Wait"),
    ("start physics", FAILED, "failed", "retry"),
    ("stop physics", FAILED, "failed", "retry"),
    ("extend physics", FAILED, "failed", "retry"),
    ("retry physics", READY, "failed", "restart"),
    ("extend physics", READY, "Nothing will stop", "next stop"),
    ("extend physics", STOPPED, "is stopped", "Start"),
    ("extend physics 100h", replace(READY, spec=a_spec(schedule=None, expires_at=EVENING)), "end date", "expiresAt"),
    ("start physics", ENDED, "end date is past", "end date"),
    ("start physics", DELETING, "being deleted", "gone"),
    ("stop physics", DELETING, "being deleted", "gone"),
]


@pytest.mark.parametrize(("text", "hub", "said", "fix"), REFUSED)
async def test_what_cannot_be_done_is_said_with_what_can(
    world: World, jay: Chat, text: str, hub: Hub, said: str, fix: str
):
    hub = await there_is(world, hub)
    card = await jay.says(text)
    assert said in card.title
    assert fix in "\n".join(card.lines)
    assert card.tone is Tone.WARNING
    assert present(world, hub).generation == hub.generation


async def test_an_extension_too_far_is_said_with_how_far_it_may_be(world: World, jay: Chat):
    hub = await there_is_a_class(world)
    card = await jay.says("extend physics 48h")
    assert "too far" in card.title
    assert "24 hours" in card.lines[0]
    assert present(world, hub).life.keep_until is None


# ---- other people's hubs


ABOUT_ONE = ["status", "start", "stop", "restart", "extend", "retry", "delete", "cost"]


@pytest.mark.parametrize("order", ABOUT_ONE)
async def test_somebody_elses_hub_is_like_none_by_name_and_by_id(world: World, order: str):
    hub = await there_is(world, a_ready_hub(owner="jaydoe"))
    mallory = Chat(world, MALLORY)
    foreign = [words(await mallory.says(f"{order} {name}")) for name in ("physics", hub.id)]
    missing = [words(await mallory.says(f"{order} {name}")) for name in ("nothere", "nothere-ab2cd3")]
    assert foreign[0] == missing[0].replace("nothere", "physics")
    assert foreign[1] == missing[1].replace("nothere-ab2cd3", hub.id)
    assert present(world, hub).generation == hub.generation
    assert world.storage.chat.threads == {}


async def test_the_nearest_of_ones_own_names_is_suggested(world: World, jay: Chat):
    await there_is(world, a_ready_hub(owner="jaydoe"))
    await there_is(world, a_ready_hub(owner="mallory", name="biology"))
    card = await jay.says("stop phisics")
    assert card.lines[0] == "Did you mean physics?"
    assert card.code == ("/hub stop physics",)
    assert "biology" not in words(await jay.says("stop biologi"))


@pytest.mark.parametrize("name", ["../x", "a/b", "x" * 90, "o'rion", "😀", "a\u0000b", "-", "%2e%2e", "<!channel>"])
async def test_no_name_reaches_storage_that_could_not_be_one(world: World, jay: Chat, name: str):
    for port in ("index.find", "hubs.get"):
        world.storage.tape.fail(port, AssertionError(f"{port} was asked for it"))
    card = await jay.says(f"status {name}")
    assert "There is no hub" in card.title or "is no command" in card.title or "not right" in card.title


# ---- the conversation


WITH_A_BOT = {"HUBLET_SLACK_BOT_TOKEN": "xoxb-1", "HUBLET_SLACK_SIGNING_SECRET": "s" * 32}


async def steered_twice(world: World, second: Chat | None = None, **posted: Any) -> tuple[str | None, str | None]:
    """The hub's conversation after a command, and after another one. `posted`: of the message that follows the hub."""
    first = Chat(world)
    hub = await there_is(world, a_ready_hub(owner="jaydoe"))
    await first.says("stop physics")
    before = present(world, hub).thread
    threads = world.storage.chat.threads
    threads[str(before)] = replace(threads[str(before)], **posted)
    await (second or first).says("start physics")
    return before, present(world, hub).thread


async def test_a_second_command_in_the_same_place_keeps_the_message_that_follows_the_hub():
    before, after = await steered_twice(settings_world(**WITH_A_BOT))
    assert before is not None and after == before


async def test_a_command_in_another_channel_moves_the_conversation_there():
    world = settings_world(**WITH_A_BOT)
    before, after = await steered_twice(world, Chat(world, channel="C2"))
    assert before != after


async def test_without_a_bot_token_each_command_has_a_response_url_of_its_own(world: World):
    before, after = await steered_twice(world)
    assert before != after


@pytest.mark.parametrize(("posted_in", "same"), [("C1", True), ("D1", False)])
async def test_another_person_goes_on_with_a_message_in_the_channel_but_not_with_a_direct_one(
    posted_in: str, same: bool
):
    world = settings_world(**WITH_A_BOT)
    other = Chat(world)
    other.user = ChatUser("slack", "T1", "U-colleague")
    before, after = await steered_twice(world, other, posted_in=posted_in, posted="1.2")
    assert (before == after) is same


# ---- people who are nobody here


@pytest.mark.parametrize(
    "text", ["list", "create", "status physics", "delete physics confirm ABCD", "link", "cost", "stop"]
)
async def test_somebody_who_is_not_linked_is_told_how_to_link(world: World, monkeypatch: pytest.MonkeyPatch, text: str):
    async def code(app: object, user: ChatUser) -> str:
        return f"CODE-{user.user}"

    monkeypatch.setattr(links, "new_code", code)
    await there_is(world, a_ready_hub(owner="jaydoe"))
    card = await Chat(world, None).says(text)
    assert '"CODE-U-stranger"' in card.code[0]
    assert card.code[0].startswith("curl ")
    assert "physics" not in words(card)


@pytest.mark.parametrize("text", ["help", "", "help create"])
async def test_help_is_for_everybody(world: World, text: str):
    assert "create" in words(await Chat(world, None).says(text))


async def test_link_says_to_whom_one_is_linked(jay: Chat):
    assert (await jay.says("link")).title == "This chat account is linked to jaydoe"


# ---- delete


async def test_delete_asks_first_with_a_button(world: World, jay: Chat):
    hub = await there_is(world, a_ready_hub(owner="jaydoe"))
    card = await jay.says("delete physics")
    (button,) = card.buttons
    assert (button.verb, button.hub_id, button.style) == (Verb.DELETE, hub.id, "danger")
    assert "All files of all people" in card.text and "All files of all people" in button.confirm
    assert present(world, hub).goal is Goal.RUNNING
    assert world.storage.chat.threads == {}


async def asked_in_teams(world: World, hub: Hub, principal=JAY_IN_TEAMS) -> tuple[Chat, str]:
    chat = Chat(world, principal, "teams")
    card = await chat.says(f"delete {hub.name}")
    assert card.buttons == ()
    (line,) = card.code
    return chat, line


async def test_delete_in_teams_asks_for_a_code_and_then_does_it(world: World):
    hub = await there_is(world, a_ready_hub(owner="jaydoe"))
    jay, line = await asked_in_teams(world, hub)
    assert present(world, hub).goal is Goal.RUNNING
    card = await jay.says(line.lower())
    assert card.title == "physics: being deleted"
    assert present(world, hub).goal is Goal.DELETED


async def test_the_confirmation_delivered_again_says_the_same(world: World):
    hub = await there_is(world, a_ready_hub(owner="jaydoe"))
    jay, line = await asked_in_teams(world, hub)
    key = fresh_key()
    titles = {(await jay.says(line, key=key)).title for _ in range(3)}
    assert titles == {"physics: being deleted"}
    assert present(world, hub).generation == hub.generation + 1


async def test_a_code_is_good_for_ten_minutes(world: World):
    hub = await there_is(world, a_ready_hub(owner="jaydoe"))
    jay, line = await asked_in_teams(world, hub)
    world.clock.advance(601)
    card = await jay.says(line)
    assert "Nothing was deleted" in card.title
    assert card.code == ("delete physics",)
    assert present(world, hub).goal is Goal.RUNNING
    world.clock.advance(-61)
    assert (await jay.says(line)).title == "physics: being deleted"


async def test_a_code_is_for_its_user_alone(world: World):
    hub = await there_is(world, a_ready_hub(owner="jaydoe"))
    _, line = await asked_in_teams(world, hub)
    other = Chat(world, JAY_IN_TEAMS, "teams")
    other.user = ChatUser("teams", "T1", "U-colleague")
    assert "Nothing was deleted" in (await other.says(line)).title


async def test_a_code_is_worth_one_hub(world: World):
    """A new hub of the same name has another id: yesterday's code does not delete it."""
    hub = await there_is(world, a_ready_hub(owner="jaydoe"))
    jay, line = await asked_in_teams(world, hub)
    del world.storage.hubs.hubs["jaydoe", "physics"]
    new = await there_is(world, replace(a_ready_hub(owner="jaydoe"), id="physics-zzzzzz"))
    assert "Nothing was deleted" in (await jay.says(line)).title
    assert present(world, new).goal is Goal.RUNNING


@pytest.mark.parametrize("code", ["AAAA", "0000", "ZZZZ"])
async def test_a_wrong_code_deletes_nothing(world: World, code: str):
    hub = await there_is(world, a_ready_hub(owner="jaydoe"))
    jay, line = await asked_in_teams(world, hub)
    assert code not in line
    assert "Nothing was deleted" in (await jay.says(f"delete physics confirm {code}")).title
    assert present(world, hub).goal is Goal.RUNNING


async def test_what_is_being_deleted_is_not_asked_about_again(world: World, jay: Chat):
    await there_is(world, DELETING)
    card = await jay.says("delete physics")
    assert card.title == "physics: being deleted"
    assert card.buttons == ()


@pytest.mark.parametrize("hub", [MAKING, FAILED, STOPPED, READY])
async def test_delete_works_in_every_state(world: World, hub: Hub):
    hub = await there_is(world, hub)
    jay, line = await asked_in_teams(world, hub)
    await jay.says(line)
    assert present(world, hub).goal is Goal.DELETED


def test_codes_survive_a_new_seal_key_and_forgive_two_digits():
    old = some_settings().seal_keys
    new = some_settings(
        HUBLET_SEAL_KEYS="k2:" + "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=" + ",k1:" + "QUFB" * 10 + "QUE="
    )
    user = ChatUser("teams", "T", "U")
    for number in range(200):
        code = confirm.code_for(old, user, f"h{number}", MONDAY_MORNING)
        typed = code.replace("O", "0").replace("I", "1")
        assert confirm.is_right(new.seal_keys, user, f"h{number}", typed, MONDAY_MORNING)


# ---- words


async def test_lines_to_send_are_as_each_platform_takes_them(world: World):
    assert (await Chat(world).says("lst")).code[0] == "/hub list"
    assert (await Chat(world, JAY_IN_TEAMS, "teams").says("lst")).code[0] == "list"


@pytest.mark.parametrize("order", ABOUT_ONE[:-1])
async def test_a_missing_name_is_asked_for_with_an_example(jay: Chat, order: str):
    card = await jay.says(order)
    assert "Which hub?" in card.lines[0]
    assert card.code == (f"/hub {USAGES[Order(order)].example}",)


async def test_three_kilobytes_of_anything_are_answered_shortly(world: World, jay: Chat):
    for text in (
        "x " * 1500,
        "😀" * 1500,
        "create " + "<!channel>" * 300,
        "status " + "y" * 3000,
        "create a=" + "z" * 3000,
    ):
        assert len(words(await jay.says(text))) < 4000
    assert world.storage.hubs.hubs == {}


async def test_where_others_read_the_answer_no_code_is_made_only_the_ids_an_administrator_needs(world: World):
    user = ChatUser("teams", "66666666-7777", "11111111-2222")
    card = await how_to_link(world.app, user, alone=False)
    assert world.storage.chat.codes == {}
    assert user.team in card.code[0]
    assert user.user in card.code[0]
    assert "owner" in card.code[0]
    await how_to_link(world.app, user, alone=True)
    assert len(world.storage.chat.codes) == 1
