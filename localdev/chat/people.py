"""What people do: type a command, press a button, mention the outgoing webhook. What comes back is kept where they
would see it."""

import html
import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

from localdev.chat import blocks as block_kit
from localdev.chat import cards
from localdev.chat.sender import Back, Sender
from localdev.chat.teams import CONVERSATION, Teams
from localdev.chat.workspace import APP, TEAM, TEAM_DOMAIN, Message, Refused, Workspace
from shared.clock import Clock

TENANT = "11111111-2222-3333-4444-555555555555"
_WEBHOOK = "Hublet"


class Impossible(Exception):
    """Nobody could do this in the real chat; the text says why."""


class People:
    """`base`: where our own addresses begin."""

    def __init__(self, workspace: Workspace, teams: Teams, sender: Sender, clock: Clock) -> None:
        self._workspace = workspace
        self._teams = teams
        self._sender = sender
        self._clock = clock
        self.base = ""

    async def command(self, text: str, user: str, channel: str, team: str) -> dict[str, Any]:
        """`text` begins with the command's name, as typed. Raises Impossible, NoApp."""
        name, _, rest = text.strip().partition(" ")
        if not name.startswith("/"):
            raise Impossible("a slash command begins with /, as in /hub list")
        if channel not in self._workspace.channels:
            raise Impossible(f"no channel {channel}")
        url = self._workspace.new_response_url(channel, user)
        form = {
            "token": "not-used-any-more",
            "team_id": team,
            "team_domain": TEAM_DOMAIN,
            "channel_id": channel,
            "channel_name": self._workspace.channels[channel].name,
            "user_id": user,
            "user_name": self._workspace.knows(user),
            "command": name,
            "text": rest.strip(),
            "api_app_id": APP,
            "is_enterprise_install": "false",
            "response_url": f"{self.base}/hooks/commands/{url.id}",
            "trigger_id": _trigger(),
        }
        back = await self._sender.slack("/chat/slack/command", urlencode(form).encode())
        outcome, shown = _read_slack(back)
        message = None
        if outcome == "ok" and shown:
            if shown.get("response_type") == "in_channel":
                self._workspace.typed(channel, user, text)
            try:
                message = self._workspace.answer(url, shown)
            except Refused as refused:
                outcome = f"invalid_command_response: {refused.error} {' '.join(refused.messages)}".strip()
        return _told(back, outcome, message, form["response_url"])

    async def press(
        self, channel: str, ts: str, action_id: str, user: str, team: str, *, value: str = "", label: str = ""
    ) -> dict[str, Any]:
        """`value`, `label`: which, when several buttons of the message do the same. Raises Impossible, NoApp."""
        message = self._workspace.find(channel, ts)
        if message is None or message.deleted or message.only_for not in (None, user):
            raise Impossible(f"{user} sees no message {ts} in {channel}")
        found = [
            (block, button)
            for block, button in block_kit.buttons(message.blocks)
            if button.get("action_id") == action_id
            and value in ("", button.get("value"))
            and label in ("", button["text"]["text"])
        ]
        if len(found) != 1:
            raise Impossible(f"{len(found)} such buttons: {_labels(message) or 'the message has none'}")
        block, button = found[0]
        url = self._workspace.new_response_url(channel, user, message)
        payload = self._payload(message, block, button, user, team, f"{self.base}/hooks/actions/{url.id}")
        form = urlencode({"payload": json.dumps(payload)}).encode()
        back = await self._sender.slack("/chat/slack/interaction", form)
        outcome, _ = _read_slack(back)
        return _told(back, outcome, None, payload["response_url"])

    def _payload(
        self, message: Message, block: Mapping[str, Any], button: Mapping[str, Any], user: str, team: str, url: str
    ) -> dict[str, Any]:
        """https://docs.slack.dev/reference/interaction-payloads/block_actions-payload"""
        channel = self._workspace.channels[message.channel]
        kept = ("action_id", "text", "value", "url", "style", "confirm", "type")
        action = {name: button[name] for name in kept if name in button}
        action |= {"block_id": block["block_id"], "action_ts": f"{self._clock.now().timestamp():.6f}"}
        where = {"message_ts": message.ts, "channel_id": channel.id, "is_ephemeral": message.only_for is not None}
        name = self._workspace.knows(user)
        payload: dict[str, Any] = {
            "type": "block_actions",
            "user": {"id": user, "username": name, "name": name, "team_id": team},
            "api_app_id": APP,
            "token": "not-used-any-more",
            "container": {"type": "message", **where},
            "trigger_id": _trigger(),
            "team": {"id": TEAM, "domain": TEAM_DOMAIN},
            "enterprise": None,
            "is_enterprise_install": False,
            "channel": {"id": channel.id, "name": channel.name},
            "state": {"values": {}},
            "response_url": url,
            "actions": [action],
        }
        if message.only_for is None:  # of an ephemeral message Slack sends no copy
            payload["message"] = message.for_slack()
        return payload

    async def mention(self, text: str, user: str, tenant: str, name: str) -> dict[str, Any]:
        """`text`: what is typed behind the mention. Raises NoApp."""
        activity = self._activity(text, user, tenant, name)
        self._teams.keep(CONVERSATION, user, {"type": "message", "text": f"@{_WEBHOOK} {text}"})
        back = await self._sender.teams("/chat/teams", json.dumps(activity, ensure_ascii=False).encode())
        outcome, answer = back.trouble or "ok", None
        if back.status and back.status != 200:
            outcome = f"failed with {back.status}"
        elif not back.trouble:
            answer, refused = _read_teams(back)
            self._teams.keep(CONVERSATION, _WEBHOOK, answer or {}, refused)
            if refused:
                outcome = "cannot be shown: " + "; ".join(refused)
        return {"outcome": outcome, "status": back.status, "ms": back.ms, "n": back.n, "answer": answer}

    def _activity(self, text: str, user: str, tenant: str, name: str) -> dict[str, Any]:
        now: datetime = self._clock.now()
        number = str(int(now.timestamp() * 1000))
        channel = "19:3f8a0e5c@thread.tacv2"
        typed = html.escape(text, quote=False)
        shown = f"<div><div><span itemscope itemid='0'>{_WEBHOOK}</span>&nbsp;{typed}</div></div>"
        return {
            "type": "message",
            "id": number,
            "timestamp": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z",
            "localTimestamp": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}+00:00",
            "serviceUrl": "https://smba.trafficmanager.net/emea/",
            "channelId": "msteams",
            "from": {"id": f"29:{quote(user)}-{'x' * 60}", "name": name, "aadObjectId": user},
            "conversation": {
                "isGroup": True,
                "id": f"{channel};messageid={number}",
                "name": None,
                "conversationType": "channel",
                "tenantId": tenant,
            },
            "recipient": None,
            "textFormat": "plain",
            "attachmentLayout": None,
            "membersAdded": [],
            "membersRemoved": [],
            "topicName": None,
            "locale": "en-GB",
            "text": f"<at>{_WEBHOOK}</at>\u00a0{typed}\n",
            "summary": None,
            "attachments": [{"contentType": "text/html", "content": shown}],
            "entities": [{"type": "clientInfo", "locale": "en-GB", "country": "GB", "platform": "Web"}],
            "channelData": {
                "teamsChannelId": channel,
                "teamsTeamId": channel,
                "channel": {"id": channel},
                "team": {"id": channel, "name": "Biology"},
                "tenant": {"id": tenant},
            },
            "replyToId": None,
            "value": None,
            "code": str(uuid4()),
        }


