"""One list of kinds, and everything that names one."""

import ast
from pathlib import Path
from typing import get_args

import pytest

from shared.api.sink_request import Kind
from shared.errors import FatalError
from shared.hubs.notice_kinds import KINDS, PROGRESS
from shared.hubs.sink_rules import hears, owner_and_id, target_of
from tests.support.builders import OWNER, a_notice, a_sink
from tests.support.clock import MONDAY_MORNING

HUBS = Path(__file__).resolve().parents[3] / "shared" / "hubs"


def told() -> set[str]:
    """Every text in a call of `notify(...)`, and every one that is chosen for it into a variable."""
    found: set[str] = set()
    for path in HUBS.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            calls = [
                node
                for node in ast.walk(function)
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("visit.notify", "self.notify")
            ]
            firsts = [call.args[0] for call in calls]
            names = {first.id for first in firsts if isinstance(first, ast.Name)}
            found |= {str(first.value) for first in firsts if isinstance(first, ast.Constant)}
            for node in ast.walk(function):
                if isinstance(node, ast.Assign) and {ast.unparse(target) for target in node.targets} & names:
                    values = [node.value.body, node.value.orelse] if isinstance(node.value, ast.IfExp) else []
                    if isinstance(node.value, ast.Subscript) and isinstance(node.value.value, ast.Dict):
                        values = node.value.value.values
                    assert values, ast.unparse(node)
                    found |= {str(value.value) for value in values if isinstance(value, ast.Constant)}
    return found


def test_everything_that_is_told_is_in_the_list_and_nothing_else():
    assert told() == set(KINDS)


def test_requests_may_name_every_kind():
    assert get_args(Kind) == tuple(KINDS)


# ---- who hears what


@pytest.mark.parametrize("kind", KINDS)
def test_who_chose_nothing_hears_all_but_progress(kind: str):
    assert hears(a_sink(), a_notice(type=f"io.hublet.hub.{kind}.v1")) == (kind != PROGRESS)


def test_who_chose_hears_what_they_chose():
    chosen = a_sink(events=("ready", "progress"))
    heard = [kind for kind in KINDS if hears(chosen, a_notice(type=f"io.hublet.hub.{kind}.v1"))]
    assert heard == ["ready", "progress"]


def test_a_disabled_web_hook_hears_nothing():
    assert not hears(a_sink(disabled_at=MONDAY_MORNING), a_notice())


def test_other_owners_are_heard_by_those_that_hear_everybody():
    assert not hears(a_sink(), a_notice(owner="somebody-else"))
    assert hears(a_sink(everybody=True), a_notice(owner="somebody-else"))


@pytest.mark.parametrize("owner", [OWNER, "a", "a.b:c!d/e", "größe", "x" * 500, ""])
def test_a_target_finds_its_web_hook(owner: str):
    target = target_of(a_sink(owner=owner))
    assert owner_and_id(target) == (owner, a_sink().id)
    assert ":" not in target
    assert target.count(".") == 1


@pytest.mark.parametrize("target", ["ä.x", "a.x", "_w.x"])
def test_what_is_no_target_is_refused(target: str):
    with pytest.raises(FatalError, match="SinkUnknown"):
        owner_and_id(target)
