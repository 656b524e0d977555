"""Lives of hubs as their owners see them: each follows its plan through the public API and writes down what it was
promised."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from localdev.chaos.client import Answer, Caller, GaveUp
from localdev.chaos.plans import Create, HandOut, Pause, Plan, Until, Verb, wanted_after

LOOK_S = 1.5
UNTIL_LIMIT_S = 480.0
"""Far more than a step takes even when its host dies again and again."""


@dataclass
class Life:
    """`wanted`: where the hub has to end, by the last promise. `broken`: promises that were broken on the spot."""

    number: int
    owner: str
    token: str
    plan: Plan
    wanted: str = ""
    hub_id: str = ""
    promised: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"hub{self.number:03d}"

    @property
    def request(self) -> dict[str, Any]:
        """Without idle stop: a hub that is settled has nothing ahead of it, so every row and message must end."""
        return {"name": self.name, "idleMinutes": None}

    def accepted(self, hub: dict[str, Any], what: str) -> None:
        """A 202 (or 200): from here on it is owed. The same hub each time."""
        if self.hub_id and hub["id"] != self.hub_id:
            self.broken.append(f"{what} was answered with the hub {hub['id']}, before it was {self.hub_id}")
        self.hub_id = hub["id"]
        self.promised.append(what)


async def live(life: Life, caller: Caller) -> None:
    """From create to the last action of the plan. Raises nothing: what goes wrong is in the life."""
    try:
        await _create(life, caller)
        for action in life.plan.actions:
            match action:
                case Pause(seconds):
                    await asyncio.sleep(seconds)
                case Until(state):
                    if not await _until(life, caller, state):
                        return
                case HandOut():
                    await _hand_out(life, caller)
                case Verb():
                    await _ask(life, caller, action)
    except GaveUp as error:
        life.notes.append(f"gave up: {error}")


async def _create(life: Life, caller: Caller) -> None:
    path, key = "/hubs", f"create-{life.name}"
    for _ in range(life.plan.cuts):
        await caller.hang_up("POST", path, life.token, life.request, key=key)
    asks = 2 if life.plan.create is Create.TWICE else 1
    answers = await asyncio.gather(*(caller.ask("POST", path, life.token, life.request, key=key) for _ in range(asks)))
    for answer in answers:
        if answer.status == 202:
            life.wanted = life.wanted or "ready"
            life.accepted(answer.json(), "create")
        else:
            life.broken.append(f"create was refused: {_said(answer)}")


async def _until(life: Life, caller: Caller, state: str) -> bool:
    """False = it failed or takes too long; where it ends is judged later."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + UNTIL_LIMIT_S
    while True:
        answer = await caller.ask("GET", f"/hubs/{life.name}", life.token)
        if answer.status != 200:
            life.broken.append(f"the hub is not shown while it should become {state}: {_said(answer)}")
            return False
        hub = answer.json()
        if hub["state"] == state:
            return True
        if hub["state"] == "failed" or loop.time() > deadline:
            life.notes.append(f"is {hub['state']} instead of {state}: {hub['progress']['message']} {hub['reason']}")
            return False
        await asyncio.sleep(LOOK_S)


async def _ask(life: Life, caller: Caller, verb: Verb) -> None:
    if verb is Verb.DELETE:
        answer = await caller.ask("DELETE", f"/hubs/{life.name}", life.token)
        gone = answer.status == 404  # an earlier try was accepted, and its answer lost
    else:
        key = f"{verb}-{life.name}-{len(life.promised)}"
        answer = await caller.ask("POST", f"/hubs/{life.name}/{verb}", life.token, key=key)
        gone = False
    if answer.status in (200, 202):
        life.accepted(answer.json(), verb)
        life.wanted = wanted_after(verb)
    elif gone:
        life.promised.append(verb)
        life.wanted = wanted_after(verb)
    else:
        life.broken.append(f"{verb} was refused: {_said(answer)}")


async def _hand_out(life: Life, caller: Caller) -> None:
    password = await caller.ask("POST", f"/hubs/{life.name}/admin-password", life.token)
    private = await caller.ask("POST", f"/hubs/{life.name}/ssh-key", life.token)
    for what, answer in (("password", password), ("ssh-key", private)):
        if answer.status != 200:
            life.broken.append(f"the {what} was not handed out: {_said(answer)}")
            continue
        life.secrets[what] = answer.json()["password"] if what == "password" else answer.body.decode()


def _said(answer: Answer) -> str:
    return f"{answer.status} {answer.code} {answer.body[:300].decode(errors='replace')}"
