"""What went wrong and what to do next, in the words of a chat. Pure."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from shared.api.problems import Mistake
from shared.chat import cards
from shared.chat.card import Card, Tone
from shared.errors import ConcurrentUpdate, FatalError, HubletError, RetryableError, RowTooNew
from shared.hubs import words

_FIXES: Mapping[str, str] = MappingProxyType(
    {
        "HubNotFound": "Send list to see your hubs.",
        "HubAlreadyExists": "Choose another name, or leave the name out to get a free one.",
        "HubNameNeeded": "Write a name after create.",
        "HubHasFailed": "Send retry with its name to try again from an empty start, or delete with its name.",
        "HubHasNotFailed": "Send start or restart with its name.",
        "HubHasExpired": "Move its end date with the API: a PATCH of expiresAt.",
        "HubIsBeingDeleted": "Wait until it is gone: then its name is free.",
        "HubIsStopped": "Send start with its name, or wait until it is ready.",
        "NotReadyYet": "Try again when it is ready.",
    }
)
"""What to do next, where the API's own words name routes and fields."""

_API_WORDS = re.compile(r"`|/api/|\b(?:PATCH|POST|GET|PUT)\b")
_END_DATE = "Move its end date with the API: a PATCH of expiresAt."


def error_card(error: HubletError) -> Card:
    """What went wrong and what to do next. Of a bug not more than that it is one: a channel reads it."""
    if isinstance(error, RowTooNew):
        title, line = "A newer version of this service wrote this", "Nothing of it is lost. Try again in some minutes."
        return Card(title=title, tone=Tone.WARNING, lines=(line,))
    if isinstance(error, FatalError):
        line = "Whoever runs this service finds more in its log."
        return Card(title="That failed because of a bug", tone=Tone.BAD, lines=(line,))
    if isinstance(error, ConcurrentUpdate):
        title = "Somebody else changed the same thing at this moment"
        return Card(title=title, tone=Tone.WARNING, lines=("Look how it is now, and send it again if need be.",))
    lines = [fix] if (fix := fix_of(error)) else []
    if isinstance(error, RetryableError) and error.retry_after_s is not None and not fix:
        lines.append(f"Try again in {words.duration(max(60.0, error.retry_after_s))}.")
    return Card(title=cards.line(error.message, 300) or "That did not work.", tone=Tone.WARNING, lines=tuple(lines))


def fix_of(error: HubletError) -> str:
    """What to do next, in a chat user's words; empty when there is nothing to say."""
    if error.code == "HubIsStopped" and error.fix and not _API_WORDS.search(error.fix):
        return cards.line(error.fix)  # says more than the code: whether to wait or to start
    if error.code in _FIXES:
        return _FIXES[error.code]
    if error.code == "NothingToExtend" and "expiresAt" in error.fix:
        return _END_DATE
    return "" if _API_WORDS.search(error.fix) else cards.line(error.fix)


_OPTION_OF: Mapping[str, str] = MappingProxyType(
    {
        "name": "name",
        "size": "size",
        "region": "region",
        "people": "people",
        "idleMinutes": "idle",
        "expiresAt": "until",
        "schedule/timeZone": "zone",
        "schedule/stop": "stop",
        "schedule/start": "start",
        "schedule/days": "days",
    }
)
"""Of a place in the API's document."""


def mistake_words(mistake: Mistake) -> str:
    """One of the API's mistakes as somebody understands it who typed options."""
    place = mistake.pointer.strip("/")
    name = next((option for field, option in _OPTION_OF.items() if place == field or place.startswith(f"{field}/")), "")
    if not name:
        name = "start, stop, days" if place == "schedule" else place.replace("/", " ")
    return cards.line(f"{name}: {mistake.detail}")
