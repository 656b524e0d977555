"""The app keeps what its own description promises: generated requests, right and wrong, against /api/openapi.json.

The functions run in process over fakes; each request meets a fresh deployment with one ready hub, so that a failure can
be repeated. Acceptance of everything the schema allows is not asked for: names, keys, networks and packages have
grammars that a JSON schema does not tell.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import jsonschema_rs
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode, checks

from shared.api.routes import ROUTES, Access, Route
from tests.component.api.client import ADMIN_TOKEN, Answer, Api
from tests.support.builders import a_ready_hub, some_secrets, some_settings
from tests.support.world import World

HUB = "physics"
SETTINGS = some_settings(HUBLET_ADMIN_TOKEN=ADMIN_TOKEN)

CHECKED = (
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
)


async def answer(method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
    world = World(settings=SETTINGS)
    hub = world.storage.hubs.seed(a_ready_hub(owner="admin", name=HUB))
    await world.storage.secrets.create("admin", hub.id, some_secrets())
    await world.storage.logs.append(hub.id, 0, b"Setting up JupyterHub...\nDone!\n")
    return await Api(world).dispatch(method, path, headers, body)


def wsgi_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Just enough of WSGI to hand a request to the functions and the answer back."""
    path = environ.get("REQUEST_URI") or quote(environ["PATH_INFO"], encoding="latin-1")
    if environ.get("QUERY_STRING") and "?" not in path:
        path += f"?{environ['QUERY_STRING']}"
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if (name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")) and value
    }
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    got = asyncio.run(answer(environ["REQUEST_METHOD"], path, headers, body))
    start_response(f"{got.status} -", list(got.headers.items()))
    return [got.body]


@cache
def described() -> Any:
    return schemathesis.openapi.from_wsgi("/api/openapi.json", wsgi_app)


def cases(route: Route, mode: GenerationMode) -> Any:
    """Requests of one route: such as its description allows, or such as it forbids."""
    return described()[f"/api/{route.path}"][route.method].as_strategy(generation_mode=mode)


HURRIED = settings(max_examples=20, derandomize=True, suppress_health_check=list(HealthCheck))
TAKES_INPUT = [route for route in ROUTES if route.body or route.query]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
@HURRIED
@given(data=st.data())
def test_the_app_keeps_its_description(route: Route, data: st.DataObject) -> None:
    case = data.draw(cases(route, GenerationMode.POSITIVE))
    if "name" in case.path_parameters and data.draw(st.booleans()):
        case.path_parameters["name"] = HUB  # otherwise nearly all would be 404
    case.call_and_validate(headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}, checks=CHECKED)


@pytest.mark.parametrize("route", TAKES_INPUT, ids=lambda route: route.name)
@HURRIED
@given(data=st.data())
def test_what_the_description_forbids_is_refused(route: Route, data: st.DataObject) -> None:
    case = data.draw(cases(route, GenerationMode.NEGATIVE))
    response = case.call_and_validate(headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}, checks=CHECKED)
    if arrives_wrong(case, route):
        assert 400 <= response.status_code < 500


def arrives_wrong(case: Any, route: Route) -> bool:
    """Whether what the description forbids is still there on the wire: a parameter without a value is not sent at all,
    and a missing header is the token that the call itself adds."""
    wrong = {place.value for place, part in case.meta.components.items() if part.mode is GenerationMode.NEGATIVE}
    return bool(wrong & {"body", "path"}) or not is_right(case.query or {}, route)


def is_right(query: Mapping[str, Any], route: Route) -> bool:
    """Whether the description allows this query as it is sent."""
    url = requests.Request("GET", "http://localhost/", params=query).prepare().url or ""
    schemas = {parameter.name: dict(parameter.schema) for parameter in route.query}
    return all(
        name in schemas and jsonschema_rs.is_valid(schemas[name], typed(value, schemas[name]))
        for name, value in parse_qsl(urlsplit(url).query)
    )


def typed(value: str, schema: Mapping[str, object]) -> str | int:
    return int(value) if schema["type"] == "integer" and re.fullmatch(r"-?[0-9]{1,15}", value) else value


@pytest.mark.parametrize("query", [{}, {"top": 24}, {"top": 24, "other": None}, {"skipToken": "x"}])
def test_a_query_is_right_as_it_is_sent(query: dict[str, Any]) -> None:
    assert is_right(query, next(route for route in ROUTES if route.name == "token_list"))


@pytest.mark.parametrize("query", [{"top": 0}, {"top": "x"}, {"top": 24, "other": "x"}, {"top": [24, "x"]}])
def test_a_query_is_wrong_as_it_is_sent(query: dict[str, Any]) -> None:
    assert not is_right(query, next(route for route in ROUTES if route.name == "token_list"))


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
@settings(HURRIED, max_examples=3)
@given(data=st.data())
def test_without_a_token_only_the_public_routes_answer(route: Route, data: st.DataObject) -> None:
    response = data.draw(cases(route, GenerationMode.POSITIVE)).call(headers={"Authorization": "Bearer x"})
    assert (response.status_code == 401) == (route.access is not Access.ANONYMOUS)
