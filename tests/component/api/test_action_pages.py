"""Pages behind chat buttons: looking does nothing, pressing does it once, and nobody makes a link but us."""

import asyncio
import base64
import hashlib
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from shared.app import App
from shared.chat.action_links import ActionLink, sign
from shared.chat.actions import Outcome, Pressed
from shared.chat.card import Card, Fact, Verb
from shared.errors import CapacityError, ConcurrentUpdate, FatalError, RetryableError, UserError
from shared.hubs.gate_state import AzurePaused, Cause
from shared.hubs.model import Hub
from shared.hubs.ports import HubSecrets, IndexEntry
from shared.hubs.states import Goal, HubState
from shared.settings import SealKey, SettingsError
from tests.component.api.client import ADMIN_TOKEN, Answer, Api
from tests.support.builders import OWNER, a_ready_hub, some_secrets, some_settings
from tests.support.hostile_texts import HOSTILE
from tests.support.tape import Crash
from tests.support.world import World


class Presses:
    """What a press does, as `actions.press` promises it: the same key happens once."""

    def __init__(self) -> None:
        self.asked: list[Pressed] = []
        self.happened: list[str] = []
        self.errors: list[Exception] = []
        self.done = True
        self.card = Card(
            title="The stop was put off", lines=("It is at 20:00 now.",), facts=(Fact("Next stop", "20:00"),)
        )

    async def __call__(self, app: App, pressed: Pressed) -> Outcome:
        self.asked.append(pressed)
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors.pop(0)
        if self.done and pressed.key not in self.happened:
            self.happened.append(pressed.key)
        return Outcome(self.done, self.card)


@pytest.fixture
def presses() -> Presses:
    return Presses()


@pytest.fixture
def api(world: World, presses: Presses) -> Api:
    return Api(world, press=presses)


def a_known_hub(world: World, **changes: Any) -> Hub:
    """A hub that is stored and listed."""
    hub = world.storage.hubs.seed(a_ready_hub(**changes))
    entry = IndexEntry(hub_id=hub.id, owner=hub.owner, name=hub.name, state=str(hub.state))
    world.storage.index.entries[hub.id] = entry
    return hub


@pytest.fixture
async def hub(world: World) -> Hub:
    hub = a_known_hub(world)
    await world.storage.secrets.create(hub.owner, hub.id, some_secrets())
    world.storage.tape.writes.clear()
    return hub


def path_of(world: World, verb: Verb = Verb.SNOOZE, **changes: Any) -> str:
    link = ActionLink(
        verb=verb,
        hub_id="physics-ab2cd3",
        owner=OWNER,
        deadline="2026-01-05T18:00:00+00:00",
        expires_at=world.clock.now() + timedelta(hours=12),
        nonce="0123456789abcdef0123456789abcdef",
    )
    return "/api/chat/actions/" + sign(world.app.settings.seal_keys, replace(link, **changes))


async def look(api: Api, path: str) -> Answer:
    return checked(await api.get(path, owner=None))


async def press(api: Api, path: str) -> Answer:
    return checked(await api.post(path, owner=None))


