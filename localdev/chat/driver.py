"""`/_chat/...`: acting as people, looking at what everybody sees, breaking things. For this machine only, as `/_sim/`.

POST app {url}                                       where the app's API is
POST slack/command {text, user, channel, team}       types a slash command
POST slack/press {channel, ts, action_id, user}      presses a button; also value, label
POST slack/channels {id, name, private, bot, archived}
GET  slack/channels/<id>, slack/user/<id>            what all in a channel see; what only this person sees
POST teams/mention {text, user, tenant}              mentions the outgoing webhook
POST teams/webhooks {name}, GET teams/<name>         another Workflows webhook; what a webhook was sent
POST faults {slack|teams: kind, seconds|times}, GET, DELETE
POST settings {rateLimit, slackLimitS, teamsLimitS}  one message a second, on or off; how long they wait for the app
POST replay {n}                                      the n-th request to the app again, byte for byte
GET  requests, received, everything
"""

import ipaddress
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from localdev.chat.faults import BadFault, Faults
from localdev.chat.people import TENANT, Impossible, People
from localdev.chat.sender import NoApp, Sender
from localdev.chat.teams import Teams
from localdev.chat.workspace import TEAM, Channel, Workspace
from shared.clock import Clock

type Json = dict[str, Any]


class Wrong(Exception):
    """The request to the driver makes no sense; the text says why."""


