"""Two hubs' whole lives by chat, in the order in which they happened: one in Slack, one in Teams, in one environment.

Everything is done as a person does it: typed, pressed, followed. The clock is moved to a Monday morning, to the stops.
"""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.e2e.api import READY_LIMIT_S, Api
from tests.e2e.azure import Azure
from tests.e2e.chat_people import (
    TEAM,
    TENANT,
    Browser,
    Chat,
    Page,
    action_pages,
    links_in,
    shown,
    shown_in_teams,
    slack_button,
    until,
)
from tests.e2e.environment import Environment, running_environment
from tests.e2e.life import MovedClock, auto_shutdown_of, power_of, vm_of
from tests.e2e.people import visitor

HOST_ARGS = ("--tick-seconds", "2")
TEAMS_USER = "aaaaaaaa-0000-0000-0000-000000000001"
STAYS_S = 6.0
"""Long enough for something to happen that must not: three ticks."""

type Json = dict[str, Any]


@dataclass
class InSlack:
    """`follows`: the message that follows the hub when it was ready; `..._answer`: what a command was answered with."""

    stranger_help: Json = field(default_factory=dict)
    stranger_create: Json = field(default_factory=dict)
    stranger_hubs: list[str] = field(default_factory=list)
    link_answer: Json = field(default_factory=dict)
    code: str = ""
    linked: int = 0
    code_again: int = 0
    create_answer: Json = field(default_factory=dict)
    replayed: int = 0
    hubs_after_replay: list[str] = field(default_factory=list)
    hub: Json = field(default_factory=dict)
    follows: Json = field(default_factory=dict)
    followers: int = 0
    stranger_login: list[Json] = field(default_factory=list)
    login: Json = field(default_factory=dict)
    looked: list[Page] = field(default_factory=list)
    told: Page | None = None
    told_again: Page | None = None
    password: str = ""
    logged_in: int = 0
    stop_before: datetime | None = None
    warning: Json = field(default_factory=dict)
    stop_after: datetime | None = None
    snoozed: str = ""
    stopped: Json = field(default_factory=dict)
    stopped_said: str = ""
    power_stopped: str = ""
    started: Json = field(default_factory=dict)
    started_said: str = ""
    delete_answer: Json = field(default_factory=dict)
    state_before_button: str = ""
    left_in_azure: set[str] = field(default_factory=set)
    deleted_said: str = ""


@dataclass
class InTeams:
    create_answer: str = ""
    hub: Json = field(default_factory=dict)
    ready_push: str = ""
    list_answer: str = ""
    status_answer: str = ""
    warning: Json = field(default_factory=dict)
    looked: Page | None = None
    stop_before: datetime | None = None
    stop_after_look: datetime | None = None
    pressed: Page | None = None
    stop_after: datetime | None = None
    pressed_again: Page | None = None
    stop_at_the_end: datetime | None = None
    stop_answer: str = ""
    stopped: Json = field(default_factory=dict)
    power_stopped: str = ""
    delete_answer: str = ""
    state_before_code: str = ""
    wrong_code: str = ""
    left_in_azure: set[str] = field(default_factory=set)


@dataclass
class Talked:
    """`everything`: all that either chat was ever shown. `tokens`: which nobody may see there. `received`: how the
    chats answered the app. `log`: the host's."""

    slack: InSlack = field(default_factory=InSlack)
    teams: InTeams = field(default_factory=InTeams)
    everything: Json = field(default_factory=dict)
    received: list[Json] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    log: str = ""


def talk(folder: Path) -> Talked:
    talked = Talked()
    with running_environment(folder, host_args=HOST_ARGS, with_chat=True) as environment:
        chat, clock = Chat(environment.stack), MovedClock(environment.azure)
        jay, tess = environment.caller("jay"), environment.caller("tess")
        try:
            monday = _next_monday(clock.now())
            clock.move_to(monday.replace(hour=9))
            _strangers(chat, environment.api, talked.slack)
            _link(environment.api, jay, chat, talked.slack)
            _create_in_slack(chat, jay, talked.slack)
            _create_in_teams(chat, talked.teams)
            _ready_in_slack(chat, jay, talked.slack)
            _login(chat, talked.slack)
            _ready_in_teams(chat, tess, talked.teams)
            _warning_in_slack(environment.azure, chat, jay, clock, monday, talked.slack)
            _stop_and_start(environment, chat, jay, clock, monday, talked.slack)
            _delete_in_slack(environment, chat, jay, talked.slack)
            _warning_in_teams(chat, tess, clock, monday, talked.teams)
            _stop_and_delete_in_teams(environment, chat, tess, talked.teams)
        finally:
            talked.everything = chat.look("everything")
            talked.received = chat.look("received")["received"]
            talked.latencies_ms = chat.latencies_ms
            talked.tokens = [str(api.token) for api in (environment.api, jay, tess)]
            talked.log = environment.stack.host.log_text()
    return talked


# ------------------------------------------------------------------ who one is