def _trigger() -> str:
    return f"{secrets.randbelow(10**12)}.{secrets.randbelow(10**12)}.{secrets.token_hex(16)}"


def _labels(message: Message) -> str:
    return ", ".join(
        f"{button.get('action_id')} ({button['text']['text']})" for _, button in block_kit.buttons(message.blocks)
    )


def _read_slack(back: Back) -> tuple[str, dict[str, Any]]:
    """What Slack tells the user (`ok` = nothing special), and the message to show."""
    if back.trouble:
        return back.trouble, {}
    if back.status != 200:
        return f"dispatch_failed: {back.status}", {}
    if not back.body:
        return "ok", {}
    if back.content_type != "application/json":
        return "ok", {"text": back.body.decode(errors="replace")}
    try:
        found = json.loads(back.body)
    except ValueError:
        return "invalid_command_response: not JSON", {}
    return ("ok", found) if isinstance(found, dict) else ("invalid_command_response: not an object", {})


def _read_teams(back: Back) -> tuple[dict[str, Any] | None, list[str]]:
    try:
        found = json.loads(back.body)
    except ValueError:
        return None, ["not JSON"]
    return (found if isinstance(found, dict) else None), cards.wrong(found)


def _told(back: Back, outcome: str, message: Message | None, response_url: str) -> dict[str, Any]:
    return {
        "outcome": outcome,
        "status": back.status,
        "ms": back.ms,
        "n": back.n,
        "message": message.describe() if message else None,
        "responseUrl": response_url,
    }
