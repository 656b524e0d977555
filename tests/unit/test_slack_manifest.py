"""The Slack app manifest that people paste: its addresses exist, its scopes are enough and no more, and it keeps the
limits of Slack's schema (https://docs.slack.dev/reference/app-manifest, https://github.com/slackapi/manifest-schema)."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from shared.api.routes import allowed_methods

ROOT = Path(__file__).parent.parent.parent
FILE = ROOT / "infra" / "slack-manifest.yaml"
TEXT = FILE.read_text(encoding="utf-8")
PLACEHOLDER = "put-your-host-here.invalid"

SCOPES = {
    "chat.postMessage": {"chat:write"},
    "chat.update": {"chat:write"},
    "chat.postEphemeral": {"chat:write"},
    "conversations.open": {"im:write"},
}
"""What each method we may call needs: https://docs.slack.dev/reference/methods"""
WITHOUT_A_METHOD = {
    "commands": "the slash command itself",
    "chat:write.public": "chat.postMessage in public channels the bot is no member of",
    "im:write": "chat.postMessage to a person",
}


def manifest() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(TEXT)
    return read


def command() -> dict[str, Any]:
    [only] = manifest()["features"]["slash_commands"]
    found: dict[str, Any] = only
    return found


def urls() -> list[str]:
    return [command()["url"], manifest()["settings"]["interactivity"]["request_url"]]


def called() -> set[str]:
    """Web API methods that the code names."""
    code = "".join(file.read_text() for file in (ROOT / "shared" / "adapters" / "notify").glob("*.py"))
    families = "chat|conversations|users|views|reactions|files|auth|channels|im"
    return set(re.findall(rf"""["'/]((?:{families})\.[a-zA-Z.]+)["']""", code))


def test_every_address_in_it_is_one_of_the_two():
    assert sorted(re.findall(r"^ +(?:request_)?url: (\S+)$", TEXT, re.MULTILINE)) == sorted(urls())


def test_one_host_is_to_be_filled_in_and_it_can_be_nobodys():
    assert {urlsplit(url).hostname for url in urls()} == {PLACEHOLDER}
    assert all(urlsplit(url).scheme == "https" for url in urls())


def test_the_line_in_its_head_fills_the_host_in():
    found = re.search(r"sed 's/(?P<what>[^/]+)/(?P<host>[^/]+)/'", TEXT)
    assert found
    lines = [re.sub(found["what"], found["host"], line, count=1) for line in TEXT.splitlines()]
    filled = yaml.safe_load("\n".join(lines))
    assert urlsplit(filled["features"]["slash_commands"][0]["url"]).hostname == found["host"]
    assert PLACEHOLDER not in str(filled)


def test_its_addresses_are_routes_of_ours_that_take_posts():
    for url in urls():
        path = urlsplit(url).path
        assert path.startswith("/api/")
        assert allowed_methods(path.removeprefix("/api/")) == ["POST"], path


def test_its_scopes_cover_what_the_code_calls_and_nothing_else():
    named = set(manifest()["oauth_config"]["scopes"]["bot"])
    methods = called() | {"chat.postMessage", "chat.update", "chat.postEphemeral"}
    assert methods <= set(SCOPES), "say which scope a new method needs"
    needed = set().union(*(SCOPES[method] for method in methods))
    assert needed <= named
    assert named - needed <= set(WITHOUT_A_METHOD)


def test_it_acts_as_a_bot_and_never_as_a_person():
    assert set(manifest()["oauth_config"]) == {"scopes"}
    assert set(manifest()["oauth_config"]["scopes"]) == {"bot"}


def test_people_can_be_written_to_directly():
    """Without its Messages tab, posts to a person fail with `messages_tab_disabled`."""
    home = manifest()["features"]["app_home"]
    assert home["messages_tab_enabled"] is True
    assert home["home_tab_enabled"] is False


def test_everything_is_asked_over_http_with_secrets_that_do_not_rotate():
    settings = manifest()["settings"]
    assert settings["interactivity"]["is_enabled"] is True
    assert {settings[name] for name in ("org_deploy_enabled", "socket_mode_enabled", "token_rotation_enabled")} == {
        False
    }


def test_it_has_no_fields_but_those_of_slacks_schema():
    """Slack refuses unknown fields."""
    read = manifest()
    assert set(read) == {"display_information", "features", "oauth_config", "settings"}
    assert set(read["display_information"]) <= {"name", "description", "long_description", "background_color"}
    assert set(read["features"]) == {"app_home", "bot_user", "slash_commands"}
    assert set(read["features"]["bot_user"]) == {"display_name", "always_online"}
    assert set(command()) <= {"command", "url", "description", "usage_hint", "should_escape"}
    assert set(read["settings"]["interactivity"]) <= {"is_enabled", "request_url", "message_menu_options_url"}


def test_its_texts_keep_slacks_limits():
    about = manifest()["display_information"]
    assert 1 <= len(about["name"]) <= 35
    assert 1 <= len(about["description"]) <= 140
    assert re.fullmatch(r"#[0-9a-f]{6}", about["background_color"])
    assert re.fullmatch(r"[A-Za-z0-9 ._-]{1,80}", manifest()["features"]["bot_user"]["display_name"])
    assert command()["command"] == "/hub"
    assert 1 <= len(command()["description"]) <= 2000
    assert 1 <= len(command()["usage_hint"]) <= 1000