def _strangers(chat: Chat, admin: Api, seen: InSlack) -> None:
    """Nobody is linked yet. The first command of a new process may take longer than Slack waits: it is typed again."""
    chat.drive("slack/command", {"text": "/hub help", "user": "U3"})
    seen.stranger_help = chat.slack("/hub help", user="U3")["message"]
    seen.stranger_create = chat.slack("/hub create stolen", user="U3")["message"]
    seen.stranger_hubs = [hub["name"] for hub in admin.call("GET", "/hubs?owner=*").json()["value"]]


def _link(admin: Api, jay: Api, chat: Chat, seen: InSlack) -> None:
    """Jay by a code; a colleague who shares Jay's hubs, and Tess in Teams, by the administrator."""
    seen.link_answer = chat.slack("/hub link")["message"]
    found = re.search(r'"code": ?"([^"]+)"', shown(seen.link_answer))
    assert found, shown(seen.link_answer)
    seen.code = found[1]
    seen.linked = jay.call("POST", "/chat/links", {"code": seen.code}).status
    seen.code_again = jay.call("POST", "/chat/links", {"code": seen.code}).status
    for platform, team, user, owner in (("slack", TEAM, "U2", "jay"), ("teams", TENANT, TEAMS_USER, "tess")):
        link = {"platform": platform, "team": team, "user": user, "owner": owner}
        answer = admin.call("POST", "/chat/links", link)
        assert answer.status in (200, 201), answer


# ------------------------------------------------------------------ made in Slack


def _create_in_slack(chat: Chat, jay: Api, seen: InSlack) -> None:
    answer = chat.slack("/hub create demo people=5 stop=12:00")
    seen.create_answer = answer["message"]
    seen.hub = jay.hub("demo")
    seen.replayed = chat.drive("replay", {"n": answer["n"]})["status"]
    seen.hubs_after_replay = jay.names()


def _ready_in_slack(chat: Chat, jay: Api, seen: InSlack) -> None:
    seen.follows = _message_with(chat, "login", READY_LIMIT_S)
    seen.followers = sum(1 for message in chat.channel() if "demo" in shown(message))
    seen.hub = jay.hub("demo")


def _login(chat: Chat, seen: InSlack) -> None:
    button = slack_button(seen.follows, "login")
    assert button, shown(seen.follows)
    chat.press(seen.follows, button, user="U3")
    before = len(chat.private("U1"))
    chat.press(seen.follows, button)
    seen.login = until(lambda: next(iter(chat.private("U1")[before:]), None), "the login, for Jay alone")
    seen.stranger_login = chat.private("U3")
    [url] = action_pages(seen.login)
    browser = Browser()
    seen.looked = [browser.open(url), browser.open(url)]
    seen.told = browser.submit(seen.looked[0])
    seen.told_again = browser.submit(seen.looked[1])
    seen.password = seen.told.after("Password")
    assert seen.told.after("User") == seen.hub["adminUser"]

    async def try_it() -> int:
        async with visitor(seen.hub["url"], seen.hub["adminUser"]) as person:
            return await person.log_in(seen.password)

    seen.logged_in = asyncio.run(try_it())


def _warning_in_slack(azure: Azure, chat: Chat, jay: Api, clock: MovedClock, monday: datetime, seen: InSlack) -> None:
    """At 11:35 the stop at 12:00 is near; Jay wants another hour."""
    seen.stop_before = _next_stop(jay, "demo")
    clock.move_to(monday.replace(hour=11, minute=35))
    seen.warning = _message_with(chat, "snooze")
    button = slack_button(seen.warning, "snooze")
    assert button
    chat.press(seen.warning, button)
    until(lambda: _next_stop(jay, "demo") != seen.stop_before or None, "another next stop")
    seen.stop_after = _next_stop(jay, "demo")
    seen.snoozed = until(lambda: _said_in(chat, "moved the stop"), "who moved the stop")
    # Azure's own shutdown is set half an hour behind ours, and would strike first if the clock went past it now.
    until(lambda: _shuts_down_at(azure, seen.hub) == "1330" or None, "Azure's own shutdown moved too")


def _stop_and_start(
    environment: Environment, chat: Chat, jay: Api, clock: MovedClock, monday: datetime, seen: InSlack
) -> None:
    """At 12:35 the stop is near again; a colleague stops it now."""
    clock.move_to(monday.replace(hour=12, minute=35))
    ts = seen.warning["ts"]
    second = until(
        lambda: next((each for each in chat.channel() if slack_button(each, "snooze") and each["ts"] != ts), None),
        "a second warning",
    )
    button = slack_button(second, "stop")
    assert button, shown(second)
    chat.press(second, button, user="U2")
    seen.stopped = _until_hub(jay, "demo", lambda hub: hub["state"] == "stopped")
    seen.power_stopped = power_of(environment.azure, *vm_of(seen.stopped))
    offer = _message_with(chat, "start")
    seen.stopped_said = shown(offer)
    chat.slack("/hub start demo")
    seen.started = _until_hub(jay, "demo", lambda hub: hub["state"] == "ready")
    seen.started_said = shown(_message_with(chat, "login"))