class Driver:
    """`received`: what the app sent us, newest last, without its content."""

    def __init__(
        self,
        workspace: Workspace,
        teams: Teams,
        people: People,
        sender: Sender,
        faults: Faults,
        clock: Clock,
        received: deque[Json],
    ) -> None:
        self._workspace, self._teams, self._people, self._sender = workspace, teams, people, sender
        self._faults, self._clock, self._received = faults, clock, received

    def add_to(self, router: web.UrlDispatcher) -> None:
        for method, path, answer in (
            ("POST", "app", self._app),
            ("POST", "slack/command", self._command),
            ("POST", "slack/press", self._press),
            ("POST", "slack/channels", self._add_channel),
            ("GET", "slack/channels/{id}", self._channel),
            ("GET", "slack/user/{id}", self._user),
            ("POST", "teams/mention", self._mention),
            ("POST", "teams/webhooks", self._add_webhook),
            ("GET", "teams/{id}", self._told),
            ("POST", "faults", self._add_fault),
            ("GET", "faults", self._list_faults),
            ("DELETE", "faults", self._clear_faults),
            ("POST", "settings", self._settings),
            ("POST", "replay", self._replay),
            ("GET", "requests", self._requests),
            ("GET", "received", self._list_received),
            ("GET", "everything", self._everything),
        ):
            router.add_route(method, f"/_chat/{path}", _guarded(answer))

    # ---- Slack

    async def _app(self, request: web.Request, wanted: Json) -> Json:
        self._sender.app = _need(wanted, "url").rstrip("/")
        return {"url": self._sender.app}

    async def _command(self, request: web.Request, wanted: Json) -> Json:
        user, channel, team = (str(wanted.get(*each)) for each in (("user", "U1"), ("channel", "C1"), ("team", TEAM)))
        return await self._people.command(_need(wanted, "text"), user, channel, team)

    async def _press(self, request: web.Request, wanted: Json) -> Json:
        return await self._people.press(
            str(wanted.get("channel", "C1")),
            _need(wanted, "ts"),
            _need(wanted, "action_id"),
            str(wanted.get("user", "U1")),
            str(wanted.get("team", TEAM)),
            value=str(wanted.get("value", "")),
            label=str(wanted.get("label", "")),
        )

    async def _add_channel(self, request: web.Request, wanted: Json) -> Json:
        unknown = set(wanted) - {"id", "name", "private", "bot", "archived"}
        if unknown:
            raise Wrong(f"unknown field: {', '.join(sorted(unknown))}")
        channel = Channel(**{"name": _need(wanted, "id").lower(), **wanted})
        self._workspace.channels[channel.id] = channel
        return asdict(channel)

    async def _channel(self, request: web.Request, wanted: Json) -> Json:
        channel = self._workspace.channels.get(request.match_info["id"])
        if channel is None:
            raise Wrong(f"no channel; there are {', '.join(sorted(self._workspace.channels))}")
        return asdict(channel) | {"messages": [each.describe() for each in self._workspace.seen_in(channel.id)]}

    async def _user(self, request: web.Request, wanted: Json) -> Json:
        user = request.match_info["id"]
        return {"id": user, "messages": [each.describe() for each in self._workspace.seen_by(user)]}

    # ---- Teams

    async def _mention(self, request: web.Request, wanted: Json) -> Json:
        user = str(wanted.get("user", "aaaaaaaa-0000-0000-0000-000000000001"))
        tenant, name = str(wanted.get("tenant", TENANT)), str(wanted.get("name", "Jay Doe"))
        return await self._people.mention(str(wanted.get("text", "")), user, tenant, name)

    async def _add_webhook(self, request: web.Request, wanted: Json) -> Json:
        return {"url": self._people.base + self._teams.add(_need(wanted, "name"))}

    async def _told(self, request: web.Request, wanted: Json) -> Json:
        name = request.match_info["id"]
        if name not in self._teams.told:
            raise Wrong(f"no such webhook; there are {', '.join(sorted(self._teams.told))}")
        return {"name": name, "messages": [each.describe() for each in self._teams.told[name]]}

    # ---- trouble

    async def _add_fault(self, request: web.Request, wanted: Json) -> Json:
        return {"faults": [fault.describe() for fault in self._faults.add(wanted, self._clock.now())]}

    async def _list_faults(self, request: web.Request, wanted: Json) -> Json:
        return {"faults": self._faults.describe()}

    async def _clear_faults(self, request: web.Request, wanted: Json) -> Json:
        self._faults.clear()
        return {"faults": []}

    async def _settings(self, request: web.Request, wanted: Json) -> Json:
        if set(wanted) - {"rateLimit", "slackLimitS", "teamsLimitS"}:
            raise Wrong("settings are rateLimit, slackLimitS, teamsLimitS")
        sender, workspace = self._sender, self._workspace
        workspace.limited = bool(wanted.get("rateLimit", workspace.limited))
        try:
            sender.slack_limit_s = float(wanted.get("slackLimitS", sender.slack_limit_s))
            sender.teams_limit_s = float(wanted.get("teamsLimitS", sender.teams_limit_s))
        except (TypeError, ValueError):
            raise Wrong("slackLimitS and teamsLimitS are seconds") from None
        return {
            "rateLimit": workspace.limited,
            "slackLimitS": sender.slack_limit_s,
            "teamsLimitS": sender.teams_limit_s,
        }

    async def _replay(self, request: web.Request, wanted: Json) -> Json:
        try:
            back = await self._sender.again(int(wanted["n"]))
        except (KeyError, TypeError, ValueError, IndexError):
            raise Wrong(f"n is 0 to {len(self._sender.sent) - 1}") from None
        text = back.body.decode(errors="replace")
        return {"outcome": back.trouble or "ok", "status": back.status, "ms": back.ms, "n": back.n, "body": text}

    # ---- what happened

    async def _requests(self, request: web.Request, wanted: Json) -> Json:
        shown = [
            {"n": n, "url": sent.url, "headers": dict(sent.headers), "body": sent.body.decode(errors="replace")}
            for n, sent in enumerate(self._sender.sent)
        ]
        return {"requests": shown}

    async def _list_received(self, request: web.Request, wanted: Json) -> Json:
        return {"received": list(self._received)}

    async def _everything(self, request: web.Request, wanted: Json) -> Json:
        """All that was ever shown, deleted and replaced things too: for a search for what must not be there."""
        return {
            "slack": [message.describe() for message in self._workspace.messages],
            "teams": {name: [each.describe() for each in told] for name, told in self._teams.told.items()},
        }


type _Answer = Callable[[web.Request, Json], Awaitable[Json]]


def _guarded(answer: _Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
    """403 for a foreign host (a web page may reach us by a name of its own), 400 with a reason, 409 before `app`."""

    async def handle(request: web.Request) -> web.Response:
        if not _loopback(request.host):
            return web.json_response({"error": "the driver answers loopback only"}, status=403)
        try:
            body = await request.read()
            wanted = json.loads(body) if body else {}
            if not isinstance(wanted, dict):
                raise Wrong("a JSON object was expected")
            return web.json_response(await answer(request, wanted))
        except NoApp:
            return web.json_response({"error": "nobody said where the app is: POST /_chat/app"}, status=409)
        except (Wrong, Impossible, BadFault) as problem:
            return web.json_response({"error": str(problem)}, status=400)
        except ValueError as problem:
            return web.json_response({"error": f"not JSON: {problem}"}, status=400)

    return handle


def _need(wanted: Json, name: str) -> str:
    value = wanted.get(name)
    if not isinstance(value, str) or not value:
        raise Wrong(f"give {name}, a text")
    return value


def _loopback(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
