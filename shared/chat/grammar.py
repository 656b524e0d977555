"""Commands as people type them: what they mean, and every mistake at once in words they can use. Pure.

Nothing here decides whether something may be done. What is right by this grammar goes on to the API's own checks.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType

from shared.hubs.schedule import DAYS
from shared.log import redact

MAX_TEXT = 4000
"""Characters of one command that are read: Slack takes 4000 in a message."""

MAX_WORDS = 60
MAX_SAID = 8
"""Mistakes that are told; nobody reads more of them in a chat."""

LEAST_HOURS, MOST_HOURS = 0.25, 168.0
"""As `POST .../extend` takes them."""

CODE = re.compile(r"[A-Z0-9]{4}", re.ASCII)


class Order(StrEnum):
    CREATE = "create"
    LIST = "list"
    STATUS = "status"
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    EXTEND = "extend"
    RETRY = "retry"
    DELETE = "delete"
    COST = "cost"
    LINK = "link"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class Usage:
    """`form`: how it is written; `example`: a line to send; `does`: in one sentence."""

    form: str
    example: str
    does: str


USAGES: Mapping[Order, Usage] = MappingProxyType(
    {
        Order.CREATE: Usage(
            "create [name] [size=...] [people=...] [region=...] [start=...] [stop=...] [days=...] [zone=...] "
            "[idle=...] [until=...]",
            "create physics people=12 stop=19:00 days=mon-fri",
            "Makes a hub. Everything may be left out.",
        ),
        Order.LIST: Usage("list", "list", "Shows your hubs."),
        Order.STATUS: Usage("status NAME", "status physics", "Shows how a hub is, and its address."),
        Order.START: Usage("start NAME", "start physics", "Starts a stopped hub."),
        Order.STOP: Usage("stop NAME", "stop physics", "Stops a hub; people's files are kept."),
        Order.RESTART: Usage("restart NAME", "restart physics", "Restarts a hub's machine."),
        Order.EXTEND: Usage(
            "extend NAME [time]", "extend physics 2h", "Moves the next stop: 2h, 90m, 1h30m; an hour if you name none."
        ),
        Order.RETRY: Usage("retry NAME", "retry physics", "Tries a hub that failed again, from an empty start."),
        Order.DELETE: Usage("delete NAME", "delete physics", "Deletes a hub with all files on it; asks you first."),
        Order.COST: Usage("cost [NAME]", "cost physics", "Shows what your hubs cost, or one of them."),
        Order.LINK: Usage("link", "link", "Links this chat account to your hubs, or says to whom it is linked."),
        Order.HELP: Usage("help [command]", "help create", "Shows this, or more about one command."),
    }
)

OPTIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "size": ("size=Standard_D2s_v3", "the machine's size, if you know it"),
        "people": ("people=12", "how many people will use it: the size is chosen for them"),
        "region": ("region=eastus", "where it stands"),
        "start": ("start=08:30", "when it starts by itself"),
        "stop": ("stop=19:00", "when it stops by itself"),
        "days": ("days=mon-fri", "on which days; every day if you name none"),
        "zone": ("zone=Europe/Berlin", "the time zone of these hours"),
        "idle": ("idle=60", "stop after so many minutes in which nobody works"),
        "until": ("until=2027-02-01", "its last day: it is deleted some days later"),
    }
)
"""Of `create`: an example and what it is. `name=` is taken too."""

_ALIASES: Mapping[str, Order] = MappingProxyType(
    {
        "new": Order.CREATE,
        "make": Order.CREATE,
        "ls": Order.LIST,
        "hubs": Order.LIST,
        "show": Order.STATUS,
        "info": Order.STATUS,
        "stat": Order.STATUS,  # which is nearer to `start` by its letters
        "reboot": Order.RESTART,
        "snooze": Order.EXTEND,
        "remove": Order.DELETE,
        "destroy": Order.DELETE,
        "costs": Order.COST,
        "price": Order.COST,
        "hi": Order.HELP,
        "hello": Order.HELP,
    }
)

_OPTION_ALIASES: Mapping[str, str] = MappingProxyType(
    {"timezone": "zone", "time-zone": "zone", "tz": "zone", "users": "people", "day": "days", "location": "region"}
)

_POLITE = frozenset({"please", "pls", "plz"})

_NAMED = frozenset(Order) - {Order.CREATE, Order.LIST, Order.COST, Order.LINK, Order.HELP}
"""Commands that need a hub's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What was typed. `wrong`: one sentence for each mistake; with any of them nothing is done. `about`: the command
    that help is wanted for. `hours`: of `extend`. `code`: of `delete NAME confirm CODE`. `options`: of `create`, each
    as its own type (`people`, `idle`: numbers; `days`: a tuple)."""

    order: Order
    name: str | None = None
    hours: float = 1.0
    code: str | None = None
    about: Order | None = None
    options: Mapping[str, "str | int | tuple[str, ...]"] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Misread:
    """No command. `said`: what was not understood; `try_this`: the line that may have been meant."""

    said: str
    try_this: str = ""


# ------------------------------------------------------------------ reading


def parse(text: str) -> Command | Misread:
    """Never raises, whatever the text. Nothing typed = help."""
    words = _words(plain(text))
    while words and words[0].lower().lstrip("/@").rstrip(":-") in ("hub", "hublet", "", *_POLITE):
        words = words[1:]
    while len(words) > 2 and words[-1].lower() in _POLITE:
        words = words[:-1]
    if not words:
        return Command(order=Order.HELP)
    first, rest = words[0], words[1:]
    order = _order(first)
    if order is None:
        return _misread(first, rest)
    match order:
        case Order.CREATE:
            return _create(rest)
        case Order.HELP:
            return _help(rest)
        case Order.LIST | Order.LINK:
            return Command(order=order, wrong=_left_over(order, rest))
        case Order.EXTEND:
            return _extend(rest)
        case Order.DELETE:
            return _delete(rest)
        case _:
            return _one_name(order, rest)


def shown(text: str, limit: int = 40) -> str:
    """Of a text, as much as a card repeats: printable, in one line, cut, without what looks like a secret."""
    text = redact(text[:MAX_TEXT])
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


_AT = re.compile(r"<at\b[^>]{0,200}>[^<]{0,200}</at>", re.I)
_TAG = re.compile(r"</?(?:p|div|span|br|b|i|u|em|strong|code|pre)(?:\s[^<>]{0,200})?/?>", re.I)
_SLACK = re.compile(r"<([^<>\n|]{1,1000})(?:\|([^<>\n]{0,1000}))?>")
_QUOTES = dict.fromkeys(map(ord, '"`´‘’‚‛“”„‟«»‹›′″'), "'")
_EDGES = "'*_~"
"""Around a word, for looks."""

_DASHES = dict.fromkeys(map(ord, "‐‑‒–—―−﹘﹣－"), "-")


def plain(text: str) -> str:
    """Without what chat platforms and keyboards add: Slack's links (`<http://x|x>`) and Teams' mentions, entities,
    curly quotes, long dashes, invisible characters, odd spaces. Slack's forms:
    https://docs.slack.dev/messaging/formatting-message-text"""
    text = _AT.sub(" ", text[:MAX_TEXT])
    text = _SLACK.sub(_link, _TAG.sub(" ", text))
    text = unicodedata.normalize("NFKC", html.unescape(text))
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


