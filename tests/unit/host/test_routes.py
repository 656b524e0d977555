"""Route templates, matched as the Functions host does."""

import pytest

from localdev.host.functions import Function, HttpTrigger
from localdev.host.routes import RouteTable, Template, split_path
from localdev.host.settings import SettingsError


def http_function(name: str, route: str, *methods: str) -> Function:
    return Function(name, name, HttpTrigger("req", route, frozenset(methods) or None))


@pytest.mark.parametrize(
    ("template", "path", "expected"),
    [
        ("hubs", "hubs", {}),
        ("hubs", "HUBS/", {}),
        ("hubs", "hubs/a", None),
        ("hubs/{name}", "hubs/a", {"name": "a"}),
        ("hubs/{name}", "hubs", None),
        ("hubs/{name?}", "hubs", {}),
        ("hubs/{name?}", "hubs/a", {"name": "a"}),
        ("hubs/{name=all}", "hubs", {"name": "all"}),
        ("hubs/{name}/log", "hubs/a/log", {"name": "a"}),
        ("files/{*rest}", "files/a/b", {"rest": "a/b"}),
        ("files/{**rest}", "files", {}),
        ("{*rest}", "", {}),
        ("items/{id:int}", "items/12", {"id": "12"}),
        ("items/{id:int}", "items/x", None),
        ("items/{id:guid?}", "items", {}),
        ("items/{id:guid}", "items/not-a-guid", None),
        ("hubs/{name}", "hubs/a%20b", {"name": "a b"}),
        ("hubs/{name}", "hubs/a%2Fb", {"name": "a%2Fb"}),
    ],
)
def test_match(template: str, path: str, expected: dict[str, str] | None) -> None:
    assert Template.parse(template).match(split_path(path)) == expected


@pytest.mark.parametrize("template", ["{*rest}/more", "{a?}/b", "{a}-{b}", "x{a}", "{id:regex(^a$)}", "{", "{a:int:b}"])
def test_what_this_host_does_not_know_is_refused(template: str) -> None:
    with pytest.raises(SettingsError):
        Template.parse(template)


def test_the_first_function_by_name_wins_however_vague_its_route() -> None:
    specific = http_function("zebra", "hubs/all", "GET")
    vague = http_function("Ant", "hubs/{name}", "GET")
    found = RouteTable([specific, vague], "api").find("GET", "/api/hubs/all")
    assert found is not None
    assert found.function is vague


def test_a_function_without_the_method_is_passed_over() -> None:
    reader, writer = http_function("a", "hubs", "GET"), http_function("b", "hubs", "POST")
    table = RouteTable([reader, writer], "api")
    found = table.find("POST", "/api/hubs")
    assert found is not None
    assert found.function is writer
    assert table.find("HEAD", "/api/hubs") is None


def test_a_function_without_methods_serves_all_of_them() -> None:
    assert RouteTable([http_function("a", "any")], "api").find("PROPFIND", "/api/any") is not None


@pytest.mark.parametrize(("prefix", "path"), [("api", "/API/hubs"), ("", "/hubs"), ("a/b", "/a/b/hubs")])
def test_the_route_prefix(prefix: str, path: str) -> None:
    table = RouteTable([http_function("a", "hubs", "GET")], prefix)
    assert table.find("GET", path) is not None
    assert table.find("GET", "/other/hubs") is None
