"""What may import what. Listing the functions must stay cheap, and dependencies point inward."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

HEAVY = (
    "azure.mgmt",
    "azure.storage",
    "azure.data",
    "azure.identity",
    "asyncssh",
    "aiohttp",
    "cryptography",
    "pydantic",
    "bcrypt",
    "yaml",
)
"""Packages that cost a cold start 0.05 to 1 s each; loaded where they are used, not where they are named."""

LIST_FUNCTIONS = """
import sys
import function_app
names = [function.get_function_name() for function in function_app.app.get_functions()]
assert "hub_create" in names and "work_queue" in names and "tick_timer" in names, names
print(*sorted(sys.modules))
"""


def loaded_by(code: str) -> set[str]:
    """The modules a fresh interpreter has after that code, without any setting in its environment."""
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={"PATH": ""}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return set(run.stdout.split())


def test_listing_the_functions_needs_no_setting_and_loads_nothing_heavy():
    loaded = loaded_by(LIST_FUNCTIONS)
    assert [name for name in HEAVY if name in loaded] == []
    assert not [name for name in loaded if name.startswith(("shared.adapters", "shared.steps", "localdev"))]


def test_the_catch_all_is_the_last_function_by_name():
    """The Functions host tries routes in the order of the functions' names."""
    code = "import function_app; print(*(f.get_function_name() for f in function_app.app.get_functions()))"
    assert sorted(loaded_by(code))[-1] == "zz_no_such_route"


@cache
def imports_of(path: Path) -> Sequence[tuple[str, bool]]:
    """Names of imported modules; True = at the module's top level at run time."""
    return tuple(_imports_of(path))


def _imports_of(path: Path) -> Iterator[tuple[str, bool]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lazy: set[ast.AST] = set()
    for node in ast.walk(tree):
        deferred = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        )
        if deferred:
            lazy.update(ast.walk(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node not in lazy) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative imports hide where things come from"
            yield node.module, node not in lazy
            yield from ((f"{node.module}.{alias.name}", node not in lazy) for alias in node.names)


def sources(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    assert found
    return found


def offenders(paths: Iterable[Path], refused: Callable[[str, bool], bool]) -> dict[str, set[str]]:
    """By file: the imports that it must not have; whether they are at its top level is the second argument."""
    found = {
        str(path.relative_to(ROOT)): {name for name, at_top in imports_of(path) if refused(name, at_top)}
        for path in paths
    }
    return {path: names for path, names in found.items() if names}


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


DEPLOYED = [*sources("functions", "shared"), ROOT / "function_app.py"]
OUTSIDE = (
    "azure",
    "functions",
    "shared.adapters",
    "shared.api",
    "shared.settings",
    "aiohttp",
    "asyncssh",
    "cryptography",
    "bcrypt",
    "pydantic",
    "yaml",
)


def test_the_domain_knows_nothing_outside_itself():
    outside = offenders(sources("shared/hubs"), lambda name, _: any(within(name, package) for package in OUTSIDE))
    assert outside == {}


def test_what_chats_have_in_common_knows_no_adapter():
    assert offenders(sources("shared/chat"), lambda name, _: within(name, "shared.adapters")) == {}


def test_an_import_that_must_not_be_is_found_and_its_file_named():
    found = offenders([ROOT / "shared/chat/action_links.py"], lambda name, at_top: within(name, "cryptography"))
    assert list(found) == ["shared/chat/action_links.py"]
    assert offenders([ROOT / "shared/chat/action_links.py"], lambda name, at_top: at_top and name == "hashlib")
    assert not offenders(
        [ROOT / "shared/chat/action_links.py"], lambda name, at_top: at_top and within(name, "cryptography")
    )


def test_nothing_deployed_imports_the_local_parts_or_the_tests():
    assert offenders(DEPLOYED, lambda name, _: within(name, "localdev") or within(name, "tests")) == {}


def test_shared_code_does_not_know_the_triggers():
    assert offenders(sources("shared"), lambda name, _: within(name, "functions")) == {}


def test_steps_reach_the_outside_through_ports_only():
    assert offenders(sources("shared/steps"), lambda name, _: within(name, "azure") or within(name, "shared.api")) == {}


def test_adapters_load_their_libraries_at_first_use():
    loaded = offenders(
        sources("shared/adapters"), lambda name, at_top: at_top and any(within(name, heavy) for heavy in HEAVY)
    )
    assert loaded == {}


@pytest.mark.parametrize("path", sources("shared/onvm"), ids=lambda path: path.name)
def test_what_runs_on_the_vm_needs_the_standard_library_only(path: Path):
    others = {name for name, _ in imports_of(path) if not within(name, "shared.onvm.agent")}
    assert {name.partition(".")[0] for name in others} <= set(sys.stdlib_module_names)