_UNIT_APART = re.compile(
    r"(='?\d{1,2}(?:[:.]\d\d)?) (?=[ap]\.?m(?![\w-]))"
    r"|(\bidle='?\d{1,6}(?:[.,]\d{1,3})?) (?=(?:m|mins?|minutes?|h|hrs?|hours?)(?![\w-]))",
    re.ASCII | re.I,
)
"""`stop=7 pm`, `idle=2 hours`: the unit belongs to the number, and is no hub's name."""


def _words(text: str) -> list[str]:
    spaced = re.sub(r" ?= ?", "=", " ".join(text.split()))  # single spaces: a run of them would be read again and again
    spaced = _UNIT_APART.sub(lambda found: found[1] or found[2], spaced)
    words = (word.strip(_EDGES + ",;!|()[]{}").rstrip(".?!").rstrip(_EDGES) for word in spaced.split()[: MAX_WORDS * 2])
    return [word for word in words if word][:MAX_WORDS]


def _order(word: str) -> Order | None:
    lower = word.lower().lstrip("-/").rstrip(":")
    return Order(lower) if lower in set(Order) else _ALIASES.get(lower)


_SURELY = 0.75
"""How near a word must be for deleting to be meant: `resume` is near `remove` (0.67)."""


def _misread(first: str, rest: Sequence[str]) -> Misread:
    """The nearest command, with what else was typed where that can be meant."""
    said = f"'{shown(first)}' is no command."
    if rest and _order(rest[0]) is not None:  # `physics stop`, `physics extend 2h`
        order = _order(rest[0])
        assert order is not None
        how_long = shown(" ".join(rest[1:])) if order is Order.EXTEND else ""
        return Misread(said, f"{order} {shown(first)} {how_long}".strip() if order in _NAMED else USAGES[order].example)
    typed = first.lower()[:40]
    near = get_close_matches(typed, [*map(str, Order), *_ALIASES], n=1, cutoff=0.6)
    order = _order(near[0]) if near else None
    if order is None or (order is Order.DELETE and not get_close_matches(typed, near, cutoff=_SURELY)):
        return Misread(said)
    more = shown(" ".join(rest), 100) if order not in (Order.LIST, Order.LINK) else ""  # those take nothing
    return Misread(said, f"{order} {more}" if more else USAGES[order].example)


