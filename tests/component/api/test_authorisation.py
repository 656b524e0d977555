"""Goal S5: every route, asked by nobody, by the owner, by another owner, by an admin. A new route needs a row here."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from shared.api.routes import ROUTES, Route
from shared.chat import action_links
from shared.chat.card import Verb
from shared.hubs.model import Hub
from shared.hubs.ports import ChatLink
from shared.hubs.states import HubState
from tests.component.api.chat import JAY, chat_settings
from tests.component.api.client import Answer, Api
from tests.component.api.hubs import stored
from tests.support.builders import a_failed_delivery, a_schedule, a_sink, an_operation, some_secrets
from tests.support.world import World

OWN = (401, "ok", 404, "ok")
"""An object of its owner, which admins may use too."""
OWN_ALONE = (401, "ok", 404, 404)
"""What admins do not see either: a web hook's address is a secret."""
ANY_OWNER = (401, "ok", "ok", "ok")
"""Nobody's object: a list of one's own, a new thing."""
ADMINS = (401, 403, 403, "ok")
SIGNED = (401, 401, 401, 401)
"""A token is no signature."""
PUBLIC = ("ok", "ok", "ok", "ok")

ROWS: dict[str, tuple[int | str, int | str, int | str, int | str]] = {
    "hub_create": ANY_OWNER,
    "hub_list": ANY_OWNER,
    "hub_get": OWN,
    "hub_change": OWN,
    "hub_delete": OWN,
    "hub_stop": OWN,
    "hub_start": OWN,
    "hub_restart": OWN,
    "hub_retry": OWN,
    "hub_extend": OWN,
    "hub_cost": OWN,
    "hub_events": OWN,
    "hub_log": OWN,
    "hub_ssh_key": OWN,
    "hub_admin_password": OWN,
    "operation_get": OWN,
    "token_create": ADMINS,
    "token_list": ADMINS,
    "token_delete": ADMINS,
    "sink_create": ANY_OWNER,
    "sink_list": ANY_OWNER,
    "sink_get": OWN_ALONE,
    "sink_delete": OWN_ALONE,
    "sink_rotate": OWN_ALONE,
    "sink_failed": OWN_ALONE,
    "sink_redeliver": OWN_ALONE,
    "estimate_create": ANY_OWNER,
    "size_list": ANY_OWNER,
    "chat_slack_command": SIGNED,
    "chat_slack_interaction": SIGNED,
    "chat_teams": SIGNED,
    "chat_link_create": (401, 403, 403, "ok"),
    "chat_link_list": ANY_OWNER,
    "chat_link_delete": OWN,
    "action_show": PUBLIC,
    "action_press": PUBLIC,
    "meta_healthz": PUBLIC,
    "meta_readyz": PUBLIC,
    "meta_openapi": PUBLIC,
}

BODIES: dict[str, Any] = {
    "hub_change": {"idleMinutes": 60},
    "hub_extend": {"hours": 1},
    "token_create": {"owner": "ada"},
    "sink_create": {"url": "https://hooks.example.org/x"},
    "chat_link_create": {"platform": "slack", "team": "T1", "user": "U1", "owner": "ada"},
}
STATES = {"hub_start": HubState.STOPPED, "hub_retry": HubState.FAILED}
ASKERS = ("nobody", "owner", "other", "admin")


@dataclass
class Asked:
    """One world for each request, in which there is one of everything, of `jaydoe`."""

    world: World
    api: Api
    hub: Hub

    async def __call__(self, route: Route, who: str, *, absent: bool = False) -> Answer:
        path = "/api/" + route.path
        for name, value in self._values(route, absent=absent).items():
            path = path.replace(f"{{{name}}}", value)
        body = BODIES.get(route.name, {} if route.body else None)
        owner = {"nobody": None, "owner": "jaydoe", "other": "ada", "admin": "admin"}[who]
        return await self.api.send(route.method, path, body, owner=owner)

    def _values(self, route: Route, *, absent: bool) -> dict[str, str]:
        hub_id = "physics-zzzzzz" if absent else self.hub.id
        kind = route.path.partition("/")[0] if "chat" not in route.path else "chat"
        ids = {
            "operations": f"{hub_id}.{self.hub.generation}",
            "tokens": "zzz" if absent else "jaydoe",
            "sinks": "zzzzzzzzzzzz" if absent else a_sink().id,
            "chat": "slack.T1.U1" if absent else JAY.id,
        }
        return {"name": hub_id, "id": ids.get(kind, ""), "token": self._link()}

    def _link(self) -> str:
        link = action_links.ActionLink(
            verb=Verb.START if self.hub.state is HubState.STOPPED else Verb.STOP,
            hub_id=self.hub.id,
            owner="jaydoe",
            deadline="",
            expires_at=self.world.clock.now() + timedelta(hours=1),
            nonce="n" * 22,
        )
        return action_links.sign(self.world.app.settings.seal_keys, link)


async def asked(route: Route) -> Asked:
    world = World(settings=chat_settings(HUBLET_EGRESS_CIDRS="198.51.100.7/32"))
    hub = stored(world, STATES.get(route.name, HubState.READY), schedule=a_schedule())
    now = world.clock.now()
    await world.storage.secrets.create(hub.owner, hub.id, some_secrets())
    await world.storage.sink_store.create(a_sink(owner="jaydoe"))
    await world.storage.sink_store.add_failed("jaydoe", a_failed_delivery())
    await world.storage.chat.save_link(ChatLink(user=JAY, owner="jaydoe", created_at=now, created_by="admin"))
    operation = an_operation(hub_id=hub.id, owner=hub.owner, generation=hub.generation)
    world.storage.hubs.operations[hub.owner, hub.id, hub.generation] = operation
    api = Api(world)
    api.token("jaydoe")
    world.storage.tape.writes.clear()
    return Asked(world, api, hub)


def test_every_route_has_a_row_and_every_row_a_route():
    assert sorted(ROWS) == sorted(route.name for route in ROUTES)


@pytest.mark.parametrize("who", ASKERS)
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_who_may_do_what(route: Route, who: str):
    ask = await asked(route)
    answer = await ask(route, who)
    expected = ROWS[route.name][ASKERS.index(who)]
    assert ("ok" if answer.status < 400 else answer.status) == expected, answer.body
    if expected != "ok":
        assert ask.world.storage.tape.writes == []


OWNED = [route for route in ROUTES if ROWS[route.name][ASKERS.index("other")] == 404]


@pytest.mark.parametrize("route", OWNED, ids=lambda route: route.name)
async def test_what_belongs_to_another_answers_as_what_is_not_there(route: Route):
    ask = await asked(route)
    theirs, none = await ask(route, "other"), await ask(route, "other", absent=True)
    assert theirs.status == none.status == 404
    assert said(theirs, ask.hub.id) == said(none, "physics-zzzzzz")


def said(answer: Answer, hub_id: str) -> dict[str, Any]:
    """Without what differs between any two requests."""
    kept = {name: value for name, value in answer.json.items() if name not in ("requestId", "instance")}
    return {name: str(value).replace(hub_id, "ID") for name, value in kept.items()}
