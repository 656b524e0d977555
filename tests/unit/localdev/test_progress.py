"""The progress display of ./dev up."""

import io

from localdev.progress import LineDisplay, Snapshot, TerminalDisplay, last_line


def hub(stage: str, percent: int, **progress: object) -> dict[str, object]:
    return {"state": "installing", "progress": {"stage": stage, "percent": percent, **progress}}


def test_a_pipe_gets_one_line_per_change() -> None:
    out = io.StringIO()
    display = LineDisplay(out)
    for second, (stage, percent, eta) in enumerate([("boot", 20, 90), ("boot", 20, 88), ("install", 31, 80)]):
        display.show(Snapshot.of(hub(stage, percent, etaSeconds=eta)), 60 + second)
    assert out.getvalue().splitlines() == [
        "[1:00]  20 %  installing   boot",
        "[1:02]  31 %  installing   install",
    ]


def test_the_installers_last_line_is_shown() -> None:
    out = io.StringIO()
    LineDisplay(out).show(Snapshot.of(hub("install", 40, message="installing")).with_log_line("Setting up hub"), 5)
    assert out.getvalue().rstrip().endswith("Setting up hub")


def test_a_terminal_is_redrawn_in_place_and_keeps_finished_stages() -> None:
    out = io.StringIO()
    display = TerminalDisplay(out, width=80)
    display.show(Snapshot.of(hub("boot", 20)), 3)
    first = out.getvalue()
    display.show(Snapshot.of(hub("install", 30)), 10)
    second = out.getvalue()[len(first) :]
    assert second.startswith(f"\x1b[{first.count(chr(10))}F\x1b[J")
    assert "✓" in second
    assert "boot" in second
    assert "▸ install" in second


def test_no_line_is_wider_than_the_terminal() -> None:
    out = io.StringIO()
    TerminalDisplay(out, width=40).show(Snapshot.of(hub("install", 30)).with_log_line("x" * 200), 1)
    assert max(len(line) for line in out.getvalue().splitlines()) < 40


def test_a_hub_without_progress_yet_can_be_shown() -> None:
    assert Snapshot.of({"state": "accepted", "progress": None}) == Snapshot(state="accepted")


def test_the_last_line_skips_blanks_and_carriage_returns() -> None:
    assert last_line("one\ntwo 10%\rtwo 20%\n\n") == "two 20%"
    assert last_line("") == ""
