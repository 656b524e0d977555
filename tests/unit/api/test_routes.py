"""The table of routes and the description made of it."""

import ast
from pathlib import Path

import pytest

from shared.api import openapi
from shared.api.problems import CODES, MISTAKES
from shared.api.routes import ROUTES, Access, allowed_methods

ROOT = Path(__file__).resolve().parents[3]


def test_names_and_paths_are_unique():
    assert len({route.name for route in ROUTES}) == len(ROUTES)
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_route_has_listed_codes_answers_and_a_place_in_the_description(route):
    assert set(openapi.codes_of(route)) <= set(CODES)
    assert route.answers
    operation = openapi.document()["paths"][f"/api/{route.path}"][route.method.lower()]
    assert operation["operationId"] == route.name
    assert (operation.get("security") == []) == (route.access is Access.ANONYMOUS)
    assert ("401" in operation["responses"]) == (route.access is not Access.ANONYMOUS or route.name == "meta_readyz")
    assert set(operation["responses"]) >= {str(status) for status in route.answers}
    assert not (route.secret and "Idempotency-Key" in route.request_headers)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("hubs", ["GET", "POST"]),
        ("HUBS", ["GET", "POST"]),
        ("/hubs/x/", ["DELETE", "GET"]),
        ("hubs/x/events", ["GET"]),
        ("hubs/x/y", []),
        ("", []),
        ("openapi.json", ["GET"]),
        ("openapixjson", []),
    ],
)
def test_the_methods_of_a_path(path: str, methods: list[str]):
    assert allowed_methods(path) == methods


def raised_codes(folder: str, kind: str) -> set[str]:
    """First arguments of `kind("Code", ...)` in the sources below a folder."""
    codes = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == kind:
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    codes.add(first.value)
    return codes


def test_every_code_that_commands_and_the_edge_raise_is_listed():
    commands = raised_codes("shared/hubs", "UserError") & raised_codes_of_commands()
    assert commands
    assert commands | raised_codes("shared/api", "UserError") | raised_codes("shared/api", "Problem") <= set(CODES)
    assert raised_codes("functions", "Problem") <= set(CODES)
    assert raised_codes("shared/api", "mistake") <= set(MISTAKES)


def raised_codes_of_commands() -> set[str]:
    tree = ast.parse((ROOT / "shared/hubs/commands.py").read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
