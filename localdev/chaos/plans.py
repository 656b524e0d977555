"""What happens in one life of a hub, decided by seed and number. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

LONGEST_PAUSE_S = 12.0


class Create(StrEnum):
    """How the create request is sent. All repeat it with the same `Idempotency-Key` until there is a 202."""

    PLAIN = "plain"
    CUT = "cut"
    """The caller hangs up before the answer, once or twice."""
    TWICE = "twice"
    """Two at the same moment, to both hosts."""


class Verb(StrEnum):
    STOP = "stop"
    START = "start"
    RESTART = "restart"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Until:
    """Waits until the hub shows this state."""

    state: str


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class HandOut:
    """Fetches the password and the private key, which from then on must be seen nowhere else."""


type Action = Until | Pause | HandOut | Verb


@dataclass(frozen=True, slots=True)
class Plan:
    create: Create
    actions: tuple[Action, ...]
    cuts: int = 0


_READY, _STOPPED = Until("ready"), Until("stopped")


def plan_of(seed: str, number: int, *, pause_s: float = LONGEST_PAUSE_S) -> Plan:
    """The same for the same arguments. `pause_s`: the longest time before something is asked out of turn."""
    random = Random(f"{seed}/life/{number}")

    def pause() -> Pause:
        return Pause(round(random.uniform(0, pause_s), 2))

    def short() -> Pause:
        return Pause(round(random.uniform(0, pause_s / 6), 2))

    middle: tuple[tuple[Action, ...], ...] = (
        (_READY, HandOut()),
        (_READY, HandOut(), Verb.STOP, _STOPPED),
        (pause(), Verb.DELETE),
        (pause(), Verb.DELETE),
        (_READY, Verb.DELETE),
        (_READY, Verb.STOP, _STOPPED, Verb.START, _READY),
        (_READY, Verb.STOP, short(), Verb.START, short(), Verb.STOP, _STOPPED),
        (_READY, HandOut(), Verb.RESTART, _READY),
        (_READY, Verb.RESTART, short(), Verb.STOP, _STOPPED),
        (_READY, Verb.STOP, short(), Verb.DELETE),
        (_READY, Verb.STOP, _STOPPED, Verb.START, short(), Verb.DELETE),
        (_READY, HandOut(), Verb.STOP, short(), Verb.START, _READY, Verb.DELETE),
    )
    create, actions = _dealt(seed, number, _CREATES), _dealt(seed, number, middle)
    return Plan(create, actions, random.randint(1, 2) if create is Create.CUT else 0)


_CREATES = (Create.PLAIN, Create.PLAIN, Create.CUT, Create.TWICE)


def _dealt[T](seed: str, number: int, cards: Sequence[T]) -> T:
    """As from a shuffled pack: each kind comes before any comes again."""
    turn, place = divmod(number, len(cards))
    pack = list(range(len(cards)))
    Random(f"{seed}/{len(cards)}/{turn}").shuffle(pack)
    return cards[pack[place]]


def wanted_after(verb: Verb) -> str:
    """The state in which a hub must end when this was the last thing that was accepted."""
    match verb:
        case Verb.STOP:
            return "stopped"
        case Verb.START | Verb.RESTART:
            return "ready"
        case Verb.DELETE:
            return "deleted"
