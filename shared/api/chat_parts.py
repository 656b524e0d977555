"""What a chat request is answered with: commands, buttons, cards, how a platform shows them. Tests put in others."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from shared.api.prices import PriceMemo
    from shared.app import App
    from shared.chat.action_links import ActionLink
    from shared.chat.actions import Outcome, Pressed
    from shared.chat.card import Button, Card
    from shared.chat.commands import Asked
    from shared.errors import HubletError
    from shared.hubs.ports import ChatUser
    from shared.settings import Settings

LIMIT_S = 2.5
"""From when a request was verified until its answer is made. Slack waits 3 s
(https://docs.slack.dev/interactivity/implementing-slash-commands), Teams 5
(https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-outgoing-webhook)."""

TELL_LIMIT_S = 1.5
"""For each of the two ways to tell Slack what came of a button."""


class SlackCalls(Protocol):
    """Slack's Web API and response URLs."""

    async def call(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        """Raises RetryableError or FatalError."""
        ...

    async def respond(self, response_url: str, message: dict[str, Any], *, limit_s: float) -> None:
        """Raises RetryableError or FatalError, also when the address takes no more."""
        ...


class HowToLink(Protocol):
    """`commands.how_to_link`."""

    async def __call__(self, app: "App", user: "ChatUser", *, alone: bool, owner: str = "") -> "Card": ...


@dataclass(frozen=True, kw_only=True)
class Parts:
    run: "Callable[[App, PriceMemo, Asked], Awaitable[Card]]"
    press: "Callable[[App, Pressed], Awaitable[Outcome]]"
    how_to_link: "HowToLink"
    error_card: "Callable[[HubletError], Card]"
    slack_message: "Callable[[Card], dict[str, Any]]"
    teams_message: "Callable[[Card, Callable[[Button], str | None]], dict[str, Any]]"
    sign: "Callable[[Settings, ActionLink], str]"
    slack: "Callable[[App], SlackCalls]"
    limit_s: float = LIMIT_S
    tell_limit_s: float = TELL_LIMIT_S


def real() -> Parts:
    """The ones of this service."""
    from shared.chat import action_links, actions, adaptive, blocks, commands, trouble

    return Parts(
        run=commands.run,
        press=actions.press,
        how_to_link=commands.how_to_link,
        error_card=trouble.told,
        slack_message=blocks.message,
        teams_message=adaptive.message,
        sign=lambda settings, link: action_links.sign(settings.seal_keys, link),
        slack=_slack,
    )


def _slack(app: "App") -> SlackCalls:
    from shared.adapters.notify.slack_api import SlackApi

    return SlackApi(app.outbound, app.settings)
