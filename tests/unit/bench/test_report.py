"""How figures become text, and which of them make the command fail."""

import pytest

from localdev.bench.api import waits
from localdev.bench.imports import loaded
from localdev.bench.options import FIGURES, parser
from localdev.bench.report import Report, number, quantile


def test_a_count_above_its_limit_fails_the_run_and_a_time_does_not() -> None:
    report = Report("P0")
    report.at_most("milliseconds", 3.2, 2.5)
    assert report.counts_met
    report.at_most("requests", 6, 5, exact=True)
    assert not report.counts_met


def test_each_line_shows_value_limit_and_verdict() -> None:
    report = Report("P0 title")
    report.at_most("requests", 5, 5, exact=True)
    report.at_most("ratio", 2.71, 2.5)
    report.add("floor", "1 / 2")
    report.note("  a note")
    assert report.text().splitlines() == [
        "P0 title",
        "  requests      5  <= 5         met",
        "  ratio      2.71  <= 2.5       MISSED",
        "  floor     1 / 2",
        "  a note",
    ]


@pytest.mark.parametrize(("share", "value"), [(0.5, 2), (0.75, 3), (0.99, 4), (1.0, 4), (0.0, 1)])
def test_a_quantile_is_one_of_the_values(share: float, value: int) -> None:
    assert quantile([4, 1, 3, 2], share) == value


def test_a_quantile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


@pytest.mark.parametrize(("value", "text"), [(5.0, "5"), (2.713, "2.71"), (123.4, "123"), (0.0002, "0.0002")])
def test_numbers_are_short(value: float, text: str) -> None:
    assert number(value) == text


def test_calls_that_overlap_are_one_wait() -> None:
    assert waits([]) == []
    assert waits([(4, 7), (0, 1), (2, 4)]) == [1, 2, 3]
    assert waits([(0, 1), (2, 5), (3, 4), (4, 6), (7, 8)]) == [1, 4, 1]


def test_a_package_is_found_by_any_of_its_modules_and_not_by_its_namesakes() -> None:
    modules = ["azure", "azure.mgmt.compute.models", "aiohttp_retry", "pydantic"]
    assert loaded(modules, ("azure.mgmt", "azure.storage", "aiohttp", "pydantic")) == ["azure.mgmt", "pydantic"]


def test_without_a_name_every_figure_is_wanted_but_those_that_take_minutes() -> None:
    assert parser().parse_args([]).figures == []
    assert "up" not in FIGURES
    args = parser().parse_args(["ready", "--hubs", "10000"])
    assert (args.figures, args.hubs) == (["ready"], 10000)


@pytest.mark.parametrize("argv", [["speed"], ["ready", "--hubs", "0"]])
def test_wrong_usage_ends_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args(argv)
    assert ended.value.code == 2
    assert "error" in capsys.readouterr().err