class Reader(HTMLParser):
    """Elements, attributes and text of a page."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.style = ""
        self._inside = ""
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.style = data
            self._inside = ""
        else:
            self.text += data


ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "main", "h1", "p", "strong", "form", "button", "footer"),
    *("dl", "dt", "dd", "code", "pre"),
}


def checked(answer: Answer) -> Answer:
    """What must be true of every page, errors too."""
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-robots-tag"] == "noindex, nofollow"
    assert answer.headers["x-content-type-options"] == "nosniff"
    page = Reader(answer.body)
    assert set(page.tags) <= ALLOWED
    assert page.attributes <= {"lang", "charset", "name", "content", "method", "type", "class", "role"}
    hashed = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert answer.headers["content-security-policy"] == (
        f"default-src 'none'; style-src 'sha256-{hashed}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
    assert b'<html lang="en">' in answer.body
    assert b'name="viewport"' in answer.body
    assert page.tags.count("h1") == 1
    return answer


def has_button(answer: Answer) -> bool:
    return b'<form method="post"><button type="submit"' in answer.body


# ---- looking


@pytest.mark.parametrize("verb", list(Verb))
async def test_looking_says_what_a_press_will_do_and_changes_nothing(
    api: Api, world: World, hub: Hub, presses: Presses, verb: Verb
) -> None:
    path = path_of(world, verb)
    first, second = await look(api, path), await look(api, path)
    assert (first.status, first.body) == (200, second.body)
    assert "physics" in Reader(first.body).text
    assert "until Monday 2 March 2026, 21:30 (UTC)" in first.body.decode()
    assert has_button(first)
    assert (presses.asked, world.storage.tape.writes) == ([], [])


async def test_a_preview_that_asks_for_the_head_only_changes_nothing(api: Api, world: World, hub: Hub) -> None:
    answer = await api.send("HEAD", path_of(world), owner=None)
    assert (answer.status, world.storage.tape.writes) == (405, [])


async def test_the_hour_is_shown_in_the_time_zone_of_the_settings(presses: Presses) -> None:
    world = World(settings=some_settings(HUBLET_TIME_ZONE="Europe/Berlin"))
    a_known_hub(world)
    until = world.clock.now().replace(hour=18, minute=30)
    answer = await look(Api(world, press=presses), path_of(world, expires_at=until))
    assert "19:30 (Europe/Berlin)" in answer.body.decode()


@pytest.mark.parametrize("verb", [Verb.STOP, Verb.DELETE])
async def test_what_throws_people_out_has_another_button(api: Api, world: World, hub: Hub, verb: Verb) -> None:
    assert b'class="danger"' in (await look(api, path_of(world, verb))).body
    assert b'class="danger"' not in (await look(api, path_of(world, Verb.SNOOZE))).body


# ---- pressing


async def test_a_press_does_what_the_link_says_for_the_one_it_was_made_for(
    api: Api, world: World, hub: Hub, presses: Presses
) -> None:
    answer = await press(api, path_of(world))
    assert answer.status == 200
    assert "The stop was put off" in answer.body.decode()
    assert "<dt>Next stop</dt><dd>20:00</dd>" in answer.body.decode()
    (pressed,) = presses.asked
    assert (pressed.verb, pressed.hub_id, pressed.deadline) == (Verb.SNOOZE, hub.id, "2026-01-05T18:00:00+00:00")
    assert (pressed.principal.owner, pressed.principal.via, pressed.principal.is_admin) == (OWNER, "Teams", False)
    assert re.fullmatch(r"[0-9a-f]{64}", pressed.key)
    assert not has_button(answer)


async def test_the_second_press_is_told_that_the_link_was_used(
    api: Api, world: World, hub: Hub, presses: Presses
) -> None:
    path = path_of(world)
    await press(api, path)
    assert (await press(api, path)).status == 410
    assert (await look(api, path)).status == 410
    assert len(presses.asked) == 1


async def test_a_message_that_was_posted_twice_is_good_for_one_press(
    api: Api, world: World, hub: Hub, presses: Presses
) -> None:
    later = path_of(world, expires_at=world.clock.now() + timedelta(hours=13))
    await press(api, path_of(world))
    assert (await press(api, later)).status == 410


async def test_two_presses_at_once_happen_once(api: Api, world: World, hub: Hub, presses: Presses) -> None:
    path = path_of(world)
    answers = await asyncio.gather(press(api, path), press(api, path))
    assert [answer.status for answer in answers] == [200, 200]
    assert (len(presses.asked), len(presses.happened)) == (2, 1)
    assert (await press(api, path)).status == 410


async def test_an_admins_link_presses_as_a_user(api: Api, world: World, presses: Presses) -> None:
    a_known_hub(world, owner="admin")
    assert (await press(api, path_of(world, owner="admin"))).status == 200
    assert not presses.asked[0].principal.is_admin


async def test_a_refusal_is_said_and_uses_the_link_up(api: Api, world: World, hub: Hub, presses: Presses) -> None:
    presses.done, presses.card = False, Card(title="It was stopped already")
    path = path_of(world)
    answer = await press(api, path)
    assert (answer.status, has_button(answer)) == (409, False)
    assert "It was stopped already" in answer.body.decode()
    assert (await press(api, path)).status == 410


async def test_a_refusal_that_is_raised_is_said_too(api: Api, world: World, hub: Hub, presses: Presses) -> None:
    presses.errors = [UserError("BudgetExceeded", "There is no money left.", fix="Wait for January.")]
    path = path_of(world, Verb.START)
    answer = await press(api, path)
    assert (answer.status, "Wait for January." in answer.body.decode()) == (409, True)
    assert (await press(api, path)).status == 410


async def test_no_room_in_azure_is_a_refusal_that_may_pass(api: Api, world: World, hub: Hub, presses: Presses) -> None:
    presses.errors = [CapacityError("QuotaExceeded", "No cores are left.")]
    path = path_of(world, Verb.START)
    answer = await press(api, path)
    assert (answer.status, has_button(answer)) == (409, True)
    assert (await press(api, path)).status == 200


async def test_what_azure_does_not_take_now_leaves_the_real_button_there(world: World) -> None:
    """As `actions.press` answers it: the link is not used up by an outage."""
    a_known_hub(world, state=HubState.STOPPED, goal=Goal.STOPPED)
    world.storage.tape.fail("hubs.admission", AzurePaused(Cause.DISABLED, 15))
    api, path = Api(world), path_of(world, Verb.START)
    answer = await press(api, path)
    assert (answer.status, has_button(answer)) == (409, True)
    assert "disabled" in answer.body.decode()
    world.storage.tape.forgive("hubs.admission")
    assert (await press(api, path)).status == 200
    assert world.storage.hubs.only_hub().goal is Goal.RUNNING


async def test_a_refusal_that_may_pass_leaves_the_real_button_there(world: World) -> None:
    a_known_hub(world, state=HubState.INSTALLING)
    api, path = Api(world), path_of(world, Verb.STOP)
    for ask in (press, press):
        answer = await ask(api, path)
        assert (answer.status, has_button(answer)) == (409, True)
        assert "still being made" in answer.body.decode()


# ---- trouble


@pytest.mark.parametrize(
    "error", [RetryableError("StorageBusy", "Storage is busy.", retry_after_s=7), ConcurrentUpdate("The hub")]
)
async def test_a_press_that_met_trouble_can_be_repeated(
    api: Api, world: World, hub: Hub, presses: Presses, error: Exception
) -> None:
    path = path_of(world)
    presses.errors = [error]
    answer = await press(api, path)
    assert (answer.status, has_button(answer)) == (503, True)
    assert answer.headers["retry-after"] == ("7" if isinstance(error, RetryableError) else "5")
    assert (await press(api, path)).status == 200
    first, second = presses.asked
    assert first.key == second.key


async def test_a_press_whose_mark_was_not_made_is_done_and_does_not_happen_again(
    api: Api, world: World, hub: Hub, presses: Presses
) -> None:
    world.storage.tape.fail("chat.first_sight", RetryableError("StorageBusy", "Storage is busy."))
    path = path_of(world)
    assert (await press(api, path)).status == 200
    assert (await press(api, path)).status == 200
    assert len(presses.happened) == 1


async def test_a_process_that_died_before_the_mark_leaves_a_press_that_happens_once(
    api: Api, world: World, hub: Hub, presses: Presses, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = path_of(world)
    with monkeypatch.context() as broken:

        async def dies(key: str, now: object) -> bool:
            raise Crash("before the mark")

        broken.setattr(world.storage.chat, "first_sight", dies)
        with pytest.raises(Crash):
            await press(api, path)
    assert (await look(api, path)).status == 200
    assert (await press(api, path)).status == 200
    assert len(presses.happened) == 1


@pytest.mark.parametrize("where", ["chat.seen", "index.find", "hubs.get"])
async def test_storage_that_is_down_is_said_on_a_page_and_nothing_is_done(
    api: Api, world: World, hub: Hub, presses: Presses, where: str
) -> None:
    path = path_of(world)
    for ask in (look, press):
        world.storage.tape.fail(where, RetryableError("StorageBusy", "Storage is busy."))
        answer = await ask(api, path)
        world.storage.tape.forgive(where)
        assert (answer.status, presses.asked) == (503, [])
        assert int(answer.headers["retry-after"]) >= 1
    assert (await press(api, path)).status == 200


async def test_a_bug_is_a_page_without_details(api: Api, world: World, hub: Hub, presses: Presses) -> None:
    for error in (ValueError("secret detail"), FatalError("Impossible", "secret detail")):
        presses.errors = [error]
        answer = await press(api, path_of(world))
        assert (answer.status, "secret" in answer.body.decode()) == (500, False)


async def test_wrong_settings_are_a_page_too(world: World) -> None:
    def broken() -> App:
        raise SettingsError(["HUBLET_SEAL_KEYS is missing"])

    answer = await look(Api(world, app=broken), path_of(world))
    assert (answer.status, b"SEAL" in answer.body) == (503, False)


# ---- links that are none


@pytest.mark.parametrize(
    "token",
    ["x", "k1.x.y", "k1..", "..", "%00", "k1." + "A" * 900 + "." + "A" * 43, "A" * 5000, "é.é.é"],
    ids=lambda token: ascii(token)[:12],
)
async def test_rubbish_is_not_valid(api: Api, world: World, presses: Presses, token: str) -> None:
    for ask in (look, press):
        assert (await ask(api, f"/api/chat/actions/{token}")).status == 404


async def test_forged_expired_foreign_and_gone_all_look_the_same(api: Api, world: World, presses: Presses) -> None:
    link = ActionLink(
        verb=Verb.STOP,
        hub_id="physics-ab2cd3",
        owner=OWNER,
        deadline="",
        expires_at=world.clock.now() + timedelta(hours=1),
        nonce="n",
    )
    keys = world.app.settings.seal_keys
    a_known_hub(world)
    a_known_hub(world, owner="ada", name="physics-ab2cd3", id="physics-ab2cd3-zzzzzz")
    tokens = {
        "forged": sign([SealKey(keys[0].id, b"X" * 32)], link),
        "expired": sign(keys, replace(link, expires_at=world.clock.now())),
        "foreign": sign(keys, replace(link, owner="mallory@example.com")),
        "a name like the id": sign(keys, replace(link, owner="ada")),
        "never was": sign(keys, replace(link, hub_id="chemistry-ab2cd3")),
        "rubbish": "x.y.z",
    }
    answers = {
        (what, ask.__name__): await ask(api, f"/api/chat/actions/{token}")
        for what, token in tokens.items()
        for ask in (look, press)
    }
    assert {answer.status for answer in answers.values()} == {404}
    assert len({answer.body for answer in answers.values()}) == 1
    assert (presses.asked, world.storage.tape.writes) == ([], [])
    assert (await look(api, f"/api/chat/actions/{sign(keys, link)}")).status == 200


async def test_a_hub_that_is_deleted_has_no_buttons_any_more(api: Api, world: World, presses: Presses) -> None:
    a_known_hub(world, state=HubState.DELETED)
    assert (await press(api, path_of(world))).status == 404
    assert presses.asked == []


async def test_a_parameter_that_nobody_knows_is_refused_on_a_page(api: Api, world: World, hub: Hub) -> None:
    assert (await look(api, path_of(world) + "?verb=delete")).status == 400


async def test_a_link_stays_good_when_the_seal_key_is_rotated(hub: Hub, world: World, presses: Presses) -> None:
    path = path_of(world)
    newer = f"k2:{base64.b64encode(b'B' * 32).decode()},k1:{base64.b64encode(b'A' * 32).decode()}"
    app = replace(world.app, settings=some_settings(HUBLET_SEAL_KEYS=newer))
    assert (await press(Api(world, app=lambda: app, press=presses), path)).status == 200


# ---- the login


async def test_the_login_is_shown_on_one_page_once(
    api: Api, world: World, hub: Hub, presses: Presses, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    path = path_of(world, Verb.LOGIN)
    assert b"correct-horse-battery" not in (await look(api, path)).body
    answer = await press(api, path)
    shown = answer.body.decode()
    assert answer.status == 200
    assert "<code>correct-horse-battery</code>" in shown
    assert "<code>jaydoe</code>" in shown
    assert f"<code>{hub.url}</code>" in shown
    assert "10 minutes" in shown
    again = await press(api, path)
    assert (again.status, b"correct-horse" in again.body) == (410, False)
    assert presses.asked == []
    logged = "".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "correct-horse-battery" not in logged
    assert path.rpartition("/")[2] not in logged


async def test_of_two_who_press_for_the_login_at_once_one_sees_it(
    api: Api, world: World, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, get = asyncio.Barrier(2), world.storage.secrets.get

    async def together(owner: str, hub_id: str) -> HubSecrets | None:
        await asyncio.wait_for(both.wait(), 5)  # neither has made its mark yet
        return await get(owner, hub_id)

    path = path_of(world, Verb.LOGIN)
    with monkeypatch.context() as slow:
        slow.setattr(world.storage.secrets, "get", together)
        answers = await asyncio.gather(press(api, path), press(api, path))
    assert sorted(answer.status for answer in answers) == [200, 410]
    assert sum(b"correct-horse-battery" in answer.body for answer in answers) == 1


async def test_a_new_link_shows_the_login_for_ten_minutes_then_never_again(api: Api, world: World, hub: Hub) -> None:
    assert (await press(api, path_of(world, Verb.LOGIN))).status == 200
    world.clock.advance(599)
    assert (await press(api, path_of(world, Verb.LOGIN, nonce="second"))).status == 200
    world.clock.advance(2)
    gone = await press(api, path_of(world, Verb.LOGIN, nonce="third"))
    assert (gone.status, b"correct-horse" in gone.body) == (410, False)
    assert "handed out before" in gone.body.decode()


async def test_a_login_that_is_not_made_yet_can_be_asked_for_again(api: Api, world: World) -> None:
    hub = a_known_hub(world)
    path = path_of(world, Verb.LOGIN)
    early = await press(api, path)
    assert (early.status, has_button(early)) == (409, True)
    await world.storage.secrets.create(hub.owner, hub.id, some_secrets())
    assert (await press(api, path)).status == 200


@pytest.mark.parametrize("where", ["secrets.get", "secrets.save", "chat.first_sight", "due.put"])
async def test_a_login_page_that_met_trouble_shows_nothing_and_can_be_asked_for_again(
    api: Api, world: World, hub: Hub, where: str
) -> None:
    world.storage.tape.fail(where, RetryableError("StorageBusy", "Storage is busy."))
    path = path_of(world, Verb.LOGIN)
    answer = await press(api, path)
    assert (answer.status, has_button(answer), b"correct-horse" in answer.body) == (503, True, False)
    assert (await press(api, path)).status == 200


# ---- hostile texts


@pytest.mark.parametrize(
    "text", [*HOSTILE, '"><script>alert(1)</script>', "</strong></p><form action=https://evil.example>"]
)
def test_a_hostile_text_stays_a_text_on_every_page(text: str) -> None:
    from zoneinfo import ZoneInfo

    from shared.api import action_page
    from tests.support.clock import MONDAY_MORNING

    card = Card(title=text, lines=(text,), facts=(Fact(text, text),), code=(text,))
    pages = [
        *(action_page.ask(verb, text, MONDAY_MORNING, ZoneInfo("UTC"), trouble=text) for verb in Verb),
        action_page.result(card),
        action_page.login(text, text, text, text),
        action_page.told(text, text),
    ]
    for page in pages:
        reader = Reader(page)
        assert set(reader.tags) <= ALLOWED
        assert reader.tags.count("form") <= 1
        assert reader.attributes <= {"lang", "charset", "name", "content", "method", "type", "class", "role"}
        if text.isprintable():
            assert text in reader.text


async def test_no_api_token_is_asked_for_and_none_helps(api: Api, world: World, hub: Hub) -> None:
    answer = await api.get("/api/chat/actions/x", token=ADMIN_TOKEN)
    assert answer.status == 404
    assert "www-authenticate" not in answer.headers
