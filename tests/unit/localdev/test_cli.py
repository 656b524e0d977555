"""The command line of ./dev."""

import pytest

from localdev.cli import build_parser, main


@pytest.mark.parametrize("argv", [[], ["--help"]])
def test_help_lists_every_command(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(argv)
    except SystemExit as ended:
        code = int(ended.code or 0)
    said = capsys.readouterr().out
    assert code == 0
    for command in ("up", "test", "check", "bench", "sim", "chaos", "mutate", "lock", "setup"):
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
