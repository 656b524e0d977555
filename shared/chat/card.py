"""What is said in a chat, on whichever platform: a card. Pure data; renderers escape and cut for their platform.

Texts are plain: no markup of any platform, possibly hostile (names, error messages), of any length.
"""

from dataclasses import dataclass
from enum import StrEnum


class Tone(StrEnum):
    INFO = "info"
    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


class Verb(StrEnum):
    """What a button does. `LOGIN` shows the admin login to the one person who presses it."""

    SNOOZE = "snooze"
    KEEP = "keep"
    STOP = "stop"
    START = "start"
    DELETE = "delete"
    LOGIN = "login"


@dataclass(frozen=True, slots=True)
class Fact:
    label: str
    value: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A line of the list of stages. `status`: `done`, `running`, `waiting`, `failed`."""

    label: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """Either a link (`url`), or a `verb` on hub `hub_id`. `deadline`: the stop it is about (RFC 3339), for warnings.
    `confirm`: a question asked before."""

    label: str
    verb: Verb | None = None
    hub_id: str = ""
    deadline: str = ""
    url: str = ""
    style: str = ""
    """`primary`, `danger` or nothing."""
    confirm: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """`private`: only for the one who asked, whatever the platform would do by default. `code`: lines shown as they are
    typed (commands, examples)."""

    title: str
    tone: Tone = Tone.INFO
    lines: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    stages: tuple[Stage, ...] = ()
    code: tuple[str, ...] = ()
    buttons: tuple[Button, ...] = ()
    private: bool = True

    @property
    def text(self) -> str:
        """In one line, for notifications and screen readers."""
        return " ".join((self.title, *self.lines))
