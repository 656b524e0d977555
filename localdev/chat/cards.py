"""What Teams cannot show: limits of webhook messages and Adaptive Cards. Pure.

https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/add-outgoing-webhook (only openUrl
actions), .../how-to/connectors-using (28 KB), https://adaptivecards.io/explorer/.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

CARD = "application/vnd.microsoft.card.adaptive"
MAX_BYTES = 28 * 1024
_VERSIONS = {"1.0", "1.1", "1.2", "1.3", "1.4", "1.5"}


def cards(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The Adaptive Cards of a message."""
    attachments = message.get("attachments")
    if not isinstance(attachments, list):
        return []
    found = [each for each in attachments if isinstance(each, Mapping) and each.get("contentType") == CARD]
    return [each["content"] for each in found if isinstance(each.get("content"), dict)]


def wrong(message: object) -> list[str]:
    """Why Teams would not show this message; empty when it would."""
    if not isinstance(message, Mapping):
        return ["not a JSON object"]
    problems = [] if message.get("type") == "message" else ["type is not 'message'"]
    size = len(json.dumps(message, ensure_ascii=False).encode())
    if size > MAX_BYTES:
        problems.append(f"{size} bytes, more than {MAX_BYTES}")
    found = cards(message)
    if not found and not isinstance(message.get("text"), str):
        problems.append("neither text nor an Adaptive Card")
    for card in found:
        if card.get("type") != "AdaptiveCard" or card.get("version") not in _VERSIONS:
            problems.append("no AdaptiveCard of a version that Teams knows (1.0 to 1.5)")
        if not isinstance(card.get("body"), list) or not card["body"]:
            problems.append("a card without a body")
        for action in actions(card):
            kind, url = action.get("type"), str(action.get("url", ""))
            if kind not in ("Action.OpenUrl", "Action.ShowCard", "Action.ToggleVisibility"):
                problems.append(f"{kind} cannot be used by a webhook")
            elif kind == "Action.OpenUrl" and not url.startswith(("https://", "http://")):
                problems.append("Action.OpenUrl without an address")
    return problems


def actions(node: object) -> Iterator[Mapping[str, Any]]:
    """Every action in a card, wherever it is."""
    if isinstance(node, list):
        for each in node:
            yield from actions(each)
    elif isinstance(node, Mapping):
        if str(node.get("type", "")).startswith("Action."):
            yield node
        for value in node.values():
            yield from actions(value)