def _delete_in_slack(environment: Environment, chat: Chat, jay: Api, seen: InSlack) -> None:
    seen.delete_answer = chat.slack("/hub delete demo")["message"]
    time.sleep(STAYS_S / 2)
    seen.state_before_button = jay.hub("demo")["state"]
    button = slack_button(seen.delete_answer, "delete")
    assert button, shown(seen.delete_answer)
    chat.press(seen.delete_answer, button)
    jay.until_gone("demo")
    seen.deleted_said = until(lambda: _said_in(chat, "demo is deleted"), "that it is deleted")
    seen.left_in_azure = _left(environment.azure, seen.hub["id"])


# ------------------------------------------------------------------ made in Teams


def _create_in_teams(chat: Chat, seen: InTeams) -> None:
    seen.create_answer = shown_in_teams(chat.teams("create lab people=5 stop=16:00", user=TEAMS_USER))


def _ready_in_teams(chat: Chat, tess: Api, seen: InTeams) -> None:
    seen.hub = tess.until_ready("lab")
    url = str(seen.hub["url"])
    seen.ready_push = until(lambda: _pushed_with(chat, url), "a card with the hub's address")
    seen.list_answer = shown_in_teams(chat.teams("list", user=TEAMS_USER))
    seen.status_answer = shown_in_teams(chat.teams("status lab", user=TEAMS_USER))


def _warning_in_teams(chat: Chat, tess: Api, clock: MovedClock, monday: datetime, seen: InTeams) -> None:
    """At 15:35 the stop at 16:00 is near; somebody follows the button's link, looks, and presses twice."""
    seen.stop_before = _next_stop(tess, "lab")
    clock.move_to(monday.replace(hour=15, minute=35))
    seen.warning = until(lambda: next((each for each in chat.pushed() if _snooze(each)), None), "a card with Snooze")
    browser, link = Browser(), _snooze(seen.warning)
    assert link
    seen.looked = browser.open(link)
    seen.stop_after_look = _next_stop(tess, "lab")
    seen.pressed = browser.submit(seen.looked)
    until(lambda: _next_stop(tess, "lab") != seen.stop_before or None, "another next stop")
    seen.stop_after = _next_stop(tess, "lab")
    seen.pressed_again = browser.submit(seen.looked)
    time.sleep(STAYS_S / 2)
    seen.stop_at_the_end = _next_stop(tess, "lab")


def _stop_and_delete_in_teams(environment: Environment, chat: Chat, tess: Api, seen: InTeams) -> None:
    seen.stop_answer = shown_in_teams(chat.teams("stop lab", user=TEAMS_USER))
    seen.stopped = _until_hub(tess, "lab", lambda hub: hub["state"] == "stopped")
    seen.power_stopped = power_of(environment.azure, *vm_of(seen.stopped))
    seen.delete_answer = shown_in_teams(chat.teams("delete lab", user=TEAMS_USER))
    found = re.search(r"delete lab confirm (\S+)", seen.delete_answer)
    assert found, seen.delete_answer
    wrong = "AAAA" if found[1] != "AAAA" else "BBBB"
    seen.wrong_code = shown_in_teams(chat.teams(f"delete lab confirm {wrong}", user=TEAMS_USER))
    time.sleep(STAYS_S / 2)
    seen.state_before_code = tess.hub("lab")["state"]
    chat.teams(f"delete lab confirm {found[1]}", user=TEAMS_USER)
    tess.until_gone("lab")
    until(lambda: _pushed_with(chat, "lab is deleted"), "a card that says it is deleted")
    seen.left_in_azure = _left(environment.azure, seen.hub["id"])


# ------------------------------------------------------------------ looks


def _next_monday(now: datetime) -> datetime:
    """One that has not come yet, whatever the day is."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + timedelta(days=-now.weekday() % 7 or 7)


def _message_with(chat: Chat, action_id: str, limit_s: float = 60.0) -> Json:
    """The newest message of the channel that has the button."""

    def look() -> Json | None:
        return next((each for each in reversed(chat.channel()) if slack_button(each, action_id)), None)

    return until(look, f"a message with the button {action_id}", limit_s)


def _said_in(chat: Chat, words: str) -> str | None:
    return next((text for each in reversed(chat.channel()) if words in (text := shown(each))), None)


def _pushed_with(chat: Chat, words: str) -> str | None:
    return next((text for each in chat.pushed() if words in (text := shown_in_teams(each))), None)


def _snooze(message: Json) -> str | None:
    return next((url for label, url in links_in(message).items() if "snooze" in label), None)


def _next_stop(api: Api, name: str) -> datetime | None:
    stop = api.hub(name)["nextStop"]
    return datetime.fromisoformat(stop["at"]) if stop else None


def _until_hub(api: Api, name: str, wanted: Callable[[Json], bool], limit_s: float = 120.0) -> Json:
    def look() -> Json | None:
        hub = api.hub(name)
        return hub if wanted(hub) else None

    return until(look, f"{name} as it should be", limit_s)


def _shuts_down_at(azure: Azure, hub: Json) -> str:
    return str(auto_shutdown_of(azure, hub)["properties"]["dailyRecurrence"]["time"])


def _left(azure: Azure, hub_id: str) -> set[str]:
    return azure.groups_of(hub_id) | azure.belonging_to(hub_id)
