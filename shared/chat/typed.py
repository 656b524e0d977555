"""Text as keyboards and chat platforms send it: cleaned, cut into words, and as much of it as may be repeated. Pure."""

import html
import re
import unicodedata

from shared.log import redact

MAX_TEXT = 4000
"""Characters of one command that are read: Slack takes 4000 in a message."""

MAX_WORDS = 60


def shown(text: str, limit: int = 40) -> str:
    """Of a text, as much as a card repeats: printable, in one line, cut, without what looks like a secret."""
    text = redact(text[:MAX_TEXT])
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


_AT = re.compile(r"<at\b[^>]{0,200}>[^<]{0,200}</at>", re.I)
_TAG = re.compile(r"</?(?:p|div|span|br|b|i|u|em|strong|code|pre)(?:\s[^<>]{0,200})?/?>", re.I)
_SLACK = re.compile(r"<([^<>\n|]{1,1000})(?:\|([^<>\n]{0,1000}))?>")
_QUOTES = dict.fromkeys(map(ord, '"`´‘’‚‛“”„‟«»‹›′″'), "'")
EDGES = "'*_~"
"""Around a word, for looks."""

_RAISED = dict.fromkeys(map(ord, "⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉"), "^")
"""Digits that NFKC would put beside the number they belong to: `1²` is no 12."""

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣－"), "-")


def plain(text: str) -> str:
    """Without what chat platforms and keyboards add: Slack's links (`<http://x|x>`) and Teams' mentions, entities,
    curly quotes, long dashes, invisible characters, odd spaces. Slack's forms:
    https://docs.slack.dev/messaging/formatting-message-text"""
    text = _AT.sub(" ", text[:MAX_TEXT])
    text = _SLACK.sub(_link, _TAG.sub(" ", text))
    text = unicodedata.normalize("NFKC", html.unescape(text).translate(_RAISED))
    kept = []
    for character in text[:MAX_TEXT]:
        kind = unicodedata.category(character)
        if kind in ("Zs", "Zl", "Zp", "Cc"):
            kept.append(" ")
        elif kind not in ("Cf", "Cs", "Co", "Cn", "Mn"):
            kept.append(character)
    return "".join(kept).translate(_QUOTES | _DASHES)


def _link(found: re.Match[str]) -> str:
    """Of a link the words it shows; of a mention who is meant."""
    target, label = found[1], found[2] or ""
    if target[0] in "@#!":
        return f"{'#' if target[0] == '#' else '@'}{label.lstrip('@#') or target[1:]}"
    return label or target.removeprefix("mailto:")


def words_of(text: str) -> list[str]:
    """Of a text that is `plain`: without marks around a word; `key = value` is one."""
    spaced = re.sub(r" ?= ?", "=", " ".join(text.split()))  # single spaces: a run of them would be read again and again
    found = (_bare(word) for word in spaced.split()[: MAX_WORDS * 2])
    return [word for word in found if word][:MAX_WORDS]


def _bare(word: str) -> str:
    """Without what stands around it for looks. A comma before a digit and a `!` before a word mean something."""
    end = word.rstrip(EDGES + ",;!|()[]{}").rstrip(".?!").rstrip(EDGES)
    start = end.lstrip(EDGES + ",;|()[]{}")
    return f",{start}" if start[:1].isdigit() and end[: -len(start)].endswith(",") else start
