"""The fault matrix is complete, and each of its rows is proved: a row without a test fails here, and a test without a
row."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from localdev.fault_matrix import faults
from tests.sim.plan import FAULTS

ROOT = Path(__file__).resolve().parents[2]
IDS = [f"F{number:02d}" for number in range(1, 52)]
_NAMED = re.compile(r"test_f(\d\d)_")
_MENTIONED = re.compile(r"test_f\d")


@cache
def named_after_rows(folder: Path = ROOT / "tests") -> Mapping[str, list[str]]:
    """Row id -> the tests whose names begin with it."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in sorted(folder.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if not _MENTIONED.search(text):
            continue
        for name in _collected(ast.parse(text).body):
            if named := _NAMED.match(name):
                found[f"F{named[1]}"].append(f"{path.relative_to(folder)}::{name}")
    return found


def _collected(body: list[ast.stmt]) -> Iterator[str]:
    """Functions of the module and of its classes: what stands inside a function is never run by pytest."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.ClassDef):
            yield from _collected(node.body)


def test_the_matrix_has_every_row_once_and_in_order():
    assert [row.id for row in faults()] == IDS


@pytest.mark.parametrize("row", faults(), ids=lambda row: row.id)
def test_every_row_has_a_test_that_names_it(row):
    assert named_after_rows().get(row.id), f"{row.id} ({row.fault}) has no test named test_{row.id.lower()}_..."


def test_every_test_that_names_a_row_has_that_row():
    known = {row.id for row in faults()}
    assert {row: names for row, names in named_after_rows().items() if row not in known} == {}


def test_every_module_a_row_names_is_there():
    missing = [(row.id, module) for row in faults() for module in row.where if not (ROOT / module).is_file()]
    assert missing == []


def test_a_test_is_found_by_its_name_alone(tmp_path: Path):
    (tmp_path / "test_some.py").write_text(
        "async def test_f07_one(): ...\nclass Test:\n    def test_f99_two(self): ...\ndef test_f7_three(): ...\n"
        "def helper():\n    def test_f08_four(): ...\n"
    )
    assert named_after_rows(tmp_path) == {"F07": ["test_some.py::test_f07_one"], "F99": ["test_some.py::test_f99_two"]}


@pytest.mark.parametrize(
    "row",
    [
        'id = "F01"',
        'id = "F01"\nfault = ""\ndoes = "b"\nowner = "c"\nwhere = ["d"]',
        'id = "F01"\nwhere = "d"\nmore = 1',
    ],
    ids=["columns missing", "empty", "unknown"],
)
def test_a_row_that_is_not_whole_is_refused(row: str):
    with pytest.raises(ValueError, match="F01"):
        faults(f"[[fault]]\n{row}\n")


def test_a_row_names_just_the_faults_of_the_simulation_that_play_it():
    plays = {(row, name) for name, fault in FAULTS.items() for row in fault.rows}
    assert {(row.id, name) for row in faults() for name in row.sim} == plays
