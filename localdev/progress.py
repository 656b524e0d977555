"""Shows how a hub comes up: a redrawn block on a terminal, one line per change elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TextIO

_BAR_WIDTH = 30
_UP_AND_CLEAR = "\x1b[{lines}F\x1b[J"


@dataclass(frozen=True)
class Snapshot:
    """What there is to show of a hub at one moment."""

    state: str = "accepted"
    stage: str = ""
    percent: int = 0
    eta_s: int | None = None
    message: str = ""
    log_line: str = ""

    @classmethod
    def of(cls, hub: Mapping[str, Any]) -> "Snapshot":
        """From `GET /api/hubs/{name}`; fields that are missing or null stay empty."""
        progress = hub.get("progress") or {}
        return cls(
            state=str(hub.get("state") or ""),
            stage=str(progress.get("stage") or ""),
            percent=round(progress.get("percent") or 0),
            eta_s=progress.get("etaSeconds"),
            message=str(progress.get("message") or ""),
        )

    def with_log_line(self, line: str) -> "Snapshot":
        return replace(self, log_line=line)


class Display(Protocol):
    def show(self, snapshot: Snapshot, elapsed_s: float) -> None:
        """May be called as often as one likes."""
        ...

    def close(self) -> None:
        """The block stays, later output follows below it."""
        ...


@dataclass
class LineDisplay:
    """For pipes and log files."""

    out: TextIO
    _last: Snapshot | None = None

    def show(self, snapshot: Snapshot, elapsed_s: float) -> None:
        seen = replace(snapshot, eta_s=None)  # computed anew at each answer: not a change
        if seen == self._last:
            return
        self._last = seen
        note = seen.log_line or seen.message
        line = f"[{clock(elapsed_s)}] {seen.percent:3d} %  {seen.state:<12} {seen.stage:<10} {note}"
        print(line.rstrip(), file=self.out, flush=True)

    def close(self) -> None:
        """Nothing is left open."""


@dataclass
class TerminalDisplay:
    """Stages that are over with the time each took, the present one, a bar, the installer's last line."""

    out: TextIO
    width: int
    _lines: int = 0
    _done: list[str] = field(default_factory=list)
    _stage: str = ""
    _since: float = 0.0

    def show(self, snapshot: Snapshot, elapsed_s: float) -> None:
        if snapshot.stage != self._stage:
            if self._stage:
                self._done.append(f"  \x1b[32m✓\x1b[0m {self._stage:<12} {elapsed_s - self._since:5.0f} s")
            self._stage, self._since = snapshot.stage, elapsed_s
        block = [*self._done, *self._present(snapshot, elapsed_s)]
        if self._lines:
            self.out.write(_UP_AND_CLEAR.format(lines=self._lines))
        self.out.write("\n".join(block) + "\n")
        self.out.flush()
        self._lines = len(block)

    def _present(self, snapshot: Snapshot, elapsed_s: float) -> list[str]:
        filled = round(_BAR_WIDTH * min(snapshot.percent, 100) / 100)
        bar = "█" * filled + "░" * (_BAR_WIDTH - filled)
        eta = f"  about {snapshot.eta_s} s to go" if snapshot.eta_s else ""
        lines = [f"  {bar} {snapshot.percent:3d} %  {snapshot.state}  {clock(elapsed_s)}{eta}"]
        if snapshot.stage and snapshot.state != "ready":
            lines.insert(0, f"  ▸ {snapshot.stage:<12} {elapsed_s - self._since:5.0f} s  {snapshot.message}")
        if snapshot.log_line:
            lines.append(f"  {snapshot.log_line}")
        return [line[: self.width - 1] for line in lines]

    def close(self) -> None:
        self._lines = 0


def clock(seconds: float) -> str:
    """75 seconds as `1:15`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def last_line(text: str) -> str:
    """The last line with something on it; without carriage returns, which installers draw progress with."""
    lines = [line.split("\r")[-1].strip() for line in text.splitlines()]
    return next((line for line in reversed(lines) if line), "")
