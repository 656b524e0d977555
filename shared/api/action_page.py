"""The pages behind the buttons of a chat message, where a platform can only open links. Pure.

Whoever follows a link sees what it will do, and does it by a button: looking changes nothing, so that previews and
scanners of links may look. No script, nothing loaded from anywhere; the style is allowed by its hash alone. Every text
that is not ours goes through `html.escape`.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from types import MappingProxyType
from zoneinfo import ZoneInfo

from shared.chat.card import Card, Verb

MEDIA_TYPE = "text/html; charset=utf-8"

_STYLE = """
:root{color-scheme:light dark}
body{margin:0;font:1.0625rem/1.5 system-ui,sans-serif;color:#1b1b1b;background:#fff}
main{max-width:34rem;margin:0 auto;padding:1.5rem 1rem 3rem;overflow-wrap:anywhere}
h1{font-size:1.375rem;line-height:1.25;margin:0 0 1rem}
dl{margin:1rem 0}dt{font-weight:600}dd{margin:0 0 .75rem}
code,pre{font:1rem/1.5 ui-monospace,monospace;user-select:all;white-space:pre-wrap}
button{font:inherit;font-weight:600;min-height:3rem;padding:.5rem 1.5rem;border:2px solid #0b5394;border-radius:.375rem;
background:#0b5394;color:#fff;cursor:pointer}
button.danger{background:#a61b1b;border-color:#a61b1b}
button:focus-visible{outline:3px solid #f4b400;outline-offset:2px}
footer{margin-top:2rem;font-size:.9375rem;color:#555}
@media (prefers-color-scheme:dark){body{background:#161616;color:#eee}footer{color:#bbb}}
"""

_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode("ascii")

HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "Content-Security-Policy": (
            f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; frame-ancestors 'none'; "
            "base-uri 'none'"
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex, nofollow",
    }
)
"""Beside the security headers every answer has (shared/api/http.py)."""

_QUESTIONS: Mapping[Verb, tuple[str, str, str]] = MappingProxyType(
    {
        Verb.SNOOZE: ("Stop later", "The next stop of the hub {hub} is put off by an hour.", "Put it off"),
        Verb.KEEP: (
            "Keep it running",
            "The hub {hub} runs on tonight: its stop is called off, or put off.",
            "Keep it running",
        ),
        Verb.STOP: (
            "Stop the hub",
            "The hub {hub} is stopped now: whoever works on it is cut off. Files stay.",
            "Stop now",
        ),
        Verb.START: ("Start the hub", "The hub {hub} is started. While it runs it costs money.", "Start"),
        Verb.DELETE: (
            "Delete the hub",
            "The hub {hub} is deleted with its machine and all files on it. Nobody can undo this.",
            "Delete for good",
        ),
        Verb.LOGIN: (
            "Show the login",
            "The admin's name and password of the hub {hub} are shown on the next page, once.",
            "Show the login",
        ),
    }
)
"""By verb: heading, what the press does, the button."""

_DANGEROUS = (Verb.STOP, Verb.DELETE)

NOT_VALID = "This link is not valid"
USED = "This link was used"


def ask(verb: Verb, hub_name: str, until: datetime, zone: ZoneInfo, *, trouble: str = "") -> bytes:
    """What a press will do, and the button for it. `trouble`: why the press before this page was not done."""
    heading, does, button = _QUESTIONS[verb]
    sentence = escape(does).replace("{hub}", f"<strong>{escape(hub_name)}</strong>")
    said = [f'<p role="alert">{escape(trouble)}</p>'] if trouble else []
    kind = ' class="danger"' if verb in _DANGEROUS else ""
    parts = [
        *said,
        f"<p>{sentence}</p>",
        # without `action`: to this page's own address
        f'<form method="post"><button type="submit"{kind}>{escape(button)}</button></form>',
        "<footer><p>Nothing happens until you press the button. "
        f"The link works once, until {escape(_moment(until, zone))}.</p></footer>",
    ]
    return _page(heading, parts)


def result(card: Card) -> bytes:
    """What happened, or why it did not."""
    parts = [f"<p>{escape(line)}</p>" for text in card.lines for line in text.splitlines() if line.strip()]
    if card.facts:
        parts.append(_facts([(fact.label, escape(fact.value)) for fact in card.facts]))
    parts += [f"<pre>{escape(line)}</pre>" for line in card.code]
    return _page(card.title, [*parts, "<footer><p>You can close this page.</p></footer>"])


def login(hub_name: str, user: str, password: str, hub_url: str | None) -> bytes:
    """The one page that shows a secret."""
    facts = [("User", f"<code>{escape(user)}</code>"), ("Password", f"<code>{escape(password)}</code>")]
    if hub_url:
        facts.insert(0, ("Address", f"<code>{escape(hub_url)}</code>"))
    parts = [
        _facts(facts),
        "<p><strong>Save the password now.</strong> This page shows it once, and after 10 minutes the service erases "
        "its own copy.</p>",
    ]
    return _page(f"Login of {hub_name}", parts)


def told(heading: str, *sentences: str) -> bytes:
    """A page that only says something."""
    return _page(heading, [f"<p>{escape(sentence)}</p>" for sentence in sentences if sentence])


def not_valid() -> bytes:
    """The same for a link that is forged, cut short, expired, or about a hub that is not there."""
    return told(NOT_VALID, "It is wrong, or too old, or its hub is gone.", "Ask for a new one in the chat.")


def used() -> bytes:
    return told(USED, "It works once. What it was for has been done, or was refused.", "Ask for a new one in the chat.")


def _facts(facts: Sequence[tuple[str, str]]) -> str:
    """Labels as they are, values as HTML."""
    return f"<dl>{''.join(f'<dt>{escape(label)}</dt><dd>{value}</dd>' for label, value in facts)}</dl>"


def _moment(moment: datetime, zone: ZoneInfo) -> str:
    local = moment.astimezone(zone)
    return f"{local:%A} {local.day} {local:%B %Y}, {local:%H:%M} ({zone.key})"


def _page(heading: str, parts: Sequence[str]) -> bytes:
    title = escape(heading)
    document = (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex, nofollow">\n'
        f"<title>{title} - Hublet</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n<h1>{title}</h1>\n"
    )
    return (document + "\n".join(parts) + "\n</main>\n</body>\n</html>\n").encode("utf-8", errors="replace")
