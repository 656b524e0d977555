"""The command line of ./dev."""

import json
import re
import shlex
from pathlib import Path

import pytest

from localdev.cli import build_parser, main
from localdev.paths import ROOT
from tests.support.small_ca import SmallCa


@pytest.mark.parametrize("argv", [[], ["--help"]])
def test_help_lists_every_command(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(argv)
    except SystemExit as ended:
        code = int(ended.code or 0)
    said = capsys.readouterr().out
    assert code == 0
    for command in ("up", "chat", "test", "check", "bench", "sim", "chaos", "mutate", "lock", "setup"):
        assert f"\n    {command} " in said


def test_up_options() -> None:
    args = build_parser().parse_args(["up", "--once", "--time-scale", "30", "--port", "8080"])
    assert (args.once, args.time_scale, args.port, args.host) == (True, 30.0, 8080, "local")


@pytest.mark.parametrize(
    "argv", [["test", "integration"], ["up", "--time-scale", "0"], ["up", "--host", "x"], ["nonsense"]]
)
def test_wrong_usage_is_named_and_ends_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(argv)
    assert ended.value.code == 2
    assert argv[-1] in capsys.readouterr().err


def test_chaos_is_200_kills_over_50_lives_unless_it_is_told_otherwise() -> None:
    args = build_parser().parse_args(["chaos"])
    assert (args.kills, args.lives, args.minutes, args.quick) == (200, 50, 30.0, False)
    args = build_parser().parse_args(["chaos", "--kills", "7", "--seed", "x", "--quick"])
    assert (args.kills, args.seed, args.quick) == (7, "x", True)


def test_chat_speaks_to_the_usual_channel_as_the_usual_person() -> None:
    args = build_parser().parse_args(["chat", "slack", "/hub list"])
    assert (args.action, args.text, args.user, args.channel) == ("slack", "/hub list", "U1", "C1")


def test_every_chat_line_that_is_told_to_people_can_be_read() -> None:
    lines = [
        line
        for file in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
        for line in re.findall(r"^ *\./dev (chat .*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert lines
    for line in lines:
        assert build_parser().parse_args(shlex.split(line, comments=True)).command == "chat"


def test_chat_without_a_running_up_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chat", "--state-dir", str(tmp_path), "slack", "/hub list"]) == 1
    assert "start ./dev up" in capsys.readouterr().err


def test_chat_of_an_up_that_died_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    SmallCa(tmp_path)
    session = {"chat": "https://127.0.0.1:1", "api": "http://127.0.0.1:1/api", "token": "x"}
    session["ca"] = str(tmp_path / "ca.pem")
    (tmp_path / "session.json").write_text(json.dumps(session))
    assert main(["chat", "--state-dir", str(tmp_path), "show"]) == 1
    assert "is ./dev up still running" in capsys.readouterr().err
