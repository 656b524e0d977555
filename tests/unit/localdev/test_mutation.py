"""./dev mutate: what is asked for, how it is counted, and that a mutant is what the tests meet."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from localdev import paths
from localdev.cli import build_parser
from localdev.mutation.report import Change, coverage_of, equivalents, score, stale, table
from localdev.mutation.targets import NAMES, TARGETS, chosen
from localdev.mutation.worker import (
    INVALID,
    KILLED,
    SURVIVED,
    at_import,
    chosen_tests,
    in_processes,
    limit_cpu,
    planner,
    put_in_place,
)

FULL = {"covered_branches": 4, "num_branches": 4, "missing_lines": 0}
A, B, C = (Change("states", "next_state", before, f"not {before}") for before in "abc")

# ---- what is asked for


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_every_target_and_its_tests_are_there(target):
    assert (paths.ROOT / target.path).is_file()
    for tests in target.tests:
        assert (paths.ROOT / tests).exists()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_the_functions_of_a_target_are_in_its_module(target):
    text = (paths.ROOT / target.path).read_text(encoding="utf-8")
    for function in target.functions:
        assert f"def {function}(" in text


def test_no_name_means_two_things():
    assert len(NAMES) == len(set(NAMES))


def test_a_group_is_all_its_targets_and_no_name_is_everything():
    assert [target.name for target in chosen(["outbox", "states"])] == ["states", "notify", "deliveries"]
    assert {target.group for target in chosen(["retry"])} == {"retry"}
    assert chosen([]) == TARGETS


@pytest.mark.parametrize("argv", [["nonsense"], ["--sample", "0"], ["--jobs", "0"]])
def test_wrong_usage_ends_with_2(argv: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args(["mutate", *argv])
    assert ended.value.code == 2


# ---- how it is counted


def test_the_score_is_the_share_of_mutants_that_were_killed():
    one = score("states", [(A, "killed"), (B, "killed"), (C, "survived")], (), FULL)
    assert (one.mutants, one.killed, one.survived, one.survivors) == (3, 2, 1, (C,))
    assert one.percent == pytest.approx(66.67, abs=0.01)


def test_what_cannot_be_imported_does_not_count():
    one = score("states", [(A, "killed"), (B, "invalid"), (C, "survived")], (), FULL)
    assert (one.mutants, one.killed) == (2, 1)


def test_an_equivalent_mutant_does_not_count():
    one = score("states", [(A, "killed"), (C, "survived")], {C: "why"}, FULL)
    assert (one.mutants, one.killed, one.survived, one.equivalent) == (1, 1, 0, 1)
    assert one.percent == 100.0


def test_an_equivalent_mutant_that_is_killed_counts_and_is_named():
    assert score("states", [(A, "killed")], {A: "why"}, FULL).mutants == 1
    assert stale([A, B, C], {A: "killed", C: "survived"}) == [A, B]


@pytest.mark.parametrize(
    ("killed", "coverage", "enough"),
    [
        (9, FULL, True),
        (8, FULL, False),
        (9, {**FULL, "covered_branches": 3}, False),
        (9, {**FULL, "missing_lines": 1}, False),
    ],
)
def test_nine_of_ten_and_every_branch_and_line_are_enough(killed: int, coverage: dict[str, int], enough: bool):
    results = [(A, "killed")] * killed + [(B, "survived")] * (10 - killed)
    assert score("states", results, (), coverage).enough is enough


def test_the_table_rounds_down_and_adds_up():
    near = [(A, "killed")] * 8996 + [(B, "survived")] * 1004
    text = table([score("states", near, (), FULL), score("decide", [(A, "killed")], (), FULL)])
    assert "| states | 10000 | 8996 | 1004 | 89.9 % | 0 | 4/4 |" in text
    assert "| **all** | 10001 | 8997 | 1004 | 89.9 % | 0 | 8/8 |" in text


def test_coverage_is_the_modules_or_the_functions():
    few = {"covered_branches": 1, "num_branches": 2, "missing_lines": 3}
    report = {"summary": FULL, "functions": {"f": {"summary": few}, "g": {"summary": few}, "h": {"summary": FULL}}}
    assert coverage_of(report, ()) == FULL
    assert coverage_of(report, ("f", "g")) == {"covered_branches": 2, "num_branches": 4, "missing_lines": 6}


# ---- the list of equivalents


def test_every_equivalent_has_a_target_and_a_reason_of_its_own_words():
    assert {change.target for change in equivalents()} <= {target.name for target in TARGETS}


@pytest.mark.parametrize("row", ['target = "t"', 'target="t"\nfunction=""\nbefore="x"\nafter="y"\nreason=""'])
def test_an_equivalent_without_its_reason_is_refused(row: str):
    with pytest.raises(ValueError, match="reason"):
        equivalents(f"[[mutant]]\n{row}")


# ---- a mutant


def in_child(mutants: list[str], run: Callable[[dict[str, Any]], int]) -> dict[str, int]:
    return in_processes([{"id": name} for name in mutants], run, lambda _: 0.1, 2)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_each_mutant_has_a_process_of_its_own_and_whatever_kills_that_kills_it():
    def run(mutant: dict[str, Any]) -> int:
        match mutant["id"]:
            case "exits":
                sys.exit(0)
            case "never ends":
                limit_cpu(-0.7)
                while True:
                    pass
            case "raises":
                raise ValueError
            case "invalid":
                return INVALID
        return SURVIVED if mutant["id"] == "lives" else KILLED

    assert in_child(["lives", "dies", "raises", "exits", "invalid", "never ends"], run) == {
        "lives": SURVIVED,
        "dies": KILLED,
        "raises": KILLED,
        "exits": KILLED,
        "invalid": INVALID,
        "never ends": KILLED,
    }


def test_the_code_of_a_function_is_replaced_for_whoever_has_the_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    source = (
        "from functools import cache\n@cache\ndef f():\n    return 1\nclass K:\n    def g(self):\n        return 1\n"
    )
    module = ModuleType("mutated_here")
    exec(source, module.__dict__)
    monkeypatch.setitem(sys.modules, "mutated_here", module)
    f, k = module.f, module.K()
    assert (f(), k.g()) == (1, 1)
    for name in ("f", "K.g"):
        mutant = {"function": name, "source": source.replace("return 1", "return 2")}
        assert put_in_place(mutant, "mutated_here", str(tmp_path))
    assert (f(), k.g()) == (2, 2)


def test_a_function_that_is_not_there_cannot_be_replaced():
    assert not put_in_place({"function": "f", "source": "def f(): pass"}, "mutated_nowhere", "x")


def test_tests_that_execute_the_statement_come_first_and_others_not_at_all():
    lines = {"same": [5], "near, slow": [5], "inside": [3], "elsewhere": [40]}
    seconds = {"near, slow": 2.0, "same": 0.1, "inside": 0.01, "elsewhere": 0.0}
    mutant = {"first": 5, "last": 6}
    assert chosen_tests(mutant, (2, 9), lines, seconds) == ["same", "near, slow", "inside"]


def test_a_function_that_ran_at_import_is_judged_by_all_tests(tmp_path: Path):
    """A test may use what the function said before any test began, and is not seen to execute it."""
    path = tmp_path / "m.py"
    path.write_text("def f():\n    return 1\ndef g():\n    return 2\n", encoding="utf-8")
    lines = {"": [1, 2, 3], "calls g": [4], "compares what f said": []}
    seconds = {"calls g": 0.1, "compares what f said": 0.2}
    f, g = (
        {"id": name, "function": name, "inside": True, "first": at, "last": at} for name, at in (("f", 2), ("g", 4))
    )
    plan = planner({"path": str(path), "lines": lines, "seconds": seconds, "mutants": [f, g]})
    assert plan(f) == ["calls g", "compares what f said"]
    assert plan(g) == ["calls g"]
    assert at_import((2, 2), lines) and not at_import((4, 4), lines)
