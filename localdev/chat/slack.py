"""The pretended Slack on the wire: Web API and `response_url`s.

https://docs.slack.dev/apis/web-api (bodies, bearer token, `ok`, warnings), .../rate-limits (429 with `Retry-After`).
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from localdev.chat.workspace import BOT, TEAM, Message, Refused, Workspace

_UNKNOWN_BODY = "invalid_post_type"


class SlackHttp:
    """Answers Slack's side. `token`: the bot's."""

    def __init__(self, workspace: Workspace, token: str) -> None:
        self._workspace = workspace
        self._token = token

    async def api(self, request: web.Request) -> web.Response:
        """`/api/<method>`: 200 with `ok` true or false; 429."""
        method = request.match_info["method"]
        try:
            wanted, warnings = await _arguments(request)
            given = request.headers.get("Authorization", "").removeprefix("Bearer ") or wanted.get("token", "")
            if not given:
                raise Refused("not_authed")
            if given != self._token:
                raise Refused("invalid_auth")
            answer = self._do(method, wanted)
        except Refused as refused:
            return _refusal(refused)
        if warnings:
            answer |= {"warning": ",".join(warnings), "response_metadata": {"warnings": warnings}}
        return web.json_response({"ok": True, **answer})

    def _do(self, method: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
        match method:
            case "chat.postMessage":
                return _posted(self._workspace.post(wanted))
            case "chat.update":
                message = self._workspace.update(wanted)
                return {**_posted(message), "text": message.text}
            case "chat.postEphemeral":
                return {"message_ts": self._workspace.post_ephemeral(wanted).ts}
            case "conversations.open":
                channel, before = self._workspace.open(wanted)
                return {"channel": {"id": channel.id}} | ({"no_op": True, "already_open": True} if before else {})
            case _:
                raise Refused("unknown_method")

    async def hook(self, request: web.Request) -> web.Response:
        """A `response_url`: 200 `ok`; 404 when it has expired or is used up; 400 for what cannot be shown."""
        try:
            wanted = json.loads(await request.read())
        except ValueError:
            return web.Response(status=400, text="invalid_payload")
        if not isinstance(wanted, dict):
            return web.Response(status=400, text="invalid_payload")
        try:
            self._workspace.respond(request.match_info["id"], wanted)
        except Refused as refused:
            status = 404 if refused.error in ("expired_url", "used_url", "no_such_hook", "message_not_found") else 400
            return web.json_response({"ok": False, "error": refused.error}, status=status)
        return web.Response(text="ok")


def _posted(message: Message) -> dict[str, Any]:
    return {
        "channel": message.channel,
        "ts": message.ts,
        "message": {**message.for_slack(), "bot_id": BOT, "team": TEAM},
    }


def _refusal(refused: Refused) -> web.Response:
    body: dict[str, Any] = {"ok": False, "error": refused.error}
    if refused.messages:
        body["response_metadata"] = {"messages": refused.messages}
    if refused.retry_after is not None:
        return web.json_response(body, status=429, headers={"Retry-After": str(refused.retry_after)})
    return web.json_response(body)


async def _arguments(request: web.Request) -> tuple[dict[str, Any], list[str]]:
    """From query, form or JSON; with the warnings they earn. Raises Refused."""
    found: dict[str, Any] = dict(request.query)
    body = await request.read()
    if not body:
        return found, []
    match request.content_type:
        case "application/json":
            try:
                sent = json.loads(body)
            except ValueError:
                raise Refused("invalid_json") from None
            if not isinstance(sent, dict):
                raise Refused("json_not_object")
            return found | sent, [] if request.charset else ["missing_charset"]
        case "application/x-www-form-urlencoded":
            return found | dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True)), []
        case _:
            raise Refused(_UNKNOWN_BODY)
