"""The pretended Teams: Workflows webhooks that keep what they are sent, and the conversation with an outgoing webhook.

https://learn.microsoft.com/connectors/teams/#when-a-teams-webhook-request-is-received
"""

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from localdev.chat import cards
from shared.clock import Clock

LOCAL = "local"
CONVERSATION = "conversation"
"""Name under which mentions of the outgoing webhook and its answers are kept."""


@dataclass
class Told:
    """One entry of a Teams conversation. `refused`: why Teams would not have shown it."""

    at: str
    by: str
    message: dict[str, Any]
    refused: list[str] = field(default_factory=list)

    def describe(self) -> dict[str, Any]:
        return {"at": self.at, "by": self.by, "message": self.message, "refused": self.refused}


class Teams:
    """Its webhooks, by name; each with a secret in its address."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.secrets: dict[str, str] = {LOCAL: secrets.token_urlsafe(24)}
        self.told: dict[str, list[Told]] = {LOCAL: [], CONVERSATION: []}

    def path(self, name: str) -> str:
        """Of the webhook, with its secret."""
        return f"/workflows/{name}?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig={self.secrets[name]}"

    def add(self, name: str) -> str:
        """Another webhook: its path."""
        self.secrets.setdefault(name, secrets.token_urlsafe(24))
        self.told.setdefault(name, [])
        return self.path(name)

    def keep(self, name: str, by: str, message: dict[str, Any], refused: list[str] | None = None) -> Told:
        told = Told(f"{self._clock.now():%Y-%m-%dT%H:%M:%S.%fZ}", by, message, refused or [])
        self.told[name].append(told)
        return told

    async def workflow(self, request: web.Request) -> web.Response:
        """202; 401 without the right `sig`, 404 for an unknown one, 400 for what is no JSON object."""
        name = request.match_info["name"]
        if name not in self.secrets:
            return _error(404, "WorkflowNotFound", "The workflow could not be found.")
        if not secrets.compare_digest(request.query.get("sig", "").encode(), self.secrets[name].encode()):
            return _error(401, "DirectApiAuthorizationRequired", "The request must be authenticated by its signature.")
        try:
            message = json.loads(await request.read())
        except ValueError:
            message = None
        if not isinstance(message, dict):
            return _error(
                400, "InvalidRequestContent", "The request content is not valid and could not be deserialized."
            )
        self.keep(name, "webhook", message, cards.wrong(message))
        return web.Response(status=202)


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)
