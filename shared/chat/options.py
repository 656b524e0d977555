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


_EXAMPLES = {"name": "name=physics"} | {key: example for key, (example, _) in OPTIONS.items()}

_NO_NAMES = frozenset(
    word
    for line in (
        "a an another any each every my one only the this that new big small large hub hubs hublet called named help",
        "at bis but by even except excluding for from in max no not of on till to until with without",
        "and i it me or please pls plz plus thanks today tomorrow tonight then two und",
    )
    for word in line.split()
)
"""Words that a sentence begins with. Who wants one of them for a name writes `name=`."""

_ARTICLES = frozenset({"a", "an", "the", "new", "my", "another", "one"})
_FROM_TO = frozenset({"-", "to", "through", "thru", "till", "until", "bis"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """`wrong`: one sentence for each mistake; with any of them nothing is to be made."""

    name: str | None
    options: Mapping[str, Value]
    wrong: tuple[str, ...]


def read_options(words: Sequence[str]) -> Wanted:
    """Of the words after `create`: options in any order. Without `name=` the name is the first word: what follows an
    option is more likely left over of its value (`stop=19:00 IST`, `days=mon-fri except wed`). Never raises."""
    name: str | None = None
    options: dict[str, Value] = {}
    wrong: list[str] = []
    typed: set[str] = set()
    after_days = False
    for place, word in enumerate(_put_together(_without_a_hub(words))):
        if after_days and word.lower() in ("and", "&", "+"):
            continue  # `days=mon and wed`
        key, value = _option(word)
        typed |= {key} if key is not None else set()
        if key is None:
            if after_days and (days := values.days(word)) is not None:  # `days=mon, wed, fri`
                known = options.get("days", ())
                options["days"] = values.in_order({*(known if isinstance(known, tuple) else ()), *days})
            elif (meant := _option_name(word)) is not None:
                wrong.append(f"'{shown(word)}' is an option: write it as in {_EXAMPLES[meant]}.")
            elif place == 0 and not _is_no_name(word):
                name = values.hub_name(word)
            elif name is None:
                wrong.append(f"'{shown(word)}' was not understood. If the hub is to be called so: name={shown(word)}.")
            else:
                wrong.append(f"'{shown(word)}' was not understood: a name is one word, and an option has a '='.")
            continue
        after_days = key == "days"
        if key == "name":
            if not value:
                wrong.append(f"name has no value: write it as in {_EXAMPLES[key]}.")
            elif name is not None:
                wrong.append(f"There are two names, {shown(name)} and {shown(value)}: which one is meant?")
            else:
                name = values.hub_name(value)
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


def _without_a_hub(words: Sequence[str]) -> Sequence[str]:
    """`a new hub called physics`, `a physics hub` -> `physics`."""
    rest = list(words)
    while rest and rest[0].lower() in _ARTICLES:
        del rest[0]
    if [word.lower() for word in rest[1:2]] == ["hub"]:
        return [rest[0], *rest[2:]]
    if not rest or rest[0].lower() != "hub":
        return words
    return rest[2:] if len(rest) > 2 and rest[1].lower() in ("called", "named") else rest[1:]


def _put_together(words: Sequence[str]) -> Sequence[str]:
    """`people: 30`, `people : 30`, `stop=7 pm`, `idle=2 hours`, `days=mon to fri`: one word each."""
    done: list[str] = []
    for word in words:
        last = done[-1] if done else ""
        if word == ":" and _option_name(last) is not None:
            done[-1] = f"{last}:"
        elif last.endswith(":") and "=" not in word and _option_name(last[:-1]) is not None:
            done[-1] = f"{last}{word}"
        elif _goes_on(last, word):
            done[-1] = f"{last} {word}"
        elif len(done) > 1 and last.lower() in _FROM_TO and _option(done[-2])[0] == "days" and values.days(word):
            done[-2:] = [f"{done[-2]}-{word}"]
        else:
            done.append(word)
    return done


def _goes_on(option: str, word: str) -> bool:
    """Whether a time is read only together with the word after it, its unit: that is no hub's name."""
    key, value = _option(option)
    return key in ("start", "stop", "idle") and _value(key, f"{value} {word}") is not None


def _is_no_name(word: str) -> bool:
    return word.lower() in _NO_NAMES or values.days(word) is not None


def _option_name(word: str) -> str | None:
    """The option that this word names, by itself."""
    lower = word.lower().lstrip("-")
    known = _ALIASES.get(lower, lower)
    return known if known in _EXAMPLES else None


def _option(word: str) -> tuple[str | None, str]:
    """`key=value`; `key:value` for keys that there are; (None, the word) for anything else."""
    sign = "=" if "=" in word else ":"
    key, found, value = word.partition(sign)
    key = key.lower().lstrip("-").strip(EDGES)
    key = _ALIASES.get(key, key)
    if not found or (sign == ":" and key not in _EXAMPLES):
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
            return values.number(text) or None
        case "idle":
            return values.minutes(text)
        case "start":
            return values.begin(text)
        case "stop":
            return values.end(text)
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