# ------------------------------------------------------------------ commands with a name


def _one_name(order: Order, rest: Sequence[str]) -> Command:
    name, more = (_name(rest[0]), rest[1:]) if rest else (None, rest)
    return Command(order=order, name=name, wrong=(*_nameless(order, name), *_left_over(order, more)))


def _extend(rest: Sequence[str]) -> Command:
    words = list(rest)
    while len(words) > 1 and words[1].lower() in ("by", "for"):
        del words[1]
    if len(words) > 1 and _hours(words[0]) is not None and _hours(words[1]) is None:
        words = [*words[1:], words[0]]  # `extend 2h physics`
    name = _name(words[0]) if words else None
    typed = "".join(words[1:])
    wrong, hours = list(_nameless(Order.EXTEND, name)), 1.0
    if typed:
        found = _hours(typed)
        if found is None:
            wrong.append(f"'{shown(' '.join(words[1:]))}' is no length of time: write 2h, 90m or 1h30m.")
        elif not LEAST_HOURS <= found <= MOST_HOURS:
            wrong.append(f"'{shown(typed)}' is too {_much(found)}: from 15m to {MOST_HOURS:g}h.")
        else:
            hours = found
    return Command(order=Order.EXTEND, name=name, hours=hours, wrong=tuple(wrong))


def _much(hours: float) -> str:
    return "little" if hours < LEAST_HOURS else "much"


_LENGTH = re.compile(
    r"\+?(?:(?P<h>\d{1,4}(?:[.,]\d{1,3})?)(?:h|hr|hrs|hour|hours))?(?:and)?"
    r"(?:(?P<m>\d{1,5})(?:m|min|mins|minute|minutes))?",
    re.ASCII | re.I,
)
_COLON = re.compile(r"([0-4]):([0-5]\d)", re.ASCII)
"""From `5:00` on it was rather meant as a time of day, and would be paid for as a length."""
_BARE = re.compile(r"\d{1,2}(?:[.,]\d{1,3})?", re.ASCII)
_BARE_HOURS = 24
"""A number without a unit is hours up to here: what is larger was perhaps meant as minutes."""


def _hours(text: str) -> float | None:
    """`2h`, `90m`, `1.5h`, `1h30m`, `1:30`, `2` -> hours."""
    if found := _LENGTH.fullmatch(text):
        if found["h"] is None and found["m"] is None:
            return None
        return float((found["h"] or "0").replace(",", ".")) + int(found["m"] or 0) / 60
    if found := _COLON.fullmatch(text):
        return int(found[1]) + int(found[2]) / 60
    if _BARE.fullmatch(text):
        hours = float(text.replace(",", "."))
        return hours if hours <= _BARE_HOURS else None
    return None


def _delete(rest: Sequence[str]) -> Command:
    name = _name(rest[0]) if rest else None
    wrong = list(_nameless(Order.DELETE, name))
    code: str | None = None
    if len(rest) > 1 and rest[1].lower() == "confirm":
        code = rest[2].upper() if len(rest) > 2 else ""
        if not CODE.fullmatch(code):
            wrong.append("The code has four letters or digits. Without one, delete shows you one.")
        wrong += _left_over(Order.DELETE, rest[3:])
    else:
        wrong += _left_over(Order.DELETE, rest[1:])
    return Command(order=Order.DELETE, name=name, code=code, wrong=tuple(wrong))


def _help(rest: Sequence[str]) -> Command:
    """About a command when the next word is one; anything else is help as well."""
    return Command(order=Order.HELP, about=_order(rest[0]) if rest else None)


def _name(word: str) -> str:
    """Hubs' names are lower case; whether it is one is the API's to say."""
    return word.lower()[:100]


def _nameless(order: Order, name: str | None) -> Iterator[str]:
    if name is None and order in _NAMED:
        yield f"Which hub? Write its name after {order}."


def _left_over(order: Order, words: Sequence[str]) -> tuple[str, ...]:
    if not words:
        return ()
    return (f"{order} takes nothing more: '{shown(' '.join(words))}' was not understood.",)


# ------------------------------------------------------------------ create


