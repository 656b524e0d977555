"""What may be said of a new hub: its name and the options of `create`, and what is wrong with them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType

from shared.chat import values
from shared.chat.typed import EDGES, shown

type Value = str | int | tuple[str, ...]
"""Of an option, in the form the API takes: `people`, `idle` (minutes): numbers; `days`: a tuple; the others: text."""

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

_ALIASES: Mapping[str, str] = MappingProxyType(
    {"timezone": "zone", "time-zone": "zone", "tz": "zone", "users": "people", "day": "days", "location": "region"}
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """`wrong`: one sentence for each mistake; with any of them nothing is to be made."""

    name: str | None
    options: Mapping[str, Value]
    wrong: tuple[str, ...]


def read_options(words: Sequence[str]) -> Wanted:
    """Of the words after `create`, in any order. Never raises."""
    name: str | None = None
    options: dict[str, Value] = {}
    wrong: list[str] = []
    typed: set[str] = set()
    after_days = False
    for word in words:
        if after_days and word.lower() in ("and", "&", "+"):
            continue  # `days=mon and wed`
        key, value = _option(word)
        typed |= {key} if key is not None else set()
        if key is None:
            if after_days and (days := values.days(word)) is not None:  # `days=mon, wed, fri`
                known = options.get("days", ())
                options["days"] = values.in_order({*(known if isinstance(known, tuple) else ()), *days})
            elif name is None:
                name = values.hub_name(word)
            else:
                wrong.append(f"'{shown(word)}' was not understood: a name is one word, and an option has a '='.")
            continue
        after_days = key == "days"
        if key == "name":
            name = values.hub_name(value) if name is None and value else name
        elif key not in OPTIONS:
            wrong.append(f"There is no option '{shown(key)}'.{_nearest(key, [*OPTIONS, *_ALIASES])}")
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
    return Wanted(name, options, tuple(wrong))


def _option(word: str) -> tuple[str | None, str]:
    """`key=value`; `key:value` for keys that there are; (None, the word) for anything else."""
    sign = "=" if "=" in word else ":"
    key, found, value = word.partition(sign)
    key = key.lower().lstrip("-").strip(EDGES)
    key = _ALIASES.get(key, key)
    if not found or (sign == ":" and key not in OPTIONS):
        return None, word
    return key, value.strip(EDGES)


def _nearest(word: str, known: Iterable[str]) -> str:
    near = get_close_matches(word[:40], list(known), n=1, cutoff=0.6)
    if not near:
        return f" There are: {', '.join(OPTIONS)}."
    return f" Did you mean {_ALIASES.get(near[0], near[0])}?"


def _value(key: str, text: str) -> Value | None:
    """In the form the API takes. None = it cannot be read."""
    match key:
        case "people":
            return values.number(text)
        case "idle":
            return values.minutes(text)
        case "start" | "stop":
            return values.wall(text)
        case "days":
            return values.days(text)
        case "until":
            return values.date(text)
        case "size":
            return values.size(text)
        case "region":
            return values.region(text)
        case _:
            return text
