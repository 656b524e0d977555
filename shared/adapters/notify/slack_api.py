"""Slack's Web API and response URLs, as far as messages need them.

Methods are POSTed as JSON with the bot token in a header; Slack answers 200 with `ok: false` and a code for most of
what goes wrong. https://docs.slack.dev/apis/web-api https://docs.slack.dev/reference/methods/chat.postMessage
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from shared.chat import response_urls
from shared.errors import FatalError, RetryableError
from shared.hubs.ports import Answered, Outbound
from shared.settings import Settings

LIMIT_S = 8.0
"""For one request. A delivery may need two, and has a limit of its own."""

NOT_NOW = frozenset(
    {
        "accesslimited",
        "ekm_access_denied",
        "external_channel_migrating",
        "fatal_error",
        "internal_error",
        "message_limit_exceeded",
        "org_login_required",
        "rate_limited",
        "ratelimited",
        "request_timeout",
        "rollup_error",
        "service_unavailable",
        "team_added_to_org",
    }
)
"""Slack's own trouble, too much of ours, or a move or suspension that ends: the same request does well later."""

TOKEN_TROUBLE = frozenset(
    {
        "account_inactive",
        "invalid_auth",
        "missing_scope",
        "no_permission",
        "not_allowed_token_type",
        "not_authed",
        "team_access_not_granted",
        "token_expired",
        "token_revoked",
    }
)
"""Whoever runs the app can mend these while a notice is still being tried."""

EXPIRED = "expired_url"
"""A response URL that takes no more: 30 minutes are over, or five messages were sent. Slack says it in several ways."""


class SlackTokenRefused(RetryableError):
    """The bot token is not what Slack wants. Every message waits for it, so whoever runs the app must hear of it."""

    def __init__(self, error: str) -> None:
        super().__init__(
            "SlackTokenRefused",
            f"Slack does not take the bot token: {error}.",
            fix="Put the bot token of an installed Slack app with scope chat:write into HUBLET_SLACK_BOT_TOKEN.",
        )
        self.error = error


class SlackRefused(FatalError):
    """Slack will never take this message as it is. `error` is Slack's code (`channel_not_found`, ...)."""

    def __init__(self, error: str) -> None:
        super().__init__("SlackRefused", f"Slack refused the message: {error}.")
        self.error = error


class SlackApi:
    """Sends to Slack. Errors name Slack's code and nothing of token, address or message."""

    def __init__(self, outbound: Outbound, settings: Settings) -> None:
        self._outbound = outbound
        self._base = settings.slack_api
        self._token = settings.slack_bot_token

    async def call(self, method: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """The answer of a method. Raises RetryableError (`SlackThrottled`, `SlackUnavailable`, `SlackTokenRefused`, and
        what `Outbound` raises), SlackRefused. Slack knows no idempotency key: twice is two messages."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json; charset=utf-8"}
        answered = await self._outbound.post(f"{self._base}/{method}", _body(arguments), headers, limit_s=LIMIT_S)
        document = _document(answered.body)
        if document is not None and document.get("ok") is True and answered.status == 200:
            return document
        error = _code(document.get("error")) if document is not None else ""
        raise _trouble(answered, error, refused=error or _status(answered))

    async def respond(self, response_url: str, message: Mapping[str, Any], *, limit_s: float = LIMIT_S) -> None:
        """Says it in the conversation of one command. Raises as `call` does; SlackRefused `expired_url` when the
        address takes no more."""
        if not response_urls.is_slacks(response_url, self._base):
            raise SlackRefused("foreign_response_url")
        headers = {"Content-Type": "application/json; charset=utf-8"}
        answered = await self._outbound.post(response_url, _body(message), headers, limit_s=limit_s)
        document = _document(answered.body)
        said = document.get("error") if document is not None else answered.body[:64].decode("utf-8", "replace").strip()
        if answered.status == 200 and (said == "ok" or (document is not None and document.get("ok") is True)):
            return
        error = _code(said)
        if answered.status in (404, 410) or error in ("expired_url", "used_url"):
            raise SlackRefused(EXPIRED)
        raise _trouble(answered, error, refused=error or _status(answered))


def _trouble(answered: Answered, error: str, *, refused: str) -> Exception:
    if answered.status == 429 or error in ("ratelimited", "rate_limited"):
        return RetryableError(
            "SlackThrottled", "Slack asks for fewer messages.", retry_after_s=answered.retry_after_s or 30.0
        )
    if error in TOKEN_TROUBLE:
        return SlackTokenRefused(error)
    if error in NOT_NOW or answered.status in (408, 425) or answered.status >= 500:
        return RetryableError(
            "SlackUnavailable", f"Slack does not answer properly: {refused}.", retry_after_s=answered.retry_after_s
        )
    if not error and answered.status < 400:  # something in between that is not Slack, or half an answer
        return RetryableError("SlackUnavailable", f"Slack's answer cannot be read: {refused}.")
    return SlackRefused(refused)


def _body(arguments: Mapping[str, Any]) -> bytes:
    return json.dumps(arguments, separators=(",", ":")).encode("ascii")


def _document(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _code(value: object) -> str:
    """Slack's codes are words; whatever else stands there is not repeated to anybody."""
    return value if isinstance(value, str) and re.fullmatch(r"[a-z0-9_]{1,64}", value) else ""


def _status(answered: Answered) -> str:
    return f"http_{answered.status}"
