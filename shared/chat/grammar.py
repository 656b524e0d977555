"""Commands as people type them: what they mean, and every mistake at once in words they can use. Pure.

Nothing here decides whether something may be done. What is right by this grammar goes on to the API's own checks.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import StrEnum
from types import MappingProxyType

from shared.chat import values
from shared.chat.options import Value, read_options
from shared.chat.typed import plain, shown, words_of

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

_POLITE = frozenset({"please", "pls", "plz"})
_BEFORE_A_NAME = frozenset({"the", "my", "hub", "of", "for"})
_ALL_HUBS = frozenset({"all", "my", "the", "hubs", *_POLITE})
_NEVER = frozenset({"don't", "dont", "not", "never", "no"})

_CHANGING = frozenset(Order) - {Order.LIST, Order.STATUS, Order.COST, Order.LINK, Order.HELP}
"""Commands that change something, or ask whether to: they are not meant by a question."""

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
    options: Mapping[str, Value] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Misread:
    """No command. `said`: what was not understood; `try_this`: the line that may have been meant."""

    said: str
    try_this: str = ""


# ------------------------------------------------------------------ reading


def parse(text: str) -> Command | Misread:
    """Never raises, whatever the text. Nothing typed = help."""
    clean = plain(text)
    command = _read(words_of(clean))
    if isinstance(command, Command) and "?" in clean and command.order in _CHANGING:
        asked = "That was a question: if it is to be done, write it without '?'."
        return replace(command, wrong=(asked, *command.wrong))
    return command


def _read(words: Sequence[str]) -> Command | Misread:
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
            wanted = read_options(rest)
            return Command(order=order, name=wanted.name, options=wanted.options, wrong=wanted.wrong)
        case Order.HELP:
            return _help(rest)
        case Order.LIST:
            more = [word for word in rest if word.lower() not in _ALL_HUBS]
            return Command(order=order, wrong=_left_over(order, more))
        case Order.LINK:
            return Command(order=order, wrong=_left_over(order, rest))
        case Order.EXTEND:
            return _extend(_from_name(rest))
        case Order.DELETE:
            return _delete(_from_name(rest))
        case _:
            return _one_name(order, _from_name(rest))


def _order(word: str) -> Order | None:
    lower = word.lower().lstrip("-/").rstrip(":")
    return Order(lower) if lower in set(Order) else _ALIASES.get(lower)


_SURELY = 0.75
"""How near a word must be for deleting to be meant: `resume` is near `remove` (0.67)."""


def _misread(first: str, rest: Sequence[str]) -> Misread:
    """The nearest command, with what else was typed where that can be meant."""
    said = f"'{shown(first)}' is no command."
    if first.lower() in _NEVER:
        return Misread(said)
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


def _from_name(rest: Sequence[str]) -> Sequence[str]:
    """`the physics hub`, `hub physics` -> `physics`. A word that stands alone is a name."""
    words = list(rest)
    while len(words) > 1 and words[0].lower() in _BEFORE_A_NAME:
        del words[0]
    if len(words) > 1 and words[1].lower() == "hub":
        del words[1]
    return words


def _one_name(order: Order, rest: Sequence[str]) -> Command:
    name, more = (values.hub_name(rest[0]), rest[1:]) if rest else (None, rest)
    return Command(order=order, name=name, wrong=(*_nameless(order, name), *_left_over(order, more)))


def _extend(rest: Sequence[str]) -> Command:
    words = [word for word in rest if word.lower() not in ("by", "for")]
    if values.hours(" ".join(words)) is not None:
        words = ["", *words]  # `extend 2h`, `extend 2 hours`
    elif len(words) > 1 and _is_length_first(words):
        words = [words[-1], *words[:-1]]  # `extend 2h physics`
    name = values.hub_name(words[0]) if words and words[0] else None
    typed = " ".join(words[1:])
    wrong, hours = list(_nameless(Order.EXTEND, name)), 1.0
    if typed:
        found = values.hours(typed)
        if found is None:
            wrong.append(f"'{shown(typed)}' is no length of time: write how long, not until when: 2h, 90m or 1h30m.")
        elif not values.LEAST_HOURS <= found <= values.MOST_HOURS:
            wrong.append(f"'{shown(typed)}' is too {_much(found)}: from 15m to {values.MOST_HOURS:g}h.")
        else:
            hours = found
    return Command(order=Order.EXTEND, name=name, hours=hours, wrong=tuple(wrong))


def _is_length_first(words: Sequence[str]) -> bool:
    """Also one that cannot be read: names begin with a letter."""
    first = values.hours(" ".join(words[:-1])) is not None or not words[0][0].isalpha()
    return first and values.hours(words[-1]) is None


def _much(hours: float) -> str:
    return "little" if hours < values.LEAST_HOURS else "much"


def _delete(rest: Sequence[str]) -> Command:
    name = values.hub_name(rest[0]) if rest else None
    wrong = list(_nameless(Order.DELETE, name))
    code: str | None = None
    if len(rest) > 1 and rest[1].lower().rstrip(":") == "confirm":
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


def _nameless(order: Order, name: str | None) -> Iterator[str]:
    if name is None and order in _NAMED:
        yield f"Which hub? Write its name after {order}."


def _left_over(order: Order, words: Sequence[str]) -> tuple[str, ...]:
    if not words:
        return ()
    return (f"{order} takes nothing more: '{shown(' '.join(words))}' was not understood.",)
