"""A card as Slack's Block Kit. Pure."""

from typing import Any

from shared.chat.card import Card


def message(card: Card) -> dict[str, Any]:
    """`{"text", "blocks"}` within Slack's limits: 50 blocks, 3000 characters a text, 2000 a button value; every text
    escaped, so that no name can mention, link or format. A button's `action_id` is its verb, its `value` JSON
    `{"hub", "deadline"}`."""
    raise NotImplementedError
