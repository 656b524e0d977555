"""The table of routes and the description made of it."""

import ast
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jsonschema_rs
import pytest

from shared.api import openapi
from shared.api.chat_form import read_form
from shared.api.chat_link_request import parse_chat_link_request
from shared.api.examples import EXAMPLES
from shared.api.hub_patch import parse_hub_patch
from shared.api.hub_request import parse_hub_request
from shared.api.problems import CODES, MISTAKES
from shared.api.routes import HUB_LIST, ROUTES, Access, allowed_methods
from shared.api.sink_request import parse_redeliver_request, parse_sink_request
from shared.api.steer_request import parse_extend
from shared.api.token_request import parse_token_request
from shared.chat.signatures import teams_fresh
from shared.hubs.states import HubState
from tests.support.builders import a_ready_hub, a_schedule, a_spec, some_settings
from tests.support.clock import MONDAY_MORNING
from tests.support.fake_chat import FakeOutbound

ROOT = Path(__file__).resolve().parents[3]


@cache
def description() -> dict[str, Any]:
    """Made once: nothing here changes it."""
    return openapi.document()


def test_names_and_paths_are_unique():
    assert len({route.name for route in ROUTES}) == len(ROUTES)
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_route_has_listed_codes_answers_and_a_place_in_the_description(route):
    assert set(openapi.codes_of(route)) <= set(CODES)
    assert route.answers
    operation = description()["paths"][f"/api/{route.path}"][route.method.lower()]
    assert operation["operationId"] == route.name
    assert (operation.get("security") == []) == (route.access is Access.ANONYMOUS)
    asks_who = route.access is not Access.ANONYMOUS or route.name == "meta_readyz" or "BadSignature" in route.codes
    assert ("401" in operation["responses"]) == asks_who
    assert set(operation["responses"]) >= {str(status) for status in route.answers}
    assert not (route.secret and "Idempotency-Key" in route.request_headers)


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("hubs", ["GET", "POST"]),
        ("HUBS", ["GET", "POST"]),
        ("/hubs/x/", ["DELETE", "GET", "PATCH"]),
        ("hubs/x/stop", ["POST"]),
        ("hubs/x/cost", ["GET"]),
        ("hubs/x/events", ["GET"]),
        ("hubs/x/y", []),
        ("", []),
        ("openapi.json", ["GET"]),
        ("openapixjson", []),
    ],
)
def test_the_methods_of_a_path(path: str, methods: list[str]):
    assert allowed_methods(path) == methods


def raised_codes(below: str, kind: str, *, argument: int = 0) -> set[str]:
    """The codes in `kind("Code", ...)` in a source, or in all below a folder."""
    codes = set()
    start = ROOT / below
    for path in [start] if start.is_file() else start.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == kind:
                code = node.args[argument] if len(node.args) > argument else None
                if isinstance(code, ast.Constant) and isinstance(code.value, str):
                    codes.add(code.value)
    return codes


COMMANDS = ("commands", "steer", "budget", "handout", "api_tokens", "sinks")
"""Modules of `shared/hubs` whose errors are answers."""


def test_every_code_that_commands_and_the_edge_raise_is_listed():
    commands = set().union(*(raised_codes(f"shared/hubs/{module}.py", "UserError") for module in COMMANDS))
    assert {"HubNotFound", "HubIsStopped", "BudgetExceeded", "NotReadyYet"} <= commands
    commands |= raised_codes("shared/chat/links.py", "UserError")
    assert commands | raised_codes("shared/api", "UserError") | raised_codes("shared/api", "Problem") <= set(CODES)
    assert raised_codes("functions", "Problem") <= set(CODES)
    schedules = raised_codes("shared/hubs/schedule.py", "Problem", argument=1)
    assert "OverlappingBlocks" in schedules
    assert raised_codes("shared/api", "mistake") | raised_codes("shared/api", "Mistake", argument=1) | schedules <= set(
        MISTAKES
    ) | set(CODES)


def test_every_code_that_steering_raises_is_in_the_description_of_a_route_that_steers():
    described = {code for route in ROUTES if route.path.startswith("hubs/{name}") for code in openapi.codes_of(route)}
    assert raised_codes("shared/hubs/steer.py", "UserError") <= described


def test_hubs_can_be_listed_by_every_state():
    (state,) = [query for query in HUB_LIST.query if query.name == "state"]
    assert state.schema["enum"] == [str(state) for state in HubState]


# ---- examples

EXAMPLE_CASES = [
    pytest.param(schema, body, id=f"{schema}: {name}")
    for schema, examples in EXAMPLES.items()
    for name, body in examples.items()
]


def test_every_body_has_an_example_in_the_description():
    document = description()
    for route in ROUTES:
        if route.body is not None:
            content = document["paths"][f"/api/{route.path}"][route.method.lower()]["requestBody"]["content"]
            assert list(content) == list(route.body_types)
            assert all(shown["examples"] for shown in content.values())


@pytest.mark.parametrize(("schema", "body"), EXAMPLE_CASES)
def test_every_example_is_what_its_schema_says(schema: str, body: Any):
    components = description()["components"]
    described = {"$ref": f"#/components/schemas/{schema}", "components": components}
    jsonschema_rs.validator_for(described).validate(dict(body))


@pytest.mark.parametrize(("schema", "body"), EXAMPLE_CASES)
def test_every_example_is_taken(schema: str, body: Any):
    settings, now = some_settings(), MONDAY_MORNING
    match schema:
        case "HubRequest":
            assert parse_hub_request(body, settings=settings, owner="jaydoe", now=now)
        case "HubPatch":
            hub = a_ready_hub(spec=a_spec(schedule=a_schedule()))
            assert parse_hub_patch(body, hub, settings=settings, now=now)
        case "ExtendRequest":
            assert parse_extend(body)
        case "TokenRequest":
            assert parse_token_request(body, settings=settings, now=now)
        case "ChatLinkRequest":
            assert parse_chat_link_request(body)
        case "SlackCommand" | "SlackInteraction":
            assert read_form(urlencode(body).encode(), None) == body
        case "TeamsActivity":
            assert teams_fresh(body, now)
        case "SinkRequest":
            assert parse_sink_request(body, check=FakeOutbound().check)
        case "RedeliverRequest":
            assert parse_redeliver_request(body) == body.get("id")
        case _:
            assert (schema, body) == ("Nothing", {})


@pytest.mark.parametrize("schema", ["HubPatch", "SchedulePatch"])
def test_a_patch_has_no_defaults_that_a_client_could_fill_in(schema: str):
    fields = description()["components"]["schemas"][schema]["properties"]
    assert fields
    assert not [name for name, field in fields.items() if "default" in field]
