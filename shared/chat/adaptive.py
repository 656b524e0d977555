"""A card as an Adaptive Card 1.4. Pure."""

from collections.abc import Callable
from typing import Any

from shared.chat.card import Button, Card


def adaptive_card(card: Card, link: Callable[[Button], str | None]) -> dict[str, Any]:
    """The card's JSON, less than 28 KB with its envelope. `link`: the address of a button's action page; None = the
    button is left out. Every text is a plain `TextBlock` or fact: no markdown in it takes effect."""
    raise NotImplementedError


def message(card: Card, link: Callable[[Button], str | None]) -> dict[str, Any]:
    """The envelope that a Workflows webhook and the answer to an outgoing webhook take."""
    raise NotImplementedError
