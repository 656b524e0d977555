"""Cards about hubs: what a state, a warning, a list, an error looks like in words. Pure."""

from collections.abc import Sequence
from datetime import datetime

from shared.chat.card import Card
from shared.errors import HubletError
from shared.hubs.agenda import Rules
from shared.hubs.model import Hub, Notice


def hub_card(hub: Hub, rules: Rules, now: datetime) -> Card:
    """The one message that follows a hub: state, stages while it is made, URL when ready, next stop, buttons."""
    raise NotImplementedError


def notice_card(notice: Notice, hub: Hub | None, rules: Rules, now: datetime) -> Card | None:
    """A message of its own for what somebody must notice (warnings with Snooze, Keep tonight, Stop now; failed;
    stopped; ...). None = the message that follows the hub tells it (`progress`), or it is out of date."""
    raise NotImplementedError


def list_card(hubs: Sequence[Hub], rules: Rules, now: datetime) -> Card:
    raise NotImplementedError


def cost_card(hubs: Sequence[Hub], now: datetime) -> Card:
    raise NotImplementedError


def help_card(said: str = "") -> Card:
    """Every command with an example. `said`: what was not understood."""
    raise NotImplementedError


def link_card(code: str, minutes: int, api: str) -> Card:
    """How to link this chat account to an owner: the one-time code, and the line to send."""
    raise NotImplementedError


def error_card(error: HubletError) -> Card:
    """What went wrong and what to do next."""
    raise NotImplementedError
