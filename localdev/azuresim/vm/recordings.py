"""The recorded installer runs of ``data/`` as a list of lines with the seconds that passed before each."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from localdev.azuresim.vm.processes import here

STAMPED = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}) (.*)")


@dataclass(frozen=True)
class Line:
    """One line of installer.log."""

    after_s: float
    text: str


def parse(log: str) -> list[Line]:
    """The stamped lines of a log; the first one comes at once."""
    lines: list[Line] = []
    last: datetime | None = None
    for match in map(STAMPED.fullmatch, log.splitlines()):
        if match is None:
            continue
        at = datetime.strptime(f"{match[1]}.{match[2]}", "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
        lines.append(Line(0.0 if last is None else (at - last).total_seconds(), match[3]))
        last = at
    return lines


def fresh_install() -> list[Line]:
    """The recorded successful install."""
    return parse(here("data/installer-success.log").read_text())


CONDA_LINES = (
    "Downloading & setting up user environment",
    "Downloading conda",
    "Downloaded conda",
    "/opt/tljh/user has",
)


def upgrade(*, has_user_environment: bool, has_proxy: bool) -> list[Line]:
    """A run that found ``/opt/tljh/hub``: apt and the virtual environment are skipped, what is there is renewed.

    The gaps of the renewed parts come from the recorded second run.
    """
    fresh = fresh_install()
    start = next(number for number, line in enumerate(fresh) if line.text == "Running TLJH installer...")
    lines = [
        Line(0.0, "Existing TLJH installation detected, upgrading..."),
        Line(0.0, "Upgrading pip..."),
        Line(1.6, "Upgrading TLJH installer..."),
        Line(4.0, "Running TLJH installer..."),
    ]
    for line in fresh[start + 1 :]:
        if has_user_environment and line.text.startswith(CONDA_LINES):
            if line.text.startswith("Downloading & setting"):
                lines.append(Line(0.2, "Reinstalling conda==24.7.1, mamba==1.5.9 to ensure a consistent environment"))
        elif line.text == "Setting up JupyterHub..." and has_user_environment:
            lines.append(Line(18.2, line.text))
        elif not (has_proxy and line.text.startswith("Downloading traefik")):
            lines.append(line)
    return lines


def failure(name: str) -> str:
    """What the named failing stage wrote to standard error."""
    return here(f"data/failure-{name}.txt").read_text()
