"""People in a chat, in a world of hubs: what they type and press, and hubs that are there."""

import asyncio
import hashlib
import inspect
import random
from dataclasses import replace
from itertools import count
from typing import Any

from shared.api.prices import PriceMemo
from shared.chat import actions, commands
from shared.chat.actions import Outcome, Pressed
from shared.chat.card import Card, Verb
from shared.hubs.model import Hub, Principal, Role
from shared.hubs.ports import ChatUser, IndexEntry, Thread
from tests.support.builders import a_ready_hub, a_schedule, a_spec
from tests.support.world import World

JAY = Principal("jaydoe", Role.USER, "Slack")
JAY_IN_TEAMS = Principal("jaydoe", Role.USER, "Teams")
MALLORY = Principal("mallory", Role.USER, "Slack")

_numbers = count(1)


class Turns:
    """Those who do something side by side take turns at every call of a port, in an order that the seed decides: fakes
    answer at once, and nobody would ever get in between."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def wrap(self, port: Any, name: str) -> Any:
        return _Slow(port, self._chance)


class _Slow:
    def __init__(self, port: Any, chance: random.Random) -> None:
        self._port, self._chance = port, chance

    def __getattr__(self, method: str) -> Any:
        real = getattr(self._port, method)
        if not inspect.iscoroutinefunction(real):
            return real

        async def slow(*args: Any, **kwargs: Any) -> Any:
            for _ in range(self._chance.randrange(4)):
                await asyncio.sleep(0)
            answer = await real(*args, **kwargs)
            for _ in range(self._chance.randrange(3)):
                await asyncio.sleep(0)
            return answer

        return slow


def in_turns(seed: int, **more: Any) -> World:
    """A world in which people really get in each other's way."""
    return World(crash=Turns(seed), **more)  # type: ignore[arg-type]  # whatever wraps ports


def fresh_key() -> str:
    return hashlib.sha256(str(next(_numbers)).encode()).hexdigest()


class Chat:
    """One person, at one place."""

    def __init__(
        self, world: World, principal: Principal | None = JAY, platform: str = "slack", *, channel: str = "C1"
    ) -> None:
        self.world, self.principal, self.prices = world, principal, PriceMemo()
        name = principal.owner if principal else "stranger"
        self.channel = channel
        self.user = ChatUser(platform, "T1", f"U-{name}")
        self.confirm_by = "button" if platform == "slack" else "text"

    async def says(self, text: str, *, key: str | None = None) -> Card:
        """The same `key` = the same command, delivered again."""
        key = key or fresh_key()
        thread = Thread(
            id=f"thread-{key[:8]}",
            platform=self.user.platform,
            team="T1",
            channel=self.channel,
            user=self.user.user,
            created_at=self.world.clock.now(),
        )
        asked = commands.Asked(
            user=self.user,
            principal=self.principal,
            text=text,
            key=key,
            request_id="r-chat",
            thread=thread,
            confirm_by=self.confirm_by,
        )
        card = await commands.run(self.world.app, self.prices, asked)
        assert card.private
        return card

    async def presses(
        self, verb: Verb, hub: Hub, deadline: str = "", *, key: str | None = None, **more: Any
    ) -> Outcome:
        assert self.principal is not None
        pressed = Pressed(
            verb=verb,
            hub_id=hub.id,
            deadline=deadline,
            principal=self.principal,
            key=key or fresh_key(),
            request_id="r-press",
            **more,
        )
        outcome = await actions.press(self.world.app, pressed)
        assert outcome.card.private is not outcome.done  # all who saw the button, or the presser alone
        return outcome


async def there_is(world: World, hub: Hub) -> Hub:
    """The hub as if it had been made earlier, in the index too."""
    await world.app.index.put(IndexEntry(hub_id=hub.id, owner=hub.owner, name=hub.name, state=str(hub.state)))
    return world.storage.hubs.seed(replace(hub, event_seq=100))


async def there_is_a_class(world: World, **changes: Any) -> Hub:
    """Ready, stopped on weekdays at 19:00 in Berlin (18:00 UTC)."""
    spec = a_spec(schedule=a_schedule(), **changes.pop("spec", {}))
    return await there_is(world, a_ready_hub(owner="jaydoe", spec=spec, **changes))


def present(world: World, hub: Hub) -> Hub:
    return world.storage.hubs.hubs[hub.owner, hub.name]
