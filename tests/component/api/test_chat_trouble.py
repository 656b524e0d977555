"""Storage fails at each of its calls in turn: nothing is done twice, nobody is let in, every request is answered."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from itertools import count

import pytest

from shared.api.chat_parts import real
from shared.errors import RetryableError
from shared.hubs.ports import IndexEntry
from shared.hubs.states import HubState
from tests.component.api.chat import ADA, COMMAND, PUBLIC, Chat, a_button
from tests.component.api.client import Answer, Api
from tests.component.api.test_chat_real import links_of
from tests.support.builders import a_ready_hub, some_secrets
from tests.support.tape import Tape

DOWN = RetryableError("StorageBusy", "Storage is busy.")


class Failing:
    """Lets the n-th call of storage fail, before its effect or after it. The way out to Slack is no storage."""

    def __init__(self, tape: Tape, at: int, *, after: bool) -> None:
        self.left, self.where = at, ""
        begin, wrote = tape.begin, tape.wrote

        def failing(real: Callable[[str], None]) -> Callable[[str], None]:
            def call(name: str) -> None:
                real(name)
                if not name.startswith("outbound."):
                    self.left -= 1
                    if self.left == -1:
                        self.where = name
                        raise DOWN

            return call

        setattr(tape, "wrote" if after else "begin", failing(wrote if after else begin))
        self._tape = tape

    def end(self) -> None:
        vars(self._tape).pop("begin", None)
        vars(self._tape).pop("wrote", None)


async def a_scene() -> Chat:
    chat = Chat()
    slack = chat.does.parts()
    chat.api = Api(chat.world, chat=lambda: replace(real(), slack_message=slack.slack_message, slack=slack.slack))
    chat.linked()
    chat.linked(ADA, owner="jaydoe")
    hub = chat.world.storage.hubs.seed(a_ready_hub(owner="jaydoe"))
    await chat.world.storage.index.put(IndexEntry(hub_id=hub.id, owner=hub.owner, name=hub.name, state="ready"))
    await chat.world.storage.secrets.create(hub.owner, hub.id, some_secrets())
    return chat


type Ask = Callable[[Chat, int], Awaitable[Answer]]


async def stop_typed(chat: Chat, number: int) -> Answer:
    return await chat.say("stop physics", trigger_id=str(number))


async def create_typed(chat: Chat, number: int) -> Answer:
    return await chat.say("create bio101", trigger_id=str(number))


async def stop_pressed(chat: Chat, number: int) -> Answer:
    return await chat.press(a_button("stop", action_ts=str(number)))


async def stop_in_teams(chat: Chat, number: int) -> Answer:
    return await chat.teams(chat.activity("<at>Hublet</at> stop physics", id=str(number)))


ASKED: dict[str, Ask] = {ask.__name__: ask for ask in (stop_typed, create_typed, stop_pressed, stop_in_teams)}


@pytest.mark.parametrize("after", [False, True], ids=["lost before", "lost after"])
@pytest.mark.parametrize("name", ASKED)
async def test_a_command_that_met_trouble_anywhere_is_answered_and_sent_again_is_done_once(name: str, after: bool):
    ask, looked = ASKED[name], 0
    for at in count():
        chat = await a_scene()
        before = {hub.name: hub.generation for hub in chat.world.storage.hubs.hubs.values()}
        failing = Failing(chat.world.storage.tape, at, after=after)
        first = await ask(chat, 1)
        failing.end()
        if not failing.where:
            break
        looked += 1
        same = await ask(chat, 1)  # Slack and Teams deliver again
        again = await ask(chat, 2)  # the person sends it again
        assert [first.status, same.status, again.status] == [200, 200, 200], (failing.where, first.body)
        hubs = {hub.name: hub for hub in chat.world.storage.hubs.hubs.values()}
        if ask is create_typed:
            assert set(hubs) == {"physics", "bio101"}, failing.where
            assert hubs["bio101"].generation == 1
        else:
            assert hubs["physics"].generation == before["physics"] + 1, failing.where
            assert hubs["physics"].state is HubState.STOPPING
    assert looked >= 4


@pytest.mark.parametrize("call", ["chat.first_sight", "chat.link", "hubs.get"])
async def test_who_cannot_be_told_who_they_are_does_nothing(call: str):
    """Errors deny, also while they last."""
    chat = await a_scene()
    chat.world.storage.tape.fail(call, DOWN, times=50)
    for ask in (stop_typed, stop_pressed, stop_in_teams):
        assert (await ask(chat, 1)).status == 200
    await chat.press(a_button("login"))
    assert chat.world.hub.state is HubState.READY
    assert not [url for _, said in chat.told for url in links_of(said) if "/actions/" in url]


@pytest.mark.parametrize("after", [False, True], ids=["lost before", "lost after"])
async def test_the_login_is_shown_at_most_once_whatever_fails(after: bool):
    shown, looked = str(some_secrets().admin_password), 0
    for at in count():
        chat = await a_scene()
        await chat.press(a_button("login"))
        [url] = [url for _, said in chat.told for _, url in said["blocks"][0]["buttons"]]
        path = url.removeprefix(PUBLIC)
        failing = Failing(chat.world.storage.tape, at, after=after)
        pages = [await chat.api.post(path, owner=None)]
        failing.end()
        if not failing.where:
            break
        looked += 1
        pages += [await chat.api.post(path, owner=None), await chat.api.post(path, owner=None)]
        assert sum(shown in page.body.decode() for page in pages) <= 1, failing.where
        assert {page.status for page in pages} <= {200, 410, 503}, failing.where
        assert pages[-1].status == 410
    assert looked >= (2 if after else 4)


async def test_a_command_that_two_processes_get_at_once_is_done_by_one():
    """The row alone decides: neither of them has seen it when both begin."""
    chat = await a_scene()
    body = chat.form("create bio101")
    headers = chat.slack_headers(body)
    answers = await asyncio.gather(*(chat.api.dispatch("POST", COMMAND, headers, body) for _ in range(8)))
    assert sorted(len(answer.body) > 0 for answer in answers) == [False] * 7 + [True]
    assert len(chat.world.storage.hubs.hubs) == 2
