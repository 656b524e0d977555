"""Every mutant of one module, as JSON on stdout. Runs in the environment of `localdev/mutation/requirements.txt`.

The operators are mutmut's own (its `mutmut.mutation.mutators`). mutmut itself mutates only the inside of functions;
here they are applied to the module's data as well, because our tables are what decides. Left out are

* literal text, f-strings included (but not the expressions within them): sentences for people, names of log events;
* log lines, `assert_never`, `isinstance` and `len` calls (the last two as in mutmut);
* annotations, decorators, imports, type aliases, bases of classes: no behaviour, or an error at import.
"""

import difflib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider
from mutmut.mutation import mutators

_OPERATORS = tuple(
    (kind, operator) for kind, operator in mutators.mutation_operators if operator is not mutators.operator_string
)

_NEVER = (
    cst.Annotation,
    cst.Decorator,
    cst.Import,
    cst.ImportFrom,
    cst.TypeAlias,
    cst.TypeParameters,
    cst.SimpleString,
)
_TEXT = (cst.SimpleString, cst.FormattedString, cst.ConcatenatedString)
_CALLS = frozenset({"isinstance", "len", "assert_never", "cast"})
_LOGGERS = frozenset({"log", "_log"})


def main() -> int:
    path, *functions = sys.argv[1:]
    source = Path(path).read_text(encoding="utf-8")
    wrapper = MetadataWrapper(cst.parse_module(source))
    positions = wrapper.resolve(PositionProvider)
    found = []
    for node, mutated, function, inside, statement in _mutations(wrapper.module, "", None, False, None):
        if functions and function not in functions:
            continue
        changed = wrapper.module.deep_replace(node, mutated).code
        before, after = _difference(source, changed)
        if before == after:
            continue
        where = positions[statement]
        found.append(
            {
                "function": function,
                "inside": inside,
                "first": where.start.line,
                "last": where.end.line,
                "before": before,
                "after": after,
                "source": changed,
            }
        )
    json.dump(found, sys.stdout)
    return 0


def _mutations(
    node: Any, scope: str, function: str | None, inside: bool, statement: Any
) -> Iterator[tuple[Any, Any, str | None, bool, Any]]:
    """Node, what takes its place, the outermost function around it, whether it is in that one's body, and its
    statement."""
    if isinstance(node, _NEVER) or _is_left_out(node):
        return
    if isinstance(node, cst.BaseStatement | cst.SimpleStatementLine):
        statement = node
    for kind, operator in _OPERATORS:
        if isinstance(node, kind):
            for mutated in operator(node):
                if not _is_about_text(node, mutated) and not _drops_the_unreachable(node, mutated):
                    yield node, mutated, function, inside, statement
    for child in node.children:
        if isinstance(node, cst.ClassDef):
            if child is not node.body:
                continue
            yield from _mutations(child, f"{scope}{node.name.value}.", function, inside, statement)
        elif isinstance(node, cst.FunctionDef) and function is None:
            yield from _mutations(child, scope, scope + node.name.value, child is node.body, statement)
        else:
            yield from _mutations(child, scope, function, inside, statement)


def _is_left_out(node: Any) -> bool:
    if isinstance(node, cst.If) and isinstance(node.test, cst.Name) and node.test.value == "TYPE_CHECKING":
        return True
    if not isinstance(node, cst.Call):
        return False
    called = node.func
    if isinstance(called, cst.Attribute) and isinstance(called.value, cst.Name):
        return called.value.value in _LOGGERS
    return isinstance(called, cst.Name) and called.value in _CALLS


def _is_about_text(node: Any, mutated: Any) -> bool:
    """Whether all that changed is that a text is not there."""
    if isinstance(node, cst.Assign | cst.AnnAssign):
        return isinstance(node.value, _TEXT)
    if isinstance(node, cst.Call) and isinstance(mutated, cst.Call):
        kept = {id(argument) for argument in mutated.args}
        gone = [argument for argument in node.args if id(argument) not in kept]
        return bool(gone) and all(isinstance(argument.value, _TEXT) for argument in gone)
    return False


def _drops_the_unreachable(node: Any, mutated: Any) -> bool:
    """A `case` that exists for the type checker only."""
    if not isinstance(node, cst.Match):
        return False
    kept = {id(case) for case in mutated.cases}
    gone = [case for case in node.cases if id(case) not in kept]
    return all("assert_never(" in cst.Module(()).code_for_node(case) for case in gone)


def _difference(source: str, changed: str) -> tuple[str, str]:
    """The lines that are gone and those that came, each as one line."""
    gone: list[str] = []
    came: list[str] = []
    for line in list(difflib.unified_diff(source.splitlines(), changed.splitlines(), n=0, lineterm=""))[2:]:
        if not line.startswith("@@"):
            (gone if line.startswith("-") else came).append(line[1:].strip())
    return " ".join(gone), " ".join(came)


if __name__ == "__main__":
    sys.exit(main())
