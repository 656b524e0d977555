"""What may import what. Listing the functions must stay cheap, and dependencies point inward."""

import ast
import subprocess
import sys
from collections.abc import Iterator
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


def imports_of(path: Path) -> Iterator[tuple[str, bool]]:
    """Names of imported modules; True = at the module's top level at run time."""
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


@pytest.mark.parametrize("path", sources("shared/hubs"), ids=lambda path: path.name)
def test_the_domain_knows_nothing_outside_itself(path: Path):
    reached = {name for name, _ in imports_of(path) for package in OUTSIDE if within(name, package)}
    assert reached == set()


@pytest.mark.parametrize("path", DEPLOYED, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_deployed_imports_the_local_parts_or_the_tests(path: Path):
    reached = {name for name, _ in imports_of(path) if within(name, "localdev") or within(name, "tests")}
    assert reached == set()


@pytest.mark.parametrize("path", sources("shared"), ids=lambda path: str(path.relative_to(ROOT)))
def test_shared_code_does_not_know_the_triggers(path: Path):
    assert not [name for name, _ in imports_of(path) if within(name, "functions")]


@pytest.mark.parametrize("path", sources("shared/steps"), ids=lambda path: path.name)
def test_steps_reach_the_outside_through_ports_only(path: Path):
    reached = {name for name, _ in imports_of(path) if within(name, "azure") or within(name, "shared.api")}
    assert reached == set()


@pytest.mark.parametrize("path", sources("shared/adapters"), ids=lambda path: str(path.relative_to(ROOT)))
def test_adapters_load_their_libraries_at_first_use(path: Path):
    assert not [name for name, at_top in imports_of(path) if at_top and any(within(name, heavy) for heavy in HEAVY)]


@pytest.mark.parametrize("path", sources("shared/onvm"), ids=lambda path: path.name)
def test_what_runs_on_the_vm_needs_the_standard_library_only(path: Path):
    others = {name for name, _ in imports_of(path) if not within(name, "shared.onvm.agent")}
    assert {name.partition(".")[0] for name in others} <= set(sys.stdlib_module_names)