def _create(rest: Sequence[str]) -> Command:
    name: str | None = None
    options: dict[str, str | int | tuple[str, ...]] = {}
    wrong: list[str] = []
    typed: set[str] = set()
    after_days = False
    for word in rest:
        if after_days and word.lower() in ("and", "&", "+"):
            continue  # `days=mon and wed`
        key, value = _option(word)
        typed |= {key} if key is not None else set()
        if key is None:
            if after_days and (days := _days(word)) is not None:  # `days=mon, wed, fri`
                known = options.get("days", ())
                options["days"] = _sorted({*(known if isinstance(known, tuple) else ()), *days})
            elif name is None:
                name = _name(word)
            else:
                wrong.append(f"'{shown(word)}' was not understood: a name is one word, and an option has a '='.")
            continue
        after_days = key == "days"
        if key == "name":
            name = _name(value) if name is None and value else name
        elif key not in OPTIONS:
            wrong.append(f"There is no option '{shown(key)}'.{_nearest(key, [*OPTIONS, *_OPTION_ALIASES])}")
        elif key in options:
            wrong.append(f"{key} is there twice: which one is meant?")
        elif not value:
            wrong.append(f"{key} has no value: write it as in {OPTIONS[key][0]}.")
        else:
            read = _value(key, value)
            if read is None:
                wrong.append(f"'{shown(value)}' is no value for {key}: write it as in {OPTIONS[key][0]}.")
            else:
                options[key] = read
    if "zone" in options and not typed & {"start", "stop", "until"}:
        wrong.append("zone says nothing without start, stop or until.")
    if "days" in options and not typed & {"start", "stop"}:
        wrong.append("days say nothing without start or stop.")
        del options["days"]
    return Command(order=Order.CREATE, name=name, options=options, wrong=tuple(wrong))


def _option(word: str) -> tuple[str | None, str]:
    """`key=value`; `key:value` for keys that there are; (None, the word) for anything else."""
    sign = "=" if "=" in word else ":"
    key, found, value = word.partition(sign)
    key = key.lower().lstrip("-").strip(_EDGES)
    key = _OPTION_ALIASES.get(key, key)
    if not found or (sign == ":" and key not in OPTIONS):
        return None, word
    return key, value.strip(_EDGES)


def _nearest(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word[:40], list(known), n=1, cutoff=0.6)
    if not near:
        return f" There are: {', '.join(OPTIONS)}."
    return f" Did you mean {_OPTION_ALIASES.get(near[0], near[0])}?"


def _value(key: str, text: str) -> str | int | tuple[str, ...] | None:
    """In the form the API takes. None = it cannot be read."""
    match key:
        case "people":
            return int(text) if re.fullmatch(r"\d{1,6}", text, re.ASCII) else None
        case "idle":
            return _minutes(text)
        case "start" | "stop":
            return _wall(text)
        case "days":
            return _days(text)
        case "until":
            return _date(text)
        case "size":
            return text if text.lower().startswith(("standard_", "basic_")) else f"Standard_{text}"
        case "region":
            return text.lower().replace("-", "")
        case _:
            return text


def _minutes(text: str) -> int | None:
    if re.fullmatch(r"\d{1,6}", text, re.ASCII):
        return int(text)
    hours = _hours(text)
    return None if hours is None else round(hours * 60)


_WALL = re.compile(r"(\d{1,2})(?:[:.h](\d\d))?(?:([ap])\.?m)?", re.ASCII | re.I)


def _wall(text: str) -> str | None:
    """`19:00`, `9:30`, `19`, `7pm`, `7:30p.m` -> `HH:MM`."""
    found = _WALL.fullmatch(text)
    if found is None:
        return None
    hour, minute, half = int(found[1]), int(found[2] or 0), (found[3] or "").lower()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "p" else 0)
    return f"{hour:02d}:{minute:02d}" if hour < 24 and minute < 60 else None


def _date(text: str) -> str | None:
    try:
        return date.fromisoformat(text).isoformat() if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) else None
    except ValueError:
        return None


_DAY_SETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "weekdays": DAYS[:5],
        "workdays": DAYS[:5],
        "weekend": DAYS[5:],
        "weekends": DAYS[5:],
        "daily": DAYS,
        "all": DAYS,
        "everyday": DAYS,
    }
)


def _days(text: str) -> tuple[str, ...] | None:
    """`mon-fri`, `mon,wed,fri`, `fri-mon` (over the weekend), `weekdays`, `daily` -> days in their order."""
    found: set[str] = set()
    for part in re.split(r"[,+/&;]", text.lower()):
        if not part:
            continue
        if part in _DAY_SETS:
            found.update(_DAY_SETS[part])
            continue
        ends = [_day(end) for end in part.split("-")]
        if None in ends or len(ends) > 2:
            return None
        first, last = (DAYS.index(end or "") for end in (ends[0], ends[-1]))
        found.update(DAYS[(first + step) % 7] for step in range((last - first) % 7 + 1))
    return _sorted(found) or None


def _sorted(days: Iterable[str]) -> tuple[str, ...]:
    return tuple(day for day in DAYS if day in set(days))


_LONG_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _day(text: str) -> str | None:
    """Its three letters, for anything from two letters to the whole word."""
    return next((long[:3] for long in _LONG_DAYS if len(text) > 1 and long.startswith(text)), None)
